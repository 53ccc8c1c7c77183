//! Has whoever reads look up, also out of its sleep.
//!
//! Model-checked in `models/`, the memory order included.

use std::io;
use std::time::Instant;

use super::io::{Bell, End, Slept, Wake};
use super::sync::{AtomicBool, Ordering};

/// Ends one wait of whoever reads, again and again.
///
/// A reader says that it is about to sleep before it looks for the last time, and an interrupter leaves its mark
/// before it looks whether somebody sleeps: one of the two sees the other.
#[derive(Debug)]
pub(super) struct Interrupt {
    raised: AtomicBool,
    asleep: AtomicBool,
    bell: Bell,
}

impl Interrupt {
    pub(super) fn new(bell: Bell) -> Self {
        Self { raised: AtomicBool::new(false), asleep: AtomicBool::new(false), bell }
    }

    /// Ends the wait of whoever reads, or that of the next who would.
    pub(super) fn raise(&self) {
        self.raised.store(true, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) {
            self.bell.ring();
        }
    }

    /// Whether it was raised since this was last asked.
    pub(super) fn take(&self) -> bool {
        self.raised.load(Ordering::Relaxed) && self.raised.swap(false, Ordering::SeqCst)
    }

    /// Sleeps until `end` can be read, `ended` is raised, this is raised, or the time is over.
    pub(super) fn sleep(&self, end: &End, ended: &Wake, until: Option<Instant>) -> io::Result<Slept> {
        self.asleep.store(true, Ordering::SeqCst);
        let slept = if self.raised.load(Ordering::SeqCst) {
            Ok(Slept { ended: false })
        } else {
            self.bell.sleep(end, ended, until)
        };
        self.asleep.store(false, Ordering::SeqCst);
        slept
    }
}
