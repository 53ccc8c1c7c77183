//! Servers: a plugin's, which lends its turn to run a handler and stands by; and a host's, while tasks await calls.

use std::task::Wake;

use loom::sync::atomic::Ordering;

use super::{
    assert_answered, assert_at_rest, assert_gone, caller, check, host, join, spawn, unwatched_host, wait,
};
use crate::alarms::Alarm;
use crate::connection::{Connection, Side};
use crate::error::CallError;
use crate::slot::Told;
use crate::system::{change, hang_up, say, wait_for};
use crate::turn;
use crate::watch::{Watch, watch};

/// A plugin whose server is a thread of the model; without the watch's help.
fn plugin(calls: usize, handler: fn(&Connection)) -> Connection {
    let plugin = Connection::new(Side::Plugin, calls, Watch { blind: true }, handler);
    // What serves from the start is this thread's to run.
    assert_eq!(change(|state| state.jobs.len()), 1);
    plugin
}

/// Serves until there is nothing more to read.
fn serve() {
    let job = change(|state| state.jobs.pop_front()).unwrap();
    job();
}

/// A server lends its turn, comes back and stands by, while a caller reads and leaves.
pub fn a_server_stands_by_while_a_caller_reads() {
    check(3, || {
        let plugin = plugin(1, Connection::hear);
        let threads = [
            caller(&plugin, 0),
            spawn(&plugin, |_| {
                say(b"r0");
                say(b"r");
                hang_up();
            }),
        ];
        serve();
        watch(&plugin, threads.len());
        join(threads);
        assert_answered(&plugin);
        assert_eq!(plugin.heard(), 2);
        assert_gone(&plugin);
    });
}

/// A handler calls the other side, and reads its own answer while a stranger's caller waits.
pub fn a_handler_calls_back() {
    check(3, || {
        let plugin = plugin(2, |plugin| {
            say(b"0");
            wait(plugin, 0).unwrap();
            plugin.hear();
        });
        let threads = [spawn(&plugin, |plugin| {
            say(b"r");
            say(b"1");
            wait(plugin, 1).unwrap();
            hang_up();
        })];
        serve();
        watch(&plugin, threads.len());
        join(threads);
        assert_answered(&plugin);
        assert_eq!(plugin.heard(), 1);
        assert_gone(&plugin);
    });
}

/// Two servers come back from their handlers while a caller reads: only one stands by, and none sleeps for ever.
pub fn two_servers_come_back_while_a_caller_reads() {
    check(2, || {
        let plugin = Connection::new(Side::Plugin, 1, Watch { blind: false }, |plugin| {
            plugin.hear();
            wait_for(|_| (plugin.heard() == 2).then_some(()));
        });
        let job = change(|state| state.jobs.pop_front()).unwrap();
        let threads = [
            spawn(&plugin, |_| job()),
            spawn(&plugin, |plugin| {
                say(b"rr");
                wait_for(|_| (plugin.heard() == 2).then_some(()));
                say(b"0");
                wait(plugin, 0).unwrap();
                hang_up();
            }),
        ];
        watch(&plugin, 2);
        join(threads);
        assert_answered(&plugin);
        assert_gone(&plugin);
    });
}

/// The other side hangs up while a caller reads and a server stands by: both are told.
pub fn the_other_side_hangs_up_while_a_server_stands_by() {
    check(3, || {
        let plugin = plugin(1, Connection::hear);
        let threads = [spawn(&plugin, |plugin| assert!(matches!(wait(plugin, 0), Err(CallError::Closed))))];
        say(b"r");
        hang_up();
        serve();
        watch(&plugin, threads.len());
        join(threads);
        assert_eq!(plugin.heard(), 1);
        assert_gone(&plugin);
    });
}

/// A server that thinks that nothing comes soon leaves, while a caller waits for the seat.
pub fn a_server_leaves_while_a_caller_waits() {
    check(3, || {
        let host = unwatched_host(1);
        let turn = host.inner.seat.fired().unwrap();
        let threads = [caller(&host, 0)];
        turn::serve(&host, turn);
        say(b"0");
        join(threads);
        assert_answered(&host);
        assert_at_rest(&host);
    });
}

/// A handler never ends by itself: the watch has another read on.
pub fn the_watch_promotes_while_a_handler_runs() {
    check(2, || {
        let plugin = Connection::new(Side::Plugin, 0, Watch { blind: false }, |plugin| {
            wait_for(|_| (plugin.heard() > 0).then_some(()));
        });
        let job = change(|state| state.jobs.pop_front()).unwrap();
        let threads = [
            spawn(&plugin, |_| job()),
            spawn(&plugin, |plugin| {
                say(b"r");
                say(b"n");
                wait_for(|_| (plugin.heard() > 0).then_some(()));
                hang_up();
            }),
        ];
        watch(&plugin, 2);
        join(threads);
        assert_gone(&plugin);
    });
}

/// What wakes a task.
struct Task;

impl Wake for Task {
    fn wake(self: std::sync::Arc<Self>) {
        change(|state| state.aborted = true);
    }
}

/// What awaiting a call does, on a thread that is an executor with one task.
fn await_call(host: &Connection, id: usize) {
    let slot = &host.inner.slots[id];
    let waker = std::sync::Arc::new(Task).into();
    let mut awaited = false;
    loop {
        match slot.tell(None) {
            Ok(Told::Settled(outcome)) => {
                outcome.unwrap();
                break;
            }
            Ok(_) => panic!("nobody said so"),
            Err(_) => {
                let waits = slot.tell_task(Alarm::new(&waker, &host.inner.alarms));
                if !std::mem::replace(&mut awaited, true) {
                    host.inner.awaited.fetch_add(1, Ordering::SeqCst);
                }
                if waits {
                    turn::serve_what_came(host.clone());
                    wait_for(|state| std::mem::take(&mut state.aborted).then_some(()));
                }
            }
        }
    }
    if awaited && host.inner.awaited.fetch_sub(1, Ordering::SeqCst) == 1 {
        host.inner.interrupt.raise();
    }
}

/// A task awaits a call while a caller waits for another: the server reads when the caller has left.
pub fn a_task_and_a_caller() {
    check(2, || a_task_and_a_caller_of(&host(2)));
}

/// The same without the watch's help: whoever leaves the seat sees to the task.
pub fn a_task_and_a_caller_without_the_watch() {
    check(2, || a_task_and_a_caller_of(&unwatched_host(2)));
}

fn a_task_and_a_caller_of(host: &Connection) {
    let threads = [spawn(host, |host| await_call(host, 0)), caller(host, 1)];
    say(b"1");
    say(b"0");
    watch(host, 2);
    join(threads);
    assert_answered(host);
    assert_at_rest(host);
}
