//! The connection engine, over pipes within this process: two connections, or one against raw lines.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, TryRecvError, unbounded as channel};
use plugline_protocol::lifecycle::{HANDSHAKE_LINE_BYTES, Limits};
use plugline_protocol::peer::{
    Call, CallError, CloseReason, Handler, Kind, Listener, RequestOptions, Side, Violation,
};
use plugline_protocol::typed::{CallFailed, Caller, Context, Direct, Link, MakeCall, MethodInfo};
use plugline_protocol::wire::{Error, error};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ends::{End, PATIENCE, Raw, Seen, both, in_flight, patient, remote};

/// A wait that is to end unanswered.
const SHORT: Duration = Duration::from_millis(30);

/// Holds handlers until it is opened.
struct Gate {
    open: Sender<()>,
    handler: Handler,
}

/// A handler that takes `{"n": integer}` and returns `n` when it may.
fn gate() -> Gate {
    let (open, opened) = channel();
    let handler = Handler::new(move |params: Number, _: &Call| {
        opened.recv_timeout(PATIENCE).map_err(|_| error::internal("never opened"))?;
        Ok::<_, Error>(params.n)
    });
    Gate { open, handler }
}

impl Gate {
    fn open(&self) {
        self.open.send(()).unwrap();
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Number {
    n: u32,
}

fn echo() -> Handler {
    Handler::new(|params: Value, _: &Call| Ok::<_, Error>(params))
}

#[derive(Deserialize)]
struct Length {
    length: usize,
}

/// Answers a string of the length asked for.
fn long_answer() -> Handler {
    Handler::new(|params: Length, _: &Call| Ok::<_, Error>("x".repeat(params.length)))
}

#[test]
fn notifications_are_handled_in_order_and_before_a_later_request() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (release, released) = channel();
    let (listener, asked) = (Arc::clone(&heard), Arc::clone(&heard));
    let (_plugin, mut raw) = End::plugin()
        .hear(
            "a.note",
            Listener::new(move |params: Number| {
                if params.n == 0 {
                    released.recv_timeout(PATIENCE).unwrap();
                }
                listener.lock().unwrap().push(params.n);
            }),
        )
        .on("a.heard", Handler::new(move |(), _: &Call| Ok::<_, Error>(asked.lock().unwrap().clone())))
        .against_raw();
    let all: Vec<u32> = (0..100).collect();
    for n in &all {
        raw.notify("a.note", &json!({ "n": n }));
    }
    raw.request(1, "a.heard", &json!({}));
    raw.request(2, "rpc.ping", &json!({}));
    // The reader has taken the request in, and still the first notification is not handled.
    raw.expect_result(2, &json!({}));
    assert!(heard.lock().unwrap().is_empty());
    release.send(()).unwrap();
    raw.expect_result(1, &json!(all));
}

#[test]
fn what_was_cancelled_before_its_handler_began_is_not_begun() {
    let (release, released) = channel();
    let (began, begun) = channel();
    let (_plugin, mut raw) = End::plugin()
        .hear("a.note", Listener::new(move |_: Number| released.recv_timeout(PATIENCE).unwrap()))
        .on(
            "a.begin",
            Handler::new(move |params: Number, _: &Call| {
                began.send(params.n).map_err(|_| error::internal("gone"))
            }),
        )
        .against_raw();
    raw.notify("a.note", &json!({ "n": 0 }));
    raw.request(1, "a.begin", &json!({ "n": 1 }));
    raw.request(2, "a.begin", &json!({ "n": 2, "_meta": { "deadlineMs": 0 } }));
    raw.request(3, "a.begin", &json!({ "n": 3 }));
    raw.notify("rpc.cancel", &json!({ "id": 1 }));
    raw.request(4, "rpc.ping", &json!({}));
    raw.expect_result(4, &json!({}));
    release.send(()).unwrap();
    let mut answers = [raw.line(), raw.line(), raw.line()];
    answers.sort_by_key(|answer| answer["id"].as_u64());
    assert_eq!(answers[0]["error"]["code"], error::CANCELLED);
    assert_eq!(answers[1]["error"]["code"], error::DEADLINE_EXCEEDED);
    assert_eq!(answers[2]["result"], json!(null));
    assert_eq!(begun.try_iter().collect::<Vec<_>>(), [3]);
}

#[test]
fn an_id_in_flight_comes_twice_to_a_plugin() {
    let gate = gate();
    let (_plugin, mut raw) = End::plugin().on("a.wait", gate.handler.clone()).against_raw();
    raw.request(7, "a.wait", &json!({"n": 1}));
    raw.request(7, "a.wait", &json!({"n": 2}));
    raw.expect_error(&Value::Null, -32600);
    // An invalid request with that id is not answered in the other's stead either.
    raw.send(&json!({"id": 7, "method": "a.wait"}));
    raw.expect_error(&Value::Null, -32600);
    gate.open();
    raw.expect_result(7, &json!(1));
    raw.request(7, "a.wait", &json!({"n": 3}));
    gate.open();
    raw.expect_result(7, &json!(3));
}

#[test]
fn an_id_in_flight_comes_twice_to_a_host() {
    let gate = gate();
    let (host, mut raw) = End::host().on("a.wait", gate.handler.clone()).against_raw();
    raw.request(7, "a.wait", &json!({"n": 1}));
    raw.request(7, "a.wait", &json!({"n": 2}));
    let end = host.end();
    assert!(matches!(end, CloseReason::Violation(Violation::Message { .. })), "{end:?}");
    gate.open();
    let failed = host.call("b.any", &json!({})).unwrap_err();
    assert_eq!(failed.kind(), Kind::ProtocolViolation);
}

#[test]
fn calls_nest_in_both_directions_one_at_a_time() {
    fn dig(call: &Call, n: u32) -> Result<u32, Error> {
        if n == 0 { Ok(0) } else { Ok(call.call::<u32>("a.dig", &Number { n: n - 1 })? + 1) }
    }
    let end = |side| {
        End::new(side)
            .limits(in_flight(1))
            .remote(in_flight(1))
            .on("a.dig", Handler::new(|params: Number, call: &Call| dig(call, params.n)))
    };
    let (host, plugin) = both(end(Side::Host), end(Side::Plugin));
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        for opened in [&host, &plugin] {
            let (connection, barrier) = (&opened.connection, &barrier);
            scope.spawn(move || {
                for _ in 0..50 {
                    barrier.wait();
                    let dug: u32 = connection.call("a.dig", &Number { n: 8 }, patient()).unwrap();
                    assert_eq!(dug, 8);
                }
            });
        }
    });
}

#[test]
fn too_many_at_once_are_refused_after_their_params_are_checked() {
    let gate = gate();
    let (_plugin, mut raw) =
        End::plugin().limits(in_flight(1)).on("a.wait", gate.handler.clone()).against_raw();
    raw.request(1, "a.wait", &json!({"n": 1}));
    raw.request(2, "a.wait", &json!({"n": 2}));
    assert_eq!(raw.expect_error(&json!(2), error::OVERLOADED)["limit"], 1);
    raw.request(3, "a.wait", &json!({"n": "x"}));
    assert_eq!(raw.expect_error(&json!(3), -32602)["errors"][0]["path"], "/n");
    raw.request(4, "a.wait", &json!([1]));
    raw.expect_error(&json!(4), -32602);
    raw.request(5, "a.unknown", &json!([1]));
    raw.expect_error(&json!(5), -32601);
    gate.open();
    raw.expect_result(1, &json!(1));
    // Who has the answer finds the place free.
    raw.request(6, "a.wait", &json!({"n": 6}));
    gate.open();
    raw.expect_result(6, &json!(6));
}

#[test]
fn too_deep_nesting_is_refused() {
    let limits = Limits { max_depth: 1, ..in_flight(1) };
    let (_plugin, mut raw) = End::plugin()
        .limits(limits)
        .on("a.ask", Handler::new(|(), call: &Call| call.call::<Value>("b.answer", &())))
        .on("a.echo", echo())
        .against_raw();
    raw.request(1, "a.ask", &json!({}));
    let asked = raw.line();
    assert_eq!((&asked["method"], &asked["params"]["_meta"]), (&json!("b.answer"), &json!({"parent": 1})));
    raw.request(2, "a.echo", &json!({"_meta": {"parent": asked["id"]}}));
    assert_eq!(raw.expect_error(&json!(2), error::OVERLOADED)["limit"], 1);
    raw.answer(&asked["id"], &json!(5));
    raw.expect_result(1, &json!(5));
}

#[test]
fn a_cancelled_request_is_answered_once() {
    let (_plugin, mut raw) = End::plugin()
        .on("a.sleep", Handler::new(|(), call: &Call| call.sleep(PATIENCE)))
        .on("a.echo", echo())
        .against_raw();
    raw.request(1, "a.sleep", &json!({}));
    for id in [1, 1, 99] {
        raw.notify("rpc.cancel", &json!({ "id": id, "reason": "enough" }));
    }
    raw.expect_error(&json!(1), error::CANCELLED);
    raw.notify("rpc.cancel", &json!({ "id": 1 }));
    raw.request(2, "a.echo", &json!({}));
    raw.expect_result(2, &json!({}));
    raw.notify("rpc.cancel", &json!({ "id": 2 }));
    raw.request(3, "rpc.ping", &json!({}));
    raw.expect_result(3, &json!({}));
}

#[test]
fn a_caller_cancels() {
    let (started, starting) = channel();
    let sleep = Handler::new(move |(), call: &Call| {
        started.send(()).unwrap();
        call.sleep(PATIENCE)
    });
    let (host, _plugin) = both(End::host(), End::plugin().on("a.sleep", sleep));
    let call = host.connection.request("a.sleep", &(), patient()).unwrap();
    starting.recv_timeout(PATIENCE).unwrap();
    call.canceller().cancel(Some("enough"));
    assert!(matches!(call.wait(), Err(CallError::Cancelled)));
    assert_eq!(host.connection.unanswered(), 0);
}

#[test]
fn a_call_is_cancelled_once() {
    let (host, mut raw) = End::host().against_raw();
    let call = host.connection.request("a.b", &(), patient()).unwrap();
    let id = raw.line()["id"].clone();
    let canceller = call.canceller();
    canceller.cancel(Some("enough"));
    canceller.cancel(Some("enough, I said"));
    let cancel = raw.line();
    assert_eq!((&cancel["method"], &cancel["params"]["id"]), (&json!("rpc.cancel"), &id));
    drop(call);
    raw.answer(&id, &json!(null));
    // Whatever else was sent for that call came before the next one.
    let _next = host.connection.request("a.c", &(), patient()).unwrap();
    assert_eq!(raw.line()["method"], "a.c");
}

#[test]
fn a_late_cancel_leaves_detached_callbacks_alone() {
    let (open, opened) = channel();
    let late = Handler::new(move |(), call: &Call| {
        opened.recv_timeout(PATIENCE).map_err(|_| error::internal("never opened"))?;
        Ok::<_, Error>(call.is_cancelled())
    });
    let (host, mut raw) = End::host().on("h.late", late).against_raw();
    let call = host.connection.request("a.b", &(), patient()).unwrap();
    let canceller = call.canceller();
    let id = raw.line()["id"].clone();
    raw.request(1, "h.late", &json!({"_meta": {"parent": id}}));
    raw.answer(&id, &json!(null));
    call.wait().unwrap();
    canceller.cancel(None);
    open.send(()).unwrap();
    raw.expect_result(1, &json!(false));
}

#[test]
fn a_deadline_cancels_and_the_place_is_held_until_the_answer() {
    let (host, mut raw) = End::host().remote(in_flight(1)).unanswered(SHORT).against_raw();
    let late = host.connection.call::<Value>("a.slow", &(), RequestOptions::timeout(SHORT)).unwrap_err();
    assert_eq!(late.kind(), Kind::Timeout);
    let request = raw.line();
    assert_eq!(request["method"], "a.slow");
    assert!(request["params"]["_meta"]["deadlineMs"].as_u64().is_some_and(|ms| ms <= 30), "{request}");
    let cancel = raw.line();
    assert_eq!((&cancel["method"], &cancel["params"]["id"]), (&json!("rpc.cancel"), &request["id"]));
    host.report(|seen| *seen == Seen::Unanswered("a.slow".into()));
    assert_eq!(host.connection.unanswered(), 1);

    let queued = host.connection.call::<Value>("a.queued", &(), RequestOptions::timeout(SHORT)).unwrap_err();
    assert_eq!(queued.kind(), Kind::Timeout);
    thread::scope(|scope| {
        let next = scope.spawn(|| host.call("a.next", &json!({})));
        raw.answer(&request["id"], &json!("too late"));
        // The one that gave up while it waited for the place was never sent.
        let request = raw.line();
        assert_eq!(request["method"], "a.next");
        raw.answer(&request["id"], &json!("in time"));
        assert_eq!(next.join().unwrap().unwrap(), "in time");
    });
    assert_eq!(host.connection.unanswered(), 0);
}

#[test]
fn full_pipes_do_not_lock() {
    const CALLS: usize = 64;
    let (host, plugin) = both(End::host().on("a.echo", echo()), End::plugin().on("a.echo", echo()));
    let params = serde_json::value::to_raw_value(&json!({ "text": "x".repeat(200 * 1024) })).unwrap();
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        for opened in [&host, &plugin] {
            let (connection, barrier, params) = (&opened.connection, &barrier, &params);
            scope.spawn(move || {
                barrier.wait();
                let calls: Vec<_> = (0..CALLS)
                    .map(|_| connection.request("a.echo", params, patient()).expect("there is room in time"))
                    .collect();
                for call in calls {
                    let echoed: Value = call.wait_as().expect("an answer in time");
                    assert_eq!(echoed["text"].as_str().map(str::len), Some(200 * 1024));
                }
            });
        }
    });
}

/// Makes calls over one connection, and says so before.
struct Told {
    direct: Direct,
    asked: Sender<()>,
}

impl Caller for Told {
    fn call(
        &self,
        method: &'static MethodInfo,
        context: Option<&Context>,
        make: &mut MakeCall<'_>,
    ) -> Result<(), CallFailed> {
        self.asked.send(()).unwrap();
        self.direct.call(method, context, make)
    }
}

#[test]
fn a_cancel_ends_the_wait_for_a_place() {
    static WAIT: MethodInfo = MethodInfo { name: "a.wait", idempotent: false };
    let (host, raw) = End::host().remote(in_flight(1)).against_raw();
    let _first = host.connection.request("a.wait", &json!({}), patient()).unwrap();
    raw.line();
    let (asked, is_asked) = channel();
    let told = Told { direct: Direct::new(host.connection.clone(), patient()), asked };
    let Link::There(remote) = Link::<()>::over(Arc::new(told)) else {
        panic!("it is made over a connection")
    };
    let context = Context::new();
    let (over, is_over) = channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let failed = remote.call::<(), CallFailed>(&WAIT, Some(&context), &json!({})).unwrap_err();
            over.send(failed.kind()).unwrap();
        });
        is_asked.recv_timeout(PATIENCE).unwrap();
        context.cancel(None);
        assert_eq!(is_over.recv_timeout(PATIENCE / 2), Ok(Kind::Cancelled));
    });
}

/// Params that have no JSON form, and say so in the worst way.
struct Broken;

impl Serialize for Broken {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("these params cannot be serialised");
    }
}

#[test]
fn params_that_panic_give_their_place_back() {
    let (host, _plugin) = both(End::host().remote(in_flight(1)), End::plugin().on("a.echo", echo()));
    let call = || host.connection.call::<Value>("a.echo", &Broken, patient());
    catch_unwind(AssertUnwindSafe(call)).unwrap_err();
    assert_eq!(host.connection.unanswered(), 0);
    assert_eq!(host.call("a.echo", &json!({"n": 1})).unwrap(), json!({"n": 1}));
}

#[test]
fn pending_calls_fail_when_the_other_end_goes() {
    let (host, raw) = End::host().remote(in_flight(1)).against_raw();
    let call = host.connection.request("a.any", &(), patient()).unwrap();
    thread::scope(|scope| {
        let queued = scope.spawn(|| host.call("a.queued", &json!({})));
        let Raw { write, lines } = raw;
        let sent: Value = serde_json::from_str(&lines.recv_timeout(PATIENCE).unwrap()).unwrap();
        assert_eq!(sent["method"], "a.any");
        drop(write);
        for failed in [call.wait().unwrap_err(), queued.join().unwrap().unwrap_err()] {
            assert!(
                matches!(&failed, CallError::Closed(reason) if matches!(**reason, CloseReason::EndOfFile)),
                "{failed:?}"
            );
        }
        // The host's own end is closed when its owner has seen what there was to see.
        assert_eq!(lines.try_recv(), Err(TryRecvError::Empty));
        host.connection.shut();
        assert_eq!(lines.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
    });
    assert!(matches!(host.end(), CloseReason::EndOfFile));
    assert_eq!(host.call("a.later", &json!({})).unwrap_err().kind(), Kind::Closed);
}

#[test]
fn a_plugin_finishes_what_is_in_flight_at_end_of_file() {
    let gate = gate();
    let (plugin, mut raw) = End::plugin().on("a.wait", gate.handler.clone()).against_raw();
    raw.request(1, "a.wait", &json!({"n": 1}));
    let Raw { write, lines } = raw;
    drop(write);
    assert!(matches!(plugin.end(), CloseReason::EndOfFile));
    gate.open();
    let line: Value = serde_json::from_str(&lines.recv_timeout(PATIENCE).unwrap()).unwrap();
    assert_eq!(line["result"], 1);
    assert!(plugin.connection.flush(PATIENCE));
    assert_eq!(lines.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn a_plugin_finishes_what_it_was_told_at_end_of_file() {
    let (began, begun) = channel();
    let (release, released) = channel();
    let (heard, is_heard) = channel();
    let listener = Listener::new(move |note: Number| {
        began.send(()).unwrap();
        released.recv_timeout(PATIENCE).unwrap();
        heard.send(note.n).unwrap();
    });
    let (plugin, mut raw) = End::plugin().hear("a.note", listener).against_raw();
    raw.notify("a.note", &json!({ "n": 1 }));
    raw.notify("a.note", &json!({ "n": 2 }));
    begun.recv_timeout(PATIENCE).unwrap();
    drop(raw.write);
    plugin.end();
    let (over, is_over) = channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            plugin.connection.drain(None, PATIENCE);
            over.send(()).unwrap();
        });
        assert_eq!(is_over.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
        release.send(()).unwrap();
        release.send(()).unwrap();
        is_over.recv_timeout(PATIENCE).unwrap();
    });
    assert_eq!(is_heard.try_iter().collect::<Vec<_>>(), [1, 2]);
}

/// Says 1, 2, 1, not a number, 2, 3 of three.
fn climbing() -> Handler {
    Handler::new(|(), call: &Call| {
        for step in [1.0, 2.0, 1.0, f64::NAN, 2.0, 3.0] {
            call.progress(step, Some(3.0), None);
        }
        Ok::<_, Error>(())
    })
}

#[test]
fn progress_never_decreases_and_precedes_the_response() {
    let (_plugin, mut raw) = End::plugin().on("a.climb", climbing()).against_raw();
    raw.request(1, "a.climb", &json!({}));
    for step in [1, 2, 2, 3] {
        let params = json!({"id": 1, "progress": step, "total": 3});
        assert_eq!(raw.line(), json!({"jsonrpc": "2.0", "method": "rpc.progress", "params": params}));
    }
    raw.expect_result(1, &Value::Null);
}

#[test]
fn progress_reaches_the_caller() {
    let (host, _plugin) = both(End::host(), End::plugin().on("a.climb", climbing()));
    let mut seen = Vec::new();
    let call = host.connection.request("a.climb", &(), patient()).unwrap();
    call.wait_with_progress(|progress| seen.push(progress.progress)).unwrap();
    assert_eq!(seen, [1.0, 2.0, 2.0, 3.0]);
}

#[test]
fn a_panic_of_a_handler_costs_its_call_only() {
    let panicking = Handler::new(|(), _: &Call| -> Result<(), Error> { panic!("as the test wants") });
    let (_plugin, mut raw) =
        End::plugin().limits(in_flight(1)).on("a.panic", panicking).on("a.echo", echo()).against_raw();
    raw.request(1, "a.panic", &json!({}));
    raw.expect_error(&json!(1), -32603);
    raw.request(2, "a.echo", &json!({"x": 1}));
    raw.expect_result(2, &json!({"x": 1}));
}

#[test]
fn a_panic_of_a_listener_stops_no_later_one() {
    let (heard, hearing) = channel();
    let (plugin, mut raw) = End::plugin()
        .hear("a.panic", Listener::new(|()| panic!("as the test wants")))
        .hear("a.note", Listener::new(move |params: Number| heard.send(params.n).unwrap()))
        .against_raw();
    raw.notify("a.panic", &json!({}));
    raw.notify("a.note", &json!({"n": 5}));
    assert_eq!(hearing.recv_timeout(PATIENCE), Ok(5));
    plugin.report(|seen| matches!(seen, Seen::Ignored(what) if what.contains("panicked")));
}

#[test]
fn an_answer_that_is_too_long_is_replaced() {
    const LIMIT: usize = 64 * 1024;
    let limits = Limits { max_line_bytes: LIMIT, ..Limits::default() };
    let (_plugin, mut raw) = End::plugin().remote(limits).on("a.long", long_answer()).against_raw();
    let around = r#"{"jsonrpc":"2.0","id":1,"result":""}"#.len();
    raw.request(1, "a.long", &json!({ "length": LIMIT - around }));
    raw.expect_result(1, &json!("x".repeat(LIMIT - around)));
    raw.request(1, "a.long", &json!({ "length": LIMIT - around + 1 }));
    let data = raw.expect_error(&json!(1), error::MESSAGE_TOO_LARGE);
    assert_eq!(data, json!({"limit": LIMIT, "size": LIMIT + 1}));
}

#[test]
fn a_request_that_is_too_long_is_not_sent() {
    const LIMIT: usize = 64 * 1024;
    let limits = Limits { max_line_bytes: LIMIT, ..in_flight(1) };
    let (host, plugin) = both(End::host().remote(limits), End::plugin().on("a.echo", echo()));
    let failed = host.call("a.echo", &json!({"text": "x".repeat(LIMIT)})).unwrap_err();
    assert!(matches!(failed, CallError::NotSent(_)), "{failed:?}");
    assert_eq!(failed.kind(), Kind::TooLarge);
    // Its place is free again.
    assert_eq!(host.call("a.echo", &json!({"text": "x"})).unwrap(), json!({"text": "x"}));
    assert!(plugin.connection.closed().is_none());
}

/// A ping of that many bytes before LF.
fn long_ping(id: u64, size: usize) -> Vec<u8> {
    let mut line = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"rpc.ping"}}"#).into_bytes();
    line.resize(size, b' ');
    line.push(b'\n');
    line
}

#[test]
fn a_plugin_skips_a_line_over_the_limit() {
    let limits = Limits { max_line_bytes: 64 * 1024, ..Limits::default() };
    let (plugin, mut raw) = End::plugin().limits(limits).before_handshake().against_raw();
    let check = |raw: &mut Raw, limit: usize| {
        raw.send_bytes(&long_ping(1, limit));
        raw.expect_result(1, &json!({}));
        raw.send_bytes(&long_ping(2, limit + 1));
        let data = raw.expect_error(&Value::Null, error::MESSAGE_TOO_LARGE);
        assert_eq!(data, json!({"limit": limit, "size": limit + 1}));
        raw.request(3, "rpc.ping", &json!({}));
        raw.expect_result(3, &json!({}));
    };
    check(&mut raw, HANDSHAKE_LINE_BYTES);
    plugin.connection.agree(remote(Limits::default()));
    check(&mut raw, limits.max_line_bytes);
}

#[test]
fn a_host_closes_on_a_line_over_the_limit() {
    let (host, mut raw) = End::host().before_handshake().against_raw();
    let call = host.connection.request("a.any", &(), patient()).unwrap();
    assert_eq!(raw.line()["method"], "a.any");
    raw.send_bytes(&vec![b'{'; HANDSHAKE_LINE_BYTES + 1]);
    let end = host.end();
    let limit = HANDSHAKE_LINE_BYTES;
    assert!(matches!(end, CloseReason::Violation(Violation::TooLong { limit: l }) if *l == limit), "{end:?}");
    assert_eq!(call.wait().unwrap_err().kind(), Kind::TooLarge);
}

#[test]
fn what_a_handler_called_for_a_call_ends_with_that_call() {
    let (held, holding) = channel();
    let (let_go, ended) = channel();
    let host = End::host().on(
        "h.ask",
        Handler::new(|params: Value, call: &Call| call.call::<Value>("a.hold", &params).map_err(Error::from)),
    );
    let plugin = End::plugin()
        .on(
            "a.ask",
            Handler::new(|params: Value, call: &Call| {
                call.call::<Value>("h.ask", &params).map_err(Error::from)
            }),
        )
        .on(
            "a.hold",
            Handler::new(move |_: Value, call: &Call| {
                held.send(()).unwrap();
                let ended = call.sleep(6 * PATIENCE);
                let_go.send(ended.clone().map_err(|error| error.code.code())).unwrap();
                ended
            }),
        );
    let (host, _plugin) = both(host, plugin);
    let call = host.connection.request("a.ask", &json!({}), patient()).unwrap();
    holding.recv_timeout(PATIENCE).unwrap();
    call.canceller().cancel(Some("enough"));
    assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), Err(error::CANCELLED));
    assert!(matches!(call.wait(), Err(CallError::Cancelled)));
}

#[test]
fn what_is_ignored_is_told_in_short() {
    let (plugin, mut raw) = End::plugin().hear("a.note", Listener::new(|_: Number| ())).against_raw();
    raw.notify(&"x".repeat(100_000), &json!({}));
    raw.notify("a.note", &json!({"n": "x".repeat(100_000)}));
    for _ in 0..2 {
        let Seen::Ignored(what) = plugin.report(|_| true) else { panic!("something else was reported") };
        assert!(what.len() < 1000, "{} bytes", what.len());
    }
}
