//! The goals, and whether this run met them.

use crate::figures::{Figures, Run};
use crate::mode::Mode;
use crate::stats::{ratio, spread};
use crate::units::{size, time, times};

/// A goal: what is measured, what it is to be, and what it was.
pub(crate) struct Goal {
    /// The name of the file that says what limits it.
    pub(crate) id: &'static str,
    pub(crate) figure: &'static str,
    pub(crate) wanted: String,
    pub(crate) verdict: Verdict,
}

/// What a run says of a goal.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    Met(String),
    NotMet(String),
    NotMeasured(&'static str),
}

const NOT_IN_THIS_RUN: &str = "not part of this run";
const PYTHON_START: &str = "≤ 1.3 × `python3 -c pass` + 40 ms";
const MIB: f64 = 1024.0 * 1024.0;
/// Below this size, what a byte costs is lost in what a call costs; bytes.
const LARGE: u64 = 16 * 1024;

/// All goals, judged.
pub(crate) fn judge(run: &Run) -> Vec<Goal> {
    let mut goals = latency(run);
    goals.extend(steadiness(run));
    goals.extend(throughput(run));
    goals.extend(python(run));
    goals.extend(footprint(run));
    goals.extend(growth(run));
    goals.push(in_process(run));
    goals
}

fn at_least(id: &'static str, figure: &'static str, least: f64, against: &str, value: Option<f64>) -> Goal {
    let wanted = format!("≥ {} {against}", times(least));
    Goal { id, figure, wanted, verdict: verdict(value, |value| value >= least, times) }
}

fn at_most(id: &'static str, figure: &'static str, most: f64, against: &str, value: Option<f64>) -> Goal {
    let wanted = format!("≤ {} {against}", times(most));
    Goal { id, figure, wanted, verdict: verdict(value, |value| value <= most, times) }
}

fn verdict(value: Option<f64>, met: impl Fn(f64) -> bool, write: impl Fn(f64) -> String) -> Verdict {
    match value {
        None => Verdict::NotMeasured(NOT_IN_THIS_RUN),
        Some(value) if met(value) => Verdict::Met(write(value)),
        Some(value) => Verdict::NotMet(write(value)),
    }
}

fn latency(run: &Run) -> Vec<Goal> {
    const P50: &str = "sequential `GetUser`, p50";
    let own = |name: &str| run.peer("plugline", name);
    let faster = |peer: &str| ratio(run.peer(peer, "GetUser.p50"), own("GetUser.p50"));
    let mode = |name: &str| run.mode(Mode::Polling, name);
    vec![
        at_least("sequential-netrpc", P50, 20.0, "faster than go-plugin net/rpc", faster("netrpc")),
        at_least("sequential-grpc", P50, 25.0, "faster than go-plugin gRPC", faster("grpc")),
        at_least("sequential-pie", P50, 15.0, "faster than pie", faster("pie")),
        at_least("sequential-rmcp", P50, 15.0, "faster than rmcp", faster("rmcp")),
        at_most(
            "sequential-echo",
            P50,
            2.0,
            "the polling raw echo",
            ratio(own("GetUser.p50"), run.peer("echo-polling", "GetUser.p50")),
        ),
        at_most(
            "one-core",
            "the same with one core for both processes",
            2.0,
            "raw echo on one core",
            ratio(mode("one-core.p50"), mode("one-core-echo.p50")),
        ),
        at_most(
            "cpu",
            "CPU per sequential call, host and plugin",
            0.3,
            "go-plugin net/rpc",
            ratio(own("GetUser.cpu"), run.peer("netrpc", "GetUser.cpu")),
        ),
        at_most(
            "callback",
            "callback round trip inside a call",
            1.5,
            "a plain call",
            ratio(mode("callback.p50"), mode("plain.p50")),
        ),
        at_most(
            "start",
            "start to first result, Rust plugin",
            0.6,
            "go-plugin net/rpc",
            ratio(own("start"), run.peer("netrpc", "start")),
        ),
    ]
}

/// Polling is never worse than blocking by more than a tenth.
fn steadiness(run: &Run) -> Vec<Goal> {
    let scenarios = [
        ("think-1ms", "1 ms of think time between calls", "think-1ms"),
        ("think-10ms", "10 ms of think time between calls", "think-10ms"),
        ("busy-core", "the other core kept busy", "busy"),
    ];
    let goal = |(id, figure, scenario): (&'static str, &'static str, &str)| {
        let of = |name: &str| {
            let name = format!("{scenario}.{name}");
            ratio(run.mode(Mode::Polling, &name), run.mode(Mode::Blocking, &name))
        };
        let verdict = match (of("p50"), of("p99"), of("cpu")) {
            (Some(p50), Some(p99), Some(cpu)) => {
                let text = format!("p50 {}, p99 {}, CPU {}", times(p50), times(p99), times(cpu));
                let met = [p50, p99, cpu].into_iter().all(|ratio| ratio <= 1.1);
                if met { Verdict::Met(text) } else { Verdict::NotMet(text) }
            }
            _ => Verdict::NotMeasured(NOT_IN_THIS_RUN),
        };
        Goal { id, figure, wanted: "p50, p99 and CPU ≤ 1.10× the blocking build".into(), verdict }
    };
    scenarios.map(goal).into()
}

fn throughput(run: &Run) -> Vec<Goal> {
    let mode = |name: &str| run.mode(Mode::Polling, name);
    let netrpc = run.peer("netrpc", "callers.rate");
    vec![
        at_least(
            "handlers",
            "64 pipelined calls of a 200 µs handler",
            0.9,
            "the ideal of all cores",
            mode("handlers.ideal"),
        ),
        at_least(
            "callers",
            "64 blocking callers, calls/s",
            3.5,
            "go-plugin net/rpc",
            ratio(run.peer("plugline", "callers.rate"), netrpc),
        ),
        at_least(
            "pipelined",
            "pipelined client, calls/s",
            10.0,
            "go-plugin net/rpc with 64 callers",
            ratio(mode("pipelined.rate"), netrpc),
        ),
        stream("stream-grpc", 1.0, "go-plugin gRPC stream", run, "grpc"),
        stream("stream-pipe", 0.35, "raw pipe", run, "echo-blocking"),
        Goal {
            id: "flood-p99",
            figure: "flood of log notifications during calls",
            wanted: "calls' p99 ≤ 10 ms".into(),
            verdict: verdict(mode("flood.p99"), |p99| p99 <= 10e6, time),
        },
        Goal {
            id: "flood-memory",
            figure: "the same: memory at its peak, host and plugin, beyond that of a tenth of the flood",
            wanted: "flat: ≤ 4 MiB".into(),
            verdict: verdict(
                mode("flood.host-growth")
                    .zip(mode("flood.plugin-growth"))
                    .map(|(host, plugin)| host + plugin),
                |grown| grown <= 4.0 * MIB,
                size,
            ),
        },
    ]
}

fn stream(id: &'static str, least: f64, against: &str, run: &Run, peer: &str) -> Goal {
    let value = ratio(run.peer("plugline", "stream.rate"), run.peer(peer, "stream.rate"));
    at_least(id, "output stream of 64 KiB byte chunks, payload MB/s", least, against, value)
}

fn footprint(run: &Run) -> Vec<Goal> {
    let own = |name: &str| run.peer("plugline", name);
    let mode = |name: &str| run.mode(Mode::Polling, name);
    let both = |what: &str| {
        let (host, plugins) = (format!("idle.host-{what}"), format!("idle.plugins-{what}"));
        Some(mode(&host)? + mode(&plugins)?)
    };
    vec![
        Goal {
            id: "memory-plugin",
            figure: "memory (PSS) of an idle Rust plugin, also once it was busy",
            wanted: "≤ 4 MiB".into(),
            verdict: verdict(
                most(own("memory.plugin"), own("memory.busy")),
                |bytes| bytes <= 4.0 * MIB,
                size,
            ),
        },
        Goal {
            id: "memory-host",
            figure: "memory (PSS) of the host per plugin",
            wanted: "≤ 100 KiB".into(),
            verdict: verdict(own("memory.host"), |bytes| bytes <= 100.0 * 1024.0, size),
        },
        Goal {
            id: "idle-wakeups",
            figure: "idle, 100 connected plugins: context switches",
            wanted: "none".into(),
            verdict: verdict(both("switches"), |switches| switches <= 0.0, |n| format!("{n:.0}")),
        },
        Goal {
            id: "idle-cpu",
            figure: "idle, 100 connected plugins: CPU of host and plugins together",
            wanted: "≤ 10 ms".into(),
            verdict: verdict(both("cpu"), |ns| ns <= 10e6, time),
        },
    ]
}

fn growth(run: &Run) -> Vec<Goal> {
    let figures = run.modes.get(&Mode::Polling);
    let within = |curve: &str, figure: &str, to: u64| deviation(figures?, curve, figure, to);
    let quarter = |id, figure, value: Option<(f64, f64)>| {
        let verdict = match value {
            None => Verdict::NotMeasured(NOT_IN_THIS_RUN),
            Some((least, greatest)) => {
                let text = format!("{:+.0} % to {:+.0} %", least * 100.0, greatest * 100.0);
                let met = least >= -0.25 && greatest <= 0.25;
                if met { Verdict::Met(text) } else { Verdict::NotMet(text) }
            }
        };
        Goal { id, figure, wanted: "within ± 25 % of the cost of one".into(), verdict }
    };
    vec![
        quarter(
            "growth-callers",
            "growth to 64 callers: time per call (elapsed ÷ calls)",
            within("growth-callers", "wall", 64),
        ),
        quarter(
            "growth-plugins",
            "growth to 100 plugins, called in turn: p50",
            within("growth-plugins", "p50", 100),
        ),
        Goal {
            id: "growth-messages",
            figure: "growth of messages to 16 MiB: time per byte beyond that of an empty one, from 16 KiB on",
            wanted: "within 2×".into(),
            verdict: verdict(figures.and_then(bytes), |value| value <= 2.0, times),
        },
    ]
}

fn python(run: &Run) -> Vec<Goal> {
    const P50: &str = "Python SDK plugin, sequential `GetUser`, p50";
    let own = |name: &str| run.peer("python", name);
    let bound = run.peer("python-pass", "start").map(|pass| 1.3 * pass + 40e6);
    vec![
        at_most(
            "python-loop",
            P50,
            2.5,
            "a bare `for line in sys.stdin` loop with `json`",
            ratio(own("GetUser.p50"), run.peer("python-loop", "GetUser.p50")),
        ),
        at_least(
            "python-mcp",
            P50,
            15.0,
            "faster than MCP's Python SDK",
            ratio(run.peer("python-mcp", "GetUser.p50"), own("GetUser.p50")),
        ),
        Goal {
            id: "python-start",
            figure: "start to first result, Python plugin",
            wanted: bound
                .map_or_else(|| PYTHON_START.into(), |bound| format!("{PYTHON_START}, here {}", time(bound))),
            verdict: match (own("start"), bound) {
                (start, Some(bound)) => verdict(start, |start| start <= bound, time),
                (_, None) => Verdict::NotMeasured(NOT_IN_THIS_RUN),
            },
        },
    ]
}

/// One indirect call and no other instruction: what a clock can see of that.
fn in_process(run: &Run) -> Goal {
    at_most(
        "in-process",
        "in-process driver: `GetUser` through `Arc<dyn Users>`, p50",
        1.05,
        "a call of the driver's own type",
        ratio(run.peer("in-process-object", "GetUser.p50"), run.peer("in-process-type", "GetUser.p50")),
    )
}

/// The greater of two.
fn most(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    Some(one?.max(other?))
}

/// By how much the cost on a curve differs from that at its beginning, up to a point: the least, the greatest.
fn deviation(figures: &Figures, curve: &str, figure: &str, to: u64) -> Option<(f64, f64)> {
    let points = figures.curve(curve, figure);
    let (_, first) = *points.first()?;
    let off = points.iter().filter(|(at, _)| *at <= to).map(|(_, value)| value / first - 1.0);
    spread(&off.collect::<Vec<_>>())
}

/// How much more the dearest byte costs than the cheapest, where bytes outweigh the call itself.
fn bytes(figures: &Figures) -> Option<f64> {
    let points = figures.curve("growth-messages", "p50");
    let (_, empty) = *points.iter().find(|(size, _)| *size == 0)?;
    let large = points.iter().filter(|(size, _)| *size >= LARGE);
    let costs: Vec<f64> = large.map(|(size, ns)| (ns - empty) / *size as f64).collect();
    ratio(spread(&costs).map(|(_, greatest)| greatest), spread(&costs).map(|(least, _)| least))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_at_its_bound() {
        let met = |goal: Goal| matches!(goal.verdict, Verdict::Met(_));
        assert!(met(at_least("id", "figure", 20.0, "x", Some(20.0))));
        assert!(!met(at_least("id", "figure", 20.0, "x", Some(19.9))));
        assert!(met(at_most("id", "figure", 0.3, "x", Some(0.3))));
        assert!(!met(at_most("id", "figure", 0.3, "x", None)));
    }

    #[test]
    fn growth_is_what_deviates_either_way() {
        let mut figures = Figures::default();
        for (at, value) in [(1, 10.0), (8, 6.0), (64, 12.0), (1000, 90.0)] {
            figures.add(format!("growth-callers.{at}.wall"), value);
        }
        assert_eq!(deviation(&figures, "growth-callers", "wall", 64), Some((-0.4, 1.2 - 1.0)));
        for (size, ns) in [(0, 100.0), (1024, 90.0), (20_000, 20_100.0), (40_000, 80_100.0)] {
            figures.add(format!("growth-messages.{size}.p50"), ns);
        }
        assert_eq!(bytes(&figures), Some(2.0));
    }
}
