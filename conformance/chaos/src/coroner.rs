//! Finds the cause of each failed call. What the host tells may come a moment after the call has failed, so it looks again
//! for a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use crate::clock::Moment;
use crate::explain::{Failure, cause, is_told};
use crate::faults::{Faults, Kind};
use crate::journal::Journal;

const LOOK: Duration = Duration::from_millis(200);

/// How often calls failed: by the kind of failure and its cause.
pub type Causes = BTreeMap<String, BTreeMap<String, Cause>>;

/// What is known of a cause.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Cause {
    /// How many calls failed of it.
    pub calls: u64,
    /// What the first of them was told.
    pub first: String,
}

/// Finds causes.
#[derive(Debug)]
pub struct Coroner {
    faults: Arc<Faults>,
    journal: Arc<Journal>,
    causes: Mutex<Causes>,
    /// So long after a call has failed the host has to have told what it failed of.
    told_within: Duration,
}

impl Coroner {
    /// Nothing has failed yet.
    #[must_use]
    pub fn new(faults: Arc<Faults>, journal: Arc<Journal>, told_within: Duration) -> Self {
        Self { faults, journal, causes: Mutex::default(), told_within }
    }

    /// Where failures are brought.
    #[must_use]
    pub fn intake() -> (Sender<Failure>, Receiver<Failure>) {
        unbounded()
    }

    /// Works until nobody brings any more, and all are explained or told of.
    pub fn work(&self, failures: &Receiver<Failure>) {
        let mut waiting: Vec<Failure> = Vec::new();
        let mut looked = Moment::now();
        let mut is_open = true;
        while is_open || !waiting.is_empty() {
            match failures.recv_timeout(LOOK) {
                Ok(failure) => waiting.push(failure),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    is_open = false;
                    std::thread::sleep(LOOK);
                }
            }
            if Moment::now().since(looked) >= LOOK {
                waiting.retain(|failure| !self.is_done(failure));
                looked = Moment::now();
            }
        }
    }

    /// Whether a failure needs no other look.
    fn is_done(&self, failure: &Failure) -> bool {
        let over = Moment::now().since(failure.ended) > self.told_within;
        let history =
            self.journal.of(&failure.plugin, failure.since(), failure.ended.after(self.told_within));
        let found = cause(failure, &history);
        let told = is_told(failure, &history);
        match found {
            Some(cause) if told => {
                self.count(failure, cause);
                true
            }
            found if over => {
                let kind = if found.is_some() { Kind::Untold } else { Kind::Unexplained };
                let Failure { way, kind: of, text, code, exit, begun, ended, intent, .. } = failure;
                let took = ended.since(*begun);
                let what =
                    format!("{way} ({intent:?}) failed after {took:.2?}: {of}, {code:?}, {exit:?}: {text}");
                self.faults.found_of(*ended, kind, &failure.plugin, what);
                true
            }
            _ => false,
        }
    }

    fn count(&self, failure: &Failure, cause: String) {
        let mut causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner);
        let of_kind = causes.entry(failure.kind.to_string()).or_default();
        let first = || Cause { calls: 0, first: failure.text.clone() };
        of_kind.entry(cause).or_insert_with(first).calls += 1;
    }

    /// What was found.
    #[must_use]
    pub fn causes(&self) -> Causes {
        self.causes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
