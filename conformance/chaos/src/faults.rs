//! What was found: faults of the host, each told at once with what is needed to see it again.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::journal::Journal;

/// So many are kept; the others are counted.
const KEPT: usize = 100;
/// So many of the last events of the plugin are told with a fault.
const EVENTS: usize = 25;

/// What was promised and not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A call has no outcome.
    Lost,
    /// A call has more than one outcome.
    Doubled,
    /// A call ended later than its deadline and the grace.
    Late,
    /// A call is open beyond its deadline and the grace.
    Hung,
    /// A result is not that of the call.
    Wrong,
    /// Nothing that was done explains a failure.
    Unexplained,
    /// The host's events do not tell of the end that a call failed of.
    Untold,
    /// A call was handled more or less often than it may have been.
    Mark,
    /// A process was left.
    Process,
    /// A descriptor was left.
    Descriptor,
    /// A thread was left.
    Thread,
    /// A file was left.
    File,
    /// Memory grew.
    Memory,
    /// Stopping took too long.
    Stop,
    /// A new version neither took over, nor was it told why.
    Swap,
    /// A thread of the run panicked, or something that cannot fail did.
    Panic,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{self:?}").to_lowercase())
    }
}

/// One that was found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fault {
    /// So many seconds after the run began.
    pub second: f64,
    /// What was not kept.
    pub kind: Kind,
    /// The plugin, where it is about one.
    pub plugin: String,
    /// What there is to see of it.
    pub what: String,
    /// The last that was done to the plugin, and that the host told of it: before and after.
    pub events: Vec<String>,
}

/// All that were found.
#[derive(Debug)]
pub struct Faults {
    seed: u64,
    start: Moment,
    journal: Arc<Journal>,
    found: Mutex<(Vec<Fault>, u64)>,
}

impl Faults {
    /// None yet.
    #[must_use]
    pub fn new(seed: u64, journal: Arc<Journal>) -> Self {
        Self { seed, start: Moment::now(), journal, found: Mutex::default() }
    }

    /// One was found. It is told on standard error.
    pub fn found(&self, kind: Kind, plugin: &str, what: impl Into<String>) {
        self.found_of(Moment::now(), kind, plugin, what);
    }

    /// The same, of what was not kept a while ago.
    pub fn found_of(&self, moment: Moment, kind: Kind, plugin: &str, what: impl Into<String>) {
        let second = moment.since(self.start).as_secs_f64();
        let fault = Fault {
            second,
            kind,
            plugin: plugin.to_owned(),
            what: what.into(),
            events: self.journal.tail(plugin, EVENTS, moment),
        };
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.1 += 1;
        if found.0.len() < KEPT {
            eprintln!(
                "\nFAULT {kind} after {second:.1} s, seed {}: {} {}",
                self.seed, fault.plugin, fault.what
            );
            fault.events.iter().for_each(|event| eprintln!("    {event}"));
            found.0.push(fault);
        }
    }

    /// Those that were found, and how many there were.
    #[must_use]
    pub fn all(&self) -> (Vec<Fault>, u64) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}
