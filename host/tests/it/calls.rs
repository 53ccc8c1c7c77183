//! Calls: at once, out of order, refused before they are sent, one at a time.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use plugline_host::{CallOptions, EventKind, Kind, Level, Timeouts};
use serde_json::{Value, json};

use crate::support::{SHORT, TIMEOUTS, eventually, kind, one_at_a_time, start, start_with};

#[test]
fn fifty_threads_get_their_own_answers_in_any_order() {
    const THREADS: usize = 50;
    let plugin = start("plugin");
    std::thread::scope(|scope| {
        for number in 0..THREADS {
            let plugin = &plugin;
            scope.spawn(move || {
                assert_eq!(plugin.call::<usize>("t.hold", &json!({"number": number})).unwrap(), number);
            });
        }
        eventually("all calls were sent", || plugin.in_flight() == THREADS);
        // A call is counted before it is sent; this one comes after those that the plugin has read.
        eventually("all calls were read", || plugin.saw("t.hold") == THREADS);
        plugin.call::<()>("t.release", &json!({})).unwrap();
    });
    assert_eq!(plugin.in_flight(), 0);
}

#[test]
fn what_may_not_be_sent_is_not() {
    let plugin = start("plugin");
    for method in
        ["", "two words", "line\nbreak", "ümlaut", "a/b", "rpc.cancel", "rpc.shutdown", "rpc.initialize"]
    {
        assert_eq!(kind(plugin.call::<Value>(method, &json!({}))), Kind::InvalidRequest, "{method:?}");
        assert_eq!(kind(plugin.notify(method, &json!({}))), Kind::InvalidRequest, "{method:?}");
    }
    for params in [json!([1, 2]), json!(7), json!("text"), json!({"_meta": {}})] {
        assert_eq!(kind(plugin.call::<Value>("t.echo", &params)), Kind::InvalidRequest, "{params}");
        assert_eq!(kind(plugin.notify("t.echo", &params)), Kind::InvalidRequest, "{params}");
    }
    let deep = (0..200).fold(json!({}), |inner, _| json!({"in": inner}));
    assert_eq!(kind(plugin.call::<Value>("t.echo", &deep)), Kind::InvalidRequest);
    assert_eq!(plugin.in_flight(), 0);
    assert_eq!(plugin.seen().len(), 2, "the handshake and this question");
}

#[test]
fn an_error_of_the_application_arrives_as_it_is() {
    let plugin = start("plugin");
    let data = json!({"user": "\u{1b}[31m", "tried": [1, 2.5, null]});
    let params = json!({"code": 17, "message": "no such user\u{7}", "data": data});
    let error = plugin.call::<Value>("t.fail", &params).unwrap_err();
    assert_eq!(error.kind(), Kind::RemoteError);
    let remote = error.remote().unwrap();
    assert_eq!((remote.code.code(), remote.message.as_str()), (17, "no such user\u{7}"));
    assert_eq!(remote.data, Some(data));
    assert_eq!(error.to_string(), "t.fail failed: error 17: no such user\\u{7}");
    let error = plugin.call::<Value>("t.unknown", &json!({})).unwrap_err();
    assert_eq!(error.remote().unwrap().code.code(), -32601);
}

#[test]
fn progress_comes_in_order() {
    let plugin = start("plugin");
    let mut seen = Vec::new();
    let call = plugin.begin("t.progress", &json!({"steps": 100}), CallOptions::default()).unwrap();
    call.wait_with_progress(|report| seen.push((report.progress, report.message.unwrap()))).unwrap();
    let wanted: Vec<_> = (0..100).map(|step| (f64::from(step), format!("step {step}"))).collect();
    assert_eq!(seen, wanted);
}

#[test]
fn the_plugins_log_becomes_events() {
    let plugin = start("plugin");
    let line =
        json!({"level": "warn", "message": "m\u{1b}", "target": "db", "fields": {"rows": 3}, "new": 1});
    plugin.call::<()>("t.log", &line).unwrap();
    let log = plugin.event("log", |event| match event {
        EventKind::Log(log) => Some(log),
        _ => None,
    });
    assert_eq!(
        (log.level, log.message.as_str(), log.target.as_deref()),
        (Level::Warn, "m\u{1b}", Some("db"))
    );
    assert_eq!(log.fields["rows"], 3);
}

#[test]
fn a_plugin_of_one_call_at_a_time_never_has_two() {
    let plugin = start_with("plugin", &one_at_a_time(), |launch| launch);
    let together = Arc::new(Barrier::new(8));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (plugin, together) = (&plugin, Arc::clone(&together));
            scope.spawn(move || {
                together.wait();
                for _ in 0..25 {
                    assert_eq!(plugin.call::<usize>("t.alone", &json!({})).unwrap(), 0);
                }
            });
        }
    });
}

#[test]
fn a_call_that_waits_for_its_turn_has_its_own_deadline() {
    let plugin = start_with("plugin", &one_at_a_time(), |launch| {
        launch.timeouts(Timeouts { unanswered: SHORT, ..TIMEOUTS })
    });
    let first = plugin.begin("t.say", &json!({"hex": ""}), CallOptions::timeout(SHORT)).unwrap();
    assert_eq!(kind(plugin.begin("t.echo", &json!({}), CallOptions::timeout(SHORT))), Kind::Timeout);
    assert_eq!(kind(first.wait::<Value>()), Kind::Timeout);

    // It ended for its caller, and holds its place until it is answered.
    let method = plugin.event("unhealthy", |event| match event {
        EventKind::Unhealthy { method } => Some(method),
        _ => None,
    });
    assert_eq!(method, "t.say");
    assert_eq!(kind(plugin.begin("t.echo", &json!({}), CallOptions::timeout(SHORT))), Kind::Timeout);
    assert_eq!(plugin.in_flight(), 1);
    // The protocol's own are not counted.
    plugin.assert_alive();
}

#[test]
fn a_deadline_that_is_over_sends_nothing_that_counts_for_ever() {
    let plugin = start("plugin");
    let error = plugin
        .begin("t.echo", &json!({}), CallOptions::timeout(Duration::ZERO))
        .and_then(|call| call.wait::<Value>());
    assert!(matches!(error, Err(ref error) if error.kind() == Kind::Timeout) || error.is_ok());
    eventually("the answer frees the place", || plugin.in_flight() == 0);
}
