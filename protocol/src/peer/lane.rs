//! The order of notifications: one after another, and before any request that came after them.
//!
//! While the lane is empty, requests do not pass through it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::short;
use super::workers::{self, Job};

/// What may wait in the lane; bytes. One notification always may.
const LANE_BYTES: usize = 4 * 1024 * 1024;
/// What a notification takes besides its line: without it, millions of empty ones could wait.
const NOTIFICATION_BYTES: usize = 256;

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
    Request(Job, Length),
}

/// What is known of how long a request's handler takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Short,
    /// It may take long, or wait for something.
    Any,
}

fn spawn(job: Job, length: Length) -> Result<(), Job> {
    match length {
        Length::Short => short::spawn(job),
        Length::Any => workers::spawn(job),
    }
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
        let size = size + NOTIFICATION_BYTES;
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
    pub(super) fn request(&self, job: Job, length: Length) -> Result<(), Job> {
        let mut state = self.lock();
        if state.running {
            state.waiting.push_back(Step::Request(job, length));
            return Ok(());
        }
        drop(state);
        spawn(job, length)
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
                Some(Step::Request(job, length)) => {
                    drop(state);
                    if let Err(job) = spawn(job, length) {
                        job();
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// A lane whose first notification does not end before the sender is dropped.
    fn busy() -> (Arc<Lane>, std::sync::mpsc::Sender<()>) {
        let (lane, (release, wait)) = (Arc::new(Lane::default()), channel::<()>());
        let (begun, has_begun) = channel();
        let job = move || {
            begun.send(()).unwrap();
            let _released = wait.recv();
        };
        lane.notification(0, Box::new(job)).unwrap();
        has_begun.recv().unwrap();
        (lane, release)
    }

    #[test]
    fn as_many_bytes_wait_as_may_and_no_more() {
        let (lane, release) = busy();
        let left = LANE_BYTES - 2 * NOTIFICATION_BYTES;
        assert_eq!(lane.notification(left + 1, Box::new(|| {})), Err(Full));
        assert_eq!(lane.notification(left, Box::new(|| {})), Ok(()));
        assert_eq!(lane.notification(0, Box::new(|| {})), Err(Full));
        drop(release);
        let (done, is_done) = channel();
        lane.request(Box::new(move || done.send(()).unwrap()), Length::Any).unwrap_or_else(|job| job());
        is_done.recv().unwrap();
        // One always may.
        assert_eq!(lane.notification(2 * LANE_BYTES, Box::new(|| {})), Ok(()));
    }

    #[test]
    fn empty_notifications_are_bounded_too() {
        let (lane, release) = busy();
        let kept = (0..100_000).take_while(|_| lane.notification(40, Box::new(|| {})).is_ok()).count();
        assert_eq!(kept, (LANE_BYTES - NOTIFICATION_BYTES) / (40 + NOTIFICATION_BYTES));
        drop(release);
    }
}
