//! Tasks and threads that are to be told of something. A task's waker is user code, so whoever finds that there is something to
//! tell, under a lock or while it reads, only sets the alarm; it is rung where nothing is held.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::thread::{self, Thread};

use super::sync::{Arc, AtomicBool, Mutex, Ordering, PoisonError};

/// Tasks that are to be told, all of one connection.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    set: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
}

impl Alarms {
    /// Whether there is a task to be told.
    pub(super) fn are_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    /// Tells them, with nothing held.
    pub(super) fn ring(&self) {
        let wakers = {
            let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            self.set.store(false, Ordering::Release);
            std::mem::take(&mut *wakers)
        };
        for waker in wakers {
            // Reported by the panic hook; neither the other tasks nor whoever rings are to suffer from it.
            let _panicked = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}

/// How one task or thread is told.
#[derive(Debug)]
pub(super) enum Alarm {
    Task {
        waker: Waker,
        alarms: Arc<Alarms>,
    },
    /// It is parked, or about to be.
    Thread(Thread),
}

impl Alarm {
    pub(super) fn new(waker: &Waker, alarms: &Arc<Alarms>) -> Self {
        Self::Task { waker: waker.clone(), alarms: Arc::clone(alarms) }
    }

    pub(super) fn this_thread() -> Self {
        Self::Thread(thread::current())
    }

    /// Has it told: a task soon, a thread at once, which runs nobody's code.
    pub(super) fn set(self) {
        match self {
            Self::Task { waker, alarms } => {
                let mut wakers = alarms.wakers.lock().unwrap_or_else(PoisonError::into_inner);
                wakers.push(waker);
                alarms.set.store(true, Ordering::Release);
            }
            Self::Thread(thread) => thread.unpark(),
        }
    }
}
