//! Who uses an instance, in one word: how many calls are in flight, how many ever began, and whether it takes more. A
//! call costs one addition as it begins and one as it ends. Pure.
//!
//! Model-checked in `protocol/models/`.

use super::sync::{AtomicU64, Ordering};

/// It takes no more.
const RETIRED: u64 = 1;
/// Nobody looks whether it is healthy: who uses it next says so.
const UNWATCHED: u64 = 1 << 1;
/// One call in flight; there is room for sixteen million.
const IN_FLIGHT: u64 = 1 << 2;
const IN_FLIGHT_MASK: u64 = (BEGUN - 1) & !(IN_FLIGHT - 1);
/// One call that began. What does not fit falls off the end.
const BEGUN: u64 = 1 << 26;

/// Who uses an instance.
#[derive(Debug, Default)]
pub(crate) struct Usage(AtomicU64);

/// What it was at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(u64);

impl Moment {
    pub(crate) fn in_flight(self) -> u64 {
        (self.0 & IN_FLIGHT_MASK) / IN_FLIGHT
    }

    /// Nobody uses it, or has begun to since then.
    pub(crate) fn is_quiet_since(self, then: Self) -> bool {
        self.in_flight() == 0 && self.0 / BEGUN == then.0 / BEGUN
    }
}

/// How a call may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It may; it has to [`leave`](Usage::leave).
    Open,
    /// The same, and somebody has to look after the instance again.
    Unwatched,
    /// It may not: the instance takes no more.
    Retired,
}

impl Usage {
    pub(crate) fn now(&self) -> Moment {
        Moment(self.0.load(Ordering::Acquire))
    }

    /// A call begins, if it may. Of one that may not, `last` is told where it was the last to leave.
    pub(crate) fn enter(&self, last: impl FnOnce()) -> Entry {
        let before = self.0.fetch_add(BEGUN + IN_FLIGHT, Ordering::AcqRel);
        if before & RETIRED != 0 {
            self.leave(last);
            return Entry::Retired;
        }
        if before & UNWATCHED != 0 && self.0.fetch_and(!UNWATCHED, Ordering::AcqRel) & UNWATCHED != 0 {
            return Entry::Unwatched;
        }
        Entry::Open
    }

    /// A call ends; `last` is told where nobody uses a retired instance any more.
    pub(crate) fn leave(&self, last: impl FnOnce()) {
        let before = self.0.fetch_sub(IN_FLIGHT, Ordering::AcqRel);
        if before & RETIRED != 0 && Moment(before).in_flight() == 1 {
            last();
        }
    }

    /// No call begins any more.
    pub(crate) fn retire(&self) {
        self.0.fetch_or(RETIRED, Ordering::AcqRel);
    }

    /// No call begins any more, if nobody has used it since that moment.
    pub(crate) fn retire_if_quiet(&self, since: Moment) -> bool {
        since.in_flight() == 0
            && self
                .0
                .compare_exchange(since.0, since.0 | RETIRED, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
    }

    /// Calls may begin again.
    pub(crate) fn recall(&self) {
        self.0.fetch_and(!RETIRED, Ordering::AcqRel);
    }

    /// Nobody looks after it until it is used, if nobody has used it since that moment.
    pub(crate) fn unwatch(&self, since: Moment) -> bool {
        since.in_flight() == 0
            && self
                .0
                .compare_exchange(since.0, since.0 | UNWATCHED, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
    }
}
