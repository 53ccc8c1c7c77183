//! What the plugin asks of its host.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use plugline_host::{Call, CallOptions, Canceller, Direction, Kind, WireError, callback_error};
use serde_json::{Value, json};

use crate::support::{PATIENCE, cancelling, eventually, kind, start_with};

fn call_back(method: &str, params: &Value) -> Value {
    json!({"method": method, "params": params})
}

#[test]
fn a_callback_gets_its_params_and_its_answer_gets_back() {
    let plugin = start_with("plugin", &json!({}), |launch| {
        launch
            .callback("host.add", |(a, b): (i64, i64), _: &Call| Ok::<_, WireError>(a + b))
            .callback("host.echo", |params: Value, _: &Call| Ok::<_, WireError>(params))
            .callback("host.fail", |_: Value, _: &Call| {
                Err::<(), _>(callback_error(12, "out of stock", Some(json!({"left": 0}))))
            })
            .callback("host.panic", |_: Value, _: &Call| -> Result<(), WireError> { panic!("on purpose") })
    });
    let echoed: Value = plugin.call("t.call_back", &call_back("host.echo", &json!({"a": [1]}))).unwrap();
    assert_eq!(echoed, json!({"a": [1]}));

    let rows = [
        ("host.fail", json!({}), 12, "out of stock"),
        ("host.panic", json!({}), -32603, "panicked"),
        ("host.unknown", json!({}), -32601, "host.unknown"),
        ("rpc.unknown", json!({}), -32601, "rpc.unknown"),
        ("host.add", json!({"a": "one"}), -32602, ""),
    ];
    for (method, params, code, word) in rows {
        let error = plugin.call::<Value>("t.call_back", &call_back(method, &params)).unwrap_err();
        assert_eq!(error.kind(), Kind::RemoteError, "{error}");
        let remote = error.remote().unwrap();
        assert_eq!(remote.code.code(), code, "{error}");
        assert!(remote.message.contains(word), "{error}");
    }
    plugin.assert_alive();
}

#[test]
fn calls_nest_five_deep_also_where_one_is_taken_at_a_time() {
    for in_flight in [64, 1] {
        let hello = json!({"limits": {"maxInFlight": in_flight}, "capabilities": {"callbacks": {}}});
        let plugin = start_with("plugin", &hello, |launch| {
            launch.callback("host.nest", |params: Value, call: &Call| {
                let below: u64 = call.call("t.nest", &params)?;
                Ok::<_, WireError>(below + 100)
            })
        });
        assert_eq!(plugin.call::<u64>("t.nest", &json!({"depth": 5})).unwrap(), 505);
    }
}

#[test]
fn notifications_come_in_order_and_before_what_follows_them() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    let behind = Arc::clone(&heard);
    let plugin = start_with("plugin", &json!({}), |launch| {
        launch
            .on_notification("host.note", move |note: Value| {
                listener.lock().unwrap().push(note["number"].as_u64().unwrap());
            })
            .callback("host.count", move |_: Value, _: &Call| {
                Ok::<_, WireError>(behind.lock().unwrap().len())
            })
    });
    plugin.call::<()>("t.notify", &json!({"count": 1000})).unwrap();
    let count: usize = plugin.call("t.call_back", &call_back("host.count", &json!({}))).unwrap();
    assert_eq!(count, 1000);
    assert_eq!(*heard.lock().unwrap(), (0..1000).collect::<Vec<u64>>());
}

#[test]
fn the_callbacks_of_a_cancelled_call_are_cancelled() {
    let (entered, enter) = channel();
    let (ended, end) = channel();
    let plugin = start_with("plugin", &cancelling(), |launch| {
        launch.callback("host.wait", move |_: Value, call: &Call| {
            entered.send(()).unwrap();
            let outcome = call.sleep(PATIENCE);
            ended.send(outcome.clone()).unwrap();
            outcome
        })
    });
    let call =
        plugin.begin("t.call_back", &call_back("host.wait", &json!({})), CallOptions::default()).unwrap();
    enter.recv_timeout(PATIENCE).unwrap();
    call.canceller().cancel(None);
    assert_eq!(end.recv_timeout(PATIENCE).unwrap().unwrap_err().code.code(), -32004);
    assert_eq!(kind(call.wait::<Value>()), Kind::Cancelled);
    // Those that come later still run.
    let error = plugin.call::<Value>("t.call_back", &call_back("host.other", &json!({}))).unwrap_err();
    assert_eq!(error.remote().unwrap().code.code(), -32601);
}

#[test]
fn a_callback_in_flight_when_the_plugin_ends_harms_nobody() {
    let (entered, enter) = channel();
    let (done, finished) = channel();
    let (leave, may_leave) = channel::<()>();
    let may_leave = Mutex::new(may_leave);
    let plugin = start_with("plugin", &json!({}), |launch| {
        launch.callback("host.wait", move |_: Value, _: &Call| {
            entered.send(()).unwrap();
            may_leave.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            done.send(()).unwrap();
            Ok::<_, WireError>(())
        })
    });
    let call =
        plugin.begin("t.call_back", &call_back("host.wait", &json!({})), CallOptions::default()).unwrap();
    enter.recv_timeout(PATIENCE).unwrap();
    rustix::process::kill_process(crate::support::pid(plugin.id()), rustix::process::Signal::KILL).unwrap();
    assert_eq!(kind(call.wait::<Value>()), Kind::PluginExited);
    leave.send(()).unwrap();
    finished.recv_timeout(PATIENCE).unwrap();
    eventually("nothing is in flight", || plugin.in_flight() == 0);
}

#[test]
fn a_transcript_may_cancel_the_call_whose_callback_is_answered() {
    let canceller = Arc::new(Mutex::new(None::<Canceller>));
    let (begun, held) = (Arc::clone(&canceller), Arc::clone(&canceller));
    let plugin = start_with("plugin", &cancelling(), move |launch| {
        launch
            .callback("host.echo", move |params: Value, _: &Call| {
                eventually("the call is known", || begun.lock().unwrap().is_some());
                Ok::<_, WireError>(params)
            })
            .transcript(move |direction, line| {
                if direction == Direction::Sent && memmem(line, b"\"result\"") {
                    held.lock().unwrap().as_ref().unwrap().cancel(None);
                }
            })
    });
    let call =
        plugin.begin("t.call_back", &call_back("host.echo", &json!({})), CallOptions::default()).unwrap();
    *canceller.lock().unwrap() = Some(call.canceller());
    // Cancelled, or done already: it ends.
    let _either = call.wait::<Value>();
    // And the next callback is taken.
    let echoed: Value = plugin.call("t.call_back", &call_back("host.echo", &json!({"a": 1}))).unwrap();
    assert_eq!(echoed, json!({"a": 1}));
}

fn memmem(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}
