//! What is wrong with a `plugline.toml`: where, what, and what would be right.

use std::fmt;
use std::io;
use std::path::PathBuf;

use plugline_protocol::wire::escape;

use super::platform::Platform;

/// A `plugline.toml` that cannot be used.
#[derive(Debug)]
pub struct PackageError {
    /// The file.
    pub file: PathBuf,
    /// Where in it, if it is at some place.
    pub place: Option<Place>,
    /// What.
    pub fault: PackageFault,
}

/// A place in a text; both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// What is wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum PackageFault {
    /// It cannot be read, or is not there.
    Unreadable(io::Error),
    /// It is longer than [`FILE_BYTES`](super::FILE_BYTES).
    TooLong,
    /// It is not UTF-8.
    NotUtf8,
    /// It is no TOML, or not what a `plugline.toml` has; the parser says what it expects.
    Malformed(String),
    /// Each member is right, but not all of them together.
    Contradictory(String),
    /// There is nothing in it for a platform.
    NoArtifact {
        /// The platform.
        wanted: Platform,
        /// What there is something for.
        there: Vec<Platform>,
    },
    /// Packages have no name for this machine, so none has an artifact for it.
    UnknownPlatform,
}

impl fmt::Display for PackageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(source) if source.kind() == io::ErrorKind::NotFound => {
                f.write_str("there is no such file; a plugin's directory has one, with its name and version")
            }
            Self::Unreadable(source) => write!(f, "cannot be read: {source}"),
            Self::TooLong => write!(f, "longer than {} bytes", super::FILE_BYTES),
            Self::NotUtf8 => f.write_str("not UTF-8"),
            // They quote what somebody wrote.
            Self::Malformed(what) | Self::Contradictory(what) => f.write_str(&escape(what.as_bytes())),
            Self::NoArtifact { wanted, there } => {
                let there: Vec<String> = there.iter().map(Platform::to_string).collect();
                write!(f, "there is no artifact for {wanted}, only for {}", there.join(", "))
            }
            Self::UnknownPlatform => write!(
                f,
                "packages have no name for this machine ({} {}); only a `command` can run on it",
                std::env::consts::OS,
                std::env::consts::ARCH
            ),
        }
    }
}

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(self.file.as_os_str().as_encoded_bytes()))?;
        if let Some(Place { line, column }) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl std::error::Error for PackageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            PackageFault::Unreadable(source) => Some(source),
            _ => None,
        }
    }
}
