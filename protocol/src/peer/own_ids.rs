//! A map from the ids that this side gives its calls. They count up and nobody else chooses them, so that a hash which
//! withstands an attack is not needed.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map from ids of this side.
pub(super) type ByOwnId<T> = HashMap<u64, T, BuildHasherDefault<Spread>>;

/// Spreads numbers over all bits: Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4).
#[derive(Debug, Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let product = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = product ^ (product >> 32);
    }
}
