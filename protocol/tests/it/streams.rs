//! Output streams, and what holds for streams of both kinds: two connections, or one against raw lines that keep
//! the rules or break them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{TryRecvError, unbounded as channel};
use plugline_protocol::lifecycle::Limits;
use plugline_protocol::peer::{
    Call, CallError, CloseReason, Handler, Kind, PendingCall, RequestOptions, StreamFault, Violation,
};
use plugline_protocol::wire::{Error, error};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ends::{End, Opened, PATIENCE, Raw, both, patient, remote};

/// The smallest window there is.
pub(crate) const WINDOW: usize = 64 * 1024;
/// A wait that is to end by itself.
pub(crate) const SHORT: Duration = Duration::from_millis(30);

pub(crate) fn small() -> Limits {
    Limits { stream_window_bytes: WINDOW, ..Limits::default() }
}

#[derive(Deserialize)]
struct Fill {
    lines: usize,
    width: usize,
}

/// Sends strings of a width; says on the way how many it has sent, and returns that.
fn fill(sent: &Arc<AtomicUsize>) -> Handler {
    let sent = Arc::clone(sent);
    Handler::new(move |fill: Fill, call: &Call| {
        let output = call.output().expect("declared below");
        for _ in 0..fill.lines {
            output.send(&"x".repeat(fill.width))?;
            sent.fetch_add(1, Ordering::SeqCst);
        }
        Ok::<_, Error>(fill.lines)
    })
    .with_output()
}

pub(crate) fn count() -> Handler {
    Handler::new(|fill: Fill, call: &Call| {
        let output = call.output().expect("declared below");
        (0..fill.lines).try_for_each(|number| output.send(&number))
    })
    .with_output()
}

pub(crate) fn sum() -> Handler {
    Handler::new(|(), call: &Call| call.input::<i64>().expect("declared below").sum::<Result<i64, _>>())
        .with_input()
}

/// A host that takes output of a call to `a.fill`, which a raw plugin is to serve.
fn taking(limits: Limits) -> (Opened, Raw, PendingCall, Value) {
    let (host, raw) = End::host().limits(limits).against_raw();
    let call = host.connection.request("a.fill", &(), patient().output()).unwrap();
    let id = raw.line()["id"].clone();
    (host, raw, call, id)
}

fn items(call: &mut PendingCall) -> Vec<Result<Value, CallError>> {
    std::iter::from_fn(|| call.next_item()).collect()
}

fn output(id: &Value, items: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": "rpc.output", "params": {"id": id, "items": items}})
}

fn credit(id: &Value, bytes: usize) -> Value {
    json!({"jsonrpc": "2.0", "method": "rpc.outputCredit", "params": {"id": id, "bytes": bytes}})
}

#[track_caller]
fn expect_broken(host: &Opened, wanted: StreamFault) {
    let end = host.end();
    assert!(
        matches!(end, CloseReason::Violation(Violation::Stream { method, fault }) if method == "a.fill" && *fault == wanted),
        "{end:?}"
    );
    assert_eq!(end.kind(), Kind::StreamViolation);
}

#[test]
fn output_comes_in_order_and_before_the_result() {
    let sent = Arc::default();
    let (host, _plugin) = both(End::host(), End::plugin().on("a.count", count()).on("a.fill", fill(&sent)));
    let params = json!({"lines": 1000, "width": 0});
    let mut call = host.connection.request("a.count", &params, patient().output()).unwrap();
    let seen: Vec<u32> = std::iter::from_fn(|| call.next_item()).map(Result::unwrap).collect();
    assert_eq!(seen, Vec::from_iter(0..1000));
    assert_eq!(call.wait_as::<()>().unwrap(), ());
    // Untaken, it is let go, however much there is.
    let params = json!({"lines": 100, "width": 10_000});
    let call = host.connection.request("a.fill", &params, patient().output()).unwrap();
    assert_eq!(call.wait_as::<usize>().unwrap(), 100);
}

#[test]
fn a_callee_waits_for_credit() {
    let sent = Arc::default();
    let (_plugin, mut raw) = End::plugin().remote(small()).on("a.fill", fill(&sent)).against_raw();
    raw.request(1, "a.fill", &json!({"lines": 4, "width": 40_000}));
    let line = output(&json!(1), &json!(["x".repeat(40_000)]));
    let cost = line.to_string().len() + 1;
    assert_eq!(raw.line(), line);
    // The second overdraws; the third needs more than what that lacks.
    assert_eq!(raw.line(), line);
    raw.send(&credit(&json!(1), 2 * cost - WINDOW));
    raw.request(2, "rpc.ping", &json!({}));
    raw.expect_result(2, &json!({}));
    assert!(sent.load(Ordering::SeqCst) <= 2);
    assert_eq!(raw.lines.try_recv(), Err(TryRecvError::Empty));
    raw.send(&credit(&json!(1), 1));
    assert_eq!(raw.line(), line);
    // For no call, and not understood.
    raw.send(&credit(&json!(7), WINDOW));
    raw.notify("rpc.outputCredit", &json!({"id": 1, "bytes": -1}));
    raw.send(&credit(&json!(1), cost));
    assert_eq!(raw.line(), line);
    raw.expect_result(1, &json!(4));
}

#[test]
fn a_caller_gives_credit_as_it_takes() {
    let (_host, mut raw, mut call, id) = taking(small());
    let mut line = |bytes: usize| {
        let bare = format!("{}\r\n", output(&id, &json!([1])));
        let line = bare.replacen("[1]", &format!("[{}1]", " ".repeat(bytes - bare.len())), 1);
        raw.send_bytes(line.as_bytes());
    };
    line(WINDOW / 2 - 1);
    line(WINDOW / 2 + 1);
    assert_eq!(call.next_item::<u32>().unwrap().unwrap(), 1);
    assert_eq!(call.next_item::<u32>().unwrap().unwrap(), 1);
    // White space, the CR and the LF are counted, and half a window less one byte was not enough.
    assert_eq!(raw.line(), credit(&id, WINDOW));
    // All of the credit may be used for one line.
    let bare = output(&id, &json!([""])).to_string().len() + 1;
    raw.send(&output(&id, &json!(["x".repeat(WINDOW - bare)])));
    assert_eq!(call.next_item::<String>().unwrap().unwrap().len(), WINDOW - bare);
    assert_eq!(raw.line(), credit(&id, WINDOW));
    raw.send(&output(&id, &json!([])));
    raw.answer(&id, &json!("all"));
    assert!(call.next_item::<Value>().is_none());
    assert!(call.next_item::<Value>().is_none());
    assert_eq!(call.wait_as::<String>().unwrap(), "all");
}

#[test]
fn output_without_credit_breaks_the_connection() {
    let (host, mut raw, mut call, id) = taking(small());
    for _ in 0..3 {
        raw.send(&output(&id, &json!(["x".repeat(40_000)])));
    }
    expect_broken(&host, StreamFault::Overdrawn);
    // What had come is told, then why there is no more.
    let seen = items(&mut call);
    assert!(matches!(&seen[..], [Ok(_), Ok(_), Err(CallError::Closed(_))]), "{} items", seen.len());
    assert_eq!(call.wait().unwrap_err().kind(), Kind::StreamViolation);
}

#[test]
fn a_line_over_the_window_breaks_the_connection() {
    let (host, mut raw, _call, id) = taking(small());
    let bare = output(&id, &json!([""])).to_string().len() + 1;
    raw.send(&output(&id, &json!(["x".repeat(WINDOW - bare + 1)])));
    expect_broken(&host, StreamFault::TooLong { window: WINDOW, size: WINDOW + 1 });
}

#[test]
fn output_that_was_not_asked_for_breaks_the_connection() {
    let (host, mut raw) = End::host().against_raw();
    let call = host.connection.request("a.fill", &(), patient()).unwrap();
    let id = raw.line()["id"].clone();
    raw.send(&output(&id, &json!([1])));
    expect_broken(&host, StreamFault::NoStream);
    assert_eq!(call.wait().unwrap_err().kind(), Kind::StreamViolation);
}

#[test]
fn output_that_crosses_with_the_end_is_let_go() {
    let (host, mut raw, call, id) = taking(small());
    drop(call);
    assert_eq!(raw.line()["method"], "rpc.cancel");
    for _ in 0..5 {
        raw.send(&output(&id, &json!(["x".repeat(40_000)])));
    }
    raw.answer(&id, &json!(null));
    raw.send(&output(&id, &json!([1])));
    raw.send(&output(&json!("never"), &json!([1])));
    for params in [json!({}), json!({"id": 0}), json!({"id": 0, "items": {}}), json!({"items": [1]})] {
        raw.notify("rpc.output", &params);
    }
    assert_eq!(
        host.connection.call::<Value>("a.b", &(), RequestOptions::timeout(SHORT)).unwrap_err().kind(),
        Kind::Timeout
    );
    assert!(host.connection.closed().is_none());
}

#[test]
fn an_error_comes_after_the_items_before_it() {
    let (_host, mut raw, mut call, id) = taking(small());
    raw.send(&output(&id, &json!([1, "two", 3])));
    raw.send(&json!({"jsonrpc": "2.0", "id": id, "error": {"code": 7, "message": "no more"}}));
    let seen: Vec<Result<u32, CallError>> = std::iter::from_fn(|| call.next_item()).collect();
    let [Ok(1), Err(CallError::Undecodable(reason)), Ok(3), Err(CallError::Remote(told))] = &seen[..] else {
        panic!("{seen:?}")
    };
    assert!(reason.starts_with("the item is not of the type"), "{reason}");
    assert_eq!(told.code.code(), 7);
    assert!(matches!(call.wait(), Err(CallError::Remote(again)) if again == *told));
}

#[test]
fn items_come_before_the_end_of_the_connection() {
    let (_host, mut raw, mut call, id) = taking(small());
    raw.send(&output(&id, &json!([1, 2])));
    drop(raw);
    let seen = items(&mut call);
    assert!(matches!(&seen[..], [Ok(_), Ok(_), Err(CallError::Closed(_))]), "{seen:?}");
}

/// Has a callee in the middle of its output, waiting for credit; what it ended with is told.
fn stuck() -> (Opened, Opened, crossbeam_channel::Receiver<i64>) {
    let (ended, ending) = channel();
    let endless = Handler::new(move |(), call: &Call| -> Result<(), Error> {
        let output = call.output().expect("declared below");
        let fault = loop {
            if let Err(fault) = output.send(&"x".repeat(1000)) {
                break fault;
            }
        };
        ended.send(fault.code.code()).unwrap();
        Err(fault)
    });
    let (host, plugin) = both(End::host(), End::plugin().on("a.endless", endless.with_output()));
    (host, plugin, ending)
}

#[test]
fn a_dropped_stream_is_cancelled() {
    let (host, _plugin, ending) = stuck();
    let mut call = host.connection.request("a.endless", &(), patient().output()).unwrap();
    assert!(call.next_item::<Value>().unwrap().is_ok());
    drop(call);
    assert_eq!(ending.recv_timeout(PATIENCE).unwrap(), error::CANCELLED);
}

#[test]
fn a_stream_is_cancelled_from_elsewhere() {
    let (host, _plugin, ending) = stuck();
    let mut call = host.connection.request("a.endless", &(), patient().output()).unwrap();
    assert!(call.next_item::<Value>().unwrap().is_ok());
    call.canceller().cancel(None);
    let last = items(&mut call).pop().unwrap();
    assert!(matches!(last, Err(CallError::Cancelled)), "{last:?}");
    assert_eq!(ending.recv_timeout(PATIENCE).unwrap(), error::CANCELLED);
    assert_eq!(host.connection.unanswered(), 0);
}

#[test]
fn a_deadline_ends_a_stream() {
    let (host, _plugin, ending) = stuck();
    let mut call =
        host.connection.request("a.endless", &(), RequestOptions::timeout(SHORT).output()).unwrap();
    let last = items(&mut call).pop().unwrap();
    assert!(matches!(last, Err(CallError::Timeout { .. })), "{last:?}");
    let code = ending.recv_timeout(PATIENCE).unwrap();
    assert!([error::CANCELLED, error::DEADLINE_EXCEEDED].contains(&code), "{code}");
}

#[test]
fn a_slow_consumer_bounds_what_is_held_and_stops_nobody_else() {
    const WIDTH: usize = 30_000;
    const LINES: usize = 100 * 1024 * 1024 / WIDTH;
    let sent = Arc::new(AtomicUsize::new(0));
    let echo = Handler::new(|params: Value, _: &Call| Ok::<_, Error>(params));
    let plugin = End::plugin().on("a.fill", fill(&sent)).on("a.echo", echo);
    let (host, _plugin) = both(End::host().limits(small()), plugin.remote(small()));
    let params = json!({"lines": LINES, "width": WIDTH});
    let mut call =
        host.connection.request("a.fill", &params, RequestOptions::timeout(None).output()).unwrap();
    for taken in 0..LINES {
        if taken % 100 == 0 {
            // The callee has all the time it wants, and others are served.
            host.call("a.echo", &json!({})).unwrap();
        }
        let held = sent.load(Ordering::SeqCst).saturating_sub(taken) * WIDTH;
        assert!(held <= 2 * WINDOW, "{held} bytes are held");
        assert_eq!(call.next_item::<String>().unwrap().unwrap().len(), WIDTH);
    }
    assert_eq!(call.wait_as::<usize>().unwrap(), LINES);
}

#[test]
fn items_that_are_there_share_lines() {
    let numbers = Handler::new(|(), call: &Call| {
        let output = call.output::<u32>().expect("declared below");
        output.send_all(&Vec::from_iter(0..10_000))
    });
    let (_plugin, mut raw) = End::plugin().on("a.numbers", numbers.with_output()).against_raw();
    raw.request(1, "a.numbers", &json!({}));
    let mut seen = Vec::new();
    let mut lines = 0;
    loop {
        let line = raw.line();
        if line["id"] == 1 {
            break;
        }
        lines += 1;
        seen.extend(line["params"]["items"].as_array().unwrap().iter().map(|item| item.as_u64().unwrap()));
    }
    assert_eq!(seen, Vec::from_iter(0..10_000));
    assert_eq!(lines, 2, "48 890 bytes of numbers and commas");
}

#[test]
fn an_item_that_cannot_fit_fails_the_call_whatever_its_handler_says() {
    let heedless = Handler::new(|fill: Fill, call: &Call| {
        let output = call.output().expect("declared below");
        let failed = output.send(&"x".repeat(fill.width)).unwrap_err();
        assert_eq!(failed.code.code(), error::MESSAGE_TOO_LARGE);
        assert_eq!(output.send(&"x".to_owned()).unwrap_err(), failed);
        assert_eq!(call.check().unwrap_err(), failed);
        Ok::<_, Error>("all went well")
    });
    let (_plugin, mut raw) = End::plugin().remote(small()).on("a.fill", heedless.with_output()).against_raw();
    raw.request(1, "a.fill", &json!({"lines": 1, "width": 70_000}));
    let data = raw.expect_error(&json!(1), error::MESSAGE_TOO_LARGE);
    assert_eq!(data, json!({"limit": WINDOW - 1, "size": 70_070}));
}

#[test]
fn streams_are_for_those_who_have_them() {
    let mut without = remote(Limits::default());
    without.streams = false;
    let (plugin, mut raw) =
        End::plugin().before_handshake().on("a.count", count()).on("a.sum", sum()).against_raw();
    plugin.connection.agree(without.clone());
    raw.request(1, "a.count", &json!([1]));
    raw.expect_error(&json!(1), -32601);
    raw.request(2, "a.sum", &json!({}));
    raw.expect_error(&json!(2), -32601);

    let (host, raw) = End::host().before_handshake().against_raw();
    host.connection.agree(without);
    let refused = host.connection.request("a.count", &(), patient().output()).unwrap_err();
    assert_eq!(refused.kind(), Kind::Unsupported);
    let refused = host.connection.request_with_input("a.sum", &(), patient()).unwrap_err();
    assert_eq!(refused.kind(), Kind::Unsupported);
    host.connection.shut();
    assert!(raw.lines.recv_timeout(PATIENCE).is_err(), "nothing was sent");
}

#[test]
fn methods_of_a_host_have_no_streams() {
    let ask = Handler::new(|(), call: &Call| {
        let refused = call.request("h.ask", &(), patient().output()).unwrap_err();
        assert_eq!(refused.kind(), Kind::Unsupported);
        // Nor does it break the plugin that the host sends output all the same.
        call.call::<Value>("h.ask", &()).map_err(Error::from)
    });
    let (plugin, mut raw) = End::plugin().on("a.ask", ask).against_raw();
    raw.request(1, "a.ask", &json!({}));
    let asked = raw.line();
    raw.send(&output(&asked["id"], &json!([1])));
    raw.answer(&asked["id"], &json!(5));
    raw.expect_result(1, &json!(5));
    assert!(plugin.connection.closed().is_none());
}
