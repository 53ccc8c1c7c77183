//! All that can be set of how a plugin is kept alive. `docs/supervision.md` has the same as a table.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::starts::Starts;
use crate::timeouts::A_YEAR;

/// How a plugin is kept alive.
#[derive(Debug, Clone)]
pub struct Supervision {
    /// How many instances serve, each call going to the one with the fewest in flight; 1. More than one needs a manifest
    /// that says `"instances": "many"`.
    pub instances: NonZeroUsize,
    /// When an instance that ended is started again.
    pub restart: Restart,
    /// How long is waited before that.
    pub backoff: Backoff,
    /// When it is no longer done.
    pub breaker: Breaker,
    /// How long nobody uses the plugin before it is stopped, until it is used again; `None`, which is never, unless said.
    /// It is stopped between this and a quarter more after its last use.
    pub idle: Option<Duration>,
    /// How it is found out that an instance does not answer any more; `None` is not at all, but for calls that ended for
    /// their callers and stay unanswered ([`Timeouts::unanswered`](crate::Timeouts)).
    pub health: Option<Health>,
    /// How long calls in flight may go on at an instance that others took over from; 30 s.
    pub drain: Duration,
    /// Where it is known from which methods may be repeated, and how many instances may serve.
    pub manifest: ManifestSource,
    /// How many plugins start at once, of all supervisors that are given the same; of the whole process, unless said.
    pub starts: Starts,
}

impl Default for Supervision {
    fn default() -> Self {
        Self {
            instances: NonZeroUsize::MIN,
            restart: Restart::AtOnce,
            backoff: Backoff::default(),
            breaker: Breaker::default(),
            idle: None,
            health: Some(Health::default()),
            drain: Duration::from_secs(30),
            manifest: ManifestSource::Asked,
            starts: Starts::of_the_process(),
        }
    }
}

impl Supervision {
    /// The same, within what the clock can add up.
    pub(super) fn bounded(self) -> Self {
        Self {
            idle: self.idle.map(|idle| idle.min(A_YEAR)),
            drain: self.drain.min(A_YEAR),
            backoff: Backoff {
                first: self.backoff.first.min(A_YEAR),
                most: self.backoff.most.min(A_YEAR),
                ..self.backoff
            },
            breaker: Breaker {
                failures: self.breaker.failures.max(1),
                within: self.breaker.within.min(A_YEAR),
                rest: self.breaker.rest.map(|rest| rest.min(A_YEAR)),
            },
            health: self.health.map(|health| Health {
                interval: health.interval.clamp(Duration::from_millis(1), A_YEAR),
                timeout: health.timeout.min(A_YEAR),
                failures: health.failures.max(1),
                ..health
            }),
            ..self
        }
    }
}

/// When an instance that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// When the backoff has passed, whether anybody calls or not.
    AtOnce,
    /// With the next use, once the backoff has passed.
    OnUse,
}

/// How long is waited before an instance is started again: up to `first`, up to twice that after the next failure, and so
/// on, up to `most`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure; 100 ms.
    pub first: Duration,
    /// However many there were; 30 s.
    pub most: Duration,
    /// How much of it; any part, at random.
    pub jitter: Jitter,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), most: Duration::from_secs(30), jitter: Jitter::default() }
    }
}

/// How much of a delay is waited, so that plugins that failed together do not come back together.
#[derive(Clone)]
pub struct Jitter(Arc<dyn Fn(Duration) -> Duration + Send + Sync>);

impl Jitter {
    /// Any part, at random.
    pub fn full() -> Self {
        Self::by(|most| {
            let random = RandomState::new().build_hasher().finish();
            let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
            Duration::from_nanos(nanos.checked_add(1).map_or(random, |range| random % range))
        })
    }

    /// All of it.
    pub fn none() -> Self {
        Self::by(|most| most)
    }

    /// As a function says, which is given the most that is waited. More is not.
    pub fn by(part: impl Fn(Duration) -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(part))
    }

    pub(super) fn of(&self, most: Duration) -> Duration {
        (self.0)(most).min(most)
    }
}

impl Default for Jitter {
    fn default() -> Self {
        Self::full()
    }
}

impl PartialEq for Jitter {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Jitter {}

impl fmt::Debug for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jitter")
    }
}

/// When a plugin is not started any more: its failures are a crash loop then, and calls say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// So many failures of one instance's place …
    pub failures: usize,
    /// … within this time: 5 in a minute. An instance that lived for so long makes up for those before.
    pub within: Duration,
    /// After how long the next use tries once more; a minute. `None`: only [`reset`](crate::Supervised::reset) does.
    pub rest: Option<Duration>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 5, within: Duration::from_secs(60), rest: Some(Duration::from_secs(60)) }
    }
}

/// How it is found out that an instance does not answer any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// So often it is asked (`rpc.ping`); 10 s.
    pub interval: Duration,
    /// So long it has to answer; 5 s.
    pub timeout: Duration,
    /// So many answers in a row are missed before it is replaced; 3.
    pub failures: usize,
    /// Whether it is asked while nobody uses it.
    pub when: PingWhen,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            failures: 3,
            when: PingWhen::Used,
        }
    }
}

/// When an instance is asked whether it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PingWhen {
    /// Only where it was used since it was asked last: an idle plugin costs nothing.
    Used,
    /// As long as it runs.
    Always,
}

/// Where it is known from what a plugin declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestSource {
    /// Each instance is asked after its handshake, unless [`Launch::manifest`](crate::Launch::manifest) said it.
    Asked,
    /// Only what [`Launch::manifest`](crate::Launch::manifest) said. Without, no method may be repeated, and one instance
    /// serves.
    Told,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_jitter_is_any_part_and_never_more() {
        let jitter = Jitter::full();
        let most = Duration::from_millis(100);
        let parts: Vec<Duration> = (0..1000).map(|_| jitter.of(most)).collect();
        assert!(parts.iter().all(|part| *part <= most));
        assert!(parts.iter().any(|part| *part < most / 4) && parts.iter().any(|part| *part > most * 3 / 4));
        assert_eq!(jitter.of(Duration::ZERO), Duration::ZERO);
        assert_eq!(Jitter::by(|most| most * 2).of(most), most);
    }
}
