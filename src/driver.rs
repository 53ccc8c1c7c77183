//! Drivers: how a user names a plugin.

use std::path::Path;

use plugline_host::{Launch, Plugin};

use crate::failure::Failure;

/// The plugin that a driver names: a path to an executable.
pub(crate) fn resolve(driver: &str) -> Result<Launch, Failure> {
    let not_found = |tried: &[String]| Failure::NotFound { driver: driver.to_owned(), tried: tried.to_vec() };
    let path = Path::new(driver);
    if path.is_file() && driver.contains('/') {
        return Ok(Plugin::command(path));
    }
    if path.is_dir() {
        return Err(not_found(&[format!("the path {driver}: a directory, which is no program")]));
    }
    if driver.contains('/') {
        return Err(not_found(&[format!("the path {driver}: no such file")]));
    }
    let mut tried = vec![format!("a plain word names an installed plugin; none is called {driver}")];
    if path.exists() {
        tried.push(format!("there is a file of that name here: ./{driver} is its path"));
    } else {
        tried.push("a plugin that is not installed is named by its path, or with --command".to_owned());
    }
    Err(not_found(&tried))
}

/// The plugin that a command line starts, its words split as a shell would, without one.
pub(crate) fn command(line: &str) -> Result<Launch, Failure> {
    let words =
        shell_words::split(line).map_err(|fault| Failure::Usage(format!("--command {line:?}: {fault}")))?;
    let (program, args) =
        words.split_first().ok_or_else(|| Failure::Usage("--command names no program".into()))?;
    Ok(Plugin::command(program).args(args))
}
