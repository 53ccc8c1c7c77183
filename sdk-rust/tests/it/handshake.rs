//! What comes before the first call.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::process::{Gate, Process};

fn hello(config: &Value) -> Value {
    json!({"protocolVersions": [1], "config": config})
}

fn identity() -> Value {
    json!({
        "protocolVersion": 1,
        "plugin": {"name": "rough", "version": "0.1.0"},
        "provides": [{"contract": "rough", "version": "1.0.0"}],
        "limits": {"maxLineBytes": 262_144, "maxInFlight": 64, "maxDepth": 2, "streamWindowBytes": 262_144},
        "capabilities": {"cancel": {}, "progress": {}, "log": {}, "streams": {}, "callbacks": {}},
    })
}

#[test]
fn before_it_only_the_protocol_is_served() {
    let mut rough = Process::start("rough");
    rough.error("rough.echo", &json!({"value": 1}), -32000);
    rough.error("rough.unknown", &json!([]), -32000);
    rough.ping();
    let manifest = rough.result("rpc.discover", &json!({"_meta": {}, "anything": true}));
    rough.notify("rough.note", &json!({"text": "too early"}));
    assert_eq!(rough.result("rpc.initialize", &hello(&json!({}))), identity());
    assert_eq!(rough.result("rpc.discover", &json!({})), manifest);
    assert_eq!(rough.result("rough.notes", &json!({})), json!([]));
    rough.end().expect_silent();
}

#[test]
fn once_it_succeeded_another_changes_nothing() {
    let mut rough = Process::start("rough");
    rough.result("rpc.initialize", &hello(&json!({"sizes": {"a": 1}})));
    rough.error("rpc.initialize", &hello(&json!({})), -32600);
    rough.error("rpc.initialize", &json!({}), -32600);
    let config = rough.result("rough.config", &json!({}));
    assert_eq!(config, json!({"panic": false, "sizes": {"a": 1}}));
    rough.end().expect_silent();
}

#[test]
fn after_one_that_failed_another_may_succeed() {
    let at = |path: &str| json!({"errors": [{"path": path}]});
    let failures = [
        (json!({}), -32602, at("/protocolVersions")),
        (json!([1]), -32602, at("")),
        (json!({"protocolVersions": 1}), -32602, at("/protocolVersions")),
        (json!({"protocolVersions": [1], "limits": 3}), -32602, at("/limits")),
        (json!({"protocolVersions": [1], "limits": null}), -32602, at("/limits")),
        (json!({"protocolVersions": [1], "limits": {"maxDepth": "1"}}), -32602, at("/limits/maxDepth")),
        (json!({"protocolVersions": [1], "limits": {"maxInFlight": 0}}), -32602, at("/limits/maxInFlight")),
        (
            json!({"protocolVersions": [1], "limits": {"maxLineBytes": 65_535}}),
            -32602,
            at("/limits/maxLineBytes"),
        ),
        (json!({"protocolVersions": [1], "capabilities": {"log": true}}), -32602, at("/capabilities/log")),
        (json!({"protocolVersions": []}), -32001, json!({"supported": [1]})),
        (json!({"protocolVersions": [2, 7]}), -32001, json!({"supported": [1]})),
        (hello(&json!({"refuse": "no GPU here"})), -32009, json!({"reason": "no GPU here"})),
        (hello(&json!({"refuse": 5})), -32002, at("/refuse")),
        (hello(&json!({"bad": 5})), -32002, at("/bad")),
        (hello(&json!({"sizes": {"a": 256}})), -32002, at("/sizes/a")),
        (hello(&json!({"sizes": {"a/b~c": "x"}})), -32002, at("/sizes/a~1b~0c")),
        (hello(&json!({"sizes": {"[0]": "x"}})), -32002, at("/sizes/[0]")),
        (hello(&json!("text")), -32002, at("")),
        (hello(&json!({"panic": true})), -32603, Value::Null),
    ];
    let mut rough = Process::start("rough");
    for (params, code, wanted) in failures {
        let mut data = rough.error("rpc.initialize", &params, code);
        let faults = data.get_mut("errors").and_then(Value::as_array_mut);
        for fault in faults.into_iter().flatten() {
            let message = fault.as_object_mut().and_then(|fault| fault.remove("message"));
            assert!(message.is_some_and(|message| message.is_string()), "{params}");
        }
        assert_eq!(data, wanted, "{params}");
    }
    assert_eq!(rough.result("rpc.initialize", &json!({"protocolVersions": [7, 1], "more": 1})), identity());
    rough.expect_stderr("as the config says");
    rough.end().expect_silent();
}

#[test]
fn it_takes_its_time_and_cannot_be_cancelled() {
    let gate = Gate::new();
    let mut rough = Process::start("rough");
    rough.request(0, "rpc.initialize", &hello(&json!({"wait": gate.path(), "refuse": "at last"})));
    rough.ping();
    rough.error("rpc.initialize", &hello(&json!({})), -32600);
    rough.error("rough.config", &json!({}), -32000);
    rough.notify("rpc.cancel", &json!({"id": 0}));
    rough.ping();
    gate.open(1);
    assert_eq!(rough.expect_error(&json!(0), -32009), json!({"reason": "at last"}));
    rough.result("rpc.initialize", &hello(&json!({})));
    rough.end().expect_silent();
}

#[test]
fn a_handshake_in_flight_is_answered_at_the_end_of_the_file() {
    let gate = Gate::new();
    let mut rough = Process::start("rough");
    rough.request(0, "rpc.initialize", &hello(&json!({"wait": gate.path()})));
    rough.ping();
    rough.close_stdin();
    gate.open(1);
    let exit = rough.exit().expect_success();
    assert_eq!(exit.lines, [json!({"jsonrpc": "2.0", "id": 0, "result": identity()})]);
}

#[test]
fn a_handshake_in_flight_is_answered_after_sigterm() {
    let gate = Gate::new();
    let mut rough = Process::start("rough");
    rough.request(0, "rpc.initialize", &hello(&json!({"wait": gate.path()})));
    rough.ping();
    rough.signal(Signal::TERM);
    rough.wait_shutting_down();
    gate.open(1);
    rough.expect_result(0, &identity());
    rough.exit().expect_silent();
}

#[test]
fn a_handshake_in_flight_is_answered_before_the_shutdown() {
    let gate = Gate::new();
    let mut rough = Process::start("rough");
    rough.request(0, "rpc.initialize", &hello(&json!({"wait": gate.path()})));
    rough.request(1, "rpc.shutdown", &json!({"graceMs": 60_000}));
    rough.error("rough.config", &json!({}), -32003);
    gate.open(1);
    rough.expect_result(0, &identity());
    rough.expect_result(1, &Value::Null);
    rough.error("rough.config", &json!({}), -32003);
    rough.end().expect_silent();
}
