//! A buffer for the line that a thread is making: kept from one line to the next.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

/// A buffer that grew larger than this is not kept.
const KEEP_BYTES: usize = 256 * 1024;

thread_local! {
    static KEPT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An empty buffer, to be filled.
pub(super) struct Scratch(Vec<u8>);

impl Scratch {
    /// The thread's own, where nobody has it at this moment.
    pub(super) fn take() -> Self {
        let buffer = KEPT.try_with(Cell::take).unwrap_or_default();
        Self(if buffer.capacity() == 0 { Vec::with_capacity(512) } else { buffer })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.0);
        if buffer.capacity() <= KEEP_BYTES {
            buffer.clear();
            // A thread that ends has no more use for it.
            let _ended = KEPT.try_with(|kept| kept.set(buffer));
        }
    }
}

impl Deref for Scratch {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}
