//! A handle survives the end of its process; a pool, an idle stop and limits are settings.

use std::path::Path;
use std::time::Duration;

use plugline_host::manager::{Manager, ManagerEventKind, Settings};
use plugline_host::{Decision, EventKind};

use crate::contract::{Greet, GreetClient, package};

const SETTINGS: &str = r#"
[plugins.greeter]
pool = 2
idle = "10m"
timeouts = { call = "10s" }
restart = { backoff = "1ms", crashes = 5 }
"#;

pub(crate) fn run(directory: &Path) -> crate::Said {
    package(&directory.join("plugins/greeter"), "greeter", "1.0.0")?;
    let manager = Manager::builder()
        .settings(Settings::parse(SETTINGS, Path::new("plugins.toml"))?, directory)
        .search(directory.join("plugins"))
        .cache(directory.join("cache"))
        .without_store()
        .open()?;
    let events = manager.events();
    let greeter: GreetClient = manager.client("greeter")?;
    let before = greeter.hello("Ada")?;
    let (mut started, mut ready) = (Vec::new(), 0);
    for event in events.iter() {
        match event.kind {
            ManagerEventKind::Plugin(EventKind::Started { pid }) => started.push(pid),
            ManagerEventKind::Plugin(EventKind::Ready(_)) => {
                ready += 1;
                // Both of the pool serve: one of them ends.
                if ready == 2 {
                    std::process::Command::new("kill").args(["-9", &started[0].to_string()]).status()?;
                }
            }
            ManagerEventKind::Plugin(EventKind::Supervision(Decision::Restarted { .. })) => break,
            _ => {}
        }
    }
    let after = greeter.hello("Ada")?;
    manager.stop_all(Duration::from_secs(10));
    Ok(format!("{before}\n{after}"))
}
