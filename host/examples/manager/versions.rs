//! The newest that works: one that does not start gives way to an older one, and the reason is told.

use std::fs;
use std::path::Path;
use std::time::Duration;

use plugline_host::manager::{Manager, ManagerEventKind};

use crate::contract::{Greet, GreetClient, package};

pub(crate) fn run(directory: &Path) -> crate::Said {
    for version in ["1.9.0", "1.10.0", "2.0.0"] {
        package(&directory.join("plugins").join(version), "greeter", version)?;
    }
    fs::write(directory.join("plugins/2.0.0/run.sh"), "echo 'no such library' >&2; exit 1")?;
    let manager = Manager::builder()
        .search(directory.join("plugins"))
        .cache(directory.join("cache"))
        .without_store()
        .open()?;
    let newest: GreetClient = manager.client("greeter")?;
    let pinned: GreetClient = manager.client("greeter@=1.9.0")?;
    let mut said = vec![newest.hello("Ada")?, pinned.hello("Ada")?];
    for event in manager.events().try_iter() {
        if let ManagerEventKind::FellBack { why, .. } = event.kind {
            said.push(why);
        }
    }
    manager.stop_all(Duration::from_secs(10));
    Ok(said.join("\n"))
}
