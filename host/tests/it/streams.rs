//! Streams with real processes: a plugin that keeps the rules without an SDK, and one that does not.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use plugline_host::{Bytes, CallOptions, Direction, Error, Kind, Limits, OutputStream, Plugin};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::{PATIENCE, Running, SHORT, TIMEOUTS, eventually, hex, kind, python, start, start_with};

/// What both sides of these tests accept; the plugin behind the specification's transcripts, too.
const WINDOW: usize = 64 * 1024;

/// Every line that passed.
#[derive(Debug, Clone, Default)]
struct Wire(Arc<Mutex<Vec<(Direction, Value, usize)>>>);

impl Wire {
    fn see(&self, direction: Direction, line: &[u8]) {
        let message = serde_json::from_slice(line).unwrap();
        self.0.lock().unwrap().push((direction, message, line.len() + 1));
    }

    /// Walks through the stream of one way: checks that nothing was sent without credit, and says what was sent
    /// and what was granted.
    #[track_caller]
    fn check(&self, items: &str, credit: &str) -> (usize, usize) {
        let (mut sent, mut granted) = (0, 0);
        for (_, message, size) in &*self.0.lock().unwrap() {
            if message["method"] == items {
                assert!(sent < WINDOW + granted, "{sent} bytes were sent, {granted} granted");
                assert!(*size <= WINDOW, "a line of {size} bytes");
                sent += size;
            } else if message["method"] == credit {
                granted += usize::try_from(message["params"]["bytes"].as_u64().unwrap()).unwrap();
            }
        }
        (sent, granted)
    }
}

/// The plugin behind the transcripts of the specification, which has no SDK.
fn demo() -> (Plugin, Wire) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/tests/spec/plugin.py");
    let wire = Wire::default();
    let seen = wire.clone();
    let plugin = Plugin::command(python())
        .arg("-SB")
        .arg(script)
        .timeouts(TIMEOUTS)
        .limits(Limits { stream_window_bytes: WINDOW, ..Limits::default() })
        .transcript(move |direction, line| seen.see(direction, line))
        .start()
        .unwrap();
    (plugin, wire)
}

/// A plugin that declares streams and does as it is told.
fn faulty() -> Running {
    let hello =
        json!({"capabilities": {"cancel": {}, "streams": {}}, "limits": {"streamWindowBytes": WINDOW}});
    start_with("plugin", &hello, |launch| {
        launch.limits(Limits { stream_window_bytes: WINDOW, ..Limits::default() })
    })
}

impl Running {
    /// A stream whose call has the plugin write these lines, `$ID` being its id.
    fn tell(&self, lines: &str) -> OutputStream<Value, Value> {
        self.stream("t.say", &json!({ "hex": hex(lines) }), CallOptions::default()).unwrap()
    }
}

fn output(items: &Value) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"method\":\"rpc.output\",\"params\":{{\"id\":$ID,\"items\":{items}}}}}\n")
}

#[test]
fn output_of_a_plugin_without_an_sdk() {
    const WIDTH: usize = 1000;
    let (plugin, wire) = demo();
    let params = json!({"lines": 500, "width": WIDTH});
    let mut stream = plugin.stream::<String, ()>("demo.fill", &params, CallOptions::default()).unwrap();
    // An id of one digit, quotes and all around.
    let line = output(&json!(["x".repeat(WIDTH)])).replace("$ID", "0").len();
    for taken in 1..=500 {
        assert_eq!(stream.next().unwrap().unwrap().len(), WIDTH);
        let (_, granted) = wire.check("rpc.output", "rpc.outputCredit");
        // When the plugin has answered, which it cannot while more than a window is to come, nothing is granted.
        let answered = (500 - taken) * line < 2 * WINDOW;
        assert!(
            answered || taken * line - granted < WINDOW / 2,
            "{} bytes taken, {granted} granted",
            taken * line
        );
    }
    assert!(stream.next().is_none());
    stream.finish().unwrap();
    assert_eq!(wire.check("rpc.output", "rpc.outputCredit").0, 500 * line);
    plugin.stop();
}

#[test]
fn input_of_a_plugin_without_an_sdk() {
    let (plugin, wire) = demo();
    let (input, call) = plugin.begin_with_input::<i64>("demo.sum", &(), CallOptions::default()).unwrap();
    for number in 0..3000 {
        input.send(&number).unwrap();
    }
    let more = Vec::from_iter(3000..100_000);
    input.send_all(&more).unwrap();
    input.finish().unwrap();
    assert_eq!(call.wait::<i64>().unwrap(), (0..100_000_i64).sum::<i64>());
    let (sent, granted) = wire.check("rpc.input", "rpc.inputCredit");
    assert!(sent > 8 * WINDOW && sent - granted < WINDOW / 2, "{sent} bytes sent, {granted} granted");
    plugin.stop();
}

#[test]
fn both_ways_at_once_with_a_plugin_without_an_sdk() {
    let (plugin, wire) = demo();
    let (input, stream) =
        plugin.stream_with_input::<i64, i64, ()>("demo.double", &(), CallOptions::default()).unwrap();
    let sender = thread::spawn(move || {
        (0..3000).try_for_each(|number| input.send(&number))?;
        input.finish()
    });
    let doubled: Vec<i64> = stream.map(Result::unwrap).collect();
    assert_eq!(doubled, (0..3000).map(|number| 2 * number).collect::<Vec<_>>());
    sender.join().unwrap().unwrap();
    wire.check("rpc.input", "rpc.inputCredit");
    wire.check("rpc.output", "rpc.outputCredit");
    plugin.stop();
}

#[test]
fn a_plugin_that_fails_ends_its_input() {
    let (plugin, _) = demo();
    let (input, call) = plugin.begin_with_input::<Value>("demo.sum", &(), CallOptions::default()).unwrap();
    input.send(&json!("no number")).unwrap();
    let ended = loop {
        if let Err(ended) = input.send(&json!(1)) {
            break ended;
        }
    };
    assert_eq!(
        ended.to_string(),
        "demo.sum failed: the call ended: it was answered before its input was complete"
    );
    assert_eq!(call.wait::<i64>().unwrap_err().remote().unwrap().code.code(), -32602);
    plugin.stop();
}

#[test]
fn what_came_is_taken_before_it_is_told_that_the_plugin_died() {
    let plugin = faulty();
    let mut stream = plugin.tell(&(output(&json!([1, 2])) + &output(&json!([3]))));
    let leaving =
        plugin.begin("t.leave", &json!({"status": 3, "words": "out of paper\n"}), CallOptions::default());
    assert_eq!(kind(leaving.unwrap().wait::<Value>()), Kind::PluginExited);
    let seen: Vec<Result<Value, Error>> = stream.by_ref().collect();
    let [Ok(_), Ok(_), Ok(_), Err(died)] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(died.kind(), Kind::PluginExited);
    let evidence = died.evidence().unwrap();
    assert_eq!(
        (evidence.exit.unwrap().code, &evidence.stderr_tail[..]),
        (Some(3), &["out of paper".into()][..])
    );
    assert_eq!(kind(stream.finish()), Kind::PluginExited);
}

#[test]
fn an_error_comes_after_the_items_before_it() {
    let plugin = faulty();
    let error = r#"{"jsonrpc":"2.0","id":$ID,"error":{"code":7,"message":"no more"}}"#;
    let seen: Vec<_> = plugin.tell(&format!("{}{error}\n", output(&json!([1])))).collect();
    let [Ok(_), Err(failed)] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(failed.remote().unwrap().code.code(), 7);
    plugin.assert_alive();
}

#[test]
fn a_plugin_that_breaks_the_rules_is_stopped() {
    let wide = || output(&json!(["x".repeat(40_000)]));
    for (lines, said) in [
        (wide() + &wide() + &wide(), "output of t.say: items without credit"),
        (output(&json!(["x".repeat(WINDOW)])), "over the window of 65536"),
    ] {
        let plugin = faulty();
        let other = plugin.begin("t.hold", &json!({}), CallOptions::default()).unwrap();
        // Nothing is taken before it is broken.
        let stream = plugin.tell(&lines);
        assert_eq!(kind(other.wait::<Value>()), Kind::StreamViolation);
        let broken = stream.last().unwrap().unwrap_err();
        assert_eq!(broken.kind(), Kind::StreamViolation);
        assert!(broken.to_string().contains(said), "{broken}");
    }
    // Output on a call that was made without.
    let plugin = faulty();
    let broken = plugin.say::<Value>(output(&json!([1]))).unwrap_err();
    assert_eq!(broken.kind(), Kind::StreamViolation);
    assert!(broken.to_string().contains("items where there is no stream"), "{broken}");
}

#[test]
fn a_plugin_without_streams_is_not_asked_for_any() {
    let plugin = start("plugin");
    let refused = plugin.stream::<Value, Value>("t.echo", &json!({}), CallOptions::default()).unwrap_err();
    assert_eq!(refused.kind(), Kind::Unsupported);
    let refused = plugin.begin_with_input::<Value>("t.echo", &json!({}), CallOptions::default()).unwrap_err();
    assert_eq!(refused.kind(), Kind::Unsupported);
    assert_eq!(plugin.saw("t.echo"), 0);
    assert_eq!(plugin.in_flight(), 0);
}

#[test]
fn a_method_without_output_gives_none() {
    let plugin = faulty();
    let mut stream =
        plugin.stream::<Value, Box<RawValue>>("t.echo", &json!({"n": 1}), CallOptions::default()).unwrap();
    assert!(stream.next().is_none());
    assert_eq!(stream.finish().unwrap().get(), r#"{"n": 1}"#, "as the plugin wrote it");
}

#[test]
fn a_stream_ends_when_it_is_dropped_or_cancelled_or_late() {
    let plugin = faulty();
    let hold = |options| plugin.stream::<Value, Value>("t.hold", &json!({}), options).unwrap();
    drop(hold(CallOptions::default()));
    let mut stream = hold(CallOptions::default());
    stream.canceller().cancel(None);
    assert_eq!(kind(stream.next().unwrap()), Kind::Cancelled);
    assert!(stream.next().is_none());
    assert_eq!(kind(stream.finish()), Kind::Cancelled);
    assert_eq!(kind(hold(CallOptions::timeout(SHORT)).next().unwrap()), Kind::Timeout);
    eventually("the answers free the places", || plugin.in_flight() == 0);
    assert_eq!(plugin.saw("rpc.cancel"), 3);
}

#[test]
fn an_input_that_is_dropped_cancels_its_call() {
    let plugin = faulty();
    let options = CallOptions::timeout(PATIENCE);
    let (input, call) = plugin.begin_with_input("t.hold", &json!({}), options).unwrap();
    input.send(&Bytes(vec![0, 255])).unwrap();
    drop(input);
    assert_eq!(kind(call.wait::<Value>()), Kind::Cancelled);
    assert_eq!((plugin.saw("rpc.cancel"), plugin.saw("rpc.inputEnd")), (1, 0));
    let sent = plugin.seen().into_iter().find(|message| message["method"] == "rpc.input").unwrap();
    assert_eq!(sent["params"]["items"], json!(["AP8="]));

    let (input, call) = plugin.begin_with_input::<Value>("t.echo", &json!({}), options).unwrap();
    call.wait::<Value>().unwrap();
    drop(input);
    assert_eq!(plugin.saw("rpc.cancel"), 1, "there is nothing left to cancel");
}

#[test]
fn an_item_that_cannot_fit_ends_the_call() {
    let plugin = faulty();
    let (input, call) = plugin.begin_with_input("t.hold", &json!({}), CallOptions::default()).unwrap();
    let refused = input.send(&"x".repeat(WINDOW)).unwrap_err();
    assert_eq!(refused.kind(), Kind::TooLarge);
    assert_eq!(kind(call.wait::<Value>()), Kind::TooLarge);
    eventually("the plugin is told", || plugin.in_flight() == 0);
    assert_eq!((plugin.saw("rpc.cancel"), plugin.saw("rpc.input")), (1, 0));
}
