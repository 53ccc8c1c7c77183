//! How much a plugin may have to say in a second. What goes beyond it is counted, and told as one number. A function of
//! the time; no clock.

use std::fmt;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// So many log lines, lines on standard error and ignored messages of a plugin are told in a second, each kind counted
/// by itself. (The journal of systemd takes 10,000 in 30 s from a service.)
pub(crate) const EVENTS_PER_SECOND: NonZeroU32 = NonZeroU32::new(1000).expect("1000 is not 0");

/// From the first one that is counted.
const WINDOW: Duration = Duration::from_secs(1);

/// What a plugin can say without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Told {
    /// To the log ([`EventKind::Log`](crate::EventKind::Log)).
    Logs,
    /// On standard error ([`EventKind::Stderr`](crate::EventKind::Stderr)).
    StderrLines,
    /// Messages that mean nothing here ([`EventKind::Ignored`](crate::EventKind::Ignored)).
    IgnoredMessages,
}

impl Told {
    pub(crate) const ALL: [Self; 3] = [Self::Logs, Self::StderrLines, Self::IgnoredMessages];
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Logs => "log lines",
            Self::StderrLines => "lines on standard error",
            Self::IgnoredMessages => "ignored messages",
        })
    }
}

/// What is to be done with one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Admission {
    /// So many were not told in the second before, which is to be told first.
    pub(crate) held_back: u64,
    /// It is told itself.
    pub(crate) admitted: bool,
    /// It is the first that is not, and what was held back is to be told then.
    pub(crate) look_at: Option<Instant>,
}

/// All that a plugin says.
#[derive(Debug)]
pub(crate) struct Rates {
    most: u32,
    counts: [Count; Told::ALL.len()],
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    since: Option<Instant>,
    admitted: u32,
    held_back: u64,
}

impl Rates {
    /// So many of each kind in a second.
    pub(crate) fn at_most(most: u32) -> Self {
        Self { most, counts: <_>::default() }
    }

    /// One more of that kind.
    pub(crate) fn admit(&mut self, told: Told, now: Instant) -> Admission {
        let count = &mut self.counts[told as usize];
        let mut held_back = 0;
        let since = match count.since {
            Some(since) if now.saturating_duration_since(since) < WINDOW => since,
            _ => {
                held_back = count.held_back;
                *count = Count { since: Some(now), ..Count::default() };
                now
            }
        };
        if count.admitted < self.most {
            count.admitted += 1;
            return Admission { held_back, admitted: true, look_at: None };
        }
        count.held_back += 1;
        let look_at = (count.held_back == 1).then(|| since + WINDOW);
        Admission { held_back, admitted: false, look_at }
    }

    /// How many of that kind were held back in a second that is over and were not told of.
    pub(crate) fn over(&mut self, told: Told, now: Instant) -> u64 {
        let count = &mut self.counts[told as usize];
        match count.since {
            Some(since) if now.saturating_duration_since(since) >= WINDOW => {
                std::mem::take(&mut count.held_back)
            }
            _ => 0,
        }
    }

    /// The same, whether the second is over or not: no more is to come.
    pub(crate) fn rest(&mut self, told: Told) -> u64 {
        std::mem::take(&mut self.counts[told as usize].held_back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YES: Admission = Admission { held_back: 0, admitted: true, look_at: None };
    const NO: Admission = Admission { held_back: 0, admitted: false, look_at: None };

    #[test]
    fn a_thousand_of_each_kind_in_a_second_and_the_next_is_held_back() {
        let (mut rates, start) = (Rates::at_most(EVENTS_PER_SECOND.get()), Instant::now());
        for told in Told::ALL {
            for _ in 0..1000 {
                assert_eq!(rates.admit(told, start), YES);
            }
            // The first one has somebody look when the second is over, and no other does.
            assert_eq!(rates.admit(told, start), Admission { look_at: Some(start + WINDOW), ..NO });
            assert_eq!(rates.admit(told, start + WINDOW / 2), NO);
        }
    }

    #[test]
    fn what_is_held_back_is_told_once_and_in_full() {
        let start = Instant::now();
        let flooded = || {
            let mut rates = Rates::at_most(1);
            for _ in 0..11 {
                rates.admit(Told::Logs, start);
            }
            rates
        };
        // By the next one, …
        let mut rates = flooded();
        assert_eq!(rates.admit(Told::Logs, start + WINDOW), Admission { held_back: 10, ..YES });
        assert_eq!(rates.over(Told::Logs, start + 3 * WINDOW), 0);
        // … by who looks, but not too early, …
        let mut rates = flooded();
        assert_eq!(rates.over(Told::Logs, start + WINDOW - Duration::from_nanos(1)), 0);
        assert_eq!(rates.over(Told::Logs, start + WINDOW), 10);
        assert_eq!(rates.admit(Told::Logs, start + WINDOW), YES);
        // … or at the end.
        let mut rates = flooded();
        assert_eq!((rates.rest(Told::Logs), rates.rest(Told::Logs)), (10, 0));
        assert_eq!(rates.rest(Told::StderrLines), 0);
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_lets_no_more_through() {
        let (mut rates, start) = (Rates::at_most(2), Instant::now() + WINDOW);
        let admitted = (0..10).filter(|_| rates.admit(Told::Logs, start).admitted).count();
        assert_eq!(admitted, 2);
        assert!(!rates.admit(Told::Logs, start - WINDOW).admitted);
    }
}
