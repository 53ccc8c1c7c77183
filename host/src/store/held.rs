//! A lock on a file, as `flock` has it: it ends with the process, however that ends.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::retry_on_intr;

/// A lock that is held.
///
/// It is given up by name, and not by closing the file: a process that is being forked meanwhile has the file open until
/// it becomes another program.
#[derive(Debug)]
pub(crate) struct Held(File);

impl Held {
    /// Nothing where somebody holds an exclusive one.
    pub(super) fn shared(file: File) -> io::Result<Option<Self>> {
        Self::take(file, FlockOperation::NonBlockingLockShared)
    }

    /// Nothing where there is no such file, or somebody holds an exclusive one, to delete it.
    pub(crate) fn shared_at(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let id = file.metadata()?.ino();
        let Some(held) = Self::shared(file)? else { return Ok(None) };
        // It may have been moved away between the two.
        match fs::metadata(path) {
            Ok(there) if there.ino() == id => Ok(Some(held)),
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
            _ => Ok(None),
        }
    }

    /// Nothing where somebody holds any.
    pub(crate) fn exclusive(file: File) -> io::Result<Option<Self>> {
        Self::take(file, FlockOperation::NonBlockingLockExclusive)
    }

    /// Waits for as long as it takes.
    pub(super) fn exclusive_at_last(file: File) -> io::Result<Self> {
        retry_on_intr(|| flock(&file, FlockOperation::LockExclusive))?;
        Ok(Self(file))
    }

    fn take(file: File, operation: FlockOperation) -> io::Result<Option<Self>> {
        match retry_on_intr(|| flock(&file, operation)) {
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            locked => Ok(locked.map(|()| Some(Self(file)))?),
        }
    }

    /// Another descriptor of it. A process that inherits that holds the lock, too, until it ends or this one is given up.
    pub(crate) fn shared_with(&self) -> io::Result<File> {
        self.0.try_clone()
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It goes with the file at the latest.
        let _by_closing = flock(&self.0, FlockOperation::Unlock);
    }
}
