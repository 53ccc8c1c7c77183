//! Settings from a file, over it the environment, and a secret that stands in neither.

use std::fs;
use std::path::Path;
use std::time::Duration;

use plugline_host::manager::Manager;

use crate::contract::{Greet, GreetClient, package};

const SETTINGS: &str = r#"
search = ["plugins"]

[plugins.door]
driver = "greeter"
config = { words = "Welcome" }
secrets = { token = { file = "token" } }
"#;

pub(crate) fn run(directory: &Path) -> crate::Said {
    package(&directory.join("plugins/greeter"), "greeter", "1.0.0")?;
    fs::write(directory.join("plugins.toml"), SETTINGS)?;
    fs::write(directory.join("token"), "hunter2\n")?;
    let manager = Manager::builder()
        .settings_file(directory.join("plugins.toml"))
        // As it stands in the environment of the host.
        .environment([("PLUGLINE_PLUGINS__DOOR__CONFIG__WORDS", "Come in")])
        .cache(directory.join("cache"))
        .without_store()
        .open()?;
    let door: GreetClient = manager.client("door")?;
    let said = door.hello("Ada")?;
    manager.stop_all(Duration::from_secs(10));
    Ok(said)
}
