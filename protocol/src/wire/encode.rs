//! Messages out: each function appends one whole line, LF included, to a buffer, or leaves it as it was.

use serde::Serialize;
use serde_json::value::RawValue;

use super::error::Error;
use super::id::RequestId;
use super::json;
use super::params::{Meta, Params, may_have_meta};

/// The deepest nesting that may be sent; the message's own object is 1 (`JSON-6`).
pub const MAX_DEPTH: usize = 100;

/// Why a message cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The value has no JSON form, or its `Serialize` failed.
    #[error("no JSON can be made of it: {0}")]
    Serialize(#[from] serde_json::Error),
    /// Params that are no object.
    #[error("params must serialise to an object")]
    ParamsNotAnObject,
    /// Params with the member that belongs to the protocol.
    #[error("the member _meta of params belongs to the protocol")]
    ReservedMember,
    /// Deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// Longer than the receiver takes.
    #[error("a line of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// The receiver's limit; bytes.
        limit: usize,
        /// The size the line would have, without LF; bytes.
        size: usize,
    },
}

/// A request. Params that serialise to null are left out.
///
/// # Errors
/// [`EncodeError`]; the buffer is unchanged then.
pub fn request(
    out: &mut Vec<u8>,
    limit: usize,
    id: &RequestId,
    method: &str,
    params: &(impl Serialize + ?Sized),
    meta: &Meta,
) -> Result<(), EncodeError> {
    line(out, limit, |out| {
        out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        serde_json::to_writer(&mut *out, id)?;
        call(out, method, params, meta)
    })
}

/// A notification. Params that serialise to null are left out.
///
/// # Errors
/// [`EncodeError`]; the buffer is unchanged then.
pub fn notification(
    out: &mut Vec<u8>,
    limit: usize,
    method: &str,
    params: &(impl Serialize + ?Sized),
) -> Result<(), EncodeError> {
    line(out, limit, |out| {
        out.extend_from_slice(b"{\"jsonrpc\":\"2.0\"");
        call(out, method, params, &Meta::default())
    })
}

/// A response with a result.
///
/// # Errors
/// [`EncodeError`]; the buffer is unchanged then.
pub fn result(out: &mut Vec<u8>, limit: usize, id: &RequestId, result: &RawValue) -> Result<(), EncodeError> {
    let line = ResultLine::begin(out, id);
    out.extend_from_slice(result.get().as_bytes());
    line.end(out, limit)
}

/// A response whose result is being written into the buffer, by whoever knows its type.
pub(crate) struct ResultLine {
    start: usize,
}

impl ResultLine {
    /// Writes what comes before the JSON text of the result.
    pub(crate) fn begin(out: &mut Vec<u8>, id: &RequestId) -> Self {
        let start = out.len();
        out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        serde_json::to_writer(&mut *out, id).expect("an id has a JSON form");
        out.extend_from_slice(b",\"result\":");
        Self { start }
    }

    /// Writes what comes after it.
    ///
    /// # Errors
    /// [`EncodeError`]; the buffer is as it was before the line then.
    pub(crate) fn end(self, out: &mut Vec<u8>, limit: usize) -> Result<(), EncodeError> {
        line_from(out, self.start, limit, |_| Ok(()))
    }

    /// Takes the line back.
    pub(crate) fn undo(self, out: &mut Vec<u8>) {
        out.truncate(self.start);
    }
}

/// A response with an error; `None` where the request's id is not known.
///
/// # Errors
/// [`EncodeError`]; the buffer is unchanged then.
pub fn error(
    out: &mut Vec<u8>,
    limit: usize,
    id: Option<&RequestId>,
    error: &Error,
) -> Result<(), EncodeError> {
    line(out, limit, |out| {
        out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        serde_json::to_writer(&mut *out, &id)?;
        out.extend_from_slice(b",\"error\":");
        json::write(out, error)?;
        Ok(())
    })
}

fn call(
    out: &mut Vec<u8>,
    method: &str,
    params: &(impl Serialize + ?Sized),
    meta: &Meta,
) -> Result<(), EncodeError> {
    out.extend_from_slice(b",\"method\":");
    serde_json::to_writer(&mut *out, method)?;
    let before = out.len();
    out.extend_from_slice(b",\"params\":");
    let start = out.len();
    json::write(out, params)?;
    if &out[start..] == b"null" {
        out.truncate(start);
        out.extend_from_slice(b"{}");
    }
    trim(out, start);
    if out[start] != b'{' {
        return Err(EncodeError::ParamsNotAnObject);
    }
    let is_empty = out[start + 1..out.len() - 1].iter().all(u8::is_ascii_whitespace);
    // As text, or spelt with escapes by somebody else's raw value.
    if !is_empty && may_have_meta(&out[start..]) {
        let text = std::str::from_utf8(&out[start..]).expect("serde_json writes UTF-8");
        if serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| Params::from_raw(raw).has_meta()) {
            return Err(EncodeError::ReservedMember);
        }
    }
    if !meta.is_empty() {
        out.pop();
        out.extend_from_slice(if is_empty { b"\"_meta\":" } else { b",\"_meta\":" });
        serde_json::to_writer(&mut *out, meta)?;
        out.push(b'}');
    } else if is_empty {
        out.truncate(before);
    }
    Ok(())
}

/// Removes white space around the value at `start`, which a `RawValue` may bring.
fn trim(out: &mut Vec<u8>, start: usize) {
    let end = start + out[start..].trim_ascii_end().len();
    out.truncate(end);
    let leading = out.len() - start - out[start..].trim_ascii_start().len();
    out.drain(start..start + leading);
}

fn line(
    out: &mut Vec<u8>,
    limit: usize,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    line_from(out, start, limit, body)
}

/// Ends the line that began at `start`.
fn line_from(
    out: &mut Vec<u8>,
    start: usize,
    limit: usize,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let checked = body(out).and_then(|()| {
        out.push(b'}');
        // Outside strings a newline is white space; inside, it is always escaped. So only raw values
        // that someone else formatted have any, and a space serves as well.
        if let Some(at) = memchr::memchr2(b'\n', b'\r', &out[start..]) {
            let breaks = out[start + at..].iter_mut().filter(|byte| matches!(**byte, b'\n' | b'\r'));
            breaks.for_each(|byte| *byte = b' ');
        }
        let written = &out[start..];
        if written.len() > limit {
            return Err(EncodeError::TooLarge { limit, size: written.len() });
        }
        if is_too_deep(written) {
            return Err(EncodeError::TooDeep);
        }
        out.push(b'\n');
        Ok(())
    });
    if checked.is_err() {
        out.truncate(start);
    }
    checked
}

fn is_too_deep(json: &[u8]) -> bool {
    // Most messages are too short, or have too few brackets in all, to be too deep. To count is a matter of
    // nanoseconds.
    let brackets = |kind| memchr::memchr_iter(kind, json).count();
    if json.len() <= 2 * MAX_DEPTH || brackets(b'{') + brackets(b'[') <= MAX_DEPTH {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in json {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const LIMIT: usize = 1 << 20;

    fn encoded(body: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>) -> String {
        let mut out = b"before".to_vec();
        body(&mut out).unwrap();
        String::from_utf8(out).unwrap().strip_prefix("before").unwrap().to_owned()
    }

    #[test]
    fn whole_lines() {
        let id = RequestId::Number(1);
        let meta = Meta { deadline_ms: Some(5), ..Meta::default() };
        let none = Meta::default();
        assert_eq!(
            encoded(|out| request(out, LIMIT, &id, "a.b", &json!({"x": 1}), &none)),
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a.b\",\"params\":{\"x\":1}}\n"
        );
        assert_eq!(
            encoded(|out| request(out, LIMIT, &id, "a.b", &json!({"x": 1}), &meta)),
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a.b\",\"params\":{\"x\":1,\"_meta\":{\"deadlineMs\":5}}}\n"
        );
        assert_eq!(
            encoded(|out| request(out, LIMIT, &id, "a.b", &(), &meta)),
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a.b\",\"params\":{\"_meta\":{\"deadlineMs\":5}}}\n"
        );
        assert_eq!(
            encoded(|out| notification(out, LIMIT, "a.b", &())),
            "{\"jsonrpc\":\"2.0\",\"method\":\"a.b\"}\n"
        );
        let failed = crate::wire::error::cancelled(None);
        assert_eq!(
            encoded(|out| error(out, LIMIT, None, &failed)),
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32004,\"message\":\"cancelled\"}}\n"
        );
    }

    #[test]
    fn a_formatted_raw_value_stays_on_one_line() {
        let raw = RawValue::from_string("{\r\n \"a\": \"\\n\"\n}".to_owned()).unwrap();
        let line = encoded(|out| result(out, LIMIT, &RequestId::Number(1), &raw));
        assert_eq!(line.matches(['\n', '\r']).count(), 1);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["result"]["a"], "\n");
    }

    #[test]
    fn the_reserved_member_is_found_however_it_is_spelt() {
        for text in [r#"{"_meta":1}"#, r#"{"\u005fmeta":{}}"#, r#"{"a":1,"_me\u0074a":null}"#] {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            let sent = notification(&mut Vec::new(), LIMIT, "m", &raw);
            assert!(matches!(sent, Err(EncodeError::ReservedMember)), "{text}: {sent:?}");
        }
    }

    #[test]
    fn what_may_not_be_sent_leaves_nothing_behind() {
        let id = RequestId::Number(1);
        let send = |params: &Value, limit: usize| {
            let mut out = b"before".to_vec();
            let sent = request(&mut out, limit, &id, "m", params, &Meta::default());
            assert!(sent.is_ok() || out == b"before");
            sent
        };
        assert!(matches!(send(&json!([1]), LIMIT), Err(EncodeError::ParamsNotAnObject)));
        assert!(matches!(send(&json!({"_meta": {}}), LIMIT), Err(EncodeError::ReservedMember)));
        assert!(matches!(send(&json!({"_meta": null}), LIMIT), Err(EncodeError::ReservedMember)));
        assert!(send(&json!({"a": {"_meta": 1}, "b": "_meta"}), LIMIT).is_ok());
        let size = send(&json!({"a": "x"}), 10).unwrap_err();
        assert!(matches!(size, EncodeError::TooLarge { limit: 10, size: 56 }), "{size:?}");
        assert!(send(&json!({"a": "x"}), 56).is_ok());
        assert!(matches!(send(&json!({"a": "x"}), 55), Err(EncodeError::TooLarge { .. })));
        let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        assert!(send(&json!({"a": nested(98)}), LIMIT).is_ok());
        assert!(matches!(send(&json!({"a": nested(99)}), LIMIT), Err(EncodeError::TooDeep)));
        assert!(send(&json!({"a": "[".repeat(500)}), LIMIT).is_ok());
    }
}
