//! What a plugin cannot take more of than it is given: the host's attention, its log, its memory, its descriptors.
//! `docs/limits.md` has all limits, and the test of each.

use std::num::NonZeroU32;

use plugline_host::{Event, EventKind, Kind, Told};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::support::{Running, alone, eventually, start, start_fails, start_with, status};

const LOG: &str = r#"{"jsonrpc":"2.0","method":"rpc.log","params":{"level":"info","message":"again"}}"#;

/// How many events of a kind were told, and how many it was said of that they were not.
fn counted(events: impl Iterator<Item = Event>, kind: Told) -> (u64, u64) {
    let (mut told, mut not_told) = (0, 0);
    for event in events {
        not_told += event.dropped;
        match event.kind {
            EventKind::Log(_) if kind == Told::Logs => told += 1,
            EventKind::Stderr(_) if kind == Told::StderrLines => told += 1,
            EventKind::Ignored(_) if kind == Told::IgnoredMessages => told += 1,
            EventKind::HeldBack { what, count } if what == kind => not_told += count,
            _ => {}
        }
    }
    (told, not_told)
}

#[test]
fn a_flood_is_told_in_part_and_the_rest_is_counted() {
    let ignored = r#"{"jsonrpc":"2.0","method":"nobody.listens"}"#;
    for (line, descriptor, kind) in
        [(LOG, 1, Told::Logs), ("again", 2, Told::StderrLines), (ignored, 1, Told::IgnoredMessages)]
    {
        let plugin =
            start_with("plugin", &json!({}), |launch| launch.events_per_second(NonZeroU32::new(3).unwrap()));
        let lines = 20_000 - 20_000 % (65_536 / (line.len() + 1));
        plugin
            .call::<()>("t.flood", &json!({"line": line, "lines": lines, "descriptor": descriptor}))
            .unwrap();
        plugin.stop();
        // Standard error is drained on its own, and what is held back of it is told a second later at most.
        let (mut told, mut not_told) = (0, 0);
        while told + not_told < lines as u64 {
            let event = plugin.events().recv_timeout(crate::support::PATIENCE).unwrap();
            let (more, fewer) = counted(std::iter::once(event), kind);
            (told, not_told) = (told + more, not_told + fewer);
        }
        assert_eq!(told + not_told, lines as u64, "{kind}");
        assert!(not_told > told, "{kind}: {told} were told, and {not_told} were not");
    }
}

#[test]
fn a_flood_starves_no_call_of_its_connection_or_of_another_and_takes_no_memory() {
    let flood = |line: &'static str, descriptor: u32| {
        let plugin = start("plugin");
        plugin.call::<()>("t.flood_on", &json!({"line": line, "descriptor": descriptor})).unwrap();
        plugin
    };
    alone(
        "limits::a_flood_starves_no_call_of_its_connection_or_of_another_and_takes_no_memory",
        |host| host,
        || {
            let quiet = start("plugin");
            let mut known = 0;
            for (line, descriptor) in [
                (LOG, 1),
                ("again", 2),
                ("again", 1),
                // Of a call that there is not, of one that there was, and without a listener.
                (
                    r#"{"jsonrpc":"2.0","method":"rpc.progress","params":{"id":0,"progress":1,"message":"again"}}"#,
                    1,
                ),
                (r#"{"jsonrpc":"2.0","method":"rpc.cancel","params":{"id":7}}"#, 1),
                (r#"{"jsonrpc":"2.0","id":0,"result":null}"#, 1),
                (r#"{"jsonrpc":"2.0","method":"nobody.listens","params":{}}"#, 1),
            ] {
                let flooding: Running = flood(line, descriptor);
                for number in 0..30 {
                    for plugin in [&flooding, &quiet] {
                        let text = json!({ "text": number });
                        assert_eq!(plugin.call::<Value>("t.echo", &text).unwrap(), text, "{line}");
                    }
                    if number == 10 {
                        known = known.max(status("VmRSS"));
                    }
                }
                let grown = status("VmRSS").saturating_sub(known);
                eprintln!("{line}: resident memory grew by {grown} KiB");
                assert!(grown < 6 * 1024, "{line}: {grown} KiB");
            }
        },
    );
}

/// What a running plugin takes of its host, at most.
const DESCRIPTORS: u64 = 10;

#[test]
fn a_plugin_takes_so_many_descriptors_and_where_there_are_none_the_start_says_so() {
    alone(
        "limits::a_plugin_takes_so_many_descriptors_and_where_there_are_none_the_start_says_so",
        |host| host,
        || {
            let open = || std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
            // What is there once for all is there already.
            let first = start("plugin");
            first.assert_alive();
            let before = open();
            let second = start("plugin");
            // What the start itself took may be given back a moment later.
            eventually("no more than it may", || open() - before <= DESCRIPTORS);
            drop(second);

            // However few are left, the start fails as a start, and what runs runs on.
            let all = getrlimit(Resource::Nofile);
            let mut started = 0;
            for left in 0..=DESCRIPTORS + 6 {
                let highest = std::fs::read_dir("/proc/self/fd").unwrap();
                let highest =
                    highest.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok());
                let limit = highest.max().unwrap() + left;
                setrlimit(Resource::Nofile, Rlimit { current: Some(limit), ..all }).unwrap();
                let (launch, _processes) = crate::support::launch("plugin", &json!({}));
                let outcome = launch.start();
                setrlimit(Resource::Nofile, all).unwrap();
                match outcome {
                    Ok(plugin) => {
                        started += 1;
                        plugin.stop();
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), Kind::SpawnFailed, "{left} left: {error:?}");
                        let said = error.to_string();
                        assert!(said.contains("has no descriptors left"), "{left} left: {said}");
                        assert!(said.contains("ulimit -n"), "{said}");
                    }
                }
                first.assert_alive();
            }
            assert!(started > 0, "with {DESCRIPTORS} and some for the start itself, one starts");
        },
    );
}

#[test]
fn a_program_that_is_not_there_is_not_taken_for_a_lack_of_descriptors() {
    let error = plugline_host::Plugin::command("/nowhere/at/all").start().unwrap_err();
    assert!(!error.to_string().contains("descriptors"), "{error}");
    // Nor is whatever else keeps a plugin from starting.
    let error = start_fails("exits_at_once", &json!({}), |launch| launch);
    assert!(!error.to_string().contains("descriptors"), "{error}");
}
