//! Standard input: passed on to the runner as it comes, unless that says to stop reading.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use serde_json::json;

use crate::link::Link;

/// More than a pipe holds at a time, mostly.
const CHUNK: usize = 256 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    Reading,
    Paused,
    /// It is to be closed, once nobody polls it.
    Closing,
    /// Nobody polls it any more, so that closing it closes the pipe.
    Over,
}

/// Whether standard input is read.
pub(crate) struct Intake {
    pace: Mutex<Pace>,
    changed: Condvar,
    /// Written to, it has the thread that waits look at the pace.
    waker: OwnedFd,
    woken: OwnedFd,
}

impl Intake {
    /// Once this returns with `Paused`, not a byte more is read.
    pub(crate) fn set(&self, pace: Pace) {
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner) = pace;
        self.changed.notify_all();
    }

    /// Closes standard input. The descriptor is replaced rather than closed, as the next file opened must not become
    /// standard input; and not while the other thread polls it, which would keep the pipe open.
    pub(crate) fn close(&self) -> io::Result<()> {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        if *pace != Pace::Over {
            *pace = Pace::Closing;
        }
        self.changed.notify_all();
        rustix::io::write(&self.waker, b"!")?;
        let polled = |pace: &mut Pace| *pace != Pace::Over;
        drop(self.changed.wait_while(pace, polled).unwrap_or_else(PoisonError::into_inner));
        Ok(rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?)
    }

    /// The thread that read does so no more.
    fn over(&self) {
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner) = Pace::Over;
        self.changed.notify_all();
    }

    /// Reads once there is something to read and reading is wanted. Nothing is read outside the lock, so that a
    /// pause holds from the moment it is acknowledged.
    ///
    /// Nothing, where it was closed by this side.
    fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let stdin = rustix::stdio::stdin();
        loop {
            let mut ends = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(&self.woken, PollFlags::IN)];
            match poll(&mut ends, None) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(fault) => return Err(fault.into()),
            }
            let pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            let paused = |pace: &mut Pace| *pace == Pace::Paused;
            let pace = self.changed.wait_while(pace, paused).unwrap_or_else(PoisonError::into_inner);
            if *pace == Pace::Closing {
                return Ok(None);
            }
            if ends[0].revents().is_empty() {
                continue;
            }
            let read = rustix::io::read(stdin, &mut *buffer);
            drop(pace);
            match read {
                Err(Errno::INTR | Errno::AGAIN) => {}
                read => return Ok(Some(read?)),
            }
        }
    }
}

pub(crate) fn start(link: &Arc<Link>, pace: Pace) -> io::Result<Arc<Intake>> {
    let (woken, waker) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let intake = Arc::new(Intake { pace: Mutex::new(pace), changed: Condvar::new(), waker, woken });
    let (link, this) = (Arc::clone(link), Arc::clone(&intake));
    std::thread::Builder::new().name("intake".into()).spawn(move || {
        let mut chunk = vec![0; CHUNK];
        let told = loop {
            let told = match this.read(&mut chunk) {
                Ok(None) => break Ok(()),
                Ok(Some(0)) => break link.report(&json!({"eof": true})),
                Ok(Some(count)) => link.intake(&chunk[..count]),
                Err(fault) => break link.report(&json!({"fault": "stdin", "error": fault.to_string()})),
            };
            if told.is_err() {
                break told;
            }
        };
        this.over();
        // Who closed the link also ends this process.
        told
    })?;
    Ok(intake)
}
