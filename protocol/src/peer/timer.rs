//! Things to do later: one thread for the process, asleep until the next one is due, and gone from the
//! schedule for good where there is none. Hosts have what they do later done by it too.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

type Task = Box<dyn FnOnce() + Send>;

struct Timer {
    schedule: Mutex<Schedule>,
    changed: Condvar,
}

struct Schedule {
    /// By when they are due, and then in the order they came.
    tasks: BTreeMap<(Instant, u64), Task>,
    /// How many there ever were.
    count: u64,
    /// The thread runs.
    runs: bool,
}

static TIMER: Timer = Timer {
    schedule: Mutex::new(Schedule { tasks: BTreeMap::new(), count: 0, runs: false }),
    changed: Condvar::new(),
};

/// Names a task that is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(Instant, u64);

/// The time after that long; a century from now where the clock does not reach so far.
pub fn later(after: Duration) -> Instant {
    later_than(Instant::now(), after)
}

/// That long after that time; a century after it where the clock does not reach so far.
pub(super) fn later_than(since: Instant, after: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    since + after.min(CENTURY)
}

/// Runs a short task at that time, on the timer's thread. It must not wait.
pub fn at(due: Instant, task: Task) -> Ticket {
    let timer = &TIMER;
    let mut schedule = timer.lock();
    if !schedule.runs {
        // Where no thread can be had now, the next task tries again, and this one waits for it.
        let started = std::thread::Builder::new().name("plugline-timer".into()).spawn(|| TIMER.run());
        schedule.runs = started.is_ok();
    }
    schedule.count += 1;
    let key = (due, schedule.count);
    let is_next = schedule.tasks.first_key_value().is_none_or(|(next, _)| key < *next);
    schedule.tasks.insert(key, task);
    if is_next {
        timer.changed.notify_one();
    }
    Ticket(key.0, key.1)
}

/// Leaves a task undone, if it was not done already.
pub fn forget(ticket: Ticket) {
    let task = TIMER.lock().tasks.remove(&(ticket.0, ticket.1));
    drop(task); // With whatever it holds, and so not under the lock.
}

impl Timer {
    fn lock(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut schedule = self.lock();
        loop {
            let Some(next) = schedule.tasks.first_entry() else {
                schedule = self.changed.wait(schedule).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            match next.key().0.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => {
                    schedule =
                        self.changed.wait_timeout(schedule, left).unwrap_or_else(PoisonError::into_inner).0;
                }
                _ => {
                    let task = next.remove();
                    drop(schedule);
                    // Some wake tasks, with code of theirs. Reported by the panic hook, and what else is to be done later
                    // is not to suffer from it.
                    let _panicked = catch_unwind(AssertUnwindSafe(task));
                    schedule = self.lock();
                }
            }
        }
    }
}
