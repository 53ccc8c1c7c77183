//! The pipes of a connection, and a way to end a wait for them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// The two pipe ends that a connection reads from and writes to.
#[derive(Debug)]
pub struct Pipes {
    /// What the other side says.
    pub read: OwnedFd,
    /// What this side says.
    pub write: OwnedFd,
}

/// Two ends of a connection within one process; what tests use in place of a plugin's process.
///
/// # Errors
/// Where the system has no descriptors left.
pub fn pair() -> io::Result<(Pipes, Pipes)> {
    let (to_plugin, from_host) = os_pipe::pipe()?;
    let (to_host, from_plugin) = os_pipe::pipe()?;
    let host = Pipes { read: to_host.into(), write: from_host.into() };
    let plugin = Pipes { read: to_plugin.into(), write: from_plugin.into() };
    Ok((host, plugin))
}

/// Ends waits: once [`raise`](Self::raise)d, it stays so, and everyone who waits beside it sees it.
#[derive(Debug)]
pub struct Wake {
    waiting: OwnedFd,
    /// Taken by raising: its closing is the signal, and cannot fail.
    raising: std::sync::Mutex<Option<OwnedFd>>,
}

impl Wake {
    /// A wake that is not raised.
    ///
    /// # Errors
    /// Where the system has no descriptors left.
    pub fn new() -> io::Result<Self> {
        let (waiting, raising) = os_pipe::pipe()?;
        Ok(Self { waiting: waiting.into(), raising: std::sync::Mutex::new(Some(raising.into())) })
    }

    /// Ends all waits, now and later.
    pub fn raise(&self) {
        drop(self.raising.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
    }

    /// Waits until `fd` can be read, or this is raised, or (with `block` [`Block::No`]) not at all.
    ///
    /// # Errors
    /// What poll(2) answers.
    pub fn wait_readable(&self, fd: impl AsFd, block: Block) -> io::Result<Waited> {
        self.wait(fd, PollFlags::IN, block)
    }

    /// Waits until `fd` can be written, or this is raised.
    ///
    /// # Errors
    /// What poll(2) answers.
    pub fn wait_writable(&self, fd: impl AsFd) -> io::Result<Waited> {
        self.wait(fd, PollFlags::OUT, Block::Yes)
    }

    fn wait(&self, fd: impl AsFd, flags: PollFlags, block: Block) -> io::Result<Waited> {
        let timeout = match block {
            Block::Yes => None,
            Block::No => Some(Timespec { tv_sec: 0, tv_nsec: 0 }),
        };
        loop {
            let mut fds = [PollFd::new(&fd, flags), PollFd::new(&self.waiting, PollFlags::IN)];
            match poll(&mut fds, timeout.as_ref()) {
                Err(Errno::INTR) => {}
                Err(fault) => return Err(fault.into()),
                Ok(_) => {
                    return Ok(Waited {
                        ready: !fds[0].revents().is_empty(),
                        raised: !fds[1].revents().is_empty(),
                    });
                }
            }
        }
    }
}

/// Whether to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// Until something happens.
    Yes,
    /// Look once.
    No,
}

/// What a wait saw; both may be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waited {
    /// The descriptor can be read or written without waiting, if only to learn that it ended.
    pub ready: bool,
    /// The wake was raised.
    pub raised: bool,
}
