//! Bytes as a value: base64 on the wire (`JSON-11`).

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};

use base64_simd::STANDARD;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Bytes. On the wire they are a string: base64 with padding (RFC 4648, section 4).
///
/// ```
/// # use plugline_protocol::wire::Bytes;
/// let text = serde_json::to_string(&Bytes::from(b"plug".as_slice()))?;
/// assert_eq!(text, r#""cGx1Zw==""#);
/// assert_eq!(*serde_json::from_str::<Bytes>(&text)?, *b"plug");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub Vec<u8>);

impl Deref for Bytes {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Bytes {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({} of them)", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if takes_json_text::<S>() {
            let mut text = String::with_capacity(STANDARD.encoded_length(self.0.len()) + 2);
            text.push('"');
            STANDARD.encode_append(&self.0, &mut text);
            text.push('"');
            // To see that it is a string takes a tenth of looking at each byte for whether it is to be escaped.
            let raw: &RawValue = serde_json::from_str(&text).expect("base64 is plain ASCII");
            return raw.serialize(serializer);
        }
        serializer.serialize_str(&STANDARD.encode_to_string(&self.0))
    }
}

/// Whether it is one of `serde_json`'s own serialisers, which take a [`RawValue`] for what it is. Another one is given
/// the same string, more slowly.
fn takes_json_text<S>() -> bool {
    std::any::type_name::<S>().starts_with("&mut serde_json::ser::Serializer<")
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string of base64")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
                let bytes = STANDARD.decode_to_vec(text);
                bytes.map(Bytes).map_err(|_| E::invalid_value(de::Unexpected::Other("another string"), &self))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "contentEncoding": "base64" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_bytes_come_back(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let text = serde_json::to_string(&Bytes(bytes.clone())).unwrap();
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"\"+/=".contains(&b)), "{text}");
            prop_assert_eq!(serde_json::from_str::<Bytes>(&text).unwrap().0, bytes);
        }
    }

    #[test]
    fn serde_json_is_known_and_others_are_given_the_same() {
        assert!(takes_json_text::<&mut serde_json::Serializer<Vec<u8>>>());
        assert!(takes_json_text::<
            &mut serde_json::Serializer<&mut Vec<u8>, serde_json::ser::PrettyFormatter<'_>>,
        >());
        assert!(!takes_json_text::<&mut Vec<u8>>());
        let bytes = Bytes::from(b"plug".as_slice());
        assert_eq!(serde_json::to_value(&bytes).unwrap(), "cGx1Zw==");
        let text = serde_json::to_string(&(&bytes, Bytes::default())).unwrap();
        assert_eq!(text, r#"["cGx1Zw==",""]"#);
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        // No padding, the other alphabet, white space, bits that say nothing, no string.
        for text in [r#""cGx1Zw""#, r#""-_-_""#, r#""cGx1\nZw==""#, r#""cGx1Zx==""#, "[1]", "null"] {
            assert!(serde_json::from_str::<Bytes>(text).is_err(), "{text}");
        }
    }
}
