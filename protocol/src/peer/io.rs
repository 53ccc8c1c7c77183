//! The pipes of a connection: reading and writing without waiting, and ways to wait that can be ended.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pipe::{PIPE_BUF, PipeFlags, pipe_with};

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

/// One end of a pipe, read or written without ever waiting.
#[derive(Debug)]
pub(super) struct End {
    fd: OwnedFd,
    /// Its file description does not wait. Where it does, poll(2) is asked before every read and write.
    nonblocking: bool,
}

impl End {
    /// Takes an end into service, with a file description of its own that does not wait, where that can be had.
    ///
    /// On the one it came with `O_NONBLOCK` is never set: that may be shared with other processes. Linux opens the
    /// same pipe again by the descriptor's name.
    pub(super) fn new(fd: OwnedFd) -> Self {
        if let Some(fd) = own_description(&fd) {
            return Self { fd, nonblocking: true };
        }
        let nonblocking = rustix::fs::fcntl_getfl(&fd).is_ok_and(|flags| flags.contains(OFlags::NONBLOCK));
        Self { fd, nonblocking }
    }

    /// Reads what is there; `None` is nothing yet, `Some(0)` the end.
    pub(super) fn read(&self, into: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            if !self.nonblocking && !is_ready(&self.fd, PollFlags::IN)? {
                return Ok(None);
            }
            return match rustix::io::read(&self.fd, &mut *into) {
                Ok(count) => Ok(Some(count)),
                Err(Errno::AGAIN) => Ok(None),
                Err(Errno::INTR) => continue,
                Err(fault) => Err(fault.into()),
            };
        }
    }

    /// Writes what there is room for; `None` is nothing.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        loop {
            let some = if self.nonblocking {
                bytes
            } else if is_ready(&self.fd, PollFlags::OUT)? {
                // More than this may wait for its reader, even where there is room for some of it.
                &bytes[..bytes.len().min(PIPE_BUF)]
            } else {
                return Ok(None);
            };
            return match rustix::io::write(&self.fd, some) {
                Ok(count) => Ok(Some(count)),
                Err(Errno::AGAIN) => Ok(None),
                Err(Errno::INTR) => continue,
                Err(fault) => Err(fault.into()),
            };
        }
    }
}

impl AsFd for End {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(target_os = "linux")]
fn own_description(fd: &OwnedFd) -> Option<OwnedFd> {
    use std::os::fd::AsRawFd as _;

    // Another file would be read from its beginning again, and a socket cannot be opened.
    let mode = rustix::fs::fstat(fd).ok()?.st_mode;
    if rustix::fs::FileType::from_raw_mode(mode) != rustix::fs::FileType::Fifo {
        return None;
    }
    let access = rustix::fs::fcntl_getfl(fd).ok()? & OFlags::RWMODE;
    let name = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::open(name, access | OFlags::NONBLOCK | OFlags::CLOEXEC, rustix::fs::Mode::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn own_description(_: &OwnedFd) -> Option<OwnedFd> {
    None
}

/// Whether it can be read or written without waiting, if only to learn that it ended.
fn is_ready(fd: impl AsFd, flags: PollFlags) -> io::Result<bool> {
    Ok(wait(&mut [PollFd::new(&fd, flags)], Some(Duration::ZERO))? > 0)
}

/// Waits until one of them is ready, at most that long.
fn wait(fds: &mut [PollFd<'_>], at_most: Option<Duration>) -> io::Result<usize> {
    let deadline = at_most.map(|at_most| (Instant::now(), at_most));
    loop {
        let left = deadline.map(|(since, at_most)| timespec(at_most.saturating_sub(since.elapsed())));
        match poll(fds, left.as_ref()) {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).unwrap_or(Timespec { tv_sec: i64::from(u32::MAX), tv_nsec: 0 })
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

    pub(super) fn is_raised(&self) -> bool {
        self.raising.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_none()
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
        let at_most = match block {
            Block::Yes => None,
            Block::No => Some(Duration::ZERO),
        };
        let mut fds = [PollFd::new(&fd, flags), PollFd::new(&self.waiting, PollFlags::IN)];
        wait(&mut fds, at_most)?;
        Ok(Waited { ready: !fds[0].revents().is_empty(), raised: !fds[1].revents().is_empty() })
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.waiting.as_fd()
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

/// Ends one sleep, again and again; what of [`Interrupt`](super::interrupt::Interrupt) is the system's.
#[derive(Debug)]
pub(super) struct Bell {
    waiting: OwnedFd,
    raising: OwnedFd,
}

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        let (waiting, raising) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self { waiting, raising })
    }

    /// Ends the sleep of whoever sleeps beside this, or that of the next who would.
    pub(super) fn ring(&self) {
        // Full: then there is something to wake it already.
        let _full = rustix::io::write(&self.raising, &[0]);
    }

    /// Sleeps until `end` can be read, `ended` is raised, this is rung, or the time is over.
    pub(super) fn sleep(&self, end: &End, ended: &Wake, until: Option<Instant>) -> io::Result<Slept> {
        let mut fds = [
            PollFd::new(end, PollFlags::IN),
            PollFd::new(ended, PollFlags::IN),
            PollFd::new(&self.waiting, PollFlags::IN),
        ];
        wait(&mut fds, until.map(|until| until.saturating_duration_since(Instant::now())))?;
        if !fds[2].revents().is_empty() {
            // What woke this sleep must not wake the next.
            let mut bytes = [0; 64];
            while rustix::io::read(&self.waiting, &mut bytes).is_ok_and(|count| count == bytes.len()) {}
        }
        Ok(Slept { ended: !fds[1].revents().is_empty() })
    }
}

/// What a sleep saw.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slept {
    /// The process at the other end is gone.
    pub(super) ended: bool,
}
