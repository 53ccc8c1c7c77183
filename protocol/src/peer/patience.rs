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
/// So many short sleeps in a row show that looking may be worth it …
const FIRST_PAUSE: u32 = 2;
/// … and so many at most, where it was in vain again and again.
const LONGEST_PAUSE: u32 = 1024;

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
///
/// Each look in vain doubles the pause to the next, so that where looking cannot help (another process wants the core,
/// the other side is slow) it costs a thousandth of what it would, and is still tried now and then.
#[derive(Debug)]
pub(super) struct Patience {
    /// How many short sleeps in a row are to come before it looks again.
    pause: u32,
    /// How many there would be after the next look in vain.
    next_pause: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { pause: FIRST_PAUSE, next_pause: FIRST_PAUSE }
    }
}

impl Patience {
    /// Whether to look before going to sleep; held while looking.
    pub(super) fn look(&self) -> Option<Looking> {
        if self.pause > 0 {
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
        self.next_pause = (self.next_pause / 2).max(FIRST_PAUSE);
    }

    /// Nothing came while looking, or this thread was kept from looking: somebody else needs the core.
    pub(super) fn in_vain(&mut self) {
        self.pause = self.next_pause;
        self.next_pause = (self.next_pause * 2).min(LONGEST_PAUSE);
    }

    /// Something came after a sleep of this length, without looking before.
    pub(super) fn slept(&mut self, length: Duration) {
        if length <= SHORT_SLEEP {
            self.pause = self.pause.saturating_sub(1);
        } else {
            self.pause = self.pause.max(FIRST_PAUSE);
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

    const SHORT: Duration = Duration::from_micros(40);
    const LONG: Duration = Duration::from_millis(1);

    /// How many short sleeps it takes until it looks.
    fn sleeps(patience: &mut Patience) -> u32 {
        let mut count = 0;
        while patience.pause > 0 {
            patience.slept(SHORT);
            count += 1;
        }
        count
    }

    #[test]
    fn it_looks_where_that_was_worth_it_lately() {
        let mut patience = Patience::default();
        assert_eq!(sleeps(&mut patience), 2);
        for _ in 0..100 {
            patience.worth_it();
        }
        assert_eq!(patience.pause, 0);
        patience.in_vain();
        assert_eq!(sleeps(&mut patience), 2);
        patience.slept(LONG);
        patience.slept(SHORT);
        patience.slept(LONG);
        assert_eq!(sleeps(&mut patience), 2, "in a row");
    }

    #[test]
    fn what_is_in_vain_again_and_again_is_hardly_tried() {
        let mut patience = Patience::default();
        let (mut looks, mut waits) = (0, 0);
        while waits < 10_000 {
            waits += sleeps(&mut patience) + 1;
            looks += 1;
            patience.in_vain();
        }
        assert!(looks < 25, "{looks} looks in {waits} waits");
        // It is found out when that changes.
        sleeps(&mut patience);
        for _ in 0..10 {
            patience.worth_it();
        }
        patience.in_vain();
        assert_eq!(patience.pause, FIRST_PAUSE);
    }
}
