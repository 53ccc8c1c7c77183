//! Values into JSON text as the wire takes it: an integer that a double does not keep is refused, not sent (`JSON-3`).

use std::io;

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter};
use serde_json::value::{RawValue, to_raw_value};

use super::id::MAX_INTEGER;

/// The JSON text of a value.
pub(crate) fn raw(value: &(impl Serialize + ?Sized)) -> serde_json::Result<Box<RawValue>> {
    let raw = to_raw_value(value)?;
    if is_exact(raw.get()) { Ok(raw) } else { Err(serde_json::Error::io(inexact())) }
}

/// Appends the JSON text of a value.
pub(crate) fn write(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Exact))
}

/// Writes as `serde_json` does by itself.
struct Exact;

fn check(magnitude: u128) -> io::Result<()> {
    if magnitude <= u128::from(MAX_INTEGER) {
        return Ok(());
    }
    Err(inexact())
}

fn inexact() -> io::Error {
    io::Error::other("an integer beyond 2^53 - 1 is to be sent as a string")
}

/// Whether all integers of a JSON text are such that a double keeps them.
pub(crate) fn is_exact(json: &str) -> bool {
    let json = json.as_bytes();
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => at = after_string(json, at + 1),
            b'0'..=b'9' => {
                let number = &json[at..];
                let end = number.iter().position(|byte| !is_of_number(*byte)).unwrap_or(number.len());
                if !is_exact_number(&number[..end]) {
                    return false;
                }
                at += end;
            }
            _ => at += 1,
        }
    }
    true
}

/// Where a string that begins there is over.
fn after_string(json: &[u8], mut at: usize) -> usize {
    while let Some(found) = json.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        if json[at - 1] == b'"' {
            return at;
        }
        at += 1; // Whatever is escaped.
    }
    json.len()
}

fn is_of_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')
}

/// Of a number without its sign.
fn is_exact_number(number: &[u8]) -> bool {
    // Shorter ones are small enough, whatever they are.
    number.len() < 16
        || !number.iter().all(u8::is_ascii_digit)
        || str::from_utf8(number)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .is_some_and(|n: u64| n <= MAX_INTEGER)
}

impl Formatter for Exact {
    fn write_raw_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if !is_exact(fragment) {
            return Err(inexact());
        }
        CompactFormatter.write_raw_fragment(writer, fragment)
    }

    fn write_i64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: i64) -> io::Result<()> {
        check(value.unsigned_abs().into())?;
        CompactFormatter.write_i64(writer, value)
    }

    fn write_u64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        check(value.into())?;
        CompactFormatter.write_u64(writer, value)
    }

    fn write_i128<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: i128) -> io::Result<()> {
        check(value.unsigned_abs())?;
        CompactFormatter.write_i128(writer, value)
    }

    fn write_u128<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: u128) -> io::Result<()> {
        check(value)?;
        CompactFormatter.write_u128(writer, value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_that_a_double_keeps_are_written_and_no_others() {
        let largest = i64::try_from(MAX_INTEGER).unwrap();
        let exact = [json!(largest), json!(-largest), json!({"a": [largest, 0, 0.5, 1e300]})];
        for value in exact {
            let mut out = Vec::new();
            write(&mut out, &value).unwrap();
            assert_eq!(out, value.to_string().into_bytes());
        }
        let inexact = [json!(largest + 1), json!(-largest - 1), json!(u64::MAX), json!({"a": [largest + 1]})];
        for value in inexact {
            assert!(write(&mut Vec::new(), &value).is_err(), "{value}");
        }
        assert!(write(&mut Vec::new(), &i128::MIN).is_err());
        assert!(write(&mut Vec::new(), &u128::MAX).is_err());
    }

    #[test]
    fn what_is_json_text_already_is_looked_through() {
        let exact = [
            "[9007199254740991,-9007199254740991]",
            r#"{"90071992547409921":"9007199254740992","a\\\"9007199254740992":[]}"#,
            "[9007199254740992.0,9007199254740992e0,1E400,-0]",
            r#""an end without a quote is not looked for \u0022""#,
        ];
        for text in exact {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            let mut out = Vec::new();
            write(&mut out, &raw).unwrap();
            assert_eq!(out, text.as_bytes());
            assert_eq!(super::raw(&raw).unwrap().get(), text);
        }
        let inexact = ["9007199254740992", "[\"\",-9007199254740992]", r#"{"a":10000000000000000000000}"#];
        for text in inexact {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            assert!(write(&mut Vec::new(), &raw).is_err(), "{text}");
            assert!(super::raw(&raw).is_err(), "{text}");
        }
    }
}
