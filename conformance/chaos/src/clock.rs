//! When something happened: by the monotonic clock, which plugins read too.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A time by the monotonic clock of the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// As far as anything reaches.
    pub const END: Self = Self(Duration::MAX);

    /// This one.
    #[must_use]
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Monotonic);
        // Since the machine was started, so neither is negative.
        Self(Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0)))
    }

    /// That many nanoseconds on the clock.
    #[must_use]
    pub fn of_nanos(nanos: u64) -> Self {
        Self(Duration::from_nanos(nanos))
    }

    /// How long after another; nothing, where it was before.
    #[must_use]
    pub fn since(self, other: Self) -> Duration {
        self.0.saturating_sub(other.0)
    }

    /// So much later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    /// So much earlier.
    #[must_use]
    pub fn before(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(time))
    }
}
