//! Many calls at once, handlers that take long, callbacks, and a flood of notifications.

use plugline_benches_driver::{Fault, Method, Request};

use crate::client::Client;
use crate::figures::Figures;
use crate::mode::Mode;
use crate::options::Scale;
use crate::peers::Places;
use crate::procfs::peak;
use crate::rounds::CALLERS;

/// So many calls of a handler that computes that long; µs.
const COMPUTE: (usize, u64) = (64, 200);
/// How long handlers wait; ms.
pub(crate) const SLOW: [u64; 2] = [1, 100];
/// How many callbacks a call makes, so that the call itself does not count.
const CALLBACKS: usize = 1000;
/// Plugins, each with a caller of its own.
pub(crate) const CONNECTIONS: usize = 4;

type Measured = Result<(), Fault>;

fn asking(op: &str) -> Request {
    Request { op: op.into(), method: Some(Method::GetUser), ..Request::default() }
}

fn started(places: &Places, mode: Mode, plugins: usize) -> Result<Client, Fault> {
    let mut client = Client::plugline(places, mode)?;
    client.start_plugins(plugins)?;
    Ok(client)
}

/// The round trip of a callback within a call.
pub(super) fn callbacks(places: &Places, mode: Mode, _: &Scale, figures: &mut Figures) -> Measured {
    let mut client = started(places, mode, 1)?;
    let nested = |count| Request { count, calls: 21, ..asking("nested") };
    client.ask(&nested(CALLBACKS / 10))?;
    for mut latency in client.ask(&nested(CALLBACKS))?.latencies_ns.into_iter().map(|ns| ns as f64) {
        latency /= CALLBACKS as f64;
        figures.add("callback.p50", latency);
    }
    Ok(())
}

/// Calls a second: callers in threads of their own, and one that does not wait for each answer.
pub(super) fn throughput(places: &Places, mode: Mode, scale: &Scale, figures: &mut Figures) -> Measured {
    let mut client = started(places, mode, 1)?;
    let millis = u64::try_from(scale.callers.as_millis())?;
    let callers = client.ask(&Request { callers: CALLERS, millis, ..asking("callers") })?;
    figures.add_throughput("callers", &callers)?;
    figures.add_calls("callers-latency", callers)?;
    let pipelined = |calls| Request { calls, ..asking("pipelined") };
    client.ask(&pipelined(scale.pipelined / 10))?;
    figures.add_throughput("pipelined", &client.ask(&pipelined(scale.pipelined))?)
}

/// Pipelined calls of a handler that computes, against what the cores could do.
pub(super) fn handlers(places: &Places, mode: Mode, _: &Scale, figures: &mut Figures) -> Measured {
    let mut client = started(places, mode, 1)?;
    let cores = std::thread::available_parallelism()?.get();
    let (calls, micros) = COMPUTE;
    let ideal = (calls as f64 * micros as f64 * 1000.0) / cores as f64;
    let request = Request { calls, micros, ..asking("spin") };
    client.ask(&request)?;
    for _ in 0..10 {
        let wall = client.ask(&request)?.wall_ns as f64;
        figures.add("handlers.wall", wall);
        figures.add("handlers.ideal", ideal / wall);
    }
    Ok(())
}

/// One call after another of a handler that waits.
pub(super) fn slow(places: &Places, mode: Mode, scale: &Scale, figures: &mut Figures) -> Measured {
    let mut client = started(places, mode, 1)?;
    for millis in SLOW {
        let calls = if millis < 10 { scale.slow * 10 } else { scale.slow };
        let request = Request { calls, micros: millis * 1000, ..asking("sleep") };
        figures.add_calls(&format!("slow-{millis}ms"), client.ask(&request)?)?;
    }
    Ok(())
}

/// More busy connections than cores.
pub(super) fn connections(places: &Places, mode: Mode, scale: &Scale, figures: &mut Figures) -> Measured {
    let mut client = started(places, mode, CONNECTIONS)?;
    let millis = u64::try_from(scale.callers.as_millis())?;
    let request = Request { callers: CONNECTIONS, millis, spread: true, ..asking("callers") };
    let response = client.ask(&request)?;
    figures.add_throughput("connections", &response)?;
    figures.add_calls("connections-latency", response)
}

/// Calls one after another while the plugin logs as fast as it can.
pub(super) fn flood(places: &Places, mode: Mode, scale: &Scale, figures: &mut Figures) -> Measured {
    let mut client = Client::plugline(places, mode)?;
    let plugin = *client.start_plugins(1)?.pids.first().ok_or("which process is the plugin?")?;
    // What is bounded is full after a part of the flood; what is not goes on growing.
    client.ask(&Request { count: scale.flood / 10, ..asking("flood") })?;
    let before = (peak(client.id())?, peak(plugin)?);
    let response = client.ask(&Request { count: scale.flood, ..asking("flood") })?;
    let after = (peak(client.id())?, peak(plugin)?);
    figures.add("flood.rate", scale.flood as f64 * 1e9 / response.wall_ns as f64);
    figures.add("flood.calls", response.calls as f64);
    figures.add("flood.host", after.0 as f64);
    figures.add("flood.plugin", after.1 as f64);
    figures.add("flood.host-growth", after.0.saturating_sub(before.0) as f64);
    figures.add("flood.plugin-growth", after.1.saturating_sub(before.1) as f64);
    figures.add_calls("flood", response)
}
