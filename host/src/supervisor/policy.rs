//! What is done after a failure: how long is waited, and when no more is tried. A function of the time; no clock, no
//! randomness but what it is given.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::settings::{Backoff, Breaker};

/// What one place in the pool has been through. `F` is what is known of a failure.
#[derive(Debug)]
pub(super) struct History<F> {
    /// The last ones, not more than trip the breaker; the oldest first.
    failures: VecDeque<(Instant, F)>,
    /// Failures since the last life that was long enough.
    in_a_row: u32,
    /// Since when there is an instance that serves.
    up: Option<Instant>,
    /// The breaker had tripped, and one more try was made: a failure trips it again at once.
    on_trial: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Start it again.
    Again {
        /// After so long.
        after: Duration,
        /// So many failures there were in a row.
        attempt: u32,
    },
    /// Try no more.
    Tripped {
        /// Until so long has passed; `None` is for ever.
        rest: Option<Duration>,
    },
}

impl<F> Default for History<F> {
    fn default() -> Self {
        Self { failures: VecDeque::new(), in_a_row: 0, up: None, on_trial: false }
    }
}

impl<F: Clone> History<F> {
    /// An instance serves from now on.
    pub(super) fn up(&mut self, now: Instant) {
        self.up = Some(now);
    }

    /// An instance ended, and nothing was wrong with that.
    pub(super) fn down(&mut self, now: Instant, breaker: &Breaker) {
        self.make_up(now, breaker);
        self.up = None;
    }

    /// A life that was long enough makes up for what was before.
    fn make_up(&mut self, now: Instant, breaker: &Breaker) {
        if self.up.is_some_and(|since| now.saturating_duration_since(since) >= breaker.within) {
            self.reset();
        }
    }

    /// An instance ended by itself, or did not start.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        failure: F,
        backoff: &Backoff,
        breaker: &Breaker,
    ) -> Verdict {
        self.down(now, breaker);
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.failures.push_back((now, failure));
        while self.failures.len() > breaker.failures {
            self.failures.pop_front();
        }
        let recent = self
            .failures
            .iter()
            .filter(|(at, _)| now.saturating_duration_since(*at) <= breaker.within)
            .count();
        if self.on_trial || recent >= breaker.failures {
            self.on_trial = true;
            return Verdict::Tripped { rest: breaker.rest };
        }
        Verdict::Again { after: backoff.jitter.of(delay(backoff, self.in_a_row)), attempt: self.in_a_row }
    }

    /// The last failures, the oldest first.
    pub(super) fn failures(&self) -> Vec<F> {
        self.failures.iter().map(|(_, failure)| failure.clone()).collect()
    }

    /// All is forgotten.
    pub(super) fn reset(&mut self) {
        self.failures.clear();
        self.in_a_row = 0;
        self.on_trial = false;
    }
}

/// The most that is waited after so many failures in a row.
fn delay(backoff: &Backoff, in_a_row: u32) -> Duration {
    let doublings = in_a_row.saturating_sub(1);
    2_u32
        .checked_pow(doublings)
        .and_then(|factor| backoff.first.checked_mul(factor))
        .map_or(if backoff.first.is_zero() { Duration::ZERO } else { backoff.most }, |delay| {
            delay.min(backoff.most)
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::supervisor::settings::Jitter;

    const SECOND: Duration = Duration::from_secs(1);

    fn backoff() -> Backoff {
        Backoff { first: SECOND, most: 10 * SECOND, jitter: Jitter::none() }
    }

    fn breaker() -> Breaker {
        Breaker { failures: 5, within: 60 * SECOND, rest: Some(30 * SECOND) }
    }

    /// What each of these failures leads to, in seconds; `None` where the breaker trips.
    fn delays(at: &[u64]) -> Vec<Option<u64>> {
        let start = Instant::now();
        let mut history = History::default();
        let fail = |at: &u64| match history.failed(start + *at as u32 * SECOND, *at, &backoff(), &breaker()) {
            Verdict::Again { after, .. } => Some(after.as_secs()),
            Verdict::Tripped { .. } => None,
        };
        at.iter().map(fail).collect()
    }

    #[test]
    fn delays_double_up_to_the_most_and_failures_close_together_trip_the_breaker() {
        let rows: [(&[u64], &[Option<u64>]); 3] = [
            (
                &[0, 20, 40, 60, 80, 100, 120],
                &[Some(1), Some(2), Some(4), Some(8), Some(10), Some(10), Some(10)],
            ),
            (&[0, 1, 2, 3, 4, 5], &[Some(1), Some(2), Some(4), Some(8), None, None]),
            (&[0, 100, 101, 102, 103, 104], &[Some(1), Some(2), Some(4), Some(8), Some(10), None]),
        ];
        for (failures, wanted) in rows {
            assert_eq!(delays(failures), wanted, "{failures:?}");
        }
    }

    #[test]
    fn a_long_life_makes_up_and_a_short_one_does_not() {
        let start = Instant::now();
        let mut history = History::default();
        let fail =
            |history: &mut History<()>, at: Duration| history.failed(start + at, (), &backoff(), &breaker());
        fail(&mut history, SECOND);
        history.up(start + 2 * SECOND);
        assert_eq!(fail(&mut history, 61 * SECOND), Verdict::Again { after: 2 * SECOND, attempt: 2 });
        history.up(start + 62 * SECOND);
        assert_eq!(fail(&mut history, 122 * SECOND), Verdict::Again { after: SECOND, attempt: 1 });
        assert_eq!(history.failures().len(), 1);
    }

    #[test]
    fn a_tripped_breaker_bears_one_try_and_a_reset_forgets() {
        let start = Instant::now();
        let mut history = History::default();
        for at in 0..5 {
            history.failed(start + at * SECOND, at, &backoff(), &breaker());
        }
        // Long after, the one try fails.
        let late = start + 1000 * SECOND;
        assert_eq!(
            history.failed(late, 5, &backoff(), &breaker()),
            Verdict::Tripped { rest: Some(30 * SECOND) }
        );
        assert_eq!(history.failures(), [1, 2, 3, 4, 5]);
        history.reset();
        assert_eq!(
            history.failed(late, 6, &backoff(), &breaker()),
            Verdict::Again { after: SECOND, attempt: 1 }
        );
    }

    proptest! {
        #[test]
        fn no_delay_is_longer_than_the_most_and_what_is_kept_is_bounded(
            gaps in prop::collection::vec(0_u64..100_000, 1..200),
            first in 0_u64..10_000,
            most in 0_u64..100_000,
            most_failures in 1_usize..10,
            part in 0_u32..=100,
        ) {
            let most = Duration::from_millis(most);
            let jitter = Jitter::by(move |delay| delay * part / 100);
            let backoff = Backoff { first: Duration::from_millis(first), most, jitter };
            let breaker = Breaker { failures: most_failures, ..breaker() };
            let mut now = Instant::now();
            let mut history = History::default();
            let mut times = Vec::new();
            for (number, gap) in gaps.iter().enumerate() {
                now += Duration::from_millis(*gap);
                times.push(now);
                let recent = times.iter().filter(|at| now - **at <= breaker.within).count();
                match history.failed(now, number, &backoff, &breaker) {
                    Verdict::Again { after, attempt } => {
                        prop_assert!(after <= most);
                        prop_assert!(recent < most_failures);
                        prop_assert_eq!(attempt as usize, number + 1);
                    }
                    Verdict::Tripped { .. } => {
                        prop_assert!(recent >= most_failures);
                        break;
                    }
                }
                prop_assert!(history.failures().len() <= most_failures);
            }
        }
    }
}
