//! Things to do later: one thread for the process, asleep until the next one is due, and gone from the
//! schedule for good where there is none.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

type Task = Box<dyn FnOnce() + Send>;

struct Entry {
    due: Instant,
    order: u64,
    task: Task,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
    }
}

struct Timer {
    /// What is to be done, how much ever was, and whether the thread runs.
    entries: Mutex<(BinaryHeap<Reverse<Entry>>, u64, bool)>,
    changed: Condvar,
}

static TIMER: Timer = Timer { entries: Mutex::new((BinaryHeap::new(), 0, false)), changed: Condvar::new() };

/// The time after that long; a century from now where the clock does not reach so far.
pub(super) fn later(after: Duration) -> Instant {
    later_than(Instant::now(), after)
}

/// That long after that time; a century after it where the clock does not reach so far.
pub(super) fn later_than(since: Instant, after: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    since + after.min(CENTURY)
}

/// Runs a short task at that time, on the timer's thread.
pub(super) fn at(due: Instant, task: Task) {
    let timer = &TIMER;
    let mut entries = timer.entries.lock().unwrap_or_else(PoisonError::into_inner);
    if !entries.2 {
        // Where no thread can be had now, the next task tries again, and this one waits for it.
        let started = std::thread::Builder::new().name("plugline-timer".into()).spawn(|| TIMER.run());
        entries.2 = started.is_ok();
    }
    let order = entries.1;
    entries.1 += 1;
    entries.0.push(Reverse(Entry { due, order, task }));
    timer.changed.notify_one();
}

impl Timer {
    fn run(&self) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let Some(Reverse(next)) = entries.0.peek() else {
                entries = self.changed.wait(entries).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            match next.due.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => {
                    entries =
                        self.changed.wait_timeout(entries, left).unwrap_or_else(PoisonError::into_inner).0;
                }
                _ => {
                    let Some(Reverse(due)) = entries.0.pop() else { continue };
                    drop(entries);
                    (due.task)();
                    entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}
