//! Requests that came in and are not answered yet.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::queue::{Bond, Queueing};
use super::request::Canceller;
use super::stream::Flow;
use super::timer::later;
use crate::lifecycle::methods;
use crate::wire::{Error, RequestId, error};

/// One request that is being handled.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) id: RequestId,
    pub(super) method: String,
    /// How many requests it is nested in.
    pub(super) depth: u32,
    /// The call of this side in whose handling the other side made it.
    pub(super) parent: Option<RequestId>,
    /// When its caller gives up.
    pub(super) deadline: Option<Instant>,
    /// Whether it holds one of the places that `maxInFlight` counts.
    pub(super) counted: bool,
    pub(super) flow: Flow,
    answered: AtomicBool,
    /// How long its handler waited for calls that it made; nanoseconds.
    waited: AtomicU64,
    /// How often.
    waits: AtomicU32,
    /// The last progress sent; it never decreases.
    pub(super) progress: Mutex<Option<f64>>,
    stopped: Mutex<Option<Stop>>,
    stopping: Condvar,
    /// The calls that its handler made and may still wait for.
    made: Mutex<Vec<Canceller>>,
    /// Threads of its handler that wait until the other side takes another call.
    queueing: Mutex<Queueing>,
}

/// Why the work on a request is to stop.
#[derive(Debug, Clone)]
enum Stop {
    /// Its caller cancelled it.
    Cancelled { reason: Option<String> },
    /// A rule of its streams was broken: this is the answer, whatever its handler returns.
    Failed(Error),
}

impl Incoming {
    pub(super) fn new(
        id: RequestId,
        method: String,
        depth: u32,
        parent: Option<RequestId>,
        deadline: Option<Instant>,
        counted: bool,
        flow: Flow,
    ) -> Self {
        Self {
            id,
            method,
            depth,
            parent,
            deadline,
            counted,
            flow,
            answered: AtomicBool::new(false),
            waited: AtomicU64::new(0),
            waits: AtomicU32::new(0),
            progress: Mutex::new(None),
            stopped: Mutex::new(None),
            stopping: Condvar::new(),
            made: Mutex::default(),
            queueing: Mutex::default(),
        }
    }

    fn stopped(&self) -> MutexGuard<'_, Option<Stop>> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn cancel(&self, reason: Option<String>) {
        self.stop(Stop::Cancelled { reason });
    }

    /// A rule of its streams was broken: its handler is told to stop, and this is the answer.
    pub(super) fn fail(&self, fault: Error) {
        self.stop(Stop::Failed(fault));
    }

    /// The first one stands.
    fn stop(&self, stop: Stop) {
        if self.method == methods::INITIALIZE {
            return; // It cannot be cancelled (`CALL-6`).
        }
        self.stopped().get_or_insert(stop);
        self.stopping.notify_all();
        self.flow.end();
        self.queueing().end();
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        for call in made {
            call.cancel(Some("the call that it was made for was cancelled"));
        }
    }

    fn queueing(&self) -> MutexGuard<'_, Queueing> {
        self.queueing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its handler waited that long for a call that it made.
    pub(super) fn waited(&self, time: Duration) {
        self.waits.fetch_add(1, Ordering::Relaxed);
        self.waited.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How long its handler kept its thread at a time, of that time: while it waits for a call of its own, its thread
    /// reads for others.
    pub(super) fn worked_at_a_time(&self, of: Duration) -> Duration {
        let worked = of.saturating_sub(Duration::from_nanos(self.waited.load(Ordering::Relaxed)));
        worked / self.waits.load(Ordering::Relaxed).saturating_add(1)
    }

    /// The handler made a call: it ends when this one is cancelled.
    pub(super) fn made(&self, call: Canceller) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|call| !call.is_over());
        made.push(call);
        drop(made);
        let stopped = self.stopped().clone();
        if let Some(stop) = stopped {
            self.stop(stop); // It came in between.
        }
    }

    /// The error to answer if the caller no longer waits.
    pub(super) fn ended(&self) -> Option<Error> {
        self.ended_by(Instant::now)
    }

    /// The same at that time, which is only asked for where it matters.
    pub(super) fn ended_by(&self, now: impl FnOnce() -> Instant) -> Option<Error> {
        match &*self.stopped() {
            Some(Stop::Cancelled { reason }) => return Some(error::cancelled(reason.as_deref())),
            Some(Stop::Failed(fault)) => return Some(fault.clone()),
            None => {}
        }
        self.deadline.filter(|deadline| *deadline <= now()).map(|_| error::deadline_exceeded())
    }

    /// Whether it was answered, if only in its handler's stead.
    pub(super) fn is_answered(&self) -> bool {
        self.answered.load(Ordering::Acquire)
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.stopped().is_some()
    }

    /// What is answered whatever the handler returns.
    pub(super) fn failed(&self) -> Option<Error> {
        match &*self.stopped() {
            Some(Stop::Failed(fault)) => Some(fault.clone()),
            Some(Stop::Cancelled { .. }) | None => None,
        }
    }

    /// Waits that long, or until the caller no longer does.
    pub(super) fn wait_ended(&self, at_most: Duration) -> Option<Error> {
        let until = later(at_most);
        let until = self.deadline.map_or(until, |deadline| deadline.min(until));
        let mut stopped = self.stopped();
        while stopped.is_none() {
            let Some(left) = until.checked_duration_since(Instant::now()) else { break };
            stopped = self.stopping.wait_timeout(stopped, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(stopped);
        self.ended()
    }
}

/// A cancel ends the waits of its handler.
impl Bond for Incoming {
    fn may_queue(&self) -> bool {
        self.queueing().join();
        !self.is_cancelled()
    }
}

/// All requests that came in and are not answered yet, and how many notifications are not handled yet.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    requests: Mutex<Requests>,
    answered: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct Requests {
    by_id: HashMap<RequestId, Arc<Incoming>>,
    /// How many at each depth.
    places: Vec<u32>,
    /// How many notifications came in and are not handled yet.
    notifications: usize,
    /// Nobody hears the answers any more.
    unheard: bool,
    /// How many threads wait for answers.
    waiting: usize,
}

impl Requests {
    fn place(&mut self, depth: u32) -> &mut u32 {
        let depth = depth as usize;
        if self.places.len() <= depth {
            self.places.resize(depth + 1, 0);
        }
        &mut self.places[depth]
    }
}

impl InFlight {
    fn lock(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn contains(&self, id: &RequestId) -> bool {
        self.lock().by_id.contains_key(id)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().by_id.len()
    }

    pub(super) fn get(&self, id: &RequestId) -> Option<Arc<Incoming>> {
        self.lock().by_id.get(id).cloned()
    }

    /// Takes a request in where there is a place for it and none of its id; says whether it did.
    pub(super) fn enter(&self, request: &Arc<Incoming>, max_in_flight: u32) -> bool {
        let mut requests = self.lock();
        if request.counted && *requests.place(request.depth) >= max_in_flight {
            return false;
        }
        let Entry::Vacant(entry) = requests.by_id.entry(request.id.clone()) else { return false };
        entry.insert(Arc::clone(request));
        if request.counted {
            *requests.place(request.depth) += 1;
        }
        true
    }

    /// Gives up a request's place once `answer` says that it is done, before anyone can see that; says whether the
    /// request is answered now, or was already.
    pub(super) fn answer(&self, id: &RequestId, answer: impl FnOnce() -> bool) -> bool {
        let mut requests = self.lock();
        let Entry::Occupied(entry) = requests.by_id.entry(id.clone()) else { return true };
        if !answer() {
            return false;
        }
        let request = entry.remove();
        request.answered.store(true, Ordering::Release);
        if request.counted {
            *requests.place(request.depth) -= 1;
        }
        if requests.waiting > 0 {
            self.answered.notify_all();
        }
        true
    }

    /// A notification came in.
    pub(super) fn notified(&self) {
        self.lock().notifications += 1;
    }

    /// A notification was handled, or will not be.
    pub(super) fn heard(&self) {
        let mut requests = self.lock();
        requests.notifications -= 1;
        if requests.waiting > 0 {
            self.answered.notify_all();
        }
    }

    pub(super) fn cancel(&self, id: &RequestId, reason: Option<String>) {
        if let Some(request) = self.get(id) {
            request.cancel(reason);
        }
    }

    /// Cancels what the other side called while it handled that call of ours.
    pub(super) fn cancel_children(&self, parent: &RequestId, reason: Option<&str>) {
        for request in self.all() {
            if request.parent.as_ref() == Some(parent) {
                request.cancel(reason.map(str::to_owned));
            }
        }
    }

    pub(super) fn cancel_all(&self, reason: &str) {
        for request in self.all() {
            request.cancel(Some(reason.to_owned()));
        }
    }

    /// The other side is gone: nothing more comes for their streams.
    pub(super) fn dry_up(&self) {
        for request in self.all() {
            request.flow.dry_up();
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<Incoming>> {
        self.lock().by_id.values().cloned().collect()
    }

    /// Waits no longer for answers: nobody hears them.
    pub(super) fn give_up(&self) {
        self.lock().unheard = true;
        self.answered.notify_all();
    }

    /// Waits until all but that one are answered or nobody hears the answers, at most until the deadline;
    /// says whether it is so. Where there is no such one, notifications are waited for too: it came after them.
    pub(super) fn wait_answered(&self, but: Option<&RequestId>, deadline: Instant) -> bool {
        let mut requests = self.lock();
        loop {
            let is_heard = but.is_some() || requests.notifications == 0;
            if requests.unheard || (is_heard && requests.by_id.keys().all(|id| Some(id) == but)) {
                return true;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return false;
            };
            requests.waiting += 1;
            requests = self.answered.wait_timeout(requests, left).unwrap_or_else(PoisonError::into_inner).0;
            requests.waiting -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::stream::Streams;

    #[test]
    fn a_handler_keeps_its_thread_between_two_waits() {
        let none = Streams { output: false, input: false };
        let flow = Flow::new(none, 0, 0);
        let incoming = Incoming::new(RequestId::Number(1), "m".into(), 0, None, None, true, flow);
        let millis = Duration::from_millis;
        assert_eq!(incoming.worked_at_a_time(millis(8)), millis(8));
        for _ in 0..3 {
            incoming.waited(millis(2));
        }
        assert_eq!(incoming.worked_at_a_time(millis(10)), millis(1));
        assert_eq!(incoming.worked_at_a_time(millis(5)), Duration::ZERO);
    }
}
