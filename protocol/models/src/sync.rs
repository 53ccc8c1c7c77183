//! The locks of the checker, where `protocol/src/peer/sync.rs` has those of the system.
//!
//! The checker takes an access that is sequentially consistent for an acquiring or releasing one, but knows fences:
//! between two of those, such an access is what it says it is.

pub(super) use std::sync::{Arc, PoisonError};

pub(super) use loom::sync::atomic::Ordering;
pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};

pub(super) use loom::sync::atomic::AtomicU64;

#[derive(Debug)]
pub(super) struct AtomicBool(loom::sync::atomic::AtomicBool);

impl AtomicBool {
    pub(super) fn new(value: bool) -> Self {
        Self(loom::sync::atomic::AtomicBool::new(value))
    }

    pub(super) fn load(&self, order: Ordering) -> bool {
        fenced(order, || self.0.load(order))
    }

    pub(super) fn store(&self, value: bool, order: Ordering) {
        fenced(order, || self.0.store(value, order));
    }

    pub(super) fn swap(&self, value: bool, order: Ordering) -> bool {
        fenced(order, || self.0.swap(value, order))
    }
}

impl Default for AtomicBool {
    fn default() -> Self {
        Self::new(false)
    }
}

fn fenced<T>(order: Ordering, access: impl FnOnce() -> T) -> T {
    let fence = || {
        if order == Ordering::SeqCst {
            loom::sync::atomic::fence(order);
        }
    };
    fence();
    let result = access();
    fence();
    result
}
