//! The locks of what is model-checked: `protocol/models/` puts those of its checker in this place.

pub(super) use std::sync::atomic::{AtomicU64, Ordering};
