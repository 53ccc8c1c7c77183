//! All systems side by side.

use std::fmt::Write;

use plugline_benches_driver::Method;

use super::{cell, with_spread};
use crate::figures::Run;
use crate::peers::{PEERS, Peer};
use crate::rounds::CALLERS;
use crate::stats::ratio;
use crate::table::Table;
use crate::units::{megabytes, rate, size, time, times};

/// What all are compared with.
const BASE: &str = "netrpc";

pub(super) fn write(out: &mut String, run: &Run) {
    let measured = || PEERS.iter().filter(|peer| run.peers.contains_key(peer.name));
    if measured().next().is_none() {
        return;
    }
    let called = || measured().filter(|peer| !peer.methods.is_empty());
    let figure = |peer: &Peer, name: &str| run.peer(peer.name, name);

    out.push_str(
        "## One call after another\n\nMedian of the rounds' medians; beside it, how many times faster than \
         go-plugin net/rpc.\n\n",
    );
    let mut table = Table::new(["system"].into_iter().chain(Method::ALL.map(Method::name)));
    for peer in called() {
        let cells = Method::ALL.map(|method| {
            let name = format!("{}.p50", method.name());
            let factor = ratio(run.peer(BASE, &name), figure(peer, &name));
            let value = cell(figure(peer, &name), time);
            factor.map_or_else(|| value.clone(), |factor| format!("{value} ({})", times(factor)))
        });
        table.row([peer.label.to_owned()].into_iter().chain(cells));
    }
    let _ = writeln!(out, "{table}");

    for (share, name) in [("90", "p90"), ("99", "p99")] {
        let _ = writeln!(out, "The time that {share} % of the calls stay below:\n");
        let mut table = Table::new(["system"].into_iter().chain(Method::ALL.map(Method::name)));
        for peer in called() {
            let cells =
                Method::ALL.map(|method| cell(figure(peer, &format!("{}.{name}", method.name())), time));
            table.row([peer.label.to_owned()].into_iter().chain(cells));
        }
        let _ = writeln!(out, "{table}");
    }

    out.push_str(
        "`GetUser` in the rounds (least – greatest), and the CPU time of a call, host and plugin \
         together:\n\n",
    );
    let mut table = Table::new(["system", "p50", "p99", "CPU per call", "CPU against net/rpc"]);
    for peer in called() {
        let of = |name| with_spread(&run.peers[peer.name], name, time);
        let share = ratio(figure(peer, "GetUser.cpu"), run.peer(BASE, "GetUser.cpu"));
        table.row([
            peer.label.to_owned(),
            of("GetUser.p50"),
            of("GetUser.p99"),
            of("GetUser.cpu"),
            cell(share, times),
        ]);
    }
    let _ = writeln!(out, "{table}");

    let _ = writeln!(
        out,
        "## Throughput, start, memory\n\nFrom starting a process to the first result: handshake, `OnLoad`, `GetUser`. PSS is the memory of a \
         process where what it shares with others is divided among them.\n"
    );
    let mut table = Table::new([
        "system".to_owned(),
        format!("calls/s, {CALLERS} callers"),
        "against net/rpc".into(),
        "start to first result".into(),
        "against net/rpc".into(),
        "PSS, idle plugin".into(),
        "once it was busy".into(),
        "PSS, host per plugin".into(),
    ]);
    for peer in measured() {
        let figures = &run.peers[peer.name];
        let against = |name: &str| ratio(figure(peer, name), run.peer(BASE, name));
        table.row([
            peer.label.to_owned(),
            with_spread(figures, "callers.rate", rate),
            cell(against("callers.rate"), times),
            with_spread(figures, "start", time),
            cell(against("start"), times),
            cell(figure(peer, "memory.plugin"), size),
            cell(figure(peer, "memory.busy"), size),
            cell(figure(peer, "memory.host"), size),
        ]);
    }
    let _ = writeln!(out, "{table}");

    out.push_str(
        "## Streams\n\nA plugin's output in chunks of 64 KiB; Plugline's host \
         makes its pipes 256 KiB, the raw pipe is as Linux makes it, 64 KiB.\n\n",
    );
    let mut table = Table::new(["system", "payload", "CPU per MB"]);
    for peer in measured().filter(|peer| peer.streams) {
        let figures = &run.peers[peer.name];
        table.row([
            peer.label.to_owned(),
            with_spread(figures, "stream.rate", megabytes),
            cell(figures.get("stream.cpu").map(|ns| ns * 1e6), time),
        ]);
    }
    let _ = writeln!(out, "{table}");
}
