//! Calls of this side that are not answered yet, and the places they hold at the other.

use std::collections::hash_map::Entry as Held;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::alarms::Alarm;
use super::begin::Room;
use super::error::{CallError, CloseReason};
use super::own_ids::ByOwnId;
use super::queue::{Bond, Queue, Queued};
use super::returned::Returned;
use super::slot::Slot;
use super::stream::{Inbox, Items, Outlet, StreamFault};
use crate::lifecycle::messages::Progress;
use crate::wire::{Outcome, RequestId};

/// A call of this side.
#[derive(Debug)]
struct Outgoing {
    slot: Arc<Slot>,
    method: String,
    depth: u32,
    counted: bool,
    /// It is the handshake.
    handshake: bool,
    deadline: Option<Instant>,
    /// The caller no longer waits; the place is held all the same.
    abandoned: bool,
    /// The other side was asked to stop.
    cancelled: bool,
}

/// All calls of this side that are not answered yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    next_id: u64,
    by_id: ByOwnId<Outgoing>,
    /// How many at each depth.
    places: Vec<u32>,
    /// Threads and tasks that wait for one.
    queue: Queue,
    closed: Option<Arc<CloseReason>>,
}

impl Calls {
    fn place(&mut self, depth: u32) -> &mut u32 {
        let depth = depth as usize;
        if self.places.len() <= depth {
            self.places.resize(depth + 1, 0);
        }
        &mut self.places[depth]
    }
}

/// How a call is to be entered.
pub(super) struct Entry<'a> {
    pub(super) method: &'a str,
    pub(super) depth: u32,
    pub(super) counted: bool,
    pub(super) handshake: bool,
    /// How many calls the other side takes at each depth.
    pub(super) max_in_flight: u32,
    pub(super) deadline: Option<Instant>,
    /// What ends the wait for a place.
    pub(super) within: &'a [Arc<dyn Bond>],
    /// What to do where all places are taken.
    pub(super) room: Room,
    pub(super) output: Option<Inbox>,
    pub(super) input: Option<Outlet>,
}

/// A call that has its place.
pub(super) struct Entered {
    pub(super) id: u64,
    pub(super) slot: Arc<Slot>,
    /// It took a while.
    pub(super) waited: bool,
}

/// Why a call was not entered.
pub(super) enum NotEntered {
    Closed(Arc<CloseReason>),
    /// The deadline passed while all places were taken.
    TimedOut,
    /// What it was made for ended while all places were taken.
    Cancelled,
    /// All places are taken, and none was to be waited for.
    Full,
}

impl Pending {
    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place and takes it.
    pub(super) fn enter(&self, entry: Entry<'_>) -> Result<Entered, NotEntered> {
        let mut calls = self.lock();
        let mut place = Queued::default();
        let mut waited = false;
        loop {
            if let Some(reason) = &calls.closed {
                return Err(NotEntered::Closed(Arc::clone(reason)));
            }
            if !entry.counted || *calls.place(entry.depth) < entry.max_in_flight {
                calls.queue.remove(place);
                break;
            }
            if entry.room != Room::Wait {
                return Err(NotEntered::Full);
            }
            let left = entry.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                calls.queue.remove(place);
                return Err(NotEntered::TimedOut);
            }
            if entry.within.iter().any(|bond| !bond.may_queue()) {
                calls.queue.remove(place);
                return Err(NotEntered::Cancelled);
            }
            calls.queue.put(&mut place, entry.depth, Alarm::this_thread());
            drop(calls);
            waited = true;
            match left {
                None => thread::park(),
                Some(left) => thread::park_timeout(left),
            }
            calls = self.lock();
        }
        if entry.counted {
            *calls.place(entry.depth) += 1;
        }
        let id = calls.next_id;
        calls.next_id += 1;
        let slot = Arc::new(Slot::new(entry.output, entry.input));
        calls.by_id.insert(
            id,
            Outgoing {
                slot: Arc::clone(&slot),
                method: entry.method.to_owned(),
                depth: entry.depth,
                counted: entry.counted,
                handshake: entry.handshake,
                deadline: entry.deadline,
                abandoned: false,
                cancelled: false,
            },
        );
        Ok(Entered { id, slot, waited })
    }

    fn remove(&self, id: u64) -> Option<Outgoing> {
        self.remove_if(id, |_| true)
    }

    fn remove_if(&self, id: u64, is_wanted: impl FnOnce(&Outgoing) -> bool) -> Option<Outgoing> {
        let mut calls = self.lock();
        let Held::Occupied(entry) = calls.by_id.entry(id) else { return None };
        if !is_wanted(entry.get()) {
            return None;
        }
        let call = entry.remove();
        if call.counted {
            *calls.place(call.depth) -= 1;
            calls.queue.place_is_free(call.depth);
        }
        Some(call)
    }

    /// Has a task told when there may be a place for it; not, where there is one.
    pub(super) fn queue(&self, place: &mut Queued, depth: u32, max_in_flight: u32, alarm: Alarm) -> bool {
        let mut calls = self.lock();
        if calls.closed.is_some() || *calls.place(depth) < max_in_flight {
            return false;
        }
        calls.queue.put(place, depth, alarm);
        true
    }

    /// A task no longer waits for a place. Where it was told of one and did not take it, the next is told.
    pub(super) fn unqueue(&self, place: Queued, depth: u32, took: bool) {
        let mut calls = self.lock();
        if !calls.queue.remove(place) && !took {
            calls.queue.place_is_free(depth);
        }
    }

    /// Gives a place back whose request was not sent.
    pub(super) fn withdraw(&self, id: u64) {
        self.remove(id);
    }

    /// Takes an answer in; says whether there is such a call.
    pub(super) fn answer(&self, id: &RequestId, outcome: &Outcome<'_>) -> bool {
        let RequestId::Number(id) = id else { return false };
        let Some(call) = self.remove(*id) else { return false };
        if !call.abandoned {
            call.slot.settle(match outcome {
                Outcome::Result(raw) => Ok(Returned::Checked((*raw).to_owned())),
                Outcome::Error(remote) => Err(match remote.to_error() {
                    Ok(error) => CallError::Remote(error),
                    Err(fault) => CallError::Undecodable(format!("error {}: {fault}", remote.code)),
                }),
            });
        }
        true
    }

    /// Takes in what seems to be the result of a call; not, where nobody waits for it, and so would find out.
    pub(super) fn answer_as_seen(&self, id: u64, result: &str) -> bool {
        let Some(call) = self.remove_if(id, |call| !call.abandoned) else { return false };
        call.slot.settle(Ok(Returned::Seen(result.into())));
        true
    }

    /// Whether that call is the handshake.
    pub(super) fn is_handshake(&self, id: &RequestId) -> bool {
        let RequestId::Number(id) = id else { return false };
        self.lock().by_id.get(id).is_some_and(|call| call.handshake)
    }

    /// Where what is told of a call goes; nowhere, where nobody waits.
    fn slot(&self, id: &RequestId) -> Option<Arc<Slot>> {
        let RequestId::Number(id) = id else { return None };
        self.lock().by_id.get(id).filter(|call| !call.abandoned).map(|call| Arc::clone(&call.slot))
    }

    pub(super) fn progress(&self, progress: Progress) {
        if let Some(slot) = self.slot(&progress.id) {
            slot.progress(progress);
        }
    }

    /// Items of a call's output, from a line that cost that much. What is wrong with them, of which method.
    pub(super) fn output(
        &self,
        id: &RequestId,
        items: Items,
        line: usize,
    ) -> Result<(), (String, StreamFault)> {
        let Some(slot) = self.slot(id) else { return Ok(()) };
        slot.items(items, line).map_err(|fault| {
            let RequestId::Number(id) = id else { unreachable!("it has a slot") };
            (self.unanswered(*id).unwrap_or_default(), fault)
        })
    }

    /// Credit for a call's input.
    pub(super) fn input_credit(&self, id: &RequestId, bytes: u64) {
        if let Some(slot) = self.slot(id) {
            slot.input().iter().for_each(|input| input.give(bytes));
        }
    }

    /// The caller no longer waits. Says whether the call was still unanswered.
    pub(super) fn abandon(&self, id: u64) -> bool {
        let mut calls = self.lock();
        match calls.by_id.get_mut(&id) {
            Some(call) => {
                call.slot.abandon();
                !std::mem::replace(&mut call.abandoned, true)
            }
            None => false,
        }
    }

    /// The method of a call that is to be cancelled: once, and only while it is unanswered.
    pub(super) fn cancel(&self, id: u64) -> Option<String> {
        let mut calls = self.lock();
        let call = calls.by_id.get_mut(&id).filter(|call| !call.cancelled)?;
        call.cancelled = true;
        Some(call.method.clone())
    }

    /// The method of a call that is still unanswered.
    pub(super) fn unanswered(&self, id: u64) -> Option<String> {
        self.lock().by_id.get(&id).map(|call| call.method.clone())
    }

    /// One of our calls, for a request that names it as its parent: its depth, and until when its caller waits.
    pub(super) fn parent(&self, id: &RequestId) -> Option<(u32, Option<Instant>)> {
        let RequestId::Number(id) = id else { return None };
        let calls = self.lock();
        let call = calls.by_id.get(id)?;
        call.slot.call_back();
        // Nobody waits for an abandoned call: what is still asked for it is clean-up, which has its own time.
        Some((call.depth, call.deadline.filter(|_| !call.abandoned)))
    }

    /// This side was told something, in the handling of whichever of these.
    pub(super) fn call_back_all(&self) {
        self.lock().by_id.values().for_each(|call| call.slot.call_back());
    }

    /// How many are unanswered.
    pub(super) fn len(&self) -> usize {
        self.lock().by_id.len()
    }

    /// Fails all of them, and any that come later.
    pub(super) fn close(&self, reason: &Arc<CloseReason>) {
        let mut calls = self.lock();
        calls.closed.get_or_insert_with(|| Arc::clone(reason));
        for (_, call) in calls.by_id.drain() {
            call.slot.settle(Err(CallError::Closed(Arc::clone(reason))));
        }
        calls.places.clear();
        calls.queue.all();
    }
}
