//! How long to look for what comes before going to sleep: polling costs a core, sleeping some twenty times the
//! latency. So it polls where that was worth it lately, and nowhere else.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

/// The longest that is looked before going to sleep.
pub(super) const BUDGET: Duration = Duration::from_micros(50);
/// A sleep that ended within this would have ended within the budget, had both sides looked: it has the wake-up in it.
const SHORT_SLEEP: Duration = Duration::from_micros(100);
/// From this confidence on it looks.
const ENOUGH: u8 = 4;
const MOST: u8 = 16;
const GAIN: u8 = 2;
const LOSS: u8 = 4;

/// The environment variable that turns looking off when it is `off`, for this process.
const SWITCH: &str = "PLUGLINE_POLL";

/// How many threads look at this moment, in the whole process.
static LOOKING: AtomicUsize = AtomicUsize::new(0);

/// How many may: all cores but one, which is the other side's.
fn may_look() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();
    *MOST.get_or_init(|| {
        if std::env::var_os(SWITCH).is_some_and(|value| value == "off") {
            return 0;
        }
        available_parallelism().map_or(0, |cores| cores.get() - 1)
    })
}

/// What was learnt of the waits of one connection.
#[derive(Debug, Default)]
pub(super) struct Patience {
    confidence: u8,
}

impl Patience {
    /// Whether to look before going to sleep; held while looking.
    pub(super) fn look(&self) -> Option<Looking> {
        if self.confidence < ENOUGH {
            return None;
        }
        let most = may_look();
        if LOOKING.fetch_add(1, Ordering::Relaxed) >= most {
            LOOKING.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Looking(()))
    }

    /// Something came while looking.
    pub(super) fn worth_it(&mut self) {
        self.confidence = (self.confidence + GAIN).min(MOST);
    }

    /// Nothing came while looking, or this thread was kept from looking: somebody else needs the core.
    pub(super) fn in_vain(&mut self) {
        self.confidence = self.confidence.saturating_sub(LOSS);
    }

    /// Something came after a sleep of this length, without looking before.
    pub(super) fn slept(&mut self, length: Duration) {
        if length <= SHORT_SLEEP {
            self.worth_it();
        } else {
            self.in_vain();
        }
    }
}

/// One of the threads that may look.
#[derive(Debug)]
pub(super) struct Looking(());

impl Drop for Looking {
    fn drop(&mut self) {
        LOOKING.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_where_that_was_worth_it_lately() {
        let mut patience = Patience::default();
        assert!(patience.confidence < ENOUGH, "nothing is known");
        patience.slept(Duration::from_micros(40));
        patience.slept(Duration::from_micros(40));
        assert!(patience.confidence >= ENOUGH);
        for _ in 0..100 {
            patience.worth_it();
        }
        // A pause does not undo what was learnt, a few do.
        patience.in_vain();
        assert!(patience.confidence >= ENOUGH);
        for _ in 0..4 {
            patience.slept(Duration::from_millis(1));
        }
        assert!(patience.confidence < ENOUGH);
    }
}
