//! A plugin that somebody else started, under a debugger say: two named pipes in place of a child.
//!
//! Its standard input and output are redirected by whoever starts it: `users-json <in >out`, in a shell or after `run`
//! in a debugger, in whichever order. Nothing here signals it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use plugline_protocol::peer::Pipes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, open, stat};
use rustix::io::Errno;

/// There is no event for the other end of a named pipe; so often it is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The named pipes of a plugin that somebody else starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fifos {
    /// What the plugin reads.
    pub stdin: PathBuf,
    /// What the plugin writes.
    pub stdout: PathBuf,
}

impl Fifos {
    /// Waits until the plugin has opened both, at most until then, and no longer than anybody wants it.
    ///
    /// # Errors
    /// Where one is no named pipe, or the plugin did not come.
    pub fn connect(&self, deadline: Option<Instant>, wanted: impl Fn() -> bool) -> io::Result<Pipes> {
        for path in [&self.stdin, &self.stdout] {
            if FileType::from_raw_mode(stat(path).map_err(|fault| of(path, fault))?.st_mode) != FileType::Fifo
            {
                return Err(io::Error::other(format!(
                    "{} is no named pipe: `mkfifo` makes one",
                    path.display()
                )));
            }
        }
        // With a reader there, the plugin's shell can open this one first.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let read = open(&self.stdout, flags, Mode::empty()).map_err(|fault| of(&self.stdout, fault))?;
        let wait = || {
            if !wanted() {
                return Err(io::Error::new(
                    io::ErrorKind::Interrupted,
                    "it was stopped before a plugin came",
                ));
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!(
                        "no plugin came: start it with `<{} >{}`",
                        self.stdin.display(),
                        self.stdout.display()
                    ),
                ));
            }
            std::thread::sleep(LOOK);
            Ok(())
        };
        let writer = Writer::new()?;
        let write = 'both: loop {
            let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let write = match open(&self.stdin, flags, Mode::empty()) {
                Ok(write) => write,
                Err(Errno::NXIO) => {
                    wait()?; // Nobody reads it yet.
                    continue;
                }
                Err(fault) => return Err(of(&self.stdin, fault)),
            };
            // Whoever opened the one may be gone before the other: the plugin before this one, say, as it ends.
            while has_reader(&write)? {
                if writer.is_there(&self.stdout, &read)? {
                    break 'both write;
                }
                wait()?;
            }
        };
        // Of a pipe that was opened by its name the description is ours alone; reading it may block.
        let flags = fcntl_getfl(&read)?;
        fcntl_setfl(&read, flags - OFlags::NONBLOCK)?;
        Ok(Pipes { read, write })
    }
}

/// Whether anybody has the other end of a pipe that is written to.
fn has_reader(write: &OwnedFd) -> io::Result<bool> {
    let mut polled = [PollFd::new(write, PollFlags::empty())];
    let now = Timespec::default();
    match poll(&mut polled, Some(&now)) {
        Ok(_) => Ok(!polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)),
        Err(Errno::INTR) => Ok(true), // It is asked again.
        Err(fault) => Err(fault.into()),
    }
}

fn of(path: &Path, fault: Errno) -> io::Error {
    let fault = io::Error::from(fault);
    io::Error::new(fault.kind(), format!("{}: {fault}", path.display()))
}

/// Finds out whether a named pipe has a writer, without taking what it wrote: until it has, reading it says that it
/// has ended.
#[cfg(target_os = "linux")]
struct Writer {
    scratch: (os_pipe::PipeReader, os_pipe::PipeWriter),
}

#[cfg(target_os = "linux")]
impl Writer {
    fn new() -> io::Result<Self> {
        Ok(Self { scratch: os_pipe::pipe()? })
    }

    fn is_there(&self, _: &Path, read: &OwnedFd) -> io::Result<bool> {
        use rustix::pipe::{SpliceFlags, tee};
        match tee(read, &self.scratch.1, 1, SpliceFlags::NONBLOCK) {
            Ok(0) => Ok(false),
            Ok(_) | Err(Errno::AGAIN) => Ok(true),
            Err(fault) => Err(fault.into()),
        }
    }
}

/// Elsewhere, opening it again waits for one.
#[cfg(not(target_os = "linux"))]
struct Writer;

#[cfg(not(target_os = "linux"))]
impl Writer {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    fn is_there(&self, path: &Path, _: &OwnedFd) -> io::Result<bool> {
        open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|fault| of(path, fault))?;
        Ok(true)
    }
}

/// As messages name it.
impl fmt::Display for Fifos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |path: &Path| plugline_protocol::wire::escape(path.as_os_str().as_encoded_bytes());
        write!(f, "<{} >{}", name(&self.stdin), name(&self.stdout))
    }
}
