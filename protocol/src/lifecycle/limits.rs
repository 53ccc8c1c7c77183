//! What a side accepts from the other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The line limit in force both ways before the handshake; bytes.
pub const HANDSHAKE_LINE_BYTES: usize = 1024 * 1024;

/// What a side accepts from the other (`LIFE-*`). Each has a default, used where it is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// The longest line, in bytes before LF.
    #[schemars(range(min = 65536))]
    pub max_line_bytes: usize,
    /// How many requests at once, at each depth of nesting. 1 is "one at a time".
    #[schemars(range(min = 1))]
    pub max_in_flight: u32,
    /// How deep requests may nest; a request that is not nested has depth 0.
    #[schemars(range(min = 1))]
    pub max_depth: u32,
    /// The credit that a stream starts with, and the longest line of one; bytes.
    #[schemars(range(min = 65536))]
    pub stream_window_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_line_bytes: 16 * 1024 * 1024,
            max_in_flight: 64,
            max_depth: 16,
            stream_window_bytes: 256 * 1024,
        }
    }
}

impl Limits {
    /// The same limits, for an API that takes them from a program rather than from the wire.
    ///
    /// # Panics
    /// Where one is below its minimum.
    #[must_use]
    pub fn checked(self) -> Self {
        if let Some((name, minimum)) = self.below_minimum() {
            panic!("{name} must be at least {minimum}");
        }
        self
    }

    /// The first member that is below its minimum: its name on the wire, and the minimum.
    pub fn below_minimum(&self) -> Option<(&'static str, u64)> {
        let kib64 = 64 * 1024;
        [
            ("maxLineBytes", self.max_line_bytes as u64, kib64),
            ("maxInFlight", u64::from(self.max_in_flight), 1),
            ("maxDepth", u64::from(self.max_depth), 1),
            ("streamWindowBytes", self.stream_window_bytes as u64, kib64),
        ]
        .into_iter()
        .find(|(_, value, minimum)| value < minimum)
        .map(|(name, _, minimum)| (name, minimum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_at_its_minimum_is_one_and_below_it_is_none() {
        let least =
            Limits { max_line_bytes: 65_536, max_in_flight: 1, max_depth: 1, stream_window_bytes: 65_536 };
        assert_eq!(least.below_minimum(), None);
        for (limits, below) in [
            (Limits { max_line_bytes: 65_535, ..least }, ("maxLineBytes", 65_536)),
            (Limits { max_in_flight: 0, ..least }, ("maxInFlight", 1)),
            (Limits { max_depth: 0, ..least }, ("maxDepth", 1)),
            (Limits { stream_window_bytes: 65_535, ..least }, ("streamWindowBytes", 65_536)),
        ] {
            assert_eq!(limits.below_minimum(), Some(below));
        }
    }
}
