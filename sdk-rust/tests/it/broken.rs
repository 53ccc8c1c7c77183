//! Lines that are no messages, and lines at the edge of being some.

use serde_json::{Value, json};

use crate::process::Process;

#[test]
fn broken_lines_are_answered_and_lived_through() {
    let long = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"rpc.ping"}}"#, "x".repeat(257));
    let deep = "[".repeat(100_000);
    let cases = [
        (r#"{"jsonrpc":"2.0","id":1,"#, Value::Null, -32700),
        ("nonsense", Value::Null, -32700),
        (&deep, Value::Null, -32700),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"rpc.ping"}]"#, Value::Null, -32600),
        ("[]", Value::Null, -32600),
        ("1", Value::Null, -32600),
        ("{}", Value::Null, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"rpc.ping"}"#, Value::Null, -32600),
        (r#"{"jsonrpc":"2.0","id":1.0,"method":"rpc.ping"}"#, Value::Null, -32600),
        (r#"{"jsonrpc":"2.0","id":-1,"method":"rpc.ping"}"#, Value::Null, -32600),
        (r#"{"jsonrpc":"2.0","id":9007199254740992,"method":"rpc.ping"}"#, Value::Null, -32600),
        (&long, Value::Null, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"rpc.ping","result":1}"#, Value::Null, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1,"message":""}}"#, Value::Null, -32600),
        (r#"{"id":1,"result":1}"#, Value::Null, -32600),
        (r#"{"id":1,"method":"rpc.ping"}"#, json!(1), -32600),
        (r#"{"jsonrpc":"1.0","id":"a","method":"rpc.ping"}"#, json!("a"), -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":1}"#, json!(1), -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"rough.echo","params":null}"#, json!(1), -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"rough.echo","params":1}"#, json!(1), -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"rpc.reboot"}"#, json!(1), -32601),
        (r#"{"jsonrpc":"2.0","id":1,"method":"rough.note","params":{"text":""}}"#, json!(1), -32601),
        (r#"{"jsonrpc":"2.0","id":1,"method":"Rough.echo"}"#, json!(1), -32601),
    ];
    let mut rough = Process::rough();
    for (line, id, code) in cases {
        rough.send_bytes(line.as_bytes());
        rough.send_bytes(b"\n");
        rough.expect_error(&id, code);
    }
    rough.send_bytes(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}\n");
    rough.expect_error(&Value::Null, -32700);
    rough.ping();
    rough.end().expect_silent();
}

#[test]
fn an_error_that_no_request_waits_for_is_answered_however_long_it_is() {
    let mut rough = Process::rough_with(&json!({"maxLineBytes": 65536}), &json!({}));
    let message = "x".repeat(100_000);
    rough.send(&json!({"jsonrpc": "2.0", "id": null, "error": {"code": 1, "message": message}}));
    rough.expect_error(&Value::Null, -32600);
    rough.ping();
    rough.end().expect_silent();
}

#[test]
fn notifications_and_responses_are_never_answered() {
    let mut rough = Process::rough();
    for line in [
        r#"{"method":"rough.note","params":{"text":"no version"}}"#,
        r#"{"jsonrpc":"2.0","method":"rough.note","params":null}"#,
        r#"{"jsonrpc":"2.0","method":"rough.note","params":["x"]}"#,
        r#"{"jsonrpc":"2.0","method":"rough.note","params":{"text":1}}"#,
        r#"{"jsonrpc":"2.0","method":"rough.note","params":{"text":"","more":1}}"#,
        r#"{"jsonrpc":"2.0","method":"rough.nobody"}"#,
        r#"{"jsonrpc":"2.0","method":"rpc.nobody"}"#,
        r#"{"jsonrpc":"2.0","method":"rpc.shutdown"}"#,
        r#"{"jsonrpc":"2.0","method":"rough.panic"}"#,
        r#"{"jsonrpc":"2.0","id":99,"result":"to nothing"}"#,
        r#"{"jsonrpc":"2.0","id":"a","error":{"code":1,"message":"to nothing"}}"#,
        " \t\r",
        "",
    ] {
        rough.send_bytes(line.as_bytes());
        rough.send_bytes(b"\n");
    }
    rough.notify("rough.note", &json!({"text": "heard", "_meta": {}}));
    assert_eq!(rough.result("rough.notes", &json!({})), json!(["heard"]));
    rough.end().expect_silent();
}

#[test]
fn an_id_in_flight_is_not_taken_twice() {
    let mut rough = Process::rough();
    rough.request(1, "rough.sleep", &json!({"ms": 3_600_000}));
    rough.expect_begun(1);
    rough.request(1, "rpc.ping", &json!({}));
    rough.expect_error(&Value::Null, -32600);
    rough.notify("rpc.cancel", &json!({"id": 1}));
    rough.expect_error(&json!(1), -32004);
    rough.request(1, "rpc.ping", &json!({}));
    rough.expect_result(1, &json!({}));
    rough.end().expect_silent();
}

#[test]
fn a_byte_order_mark_and_carriage_returns_are_ignored() {
    let mut rough = Process::start("rough");
    rough.send_bytes(b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc.ping\"}\r\n\r\n\n");
    rough.expect_result(1, &json!({}));
    // One message in several writes, several in one.
    rough.send_bytes(b"{\"jsonrpc\":\"2.0\",\"id\":2,");
    rough.send_bytes(b"\"method\":\"rpc.ping\"}\n{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"rpc.ping\"}\n");
    rough.expect_result(2, &json!({}));
    rough.expect_result(3, &json!({}));
    rough.end().expect_silent();
}

/// A ping of that many bytes before its LF.
fn ping_of(bytes: usize) -> Vec<u8> {
    let mut line = br#"{"jsonrpc":"2.0","id":1,"method":"rpc.ping"}"#.to_vec();
    line.resize(bytes, b' ');
    line.push(b'\n');
    line
}

#[test]
fn lines_over_the_limit_are_skipped() {
    let (before, after) = (1024 * 1024, 256 * 1024);
    let mut rough = Process::start("rough");
    let check = |rough: &mut Process, limit: usize| {
        rough.send_bytes(&ping_of(limit));
        rough.expect_result(1, &json!({}));
        for size in [limit + 1, 4 * limit] {
            rough.send_bytes(&ping_of(size));
            let data = rough.expect_error(&Value::Null, -32007);
            assert_eq!(data, json!({"limit": limit, "size": size}));
        }
        rough.ping();
    };
    check(&mut rough, before);
    rough.result("rpc.initialize", &json!({"protocolVersions": [1]}));
    check(&mut rough, after);
    rough.end().expect_silent();
}
