//! The end of a connection, and of a wait, while others wait.

use loom::sync::atomic::Ordering;
use std::time::Duration;

use super::{assert_at_rest, assert_gone, caller, check, host, join, spawn, unwatched_host, wait};
use crate::connection::Connection;
use crate::error::CallError;
use crate::system::{hang_up, say};
use crate::watch::watch;

/// The other side hangs up: every caller is told.
pub fn the_other_side_hangs_up() {
    check(3, || {
        let host = unwatched_host(2);
        let told = |id| spawn(&host, move |host| assert!(matches!(wait(host, id), Err(CallError::Closed))));
        let callers = [told(0), told(1)];
        hang_up();
        host.inner.seat.wait_gone();
        join(callers);
        assert_gone(&host);
    });
}

/// The other side hangs up after one answer, while the watch sees to a seat that nobody holds.
pub fn the_other_side_hangs_up_after_an_answer() {
    check(2, || {
        let host = host(2);
        let callers =
            [caller(&host, 0), spawn(&host, |host| assert!(matches!(wait(host, 1), Err(CallError::Closed))))];
        say(b"0");
        hang_up();
        watch(&host, 2);
        join(callers);
        assert_gone(&host);
    });
}

/// What `Connection::cancel` does where the other side does not heed it.
fn cancel(host: &Connection, id: usize) {
    host.inner.slots[id].cancel(Duration::ZERO);
    host.look_up();
}

fn cancelled(host: &Connection, id: usize) {
    assert!(matches!(wait(host, id), Err(CallError::Cancelled)));
}

/// A caller whose call is cancelled leaves at once, whoever reads; the other goes on.
pub fn one_of_two_callers_is_cancelled() {
    check(3, || {
        let host = unwatched_host(2);
        let callers = [spawn(&host, |host| cancelled(host, 0)), caller(&host, 1)];
        cancel(&host, 0);
        say(b"1");
        join(callers);
        assert_at_rest(&host);
    });
}

/// Two calls are cancelled, by one thread.
pub fn two_callers_are_cancelled() {
    check(3, || {
        let host = unwatched_host(2);
        let callers = [0, 1].map(|id| spawn(&host, move |host| cancelled(host, id)));
        cancel(&host, 0);
        cancel(&host, 1);
        join(callers);
        assert_eq!(host.inner.awaited.load(Ordering::SeqCst), 0);
        assert_at_rest(&host);
    });
}
