//! Values in cases: what `$ref`, `$repeat` and the like come to.
//!
//! Members that begin with `$` and are none of these are matchers, and stay as they are.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::model::{Bytes, Piece};

/// A case that cannot be carried out as it is written: a fault of the suite.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CaseFault(pub String);

/// How deep a `$ref` may lead to others.
const MAX_REFS: usize = 16;
/// No value that a case builds is larger; bytes or items. More than the longest line that has to be reached, and exceeded.
const MAX_BUILT: usize = 260 * 1024 * 1024;

/// What names stand for.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    values: BTreeMap<String, Value>,
}

impl Scope {
    /// Gives a name a value, in place of any that it had.
    pub fn set(&mut self, name: impl Into<String>, value: Value) {
        self.values.insert(name.into(), value);
    }

    fn get(&self, name: &str) -> Result<&Value, CaseFault> {
        self.values.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.values.keys().map(String::as_str).collect();
            CaseFault(format!("{name}: nothing is named so; there are {}", known.join(", ")))
        })
    }

    /// What a value comes to.
    ///
    /// # Errors
    /// Names that stand for nothing, and expansions that are malformed.
    pub fn expand(&self, value: &Value) -> Result<Value, CaseFault> {
        self.expanded(value, 0)
    }

    fn expanded(&self, value: &Value, depth: usize) -> Result<Value, CaseFault> {
        Ok(match value {
            Value::Object(members) => match self.special(members, depth)? {
                Some(value) => value,
                None => {
                    let expanded = members
                        .iter()
                        .map(|(name, value)| Ok((name.clone(), self.expanded(value, depth)?)))
                        .collect::<Result<_, CaseFault>>()?;
                    Value::Object(expanded)
                }
            },
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.expanded(item, depth)).collect::<Result<_, _>>()?)
            }
            plain => plain.clone(),
        })
    }

    fn special(&self, members: &Map<String, Value>, depth: usize) -> Result<Option<Value>, CaseFault> {
        if let Some(Value::String(name)) = members.get("$ref") {
            // A JSON Schema may have such a member too; its names begin so.
            if name.starts_with('#') {
                return Ok(None);
            }
            if depth > MAX_REFS {
                return Err(CaseFault(format!("{name}: stands for itself")));
            }
            let value = self.expanded(self.get(name)?, depth + 1)?;
            if !members.contains_key("plus") && !members.contains_key("over") {
                return Ok(Some(value));
            }
            let integer = |name: &str, absent: i64| members.get(name).map_or(Some(absent), Value::as_i64);
            let (Some(value), Some(plus), Some(over)) =
                (value.as_i64(), integer("plus", 0), integer("over", 1))
            else {
                return Err(CaseFault(format!("{name}: `plus` and `over` are for integers")));
            };
            let result = value.checked_div(over).and_then(|part| part.checked_add(plus));
            return result
                .map(|result| Some(result.into()))
                .ok_or_else(|| CaseFault(format!("{name}: too large")));
        }
        if let Some(text) = members.get("$repeat") {
            let text = self.text(text, depth)?;
            let times = self.count(members.get("times"), depth)?;
            bounded(text.len(), times)?;
            return Ok(Some(text.repeat(times).into()));
        }
        if let Some(value) = members.get("$copies") {
            let value = self.expanded(value, depth)?;
            let times = self.count(members.get("times"), depth)?;
            bounded(1, times)?;
            return Ok(Some(vec![value; times].into()));
        }
        if let Some(range) = members.get("$range") {
            let ends = self.expanded(range, depth)?;
            let end = |at: usize| ends.get(at).and_then(Value::as_i64);
            let (Some(from), Some(to)) = (end(0), end(1)) else {
                return Err(CaseFault(format!("$range takes [from, to], not {ends}")));
            };
            bounded(1, usize::try_from(to.saturating_sub(from)).unwrap_or(0))?;
            return Ok(Some((from..to).collect::<Vec<_>>().into()));
        }
        Ok(None)
    }

    fn text(&self, value: &Value, depth: usize) -> Result<String, CaseFault> {
        match self.expanded(value, depth)? {
            Value::String(text) => Ok(text),
            other => Err(CaseFault(format!("a text is wanted, not {other}"))),
        }
    }

    fn count(&self, value: Option<&Value>, depth: usize) -> Result<usize, CaseFault> {
        let value = self.expanded(value.unwrap_or(&Value::Null), depth)?;
        let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
        count.ok_or_else(|| CaseFault(format!("a number of times is wanted, not {value}")))
    }

    /// A number of times: an integer or a `$ref`.
    ///
    /// # Errors
    /// Anything else.
    pub fn times(&self, value: &Value) -> Result<usize, CaseFault> {
        self.count(Some(value), 0)
    }

    /// What bytes come to.
    ///
    /// # Errors
    /// As [`expand`](Self::expand); odd hexadecimal digits.
    pub fn bytes(&self, bytes: &Bytes) -> Result<Vec<u8>, CaseFault> {
        match bytes {
            Bytes::Text(text) => self.interpolated(text),
            Bytes::Piece(piece) => self.piece(piece, 0),
            Bytes::Pieces(pieces) => self.pieces(pieces, 0),
        }
    }

    fn pieces(&self, pieces: &[Piece], depth: usize) -> Result<Vec<u8>, CaseFault> {
        pieces.iter().try_fold(Vec::new(), |mut bytes, piece| {
            bytes.extend(self.piece(piece, depth)?);
            Ok(bytes)
        })
    }

    fn piece(&self, piece: &Piece, depth: usize) -> Result<Vec<u8>, CaseFault> {
        match piece {
            Piece::Text(text) => self.interpolated(text),
            Piece::Hex { hex } => unhex(hex),
            Piece::Repeated { repeat, times } => {
                let times = self.times(times)?;
                bounded(repeat.len(), times)?;
                Ok(repeat.repeat(times).into_bytes())
            }
            Piece::Ref { name } => self.named(name, depth),
        }
    }

    /// A variable as bytes: a text as it is, pieces, or any other JSON as it is written.
    fn named(&self, name: &str, depth: usize) -> Result<Vec<u8>, CaseFault> {
        if depth > MAX_REFS {
            return Err(CaseFault(format!("{name}: stands for itself")));
        }
        let value = self.get(name)?;
        match value {
            Value::String(text) => self.interpolated(text),
            Value::Object(members) if members.contains_key("hex") || members.contains_key("repeat") => {
                self.piece(&read_piece(name, value)?, depth + 1)
            }
            Value::Array(items) if !items.is_empty() && items.iter().all(is_piece) => {
                let pieces =
                    items.iter().map(|item| read_piece(name, item)).collect::<Result<Vec<_>, _>>()?;
                self.pieces(&pieces, depth + 1)
            }
            value => Ok(self.expand(value)?.to_string().into_bytes()),
        }
    }

    /// `${name}` stands for a variable.
    fn interpolated(&self, text: &str) -> Result<Vec<u8>, CaseFault> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) =
                after.split_once('}').ok_or_else(|| CaseFault(format!("{text:?}: `${{` does not end")))?;
            bytes.extend_from_slice(before.as_bytes());
            bytes.extend(self.named(name, 1)?);
            rest = after;
        }
        bytes.extend_from_slice(rest.as_bytes());
        Ok(bytes)
    }
}

fn is_piece(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Object(members) => ["hex", "repeat", "$ref"].iter().any(|name| members.contains_key(*name)),
        _ => false,
    }
}

fn read_piece(name: &str, value: &Value) -> Result<Piece, CaseFault> {
    serde_json::from_value(value.clone())
        .map_err(|_| CaseFault(format!("{name}: {value} is no piece of bytes")))
}

fn bounded(size: usize, times: usize) -> Result<(), CaseFault> {
    match size.checked_mul(times) {
        Some(total) if total <= MAX_BUILT => Ok(()),
        _ => Err(CaseFault(format!("{times} times {size} is too much"))),
    }
}

fn unhex(hex: &str) -> Result<Vec<u8>, CaseFault> {
    let digits: Vec<u32> =
        hex.chars().filter(|c| *c != ' ').map(|c| c.to_digit(16)).collect::<Option<_>>().unwrap_or_default();
    if !digits.len().is_multiple_of(2) || digits.is_empty() != hex.trim().is_empty() {
        return Err(CaseFault(format!("{hex:?}: pairs of hexadecimal digits are wanted")));
    }
    Ok(digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).expect("two hexadecimal digits"))
        .collect())
}

/// The line of a message. With a length, what stands for `$fill` is as long as makes the line so long.
///
/// # Errors
/// A length without a `$fill`, or one that is too short.
pub fn line(message: &Value, length: Option<usize>) -> Result<Vec<u8>, CaseFault> {
    let bare = filled(message, 0).to_string().into_bytes();
    let Some(length) = length else { return Ok(bare) };
    bounded(1, length)?;
    let Some(missing) = length.checked_sub(bare.len()) else {
        return Err(CaseFault(format!("the message has {} bytes, more than {length}", bare.len())));
    };
    let line = filled(message, missing).to_string().into_bytes();
    if line.len() == length {
        Ok(line)
    } else {
        Err(CaseFault(format!(
            "cannot be made {length} bytes long: it takes one `{{$fill: x}}` of one ASCII letter"
        )))
    }
}

fn filled(value: &Value, size: usize) -> Value {
    match value {
        Value::Object(members) => match members.get("$fill") {
            Some(Value::String(text)) => text.repeat(size).into(),
            _ => members.iter().map(|(name, value)| (name.clone(), filled(value, size))).collect(),
        },
        Value::Array(items) => items.iter().map(|item| filled(item, size)).collect(),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scope() -> Scope {
        let mut scope = Scope::default();
        scope.set("limits.maxLineBytes", json!(65536));
        scope.set("text", json!("a\u{2028}b"));
        scope.set("other", json!({"$ref": "text"}));
        scope.set("raw", json!({"hex": "ef bb bf"}));
        scope.set("loop", json!({"$ref": "loop"}));
        scope
    }

    #[test]
    fn expansions() {
        let rows = [
            (json!({"a": {"$ref": "other"}}), json!({"a": "a\u{2028}b"})),
            (json!({"$ref": "limits.maxLineBytes", "plus": 1}), json!(65537)),
            (json!({"$ref": "limits.maxLineBytes", "over": 2, "plus": -1}), json!(32767)),
            (json!({"$repeat": "ab", "times": 3}), json!("ababab")),
            (json!([{"$range": [2, 5]}]), json!([[2, 3, 4]])),
            (json!({"$copies": {"x": 1}, "times": 2}), json!([{"x": 1}, {"x": 1}])),
            (json!({"$exact": [{"$ref": "text"}]}), json!({"$exact": ["a\u{2028}b"]})),
            (json!({"$schema": {"$ref": "#/x"}}), json!({"$schema": {"$ref": "#/x"}})),
        ];
        for (value, wanted) in rows {
            assert_eq!(scope().expand(&value).unwrap(), wanted, "{value}");
        }
        for value in [json!({"$ref": "nothing"}), json!({"$ref": "loop"}), json!({"$ref": "text", "plus": 1})]
        {
            scope().expand(&value).unwrap_err();
        }
    }

    #[test]
    fn bytes_are_exact() {
        let read = |value: Value| scope().bytes(&serde_json::from_value(value).unwrap());
        assert_eq!(read(json!("<${text}>")).unwrap(), "<a\u{2028}b>".as_bytes());
        assert_eq!(
            read(json!([{"$ref": "raw"}, "{}\r\n", {"hex": "00FF"}])).unwrap(),
            b"\xef\xbb\xbf{}\r\n\x00\xff"
        );
        assert_eq!(read(json!({"repeat": "[", "times": 3})).unwrap(), b"[[[");
        assert_eq!(read(json!("${limits.maxLineBytes}")).unwrap(), b"65536");
        read(json!({"hex": "123"})).unwrap_err();
        read(json!({"hex": "xy"})).unwrap_err();
    }

    #[test]
    fn a_line_is_as_long_as_it_is_told() {
        let message = json!({"id": 1, "x": {"$fill": "é"}});
        assert_eq!(line(&message, None).unwrap(), br#"{"id":1,"x":""}"#);
        line(&message, Some(18)).unwrap_err();
        let message = json!({"id": 1, "x": {"$fill": "y"}});
        assert_eq!(line(&message, Some(18)).unwrap(), br#"{"id":1,"x":"yyy"}"#);
        line(&message, Some(3)).unwrap_err();
        line(&message, Some(1 << 40)).unwrap_err();
        assert!(usize::try_from(crate::reach::LONGEST_LINE).unwrap() + (3 << 20) <= MAX_BUILT);
    }
}
