//! How the cost of a call grows with callers, with plugins, and with the size of its message.

use std::thread;
use std::time::Duration;

use plugline_benches_driver::{Fault, Method, Request};

use crate::client::Client;
use crate::figures::Figures;
use crate::mode::Mode;
use crate::options::Scale;
use crate::peers::Places;
use crate::procfs::pss;

const CALLERS: [usize; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000];
/// The last is more than the goal asks for: are they still served?
const PLUGINS: [usize; 8] = [1, 2, 5, 10, 20, 50, 100, 200];
const SIZES: [usize; 9] = [0, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20];
/// However small the message, not more calls than these.
const MOST_CALLS: usize = 2000;

type Measured = Result<(), Fault>;

/// More and more threads call one plugin.
pub(super) fn callers(places: &Places, mode: Mode, scale: &Scale, figures: &mut Figures) -> Measured {
    let mut client = Client::plugline(places, mode)?;
    client.start_plugins(1)?;
    for callers in CALLERS {
        let request = Request {
            op: "callers".into(),
            method: Some(Method::GetUser),
            callers,
            millis: u64::try_from(scale.span.as_millis())? * 2,
            ..Request::default()
        };
        figures.add_throughput(&format!("growth-callers.{callers}"), &client.ask(&request)?)?;
    }
    Ok(())
}

/// One thread calls more and more plugins in turn.
pub(super) fn plugins(places: &Places, mode: Mode, scale: &Scale, figures: &mut Figures) -> Measured {
    let mut client = Client::plugline(places, mode)?;
    let mut running = 0;
    let mut alone = 0.0;
    for plugins in PLUGINS {
        let pids = client.start_plugins(plugins - running)?.pids;
        running = plugins;
        thread::sleep(Duration::from_millis(50));
        let request = Request {
            op: "sequential".into(),
            method: Some(Method::GetUser),
            millis: u64::try_from(scale.span.as_millis())?,
            spread: true,
            ..Request::default()
        };
        client.ask(&Request { millis: request.millis / 4 + 1, ..request.clone() })?;
        figures.add_calls(&format!("growth-plugins.{plugins}"), client.ask(&request)?)?;
        let host = pss(client.id())? as f64;
        if plugins == 1 {
            alone = host;
        } else {
            figures.add(format!("growth-plugins.{plugins}.host"), (host - alone) / (plugins - 1) as f64);
        }
        let all = pids.iter().map(|pid| pss(*pid)).sum::<Result<u64, _>>()?;
        figures.add(format!("growth-plugins.{plugins}.plugin"), all as f64 / plugins as f64);
    }
    Ok(())
}

/// The result gets longer and longer.
pub(super) fn messages(places: &Places, mode: Mode, scale: &Scale, figures: &mut Figures) -> Measured {
    let mut client = Client::plugline(places, mode)?;
    client.start_plugins(1)?;
    for size in SIZES {
        let calls = (scale.transfer / size.max(1)).clamp(4, MOST_CALLS);
        let request = Request { op: "blob".into(), bytes: size, calls, ..Request::default() };
        client.ask(&Request { calls: calls / 10 + 1, ..request.clone() })?;
        figures.add_calls(&format!("growth-messages.{size}"), client.ask(&request)?)?;
    }
    Ok(())
}
