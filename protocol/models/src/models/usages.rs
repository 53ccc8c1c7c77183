//! Who uses an instance, while it is taken away: `host/src/supervisor/usage.rs`.

use super::check;
use crate::sync::{Arc, AtomicBool, AtomicU64, Ordering};
use crate::usage::{Entry, Usage};

/// Each call either ends before whoever retires the instance goes on, or did not begin; and that one is told.
pub fn whoever_retires_an_instance_sees_its_last_call_leave() {
    check(4, || {
        let usage = Arc::new(Usage::default());
        let gone = Arc::new(AtomicBool::new(false));
        let told = Arc::new(AtomicU64::new(0));
        let callers = [0, 1].map(|_| {
            let (usage, gone, told) = (Arc::clone(&usage), Arc::clone(&gone), Arc::clone(&told));
            loom::thread::spawn(move || {
                let last = || {
                    told.fetch_add(1, Ordering::AcqRel);
                };
                if usage.enter(last) != Entry::Retired {
                    assert!(!gone.load(Ordering::Acquire), "it is used after it was taken away");
                    usage.leave(last);
                }
            })
        });
        usage.retire();
        while usage.now().in_flight() > 0 {
            // Whoever leaves last tells: so a wait ends. Of those that came too late, each may be told of too.
            while told.load(Ordering::Acquire) == 0 {
                loom::thread::yield_now();
            }
            loom::thread::yield_now();
        }
        gone.store(true, Ordering::Release);
        super::join(callers);
        assert_eq!(usage.now().in_flight(), 0);
    });
}

/// Of a call that begins and an idle stop, one has its way.
pub fn an_idle_instance_is_retired_or_used() {
    check(4, || {
        let usage = Arc::new(Usage::default());
        let seen = usage.now();
        let caller = {
            let usage = Arc::clone(&usage);
            loom::thread::spawn(move || {
                let entered = usage.enter(|| ()) != Entry::Retired;
                if entered {
                    usage.leave(|| ());
                }
                entered
            })
        };
        let retired = usage.retire_if_quiet(seen);
        let entered = caller.join().unwrap();
        assert_ne!(entered, retired, "either the call has it, or whoever takes it away");
        if retired {
            assert_eq!(usage.enter(|| ()), Entry::Retired);
            usage.recall();
        }
        assert_eq!(usage.enter(|| ()), Entry::Open);
    });
}

/// Nobody looks after an instance that nobody uses; the first who does, and no other, has it looked after again.
pub fn a_watch_is_taken_up_again_once() {
    check(4, || {
        let usage = Arc::new(Usage::default());
        let seen = usage.now();
        let taken_up = Arc::new(AtomicU64::new(0));
        let callers = [0, 1].map(|_| {
            let (usage, taken_up) = (Arc::clone(&usage), Arc::clone(&taken_up));
            loom::thread::spawn(move || {
                if usage.enter(|| ()) == Entry::Unwatched {
                    taken_up.fetch_add(1, Ordering::AcqRel);
                }
                usage.leave(|| ());
            })
        });
        let given_up = usage.unwatch(seen);
        super::join(callers);
        // Whoever came before is seen, and it is looked after on; whoever came after has taken it up.
        assert_eq!(taken_up.load(Ordering::Acquire), u64::from(given_up));
    });
}
