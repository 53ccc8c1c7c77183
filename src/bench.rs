//! `plugline bench`: how long the calls of one method take, and how many there are in a second.

mod load;
mod picture;
mod report;

use std::num::NonZeroU64;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use indicatif::{ProgressBar, ProgressStyle};
use plugline_host::{CallOptions, Launch, Plugin, Validation};
use plugline_protocol::lifecycle::methods::PREFIX;
use serde_json::value::to_raw_value;
use serde_json::{Map, Value};

use crate::arguments::{Request, duration};
use crate::events;
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::streams::Streams;
use load::{Callers, Calls, Limit, Measured};
use report::Report;

/// More callers than anybody measures, and no more threads than a machine has.
const MOST_CALLERS: u64 = 10_000;

/// What the numbers mean, for `--help`.
const MEANING: &str = "\
A latency is the time from the start of a call to its result, as its caller sees it. Each caller calls, waits for
the result, and calls again (a closed loop): while a plugin pauses it is called less often, so that the pause is
one long latency, and not one for each call that could have been made meanwhile (coordinated omission). Pipelined,
results are taken in the order of their calls. Calls that began within the duration are waited for, and count. The
output of a method that has any is taken, and its calls last to the summary. The first call that fails ends it all,
with the error and the exit code of `plugline call`.";

/// Measure one method of a plugin.
#[derive(Args)]
#[command(
    override_usage = "plugline bench [OPTIONS] PLUGIN METHOD [PARAMS]...\n       plugline bench [OPTIONS] --command COMMAND METHOD [PARAMS]...",
    after_help = MEANING.replace('\n', " ")
)]
pub(crate) struct Bench {
    #[command(flatten)]
    request: Request,
    /// How long to call.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration, conflicts_with = "calls")]
    duration: Duration,
    /// How often to call, all callers together.
    #[arg(long, value_name = "N")]
    calls: Option<NonZeroU64>,
    /// How long to call before that, which does not count; 0 is not at all.
    #[arg(long, value_name = "DURATION", default_value = "200ms", value_parser = duration)]
    warmup: Duration,
    /// How many callers there are, each a thread that waits for its own results.
    #[arg(long, value_name = "N", default_value = "1", value_parser = count())]
    concurrency: usize,
    /// One caller that keeps so many calls in flight.
    #[arg(long, value_name = "N", value_parser = count(), conflicts_with_all = ["concurrency", "think"])]
    pipelined: Option<usize>,
    /// How long a caller waits between a result and its next call.
    #[arg(long, value_name = "DURATION", default_value = "0ms", value_parser = duration)]
    think: Duration,
}

fn count() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=MOST_CALLERS)
}

impl Bench {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        let callers = match self.pipelined {
            Some(depth) => Callers::Pipelined { depth },
            None => Callers::Blocking { callers: self.concurrency, think: self.think },
        };
        let limit = self.calls.map_or(Limit::Time(self.duration), |calls| Limit::Calls(calls.get()));
        // What is measured is not checked.
        let unchecked = |launch: Launch| launch.validate(Validation::Off);
        let (plugin, method, params, options) = self.request.read()?.start(unchecked)?;
        let measured = calls_of(&plugin, &method, &params, options).and_then(|calls| {
            let callers = within_what_is_taken(callers, &calls);
            let measured = measure(&calls, callers, self.warmup, limit)?;
            events::show(&plugin);
            let report = Report { plugin: &plugin.hello().plugin, method: &method, callers, measured };
            output::print(&match format {
                Format::Text => report.text(),
                Format::Json => report.json(),
            })
        });
        events::stop(&plugin, measured)
    }
}

fn calls_of<'a>(
    plugin: &'a Plugin,
    method: &'a str,
    params: &Map<String, Value>,
    options: CallOptions,
) -> Result<Calls<'a>, Failure> {
    let streams = Streams::of(plugin, method, options);
    if matches!(streams, Streams::Input | Streams::Both) {
        return Err(Failure::Usage(format!("{method} wants input, which is not measured")));
    }
    let params = to_raw_value(params).map_err(|fault| Failure::System(fault.to_string()))?;
    Ok(Calls { plugin, method, params, options, has_output: streams != Streams::None })
}

/// A caller that waited for the plugin to take another call could not take the results of the others meanwhile.
fn within_what_is_taken(callers: Callers, calls: &Calls<'_>) -> Callers {
    let taken = usize::try_from(calls.plugin.hello().limits.max_in_flight).unwrap_or(usize::MAX);
    match callers {
        Callers::Pipelined { depth } if depth > taken && !calls.method.starts_with(PREFIX) => {
            output::warning(&format!(
                "the plugin takes {taken} at once: no more calls than that are in flight"
            ));
            Callers::Pipelined { depth: taken }
        }
        callers => callers,
    }
}

fn measure(calls: &Calls<'_>, callers: Callers, warmup: Duration, limit: Limit) -> Result<Measured, Failure> {
    // On standard error, and nothing where that is no terminal.
    let bar = ProgressBar::new(load::WHOLE);
    bar.set_style(
        ProgressStyle::with_template("{spinner} {bar:30} {percent:>3}% {msg}")
            .expect("the template is right"),
    );
    let measured = events::beside(calls.plugin, &bar, || {
        if !warmup.is_zero() {
            bar.set_message("warming up");
            load::run(calls, callers, Limit::Time(warmup), &bar)?;
            bar.set_message("");
        }
        load::run(calls, callers, limit, &bar)
    });
    bar.finish_and_clear();
    measured
}
