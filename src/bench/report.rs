//! What was measured, for people and for programs.

use std::fmt::Write as _;
use std::time::Duration;

use plugline_host::{Identity, escape};
use serde_json::json;

use super::load::{Callers, Measured};
use super::picture;
use crate::output::{self, HEADING, QUIET};

/// The percentiles that are told of, by their names here and among the members of the JSON.
const PERCENTILES: [(&str, &str, f64); 4] =
    [("p50", "p50_ns", 0.5), ("p90", "p90_ns", 0.9), ("p99", "p99_ns", 0.99), ("p99.9", "p999_ns", 0.999)];

/// What was measured of what.
pub(super) struct Report<'a> {
    pub(super) plugin: &'a Identity,
    pub(super) method: &'a str,
    pub(super) callers: Callers,
    pub(super) measured: Measured,
}

impl Report<'_> {
    fn calls(&self) -> u64 {
        self.measured.latencies.len()
    }

    fn calls_per_second(&self) -> f64 {
        self.calls() as f64 / self.measured.elapsed.max(Duration::from_nanos(1)).as_secs_f64()
    }

    /// The percentiles and the greatest, by name; nanoseconds.
    fn marks(&self) -> Vec<(&'static str, u64)> {
        let latencies = &self.measured.latencies;
        let mut marks: Vec<_> =
            PERCENTILES.iter().map(|&(name, _, at)| (name, latencies.value_at_quantile(at))).collect();
        marks.push(("max", latencies.max()));
        marks
    }

    /// A page: what was measured, the numbers, the picture.
    pub(super) fn text(&self) -> String {
        let callers = match self.callers {
            Callers::Blocking { callers, think } => {
                let noun = if callers == 1 { "caller" } else { "callers" };
                let think = Some(think).filter(|think| !think.is_zero());
                let think =
                    think.map_or_else(String::new, |time| format!(", {} between", output::time(time)));
                format!("{callers} {noun}{think}")
            }
            Callers::Pipelined { depth } => format!("1 caller, {depth} in flight"),
        };
        let Identity { name, version, .. } = self.plugin;
        let mut page = format!(
            "{HEADING}{} {}{HEADING:#}  {}  {callers}\n\n",
            escape(name.as_bytes()),
            escape(version.as_bytes()),
            escape(self.method.as_bytes()),
        );
        let mut row = |name: &str, value: &str| {
            writeln!(page, "  {QUIET}{name:<8}{QUIET:#} {value:>12}")
                .expect("a string takes all that is written");
        };
        row("calls", &grouped(self.calls()));
        row("in", &output::time(self.measured.elapsed));
        let rate = self.calls_per_second();
        row("calls/s", &if rate < 100.0 { format!("{rate:.2}") } else { grouped(rate.round() as u64) });
        for (name, nanos) in self.marks() {
            row(name, &output::time(Duration::from_nanos(nanos)));
        }
        row("mean", &output::time(Duration::from_nanos(self.measured.latencies.mean() as u64)));
        page + "\n" + &picture::draw(&self.measured.latencies, &self.marks())
    }

    /// One line of JSON.
    pub(super) fn json(&self) -> String {
        let latencies = &self.measured.latencies;
        let mut report = json!({
            "calls": self.calls(),
            "calls_per_s": (self.calls_per_second() * 1e3).round() / 1e3,
            "max_ns": latencies.max(),
        });
        for (_, name, at) in PERCENTILES {
            report[name] = latencies.value_at_quantile(at).into();
        }
        format!("{report}\n")
    }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let rows = [(0, "0"), (999, "999"), (1000, "1,000"), (123_456, "123,456"), (1_234_567, "1,234,567")];
        for (number, wanted) in rows {
            assert_eq!(grouped(number), wanted);
        }
    }
}
