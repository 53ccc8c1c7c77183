//! Calls of a host: served at once, ended, limited, in order.

use serde_json::{Value, json};

use crate::process::{Gate, Process, all_capabilities};

#[test]
fn blocking_handlers_do_not_stop_the_others() {
    let gate = Gate::new();
    let mut rough = Process::rough();
    for id in 0..64 {
        rough.request(id, "rough.block", &gate.params());
    }
    for _ in 0..64 {
        assert_eq!(rough.line()["method"], "rpc.progress");
    }
    rough.ping();
    let overload = rough.error("rough.echo", &json!({"value": 1}), -32006);
    assert_eq!(overload, json!({"limit": 64}));
    assert_eq!(rough.error("rough.echo", &json!({"valu": 1}), -32602)["errors"][0]["path"], "/valu");
    assert_eq!(rough.error("rough.echo", &json!([1]), -32602)["errors"][0]["path"], "");
    rough.error("rough.unknown", &json!({}), -32601);
    gate.open(64);
    let mut answered: Vec<_> = (0..64).map(|_| rough.line()["id"].as_u64().unwrap()).collect();
    answered.sort_unstable();
    assert_eq!(answered, Vec::from_iter(0..64));
    assert_eq!(rough.result("rough.echo", &json!({"value": 1})), 1);
    rough.end().expect_silent();
}

#[test]
fn a_panic_ends_its_call_alone() {
    let gate = Gate::new();
    let mut rough = Process::rough();
    rough.request(1, "rough.block", &gate.params());
    rough.expect_begun(1);
    for _ in 0..3 {
        rough.error("rough.panic", &json!({}), -32603);
        rough.expect_stderr("as it was asked to");
    }
    rough.notify("rough.note", &json!({"text": "panic"}));
    rough.notify("rough.note", &json!({"text": "after"}));
    assert_eq!(rough.result("rough.notes", &json!({})), json!(["after"]));
    gate.open(1);
    rough.expect_result(1, &Value::Null);
    rough.end().expect_silent();
}

#[test]
fn a_cancelled_call_is_answered_once() {
    let mut rough = Process::rough();
    rough.request(1, "rough.sleep", &json!({"ms": 3_600_000}));
    rough.expect_begun(1);
    for id in [json!("1"), json!(99), json!(1), json!(1)] {
        rough.notify("rpc.cancel", &json!({ "id": id, "reason": "enough" }));
    }
    rough.expect_error(&json!(1), -32004);
    for params in [json!({"id": 1}), json!({"id": null}), json!({}), json!([1])] {
        rough.notify("rpc.cancel", &params);
    }
    rough.ping();
    assert_eq!(rough.result("rough.echo", &json!({"value": 1})), 1);
    rough.end().expect_silent();
}

#[test]
fn a_call_that_was_done_all_the_same_has_its_result() {
    let gate = Gate::new();
    let mut rough = Process::rough();
    rough.request(1, "rough.block", &gate.params());
    rough.expect_begun(1);
    rough.notify("rpc.cancel", &json!({"id": 1}));
    rough.ping();
    gate.open(1);
    rough.expect_result(1, &Value::Null);
    rough.end().expect_silent();
}

#[test]
fn a_deadline_passes() {
    let mut rough = Process::rough();
    let asleep = |deadline: Value| json!({"ms": 3_600_000, "_meta": {"deadlineMs": deadline}});
    // One that has passed already is not begun.
    rough.request(1, "rough.sleep", &asleep(json!(0)));
    rough.expect_error(&json!(1), -32005);
    rough.request(1, "rough.sleep", &asleep(json!(500)));
    rough.expect_begun(1);
    rough.expect_error(&json!(1), -32005);
    // Not a deadline.
    for deadline in [json!(-1), json!("1"), json!(0.5), json!([])] {
        rough.request(2, "rough.sleep", &asleep(deadline));
        rough.expect_begun(2);
        rough.notify("rpc.cancel", &json!({"id": 2}));
        rough.expect_error(&json!(2), -32004);
    }
    rough.end().expect_silent();
}

#[test]
fn params_are_closed_but_for_the_protocols_member() {
    let mut rough = Process::rough();
    for (params, path) in [
        (json!({}), "/value"),
        (json!({"value": 1, "more": 1}), "/more"),
        (json!({"value": 1, "a/b~": 1}), "/a~1b~0"),
        (json!([]), ""),
    ] {
        let data = rough.error("rough.echo", &params, -32602);
        assert_eq!(data["errors"][0]["path"], path, "{params}");
    }
    assert_eq!(rough.error("rough.sleep", &json!({"ms": "1"}), -32602)["errors"][0]["path"], "/ms");
    assert_eq!(rough.error("rough.notes", &json!({"more": 1}), -32602)["errors"][0]["path"], "/more");
    let metas = [
        json!({"deadlineMs": 60_000, "parent": 7, "traceparent": "00-0af7-b7ad-01"}),
        json!({"unknown": 1, "parent": {}}),
        json!("ill-typed"),
        json!(null),
    ];
    for meta in metas {
        assert_eq!(rough.result("rough.echo", &json!({"value": 1, "_meta": meta})), 1);
        assert_eq!(rough.result("rough.notes", &json!({"_meta": meta})), json!([]));
        let members = rough.result("rough.members", &json!({"_meta": meta, "b": 1, "a": {"_meta": 1}}));
        assert_eq!(members, json!(["a", "b"]));
    }
    rough.end().expect_silent();
}

#[test]
fn errors_of_the_application_come_as_they_are() {
    let mut rough = Process::rough();
    let data = rough.error("rough.fail", &json!({"reason": "out of paper"}), 1);
    assert_eq!(data, json!({"reason": "out of paper"}));
    rough.end().expect_silent();
}

#[test]
fn values_keep_their_form() {
    let mut rough = Process::rough();
    for text in [
        "9007199254740991",
        "-9007199254740991",
        "1.5e300",
        r#""a\u0000\u2028\ud83d\ude00""#,
        r#"{"id":1,"nested":[[[]],{"":null}]}"#,
    ] {
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(rough.result("rough.echo", &json!({ "value": value })), value);
    }
    rough.end().expect_silent();
}

#[test]
fn notifications_are_handled_before_a_later_request() {
    let mut rough = Process::rough();
    let texts: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    for text in &texts {
        rough.notify("rough.note", &json!({ "text": text }));
    }
    assert_eq!(rough.result("rough.notes", &json!({})), json!(texts));
    rough.end().expect_silent();
}

#[test]
fn progress_precedes_the_answer_and_never_decreases() {
    let mut rough = Process::rough();
    rough.request(1, "rough.steps", &json!({"n": 50}));
    for step in 1..=50 {
        let params = json!({"id": 1, "progress": step, "total": 50, "message": "a step"});
        assert_eq!(rough.line(), json!({"jsonrpc": "2.0", "method": "rpc.progress", "params": params}));
    }
    rough.expect_result(1, &Value::Null);
    rough.end().expect_silent();
}

#[test]
fn progress_bears_the_id_as_it_came() {
    let mut rough = Process::rough();
    for id in ["1", "", "\u{e4} \"x\""] {
        let params = json!({"n": 1});
        rough.send(&json!({"jsonrpc": "2.0", "id": id, "method": "rough.steps", "params": params}));
        assert_eq!(rough.line()["params"]["id"], id);
        assert_eq!(rough.line()["id"], id);
    }
    rough.end().expect_silent();
}

#[test]
fn log_and_progress_go_to_who_takes_them() {
    let line = json!({"level": "warn", "message": "paper is low"});
    let mut rough = Process::rough();
    rough.request(1, "rough.log", &line);
    assert_eq!(rough.line(), json!({"jsonrpc": "2.0", "method": "rpc.log", "params": line}));
    rough.expect_result(1, &Value::Null);

    let steps = json!({"n": 2});
    for (capabilities, others) in [
        (json!({}), &[("rough.log", &line), ("rough.steps", &steps)][..]),
        (json!({"progress": {}}), &[("rough.log", &line)]),
        (json!({"log": {}}), &[("rough.steps", &steps)]),
    ] {
        let mut rough = Process::rough_with(&json!({}), &capabilities);
        for (method, params) in others {
            rough.result(method, params);
        }
        rough.end().expect_silent();
    }
}

#[test]
fn what_is_too_long_for_the_host_is_not_sent() {
    let limit = 65_536;
    let mut rough = Process::rough_with(&json!({ "maxLineBytes": limit }), &all_capabilities());
    let around = json!({"jsonrpc": "2.0", "id": 1, "result": ""}).to_string().len();
    let fits = "x".repeat(limit - around);
    rough.request(1, "rough.echo", &json!({ "value": fits }));
    rough.expect_result(1, &json!(fits));
    rough.request(1, "rough.echo", &json!({"value": format!("{fits}x")}));
    let data = rough.expect_error(&json!(1), -32007);
    assert_eq!(data, json!({"limit": limit, "size": limit + 1}));
    // An error, a line of the log and a callback.
    let long = "x".repeat(limit);
    rough.error("rough.fail", &json!({ "reason": long }), -32007);
    assert_eq!(rough.result("rough.log", &json!({"level": "info", "message": long})), Value::Null);
    let ask = json!({"method": "asker.ask", "params": {"question": long}});
    rough.error("rough.callback", &ask, -32603);
    rough.ping();
    rough.end().expect_silent();
}

#[test]
fn an_integer_that_hosts_would_round_is_not_sent() {
    let mut rough = Process::rough();
    rough.error("rough.echo", &json!({"value": 9_007_199_254_740_992_u64}), -32603);
    rough.error("rough.echo", &json!({"value": [-9_007_199_254_740_992_i64]}), -32603);
    assert_eq!(
        rough.result("rough.echo", &json!({"value": 9_007_199_254_740_991_u64})),
        json!(9_007_199_254_740_991_u64)
    );
    rough.end().expect_silent();
}
