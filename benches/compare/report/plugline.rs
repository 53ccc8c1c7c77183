//! What was measured of Plugline alone, polling and blocking side by side.

use std::fmt::Write;

use super::{cell, with_spread};
use crate::figures::Run;
use crate::mode::Mode;
use crate::scenarios::IDLE_PLUGINS;
use crate::stats::ratio;
use crate::table::Table;
use crate::units::{rate, size, time, times};

/// A row: what it says, the figure's name, how it is written.
type Row = (&'static str, &'static str, fn(f64) -> String);

const LATENCIES: &[(&str, &str)] = &[
    ("one after another", "plain"),
    ("one core for both", "one-core"),
    ("raw echo, one core for both", "one-core-echo"),
    ("1 ms of think time", "think-1ms"),
    ("10 ms of think time", "think-10ms"),
    ("the other cores kept busy", "busy"),
    ("a handler that waits 1 ms", "slow-1ms"),
    ("a handler that waits 100 ms", "slow-100ms"),
    ("64 callers", "callers-latency"),
    ("four connections, a caller each", "connections-latency"),
    ("during a flood of log notifications", "flood"),
];

const ROWS: &[Row] = &[
    ("callback within a call, round trip", "callback.p50", time),
    ("64 callers, calls/s", "callers.rate", rate),
    ("pipelined client, calls/s", "pipelined.rate", rate),
    ("pipelined client, CPU per call", "pipelined.cpu", time),
    ("four connections, calls/s", "connections.rate", rate),
    ("64 pipelined calls of a 200 µs handler", "handlers.wall", time),
    ("the same, share of the ideal", "handlers.ideal", share),
    ("flood: log notifications/s", "flood.rate", rate),
    ("flood: calls meanwhile", "flood.calls", rate),
    ("flood: the host's memory at its peak", "flood.host", size),
    ("flood: the plugin's memory at its peak", "flood.plugin", size),
    ("flood: beyond a tenth of it, host", "flood.host-growth", size),
    ("flood: beyond a tenth of it, plugin", "flood.plugin-growth", size),
];

fn share(value: f64) -> String {
    format!("{:.0} %", value * 100.0)
}

pub(super) fn write(out: &mut String, run: &Run) {
    if run.modes.is_empty() {
        return;
    }
    let get = |mode, name: &str| run.mode(mode, name);
    out.push_str(
        "## Plugline: polling and blocking\n\nPolling is how it comes; blocking is the same build with \
         `PLUGLINE_POLL=off` in host and plugin. `GetUser` unless another handler is named.\n\n",
    );
    let mut table =
        Table::new(["", "p50", "blocking", "p99", "blocking", "CPU per call", "blocking", "p50, ratio"]);
    for (label, scenario) in LATENCIES {
        let name = |figure: &str| format!("{scenario}.{figure}");
        let cells = ["p50", "p99", "cpu"]
            .into_iter()
            .flat_map(|figure| Mode::ALL.map(|mode| cell(get(mode, &name(figure)), time)));
        let factor = ratio(get(Mode::Polling, &name("p50")), get(Mode::Blocking, &name("p50")));
        table.row([(*label).to_owned()].into_iter().chain(cells).chain([cell(factor, times)]));
    }
    let _ = writeln!(out, "{table}");

    let mut table = Table::new(["", "polling", "blocking"]);
    for (label, name, write) in ROWS {
        let cells = Mode::ALL.map(|mode| {
            run.modes.get(&mode).map_or_else(String::new, |figures| with_spread(figures, name, write))
        });
        table.row([(*label).to_owned()].into_iter().chain(cells));
    }
    let _ = writeln!(out, "{table}");

    let _ = writeln!(out, "{IDLE_PLUGINS} idle plugins, watched for {} s:\n", run.idle_seconds);
    let mut table = Table::new(["", "CPU", "context switches"]);
    for mode in Mode::ALL {
        for who in ["host", "plugins"] {
            let value = |what: &str| get(mode, &format!("idle.{who}-{what}"));
            let switches = cell(value("switches"), |switches| format!("{switches:.0}"));
            table.row([format!("{who}, {}", mode.name()), cell(value("cpu"), time), switches]);
        }
    }
    let _ = writeln!(out, "{table}");
    growth(out, run);
}

fn growth(out: &mut String, run: &Run) {
    let get = |mode, name: &str| run.mode(mode, name);
    let points = |curve: &str, figure: &str| {
        run.modes.get(&Mode::Polling).map(|figures| figures.curve(curve, figure)).unwrap_or_default()
    };

    out.push_str(
        "## Growth\n\nCallers in threads of their own, one plugin; the time per call is elapsed \
         time ÷ calls.\n\n",
    );
    let mut table = Table::new([
        "callers",
        "calls/s",
        "blocking",
        "time per call",
        "blocking",
        "CPU per call",
        "blocking",
    ]);
    for (at, _) in points("growth-callers", "wall") {
        let of = |figure: &str, write: fn(f64) -> String| {
            Mode::ALL.map(|mode| cell(get(mode, &format!("growth-callers.{at}.{figure}")), write))
        };
        let cells = [of("rate", rate), of("wall", time), of("cpu", time)].concat();
        table.row([at.to_string()].into_iter().chain(cells));
    }
    let _ = writeln!(out, "{table}");

    out.push_str("Plugins of one host, called in turn by one thread.\n\n");
    let mut table = Table::new([
        "plugins",
        "p50",
        "blocking",
        "p99",
        "blocking",
        "CPU per call",
        "blocking",
        "PSS, host per plugin",
        "PSS, plugin",
    ]);
    for (at, _) in points("growth-plugins", "p50") {
        let name = |figure: &str| format!("growth-plugins.{at}.{figure}");
        let cells = ["p50", "p99", "cpu"]
            .into_iter()
            .flat_map(|figure| Mode::ALL.map(|mode| cell(get(mode, &name(figure)), time)));
        let memory = ["host", "plugin"].map(|figure| cell(get(Mode::Polling, &name(figure)), size));
        table.row([at.to_string()].into_iter().chain(cells).chain(memory));
    }
    let _ = writeln!(out, "{table}");

    out.push_str(
        "The size of the result, one call after another; per \
         byte, what an empty one costs is left out.\n\n",
    );
    let mut table = Table::new(["result", "p50", "blocking", "per byte", "blocking", "payload"]);
    let empty = |mode| get(mode, "growth-messages.0.p50");
    for (at, _) in points("growth-messages", "p50") {
        let p50 = |mode| get(mode, &format!("growth-messages.{at}.p50"));
        let byte = |mode| Some((p50(mode)? - empty(mode)?) / at as f64).filter(|_| at > 0);
        let payload = p50(Mode::Polling).filter(|_| at > 0).map(|ns| at as f64 * 1e9 / ns);
        table.row([
            size(at as f64),
            cell(p50(Mode::Polling), time),
            cell(p50(Mode::Blocking), time),
            cell(byte(Mode::Polling), |ns| format!("{ns:.2} ns")),
            cell(byte(Mode::Blocking), |ns| format!("{ns:.2} ns")),
            cell(payload, crate::units::megabytes),
        ]);
    }
    let _ = writeln!(out, "{table}");
}
