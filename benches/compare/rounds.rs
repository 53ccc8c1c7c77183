//! One round of one peer: what all systems are measured with.

use std::thread;
use std::time::Duration;

use plugline_benches_driver::{Fault, Method, Request, Response};

use crate::client::Client;
use crate::figures::Figures;
use crate::options::Scale;
use crate::peers::{Peer, Places, Plugin};
use crate::procfs::pss;

/// How many callers share one plugin.
pub(crate) const CALLERS: usize = 64;
/// The size of one piece of a stream; bytes.
pub(crate) const CHUNK: usize = 64 * 1024;
/// So many more plugins show what one more costs a host.
const MORE: usize = 10;
/// After that long, a plugin is idle.
const SETTLE: Duration = Duration::from_millis(100);

/// Measures a peer once. Every round has a client of its own.
pub(crate) fn round(places: &Places, peer: &Peer, scale: &Scale, figures: &mut Figures) -> Result<(), Fault> {
    let mut client = Client::start(places, peer)?;
    let has_memory = peer.is_process && peer.is_system;
    if has_memory {
        // First of all: what a busy host has freed, it would give to new plugins.
        memory(&mut client, peer, figures)?;
    }
    for _ in 0..scale.starts {
        figures.add("start", client.start_plugins(1)?.wall_ns as f64);
        client.stop_plugins()?;
    }
    let plugin = client.start_plugins(1)?;
    for method in peer.methods {
        figures.add_calls(method.name(), client.sequential(*method, scale.span)?)?;
    }
    if peer.is_shared {
        let millis = u64::try_from(scale.callers.as_millis())?;
        let request = Request {
            op: "callers".into(),
            method: Some(Method::GetUser),
            callers: CALLERS,
            millis,
            ..Request::default()
        };
        figures.add_throughput("callers", &client.ask(&request)?)?;
    }
    if peer.streams {
        let request =
            Request { op: "stream".into(), chunk: CHUNK, bytes: scale.stream, ..Request::default() };
        let streamed = client.ask(&request)?;
        figures.add("stream.rate", streamed.bytes as f64 * 1e9 / streamed.wall_ns as f64);
        figures.add("stream.cpu", streamed.cpu_ns as f64 / streamed.bytes as f64);
    }
    if has_memory {
        thread::sleep(SETTLE);
        figures.add("memory.busy", pss(one(&plugin)?)? as f64);
    }
    client.stop_plugins()
}

/// Of one plugin that was called twice, and of a host for each that it has more.
fn memory(client: &mut Client, peer: &Peer, figures: &mut Figures) -> Result<(), Fault> {
    let plugin = client.start_plugins(1)?;
    thread::sleep(SETTLE);
    figures.add("memory.plugin", pss(one(&plugin)?)? as f64);
    // What a host needs for each does not depend on the language of its plugins, and a Python is slow to start.
    if peer.plugin == Plugin::Own {
        let before = pss(client.id())?;
        client.start_plugins(MORE)?;
        thread::sleep(SETTLE);
        let more = pss(client.id())?.saturating_sub(before);
        figures.add("memory.host", more as f64 / MORE as f64);
    }
    client.stop_plugins()
}

fn one(started: &Response) -> Result<u32, Fault> {
    started.pids.first().copied().ok_or_else(|| "which process is the plugin?".into())
}
