//! Lines on their way out: a queue bounded in bytes, and the thread that writes it.
//!
//! Whoever may wait does so here, each to its own deadline; the reader never does.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::CloseReason;
use super::io::Wake;

/// Above this many queued bytes, senders wait.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;
/// What the reader itself must say (pongs, errors) may pass the queue's bound by this much.
const URGENT_BYTES: usize = 1024 * 1024;
/// A buffer larger than this is given back when it has been written.
const KEEP_BYTES: usize = 256 * 1024;

/// Lines on their way out.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    /// There is something to write, or an end to make.
    work: Condvar,
    /// There is room again, or nothing more will be written.
    room: Condvar,
    abort: Wake,
}

#[derive(Debug)]
struct Queue {
    bytes: Vec<u8>,
    /// How much the reader has put in since the queue was last empty.
    urgent: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// What is queued is written, then the pipe is closed.
    Finishing,
    /// The pipe is closed.
    Closed,
}

/// Why a line was not queued.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SendError {
    /// The deadline passed while there was no room.
    TimedOut,
    /// The write end is closed or about to be.
    Closed,
}

impl Outbox {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            queue: Mutex::new(Queue { bytes: Vec::new(), urgent: 0, state: State::Open }),
            work: Condvar::new(),
            room: Condvar::new(),
            abort: Wake::new()?,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until that many bytes could be queued, at most until the deadline. They are queued with
    /// [`push`](Self::push), which does not wait: so many senders as wait at once may pass the bound by a line
    /// each.
    pub(super) fn wait_for_room(&self, size: usize, deadline: Option<Instant>) -> Result<(), SendError> {
        self.wait_room(size, deadline).map(drop)
    }

    /// Queues a line whose room was waited for, without waiting again.
    pub(super) fn push(&self, line: &[u8]) -> Result<(), SendError> {
        let mut queue = self.lock();
        if queue.state != State::Open {
            return Err(SendError::Closed);
        }
        queue.bytes.extend_from_slice(line);
        self.work.notify_one();
        Ok(())
    }

    fn wait_room(&self, size: usize, deadline: Option<Instant>) -> Result<MutexGuard<'_, Queue>, SendError> {
        let mut queue = self.lock();
        loop {
            if queue.state != State::Open {
                return Err(SendError::Closed);
            }
            if queue.bytes.is_empty() || queue.bytes.len() + size <= QUEUE_BYTES {
                return Ok(queue);
            }
            queue = match deadline {
                None => self.room.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                        return Err(SendError::TimedOut);
                    };
                    self.room.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Queues a line without waiting, for the reader.
    pub(super) fn send_urgent(&self, line: &[u8]) -> Result<(), CloseReason> {
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
        self.work.notify_one();
        Ok(())
    }

    /// Takes no more lines; the pipe is closed once what is queued has been written.
    pub(super) fn finish(&self) {
        let mut queue = self.lock();
        if queue.state == State::Open {
            queue.state = State::Finishing;
        }
        self.work.notify_one();
        self.room.notify_all();
    }

    /// Drops what is queued and closes the pipe, also where a write is waiting for its reader.
    pub(super) fn abort(&self) {
        let mut queue = self.lock();
        if queue.state == State::Open {
            queue.state = State::Finishing;
        }
        queue.bytes.clear();
        self.work.notify_one();
        self.room.notify_all();
        drop(queue);
        self.abort.raise();
    }

    /// Waits until the pipe is closed, at most until the deadline.
    pub(super) fn wait_closed(&self, deadline: Instant) -> bool {
        let mut queue = self.lock();
        while queue.state != State::Closed {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return false;
            };
            queue = self.room.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// The writer thread: returns when the pipe is closed. Where that is because a write failed, waits for
    /// `last_words`, or until the reader has come to the end, and then says so to `failed`.
    pub(super) fn write_out(&self, pipe: OwnedFd, last_words: Duration, failed: impl FnOnce(CloseReason)) {
        let mut batch = Vec::new();
        let written = loop {
            {
                let mut queue = self.lock();
                while queue.bytes.is_empty() && queue.state == State::Open {
                    queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
                if queue.bytes.is_empty() {
                    break Written::All;
                }
                std::mem::swap(&mut batch, &mut queue.bytes);
                self.room.notify_all();
            }
            match self.write_all(&pipe, &batch) {
                Written::All => {}
                written => break written,
            }
            batch.clear();
            if batch.capacity() > KEEP_BYTES {
                batch = Vec::new();
            }
        };
        drop(pipe);
        if let Written::Failed(fault) = written {
            self.wait_ended(Instant::now() + last_words);
            failed(CloseReason::Write(fault));
        }
        let mut queue = self.lock();
        queue.state = State::Closed;
        queue.bytes = Vec::new();
        self.room.notify_all();
    }

    /// Waits until the connection has ended, at most until the deadline.
    fn wait_ended(&self, deadline: Instant) {
        let mut queue = self.lock();
        while queue.state == State::Open {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return };
            queue = self.work.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn write_all(&self, pipe: &OwnedFd, mut bytes: &[u8]) -> Written {
        while !bytes.is_empty() {
            match rustix::io::write(pipe, bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => match self.abort.wait_writable(pipe) {
                    Ok(waited) if waited.raised => return Written::Aborted,
                    Ok(_) => {}
                    Err(fault) => return Written::Failed(fault),
                },
                Err(fault) => return Written::Failed(fault.into()),
            }
        }
        Written::All
    }
}

enum Written {
    All,
    Aborted,
    Failed(io::Error),
}
