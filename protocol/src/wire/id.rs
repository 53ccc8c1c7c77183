//! The id of a request: what may be one, and how it travels. There is no null id here: a message
//! whose id is null or otherwise unusable never becomes a request.

use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// The largest integer that every JSON implementation keeps exactly: 2^53 − 1.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// The longest string id, in bytes of its UTF-8.
pub const MAX_ID_BYTES: usize = 256;

/// The id of a request: an integer `0 ..= 2^53-1` or a string of at most 256 bytes (`MSG-2`).
///
/// `1` and `"1"` are different ids, and each is echoed as what it was.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RequestId {
    /// An integer; at most [`MAX_INTEGER`].
    Number(u64),
    /// A string; at most [`MAX_ID_BYTES`] bytes.
    Text(Arc<str>),
}

/// A value that stands where an id should and cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id is an integer from 0 to 2^53-1 or a string of at most 256 bytes")]
pub struct InvalidId;

impl RequestId {
    /// Reads an id from the JSON text of one value.
    ///
    /// # Errors
    /// [`InvalidId`] where the value is of another type, an integer out of range or written with a
    /// fraction or an exponent, or a string that is too long.
    pub fn from_json(text: &str) -> Result<Self, InvalidId> {
        if text.starts_with('"') {
            let decoded: String = serde_json::from_str(text).map_err(|_| InvalidId)?;
            return Self::text(&decoded);
        }
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidId);
        }
        let number = text.parse().map_err(|_| InvalidId)?;
        Self::number(number)
    }

    /// An integer id.
    ///
    /// # Errors
    /// [`InvalidId`] above [`MAX_INTEGER`].
    pub fn number(number: u64) -> Result<Self, InvalidId> {
        if number <= MAX_INTEGER { Ok(Self::Number(number)) } else { Err(InvalidId) }
    }

    /// A string id.
    ///
    /// # Errors
    /// [`InvalidId`] above [`MAX_ID_BYTES`].
    pub fn text(text: &str) -> Result<Self, InvalidId> {
        if text.len() <= MAX_ID_BYTES { Ok(Self::Text(text.into())) } else { Err(InvalidId) }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;
        impl Visitor<'_> for IdVisitor {
            type Value = RequestId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&InvalidId, f)
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<RequestId, E> {
                RequestId::number(number).map_err(E::custom)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<RequestId, E> {
                RequestId::text(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(IdVisitor)
    }
}

impl JsonSchema for RequestId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RequestId".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The id of a request. `1` and `\"1\"` are different ids.",
            "oneOf": [
                {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER},
                {"type": "string", "description": "At most 256 bytes of UTF-8.", "maxLength": MAX_ID_BYTES}
            ]
        })
    }
}

impl From<RequestId> for jsonrpc_core::Id {
    fn from(id: RequestId) -> Self {
        match id {
            RequestId::Number(number) => Self::Num(number),
            RequestId::Text(text) => Self::Str(text.to_string()),
        }
    }
}

impl TryFrom<jsonrpc_core::Id> for RequestId {
    type Error = InvalidId;
    fn try_from(id: jsonrpc_core::Id) -> Result<Self, InvalidId> {
        match id {
            jsonrpc_core::Id::Num(number) => Self::number(number),
            jsonrpc_core::Id::Str(text) => Self::text(&text),
            jsonrpc_core::Id::Null => Err(InvalidId),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_an_id() {
        for text in ["0", "1", "9007199254740991", "\"\"", "\"1\"", "\"\\u0041\""] {
            assert!(RequestId::from_json(text).is_ok(), "{text}");
        }
        let longest = format!("\"{}\"", "x".repeat(MAX_ID_BYTES));
        assert!(RequestId::from_json(&longest).is_ok());
        let too_long = format!("\"{}\"", "x".repeat(MAX_ID_BYTES + 1));
        for text in [
            "-1",
            "-0",
            "1.0",
            "1e0",
            "0.5",
            "9007199254740992",
            "99999999999999999999",
            "null",
            "true",
            "[]",
            "{}",
            "",
            "\"\\ud800\"",
            &too_long,
        ] {
            assert_eq!(RequestId::from_json(text), Err(InvalidId), "{text}");
        }
    }

    #[test]
    fn a_number_is_not_its_text() {
        assert_ne!(RequestId::from_json("1"), RequestId::from_json("\"1\""));
    }

    #[test]
    fn ids_cross_to_jsonrpc_core_and_back() {
        for id in [RequestId::Number(7), RequestId::Text("seven".into())] {
            let theirs = jsonrpc_core::Id::from(id.clone());
            assert_eq!(RequestId::try_from(theirs), Ok(id));
        }
        assert_eq!(RequestId::try_from(jsonrpc_core::Id::Null), Err(InvalidId));
    }
}
