//! Where the store is, and what is where in it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::error::StoreError;
use crate::package::{PackageName, Sha256};

/// The environment variable that says where the store is.
pub const VARIABLE: &str = "PLUGLINE_STORE";

/// What is where in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) root: PathBuf,
}

impl Place {
    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(super) fn names(&self) -> PathBuf {
        self.root.join("names")
    }

    pub(super) fn name(&self, name: &PackageName) -> PathBuf {
        self.names().join(format!("{name}.json"))
    }

    pub(super) fn contents(&self) -> PathBuf {
        self.root.join("content")
    }

    pub(super) fn content(&self, hash: &Sha256) -> PathBuf {
        self.contents().join(hash.as_str())
    }

    pub(super) fn staging(&self) -> PathBuf {
        self.root.join("staging")
    }

    /// Whether all of it is elsewhere than in that directory, whatever links lead to either.
    pub(super) fn is_outside(&self, directory: &Path) -> Result<(), StoreError> {
        // What is not there contains nothing.
        let Ok(source) = directory.canonicalize() else { return Ok(()) };
        let root = absolute(&self.root)?;
        // It may not be there yet, but it is to be in a directory that is.
        let there = root.ancestors().find_map(|ancestor| ancestor.canonicalize().ok());
        if there.is_some_and(|there| there.starts_with(&source)) {
            return Err(StoreError::StoreWithin { source, store: root });
        }
        Ok(())
    }
}

/// In a directory of `content`: the list of the files, the files, and what is held while they are in use.
pub(super) const FILES: &str = "files";
pub(super) const PACKAGE: &str = "package";
pub(super) const LEASE: &str = "lease";

/// The store of this user: where [`VARIABLE`] says; otherwise `plugline` in the directory where the system has a user's
/// data: `$XDG_DATA_HOME` or `~/.local/share`, on macOS `~/Library/Application Support`, on Windows `%LOCALAPPDATA%`.
pub(super) fn of_this_user(
    os: &str,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, StoreError> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(store) = set(VARIABLE) {
        return absolute(&store);
    }
    let home = || set("HOME").filter(|home| home.is_absolute());
    let data = match os {
        "windows" => set("LOCALAPPDATA"),
        "macos" => home().map(|home| home.join("Library/Application Support")),
        // A relative one is to be ignored, says the specification.
        _ => set("XDG_DATA_HOME")
            .filter(|data| data.is_absolute())
            .or_else(|| home().map(|home| home.join(".local/share"))),
    };
    data.map(|data| data.join("plugline")).ok_or(StoreError::Nowhere)
}

pub(super) fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    std::path::absolute(path).map_err(StoreError::io("find", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_is() {
        let at = |os: &str, variables: &[(&str, &str)]| {
            let found = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
            };
            of_this_user(os, found).map(|path| path.display().to_string()).map_err(|fault| fault.to_string())
        };
        assert_eq!(at("linux", &[("HOME", "/home/u")]).unwrap(), "/home/u/.local/share/plugline");
        let xdg = [("HOME", "/home/u"), ("XDG_DATA_HOME", "/data")];
        assert_eq!(at("linux", &xdg).unwrap(), "/data/plugline");
        let relative = [("HOME", "/home/u"), ("XDG_DATA_HOME", "data")];
        assert_eq!(at("linux", &relative).unwrap(), "/home/u/.local/share/plugline");
        assert_eq!(at("macos", &xdg).unwrap(), "/home/u/Library/Application Support/plugline");
        assert_eq!(at("linux", &[("HOME", "/home/u"), (VARIABLE, "/store")]).unwrap(), "/store");
        assert!(at("linux", &[("HOME", ""), (VARIABLE, "")]).unwrap_err().contains(VARIABLE));
    }
}
