//! Which calls are open, and how they ended: each once, in time.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Moment;
use crate::faults::{Faults, Kind};

/// So much later than its deadline a call may end: the machine may be busy, and a call that waits for a thread to run
/// cannot know that its time has passed.
pub const GRACE: Duration = Duration::from_secs(5);

/// The name of one call, also to the plugin.
pub type CallId = u64;

/// How calls ended: by what they were and how, so many.
pub type Outcomes = BTreeMap<String, BTreeMap<String, u64>>;

/// All calls of a run.
#[derive(Debug)]
pub struct Ledger {
    faults: Arc<Faults>,
    grace: Duration,
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    last: CallId,
    open: HashMap<CallId, Open>,
    outcomes: Outcomes,
    latest: Duration,
}

#[derive(Debug)]
struct Open {
    way: &'static str,
    plugin: String,
    due: Moment,
    is_told: bool,
}

impl Ledger {
    /// No call yet. One may end so much later than its deadline.
    #[must_use]
    pub fn new(faults: Arc<Faults>, grace: Duration) -> Self {
        Self { faults, grace, calls: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call is about to be made, and ends within that time.
    pub fn begin(&self, way: &'static str, plugin: &str, within: Duration) -> CallId {
        let due = Moment::now().after(within);
        let mut calls = self.lock();
        calls.last += 1;
        let id = calls.last;
        calls.open.insert(id, Open { way, plugin: plugin.to_owned(), due, is_told: false });
        id
    }

    /// Nothing of this process ran for so long, so that nothing could end in that time.
    pub fn stood_still(&self, time: Duration) {
        for call in self.lock().open.values_mut() {
            call.due = call.due.after(time);
        }
    }

    /// From now on it has so much time.
    pub fn give(&self, id: CallId, within: Duration) {
        if let Some(call) = self.lock().open.get_mut(&id) {
            call.due = Moment::now().after(within);
        }
    }

    /// It ended so.
    pub fn end(&self, id: CallId, how: &str) {
        let now = Moment::now();
        let mut calls = self.lock();
        let Some(call) = calls.open.remove(&id) else {
            drop(calls);
            let what = format!("call {id} has no outcome to come, and yet it ended: {how}");
            return self.faults.found(Kind::Doubled, "", what);
        };
        let outcomes = calls.outcomes.entry(call.way.to_owned()).or_default();
        match outcomes.get_mut(how) {
            Some(count) => *count += 1,
            None => drop(outcomes.insert(how.to_owned(), 1)),
        }
        let late = now.since(call.due);
        calls.latest = calls.latest.max(late);
        drop(calls);
        if late > self.grace && !call.is_told {
            let what = format!("{} (call {id}) ended {late:.1?} after its deadline: {how}", call.way);
            self.faults.found(Kind::Late, &call.plugin, what);
        }
    }

    /// Tells of calls that are open beyond their deadline and the grace.
    pub fn look(&self) {
        let now = Moment::now();
        let mut calls = self.lock();
        let mut hung = Vec::new();
        for (id, call) in &mut calls.open {
            if now.since(call.due) > self.grace && !call.is_told {
                call.is_told = true;
                let what = format!(
                    "{} (call {id}) is open {:.1?} after its deadline",
                    call.way,
                    now.since(call.due)
                );
                hung.push((call.plugin.clone(), what));
            }
        }
        drop(calls);
        hung.into_iter().for_each(|(plugin, what)| self.faults.found(Kind::Hung, &plugin, what));
    }

    /// Whoever calls is done: what is open now has no outcome.
    pub fn close(&self) {
        let open = std::mem::take(&mut self.lock().open);
        for (id, call) in open {
            let what = format!("{} (call {id}) has no outcome", call.way);
            self.faults.found(Kind::Lost, &call.plugin, what);
        }
    }

    /// How many calls began, how they ended, and how much later than its deadline the latest did.
    #[must_use]
    pub fn sums(&self) -> (u64, Outcomes, Duration) {
        let calls = self.lock();
        (calls.last, calls.outcomes.clone(), calls.latest)
    }

    /// How many calls began, and how many are open.
    #[must_use]
    pub fn counts(&self) -> (u64, usize) {
        let calls = self.lock();
        (calls.last, calls.open.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal;

    const HOUR: Duration = Duration::from_secs(3600);

    /// What is found of what is done.
    fn found(grace: Duration, done: impl FnOnce(&Ledger)) -> Vec<Kind> {
        let faults = Arc::new(Faults::new(1, Arc::new(Journal::default())));
        done(&Ledger::new(Arc::clone(&faults), grace));
        faults.all().0.into_iter().map(|fault| fault.kind).collect()
    }

    #[test]
    fn a_call_that_ends_once_and_in_time_is_no_fault() {
        let is_fine = found(HOUR, |ledger| {
            let late = ledger.begin("late, but within the grace", "p", Duration::ZERO);
            ledger.end(late, "timeout");
            let call = ledger.begin("call", "p", HOUR);
            ledger.end(call, "result");
            ledger.look();
            ledger.close();
            assert_eq!(ledger.counts(), (2, 0));
        });
        assert_eq!(is_fine, []);
    }

    #[test]
    fn each_call_ends_once() {
        let twice = |ledger: &Ledger| {
            let call = ledger.begin("call", "p", HOUR);
            ledger.end(call, "result");
            ledger.end(call, "timeout");
            assert_eq!(ledger.sums().1["call"].values().sum::<u64>(), 1);
        };
        assert_eq!(found(HOUR, twice), [Kind::Doubled]);
        let never = |ledger: &Ledger| {
            ledger.begin("call", "p", HOUR);
            ledger.look();
            ledger.close();
        };
        assert_eq!(found(HOUR, never), [Kind::Lost]);
    }

    #[test]
    fn each_call_ends_in_time() {
        let late = |ledger: &Ledger| {
            let call = ledger.begin("call", "p", Duration::ZERO);
            ledger.end(call, "result");
        };
        assert_eq!(found(Duration::ZERO, late), [Kind::Late]);
        let hung = |ledger: &Ledger| {
            let call = ledger.begin("call", "p", Duration::ZERO);
            ledger.look();
            // It is told of once.
            ledger.look();
            ledger.end(call, "result");
        };
        assert_eq!(found(Duration::ZERO, hung), [Kind::Hung]);
        let more = |ledger: &Ledger| {
            let call = ledger.begin("call", "p", Duration::ZERO);
            ledger.give(call, HOUR);
            ledger.look();
            ledger.end(call, "result");
        };
        assert_eq!(found(Duration::ZERO, more), []);
    }
}
