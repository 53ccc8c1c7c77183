//! Why the store did not do what it was asked, by blame: the source, the package, the store itself, this machine.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use plugline_protocol::wire::escape;
use semver::Version;

use super::archive::Hit;
use super::source::FORMS;
use super::tree::TreeFault;
use crate::package::{PackageError, PackageName, Sha256};

/// Why the store did not do what it was asked. In its text all that others wrote is escaped.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// Nothing says where the store is.
    Nowhere,
    /// The system would not do something.
    Io {
        /// What: `read`, `write` …
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A record of the store is not what the store writes.
    BrokenRecord {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// A record of the store was written by another version of it.
    OtherFormat {
        /// The file.
        file: PathBuf,
        /// Its format.
        format: u32,
        /// The format that is known here.
        known: u32,
    },
    /// A release is not what was installed.
    Changed {
        /// Where it is.
        directory: PathBuf,
        /// How.
        fault: TreeFault,
    },
    /// A release is not what was installed, and is to be replaced while it is in use.
    InUse {
        /// Where it is.
        directory: PathBuf,
    },
    /// A release was removed.
    Gone {
        /// Where it was.
        directory: PathBuf,
    },
    /// What a package says of itself cannot be used.
    Package(Box<PackageError>),
    /// A package is not what it says of itself.
    NotAsSaid {
        /// Which file of it.
        path: String,
        /// How.
        why: String,
    },
    /// What was named is no source of packages.
    Source {
        /// What was named.
        source: String,
        /// Why it is none.
        why: String,
    },
    /// The store is within the directory of a package, which would be copied into itself.
    StoreWithin {
        /// The directory.
        source: PathBuf,
        /// The store.
        store: PathBuf,
    },
    /// A package could not be fetched.
    Fetch {
        /// From where.
        source: String,
        /// Why.
        why: String,
    },
    /// Something is wanted of a source that only an archive has.
    NoArchive {
        /// The source.
        source: String,
        /// What is wanted: a SHA-256, a signature.
        wanted: &'static str,
    },
    /// An archive has another SHA-256.
    Checksum {
        /// The archive.
        archive: String,
        /// What it should have.
        wanted: Sha256,
        /// What it has.
        found: Sha256,
    },
    /// An archive is not signed as it must be.
    Signature {
        /// The archive.
        archive: String,
        /// Why it is not.
        why: String,
    },
    /// An archive cannot be read.
    BrokenArchive {
        /// The last file in it that could be; empty where there is none.
        after: String,
        /// Why.
        source: io::Error,
    },
    /// Something is in a package that packages do not have.
    Entry {
        /// Its path, as the package has it.
        entry: String,
        /// What it is.
        fault: EntryFault,
    },
    /// A package is bigger than the limits allow.
    Limit {
        /// Which of [`PackageLimits`](super::PackageLimits).
        limit: &'static str,
        /// What it allows.
        allowed: u64,
        /// Where that was seen.
        entry: String,
    },
    /// That version is installed, with other contents.
    VersionTaken {
        /// The plugin.
        name: PackageName,
        /// The version.
        version: Version,
    },
    /// It is not installed.
    NotInstalled {
        /// The plugin.
        name: PackageName,
        /// The version that was asked for, if one was.
        version: Option<Version>,
        /// The versions that are.
        there: Vec<Version>,
    },
    /// There is no release to go back to.
    NoPrevious {
        /// The plugin.
        name: PackageName,
    },
    /// Another process changes the store, and goes on doing so.
    Locked {
        /// The lock.
        lock: PathBuf,
        /// Who has it, as far as is known.
        holder: String,
        /// How long it was waited for.
        waited: Duration,
    },
}

/// What packages do not have.
#[derive(Debug)]
#[non_exhaustive]
pub enum EntryFault {
    /// Its path leaves the package, or is not the same on every platform; why.
    Path(String),
    /// It is a link; to what.
    Link(String),
    /// It is neither file nor directory; what it is.
    Special(&'static str),
    /// Not all that stands before it can be read.
    ExtendedHeader,
    /// It would run as another user, or has another bit that a package has no use for; its mode.
    SpecialBits(u32),
    /// It is there twice.
    Twice,
    /// It is there as a file, and as a directory.
    FileAndDirectory,
    /// Another one has the same name where upper and lower case are not told apart; which.
    SameButForCase(String),
    /// Something follows the end of the archive.
    DataAfterTheEnd,
}

impl fmt::Display for EntryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(why) => f.write_str(&escape(why.as_bytes())),
            Self::Link(target) => write!(
                f,
                "a link (to {}); a package has files only: pack what it links to (tar --dereference)",
                escape(target.as_bytes())
            ),
            Self::Special(what) => write!(f, "{what}; a package has files only"),
            Self::ExtendedHeader => f.write_str(
                "its extended header cannot be read: pack it without extended attributes (tar --no-xattrs)",
            ),
            Self::SpecialBits(mode) => {
                write!(f, "has the mode {mode:o}, which sets the user or group of whoever runs it")
            }
            Self::Twice => f.write_str("it is there twice"),
            Self::FileAndDirectory => f.write_str("it is there as a file and as a directory"),
            Self::SameButForCase(other) => {
                write!(f, "only upper and lower case tell it from {}", escape(other.as_bytes()))
            }
            Self::DataAfterTheEnd => f.write_str("something follows the end of the archive, after this"),
        }
    }
}

impl StoreError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    /// Reading an archive failed: it is broken, or a limit was hit. What was being read, or was read last.
    pub(super) fn reading(entry: &str, source: io::Error) -> Self {
        match source.get_ref().and_then(|inner| inner.downcast_ref::<Hit>()) {
            Some(&Hit { limit, allowed }) => Self::Limit { limit, allowed, entry: entry.to_owned() },
            None => Self::BrokenArchive { after: entry.to_owned(), source },
        }
    }
}

impl From<PackageError> for StoreError {
    fn from(fault: PackageError) -> Self {
        Self::Package(Box::new(fault))
    }
}

/// A path, as it may be printed.
pub(super) fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => {
                f.write_str("nothing says where the store is: set PLUGLINE_STORE, or HOME, to a directory")
            }
            Self::Io { doing, path, source } => write!(f, "cannot {doing} {}: {source}", shown(path)),
            Self::BrokenRecord { file, why } => {
                write!(f, "{} is no record of the store: {}", shown(file), escape(why.as_bytes()))
            }
            Self::OtherFormat { file, format, known } if format > known => {
                let file = shown(file);
                write!(
                    f,
                    "{file} was written by a newer plugline, as format {format}; this one knows {known}"
                )
            }
            Self::OtherFormat { file, format, .. } => {
                write!(f, "{} is of format {format}, which is not known", shown(file))
            }
            Self::Changed { directory, fault } => {
                write!(f, "{} is not what was installed: {fault}; install it again", shown(directory))
            }
            Self::InUse { directory } => write!(
                f,
                "{} is not what was installed, and is in use: stop what runs from there, and install it again",
                shown(directory)
            ),
            Self::Gone { directory } => write!(f, "{} was removed", shown(directory)),
            Self::Package(fault) => write!(f, "{fault}"),
            Self::NotAsSaid { path, why } => {
                write!(f, "{}: {}", escape(path.as_bytes()), escape(why.as_bytes()))
            }
            Self::Source { source, why } => {
                let why = escape(why.as_bytes());
                write!(f, "{} is no source of packages: {why}; {FORMS}", escape(source.as_bytes()))
            }
            Self::StoreWithin { source, store } => {
                let (source, store) = (shown(source), shown(store));
                write!(f, "the store {store} is within {source}, which would be copied into itself")
            }
            Self::Fetch { source, why } => {
                write!(f, "cannot fetch {}: {}", escape(source.as_bytes()), escape(why.as_bytes()))
            }
            Self::NoArchive { source, wanted } => {
                let source = escape(source.as_bytes());
                write!(f, "{wanted} is wanted of {source}, and only an archive has one: pack it as .tar.gz")
            }
            Self::Checksum { archive, wanted, found } => {
                write!(f, "{} has the SHA-256 {found}, and should have {wanted}", escape(archive.as_bytes()))
            }
            Self::Signature { archive, why } => {
                write!(f, "{}: {}", escape(archive.as_bytes()), escape(why.as_bytes()))
            }
            Self::BrokenArchive { after, source } => {
                let source = escape(source.to_string().as_bytes());
                write!(f, "the archive cannot be read: {source}")?;
                if after.is_empty() {
                    Ok(())
                } else {
                    write!(f, " (at or after {})", escape(after.as_bytes()))
                }
            }
            Self::Entry { entry, fault } => write!(f, "{}: {fault}", escape(entry.as_bytes())),
            Self::Limit { limit, allowed, entry } => {
                write!(
                    f,
                    "{}: the package goes beyond its limit {limit}, {allowed}",
                    escape(entry.as_bytes())
                )
            }
            Self::VersionTaken { name, version } => {
                write!(f, "{name} {version} is installed with other contents; --force replaces it")
            }
            Self::NotInstalled { name, version: Some(version), there } if !there.is_empty() => {
                let there: Vec<String> = there.iter().map(Version::to_string).collect();
                write!(f, "{name} {version} is not installed; there is {}", there.join(", "))
            }
            Self::NotInstalled { name, .. } => write!(f, "{name} is not installed"),
            Self::NoPrevious { name } => write!(f, "there is no release of {name} to go back to"),
            Self::Locked { lock, holder, waited } => write!(
                f,
                "{holder} has been changing the store for {} s and has not ended; {} is its lock",
                waited.as_secs(),
                shown(lock)
            ),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::BrokenArchive { source, .. } => Some(source),
            Self::Package(fault) => Some(fault),
            _ => None,
        }
    }
}
