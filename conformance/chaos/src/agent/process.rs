//! A process of the run, held so that a signal cannot go to another.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::census;

/// A process of the run.
#[derive(Debug)]
pub(super) struct Target(OwnedFd);

impl Target {
    /// The process with that id, where it is one of the run.
    #[must_use]
    pub(super) fn of(pid: u32, directory: &Path) -> Option<Self> {
        let raw = Pid::from_raw(i32::try_from(pid).ok()?)?;
        let process = pidfd_open(raw, PidfdFlags::empty()).ok()?;
        // Only now: the id may be somebody else's by then, but what is held is what was looked at, or is gone.
        census::is_of(pid, directory).then_some(Self(process))
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// Where it is gone.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.0, signal)?)
    }
}
