//! Where there is no epoll: poll(2) over all that is armed, woken by a pipe to look again.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::{Token, Told};

#[derive(Debug)]
pub(in super::super) struct Poller {
    state: Mutex<State>,
    waiting: OwnedFd,
    raising: OwnedFd,
}

#[derive(Debug, Default)]
struct State {
    /// A duplicate of each descriptor, so that none is closed while it is waited for.
    watched: HashMap<RawFd, Watched>,
    timer: Option<Instant>,
}

#[derive(Debug)]
struct Watched {
    fd: std::sync::Arc<OwnedFd>,
    token: Token,
    armed: bool,
}

impl Poller {
    pub(in super::super) fn new() -> io::Result<Self> {
        let (waiting, raising) = os_pipe::pipe()?;
        let (waiting, raising): (OwnedFd, OwnedFd) = (waiting.into(), raising.into());
        for end in [&waiting, &raising] {
            // Both ends are this process's alone.
            let flags = rustix::fs::fcntl_getfl(end)? | rustix::fs::OFlags::NONBLOCK;
            rustix::fs::fcntl_setfl(end, flags)?;
        }
        Ok(Self { state: Mutex::default(), waiting, raising })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_again(&self) {
        // Full: then it is about to look again already.
        let _full = rustix::io::write(&self.raising, &[0]);
    }

    /// Takes a descriptor in, not armed.
    pub(in super::super) fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        let copy = std::sync::Arc::new(fd.try_clone_to_owned()?);
        self.lock().watched.insert(fd.as_raw_fd(), Watched { fd: copy, token, armed: false });
        Ok(())
    }

    /// Tells of it once, as soon as there is something to tell.
    pub(in super::super) fn arm(&self, fd: BorrowedFd<'_>, _: Token) {
        self.set(fd, true);
        self.look_again();
    }

    /// Tells of it no more; of what was seen already it may be told still.
    pub(in super::super) fn disarm(&self, fd: BorrowedFd<'_>, _: Token) {
        self.set(fd, false);
    }

    fn set(&self, fd: BorrowedFd<'_>, armed: bool) {
        if let Some(watched) = self.lock().watched.get_mut(&fd.as_raw_fd()) {
            watched.armed = armed;
        }
    }

    /// Forgets it.
    pub(in super::super) fn remove(&self, fd: BorrowedFd<'_>) {
        self.lock().watched.remove(&fd.as_raw_fd());
    }

    /// Tells of the timer once, after that long.
    pub(in super::super) fn set_timer(&self, after: Duration) {
        self.lock().timer = Some(Instant::now() + after);
        self.look_again();
    }

    /// Waits until there is something to tell.
    pub(in super::super) fn wait(&self) -> io::Result<Vec<Told>> {
        loop {
            let (armed, timer): (Vec<_>, _) = {
                let state = self.lock();
                let armed = state.watched.iter().filter(|(_, watched)| watched.armed);
                (armed.map(|(key, watched)| (*key, watched.fd.clone())).collect(), state.timer)
            };
            let mut fds: Vec<_> = armed.iter().map(|(_, fd)| PollFd::new(&**fd, PollFlags::IN)).collect();
            fds.push(PollFd::new(&self.waiting, PollFlags::IN));
            let left = timer.map(|due| {
                let left = due.saturating_duration_since(Instant::now());
                Timespec::try_from(left).expect("timers are short")
            });
            match poll(&mut fds, left.as_ref()) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            if ready.last() == Some(&true) {
                let mut bytes = [0; 64];
                while rustix::io::read(self.waiting.as_fd(), &mut bytes).is_ok_and(|count| count == 64) {}
            }
            let mut told = Vec::new();
            let mut state = self.lock();
            for ((key, _), ready) in armed.iter().zip(ready) {
                if ready
                    && let Some(watched) = state.watched.get_mut(key)
                    && std::mem::take(&mut watched.armed)
                {
                    told.push(Told::Ready(watched.token));
                }
            }
            if state.timer.is_some_and(|due| due <= Instant::now()) {
                state.timer = None;
                told.push(Told::Timer);
            }
            if !told.is_empty() {
                return Ok(told);
            }
        }
    }
}
