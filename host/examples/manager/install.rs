//! What has to be fetched: a driver that is a URL is installed, checked and run from where it was installed.

use std::path::Path;
use std::time::Duration;

use plugline_host::manager::Manager;
use plugline_host::store::Store;

use crate::contract::{Greet, GreetClient, package};

pub(crate) fn run(directory: &Path) -> crate::Said {
    package(&directory.join("made"), "greeter", "1.0.0")?;
    let manager = Manager::builder()
        .store(Store::at(directory.join("store"))?)
        .cache(directory.join("cache"))
        .open()?;
    let url = format!("file://{}", directory.join("made").display());
    let greeter: GreetClient = manager.client(&url)?;
    let first = greeter.hello("Ada")?;
    // From now on it has a name, too.
    manager.rescan();
    let greeter: GreetClient = manager.client("greeter")?;
    let second = greeter.hello("Bob")?;
    manager.stop_all(Duration::from_secs(10));
    Ok(format!("{first}\n{second}"))
}
