//! Jobs that are known to be short: twice as many at a time as there are cores. More threads would not be done sooner,
//! and to start them takes about as long as such a job.
//!
//! A job that goes on for longer than it was known to waits for something, most likely, and does not count: the others
//! are waited for no longer than that is looked for. So none of them ever waits for one that waits for it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use super::timer;
use super::workers::{self, Job};

/// How often is looked for jobs that go on for long, while others wait.
const LOOK_AFTER: Duration = Duration::from_millis(1);

static STATE: Mutex<State> =
    Mutex::new(State { waiting: VecDeque::new(), running: 0, young: 0, long: 0, looks: 0, looking: false });

struct State {
    waiting: VecDeque<Job>,
    /// How many run.
    running: usize,
    /// How many of them began since the last look …
    young: usize,
    /// … and how many ran already at the look before the last: these do not count.
    long: usize,
    looks: u64,
    /// A look is to come.
    looking: bool,
}

/// A job that runs, or is about to.
struct Running {
    /// How many looks there had been when it began.
    since: u64,
}

fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many may run that do not go on for long.
fn most() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();
    *MOST.get_or_init(|| 2 * available_parallelism().map_or(1, usize::from))
}

/// Runs a job that is known to be short, soon.
///
/// # Errors
/// Gives the job back where it may run at once and no thread can be had.
pub(super) fn spawn(job: Job) -> Result<(), Job> {
    let mut state = lock();
    if state.running - state.long < most() {
        let running = state.begin();
        drop(state);
        return workers::spawn(Box::new(move || work(job, running)));
    }
    state.waiting.push_back(job);
    state.look_later();
    Ok(())
}

/// Runs one job and then those that wait.
fn work(mut job: Job, mut running: Running) {
    loop {
        workers::run(job);
        drop(running);
        let mut state = lock();
        let Some(next) = state.next() else { return };
        (job, running) = next;
    }
}

/// Lets those that wait run where others go on for long.
fn look() {
    let mut state = lock();
    state.looking = false;
    state.long = state.running - state.young;
    state.young = 0;
    state.looks += 1;
    let mut started = Vec::new();
    while let Some(next) = state.next() {
        started.push(next);
    }
    if !state.waiting.is_empty() {
        state.look_later();
    }
    drop(state);
    for (job, running) in started {
        if let Err(job) = workers::spawn(Box::new(move || work(job, running))) {
            // No thread can be had now, and this one is the timer's, which must not wait for a handler.
            lock().put_back(job);
        }
    }
}

impl State {
    fn begin(&mut self) -> Running {
        self.running += 1;
        self.young += 1;
        Running { since: self.looks }
    }

    /// One that waited, where it may run.
    fn next(&mut self) -> Option<(Job, Running)> {
        if self.running - self.long >= most() {
            return None;
        }
        let job = self.waiting.pop_front()?;
        Some((job, self.begin()))
    }

    fn put_back(&mut self, job: Job) {
        self.waiting.push_front(job);
        self.look_later();
    }

    fn look_later(&mut self) {
        if !std::mem::replace(&mut self.looking, true) {
            timer::at(timer::later(LOOK_AFTER), Box::new(look));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = lock();
        state.running -= 1;
        if self.since == state.looks {
            state.young -= 1;
        } else if self.since + 1 < state.looks {
            state.long -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier};

    use super::*;

    #[test]
    fn those_that_wait_for_one_another_all_run() {
        // Far more than run at a time: each waits for all.
        let count = 8 * most();
        let barrier = Arc::new(Barrier::new(count + 1));
        for _ in 0..count {
            let barrier = Arc::clone(&barrier);
            let wait = move || {
                barrier.wait();
            };
            assert!(spawn(Box::new(wait)).is_ok());
        }
        barrier.wait();
    }

    #[test]
    fn all_are_run_also_where_some_panic() {
        let (done, told) = crossbeam_channel::unbounded();
        for number in 0..200 {
            let done = done.clone();
            let job = move || {
                done.send(number).unwrap();
                assert!(number % 50 != 0, "as the test wants");
            };
            assert!(spawn(Box::new(job)).is_ok());
        }
        drop(done);
        let mut all: Vec<_> = told.iter().collect();
        all.sort_unstable();
        assert_eq!(all, (0..200).collect::<Vec<_>>());
    }
}
