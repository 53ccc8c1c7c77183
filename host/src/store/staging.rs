//! Where things are made and deleted: on the store's own file system, seen by no reader.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::StoreError;
use super::held::Held;
use super::lock::Lock;
use super::place::Place;

/// In a directory of staging: held by whoever uses it, as long as it does.
const OWNER: &str = "owner";

/// A directory for one change. It is deleted when this is dropped, or by the next change.
#[derive(Debug)]
pub(super) struct Stage {
    directory: PathBuf,
    _owner: Held,
}

/// Makes the directories of a store.
pub(super) fn prepare(place: &Place) -> Result<(), StoreError> {
    for directory in [place.root.clone(), place.names(), place.contents(), place.staging()] {
        // What is in a store is run: nobody but its user is to write there.
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        made.map_err(StoreError::io("create", &directory))?;
    }
    Ok(())
}

/// A name in staging that nobody else has.
pub(super) fn fresh(place: &Place) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = now.map_or(0, |now| now.as_nanos());
    place.staging().join(format!("{}-{count}-{nanos:x}", std::process::id()))
}

impl Stage {
    /// Makes one. The lock is held meanwhile: who sweeps would take one that nobody holds for a dead one.
    pub(super) fn new(place: &Place, _: &Lock) -> Result<Self, StoreError> {
        let directory = fresh(place);
        fs::create_dir(&directory).map_err(StoreError::io("create", &directory))?;
        let path = directory.join(OWNER);
        let owner = File::create_new(&path).map_err(StoreError::io("create", &path))?;
        // Who looks whether it is used holds it for a moment.
        let owner = Held::exclusive_at_last(owner).map_err(StoreError::io("lock", &path))?;
        Ok(Self { directory, _owner: owner })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What cannot be deleted now, the next change tries to, and says why it cannot.
        let _left = delete(&self.directory);
    }
}

/// Whether somebody uses that directory of staging.
pub(super) fn is_used(directory: &Path) -> io::Result<bool> {
    let owner = match File::open(directory.join(OWNER)) {
        Err(fault) if matches!(fault.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(false);
        }
        opened => opened?,
    };
    Ok(Held::shared(owner)?.is_none())
}

/// Deletes a directory and all in it, of which some are closed.
pub(super) fn delete(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(fault) => Err(fault),
        Ok(metadata) if metadata.is_dir() => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        Ok(_) => fs::remove_file(path),
    }
}

fn open_up(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}
