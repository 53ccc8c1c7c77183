//! Names of packages: what users type, and what directories and files of the store are called.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A package's name: up to 64 lower-case letters, digits, `-` and `_`, the first one a letter or a digit.
///
/// Lower case, since file systems of some machines do not tell the cases apart; no dot and no slash, since that makes
/// a word a path or an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PackageName(String);

/// The same for editors.
const PATTERN: &str = "^[a-z0-9][a-z0-9_-]{0,63}$";

/// Windows takes these for devices, whatever the directory.
const RESERVED: [&str; 4] = ["con", "prn", "aux", "nul"];

fn is_reserved(name: &str) -> bool {
    let numbered = |prefix| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    RESERVED.contains(&name) || numbered("com") || numbered("lpt")
}

impl PackageName {
    /// Reads a name.
    ///
    /// # Errors
    /// Says what a name may be.
    pub fn new(name: &str) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let first = name.bytes().next().is_some_and(plain);
        let rest = name.bytes().all(|byte| plain(byte) || byte == b'-' || byte == b'_');
        if !first || !rest || name.len() > 64 {
            return Err(format!(
                "{name:?} is no name of a package: that is up to 64 of a-z, 0-9, - and _, the first a letter or a digit"
            ));
        }
        if is_reserved(name) {
            return Err(format!("{name:?} is no name of a package: Windows has devices of that name"));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PackageName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::new(text)
    }
}

impl Borrow<str> for PackageName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for PackageName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for PackageName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PackageName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Up to 64 lower-case letters, digits, - and _, the first one a letter or a digit.",
            "type": "string",
            "pattern": PATTERN,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["a", "users-json", "7z", "x_1", &"a".repeat(64), "com10", "console"] {
            assert!(PackageName::new(name).is_ok(), "{name}");
        }
        let long = "a".repeat(65);
        for name in ["", "-a", "_a", "A", "a.b", "..", "a/b", "ü", "a b", "nul", "com1", "lpt9", &long, "a\0"]
        {
            assert!(PackageName::new(name).is_err(), "{name}");
        }
    }
}
