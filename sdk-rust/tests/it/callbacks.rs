//! Calls of the plugin to its host.

use serde_json::{Value, json};

use crate::process::Process;

fn ask(question: &str) -> Value {
    json!({"method": "asker.ask", "params": {"question": question}})
}

/// The id of the callback that was made while that call was handled.
#[track_caller]
fn expect_question(rough: &Process, question: &str, parent: &Value) -> Value {
    let mut line = rough.line();
    let id = line["id"].take();
    assert!(id.is_u64(), "{id}");
    let params = json!({"question": question, "_meta": {"parent": parent}});
    assert_eq!(line, json!({"jsonrpc": "2.0", "id": null, "method": "asker.ask", "params": params}));
    id
}

#[test]
fn a_callback_names_its_call() {
    let mut rough = Process::rough();
    for id in [json!(1), json!("1")] {
        rough.send(&json!({"jsonrpc": "2.0", "id": id, "method": "rough.callback", "params": ask("6 * 7")}));
        let asked = expect_question(&rough, "6 * 7", &id);
        rough.answer(&asked, &json!({"answer": 42}));
        assert_eq!(rough.line(), json!({"jsonrpc": "2.0", "id": id, "result": {"answer": 42}}));
    }
    rough.end().expect_silent();
}

#[test]
fn equal_ids_in_both_directions_are_not_confused() {
    let mut rough = Process::rough();
    rough.request(0, "rough.callback", &ask("first"));
    let first = expect_question(&rough, "first", &json!(0));
    let id = first.as_u64().unwrap();
    rough.request(id + 1, "rough.sleep", &json!({"ms": 3_600_000}));
    rough.expect_begun(id + 1);
    rough.answer(&json!(id + 1), &json!("nobody asked"));
    rough.answer(&json!(id.to_string()), &json!("not this one"));
    rough.expect_stderr("unknown id");
    rough.answer(&first, &json!("it"));
    rough.expect_result(0, &json!("it"));
    rough.notify("rpc.cancel", &json!({"id": id + 1}));
    rough.expect_error(&json!(id + 1), -32004);
    rough.end().expect_silent();
}

#[test]
fn what_the_host_does_not_serve_is_not_asked() {
    let mut rough = Process::rough();
    let other = json!({"method": "asker.tell"});
    rough.error("rough.callback", &other, -32601);
    rough.error("rough.callback", &json!({"method": "no name"}), -32603);
    let mut none = Process::rough_with(&json!({}), &json!({}));
    none.error("rough.callback", &ask("anybody?"), -32601);
    for rough in [rough, none] {
        rough.end().expect_silent();
    }
}

#[test]
fn the_protocols_ping_needs_no_declaration() {
    let mut rough = Process::rough_with(&json!({}), &json!({}));
    rough.request(1, "rough.callback", &json!({"method": "rpc.ping"}));
    let mut line = rough.line();
    let id = line["id"].take();
    assert_eq!((&line["method"], &line["params"]), (&json!("rpc.ping"), &json!({"_meta": {"parent": 1}})));
    rough.answer(&id, &json!({}));
    rough.expect_result(1, &json!({}));
    rough.end().expect_silent();
}

#[test]
fn an_error_of_the_host_is_passed_on() {
    let mut rough = Process::rough();
    rough.request(1, "rough.callback", &ask("why"));
    let asked = expect_question(&rough, "why", &json!(1));
    let error = json!({"code": 4711, "message": "because", "data": {"of": "that"}});
    rough.send(&json!({"jsonrpc": "2.0", "id": asked, "error": error}));
    assert_eq!(rough.line(), json!({"jsonrpc": "2.0", "id": 1, "error": error}));
    rough.end().expect_silent();
}

#[test]
fn calls_nest_up_to_the_depth_that_the_plugin_declared() {
    let mut rough = Process::rough();
    let nested = |params: Value, parent: &Value| {
        let mut params = params;
        params["_meta"] = json!({ "parent": parent });
        params
    };
    rough.request(1, "rough.callback", &ask("outer"));
    let outer = expect_question(&rough, "outer", &json!(1));
    rough.request(2, "rough.callback", &nested(ask("inner"), &outer));
    let inner = expect_question(&rough, "inner", &json!(2));
    let deeper = rough.error("rough.echo", &nested(json!({"value": 1}), &inner), -32006);
    assert_eq!(deeper, json!({"limit": 2}));
    // Not nested: it names no call that is in flight.
    assert_eq!(rough.result("rough.echo", &nested(json!({"value": 1}), &json!(999))), 1);
    rough.answer(&inner, &json!("in"));
    rough.expect_result(2, &json!("in"));
    rough.answer(&outer, &json!("out"));
    rough.expect_result(1, &json!("out"));
    rough.end().expect_silent();
}

#[test]
fn a_callback_ends_with_its_calls_deadline() {
    let mut rough = Process::rough();
    let mut params = ask("when");
    params["_meta"] = json!({"deadlineMs": 50});
    rough.request(1, "rough.callback", &params);
    let line = rough.line();
    let deadline = line["params"]["_meta"]["deadlineMs"].as_u64().unwrap();
    assert!((1..=50).contains(&deadline), "{line}");
    let cancel = rough.line();
    assert_eq!((&cancel["method"], &cancel["params"]["id"]), (&json!("rpc.cancel"), &line["id"]));
    assert_eq!(rough.line()["id"], 1);
    // Too late.
    rough.answer(&line["id"], &json!("now"));
    rough.ping();
    rough.end().expect_silent();
}

#[test]
fn a_cancelled_call_ends_with_its_callback() {
    let mut rough = Process::rough();
    rough.request(1, "rough.callback", &ask("why"));
    let asked = expect_question(&rough, "why", &json!(1));
    rough.notify("rpc.cancel", &json!({"id": 1}));
    let cancel = rough.line();
    assert_eq!((&cancel["method"], &cancel["params"]["id"]), (&json!("rpc.cancel"), &asked));
    rough.send(&json!({"jsonrpc": "2.0", "id": asked, "error": {"code": -32004, "message": "cancelled"}}));
    rough.expect_error(&json!(1), -32004);
    rough.end().expect_silent();
}

#[test]
fn a_callback_that_waits_until_its_host_takes_it_ends_with_its_call() {
    let serves = json!({"callbacks": {"methods": ["asker.ask"]}});
    let mut rough = Process::rough_with(&json!({"maxInFlight": 1}), &serves);
    rough.request(1, "rough.callback", &ask("first"));
    let first = expect_question(&rough, "first", &json!(1));
    rough.request(2, "rough.callback", &ask("second"));
    rough.ping();
    rough.notify("rpc.cancel", &json!({"id": 2}));
    rough.expect_error(&json!(2), -32004);
    rough.answer(&first, &json!("it"));
    rough.expect_result(1, &json!("it"));
    rough.end().expect_silent();
}
