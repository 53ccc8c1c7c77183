//! The envelope beside `jsonrpc-core`'s: the same where that follows JSON-RPC 2.0, and each place where it
//! does not, or where the protocol narrows JSON-RPC, by name.

use jsonrpc_core::{Call, Output, Request};
use plugline_protocol::wire::{Malformed, Message, Outcome, decode};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use crate::arbitrary;

/// What a line is; absent params are empty ones, and absent data are null.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Request { id: Value, method: String, params: Value },
    Notification { method: String, params: Value },
    Result { id: Value, result: Value },
    Error { id: Value, code: i64, message: String, data: Value },
    Refused,
}

fn ours(line: &str) -> Seen {
    let parse = |text: &str| serde_json::from_str::<Value>(text).expect("decode checked it");
    match decode(line.as_bytes()) {
        Ok(Message::Request(request)) => Seen::Request {
            id: json!(request.id),
            method: request.method.into_owned(),
            params: parse(request.params.get()),
        },
        Ok(Message::Notification(notification)) => Seen::Notification {
            method: notification.method.into_owned(),
            params: parse(notification.params.get()),
        },
        Ok(Message::Response(response)) => {
            let id = json!(response.id);
            match response.outcome {
                Outcome::Result(raw) => Seen::Result { id, result: parse(raw.get()) },
                Outcome::Error(error) => Seen::Error {
                    id,
                    code: error.code,
                    message: error.message.into_owned(),
                    data: error.data.map_or(Value::Null, |raw| parse(raw.get())),
                },
            }
        }
        Err(_) => Seen::Refused,
    }
}

fn theirs(line: &str) -> Seen {
    let params = |params: jsonrpc_core::Params| match Value::from(params) {
        Value::Null => json!({}),
        params => params,
    };
    match serde_json::from_str(line) {
        Ok(Request::Single(Call::MethodCall(call))) => {
            Seen::Request { id: json!(call.id), method: call.method, params: params(call.params) }
        }
        Ok(Request::Single(Call::Notification(call))) => {
            Seen::Notification { method: call.method, params: params(call.params) }
        }
        // Any other object is an invalid call to it, so one that is a response has to be asked for.
        Ok(_) | Err(_) => match serde_json::from_str(line) {
            Ok(Output::Success(output)) => Seen::Result { id: json!(output.id), result: output.result },
            Ok(Output::Failure(output)) => Seen::Error {
                id: json!(output.id),
                code: output.error.code.code(),
                message: output.error.message,
                data: output.error.data.unwrap_or_default(),
            },
            Err(_) => Seen::Refused,
        },
    }
}

fn request(id: Value, params: Value) -> Seen {
    Seen::Request { id, method: "m".into(), params }
}

fn notification(params: Value) -> Seen {
    Seen::Notification { method: "m".into(), params }
}

/// Both see the same in the line.
fn check(line: &str, wanted: Seen) {
    assert_eq!(ours(line), wanted, "ours: {line}");
    assert_eq!(theirs(line), wanted, "theirs: {line}");
}

/// A known gap: it fails when it closes.
fn check_gap(line: &str, wanted: Seen, theirs_wanted: Seen) {
    assert_ne!(wanted, theirs_wanted, "no gap: {line}");
    assert_eq!(ours(line), wanted, "ours: {line}");
    assert_eq!(theirs(line), theirs_wanted, "theirs: {line}");
}

#[test]
fn valid_messages() {
    check(r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#, request(json!(1), json!({})));
    check(
        r#"{"jsonrpc":"2.0","id":"1","method":"m","params":{"a":[1]}}"#,
        request(json!("1"), json!({"a": [1]})),
    );
    check(r#" { "method" : "m" , "id" : 0 , "jsonrpc" : "2\u002e0" } "#, request(json!(0), json!({})));
    check(r#"{"jsonrpc":"2.0","id":1,"method":"\u006d","params":[]}"#, request(json!(1), json!([])));
    check(r#"{"jsonrpc":"2.0","method":"m","params":{}}"#, notification(json!({})));
    check(r#"{"jsonrpc":"2.0","id":1,"result":null}"#, Seen::Result { id: json!(1), result: Value::Null });
    check(
        r#"{"jsonrpc":"2.0","id":"a","error":{"code":-32602,"message":"m","data":{"errors":[]}}}"#,
        Seen::Error { id: json!("a"), code: -32602, message: "m".into(), data: json!({"errors": []}) },
    );
}

#[test]
fn invalid_messages() {
    for line in [
        "",
        "7",
        "null",
        "{",
        "{} {}",
        "{}",
        r#"{"jsonrpc":"2.0"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#,
        r#"{"jsonrpc":2.0,"id":1,"method":"m"}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1.0,"method":"m"}"#,
        r#"{"jsonrpc":"2.0","id":[1],"method":"m"}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"m"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","params":7}"#,
        r#"{"jsonrpc":"2.0","method":"m","params":"x"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","result":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","error":{"code":1,"message":""}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1,"message":""}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":""}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":""}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":null}"#,
        r#"{"jsonrpc":"2.0","result":1}"#,
    ] {
        check(line, Seen::Refused);
    }
}

/// A member of the envelope, as JSON text.
fn member() -> impl Strategy<Value = (&'static str, String)> {
    let text = |value: Value| value.to_string();
    prop_oneof![
        8 => arbitrary::id().prop_map(|id| ("id", json!(id).to_string())),
        1 => select(&["-1", "1.5", "1e0", "true", "[]", "{}"][..]).prop_map(|raw| ("id", raw.to_owned())),
        8 => arbitrary::method().prop_map(move |method| ("method", text(json!(method)))),
        1 => select(&["null", "7", "[\"m\"]"][..]).prop_map(|raw| ("method", raw.to_owned())),
        8 => arbitrary::params().prop_map(move |params| ("params", text(json!(params)))),
        1 => select(&["7", "\"x\"", "true"][..]).prop_map(|raw| ("params", raw.to_owned())),
        8 => arbitrary::json().prop_map(move |result| ("result", text(result))),
        8 => (arbitrary::integer(), arbitrary::text(), arbitrary::json())
            .prop_map(move |(code, message, data)| {
                ("error", text(json!({ "code": code, "message": message, "data": data })))
            }),
        1 => select(&["null", "{}", r#"{"code":"1","message":""}"#, r#"{"code":1,"message":2}"#][..])
            .prop_map(|raw| ("error", raw.to_owned())),
    ]
}

/// Members in any number and order, `jsonrpc` always among them: without it there is a gap.
fn envelope() -> impl Strategy<Value = String> {
    let version = prop_oneof![8 => Just("\"2.0\""), 1 => Just("\"1.0\"")];
    let sets: &[&[&str]] =
        &[&["id", "method", "params"], &["method", "params"], &["id", "result"], &["id", "error"]];
    let proper = select(sets).prop_flat_map(|names| {
        let size = names.len() - 1..=names.len();
        (subsequence(names.to_vec(), size), proptest::collection::vec(member(), 24)).prop_map(
            |(names, pool)| pool.into_iter().filter(|(name, _)| names.contains(name)).collect::<Vec<_>>(),
        )
    });
    let members = prop_oneof![3 => proper, 1 => proptest::collection::vec(member(), 0..5)];
    (version, members, any::<prop::sample::Index>()).prop_map(|(version, mut members, at)| {
        members.retain(|(name, _)| *name != "jsonrpc");
        members.sort_by_key(|(name, _)| *name);
        members.dedup_by_key(|(name, _)| *name);
        // Beside a result or an error they are an unknown member: a gap.
        if !members.iter().any(|(name, _)| *name == "method") {
            members.retain(|(name, _)| *name != "params");
        }
        members.push(("jsonrpc", version.to_owned()));
        let at = at.index(members.len());
        members.rotate_left(at);
        let members: Vec<String> = members.iter().map(|(name, raw)| format!("\"{name}\":{raw}")).collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    #[test]
    fn both_see_the_same_message(line in envelope()) {
        prop_assert_eq!(ours(&line), theirs(&line), "{}", line);
    }

    #[test]
    fn what_they_write_we_read(id in arbitrary::id(), method in arbitrary::method(), params in arbitrary::params()) {
        let call = jsonrpc_core::MethodCall {
            jsonrpc: Some(jsonrpc_core::Version::V2),
            method: method.clone(),
            params: jsonrpc_core::Params::Map(params.clone()),
            id: id.clone().into(),
        };
        let line = serde_json::to_string(&call).unwrap();
        prop_assert_eq!(ours(&line), Seen::Request { id: json!(id), method, params: params.into() });
    }
}

/// JSON-RPC 2.0 requires the member; `jsonrpc-core` takes its absence, and null, for version 1 too.
#[test]
fn gap_a_missing_version_is_accepted() {
    check_gap(r#"{"id":1,"method":"m"}"#, Seen::Refused, request(json!(1), json!({})));
    check_gap(r#"{"jsonrpc":null,"id":1,"method":"m"}"#, Seen::Refused, request(json!(1), json!({})));
    check_gap(r#"{"method":"m"}"#, Seen::Refused, notification(json!({})));
    let result = Seen::Result { id: json!(1), result: json!(2) };
    check_gap(r#"{"id":1,"result":2}"#, Seen::Refused, result);
}

/// JSON-RPC 2.0 has batches, of which the empty one is an invalid request; the protocol has none.
/// `jsonrpc-core` takes the empty one for a batch, and an array of a call's length for a call whose members
/// come by position.
#[test]
fn gap_arrays_are_batches_or_even_calls() {
    let is_refused = |line: &str| matches!(decode(line.as_bytes()), Err(Malformed::NotAnObject(_)));
    let empty: Request = serde_json::from_str("[]").unwrap();
    assert!(is_refused("[]"));
    assert_eq!(empty, Request::Batch(Vec::new()));
    let line = r#"[{"jsonrpc":"2.0","id":1,"method":"m"}]"#;
    let batch: Request = serde_json::from_str(line).unwrap();
    assert!(is_refused(line));
    assert!(matches!(batch, Request::Batch(_)), "{batch:?}");
    check_gap(r#"["2.0","m",{},1]"#, Seen::Refused, request(json!(1), json!({})));
}

/// JSON-RPC 2.0 allows any number; the protocol allows those from 0, and any other id makes an object an
/// invalid request. To `jsonrpc-core` it is not even an invalid call: its servers answer "parse error".
#[test]
fn gap_negative_ids_do_not_parse() {
    for id in ["-1", "1.5", "true"] {
        let line = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#);
        assert!(matches!(decode(line.as_bytes()), Err(Malformed::Invalid { id: None, .. })), "{line}");
        assert!(serde_json::from_str::<Request>(&line).is_err(), "{line}");
    }
}

/// JSON-RPC 2.0 says nothing of other members; the protocol ignores them, `jsonrpc-core` refuses the message.
#[test]
fn gap_unknown_members_are_refused() {
    let line = r#"{"jsonrpc":"2.0","id":1,"method":"m","trace":"x"}"#;
    check_gap(line, request(json!(1), json!({})), Seen::Refused);
    let line = r#"{"jsonrpc":"2.0","method":"m","trace":"x"}"#;
    check_gap(line, notification(json!({})), Seen::Refused);
    let line = r#"{"jsonrpc":"2.0","id":1,"result":2,"trace":"x"}"#;
    check_gap(line, Seen::Result { id: json!(1), result: json!(2) }, Seen::Refused);
    let line = r#"{"jsonrpc":"2.0","id":1,"result":2,"params":{}}"#;
    check_gap(line, Seen::Result { id: json!(1), result: json!(2) }, Seen::Refused);
    let line = r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m","trace":"x"}}"#;
    let failed = Seen::Error { id: json!(1), code: 1, message: "m".into(), data: Value::Null };
    check_gap(line, failed, Seen::Refused);
}

/// JSON-RPC 2.0 discourages a null id; the protocol has none but in an error that answers no one request.
#[test]
fn gap_a_null_id_is_accepted() {
    let line = r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#;
    check_gap(line, Seen::Refused, request(Value::Null, json!({})));
    let line = r#"{"jsonrpc":"2.0","id":null,"result":1}"#;
    check_gap(line, Seen::Refused, Seen::Result { id: Value::Null, result: json!(1) });
    let line = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m"}}"#;
    let failed = Seen::Error { id: Value::Null, code: -32700, message: "m".into(), data: Value::Null };
    check_gap(line, Seen::Refused, failed);
    assert!(matches!(decode(line.as_bytes()), Err(Malformed::Unaddressed { code: -32700, .. })));
}

/// JSON-RPC 2.0 sets no bounds; the protocol keeps ids to what every JSON implementation can echo.
#[test]
fn gap_ids_are_not_bounded() {
    let line = r#"{"jsonrpc":"2.0","id":9007199254740992,"method":"m"}"#;
    check_gap(line, Seen::Refused, request(json!(9_007_199_254_740_992_u64), json!({})));
    let id = "x".repeat(257);
    let line = format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"m"}}"#);
    check_gap(&line, Seen::Refused, request(json!(id), json!({})));
}

/// JSON-RPC 2.0 wants params structured or absent; `jsonrpc-core` takes null as absent.
#[test]
fn gap_null_params_are_accepted() {
    let line = r#"{"jsonrpc":"2.0","id":1,"method":"m","params":null}"#;
    check_gap(line, Seen::Refused, request(json!(1), json!({})));
    check_gap(r#"{"jsonrpc":"2.0","method":"m","params":null}"#, Seen::Refused, notification(json!({})));
}

/// JSON-RPC 2.0 has params by position. The protocol has not: a request's are told so by its method
/// (-32602), so the envelope lets them pass; a notification with them is ignored.
#[test]
fn gap_notifications_by_position_are_accepted() {
    check_gap(r#"{"jsonrpc":"2.0","method":"m","params":[1]}"#, Seen::Refused, notification(json!([1])));
}
