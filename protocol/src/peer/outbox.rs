//! Lines on their way out: a queue bounded in bytes, written out by whoever put something in.
//!
//! One thread writes at a time; what others queue meanwhile rides along. Nobody waits in another's write: where the
//! pipe is full, what is left is handed to a worker. Whoever may wait for room does so here, each to its own
//! deadline; a reader never does.

use std::io;
use std::time::Instant;

use super::error::CloseReason;
use super::io::{End, Wake};
use super::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Above this many queued bytes, senders wait …
const QUEUE_BYTES: usize = 8 * 1024 * 1024;
/// … and who only has something to tell waits above this: as much as a pipe may hold goes out in one write, and what is
/// queued beyond that would only keep answers waiting.
const NOTICE_BYTES: usize = 256 * 1024;
/// A line from here on is taken over as it is, where nothing is queued before it.
const LARGE_LINE: usize = 32 * 1024;
/// What the reader itself must say (pongs, errors) may pass the queue's bound by this much.
const URGENT_BYTES: usize = 1024 * 1024;
/// A buffer larger than this is given back when it has been written.
const KEEP_BYTES: usize = 256 * 1024;

/// Lines on their way out.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    /// There is room again, or nothing more will be written.
    changed: Condvar,
    abort: Wake,
}

#[derive(Debug)]
struct Queue {
    bytes: Vec<u8>,
    /// How much the reader has put in since the queue was last empty.
    urgent: usize,
    state: State,
    /// The pipe, where nobody writes at this moment.
    end: Option<End>,
    /// An empty buffer with capacity, to change with `bytes`.
    spare: Vec<u8>,
    /// How many threads wait for a change.
    waiting: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// What is queued is written, then the pipe is closed.
    Finishing,
    /// The pipe is closed.
    Closed,
}

/// How much may be queued before a line has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// For requests, answers and what belongs to them.
    Calls,
    /// For what may as well wait: logs and progress.
    Notices,
}

impl Bound {
    fn bytes(self) -> usize {
        match self {
            Self::Calls => QUEUE_BYTES,
            Self::Notices => NOTICE_BYTES,
        }
    }
}

/// Why a line was not queued.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SendError {
    /// The deadline passed while there was no room.
    TimedOut,
    /// The write end is closed or about to be.
    Closed,
}

/// What became of a line that was offered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offered {
    Queued,
    /// Too much is queued.
    NoRoom,
    /// The write end is closed or about to be.
    Closed,
}

/// The right to write, and what is to be written next.
#[derive(Debug)]
#[must_use = "what is queued is written by whoever holds this"]
pub(super) struct Pen {
    end: End,
    batch: Vec<u8>,
    /// Up to here it is written.
    written: usize,
}

/// How writing went on.
#[derive(Debug)]
pub(super) enum Wrote {
    /// All that was queued.
    All,
    /// The pipe is full.
    Full(Pen),
    /// Nobody reads any more.
    Failed(io::Error),
}

impl Outbox {
    pub(super) fn new(end: End) -> io::Result<Self> {
        let queue = Queue {
            bytes: Vec::new(),
            urgent: 0,
            state: State::Open,
            end: Some(end),
            spare: Vec::new(),
            waiting: 0,
        };
        Ok(Self { queue: Mutex::new(queue), changed: Condvar::new(), abort: Wake::new()? })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until that many bytes could be queued, at most until the deadline. They are queued with
    /// [`push`](Self::push), which does not wait: so many senders as wait at once may pass the bound by a line
    /// each.
    pub(super) fn wait_for_room(
        &self,
        size: usize,
        bound: Bound,
        deadline: Option<Instant>,
    ) -> Result<(), SendError> {
        self.lock_with_room(size, bound, deadline).map(drop)
    }

    /// Queues a line once there is room, waiting for that until the deadline at most.
    pub(super) fn put(
        &self,
        line: &mut Vec<u8>,
        bound: Bound,
        deadline: Option<Instant>,
    ) -> Result<(), SendError> {
        self.lock_with_room(line.len(), bound, deadline)?.take_over(line);
        Ok(())
    }

    fn lock_with_room(
        &self,
        size: usize,
        bound: Bound,
        deadline: Option<Instant>,
    ) -> Result<MutexGuard<'_, Queue>, SendError> {
        let mut queue = self.lock();
        loop {
            if queue.state != State::Open {
                return Err(SendError::Closed);
            }
            if queue.has_room(size, bound) {
                return Ok(queue);
            }
            queue = self.wait(queue, deadline).ok_or(SendError::TimedOut)?;
        }
    }

    /// Queues a line where there is room.
    pub(super) fn offer(&self, line: &mut Vec<u8>) -> Offered {
        let mut queue = self.lock();
        if queue.state != State::Open {
            return Offered::Closed;
        }
        if !queue.has_room(line.len(), Bound::Calls) {
            return Offered::NoRoom;
        }
        queue.take_over(line);
        Offered::Queued
    }

    /// Waits for a change; `None` where the deadline has passed.
    fn wait<'a>(
        &'a self,
        mut queue: MutexGuard<'a, Queue>,
        deadline: Option<Instant>,
    ) -> Option<MutexGuard<'a, Queue>> {
        let left = match deadline {
            None => None,
            Some(deadline) => Some(deadline.checked_duration_since(Instant::now())?),
        };
        queue.waiting += 1;
        let mut queue = match left {
            None => self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            Some(left) => self.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0,
        };
        queue.waiting -= 1;
        Some(queue)
    }

    fn changed(&self, queue: &Queue) {
        if queue.waiting > 0 {
            self.changed.notify_all();
        }
    }

    /// Queues a line whose room was waited for, without waiting again. It is on its way when
    /// [`pen`](Self::pen) was used up.
    pub(super) fn push(&self, line: &[u8]) -> Result<(), SendError> {
        let mut queue = self.lock();
        if queue.state != State::Open {
            return Err(SendError::Closed);
        }
        queue.bytes.extend_from_slice(line);
        Ok(())
    }

    /// Queues a line without waiting, for the reader.
    pub(super) fn push_urgent(&self, line: &[u8]) -> Result<(), CloseReason> {
        let mut queue = self.lock();
        if queue.state != State::Open {
            return Ok(()); // Nobody is left to hear it.
        }
        if queue.bytes.is_empty() {
            queue.urgent = 0;
        }
        queue.urgent += line.len();
        if queue.urgent > URGENT_BYTES && queue.bytes.len() > URGENT_BYTES {
            return Err(CloseReason::Overloaded("the other side does not read the answers to what it sends"));
        }
        queue.bytes.extend_from_slice(line);
        Ok(())
    }

    /// The right to write, where there is something to do and nobody does it.
    pub(super) fn pen(&self) -> Option<Pen> {
        let mut queue = self.lock();
        if queue.bytes.is_empty() && queue.state == State::Open {
            return None;
        }
        let end = queue.end.take()?;
        let batch = queue.next_batch(Vec::new());
        self.changed(&queue);
        Some(Pen { end, batch, written: 0 })
    }

    /// Writes on, as far as there is room in the pipe.
    pub(super) fn write(&self, mut pen: Pen) -> Wrote {
        loop {
            while pen.written < pen.batch.len() {
                match pen.end.write(&pen.batch[pen.written..]) {
                    Ok(Some(count)) => pen.written += count,
                    Ok(None) => return Wrote::Full(pen),
                    Err(fault) => return Wrote::Failed(fault),
                }
            }
            let mut queue = self.lock();
            pen.batch = queue.next_batch(pen.batch);
            pen.written = 0;
            self.changed(&queue);
            if pen.batch.is_empty() {
                queue.spare = pen.batch;
                if queue.state == State::Open {
                    queue.end = Some(pen.end);
                } else {
                    drop(pen.end);
                    queue.state = State::Closed;
                }
                return Wrote::All;
            }
        }
    }

    /// Gives the right to write up, with what was not written.
    pub(super) fn put_back(&self, pen: Pen) {
        let Pen { end, mut batch, written } = pen;
        let mut queue = self.lock();
        batch.drain(..written);
        batch.extend_from_slice(&queue.bytes);
        queue.bytes = batch;
        queue.end = Some(end);
    }

    /// Writes on, waiting for the pipe's reader.
    pub(super) fn write_out(&self, mut pen: Pen) -> Wrote {
        loop {
            match self.abort.wait_writable(&pen.end) {
                Err(fault) => return Wrote::Failed(fault),
                Ok(waited) if waited.raised => {
                    drop(pen);
                    self.closed();
                    return Wrote::All; // All that was to be written: nothing any more.
                }
                Ok(_) => match self.write(pen) {
                    Wrote::Full(left) => pen = left,
                    wrote => return wrote,
                },
            }
        }
    }

    /// The pipe is closed.
    pub(super) fn closed(&self) {
        let mut queue = self.lock();
        queue.state = State::Closed;
        queue.bytes = Vec::new();
        self.changed.notify_all();
    }

    /// Takes no more lines; the pipe is closed once what is queued has been written, with
    /// [`pen`](Self::pen).
    pub(super) fn finish(&self) {
        let mut queue = self.lock();
        if queue.state == State::Open {
            queue.state = State::Finishing;
        }
        self.changed.notify_all();
    }

    /// Drops what is queued and closes the pipe, also where a write is waiting for its reader.
    pub(super) fn abort(&self) {
        let mut queue = self.lock();
        if queue.state == State::Open {
            queue.state = State::Finishing;
        }
        queue.bytes.clear();
        if let Some(end) = queue.end.take() {
            drop(end);
            queue.state = State::Closed;
        }
        self.changed.notify_all();
        drop(queue);
        self.abort.raise();
    }

    /// Waits until the pipe is closed, at most until the deadline.
    pub(super) fn wait_closed(&self, deadline: Option<Instant>) -> bool {
        let mut queue = self.lock();
        while queue.state != State::Closed {
            let Some(waited) = self.wait(queue, deadline) else { return false };
            queue = waited;
        }
        true
    }

    /// Waits until the connection has ended, at most until the deadline.
    pub(super) fn wait_ended(&self, deadline: Instant) {
        let mut queue = self.lock();
        while queue.state == State::Open {
            let Some(waited) = self.wait(queue, Some(deadline)) else { return };
            queue = waited;
        }
    }
}

impl Queue {
    fn has_room(&self, size: usize, bound: Bound) -> bool {
        self.bytes.is_empty() || self.bytes.len() + size <= bound.bytes()
    }

    /// Queues a line, whose buffer may be kept in exchange for an empty one.
    fn take_over(&mut self, line: &mut Vec<u8>) {
        if self.bytes.is_empty() && line.len() >= LARGE_LINE {
            self.bytes.clear();
            std::mem::swap(&mut self.bytes, line);
        } else {
            self.bytes.extend_from_slice(line);
        }
    }

    /// Changes what is queued for a buffer that was written out.
    fn next_batch(&mut self, mut written: Vec<u8>) -> Vec<u8> {
        written.clear();
        if written.capacity() > KEEP_BYTES {
            written = Vec::new();
        }
        if written.capacity() == 0 {
            written = std::mem::take(&mut self.spare);
        }
        std::mem::replace(&mut self.bytes, written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An outbox whose pipe is not read, so many bytes being queued.
    fn holding(bytes: usize) -> (Outbox, os_pipe::PipeReader) {
        let (reader, writer) = os_pipe::pipe().unwrap();
        let outbox = Outbox::new(End::new(writer.into())).unwrap();
        outbox.push(&vec![b'x'; bytes]).unwrap();
        (outbox, reader)
    }

    #[test]
    fn what_is_only_told_waits_earlier_than_calls() {
        let now = Some(Instant::now());
        let line = || vec![b'y'; 100];
        let (outbox, _reader) = holding(NOTICE_BYTES - 100);
        assert_eq!(outbox.put(&mut line(), Bound::Notices, now), Ok(()));
        assert_eq!(outbox.put(&mut line(), Bound::Notices, now), Err(SendError::TimedOut));
        assert_eq!(outbox.put(&mut line(), Bound::Calls, now), Ok(()));
        assert_eq!(outbox.offer(&mut line()), Offered::Queued);
        let (outbox, _reader) = holding(QUEUE_BYTES);
        assert_eq!(outbox.put(&mut line(), Bound::Calls, now), Err(SendError::TimedOut));
        assert_eq!(outbox.offer(&mut line()), Offered::NoRoom);
    }

    #[test]
    fn what_the_reader_says_may_pass_the_bound_by_so_much_and_no_more() {
        let (outbox, _reader) = holding(QUEUE_BYTES);
        assert!(outbox.push_urgent(&vec![b'u'; URGENT_BYTES]).is_ok());
        let full = outbox.push_urgent(b"u").unwrap_err();
        assert!(matches!(full, CloseReason::Overloaded(_)), "{full}");
        assert_eq!(outbox.lock().bytes.len(), QUEUE_BYTES + URGENT_BYTES);
    }

    #[test]
    fn a_large_line_is_taken_over_and_leaves_an_empty_buffer() {
        let (outbox, _reader) = holding(0);
        let mut line = vec![b'y'; LARGE_LINE];
        let at = line.as_ptr();
        assert_eq!(outbox.offer(&mut line), Offered::Queued);
        assert!(line.is_empty());
        assert_eq!(outbox.lock().bytes.as_ptr(), at);
        // Behind another it is copied.
        let mut line = vec![b'z'; LARGE_LINE];
        assert_eq!(outbox.offer(&mut line), Offered::Queued);
        assert_eq!(outbox.lock().bytes.len(), 2 * LARGE_LINE);
    }
}
