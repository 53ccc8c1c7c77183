//! What came of a run, as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::coroner::Causes;
use crate::faults::Fault;
use crate::ledger::Outcomes;

/// What came of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// What was asked for.
    pub asked: Asked,
    /// On what it ran.
    pub machine: Machine,
    /// How long it took; seconds.
    pub seconds: f64,
    /// The rounds, the first of them without chaos.
    pub rounds: Vec<RoundReport>,
    /// How many calls were made.
    pub calls: u64,
    /// How they ended.
    pub outcomes: Outcomes,
    /// Of those that failed, by the kind of failure and its cause.
    pub causes: Causes,
    /// How much later than its deadline the latest call ended; seconds.
    pub latest: f64,
    /// How much later it may have.
    pub grace: f64,
    /// What was done, and what the host told of it.
    pub events: BTreeMap<String, u64>,
    /// What was told that is only counted.
    pub heard: BTreeMap<String, u64>,
    /// How many events the host dropped.
    pub events_dropped: u64,
    /// From the kill of a plugin's only process to the first answer of another; seconds.
    pub recovery: Times,
    /// Memory that the host held; KiB.
    pub resident_kib: Span,
    /// What was allocated; KiB. The start is after the first round with chaos.
    pub heap_kib: Span,
    /// What was allocated within the longest round: in its second quarter and in its last, the medians; KiB.
    pub heap_of_longest_kib: (u64, u64),
    /// Descriptors of the host.
    pub descriptors: Span,
    /// Threads of the host.
    pub threads: Span,
    /// Child processes of the host.
    pub processes: Span,
    /// What was promised and not kept, the first of them.
    pub faults: Vec<Fault>,
    /// How many there were.
    pub fault_count: u64,
}

/// What was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    /// For how long.
    pub minutes: f64,
    /// What chance began with.
    pub seed: u64,
    /// How many plugins.
    pub plugins: usize,
    /// How many threads called them.
    pub callers: usize,
    /// What was done.
    pub chaos: Vec<String>,
    /// How many milliseconds passed between two things that were done, on average.
    pub pace: u64,
}

/// On what it ran.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// Processors.
    pub processors: usize,
    /// Memory; MiB.
    pub memory_mib: u64,
    /// The kernel.
    pub kernel: String,
    /// How many processes wanted a processor, on average of the last quarter of an hour.
    pub load: f64,
    /// How the host was compiled: `debug` or `release`.
    pub build: String,
}

/// One round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoundReport {
    /// Which, from 0.
    pub number: u64,
    /// For how long plugins were called.
    pub seconds: f64,
    /// How it ended.
    pub end: String,
    /// How many calls were made.
    pub calls: u64,
    /// How long it took to stop all plugins.
    pub stop_seconds: f64,
    /// Memory that the host held when nothing was left of it; KiB.
    pub resident_kib: u64,
    /// What was allocated then; KiB.
    pub heap_kib: u64,
    /// Descriptors then.
    pub descriptors: u64,
    /// Threads then, those of the run included.
    pub threads: u64,
    /// Child processes then.
    pub processes: u64,
    /// Calls that left a mark.
    pub marks: u64,
    /// Of those, how many left two.
    pub marks_twice: u64,
}

/// What was measured at one moment.
#[derive(Debug, Clone)]
pub struct Sample {
    /// In which round.
    pub round: u64,
    /// After so many seconds of it.
    pub second: f64,
    /// Memory; KiB.
    pub resident_kib: u64,
    /// What is allocated; KiB.
    pub heap_kib: u64,
    /// Descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Child processes.
    pub processes: usize,
}

/// Something that was measured again and again.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Span {
    /// After the first round, when nothing was left of it.
    pub start: u64,
    /// The most there was.
    pub peak: u64,
    /// After the last round, when nothing was left of it.
    pub end: u64,
}

/// Times, as of how many there were.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Times {
    /// How many.
    pub count: usize,
    /// Half of them were no longer than that.
    pub p50: f64,
    /// … and 99 of 100 no longer than that.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Times {
    /// Of these, the shortest first.
    #[must_use]
    pub fn of(sorted: &[Duration]) -> Self {
        let at = |hundredth: usize| {
            let index = (sorted.len() * hundredth / 100).min(sorted.len().saturating_sub(1));
            sorted.get(index).map_or(0.0, Duration::as_secs_f64)
        };
        Self { count: sorted.len(), p50: at(50), p99: at(99), max: at(100) }
    }
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let memory = read("/proc/meminfo");
        let total = memory
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
        Self {
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: total.unwrap_or(0_u64) / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: read("/proc/loadavg").split(' ').nth(2).and_then(|load| load.parse().ok()).unwrap_or(0.0),
            build: if cfg!(debug_assertions) { "debug".into() } else { "release".into() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_their_ranks() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_secs).collect();
        let Times { count, p50, p99, max } = Times::of(&times);
        assert_eq!((count, p50, p99, max), (200, 101.0, 199.0, 200.0));
        assert_eq!(Times::of(&[]).count, 0);
        assert_eq!(Times::of(&times[..1]).max, 1.0);
    }
}
