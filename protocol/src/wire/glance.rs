//! Messages in the form that nearly all of them come in, told apart without going through their JSON.
//!
//! Params and result end such a line, so whoever decodes them to their end has checked all of it, and it is gone
//! through once. Where they turn out not to be what they seemed, [`decode`](super::decode) says what the line is.

use super::id::MAX_INTEGER;

/// How such a line begins.
const START: &str = "{\"jsonrpc\":\"2.0\",\"id\":";

/// What a line seems to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Glimpse<'a> {
    /// A request, if the params are an object.
    Request {
        /// All of it; it ends with the params and a brace.
        line: &'a str,
        /// The caller's id for the call.
        id: u64,
        /// What is called.
        method: &'a str,
        /// From its opening brace to its closing one, if it is an object.
        params: &'a str,
    },
    /// A response with a result, if that is a value.
    Result {
        /// The id that this side gave its request.
        id: u64,
        /// All that stands where the result should.
        result: &'a str,
    },
}

/// The line that a [`Glimpse::Result`] was seen in.
pub(crate) fn result_line(id: u64, result: &str) -> String {
    format!("{START}{id},\"result\":{result}}}")
}

/// Looks at a line; `None` where it is to be [decoded](super::decode) in full.
pub(crate) fn glance(line: &[u8]) -> Option<Glimpse<'_>> {
    if !line.starts_with(START.as_bytes()) {
        return None;
    }
    let line = std::str::from_utf8(line).ok()?;
    let (id, rest) = split_number(line.strip_prefix(START)?.strip_suffix('}')?)?;
    if let Some(result) = rest.strip_prefix(",\"result\":") {
        return Some(Glimpse::Result { id, result });
    }
    let rest = rest.strip_prefix(",\"method\":\"")?;
    let end =
        rest.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.'))?;
    let (method, rest) = rest.split_at(end);
    let params = rest.strip_prefix("\",\"params\":")?;
    (params.starts_with('{') && params.ends_with('}')).then_some(Glimpse::Request {
        line,
        id,
        method,
        params,
    })
}

/// What has to hold of any line: where the end of what was glimpsed proves to be JSON, the line is what it seemed.
///
/// # Panics
/// Where it does not hold.
#[cfg(any(test, fuzzing))]
#[cfg_attr(not(fuzzing), expect(unreachable_pub, reason = "a fuzz target calls it too"))]
pub fn check_glance(line: &[u8]) {
    use super::{Message, Outcome, RequestId, decode};
    let is_value = |text: &str| serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
    match glance(line) {
        Some(Glimpse::Request { id, method, params, .. }) if is_value(params) => {
            let Ok(Message::Request(request)) = decode(line) else { panic!("{line:?} is no request") };
            assert_eq!(request.id, RequestId::Number(id));
            assert_eq!((&*request.method, request.params.get()), (method, params));
        }
        Some(Glimpse::Result { id, result }) if is_value(result) => {
            let Ok(Message::Response(response)) = decode(line) else { panic!("{line:?} is no response") };
            assert_eq!(response.id, RequestId::Number(id));
            let Outcome::Result(raw) = response.outcome else { panic!("{line:?} has no result") };
            assert_eq!(raw.get(), result.trim_ascii());
        }
        _ => {}
    }
}

/// An integer that may be an id, and what stands behind it.
pub(super) fn split_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    // As JSON writes it: no leading zero. More digits than this do not fit.
    if digits == 0 || digits > 16 || (digits > 1 && number.starts_with('0')) {
        return None;
    }
    let number = number.bytes().fold(0, |value, digit| 10 * value + u64::from(digit - b'0'));
    (number <= MAX_INTEGER).then_some((number, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pieces of lines of the usual form, of which chance makes ones that only look like it.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            " ",
            "1",
            "0",
            "null",
            "x",
            "\"a\"",
            "\"a\":",
            "\"id\":",
            "{}",
            "\"params\":",
            "\"result\":",
            "\"method\":",
            "\"_meta\":{\"deadlineMs\":5}",
            "\u{2028}",
        ]);
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_proves_to_be_json_is_what_it_seemed(request in any::<bool>(), id in 0..3_u8, tail in pieces()) {
            let what = if request { "method\":\"a.b\",\"params\":{" } else { "result\":" };
            let end = if request { "}}" } else { "}" };
            let line = format!("{START}{id},\"{what}{tail}{end}");
            check_glance(line.as_bytes());
        }
    }

    fn request(line: &str) -> Option<(u64, &str, &str)> {
        match glance(line.as_bytes()) {
            Some(Glimpse::Request { id, method, params, .. }) => Some((id, method, params)),
            _ => None,
        }
    }

    #[test]
    fn the_usual_form_is_seen() {
        let line = r#"{"jsonrpc":"2.0","id":7,"method":"a.b","params":{"x":{}}}"#;
        assert_eq!(request(line), Some((7, "a.b", r#"{"x":{}}"#)));
        let line = r#"{"jsonrpc":"2.0","id":0,"result":[1,"}"]}"#;
        assert_eq!(glance(line.as_bytes()), Some(Glimpse::Result { id: 0, result: r#"[1,"}"]"# }));
    }

    #[test]
    fn other_forms_are_left_to_be_decoded() {
        for line in [
            r#"{"jsonrpc":"2.0","id":7,"method":"a.b"}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"a.b","params":[]}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"a\u002eb","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"a b","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":07,"method":"a.b","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":9007199254740992,"method":"a.b","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":"7","method":"a.b","params":{}}"#,
            r#"{"jsonrpc": "2.0","id":7,"method":"a.b","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"m"}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":1"#,
            "",
        ] {
            assert_eq!(glance(line.as_bytes()), None, "{line}");
        }
        assert_eq!(glance(b"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":\"\xff\"}"), None);
    }
}
