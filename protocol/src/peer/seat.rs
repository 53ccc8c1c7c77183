//! Who reads: the read side of a connection is one seat, and whoever sits on it reads for everybody.
//!
//! Knows nothing of pipes, messages or calls, so that `models/` can run it through every interleaving.
//!
//! # Rules
//!
//! - The reader (the pipe, and what was read of a message that is not whole yet) belongs to the seat. Only who holds
//!   a [`Turn`] has it, and dropping the turn, in a panic too, puts it back.
//! - Who finds the seat taken leaves word ([`Offer`]) and sleeps until it is offered. An offer is not a turn: who
//!   was offered the seat takes it if it is still there, and passes it on when it is done, if only at once.
//! - A seat that is put back is offered to one who left word, first the server that stood by, then callers in their
//!   order. Where nobody did, or the reader comes right back ([`Turn::lend`]), the watch looks after a while, and
//!   then arms itself or offers it. So: while anything may arrive, somebody reads, or was woken to read, or the watch
//!   will look, or is armed.
//!
//! The lock is held for moments; under it [`Watch::arm`] and [`Watch::disarm`] are called, and nothing else.

use std::collections::{HashSet, VecDeque};

use super::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Looks after a seat that nobody holds.
pub(super) trait Watch: Send + Sync {
    /// Fires when something arrives: [`Seat::fired`] is called then.
    fn arm(&self);
    /// Does not fire from now on.
    fn disarm(&self);
    /// Calls [`Seat::look`] after a while.
    fn look_later(&self);
    /// There is nothing more to watch.
    fn retire(&self);
}

/// One who sleeps until the seat is offered, among other things.
pub(super) trait Offer: Send + Sync {
    /// Wakes it to take the seat; false where it has gone away.
    fn offer(&self) -> bool;
    /// Whether it is still there.
    fn wants(&self) -> bool;
}

/// In what part somebody reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Waits for the answer to a call of its own.
    Caller,
    /// Serves what comes.
    Server,
}

pub(super) struct Seat<R, W: Watch> {
    state: Mutex<State<R>>,
    gone: Condvar,
    watch: W,
}

struct State<R> {
    place: Place<R>,
    waiting: VecDeque<Arc<dyn Offer>>,
    /// Above so many words that were left, those of who has gone away, or left more than one, are cleared out.
    clear_above: usize,
    /// A server that came back from a handler while a caller read.
    standby: Option<Arc<dyn Offer>>,
    /// How often the seat was taken, and how often it had been when the watch last looked.
    turns: u64,
    looked: u64,
}

enum Place<R> {
    /// Nobody reads. Somebody was offered the seat, or the watch will look.
    Free(R),
    /// Nobody reads, and the watch is armed.
    Watched(R),
    Taken(Part),
    /// There is nothing more to read.
    Gone,
}

/// The right to read.
pub(super) struct Turn<R, W: Watch> {
    seat: Arc<Seat<R, W>>,
    /// `None` once it was put back.
    reader: Option<R>,
}

/// Why the seat was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Somebody reads.
    Taken(Part),
    /// There is nothing more to read.
    Gone,
}

/// What a look at a seat came to.
pub(super) enum Looked<R, W: Watch> {
    /// Somebody reads, or it is watched.
    AtRest,
    /// It is in use: look again.
    Again,
    /// Something is there to be read, and nobody who would.
    Unread(Turn<R, W>),
}

impl<R, W: Watch> Seat<R, W> {
    /// A seat that nobody holds, and that is to be taken or looked after.
    pub(super) fn new(reader: R, watch: W) -> Self {
        let place = Place::Free(reader);
        let waiting = VecDeque::new();
        let state = State { place, waiting, clear_above: 64, standby: None, turns: 0, looked: 0 };
        Self { state: Mutex::new(state), gone: Condvar::new(), watch }
    }

    pub(super) fn watch(&self) -> &W {
        &self.watch
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the seat if nobody holds it.
    pub(super) fn take(self: &Arc<Self>, part: Part) -> Result<Turn<R, W>, Refused> {
        self.take_locked(&mut self.lock(), part)
    }

    /// Takes the seat if nobody holds it, and otherwise leaves word; a server only where a caller reads and no other
    /// server left word, and is told that a server has the seat otherwise.
    pub(super) fn take_or_wait(
        self: &Arc<Self>,
        part: Part,
        waiter: &Arc<impl Offer + 'static>,
    ) -> Result<Turn<R, W>, Refused> {
        let mut state = self.lock();
        let taken = self.take_locked(&mut state, part);
        if let Err(Refused::Taken(by)) = taken {
            let waiter = Arc::clone(waiter) as Arc<dyn Offer>;
            match part {
                Part::Caller => state.wait(waiter),
                Part::Server if by == Part::Caller && state.standby.is_none() => state.standby = Some(waiter),
                // A second server is not needed, neither to read nor to stand by.
                Part::Server => return Err(Refused::Taken(Part::Server)),
            }
        }
        taken
    }

    fn take_locked(self: &Arc<Self>, state: &mut State<R>, part: Part) -> Result<Turn<R, W>, Refused> {
        let reader = match std::mem::replace(&mut state.place, Place::Taken(part)) {
            Place::Free(reader) => reader,
            Place::Watched(reader) => {
                self.watch.disarm();
                reader
            }
            Place::Taken(by) => {
                state.place = Place::Taken(by);
                return Err(Refused::Taken(by));
            }
            Place::Gone => {
                state.place = Place::Gone;
                return Err(Refused::Gone);
            }
        };
        state.turns += 1;
        Ok(Turn { seat: Arc::clone(self), reader: Some(reader) })
    }

    /// The armed watch fired: whoever calls this is to read, if nobody does.
    pub(super) fn fired(self: &Arc<Self>) -> Option<Turn<R, W>> {
        self.take(Part::Server).ok()
    }

    /// Looks whether the seat is unused: offers it, or arms the watch where nobody wants it. `unread` says whether
    /// the reader holds something that the watch cannot see.
    pub(super) fn look(self: &Arc<Self>, unread: impl FnOnce(&R) -> bool) -> Looked<R, W> {
        let mut state = self.lock();
        let Place::Free(reader) = &state.place else { return Looked::AtRest };
        let unread = unread(reader);
        if state.looked != state.turns {
            state.looked = state.turns;
            return Looked::Again;
        }
        if let Some(waiter) = state.next_waiter() {
            drop(state);
            self.offer(waiter);
            return Looked::Again;
        }
        if unread && let Ok(turn) = self.take_locked(&mut state, Part::Server) {
            return Looked::Unread(turn);
        }
        state.watch(&self.watch);
        Looked::AtRest
    }

    /// Waits until there is nothing more to read.
    pub(super) fn wait_gone(&self) {
        let mut state = self.lock();
        while !matches!(state.place, Place::Gone) {
            state = self.gone.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Offers the seat to one after another until one is there to take it.
    fn offer(&self, mut waiter: Arc<dyn Offer>) {
        while !waiter.offer() {
            let Some(next) = self.lock().next_waiter() else { return };
            waiter = next;
        }
    }

    fn put_back(&self, reader: R, pass: Pass) {
        let mut state = self.lock();
        state.place = Place::Free(reader);
        let next = match pass {
            Pass::On => state.next_waiter(),
            Pass::Lent => None,
            Pass::ToWatch => match state.next_waiter() {
                None => return state.watch(&self.watch),
                next => next,
            },
        };
        drop(state);
        self.watch.look_later();
        if let Some(waiter) = next {
            self.offer(waiter);
        }
    }
}

impl<R> State<R> {
    fn wait(&mut self, waiter: Arc<dyn Offer>) {
        if self.waiting.len() >= self.clear_above {
            // Who woke up for something else and sleeps again left word more than once.
            let mut seen = HashSet::new();
            self.waiting.retain(|waiter| waiter.wants() && seen.insert(Arc::as_ptr(waiter).cast::<()>()));
            self.clear_above = 64.max(2 * self.waiting.len());
        }
        self.waiting.push_back(waiter);
    }

    fn next_waiter(&mut self) -> Option<Arc<dyn Offer>> {
        self.standby.take().or_else(|| self.waiting.pop_front())
    }

    fn watch(&mut self, watch: &impl Watch) {
        self.place = match std::mem::replace(&mut self.place, Place::Gone) {
            Place::Free(reader) => {
                watch.arm();
                Place::Watched(reader)
            }
            other => other,
        };
    }
}

/// What becomes of a seat that is put back.
enum Pass {
    /// It is offered to the next.
    On,
    /// Its holder comes right back.
    Lent,
    /// It is offered to the next, and watched at once where there is none.
    ToWatch,
}

impl<R, W: Watch> Turn<R, W> {
    /// The reader.
    pub(super) fn reader(&mut self) -> &mut R {
        self.reader.as_mut().expect("a turn has the reader until it ends")
    }

    /// Puts the reader back for a moment, to run what may not be run while holding it.
    pub(super) fn lend(mut self) {
        self.end(Pass::Lent);
    }

    /// Puts the reader back where its holder thinks that nothing comes soon.
    pub(super) fn leave_to_watch(mut self) {
        self.end(Pass::ToWatch);
    }

    /// There is nothing more to read: drops the reader and wakes whoever waits for the seat.
    pub(super) fn close(mut self) {
        let reader = self.reader.take();
        let mut state = self.seat.lock();
        state.place = Place::Gone;
        let waiting: Vec<_> = state.standby.take().into_iter().chain(state.waiting.drain(..)).collect();
        drop(state);
        drop(reader);
        self.seat.watch.retire();
        self.seat.gone.notify_all();
        for waiter in waiting {
            waiter.offer();
        }
    }

    fn end(&mut self, pass: Pass) {
        if let Some(reader) = self.reader.take() {
            self.seat.put_back(reader, pass);
        }
    }
}

impl<R, W: Watch> Drop for Turn<R, W> {
    fn drop(&mut self) {
        self.end(Pass::On);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Blind;

    impl Watch for Blind {
        fn arm(&self) {}

        fn disarm(&self) {}

        fn look_later(&self) {}

        fn retire(&self) {}
    }

    // Not of no size: two of those may be at one place.
    struct Sleeper(#[expect(dead_code, reason = "it has a place of its own")] u8);

    impl Offer for Sleeper {
        fn offer(&self) -> bool {
            true
        }

        fn wants(&self) -> bool {
            true
        }
    }

    #[test]
    fn who_leaves_word_again_and_again_is_kept_once() {
        let seat = Arc::new(Seat::new((), Blind));
        let _turn = seat.take(Part::Caller).unwrap();
        let sleepers = [0, 1, 2].map(|number| Arc::new(Sleeper(number)));
        for _ in 0..10_000 {
            for sleeper in &sleepers {
                let refused = seat.take_or_wait(Part::Caller, sleeper).err();
                assert_eq!(refused, Some(Refused::Taken(Part::Caller)));
            }
        }
        assert!(seat.lock().waiting.len() <= 64, "{}", seat.lock().waiting.len());
    }
}
