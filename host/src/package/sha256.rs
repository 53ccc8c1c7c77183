//! SHA-256: as text in files, and of what is read.

use std::fmt;
use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256 as Hasher};

/// A SHA-256 as text: 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Sha256(String);

impl Sha256 {
    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// Says what else it is.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(format!("{text:?} is no SHA-256: that is 64 hexadecimal digits"))
        }
    }

    /// The SHA-256 of those bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::finish(Hasher::new_with_prefix(bytes))
    }

    /// The SHA-256 of all that comes, and how many bytes that was.
    ///
    /// # Errors
    /// Where reading fails.
    pub fn of_reader(from: &mut impl Read) -> io::Result<(Self, u64)> {
        let mut hasher = Hasher::new();
        let mut length = 0;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return Ok((Self::finish(hasher), length)),
                Ok(read) => {
                    hasher.update(&buffer[..read]);
                    length += read as u64;
                }
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(fault) => return Err(fault),
            }
        }
    }

    pub(crate) fn finish(hasher: Hasher) -> Self {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(64);
        for byte in hasher.finalize() {
            write!(text, "{byte:02x}").expect("a string takes all that is written");
        }
        Self(text)
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn text_and_bytes() {
        assert_eq!(Sha256::of(b"").as_str(), NOTHING);
        assert_eq!(Sha256::of_reader(&mut &b""[..]).unwrap(), (Sha256::of(b""), 0));
        assert_eq!(Sha256::new(&NOTHING.to_uppercase()).unwrap(), Sha256::of(b""));
        for text in ["", "e3", &NOTHING[1..], &format!("{}g", &NOTHING[1..])] {
            assert!(Sha256::new(text).is_err(), "{text}");
        }
    }
}
