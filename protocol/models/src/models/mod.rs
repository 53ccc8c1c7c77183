//! The models: each runs a few threads, and asserts what must hold when all have done what they were to do.

pub mod callers;
pub mod ends;
pub mod interrupts;
pub mod servers;
pub mod usages;
pub mod writers;

use std::sync::atomic::Ordering;

use loom::thread::JoinHandle;

use crate::connection::{Connection, Side};
use crate::error::CallError;
use crate::seat::{Part, Refused};
use crate::slot::Told;
use crate::system::{is_over, system};
use crate::turn;
use crate::watch::Watch;

/// Runs a model through all interleavings with at most so many preemptions.
fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}

/// A host with so many calls under way.
fn host(calls: usize) -> Connection {
    Connection::new(Side::Host, calls, Watch { blind: false }, |_| ())
}

/// A host without the watch's help.
fn unwatched_host(calls: usize) -> Connection {
    Connection::new(Side::Host, calls, Watch { blind: true }, |_| ())
}

/// A thread of the model.
fn spawn(connection: &Connection, act: impl FnOnce(&Connection) + 'static) -> JoinHandle<()> {
    let connection = connection.clone();
    loom::thread::spawn(move || {
        act(&connection);
        is_over();
    })
}

/// What the caller of that call is told in the end.
fn wait(connection: &Connection, id: usize) -> Result<(), CallError> {
    let slot = &connection.inner.slots[id];
    match turn::wait(connection, id as u64, slot, None) {
        Told::Settled(outcome) => outcome.map(|_| ()),
        Told::Progress(_) | Told::Items(_) | Told::TimedOut => panic!("nobody said so"),
    }
}

/// A caller that gets its answer.
fn caller(connection: &Connection, id: usize) -> JoinHandle<()> {
    spawn(connection, move |connection| wait(connection, id).unwrap())
}

fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Each call had one answer.
fn assert_answered(connection: &Connection) {
    for (id, answers) in connection.inner.answers.iter().enumerate() {
        assert_eq!(answers.load(Ordering::Relaxed), 1, "answers to {id}");
    }
}

/// Nobody reads, and whatever arrives next will be read: the watch is armed, or will look.
fn assert_at_rest(connection: &Connection) {
    let (armed, looks) = {
        let state = system();
        assert!(state.jobs.is_empty());
        (state.armed, state.look_due)
    };
    let Ok(turn) = connection.inner.seat.take(Part::Caller) else { panic!("somebody reads") };
    assert!(armed || looks, "nobody will look");
    assert!(!system().armed, "armed while somebody reads");
    std::mem::forget(turn);
}

/// There is nothing more to read.
fn assert_gone(connection: &Connection) {
    assert_eq!(connection.inner.seat.take(Part::Caller).err(), Some(Refused::Gone));
    assert!(!system().armed);
    connection.inner.seat.wait_gone();
}
