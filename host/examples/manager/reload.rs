//! Files of a plugin change, and what is there now takes over: proved beside what runs, which stays where it fails.

use std::fs;
use std::path::Path;
use std::time::Duration;

use plugline_host::manager::{Manager, ManagerEventKind, Settings};

use crate::contract::{Greet, GreetClient, package};

pub(crate) fn run(directory: &Path) -> crate::Said {
    package(&directory.join("plugins/greeter-1"), "greeter", "1.0.0")?;
    let settings = Settings::parse("[defaults]\nwatch = true", Path::new("plugins.toml"))?;
    let manager = Manager::builder()
        .settings(settings, directory)
        .search(directory.join("plugins"))
        .cache(directory.join("cache"))
        .without_store()
        .open()?;
    let greeter: GreetClient = manager.client("greeter")?;
    let mut said = vec![greeter.hello("Ada")?];
    // It does not work: what runs goes on.
    let script = directory.join("plugins/greeter-1/run.sh");
    let works = fs::read(&script)?;
    fs::write(&script, "echo 'spoilt' >&2; exit 1")?;
    let mut mended = false;
    for event in manager.events() {
        match event.kind {
            ManagerEventKind::NotReloaded { .. } if !mended => {
                said.push(greeter.hello("Bob")?);
                fs::write(&script, &works)?;
                package(&directory.join("plugins/greeter-2"), "greeter", "2.0.0")?;
                mended = true;
            }
            ManagerEventKind::Reloaded { to } if to.starts_with("greeter 2.0.0") => break,
            _ => {}
        }
    }
    said.push(greeter.hello("Eve")?);
    manager.stop_all(Duration::from_secs(10));
    Ok(said.join("\n"))
}
