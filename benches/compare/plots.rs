//! The plots of a run.

use crate::figures::Run;
use crate::mode::Mode;
use crate::peers::{PEERS, Peer};
use crate::svg::{Bars, Lines};
use crate::units::{rate, size, time};

/// A plot.
pub(crate) struct Plot {
    /// The name of its file.
    pub(crate) file: &'static str,
    /// What it shows.
    pub(crate) title: &'static str,
    pub(crate) svg: String,
}

/// All plots for which there are figures.
pub(crate) fn draw(run: &Run) -> Vec<Plot> {
    let mut plots = Vec::new();
    let mut bars = |file, title, axis, figure: &str, write: fn(f64) -> String, extra: Option<(&str, f64)>| {
        let mut bars: Vec<_> = PEERS.iter().filter_map(|peer| bar(run, peer, figure, write)).collect();
        bars.extend(extra.map(|(name, value)| (name.to_owned(), value, write(value))));
        if !bars.is_empty() {
            plots.push(Plot { file, title, svg: Bars { title, axis, bars, mark: write }.to_svg() });
        }
    };
    bars(
        "sequential.svg",
        "One call after another: GetUser, median",
        "time per call, logarithmic; less is better",
        "GetUser.p50",
        time,
        None,
    );
    bars(
        "cpu.svg",
        "CPU time of a call, host and plugin: GetUser",
        "CPU time per call, logarithmic; less is better",
        "GetUser.cpu",
        time,
        None,
    );
    let pipelined =
        run.mode(Mode::Polling, "pipelined.rate").map(|rate| ("Plugline, pipelined client", rate));
    bars(
        "throughput.svg",
        "64 callers of one plugin: GetUser",
        "calls per second, logarithmic; more is better",
        "callers.rate",
        rate,
        pipelined,
    );
    let mut lines = |file, title, x, y, (curve, figure), (base_x, mark_x): (f64, fn(f64) -> String)| {
        let line = |mode: Mode| {
            let points = run.modes.get(&mode)?.curve(curve, figure);
            let points: Vec<_> =
                points.into_iter().filter(|(at, _)| *at > 0).map(|(at, value)| (at as f64, value)).collect();
            (!points.is_empty()).then_some((mode.name(), points))
        };
        let lines: Vec<_> = Mode::ALL.into_iter().filter_map(line).collect();
        if !lines.is_empty() {
            let lines = Lines { title, x, y, lines, base_x, mark_x, mark_y: time };
            plots.push(Plot { file, title, svg: lines.to_svg() });
        }
    };
    lines(
        "growth-callers.svg",
        "Growth: callers of one plugin",
        "callers in threads of their own",
        "elapsed time ÷ calls, logarithmic",
        ("growth-callers", "wall"),
        (10.0, rate),
    );
    lines(
        "growth-plugins.svg",
        "Growth: plugins of one host, called in turn",
        "connected plugins",
        "median of a call, logarithmic",
        ("growth-plugins", "p50"),
        (10.0, rate),
    );
    lines(
        "growth-messages.svg",
        "Growth: size of the result",
        "size of the result",
        "median of a call, logarithmic",
        ("growth-messages", "p50"),
        (4.0, size),
    );
    plots
}

fn bar(run: &Run, peer: &Peer, figure: &str, write: fn(f64) -> String) -> Option<(String, f64, String)> {
    let value = run.peer(peer.name, figure)?;
    Some((peer.label.replace(['*', '`'], ""), value, write(value)))
}
