//! Lines that begin like nearly all do, and are not what they seem: their JSON is gone through only where it is
//! decoded, and what follows from a fault in it is the same as for any other line.

use plugline_protocol::peer::{Call, CallError, CloseReason, Handler, Side, Violation};
use plugline_protocol::wire::Error;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ends::{End, Opened, Raw, patient};

#[derive(Deserialize)]
struct Number {
    n: u32,
}

fn plugin() -> (Opened, Raw) {
    End::plugin()
        .on("a.n", Handler::new(|number: Number, _: &Call| Ok::<_, Error>(number.n)))
        .on("a.raw", Handler::raw(|params, _| Ok(serde_json::value::to_raw_value(params.get()).unwrap())))
        .against_raw()
}

/// Sends a request with that in place of its params, and what stands behind them.
fn send(raw: &mut Raw, id: u64, method: &str, rest: &str) {
    raw.send_bytes(
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{rest}}}\n").as_bytes(),
    );
}

#[test]
fn what_is_no_message_is_refused_as_such() {
    let (_plugin, mut raw) = plugin();
    for (rest, code) in [
        (r#"{"n":1"#.to_owned() + "x}", -32700),
        (r#"{"n":1}}"#.into(), -32700),
        (r#"{"n":1},"x":}"#.into(), -32700),
        ("{\"n\":1,\"x\":\"\t\"}".into(), -32700),
        (r#"{"n":1,"_meta":{"deadlineMs":1}x}"#.into(), -32700),
        (r#"{"n":1},"method":"a.n","x":{}"#.into(), -32600),
        (r#"{"n":1},"result":{}"#.into(), -32600),
        (r#"{"n":1},"id":{}"#.into(), -32600),
    ] {
        for method in ["a.n", "a.raw", "a.unknown"] {
            send(&mut raw, 1, method, &rest);
            let told = raw.line();
            assert_eq!(
                (&told["id"], &told["error"]["code"]),
                (&Value::Null, &json!(code)),
                "{method} {rest}"
            );
        }
    }
    // None of them holds the id.
    send(&mut raw, 1, "a.n", r#"{"n":7}"#);
    raw.expect_result(1, &json!(7));
}

#[test]
fn members_behind_the_params_are_ignored() {
    let (_plugin, mut raw) = plugin();
    send(&mut raw, 1, "a.n", r#"{"n":7},"x":{"_meta":{"deadlineMs":0}}"#);
    raw.expect_result(1, &json!(7));
    send(&mut raw, 1, "a.raw", r#"{"n":7},"x":{}"#);
    raw.expect_result(1, &json!(r#"{"n":7}"#));
    // What is wrong with the params is told of them.
    send(&mut raw, 1, "a.n", r#"{"m":7},"x":{}"#);
    assert_eq!(raw.expect_error(&json!(1), -32602)["errors"][0]["path"], "/m");
    send(&mut raw, 1, "a.n", r#"{"n":7,"m":{}}"#);
    assert_eq!(raw.expect_error(&json!(1), -32602)["errors"][0]["path"], "/m");
}

/// A host whose call of `a.n` is answered with that in place of its result.
fn answered(result: &str) -> (Opened, Raw, Result<Value, CallError>) {
    let (host, mut raw) = End::new(Side::Host).against_raw();
    let call = host.connection.request("a.n", &json!({}), patient()).unwrap();
    let id = raw.line()["id"].clone();
    raw.send_bytes(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n").as_bytes());
    let returned = call.wait_as();
    (host, raw, returned)
}

#[test]
fn a_result_that_is_no_value_breaks_the_connection() {
    for result in ["", "1x", "1,", r#"{"a":1"#, r#""a"#, "1,\"error\":{}", "1,\"id\":7", "1,\"x\":"] {
        let (host, _raw, returned) = answered(result);
        let Err(CallError::Closed(reason)) = returned else { panic!("{result}: {returned:?}") };
        assert!(matches!(&*reason, CloseReason::Violation(Violation::Message { .. })), "{result}: {reason}");
        assert!(host.connection.closed().is_some());
    }
}

#[test]
fn a_result_is_what_stands_there() {
    for (result, value) in [
        (" 1 ", json!(1)),
        ("1,\"x\":{}", json!(1)),
        (r#"{"a":[1,{}]},"x":"}""#, json!({"a": [1, {}]})),
        ("null", Value::Null),
    ] {
        let (host, _raw, returned) = answered(result);
        assert_eq!(returned.unwrap(), value);
        assert!(host.connection.closed().is_none());
    }
    let (host, mut raw) = End::new(Side::Host).against_raw();
    let call = host.connection.request("a.n", &json!({}), patient()).unwrap();
    let id = raw.line()["id"].clone();
    raw.send_bytes(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"a\":\"b\"}}}}\n").as_bytes());
    let fault = call.wait_as::<u32>().unwrap_err();
    assert!(matches!(fault, CallError::Undecodable(_)), "{fault}");
    assert!(host.connection.closed().is_none());
}

#[test]
fn a_broken_answer_breaks_the_connection_though_nobody_takes_it() {
    let (host, mut raw) = End::new(Side::Host).against_raw();
    let unread = host.connection.request("a.n", &json!({}), patient()).unwrap();
    let other = host.connection.request("a.n", &json!({}), patient()).unwrap();
    let ids = [raw.line()["id"].clone(), raw.line()["id"].clone()];
    for (id, result) in [(&ids[0], "1x"), (&ids[1], "2")] {
        raw.send_bytes(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n").as_bytes());
    }
    assert_eq!(other.wait_as::<u32>().unwrap(), 2);
    drop(unread);
    assert!(matches!(host.end(), CloseReason::Violation(Violation::Message { .. })));
}
