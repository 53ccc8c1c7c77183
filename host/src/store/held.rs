//! A lock on a file, as `flock` has it: it ends with the process, however that ends.

use std::fs::File;
use std::io;

use rustix::fs::{FlockOperation, flock};

/// A lock that is held.
///
/// It is given up by name, and not by closing the file: a process that is being forked meanwhile has the file open until
/// it becomes another program.
#[derive(Debug)]
pub(super) struct Held(File);

impl Held {
    /// Nothing where somebody holds an exclusive one.
    pub(super) fn shared(file: File) -> io::Result<Option<Self>> {
        Self::take(file, FlockOperation::NonBlockingLockShared)
    }

    /// Nothing where somebody holds any.
    pub(super) fn exclusive(file: File) -> io::Result<Option<Self>> {
        Self::take(file, FlockOperation::NonBlockingLockExclusive)
    }

    /// Waits for as long as it takes.
    pub(super) fn exclusive_at_last(file: File) -> io::Result<Self> {
        loop {
            match flock(&file, FlockOperation::LockExclusive) {
                Err(rustix::io::Errno::INTR) => {}
                locked => return Ok(locked.map(|()| Self(file))?),
            }
        }
    }

    fn take(file: File, operation: FlockOperation) -> io::Result<Option<Self>> {
        match flock(&file, operation) {
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            locked => Ok(locked.map(|()| Some(Self(file)))?),
        }
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
