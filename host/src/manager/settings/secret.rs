//! Where secrets are. A secret is read when a plugin is started, goes to it through a pipe or its environment, and stands
//! in no command line, no log and no `Debug`.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secrets::HIDDEN;

/// More is no secret but a mistake.
const LONGEST: u64 = 64 * 1024;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// In an environment variable of the host.
    Env(String),
    /// In a file, less the line break at its end; from the directory of this file.
    File(PathBuf),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

/// A secret. It is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Secret {
    /// For whom it is meant.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl Reference {
    /// Reads it. Paths are taken from that directory.
    ///
    /// # Errors
    /// Where it is not there, in words that do not quote it.
    pub(crate) fn read(
        &self,
        dir: &Path,
        environment: &dyn Fn(&str) -> Option<std::ffi::OsString>,
    ) -> Result<Secret, String> {
        match self {
            Self::Env(name) => match environment(name).map(std::ffi::OsString::into_string) {
                Some(Ok(text)) => Ok(Secret(text)),
                Some(Err(_)) => Err(format!("{self} is not UTF-8")),
                None => Err(format!("{self} is not set")),
            },
            Self::File(path) => {
                let mut text = Vec::new();
                let read =
                    File::open(dir.join(path)).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut text));
                read.map_err(|fault| format!("{self}: {fault}"))?;
                if text.len() as u64 > LONGEST {
                    return Err(format!("{self} is longer than {LONGEST} bytes, which no secret is"));
                }
                let text = String::from_utf8(text).map_err(|_| format!("{self} is not UTF-8"))?;
                let end = text.strip_suffix('\n').unwrap_or(&text);
                Ok(Secret(end.strip_suffix('\r').unwrap_or(end).to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), "hunter22\r\n").unwrap();
        let environment = |name: &str| (name == "TOKEN").then(|| "hunter22".into());
        for reference in [Reference::Env("TOKEN".into()), Reference::File("token".into())] {
            let secret = reference.read(dir.path(), &environment).unwrap();
            assert_eq!(secret.reveal(), "hunter22");
            assert_eq!(format!("{secret:?}"), "[secret]");
        }
        let fault = Reference::Env("NO".into()).read(dir.path(), &environment).unwrap_err();
        assert_eq!(fault, "the environment variable NO is not set");
        let fault = Reference::File("no".into()).read(dir.path(), &environment).unwrap_err();
        assert!(fault.starts_with("the file no: "), "{fault}");
    }

    #[test]
    fn a_secret_has_so_many_bytes_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let read = |bytes: u64| {
            std::fs::write(dir.path().join("s"), "x".repeat(usize::try_from(bytes).unwrap())).unwrap();
            Reference::File("s".into()).read(dir.path(), &|_| None)
        };
        assert_eq!(read(LONGEST).unwrap().reveal().len() as u64, LONGEST);
        assert_eq!(
            read(LONGEST + 1).unwrap_err(),
            "the file s is longer than 65536 bytes, which no secret is"
        );
    }
}
