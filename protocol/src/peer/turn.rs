//! Reading, by whoever has the turn: a caller until its answer is there, a server as long as something comes.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::answer::Flush;
use super::connection::{Connection, Side};
use super::dispatch;
use super::error::CloseReason;
use super::reader::{Filled, Reader, Wait};
use super::seat::{self, Looked, Offer, Part, Refused, Watch as _};
use super::slot::{Slot, Told};
use super::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use super::watch::Watch;
use super::work::{Pace, Work};
use super::workers;

pub(super) type Turn = seat::Turn<Reader, Watch>;

/// For whom a turn reads.
#[derive(Clone, Copy)]
pub(super) enum For<'a> {
    /// The caller of that call: until there is something to tell it.
    Caller { id: u64, slot: &'a Slot, deadline: Option<Instant> },
    /// Everybody.
    All(Wait),
}

/// Why a turn came to a stop.
enum Stopped {
    /// There is something to tell the caller, it is to look up, or nothing came in time.
    Here,
    /// This is to be run by whoever read it, without the turn.
    Run(Work),
    /// Tasks are to be told, without the turn.
    Ring,
    /// There is nothing more to read.
    End(CloseReason),
}

/// Has a new connection read.
pub(super) fn start(connection: &Connection) {
    match connection.inner.side {
        Side::Plugin => serve_what_came(connection.clone()),
        Side::Host => connection.inner.seat.watch().look_later(),
    }
}

/// Waits until there is something to tell the caller of that call, reading for all meanwhile if nobody else does.
pub(super) fn wait(connection: &Connection, id: u64, slot: &Arc<Slot>, deadline: Option<Instant>) -> Told {
    let seat = &connection.inner.seat;
    // Whether the time is over is asked only once some has passed.
    let mut first = slot.news(deadline).err();
    loop {
        let until = match first.take() {
            Some(until) => until,
            None => match slot.tell(deadline) {
                Ok(told) => return told,
                Err(until) => until,
            },
        };
        let mut turn = match seat.take(Part::Caller) {
            Ok(turn) => turn,
            Err(_) => match wait_for_turn(connection, slot, until) {
                Some(turn) => turn,
                None => continue,
            },
        };
        match read(connection, &mut turn, For::Caller { id, slot, deadline }) {
            Stopped::Here => drop(turn),
            Stopped::Run(work) => {
                turn.lend();
                ring(connection);
                work.run(Flush::NowOrByWorker);
            }
            Stopped::Ring => {
                turn.lend();
                connection.inner.alarms.ring();
            }
            Stopped::End(reason) => end(connection, turn, reason),
        }
        if connection.is_awaited() {
            serve_what_came(connection.clone()); // Tasks have nobody else who reads.
        }
    }
}

/// Sleeps until there is something to tell, or until it is this caller's turn to read.
fn wait_for_turn(connection: &Connection, slot: &Arc<Slot>, until: Option<Instant>) -> Option<Turn> {
    let seat = &connection.inner.seat;
    slot.lie_down();
    if let Ok(turn) = seat.take_or_wait(Part::Caller, slot) {
        slot.get_up();
        return Some(turn);
    }
    slot.sleep(until);
    // Who was offered the seat takes it, if only to pass it on.
    if slot.get_up() { seat.take(Part::Caller).ok() } else { None }
}

/// Reads and serves as long as something comes; on a connection that a server stands by, until it ends.
pub(super) fn serve(connection: &Connection, mut turn: Turn) {
    loop {
        let stands = connection.has_standing_server();
        let wait = if stands { Wait::Until(None) } else { Wait::Briefly };
        match read(connection, &mut turn, For::All(wait)) {
            Stopped::Here if stands => {}
            Stopped::Here => return turn.leave_to_watch(),
            Stopped::Run(work) => {
                turn.lend();
                ring(connection);
                work.run(Flush::Later);
                match come_back(connection) {
                    Some(back) => turn = back,
                    None => return connection.write_out(),
                }
            }
            Stopped::Ring => {
                turn.lend();
                connection.inner.alarms.ring();
                match come_back(connection) {
                    Some(back) => turn = back,
                    None => return,
                }
            }
            Stopped::End(reason) => return end(connection, turn, reason),
        }
    }
}

/// Tells tasks what was read before a handler, which may take long.
fn ring(connection: &Connection) {
    if connection.inner.alarms.are_set() {
        connection.inner.alarms.ring();
    }
}

/// A server takes its turn again after a handler, if it is still wanted.
fn come_back(connection: &Connection) -> Option<Turn> {
    let seat = &connection.inner.seat;
    loop {
        match seat.take(Part::Server) {
            Ok(turn) => return Some(turn),
            Err(Refused::Taken(Part::Caller)) if connection.has_standing_server() => {}
            Err(_) => return None,
        }
        connection.write_out();
        let standby = Arc::new(Standby::default());
        match seat.take_or_wait(Part::Server, &standby) {
            Ok(turn) => return Some(turn),
            Err(Refused::Taken(Part::Caller)) => standby.sleep(),
            Err(_) => return None,
        }
    }
}

/// Something arrived while nobody read.
pub(super) fn serve_what_came(connection: Connection) {
    if let Some(turn) = connection.inner.seat.fired() {
        serve_on_worker(connection, turn);
    }
}

/// Looks after a seat that was put back.
pub(super) fn look(connection: Connection) {
    let seat = &connection.inner.seat;
    seat.watch().looking();
    // A handler may be keeping the thread that would have written these.
    connection.write_out();
    match seat.look(|reader| reader.decoder.has_line()) {
        Looked::AtRest => {}
        Looked::Again => seat.watch().look_later(),
        Looked::Unread(turn) => serve_on_worker(connection, turn),
    }
}

pub(super) fn serve_on_worker(connection: Connection, turn: Turn) {
    // Where no thread can be had, the turn is put back with the job, and the watch looks again after a while.
    let _put_back = workers::spawn(Box::new(move || serve(&connection, turn)));
}

fn end(connection: &Connection, turn: Turn, reason: CloseReason) {
    connection.close(reason);
    turn.close();
    connection.inner.alarms.ring();
}

/// Reads until there is a reason to stop. Runs no handler: what holds the turn must not wait for anything else.
fn read(connection: &Connection, turn: &mut Turn, whom: For<'_>) -> Stopped {
    // Whatever happens here, calls must not wait for a reader that is gone.
    let read = catch_unwind(AssertUnwindSafe(|| read_lines(connection, turn.reader(), whom)));
    read.unwrap_or_else(|_| Stopped::End(CloseReason::Read(io::Error::other("the reader panicked"))))
}

fn read_lines(connection: &Connection, reader: &mut Reader, whom: For<'_>) -> Stopped {
    let inner = &connection.inner;
    let mut came = false;
    loop {
        loop {
            // The handshake raises the limit between two lines.
            reader.decoder.set_limit(inner.receive_limit.load(std::sync::atomic::Ordering::Acquire));
            let Some(frame) = reader.decoder.next() else { break };
            if connection.closed().is_some() {
                continue; // Dropped, so that the other side is not stuck in a write.
            }
            match dispatch::take(connection, frame) {
                Ok(None) => {}
                Ok(Some(work)) if runs_here(&work, whom, reader) => return Stopped::Run(work),
                Ok(Some(work)) => dispatch::hand_over(connection, work),
                Err(reason) => connection.close(reason),
            }
        }
        connection.write_out();
        if inner.alarms.are_set() {
            return Stopped::Ring;
        }
        let wait = match whom {
            For::All(wait) => wait,
            // Asked with the turn in hand: a cancel of before then may have interrupted another, who read.
            For::Caller { slot, deadline, .. } => match slot.news(deadline) {
                Ok(()) => return Stopped::Here,
                // Where there is always more, no wait comes to its end.
                Err(Some(until)) if came && until <= Instant::now() => return Stopped::Here,
                Err(until) => Wait::Until(until),
            },
        };
        match reader.fill(wait, &inner.ended, &inner.interrupt) {
            Filled::More => came = true,
            Filled::Nothing => return Stopped::Here,
            Filled::End(reason) => return Stopped::End(reason),
        }
    }
}

/// Whether whoever read a request runs its handler.
///
/// A server does, where that is not known to keep others waiting: the watch has another read on if it takes long.
/// A caller runs only what was called in the handling of its own call, and what is known to be fast: it has a
/// deadline, and may hold a lock that a stranger's handler wants.
fn runs_here(work: &Work, whom: For<'_>, reader: &Reader) -> bool {
    if !work.may_run_at_once() {
        return false;
    }
    match (whom, work.pace()) {
        (For::All(_), Pace::Unknown | Pace::Fast) => true,
        (For::All(_), Pace::Slow) => !reader.decoder.has_line(),
        (For::Caller { id, .. }, Pace::Fast) => work.is_called_for(id),
        (_, _) => false,
    }
}

/// A server that waits for a caller to leave the seat.
#[derive(Debug, Default)]
struct Standby {
    offered: Mutex<bool>,
    changed: Condvar,
}

impl Standby {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.offered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep(&self) {
        let mut offered = self.lock();
        while !*offered {
            offered = self.changed.wait(offered).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Offer for Standby {
    fn offer(&self) -> bool {
        *self.lock() = true;
        self.changed.notify_all();
        true
    }

    fn wants(&self) -> bool {
        true
    }
}
