//! Floods and full pipes, either way.

use std::time::Instant;

use plugline_host::{CallOptions, EventKind, Exit, Kind, Rung, Timeouts};
use serde_json::{Value, json};

use crate::support::{PATIENCE, SHORT, TIMEOUTS, kind, start, start_with};

const MEBIBYTE: usize = 1 << 20;

#[test]
fn standard_error_is_drained_and_its_end_kept() {
    let plugin = start("plugin");
    let line = json!({"line": "x".repeat(99), "lines": 500_000, "last": "the \u{1b}last\n", "descriptor": 2});
    let flood = plugin.begin("t.flood", &line, CallOptions::default()).unwrap();
    flood.wait::<()>().unwrap();
    plugin.assert_alive();
    let error = plugin.call::<Value>("t.leave", &json!({"status": 1})).unwrap_err();
    // Its pipes have ended; its process may take a moment longer than is waited for.
    assert!(matches!(error.kind(), Kind::PluginExited | Kind::Closed), "{error:?}");
    let tail = &error.evidence().unwrap().stderr_tail;
    assert_eq!(tail.last().unwrap(), "the \\u{1b}last");
    assert!(tail.iter().rev().skip(1).all(|line| *line == "x".repeat(99)), "{tail:?}");
}

#[test]
fn a_line_of_standard_error_without_end_is_taken_in_pieces() {
    let plugin = start("plugin");
    let endless = json!({"line": "", "lines": 0, "last": "y".repeat(MEBIBYTE), "descriptor": 2});
    plugin.call::<()>("t.flood", &endless).unwrap();
    let piece = plugin.event("a piece of it", |event| match event {
        EventKind::Stderr(line) => Some(line),
        _ => None,
    });
    assert!(piece.len() < MEBIBYTE, "{}", piece.len());
    plugin.assert_alive();
}

#[test]
fn calls_go_on_beside_stray_output() {
    let plugin = start("plugin");
    let flood = json!({"line": "print!", "lines": 200_000, "descriptor": 1});
    std::thread::scope(|scope| {
        let call = plugin.begin("t.flood", &flood, CallOptions::no_timeout()).unwrap();
        let flooding = scope.spawn(|| call.wait::<()>());
        for _ in 0..10 {
            plugin.assert_alive();
        }
        flooding.join().unwrap().unwrap();
    });
}

#[test]
fn a_plugin_that_never_reads_costs_each_call_its_own_deadline() {
    let plugin = start_with("never_reads", &json!({}), |launch| {
        launch.timeouts(Timeouts { grace: SHORT, exit: SHORT, ..TIMEOUTS })
    });
    let params = json!({"text": "x".repeat(MEBIBYTE)});
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let call = plugin.begin("t.echo", &params, CallOptions::timeout(2 * SHORT));
                assert_eq!(kind(call.and_then(|call| call.wait::<Value>())), Kind::Timeout);
            });
        }
    });
    assert!(started.elapsed() < PATIENCE);
    let stopped = plugin.stop();
    assert_eq!(stopped.rung, Rung::Terminated);
    assert_eq!(stopped.exit, Some(Exit { code: None, signal: Some(15) }));
}

#[test]
fn a_notification_that_waits_for_room_ends_with_the_plugin() {
    let plugin = start_with("never_reads", &json!({}), |launch| {
        launch.timeouts(Timeouts { grace: SHORT, exit: SHORT, ..TIMEOUTS })
    });
    let params = json!({"text": "x".repeat(MEBIBYTE)});
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            loop {
                if let Err(error) = plugin.notify("t.note", &params) {
                    return error.kind();
                }
            }
        });
        assert_eq!(plugin.stop().rung, Rung::Terminated);
        assert_eq!(sending.join().unwrap(), Kind::Closed);
    });
}

#[test]
fn both_pipes_may_be_full_at_once() {
    let plugin = start("writes_before_it_reads");
    let params = json!({"text": "x".repeat(2 * MEBIBYTE)});
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(plugin.call::<Value>("t.echo", &params).unwrap(), json!({})));
        }
    });
    assert_eq!(plugin.stop().rung, Rung::Asked);
}

/// The request meets a pipe that nobody reads any more, while the answers still stand in the other.
#[test]
fn what_a_plugin_said_before_it_ended_is_heard() {
    for _ in 0..20 {
        let plugin = start("plugin");
        let held: Vec<_> = (0..10)
            .map(|number| plugin.begin("t.hold", &json!({"number": number}), CallOptions::default()).unwrap())
            .collect();
        let leaving = plugin.begin("t.answer_and_leave", &json!({}), CallOptions::default()).unwrap();
        // Some of these are written after it closed its end.
        let late = (0..200).find_map(|_| plugin.notify("t.note", &json!({"text": "x".repeat(1000)})).err());
        assert!(late.is_none_or(|error| error.kind() == Kind::PluginExited));
        for (number, call) in held.into_iter().enumerate() {
            assert_eq!(call.wait::<usize>().unwrap(), number);
        }
        leaving.wait::<()>().unwrap();
    }
}
