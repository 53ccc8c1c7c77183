//! One word for an implementation of this host and for a plugin: the policy decides, and nothing else changes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use plugline_host::manager::{Manager, Prefer};

use crate::contract::{Greet, GreetClient, GreetConfig, GreetContract, Greeter, package};

pub(crate) fn run(directory: &Path) -> crate::Said {
    package(&directory.join("plugins/polite"), "polite", "1.0.0")?;
    let mut said = Vec::new();
    for prefer in [Prefer::Builtin, Prefer::Plugin] {
        let manager = Manager::builder()
            .search(directory.join("plugins"))
            .cache(directory.join("cache"))
            .without_store()
            .prefer(prefer)
            .builtin("polite", GreetContract, |config: GreetConfig| {
                Ok::<_, String>(Arc::new(Greeter { who: "built in".into(), config }) as Arc<dyn Greet>)
            })
            .open()?;
        let greeter: GreetClient = manager.client("polite")?;
        said.push(greeter.hello("Ada")?);
        manager.stop_all(Duration::from_secs(10));
    }
    Ok(said.join("\n"))
}
