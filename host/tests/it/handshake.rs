//! What a plugin may answer to the handshake, and what it is told in it.

use plugline_host::{EventKind, Kind, Limits};
use serde_json::{Value, json};

use crate::support::{start_fails, start_with};

#[test]
fn answers_that_break_the_specification() {
    let rows = [
        (json!({"plugin": 3}), Kind::HandshakeInvalid, "not as specified"),
        (json!({"provides": "users"}), Kind::HandshakeInvalid, "not as specified"),
        (json!({"capabilities": {"log": true}}), Kind::HandshakeInvalid, "not as specified"),
        (json!({"capabilities": {"streams": {}}}), Kind::HandshakeInvalid, "streams without cancel"),
        (json!({"limits": {"maxLineBytes": 65_535}}), Kind::HandshakeInvalid, "maxLineBytes"),
        (json!({"limits": {"maxInFlight": 0}}), Kind::HandshakeInvalid, "maxInFlight"),
        (json!({"limits": {"maxInFlight": -1}}), Kind::HandshakeInvalid, "not as specified"),
        (json!({"limits": {"streamWindowBytes": 1}}), Kind::HandshakeInvalid, "streamWindowBytes"),
        (json!({"protocolVersion": 2}), Kind::VersionMismatch, "version 2"),
        (json!({"protocolVersion": null}), Kind::HandshakeInvalid, "not as specified"),
    ];
    for (hello, wanted, word) in rows {
        let error = start_fails("plugin", &hello, |launch| launch);
        assert_eq!(error.kind(), wanted, "{hello}: {error}");
        assert!(error.to_string().contains(word), "{hello}: {error}");
    }
}

#[test]
fn refusals_have_kinds_of_their_own() {
    let rows = [
        (-32001, Kind::VersionMismatch),
        (-32002, Kind::InvalidConfig),
        (-32009, Kind::Declined),
        (-32602, Kind::HandshakeInvalid),
        (7, Kind::HandshakeInvalid),
    ];
    for (code, wanted) in rows {
        let refusal = json!({"code": code, "message": "no\u{1b}[31m", "data": {"reason": "why"}});
        let error = start_fails("refuses_hello", &refusal, |launch| launch);
        assert_eq!(error.kind(), wanted, "{error}");
        let remote = error.remote().unwrap();
        assert_eq!((remote.code.code(), &remote.data), (code, &Some(json!({"reason": "why"}))));
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
    }
}

#[test]
fn garbage_before_the_answer_is_quoted_and_survived() {
    let plugin = start_with("garbage_first", &json!({}), |launch| launch);
    let text = plugin.event("stray output", |event| match event {
        EventKind::Stray { text, held_back: 0 } => Some(text),
        _ => None,
    });
    assert_eq!(text, "loading \\u{1b}[31mmodel\\u{7}");
    plugin.assert_alive();

    let error = start_fails("garbage_first", &json!({}), plugline_host::Launch::strict);
    assert_eq!(error.kind(), Kind::ProtocolViolation, "{error}");
}

#[test]
fn the_plugin_is_told_all_that_was_set() {
    let limits =
        Limits { max_line_bytes: 100_000, max_in_flight: 3, max_depth: 2, stream_window_bytes: 70_000 };
    let plugin = start_with("plugin", &json!({}), |launch| {
        launch
            .config(json!({"file": "users.json"}))
            .instance("users-1")
            .host("demo", "1.4.0")
            .limits(limits)
            .callback("users.audit", |_: Value, _: &_| Ok::<_, plugline_host::WireError>(()))
            .on_notification("users.changed", |_: Value| ())
    });
    assert_eq!(plugin.hello().plugin.name, "faulty");
    assert_eq!(plugin.hello().limits, Limits::default());
    let hello = &plugin.seen()[0];
    assert_eq!(hello["method"], "rpc.initialize");
    let params = &hello["params"];
    let wanted = json!({
        "protocolVersions": [1],
        "config": {"file": "users.json"},
        "instance": "users-1",
        "host": {"name": "demo", "version": "1.4.0"},
        "limits": limits,
    });
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(&params[name], value, "{name}");
    }
    assert_eq!(params["capabilities"]["callbacks"]["methods"], json!(["users.audit", "users.changed"]));
}

#[test]
fn a_callback_before_the_handshake_is_refused() {
    let plugin = start_with("calls_before_hello", &json!({}), |launch| {
        launch.callback("host.echo", |params: Value, _: &_| Ok::<_, plugline_host::WireError>(params))
    });
    let seen = plugin.seen();
    let answer = seen.iter().find(|message| message["id"] == 1 && message.get("method").is_none());
    assert_eq!(answer.unwrap()["error"]["code"], -32000, "{seen:?}");
}
