//! Input streams, and both ways at once: two connections, or one against raw lines that keep the rules or break
//! them.

use std::thread;

use crossbeam_channel::unbounded as channel;
use plugline_protocol::peer::{Call, CallError, Handler, InputSender, Kind, RequestOptions};
use plugline_protocol::wire::{Error, error};
use serde_json::{Value, json};

use crate::ends::{End, PATIENCE, Raw, both, patient};
use crate::streams::{SHORT, WINDOW, small, sum};

fn double() -> Handler {
    Handler::new(|(), call: &Call| {
        let (input, output) = (call.input::<i64>().expect("declared"), call.output().expect("declared"));
        for item in input {
            output.send(&(2 * item?))?;
        }
        Ok::<_, Error>("done")
    })
    .with_input()
    .with_output()
}

#[test]
fn input_is_taken_and_credit_given() {
    let (_plugin, mut raw) = End::plugin().limits(small()).on("a.sum", sum()).against_raw();
    raw.request(1, "a.sum", &json!({}));
    raw.notify("rpc.input", &json!({"id": 1, "items": [1, 2, 3]}));
    let first = json!({"jsonrpc": "2.0", "method": "rpc.input", "params": {"id": 1, "items": [1, 2, 3]}});
    let line = format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"rpc.input\",\"params\":{{\"id\":1,\"items\":[4,{}5]}}}}\n",
        " ".repeat(40_000)
    );
    raw.send_bytes(line.as_bytes());
    let bytes = first.to_string().len() + 1 + line.len();
    let granted = raw.line();
    assert_eq!(
        granted,
        json!({"jsonrpc": "2.0", "method": "rpc.inputCredit", "params": {"id": 1, "bytes": bytes}})
    );
    raw.notify("rpc.inputEnd", &json!({"id": 1}));
    raw.expect_result(1, &json!(15));
    raw.notify("rpc.input", &json!({"id": 1, "items": [1]}));
    raw.notify("rpc.inputEnd", &json!({"id": 1}));
    raw.request(2, "rpc.ping", &json!({}));
    raw.expect_result(2, &json!({}));
}

#[test]
fn what_breaks_the_rules_of_input_is_answered() {
    let sleep = Handler::new(|(), call: &Call| call.sleep(PATIENCE));
    let sleep_with_input = sleep.clone().with_input();
    let (let_go, held) = channel();
    let busy = Handler::new(move |(), _: &Call| {
        held.recv_timeout(PATIENCE).map_err(|_| error::internal("never let go"))?;
        Ok::<_, Error>("all went well")
    });
    let (_plugin, mut raw) = End::plugin()
        .limits(small())
        .on("a.none", sleep)
        .on("a.sleep", sleep_with_input)
        .on("a.busy", busy)
        .against_raw();
    raw.request(1, "a.none", &json!({}));
    raw.notify("rpc.input", &json!({"id": 1, "items": [1]}));
    raw.expect_error(&json!(1), error::STREAM_VIOLATION);

    raw.request(2, "a.sleep", &json!({}));
    raw.notify("rpc.inputEnd", &json!({"id": 2}));
    raw.notify("rpc.inputEnd", &json!({"id": 2}));
    raw.notify("rpc.input", &json!({"id": 2, "items": [1]}));
    raw.expect_error(&json!(2), error::STREAM_VIOLATION);

    raw.request(3, "a.sleep", &json!({}));
    for _ in 0..3 {
        raw.notify("rpc.input", &json!({"id": 3, "items": ["x".repeat(40_000)]}));
    }
    raw.expect_error(&json!(3), error::STREAM_VIOLATION);

    raw.request(4, "a.sleep", &json!({}));
    raw.notify("rpc.input", &json!({"id": 4, "items": ["x".repeat(WINDOW)]}));
    raw.expect_error(&json!(4), error::STREAM_VIOLATION);

    // Also where the handler knows nothing of it.
    raw.request(5, "a.busy", &json!({}));
    raw.notify("rpc.input", &json!({"id": 5, "items": [1]}));
    raw.request(6, "rpc.ping", &json!({}));
    raw.expect_result(6, &json!({}));
    let_go.send(()).unwrap();
    raw.expect_error(&json!(5), error::STREAM_VIOLATION);
}

#[test]
fn an_input_item_of_another_type_is_told() {
    let (_plugin, mut raw) = End::plugin().on("a.sum", sum()).against_raw();
    raw.request(1, "a.sum", &json!({}));
    raw.notify("rpc.input", &json!({"id": 1, "items": [1, "two"]}));
    let data = raw.expect_error(&json!(1), -32602);
    assert_eq!(data["errors"][0]["path"], "");
    assert!(data["errors"][0]["message"].as_str().unwrap().starts_with("item 2 of the input: "), "{data}");
}

#[test]
fn a_caller_waits_for_credit() {
    let (host, mut raw) = End::host().remote(small()).against_raw();
    let (call, input) = host.connection.request_with_input("a.sum", &(), patient()).unwrap();
    let id = raw.line()["id"].clone();
    let item = "x".repeat(40_000);
    thread::scope(|scope| {
        let (sent, sending) = channel();
        let item = &item;
        scope.spawn(move || {
            for number in 0..3 {
                input.send(item).unwrap();
                sent.send(number).unwrap();
            }
            input.finish().unwrap();
        });
        let cost = |line: &Value| line.to_string().len() + 1;
        let [first, second] = [raw.line(), raw.line()];
        assert_eq!(first["method"], "rpc.input");
        assert_eq!((sending.recv(), sending.recv()), (Ok(0), Ok(1)));
        raw.notify("rpc.inputCredit", &json!({"id": id, "bytes": cost(&first) + cost(&second) - WINDOW}));
        assert!(sending.recv_timeout(SHORT).is_err(), "there is no credit yet");
        raw.notify("rpc.inputCredit", &json!({"id": id, "bytes": 1}));
        assert_eq!(raw.line()["params"]["items"], json!([item]));
        assert_eq!(raw.line(), json!({"jsonrpc": "2.0", "method": "rpc.inputEnd", "params": {"id": id}}));
    });
    raw.answer(&id, &json!("done"));
    assert_eq!(call.wait_as::<String>().unwrap(), "done");
}

#[test]
fn a_callee_that_has_enough_ends_the_input() {
    let first = Handler::new(|(), call: &Call| {
        call.input::<String>().expect("declared below").next().transpose().map(|item| item.map(|it| it.len()))
    });
    let (host, _plugin) = both(End::host(), End::plugin().on("a.first", first.with_input()));
    let (call, input) = host.connection.request_with_input("a.first", &(), patient()).unwrap();
    let item = "x".repeat(50_000);
    let ended = loop {
        if let Err(fault) = input.send(&item) {
            break fault;
        }
    };
    assert!(matches!(ended, CallError::Over), "{ended:?}");
    assert_eq!(ended.to_string(), "the call ended: it was answered before its input was complete");
    input.finish().unwrap();
    assert_eq!(call.wait_as::<usize>().unwrap(), 50_000);
}

#[test]
fn an_input_that_is_dropped_is_not_taken_for_complete() {
    let (host, _plugin) = both(End::host(), End::plugin().on("a.sum", sum()));
    let (call, input) = host.connection.request_with_input("a.sum", &(), patient()).unwrap();
    input.send(&1).unwrap();
    drop(input);
    assert!(matches!(call.wait(), Err(CallError::Cancelled)));
    let (call, input) = host.connection.request_with_input("a.sum", &(), patient()).unwrap();
    input.send_all(&[1, 2, 3]).unwrap();
    input.finish().unwrap();
    assert_eq!(call.wait_as::<i64>().unwrap(), 6);
}

#[test]
fn an_input_item_that_cannot_fit_ends_the_call_at_both_ends() {
    let (host, raw) = End::host().remote(small()).against_raw();
    let (call, input) = host.connection.request_with_input("a.sum", &(), patient()).unwrap();
    let id = raw.line()["id"].clone();
    let failed = input.send(&"x".repeat(WINDOW)).unwrap_err();
    assert_eq!(failed.kind(), Kind::TooLarge);
    assert!(failed.to_string().contains(&format!("over the limit of {}", WINDOW - 1)), "{failed}");
    let cancel = raw.line();
    assert_eq!((&cancel["method"], &cancel["params"]["id"]), (&json!("rpc.cancel"), &id));
    assert_eq!(call.wait().unwrap_err().kind(), Kind::TooLarge);
    assert!(matches!(input.send(&1), Err(CallError::Over)));
}

#[test]
fn input_ends_with_its_call() {
    let stubborn = Handler::new(|(), call: &Call| call.sleep(PATIENCE)).with_input();
    let (host, plugin) = both(End::host(), End::plugin().on("a.stubborn", stubborn));
    let send_all = |input: InputSender| {
        move || loop {
            if let Err(fault) = input.send(&"x".repeat(10_000)) {
                return fault;
            }
        }
    };
    let options = || RequestOptions::timeout(SHORT);
    let (call, input) = host.connection.request_with_input("a.stubborn", &(), options()).unwrap();
    let ended = send_all(input)();
    assert!(matches!(ended, CallError::Timeout { .. }), "{ended:?}");
    drop(call);
    let (call, input) = host.connection.request_with_input("a.stubborn", &(), patient()).unwrap();
    thread::scope(|scope| {
        let sender = scope.spawn(send_all(input));
        call.canceller().cancel(None);
        assert!(matches!(call.wait(), Err(CallError::Cancelled)));
        assert!(matches!(sender.join().unwrap(), CallError::Cancelled));
    });
    let (call, input) = host.connection.request_with_input("a.stubborn", &(), patient()).unwrap();
    thread::scope(|scope| {
        let sender = scope.spawn(send_all(input));
        plugin.connection.abort();
        assert!(matches!(sender.join().unwrap(), CallError::Closed(_)));
        assert!(matches!(call.wait(), Err(CallError::Closed(_))));
    });
}

#[test]
fn both_ways_at_once() {
    const ITEMS: i64 = 20_000;
    let limits = small();
    let (host, _plugin) = both(
        End::host().limits(limits).remote(limits),
        End::plugin().limits(limits).remote(limits).on("a.double", double()),
    );
    let (mut call, input) = host.connection.request_with_input("a.double", &(), patient().output()).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..ITEMS {
                input.send(&number).unwrap();
            }
            input.finish().unwrap();
        });
        for number in 0..ITEMS {
            assert_eq!(call.next_item::<i64>().unwrap().unwrap(), 2 * number);
        }
        assert!(call.next_item::<i64>().is_none());
    });
    assert_eq!(call.wait_as::<String>().unwrap(), "done");
}

#[test]
fn half_an_input_is_no_input() {
    let (_plugin, mut raw) = End::plugin().on("a.sum", sum()).against_raw();
    raw.request(1, "a.sum", &json!({}));
    raw.notify("rpc.input", &json!({"id": 1, "items": [1, 2]}));
    let Raw { write, lines } = raw;
    drop(write);
    // It is not complete, so it is no result.
    let answer: Value = serde_json::from_str(&lines.recv_timeout(PATIENCE).unwrap()).unwrap();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(error::CANCELLED)));
}
