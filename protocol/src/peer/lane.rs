//! The order of notifications: one after another, and before any request that came after them.
//!
//! While the lane is empty, requests do not pass through it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::workers::{self, Job};

/// What may wait in the lane; bytes. One notification always may.
const LANE_BYTES: usize = 4 * 1024 * 1024;

#[derive(Default)]
pub(super) struct Lane {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Step>,
    /// The size of the notifications that wait.
    bytes: usize,
    /// A worker is taking steps.
    running: bool,
}

enum Step {
    Notification { size: usize, job: Job },
    Request(Job),
}

/// The lane holds more than it may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Lane {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Handles a notification after those before it.
    pub(super) fn notification(self: &Arc<Self>, size: usize, job: Job) -> Result<(), Full> {
        let mut state = self.lock();
        if state.bytes > 0 && state.bytes + size > LANE_BYTES {
            return Err(Full);
        }
        state.bytes += size;
        state.waiting.push_back(Step::Notification { size, job });
        if !std::mem::replace(&mut state.running, true) {
            drop(state);
            let lane = Arc::clone(self);
            if workers::spawn(Box::new(move || lane.run())).is_err() {
                self.lock().running = false;
                return Err(Full);
            }
        }
        Ok(())
    }

    /// Hands a request to a worker, after the notifications before it.
    pub(super) fn request(&self, job: Job) -> Result<(), Job> {
        let mut state = self.lock();
        if state.running {
            state.waiting.push_back(Step::Request(job));
            return Ok(());
        }
        drop(state);
        workers::spawn(job)
    }

    /// Whether a notification is still to be handled.
    pub(super) fn is_running(&self) -> bool {
        self.lock().running
    }

    fn run(&self) {
        loop {
            let mut state = self.lock();
            let step = state.waiting.pop_front();
            match step {
                None => {
                    state.running = false;
                    return;
                }
                Some(Step::Notification { size, job }) => {
                    drop(state);
                    job();
                    self.lock().bytes -= size;
                }
                Some(Step::Request(job)) => {
                    drop(state);
                    if let Err(job) = workers::spawn(job) {
                        job();
                    }
                }
            }
        }
    }
}
