//! Which calls are open: what a hang is told by, and how late an end may be.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How late a call may end: the machine may be busy, with all these threads on one core.
const SLACK: Duration = Duration::from_secs(5);
/// A call that is open for so long hangs.
const HANG: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Open {
    calls: Mutex<Calls>,
    over: AtomicBool,
}

#[derive(Debug, Default)]
struct Calls {
    count: u64,
    open: BTreeMap<u64, (&'static str, Instant)>,
    /// How many ended, by what they were and how they ended.
    ended: BTreeMap<String, u64>,
}

/// One that is open.
#[must_use]
pub(super) struct Opened<'a> {
    open: &'a Open,
    number: u64,
    what: &'static str,
    since: Instant,
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, what: &'static str) -> Opened<'_> {
        let since = Instant::now();
        let mut calls = self.lock();
        calls.count += 1;
        let number = calls.count;
        calls.open.insert(number, (what, since));
        Opened { open: self, number, what, since }
    }

    /// Whether the time for new ones is over.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(super) fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Ends the process where a call hangs, and says which are open.
    pub(super) fn watch(&self, seed: u64) {
        while !self.is_over() || !self.lock().open.is_empty() {
            std::thread::sleep(Duration::from_millis(100));
            let calls = self.lock();
            if calls.open.values().any(|(_, since)| since.elapsed() > HANG) {
                eprintln!("PLUGLINE_SEED={seed}: these calls are open:");
                for (number, (what, since)) in &calls.open {
                    eprintln!("{number} {what} for {:?}", since.elapsed());
                }
                eprintln!("these ended: {:#?}", calls.ended);
                std::process::abort();
            }
        }
    }

    /// How many ended, and how.
    pub(super) fn ended(&self) -> BTreeMap<String, u64> {
        assert!(self.lock().open.is_empty());
        self.lock().ended.clone()
    }
}

impl Opened<'_> {
    /// It ended so, and was to end within that time.
    #[track_caller]
    pub(super) fn end(self, how: &str, within: Duration) {
        let took = self.since.elapsed();
        assert!(
            took <= within + SLACK,
            "{} {how} after {took:?}, and was to end within {within:?}",
            self.what
        );
        *self.open.lock().ended.entry(format!("{} {how}", self.what)).or_default() += 1;
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.open.lock().open.remove(&self.number);
    }
}
