//! [`Interrupt`] alone, with nothing else that would order its accesses.

use super::check;
use crate::interrupt::Interrupt;
use crate::io::{Bell, End, Wake};
use crate::sync::{Arc, AtomicBool, Ordering};

/// Whoever sleeps without an end wakes up, and then sees why.
pub fn an_interrupt_ends_a_sleep() {
    check(4, || {
        let interrupt = Arc::new(Interrupt::new(Bell));
        let reason = Arc::new(AtomicBool::new(false));
        let sleeper = {
            let (interrupt, reason) = (Arc::clone(&interrupt), Arc::clone(&reason));
            loom::thread::spawn(move || {
                // The mark may be of a raise before.
                while !reason.load(Ordering::Relaxed) {
                    interrupt.sleep(&End::In, &Wake, None).unwrap();
                    interrupt.take();
                }
            })
        };
        reason.store(true, Ordering::Relaxed);
        interrupt.raise();
        sleeper.join().unwrap();
    });
}

/// Two that raise it are both seen.
pub fn two_interrupts_end_two_sleeps() {
    check(3, || {
        let interrupt = Arc::new(Interrupt::new(Bell));
        let reasons = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let raisers = [0, 1].map(|raiser| {
            let (interrupt, reasons) = (Arc::clone(&interrupt), Arc::clone(&reasons));
            loom::thread::spawn(move || {
                reasons[raiser].store(true, Ordering::Relaxed);
                interrupt.raise();
            })
        });
        while !reasons.iter().all(|reason| reason.load(Ordering::Relaxed)) {
            interrupt.sleep(&End::In, &Wake, None).unwrap();
            interrupt.take();
        }
        super::join(raisers);
    });
}
