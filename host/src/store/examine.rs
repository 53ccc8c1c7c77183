//! What is wrong with a store. Changes nothing.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use semver::Version;

use super::error::StoreError;
use super::lock::Lock;
use super::read::Store;
use super::sweep::leftover;
use crate::package::PackageName;

/// What is wrong with a store, or may be.
#[derive(Debug)]
#[non_exhaustive]
pub enum Complaint {
    /// It cannot be read, or something in it.
    Unreadable(StoreError),
    /// A release is not what was installed.
    Release {
        /// The plugin.
        name: PackageName,
        /// Its version.
        version: Version,
        /// Whether it is the current one.
        current: bool,
        /// What is wrong with it.
        fault: StoreError,
    },
    /// This user cannot change it.
    ReadOnly {
        /// The directory.
        directory: PathBuf,
    },
    /// Others than its user can write to it, and so have its plugins run anything.
    OpenToOthers {
        /// The directory.
        directory: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is on a file system from which nothing can be started.
    NoExec {
        /// The directory.
        directory: PathBuf,
    },
    /// A process changes it now.
    Locked {
        /// Which, as far as is known.
        holder: String,
    },
    /// What a process left behind that was killed. The next change deletes it.
    Leftover {
        /// Where.
        paths: Vec<PathBuf>,
    },
}

/// A store as it was found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Examination {
    /// How many releases were verified.
    pub verified: usize,
    /// What is wrong, or may be.
    pub complaints: Vec<Complaint>,
}

/// Whether nothing can be started from there. Other systems do not say.
#[cfg(target_os = "linux")]
fn is_noexec(directory: &Path) -> bool {
    use rustix::fs::{StatVfsMountFlags, statvfs};
    statvfs(directory).is_ok_and(|it| it.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

#[cfg(not(target_os = "linux"))]
fn is_noexec(_: &Path) -> bool {
    false
}

impl Store {
    /// Looks at everything in the store, and at where it is. A store that is not there yet has nothing wrong with it.
    /// What cannot be looked at is a complaint.
    pub fn examine(&self) -> Examination {
        let mut found = Examination::default();
        let root = &self.place.root;
        match fs::metadata(root) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return found,
            Err(fault) => {
                found.complaints.push(Complaint::Unreadable(StoreError::io("read", root)(fault)));
                return found;
            }
            Ok(metadata) => {
                let mode = metadata.mode() & 0o7777;
                if mode & 0o022 != 0 {
                    found.complaints.push(Complaint::OpenToOthers { directory: root.clone(), mode });
                }
            }
        }
        if access(root, Access::WRITE_OK | Access::EXEC_OK).is_err() {
            found.complaints.push(Complaint::ReadOnly { directory: root.clone() });
        }
        if is_noexec(root) {
            found.complaints.push(Complaint::NoExec { directory: root.clone() });
        }
        match Lock::holder(&self.place) {
            Ok(None) => {}
            Ok(Some(holder)) => found.complaints.push(Complaint::Locked { holder }),
            Err(fault) => {
                let lock = self.place.lock();
                found.complaints.push(Complaint::Unreadable(StoreError::io("read", &lock)(fault)));
            }
        }
        match self.list() {
            Err(fault) => found.complaints.push(Complaint::Unreadable(fault)),
            Ok(listing) => {
                found.complaints.extend(listing.faults.into_iter().map(Complaint::Unreadable));
                for plugin in &listing.plugins {
                    for release in &plugin.releases {
                        let (name, version) = (plugin.name.clone(), release.version.clone());
                        let current = release.hash == plugin.current;
                        match self.open(release) {
                            Ok(_) => found.verified += 1,
                            Err(fault) => {
                                found.complaints.push(Complaint::Release { name, version, current, fault });
                            }
                        }
                    }
                }
            }
        }
        match leftover(self) {
            Ok(left) => {
                let paths: Vec<PathBuf> = left.staging.into_iter().chain(left.content).collect();
                if !paths.is_empty() {
                    found.complaints.push(Complaint::Leftover { paths });
                }
            }
            Err(fault) => found.complaints.push(Complaint::Unreadable(fault)),
        }
        found
    }
}
