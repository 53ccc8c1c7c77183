//! Integers that JSON cannot keep: text on the wire (`JSON-3`).

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// An integer of any size, such as `Big<u64>` or `Big<i128>`. On the wire it is a string of decimal digits, since many
/// a JSON parser keeps only integers up to 2^53 − 1.
///
/// ```
/// # use plugline_protocol::wire::Big;
/// let text = serde_json::to_string(&Big(u64::MAX))?;
/// assert_eq!(text, r#""18446744073709551615""#);
/// assert_eq!(serde_json::from_str::<Big<u64>>(&text)?, Big(u64::MAX));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Big<T>(pub T);

impl<T: fmt::Display> Serialize for Big<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Big<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits<T>(PhantomData<T>);

        impl<T: FromStr> Visitor<'_> for Digits<T> {
            type Value = Big<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer as a string of decimal digits")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let digits = text.strip_prefix('-').unwrap_or(text);
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(E::invalid_value(de::Unexpected::Str(text), &self));
                }
                text.parse().map(Big).map_err(|_| E::custom(format!("{text} is outside what fits here")))
            }
        }

        deserializer.deserialize_str(Digits(PhantomData))
    }
}

impl<T> JsonSchema for Big<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Big".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^-?[0-9]+$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_nothing_else() {
        for (text, value) in [("0", 0), ("-170141183460469231731687303715884105728", i128::MIN)] {
            let json = format!("{text:?}");
            assert_eq!(serde_json::from_str::<Big<i128>>(&json).unwrap(), Big(value));
            assert_eq!(serde_json::to_string(&Big(value)).unwrap(), json);
        }
        for text in ["\"\"", "\"-\"", "\"+1\"", "\" 1\"", "\"1.0\"", "1", "null"] {
            assert!(serde_json::from_str::<Big<i128>>(text).is_err(), "{text}");
        }
        let fault = serde_json::from_str::<Big<u8>>("\"256\"").unwrap_err().to_string();
        assert!(fault.contains("256 is outside what fits here"), "{fault}");
    }
}
