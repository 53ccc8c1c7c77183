//! Lines that are no valid messages, and answers that answer nothing.

use plugline_host::{CallOptions, EventKind, Kind};
use serde_json::{Value, json};

use crate::support::{SHORT, hex, kind, start, start_with};

/// What the plugin writes in place of an answer breaks the connection, and with it every pending call.
#[test]
fn violations_end_all_calls() {
    let rows: [(&[u8], &str); 22] = [
        (
            br#"{"jsonrpc":"2.0","id":$ID,"result":1,"error":{"code":1,"message":"m"}}"#,
            "both a result and an error",
        ),
        (br#"{"jsonrpc":"2.0","id":$ID,"result":1,"error":null}"#, "both a result and an error"),
        (br#"{"jsonrpc":"2.0","id":$ID,"result":1,"method":"a.b"}"#, "both a method and a result"),
        (br#"{"jsonrpc":"2.0","id":$ID}"#, "neither"),
        (br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m"}}"#, "null id"),
        (br#"{"jsonrpc":"2.0","id":null,"result":1}"#, "without a valid id"),
        (br#"{"jsonrpc":"2.0","result":1}"#, "without a valid id"),
        (br#"{"jsonrpc":"2.0","id":-1,"result":1}"#, "without a valid id"),
        (br#"{"jsonrpc":"2.0","id":$ID.0,"result":1}"#, "without a valid id"),
        (br#"{"id":$ID,"result":1}"#, "jsonrpc"),
        (br#"{"jsonrpc":"1.0","id":$ID,"result":1}"#, "jsonrpc"),
        (br#"{"jsonrpc":"2.0","id":$ID,"error":"oops"}"#, "integer code"),
        (br#"{"jsonrpc":"2.0","id":$ID,"id":$ID,"result":1}"#, "stands twice"),
        (br#"{"jsonrpc":"2.0","id":-1,"method":"host.f"}"#, "id"),
        (br#"{"jsonrpc":"2.0","id":null,"method":"host.f"}"#, "id"),
        (br#"{"jsonrpc":"2.0","id":{},"method":"host.f"}"#, "id"),
        (br#"{"jsonrpc":"2.0","id":1,"method":"host.f","params":7}"#, "params"),
        (br#"{"id":1,"method":"host.f"}"#, "jsonrpc"),
        (br#"{"jsonrpc":"2.0","method":5}"#, "method is a string"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":\"\xff\x1b\"}", "\\xff"),
        (br#"{"jsonrpc":"2.0","id":$ID,"result":"#, "EOF"),
        (br#"[{"jsonrpc":"2.0","id":$ID,"result":1}]"#, "stray output: [{"),
    ];
    for (line, word) in rows {
        let name = String::from_utf8_lossy(line).into_owned();
        let plugin = start("plugin");
        let held = plugin.begin("t.hold", &json!({}), CallOptions::default()).unwrap();
        let error = plugin.say::<Value>([line, b"\n"].concat()).unwrap_err();
        assert_eq!(error.kind(), Kind::ProtocolViolation, "{name}: {error}");
        assert!(error.to_string().contains(word), "{name}: {error}");
        assert!(!error.to_string().contains('\u{1b}'), "{name}: {error}");
        assert_eq!(kind(held.wait::<Value>()), Kind::ProtocolViolation, "{name}");
        assert_eq!(kind(plugin.ping()), Kind::ProtocolViolation, "{name}");
        let wanted = plugin.event("exit", |event| match event {
            EventKind::Exited { wanted, .. } => Some(wanted),
            _ => None,
        });
        assert!(!wanted, "{name}");
        plugin.processes.assert_gone();
    }
}

/// An answer to nobody is reported, and the call it was meant for has its own deadline.
#[test]
fn wrong_ids_are_ignored_and_reported() {
    let rows: [(&[u8], &str); 4] = [
        (br#"{"jsonrpc":"2.0","id":9007199254740991,"result":1}"#, "9007199254740991"),
        (br#"{"jsonrpc":"2.0","id":"$ID","result":1}"#, "unknown id \""),
        (br#"{"jsonrpc":"2.0","id":"\u001b[2J","result":1}"#, "unknown id"),
        (br#"{"jsonrpc":"2.0","id":4096,"error":{"code":1,"message":"m"}}"#, "4096"),
    ];
    let plugin = start("plugin");
    for (line, word) in rows {
        let params = json!({"hex": hex([line, b"\n"].concat())});
        let call = plugin.begin("t.say", &params, CallOptions::timeout(SHORT)).unwrap();
        let text = plugin.event("ignored answer", |event| match event {
            EventKind::Ignored(text) => Some(text),
            _ => None,
        });
        assert!(text.contains(word) && !text.contains('\u{1b}'), "{text}");
        assert_eq!(kind(call.wait::<Value>()), Kind::Timeout, "{text}");
    }
    plugin.assert_alive();
}

#[test]
fn notifications_that_cannot_be_taken_are_ignored_and_reported() {
    let rows: [&[u8]; 6] = [
        br#"{"method":"host.note","params":{"number":1}}"#,
        br#"{"jsonrpc":"2.0","method":"host.note","params":[1]}"#,
        br#"{"jsonrpc":"2.0","method":"host.note","params":{"number":"one"}}"#,
        br#"{"jsonrpc":"2.0","method":"host.unknown","params":{}}"#,
        br#"{"jsonrpc":"2.0","method":"rpc.progress","params":{"id":{},"progress":"half"}}"#,
        br#"{"jsonrpc":"2.0","method":"rpc.log","params":{"level":"loud","message":"m"}}"#,
    ];
    #[derive(serde::Deserialize)]
    struct Note {
        #[serde(rename = "number")]
        _number: u32,
    }
    let plugin = start_with("plugin", &json!({}), |launch| {
        launch.on_notification("host.note", |_: Note| panic!("it cannot be taken"))
    });
    for line in rows {
        let answered =
            plugin.say::<u32>([line, b"\n{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":7}\n"].concat());
        assert_eq!(answered.unwrap(), 7);
        plugin.event("ignored notification", |event| match event {
            EventKind::Ignored(text) => Some(text),
            _ => None,
        });
    }
}

#[test]
fn a_request_whose_id_is_in_flight_is_a_violation() {
    let (entered, enter) = std::sync::mpsc::channel();
    let plugin = start_with("plugin", &json!({}), move |launch| {
        launch.callback("host.wait", move |_: Value, call: &plugline_host::Call| {
            entered.send(()).unwrap();
            call.sleep(crate::support::PATIENCE)
        })
    });
    let request = br#"{"jsonrpc":"2.0","id":5,"method":"host.wait"}"#;
    let twice = [request, b"\n".as_slice(), request, b"\n"].concat();
    let error = plugin.say::<Value>(twice).unwrap_err();
    assert_eq!(error.kind(), Kind::ProtocolViolation, "{error}");
    assert!(error.to_string().contains("in flight"), "{error}");
    enter.recv_timeout(crate::support::PATIENCE).unwrap();
}

#[test]
fn a_result_of_another_type_or_too_deep_fails_its_call_alone() {
    let plugin = start("plugin");
    let held = plugin.begin("t.hold", &json!({"number": 1}), CallOptions::default()).unwrap();
    let error = plugin.call::<u32>("t.echo", &json!({"x": 1})).unwrap_err();
    assert_eq!(error.kind(), Kind::ProtocolViolation, "{error}");
    let error = plugin.call::<Value>("t.deep", &json!({"depth": 10_000})).unwrap_err();
    assert_eq!(error.kind(), Kind::ProtocolViolation, "{error}");
    let raw = plugin.begin("t.deep", &json!({"depth": 10_000}), CallOptions::default()).unwrap();
    assert_eq!(raw.wait_with_progress(|_| ()).unwrap().get().len(), 20_000);
    plugin.call::<()>("t.release", &json!({})).unwrap();
    assert_eq!(held.wait::<u32>().unwrap(), 1);
}
