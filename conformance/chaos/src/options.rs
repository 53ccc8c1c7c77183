//! What can be said of a run.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::agent::Act;

/// Runs a host while its plugins are killed, stopped, flooded, replaced and made to break the protocol.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// For how long.
    #[arg(long, default_value_t = 2.0)]
    pub minutes: f64,
    /// What chance begins with; a fault tells it. Otherwise any.
    #[arg(long)]
    pub seed: Option<u64>,
    /// How many plugins.
    #[arg(long, default_value_t = 24)]
    pub plugins: usize,
    /// How many threads call them.
    #[arg(long, default_value_t = 16)]
    pub callers: usize,
    /// What is done to them: kill, stop, slow, fault, flood, corrupt, replace, store, descriptors, settings.
    #[arg(long, value_delimiter = ',', default_values_t = Act::ALL)]
    pub chaos: Vec<Act>,
    /// How many milliseconds pass between two things that are done, on average.
    #[arg(long, default_value_t = 250)]
    pub pace: u64,
    /// Where the report goes, as JSON.
    #[arg(long)]
    pub report: Option<PathBuf>,
    /// A Python that has the SDK (pip install ./sdk-python).
    #[arg(long, default_value = ".venv/bin/python")]
    pub python: PathBuf,
    /// How many seconds the host has to tell of an end and to let go of what has ended.
    #[arg(long, default_value_t = 15, hide = true)]
    pub wait: u64,
    /// Does wrong what the run is to find, so that it is seen that it does.
    #[arg(long = "break", value_delimiter = ',', hide = true)]
    pub breaks: Vec<Break>,
}

/// Something that the run is to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Break {
    /// A call has no outcome.
    Lost,
    /// A call has two.
    Doubled,
    /// A call is open for ever.
    Hung,
    /// A failure that nothing explains.
    Unexplained,
    /// The end of a process that is not told.
    Untold,
    /// A result that is not that of the call.
    Wrong,
    /// A call is handled twice.
    Mark,
    /// A process is left.
    Process,
    /// A descriptor is left.
    Descriptor,
    /// A thread is left.
    Thread,
    /// A file is left.
    File,
    /// Memory is left.
    Memory,
}

/// How long the rounds of a run are: short ones, a long one, and short ones again. What piles up over the lives of managers
/// shows in the short ones, and what piles up within one in the long one.
#[must_use]
pub fn rounds(all: Duration) -> Vec<Duration> {
    let third = all / 3;
    let short = (all / 10).clamp(Duration::from_secs(15), Duration::from_secs(60));
    let count = usize::try_from(third.as_secs() / short.as_secs()).unwrap_or(0);
    if count == 0 {
        return vec![all];
    }
    let side = vec![short; count];
    let middle = all.saturating_sub(short * 2 * u32::try_from(count).unwrap_or(0));
    [side.clone(), vec![middle], side].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rounds_of_a_run_take_as_long_as_it_does() {
        for seconds in [1, 10, 60, 120, 600, 1800, 36_000] {
            let all = Duration::from_secs(seconds);
            let rounds = rounds(all);
            assert_eq!(rounds.iter().sum::<Duration>(), all);
            assert!(rounds.len() % 2 == 1 && rounds[rounds.len() / 2] >= rounds[0]);
        }
    }
}
