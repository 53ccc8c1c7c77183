//! Who waits for a place among the calls in flight, in their order. One is told of each place that becomes free:
//! to tell all would have a thousand threads run for one place.

use std::collections::BTreeMap;
use std::fmt;
use std::thread::{self, Thread};

use super::alarms::Alarm;

/// What ends the wait for a place: the end of what a call is made for.
pub(crate) trait Bond: fmt::Debug + Send + Sync {
    /// This thread is about to park until the other side takes another call: the end unparks it. False where it has come
    /// already.
    fn may_queue(&self) -> bool;
}

/// Threads that wait for a place, until what they wait for has ended.
#[derive(Debug, Default)]
pub(crate) struct Queueing(Vec<Thread>);

impl Queueing {
    /// This thread does.
    pub(crate) fn join(&mut self) {
        let this = thread::current();
        if self.0.iter().all(|thread| thread.id() != this.id()) {
            self.0.push(this);
        }
    }

    /// It has ended.
    pub(crate) fn end(&mut self) {
        for thread in self.0.drain(..) {
            thread.unpark();
        }
    }
}

/// Tasks and threads that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    last: u64,
    waiting: BTreeMap<u64, (u32, Alarm)>,
}

/// The number that one has in the queue; 0 where it is not in it.
#[derive(Debug, Default)]
pub(super) struct Queued(u64);

impl Queue {
    /// One that was in the queue keeps its number.
    pub(super) fn put(&mut self, place: &mut Queued, depth: u32, alarm: Alarm) {
        if place.0 == 0 {
            self.last += 1;
            place.0 = self.last;
        }
        self.waiting.insert(place.0, (depth, alarm));
    }

    /// Whether it was still there.
    pub(super) fn remove(&mut self, place: Queued) -> bool {
        self.waiting.remove(&place.0).is_some()
    }

    /// The first that waits for a place at that depth is told.
    pub(super) fn place_is_free(&mut self, depth: u32) {
        let first = self.waiting.iter().find(|(_, (at, _))| *at == depth).map(|(number, _)| *number);
        if let Some((_, alarm)) = first.and_then(|first| self.waiting.remove(&first)) {
            alarm.set();
        }
    }

    /// All are told.
    pub(super) fn all(&mut self) {
        for (_, alarm) in std::mem::take(&mut self.waiting).into_values() {
            alarm.set();
        }
    }
}
