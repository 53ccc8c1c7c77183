//! Tasks that are to be told of something. A task's waker is user code, so whoever finds that there is something to
//! tell, under a lock or while it reads, only sets the alarm; it is rung where nothing is held.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

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
            waker.wake();
        }
    }
}

/// How one task is told.
#[derive(Debug)]
pub(super) struct Alarm {
    waker: Waker,
    alarms: Arc<Alarms>,
}

impl Alarm {
    pub(super) fn new(waker: &Waker, alarms: &Arc<Alarms>) -> Self {
        Self { waker: waker.clone(), alarms: Arc::clone(alarms) }
    }

    /// Has the task told soon.
    pub(super) fn set(self) {
        let mut wakers = self.alarms.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers.push(self.waker);
        self.alarms.set.store(true, Ordering::Release);
    }
}
