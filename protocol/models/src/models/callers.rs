//! Callers of a host, who read for each other.

use std::panic::{catch_unwind, resume_unwind};

use super::{assert_answered, assert_at_rest, caller, check, host, join, spawn, unwatched_host, wait};
use crate::seat::Part;
use crate::system::say;
use crate::watch::watch;

/// Two callers, whose answers come in the other order, find them without the watch.
pub fn two_callers() {
    check(3, || {
        let host = unwatched_host(2);
        let callers = [caller(&host, 0), caller(&host, 1)];
        say(b"1");
        say(b"0");
        join(callers);
        assert_answered(&host);
        assert_at_rest(&host);
    });
}

/// Three callers, whose answers come at once.
pub fn three_callers() {
    check(2, || {
        let host = unwatched_host(3);
        let callers = [caller(&host, 0), caller(&host, 1), caller(&host, 2)];
        say(b"210");
        join(callers);
        assert_answered(&host);
        assert_at_rest(&host);
    });
}

/// One caller is done and leaves while it is offered the seat: another takes it.
pub fn an_offer_comes_too_late() {
    check(3, || {
        let host = unwatched_host(3);
        let callers = [caller(&host, 0), caller(&host, 1), caller(&host, 2)];
        say(b"0");
        say(b"1");
        say(b"2");
        join(callers);
        assert_answered(&host);
        assert_at_rest(&host);
    });
}

/// What nobody asked for is read in the end, by a caller or by a server that the watch calls.
pub fn the_watch_reads_when_callers_have_left() {
    check(2, || {
        let host = host(2);
        let callers = [caller(&host, 0), caller(&host, 1)];
        say(b"1");
        say(b"0n");
        say(b"n");
        watch(&host, 2);
        join(callers);
        assert_answered(&host);
        assert_eq!(host.heard(), 2);
        assert_at_rest(&host);
    });
}

/// The watch looks, and fires, while a caller takes the seat.
pub fn the_watch_fires_while_a_caller_takes_the_seat() {
    check(3, || {
        let host = host(1);
        let threads = [spawn(&host, |host| {
            say(b"n0");
            wait(host, 0).unwrap();
        })];
        watch(&host, 1);
        say(b"n");
        watch(&host, 1);
        join(threads);
        assert_answered(&host);
        assert_eq!(host.heard(), 2);
        assert_at_rest(&host);
    });
}

/// A reader that panics puts the seat back, and the next reads on.
pub fn a_reader_panics() {
    check(3, || {
        let host = unwatched_host(1);
        let threads = [
            caller(&host, 0),
            spawn(&host, |host| {
                let turn = host.inner.seat.take(Part::Caller);
                let panicked = catch_unwind(std::panic::AssertUnwindSafe(|| {
                    let _turn = turn;
                    resume_unwind(Box::new(()));
                }));
                assert!(panicked.is_err());
            }),
        ];
        say(b"0");
        join(threads);
        assert_answered(&host);
        assert_at_rest(&host);
    });
}
