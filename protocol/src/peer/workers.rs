//! The threads that handlers run on: one pool for the process, which grows when all are busy and shrinks
//! when they idle. What bounds it is how many requests its connections take at once.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An idle worker ends after this long.
const IDLE: Duration = Duration::from_secs(2);

pub(super) type Job = Box<dyn FnOnce() + Send>;

struct Pool {
    state: Mutex<State>,
    work: Condvar,
}

struct State {
    jobs: VecDeque<Job>,
    idle: usize,
}

static POOL: Pool =
    Pool { state: Mutex::new(State { jobs: VecDeque::new(), idle: 0 }), work: Condvar::new() };

/// Runs a job soon, on a thread of its own for as long as it takes.
///
/// # Errors
/// Gives the job back where no thread is idle and none can be started.
pub(super) fn spawn(job: Job) -> Result<(), Job> {
    let mut state = POOL.lock();
    if state.idle > state.jobs.len() {
        state.jobs.push_back(job);
        POOL.work.notify_one();
        return Ok(());
    }
    drop(state);
    // Kept aside, so that it can be given back.
    let first = Arc::new(Mutex::new(Some(job)));
    let taken = Arc::clone(&first);
    let take = |job: &Mutex<Option<Job>>| job.lock().unwrap_or_else(PoisonError::into_inner).take();
    let started = std::thread::Builder::new().name("plugline-worker".into()).spawn(move || {
        if let Some(job) = take(&taken) {
            run(job);
        }
        POOL.work();
    });
    match started {
        Ok(_) => Ok(()),
        Err(_) => take(&first).map_or(Ok(()), Err),
    }
}

/// Runs a job on this thread.
pub(super) fn run(job: Job) {
    // A handler's panic is caught where its answer is made; what comes through here is reported by the panic hook
    // and must not cost the pool a thread.
    let _panic = catch_unwind(AssertUnwindSafe(job));
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                run(job);
                state = self.lock();
                continue;
            }
            state.idle += 1;
            let (guard, waited) = self.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = guard;
            state.idle -= 1;
            if waited.timed_out() && state.jobs.is_empty() {
                return;
            }
        }
    }
}
