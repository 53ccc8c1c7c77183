//! A line → a message. It is a parse error exactly where it is no JSON; what is seen at a glance is what the members
//! say; what was read can be written, and is the same when it is read again; and `jsonrpc-core` sees the same, where the
//! protocol and it follow JSON-RPC 2.0.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use jsonrpc_core::{Call, Output};
use libfuzzer_sys::fuzz_target;
use plugline_fuzz::json::{Json, entries};
use plugline_protocol::wire::{
    MAX_INTEGER, Malformed, Message, Meta, Outcome, Request, RequestId, Response, check_glance, decode,
    encode, escape, quote,
};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};

fuzz_target!(init: plugline_fuzz::verdict::serve_if_asked(), |bytes: &[u8]| {
    // As it is, and as the choices that make something near a message of it.
    check(bytes);
    if let Ok(line) = near_message(&mut Unstructured::new(bytes)) {
        check(line.as_bytes());
    }
});

fn near_message(u: &mut Unstructured<'_>) -> arbitrary::Result<String> {
    const FORMS: &[&[(&str, &str)]] = &[
        &[("jsonrpc", "\"2.0\""), ("id", "1"), ("method", "\"a.b\"")],
        &[("jsonrpc", "\"2.0\""), ("id", "7"), ("method", "\"a.b\""), ("params", "{\"a\":1}")],
        &[("jsonrpc", "\"2.0\""), ("method", "\"a.b\"")],
        &[("jsonrpc", "\"2.0\""), ("id", "\"x\""), ("result", "[1]")],
        &[("jsonrpc", "\"2.0\""), ("id", "0"), ("error", "{\"code\":-32602,\"message\":\"m\",\"data\":1}")],
        &[("jsonrpc", "\"2.0\""), ("id", "null"), ("error", "{\"code\":1,\"message\":\"\"}")],
        &[("jsonrpc", "\"2\\u002e0\"")],
        &[],
    ];
    let form = *u.choose(FORMS)?;
    let kept: Vec<(&str, &str)> =
        form.iter().copied().filter(|_| u.ratio(15_u8, 16_u8).unwrap_or(true)).collect();
    let line = Json::object(u, &kept)?.0;
    if u.ratio(1_u8, 4_u8)? {
        // The usual form, whose end is anything.
        let end = Json::arbitrary(u)?.0;
        let what = *u.choose(&[
            "\"result\":",
            "\"method\":\"a.b\",\"params\":",
            "\"method\":\"a\\u002eb\",\"params\":",
        ])?;
        return Ok(format!("{{\"jsonrpc\":\"2.0\",\"id\":{},{what}{end}}}", u16::arbitrary(u)?));
    }
    Ok(line)
}

fn check(line: &[u8]) {
    check_glance(line);
    plugline_fuzz::assert_harmless(&escape(line));
    assert!(quote(line).len() <= 200 * 12);
    let is_json =
        std::str::from_utf8(line).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    let decoded = decode(line);
    assert_eq!(is_json, !matches!(decoded, Err(Malformed::Parse(_))), "{decoded:?}");
    if let Ok(text) = std::str::from_utf8(line) {
        check_beside_jsonrpc_core(text, &decoded);
    }
    match decoded {
        Ok(Message::Request(request)) => check_request(&request),
        Ok(Message::Response(response)) => check_response(&response),
        Ok(Message::Notification(notification)) => {
            let _meta = notification.params.meta();
            assert!(notification.params.is_object());
            let params: &RawValue =
                serde_json::from_str(notification.params.get()).expect("decode checked it");
            let mut line = Vec::new();
            if encode::notification(&mut line, usize::MAX, &notification.method, params).is_ok() {
                let Ok(Message::Notification(again)) = decode(whole(&line)) else { panic!("none any more") };
                assert_eq!(again.method, notification.method);
                assert_eq!(normal(again.params.get()), normal(notification.params.get()));
            }
        }
        Err(Malformed::Invalid { id: Some(id), .. }) => {
            // It is echoed, so it has to be sent.
            encode::result(&mut Vec::new(), usize::MAX, &id, RawValue::NULL).expect("an id can be sent");
        }
        Err(Malformed::BrokenNotification { method, .. }) => {
            assert!(entries_of(line).is_none_or(|entries| entries.iter().any(|(name, _)| name == "method")));
            drop(method);
        }
        Err(fault) => drop(fault.to_string()),
    }
}

fn entries_of(line: &[u8]) -> Option<Vec<(String, String)>> {
    std::str::from_utf8(line).ok().and_then(entries)
}

/// What cannot be sent again (an array, `_meta`, too deep, an integer that no double holds) is none of this target's
/// business.
fn check_request(request: &Request<'_>) {
    let meta = request.params.meta();
    let params: &RawValue = serde_json::from_str(request.params.get()).expect("decode checked it");
    for meta in [Meta::default(), meta] {
        let mut line = b"before".to_vec();
        if encode::request(&mut line, usize::MAX, &request.id, &request.method, params, &meta).is_err() {
            assert_eq!(line, b"before");
            continue;
        }
        let Ok(Message::Request(again)) = decode(whole(&line[6..])) else { panic!("no request any more") };
        assert_eq!(again.id, request.id);
        assert_eq!(again.method, request.method);
        assert_eq!(again.params.meta(), meta);
        if meta.is_empty() {
            assert_eq!(normal(again.params.get()), normal(request.params.get()));
        }
    }
}

fn check_response(response: &Response<'_>) {
    let mut line = Vec::new();
    let encoded = match &response.outcome {
        Outcome::Result(result) => encode::result(&mut line, usize::MAX, &response.id, result),
        Outcome::Error(error) => match error.to_error() {
            Ok(error) => encode::error(&mut line, usize::MAX, Some(&response.id), &error),
            Err(_) => return,
        },
    };
    if encoded.is_err() {
        assert!(line.is_empty());
        return;
    }
    let Ok(Message::Response(again)) = decode(whole(&line)) else { panic!("no response any more") };
    assert_eq!(again.id, response.id);
    match (&again.outcome, &response.outcome) {
        (Outcome::Result(again), Outcome::Result(result)) => {
            assert_eq!(normal(again.get()), normal(result.get()));
        }
        (Outcome::Error(again), Outcome::Error(error)) => {
            assert_eq!(again.to_error().expect("it was sent"), error.to_error().expect("checked above"));
        }
        _ => panic!("a result became an error, or the other way round"),
    }
}

fn whole(line: &[u8]) -> &[u8] {
    let body = line.strip_suffix(b"\n").expect("a line ends with LF");
    assert!(!body.iter().any(|byte| matches!(byte, b'\n' | b'\r')), "a second line");
    body
}

/// A raw CR, white space there, is sent as a space; an empty object is not sent at all.
fn normal(json: &str) -> String {
    match json.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(inner) if inner.trim().is_empty() => "{}".to_owned(),
        _ => json.replace(['\r', '\n'], " "),
    }
}

/// What a line is to either: absent params are empty ones, and absent data are null.
#[derive(Debug, PartialEq)]
enum Seen {
    Request { id: Value, method: String, params: Value },
    Notification { method: String, params: Value },
    Result { id: Value, result: Value },
    Error { id: Value, code: i64, message: String, data: Value },
    Refused,
}

/// Where both follow JSON-RPC 2.0, they see the same. Where they do not is listed, by name, in
/// `protocol/tests/it/differential.rs`; a line that meets one of those gaps is left out.
fn check_beside_jsonrpc_core(line: &str, decoded: &Result<Message<'_>, Malformed>) {
    let Some(entries) = entries(line) else { return };
    let Ok(document) = serde_json::from_str::<Value>(line) else { return };
    let mut names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let is_call = names.contains(&"method");
    let known: &[&str] =
        if is_call { &["id", "jsonrpc", "method", "params"] } else { &["error", "id", "jsonrpc", "result"] };
    let id_is_one = match document.get("id") {
        None => true,
        Some(Value::String(id)) => id.len() <= 256,
        Some(id) => id.as_u64().is_some_and(|id| id <= MAX_INTEGER),
    };
    let by_name = document.get("params").is_none_or(Value::is_object);
    let error_is_plain = document.get("error").is_none_or(|error| {
        let Value::Object(error) = error else { return false };
        error.keys().all(|name| ["code", "message", "data"].contains(&name.as_str()))
    }) && entries.iter().all(|(name, value)| name != "error" || !stands_twice(value));
    if names.len() != entries.len()
        || !names.iter().all(|name| known.contains(name))
        || document.get("jsonrpc") != Some(&json!("2.0"))
        || !id_is_one
        || !by_name
        || !error_is_plain
    {
        return;
    }
    assert_eq!(ours(decoded), theirs(line), "{line}");
}

fn stands_twice(object: &str) -> bool {
    entries(object).is_none_or(|entries| {
        let mut names: Vec<&String> = entries.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        names.len() != entries.len()
    })
}

fn ours(decoded: &Result<Message<'_>, Malformed>) -> Seen {
    let parse = |text: &str| serde_json::from_str::<Value>(text).expect("the whole line is a value");
    match decoded {
        Ok(Message::Request(request)) => Seen::Request {
            id: json!(request.id),
            method: request.method.to_string(),
            params: parse(request.params.get()),
        },
        Ok(Message::Notification(notification)) => Seen::Notification {
            method: notification.method.to_string(),
            params: parse(notification.params.get()),
        },
        Ok(Message::Response(response)) => {
            let id = json!(response.id);
            match &response.outcome {
                Outcome::Result(raw) => Seen::Result { id, result: parse(raw.get()) },
                Outcome::Error(error) => Seen::Error {
                    id,
                    code: error.code,
                    message: error.message.to_string(),
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
    let id = |id: jsonrpc_core::Id| json!(RequestId::try_from(id).expect("looked at before"));
    match serde_json::from_str(line) {
        Ok(jsonrpc_core::Request::Single(Call::MethodCall(call))) => {
            Seen::Request { id: id(call.id), method: call.method, params: params(call.params) }
        }
        Ok(jsonrpc_core::Request::Single(Call::Notification(call))) => {
            Seen::Notification { method: call.method, params: params(call.params) }
        }
        Ok(_) | Err(_) => match serde_json::from_str(line) {
            Ok(Output::Success(output)) => Seen::Result { id: id(output.id), result: output.result },
            Ok(Output::Failure(output)) => Seen::Error {
                id: id(output.id),
                code: output.error.code.code(),
                message: output.error.message,
                data: output.error.data.unwrap_or_default(),
            },
            Err(_) => Seen::Refused,
        },
    }
}
