//! What is in the store, and starting it. Changes nothing, and needs no lock: what is read was put there in one step.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::lease::Lease;
use super::names::{Release, StoredPlugin};
use super::place::{FILES, Place, absolute, of_this_user};
use super::tree::Tree;
use crate::launch::Launch;
use crate::package::{Package, PackageName};

/// A store. Making one of these touches no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    pub(super) place: Place,
}

/// What is in a store.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Listing {
    /// The plugins, by name.
    pub plugins: Vec<StoredPlugin>,
    /// What cannot be read. It hides no other.
    pub faults: Vec<StoreError>,
}

/// A release that was verified and is in use.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened {
    /// What its `plugline.toml` says.
    pub package: Package,
    /// Where its files are.
    pub directory: PathBuf,
    /// While this is there, the files stay. What is started by [`launch`](Self::launch) has a clone of it.
    pub lease: Lease,
}

impl Opened {
    /// The plugin, ready to be started. Its files stay as long as this is there, or a clone or a process of it.
    ///
    /// Python is told to write no bytecode beside the sources: what is added to a release is taken for a change.
    ///
    /// # Errors
    /// [`StoreError::Package`] where there is nothing in it for this machine.
    pub fn launch(&self) -> Result<Launch, StoreError> {
        let launch = self.package.launch(&self.directory)?.env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(launch.keeping(self.lease.clone()))
    }
}

impl Store {
    /// The store in that directory, which need not be there.
    ///
    /// # Errors
    /// Where the path is relative and this process has no directory.
    pub fn at(root: impl AsRef<Path>) -> Result<Self, StoreError> {
        Ok(Self { place: Place { root: absolute(root.as_ref())? } })
    }

    /// This user's: where the environment variable `PLUGLINE_STORE` says; otherwise `plugline` in the directory where
    /// the system has a user's data: `$XDG_DATA_HOME` or `~/.local/share`, on macOS `~/Library/Application Support`,
    /// on Windows `%LOCALAPPDATA%`.
    ///
    /// # Errors
    /// [`StoreError::Nowhere`] where none of them says where.
    pub fn of_this_user() -> Result<Self, StoreError> {
        let root = of_this_user(std::env::consts::OS, |name| std::env::var_os(name))?;
        Ok(Self { place: Place { root } })
    }

    /// Its directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.place.root
    }

    /// What is in it; nothing where there is no such directory. Files are not looked at but for the records of each
    /// plugin, nothing is verified and nothing started.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    pub fn list(&self) -> Result<Listing, StoreError> {
        let names = self.place.names();
        let mut listing = Listing::default();
        let entries = match fs::read_dir(&names) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(listing),
            entries => entries.map_err(StoreError::io("read", &names))?,
        };
        for entry in entries {
            let entry = entry.map_err(StoreError::io("read", &names))?;
            let file = entry.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(".json")).map(PackageName::new);
            let read = match name {
                Some(Ok(name)) => self.plugin(&name),
                _ => {
                    Err(StoreError::BrokenRecord { file: entry.path(), why: "it is not the store's".into() })
                }
            };
            match read {
                Ok(plugin) => listing.plugins.extend(plugin),
                Err(fault) => listing.faults.push(fault),
            }
        }
        listing.plugins.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listing)
    }

    /// The plugin of that name, if it is installed.
    ///
    /// # Errors
    /// Where its record cannot be read.
    pub fn plugin(&self, name: &PackageName) -> Result<Option<StoredPlugin>, StoreError> {
        StoredPlugin::read(&self.place, name)
    }

    /// Looks whether a release is what was installed, and keeps it from being removed.
    ///
    /// Each of its files is read and hashed: a millisecond or so for each megabyte.
    ///
    /// # Errors
    /// [`StoreError::Changed`] where it is not, [`StoreError::Gone`] where it was removed.
    pub fn open(&self, release: &Release) -> Result<Opened, StoreError> {
        let content = self.place.content(&release.hash);
        let lease = Lease::shared(&content).map_err(StoreError::io("read", &content))?;
        let lease = lease.ok_or_else(|| StoreError::Gone { directory: content.clone() })?;
        self.verify(release)?;
        let package = Package::read(&release.directory)?;
        Ok(Opened { package, directory: release.directory.clone(), lease })
    }

    pub(super) fn verify(&self, release: &Release) -> Result<(), StoreError> {
        let content = self.place.content(&release.hash);
        let changed = |fault| StoreError::Changed { directory: release.directory.clone(), fault };
        let tree = Tree::read(&content.join(FILES), &release.hash).map_err(changed)?;
        tree.verify(&release.directory).map_err(changed)
    }
}
