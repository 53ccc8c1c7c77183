//! Streams of a plugin as a process, over raw pipes, and within this process.

use std::time::Duration;

use plugline_protocol::peer::RequestOptions;
use plugline_sdk::testing::Harness;
use plugline_sdk::{Call, CallError, Error, Input, Limits, Method, Output, Plugin};
use serde_json::{Value, json};

use crate::process::{PATIENCE, Process, all_capabilities};

const WINDOW: usize = 65_536;

fn items(line: &Value) -> &Value {
    assert_eq!(line["method"], "rpc.output", "{line}");
    &line["params"]["items"]
}

#[test]
fn output_precedes_the_summary() {
    let mut rough = Process::rough();
    rough.request(1, "rough.count", &json!({"n": 3}));
    let params = json!({"id": 1, "items": [1, 2, 3]});
    assert_eq!(rough.line(), json!({"jsonrpc": "2.0", "method": "rpc.output", "params": params}));
    rough.expect_result(1, &Value::Null);
    rough.request(2, "rough.count", &json!({"n": 0}));
    rough.expect_result(2, &Value::Null);
    rough.end().expect_silent();
}

#[test]
fn output_waits_for_credit_and_heeds_cancel() {
    let mut rough = Process::rough_with(&json!({ "streamWindowBytes": WINDOW }), &all_capabilities());
    rough.request(1, "rough.fill", &json!({"items": 1_000_000, "width": 30_000}));
    let first = rough.line();
    let (zeros, cost) = (items(&first)[0].as_str().unwrap().to_owned(), first.to_string().len() + 1);
    assert_eq!(zeros, "A".repeat(40_000));
    assert_eq!(items(&rough.line()), &json!([zeros]));
    rough.notify("rpc.outputCredit", &json!({"id": 1, "bytes": 2 * cost - WINDOW}));
    rough.ping();
    rough.notify("rpc.outputCredit", &json!({"id": 1, "bytes": 1}));
    assert_eq!(items(&rough.line()), &json!([zeros]));
    rough.notify("rpc.cancel", &json!({"id": 1}));
    rough.expect_error(&json!(1), -32004);
    let data = rough.error("rough.fill", &json!({"items": 1, "width": 60_000}), -32007);
    assert_eq!(data["limit"], WINDOW - 1);
    // A deadline that passes while it waits.
    rough.request(2, "rough.fill", &json!({"items": 9, "width": 40_000, "_meta": {"deadlineMs": 30}}));
    let answer = std::iter::repeat_with(|| rough.line()).find(|line| line["method"] != "rpc.output").unwrap();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(2), &json!(-32005)));
    rough.end().expect_silent();
}

#[test]
fn input_is_taken_until_it_is_complete_or_enough() {
    let mut rough = Process::rough();
    rough.request(1, "rough.sum", &json!({}));
    rough.notify("rpc.input", &json!({"id": 1, "items": [1, 2]}));
    rough.notify("rpc.input", &json!({"id": 1, "items": [39]}));
    rough.notify("rpc.inputEnd", &json!({"id": 1}));
    rough.expect_result(1, &json!(42));
    rough.request(2, "rough.sum", &json!({}));
    rough.notify("rpc.input", &json!({"id": 2, "items": [1, 0, 5]}));
    rough.expect_result(2, &json!(1));
    rough.notify("rpc.input", &json!({"id": 2, "items": [5]}));
    rough.request(3, "rough.sum", &json!({}));
    rough.notify("rpc.input", &json!({"id": 3, "items": [1, "x"]}));
    rough.expect_error(&json!(3), -32602);
    // The rules of input.
    rough.request(4, "rough.sleep", &json!({"ms": 3_600_000}));
    rough.expect_begun(4);
    rough.notify("rpc.input", &json!({"id": 4, "items": []}));
    rough.expect_error(&json!(4), -32008);
    rough.end().expect_silent();
}

#[test]
fn credit_is_given_for_half_a_window() {
    let mut rough = Process::rough();
    rough.request(1, "rough.sum", &json!({}));
    let line = |spaces: usize| {
        let spaces = " ".repeat(spaces);
        format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"rpc.input\",\"params\":{{\"id\":1,\"items\":[7{spaces}]}}}}\r\n"
        )
    };
    // Half of 256 KiB, in two lines.
    let lines = [line(100_000), line(131_072 - 100_000 - 2 * line(0).len())];
    for line in &lines {
        rough.send_bytes(line.as_bytes());
    }
    let params = json!({"id": 1, "bytes": 131_072});
    assert_eq!(rough.line(), json!({"jsonrpc": "2.0", "method": "rpc.inputCredit", "params": params}));
    rough.notify("rpc.inputEnd", &json!({"id": 1}));
    rough.expect_result(1, &json!(14));
    rough.end().expect_silent();
}

#[test]
fn both_ways_at_once() {
    let mut rough = Process::rough();
    rough.request(1, "rough.double", &json!({}));
    for number in [1, 2, 21] {
        rough.notify("rpc.input", &json!({"id": 1, "items": [number]}));
        assert_eq!(items(&rough.line()), &json!([2 * number]));
    }
    rough.notify("rpc.inputEnd", &json!({"id": 1}));
    rough.expect_result(1, &Value::Null);
    rough.end().expect_silent();
}

#[test]
fn half_an_input_is_not_taken_for_all_of_it() {
    let mut rough = Process::rough();
    rough.request(1, "rough.sum", &json!({}));
    rough.notify("rpc.input", &json!({"id": 1, "items": [1]}));
    rough.ping();
    rough.close_stdin();
    rough.expect_error(&json!(1), -32004);
    rough.end().expect_silent();
}

#[test]
fn a_host_without_streams_finds_no_such_method() {
    let mut rough = Process::rough_with(&json!({}), &json!({}));
    for method in ["rough.count", "rough.sum", "rough.double"] {
        rough.error(method, &json!({}), -32601);
    }
    rough.end().expect_silent();
}

#[test]
fn the_manifest_says_what_items_are() {
    let mut rough = Process::rough();
    let manifest = rough.result("rpc.discover", &json!({}));
    let own = |name: &str| {
        let methods = manifest["methods"].as_array().unwrap();
        methods.iter().find(|method| method["name"] == name).unwrap()["x-plugline"].clone()
    };
    let count = own("rough.count");
    assert_eq!(count["output"], json!({"type": "integer", "format": "uint32", "minimum": 0}));
    let example = json!({"name": "two", "params": {"n": 2}, "output": [1, 2], "result": null});
    assert_eq!(count["examples"], json!([example]));
    assert_eq!(own("rough.fill")["output"], json!({"type": "string", "contentEncoding": "base64"}));
    let integer = json!({"type": "integer", "format": "int64"});
    assert_eq!(own("rough.sum"), json!({ "input": integer }));
    assert_eq!(own("rough.double"), json!({"input": integer, "output": integer}));
    rough.end().expect_silent();
}

fn words() -> Plugin {
    Plugin::new("words", "0.1.0")
        .provides("words", "1.0.0")
        .limits(Limits { stream_window_bytes: WINDOW, ..Limits::default() })
        .method(Method::with_output(
            "words.split",
            |(), Text { text }, _: &Call, output: Output<'_, String>| {
                let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
                output.send_all(&words)?;
                Ok::<_, Error>(words.len())
            },
        ))
        .method(Method::with_input("words.join", |(), (), _: &Call, input: Input<'_, String>| {
            Ok::<_, Error>(input.collect::<Result<Vec<_>, _>>()?.join(" "))
        }))
        .method(Method::with_input_and_output(
            "words.shout",
            |(), (), call: &Call, input: Input<'_, String>, output: Output<'_, String>| {
                for word in input {
                    call.check()?;
                    output.send(&word?.to_uppercase())?;
                }
                Ok::<_, Error>(())
            },
        ))
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Text {
    text: String,
}

#[test]
fn a_harness_has_streams() {
    let words = Harness::new().start(words()).unwrap();
    assert!(words.hello().capabilities.streams.is_some());
    let (split, count): (Vec<String>, usize) =
        words.collect("words.split", &json!({"text": "a b c"})).unwrap();
    assert_eq!((split, count), (vec!["a".into(), "b".into(), "c".into()], 3));
    let (none, joined): (Vec<Value>, String) = words.feed("words.join", &(), &["a", "b"]).unwrap();
    assert_eq!((none.len(), joined.as_str()), (0, "a b"));
    // More than both windows.
    let long = vec!["word".repeat(1000); 200];
    let (shouted, ()): (Vec<String>, ()) = words.feed("words.shout", &(), &long).unwrap();
    assert_eq!(shouted, vec!["WORD".repeat(1000); 200]);
    let failed = words.feed::<Value, Value>("words.join", &(), &[json!("a"), json!(1)]).unwrap_err();
    assert!(matches!(failed, CallError::Remote(ref error) if error.code.code() == -32602), "{failed}");
    let failed = words.feed::<Value, Value>("words.join", &(), &["x".repeat(WINDOW)]).unwrap_err();
    assert!(matches!(failed, CallError::NotSent(_)), "{failed}");
}

#[test]
fn a_plugin_without_such_methods_declares_no_streams() {
    let plain = Plugin::new("plain", "0.1.0").provides("plain", "1.0.0");
    assert!(Harness::new().start(plain).unwrap().hello().capabilities.streams.is_none());
}

#[test]
fn a_shutdown_ends_what_waits_for_the_host() {
    let words = Harness::new().start(words()).unwrap();
    let options = || RequestOptions::timeout(PATIENCE).output();
    let text = "a word ".repeat(100_000);
    let split = words.connection().request("words.split", &json!({ "text": text }), options()).unwrap();
    let (join, _input) = words.connection().request_with_input("words.join", &(), options()).unwrap();
    words.shut_down(Duration::ZERO).unwrap();
    for call in [split, join] {
        let CallError::Remote(error) = call.wait().unwrap_err() else { panic!("it was answered") };
        assert_eq!(error.code.code(), -32004);
    }
}
