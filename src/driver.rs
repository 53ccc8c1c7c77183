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
    if path.is_dir() && driver.contains('/') {
        return Err(not_found(&[format!("the path {driver}: a directory, which is no program")]));
    }
    if driver.contains('/') {
        return Err(not_found(&[format!("the path {driver}: no such file")]));
    }
    let hint = if path.is_file() {
        format!("the word {driver}: a plugin is named by its path, which is ./{driver}")
    } else {
        format!("the word {driver}: a plugin is named by its path, such as ./{driver}, or with --command")
    };
    Err(not_found(&[hint]))
}

/// The plugin that a command line starts, its words split as a shell would, without one.
pub(crate) fn command(line: &str) -> Result<Launch, Failure> {
    let words =
        shell_words::split(line).map_err(|fault| Failure::Usage(format!("--command {line:?}: {fault}")))?;
    let (program, args) =
        words.split_first().ok_or_else(|| Failure::Usage("--command names no program".into()))?;
    Ok(Plugin::command(program).args(args))
}
