//! What only Plugline is measured with, polling and blocking.

mod growth;
mod idle;
mod load;
mod steady;

use plugline_benches_driver::Fault;

use crate::figures::{Figures, Run};
use crate::mode::Mode;
use crate::options::Scale;
use crate::peers::Places;

pub(crate) use idle::PLUGINS as IDLE_PLUGINS;

/// A scenario: its name for whoever waits, how often it is repeated, and what measures it.
type Scenario = (&'static str, Repeat, fn(&Places, Mode, &Scale, &mut Figures) -> Result<(), Fault>);

enum Repeat {
    /// As often as the scale says.
    Rounds,
    /// It takes too long.
    Once,
}

const SCENARIOS: &[Scenario] = &[
    ("one after another, two cores and one", Repeat::Rounds, steady::cores),
    ("time to think", Repeat::Rounds, steady::think),
    ("other cores kept busy", Repeat::Rounds, steady::busy),
    ("callbacks", Repeat::Rounds, load::callbacks),
    ("many callers, pipelined client", Repeat::Rounds, load::throughput),
    ("pipelined calls of a handler that computes", Repeat::Rounds, load::handlers),
    ("handlers that wait", Repeat::Rounds, load::slow),
    ("four busy connections", Repeat::Rounds, load::connections),
    ("a flood of notifications", Repeat::Rounds, load::flood),
    ("growth: callers", Repeat::Rounds, growth::callers),
    ("growth: plugins", Repeat::Rounds, growth::plugins),
    ("growth: messages", Repeat::Rounds, growth::messages),
    ("idle plugins", Repeat::Once, idle::idle),
];

/// Runs all scenarios, polling and blocking in turns. What fails is told, and the others are run all the same.
pub(crate) fn run(places: &Places, scale: &Scale, run: &mut Run) {
    for (name, repeat, measure) in SCENARIOS {
        let times = match repeat {
            Repeat::Rounds => scale.repetitions,
            Repeat::Once => 1,
        };
        eprintln!("  {name}");
        for _ in 0..times {
            for mode in Mode::ALL {
                if let Err(fault) = measure(places, mode, scale, run.modes.entry(mode).or_default()) {
                    run.failed(format!("{name}, {}: {fault}", mode.name()));
                }
            }
        }
    }
}
