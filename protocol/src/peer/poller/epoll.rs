//! Linux: epoll and timerfd.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::{Token, Told};

/// What the timer's own event is named; tokens count up from 1.
const TIMER: Token = 0;

#[derive(Debug)]
pub(in super::super) struct Poller {
    epoll: OwnedFd,
    timer: OwnedFd,
}

impl Poller {
    pub(in super::super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &timer, epoll::EventData::new_u64(TIMER), epoll::EventFlags::IN)?;
        Ok(Self { epoll, timer })
    }

    /// Takes a descriptor in, not armed.
    pub(in super::super) fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        let added = epoll::add(&self.epoll, fd, epoll::EventData::new_u64(token), epoll::EventFlags::ONESHOT);
        // A file is always ready to be read, and cannot be watched: reading it ends without waiting.
        if added != Err(Errno::PERM) {
            added?;
        }
        self.disarm(fd, token);
        Ok(())
    }

    /// Tells of it once, as soon as there is something to tell.
    pub(in super::super) fn arm(&self, fd: BorrowedFd<'_>, token: Token) {
        self.modify(fd, token, epoll::EventFlags::IN | epoll::EventFlags::ONESHOT);
    }

    /// Tells of it no more. Of an end it could be told all the same: that of a pipe is always told.
    pub(in super::super) fn disarm(&self, fd: BorrowedFd<'_>, token: Token) {
        self.modify(fd, token, epoll::EventFlags::ONESHOT);
    }

    fn modify(&self, fd: BorrowedFd<'_>, token: Token, flags: epoll::EventFlags) {
        // It cannot fail but for a file, which is not watched.
        let _file = epoll::modify(&self.epoll, fd, epoll::EventData::new_u64(token), flags);
    }

    /// Forgets it.
    pub(in super::super) fn remove(&self, fd: BorrowedFd<'_>) {
        let _file = epoll::delete(&self.epoll, fd);
    }

    /// Tells of the timer once, after that long.
    pub(in super::super) fn set_timer(&self, after: Duration) {
        let it_value = Timespec::try_from(after).expect("timers are short");
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once).expect("a timer can be set");
    }

    /// Waits until there is something to tell.
    pub(in super::super) fn wait(&self) -> io::Result<Vec<Told>> {
        let mut events = Vec::with_capacity(64);
        loop {
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            let told = events.iter().map(|event: &epoll::Event| match { event.data }.u64() {
                TIMER => {
                    let mut count = [0; 8];
                    // Set anew meanwhile: then it is told of again.
                    let _set_anew = rustix::io::read(&self.timer, &mut count);
                    Told::Timer
                }
                token => Told::Ready(token),
            });
            return Ok(told.collect());
        }
    }
}
