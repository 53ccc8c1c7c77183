//! Which plugins are there, and what do they offer? Nothing is started to know that.

use std::path::Path;

use plugline_host::manager::{Manager, Query};

use crate::contract::package;

pub(crate) fn run(directory: &Path) -> crate::Said {
    package(&directory.join("plugins/one"), "one", "1.2.0")?;
    package(&directory.join("plugins/two"), "two", "2.0.0")?;
    std::fs::create_dir_all(directory.join("plugins/spoilt"))?;
    std::fs::write(directory.join("plugins/spoilt/plugline.toml"), "name = ")?;
    let manager = Manager::builder()
        .search(directory.join("plugins"))
        .cache(directory.join("cache"))
        .without_store()
        .open()?;
    let mut said = Vec::new();
    for found in manager.find(&Query::contract("greet").contract_version("^1".parse()?)) {
        said.push(format!("{} {}", found.name, found.version));
    }
    for broken in manager.broken() {
        let name = broken.path.strip_prefix(directory)?.display().to_string();
        said.push(format!("{name} cannot be used, and hides nothing"));
    }
    Ok(said.join("\n"))
}
