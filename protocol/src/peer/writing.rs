//! Writing, by whoever has something to say; what the pipe does not take at once is left to a worker.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::connection::{Connection, Side};
use super::error::CloseReason;
use super::outbox::{Bound, Offered, Pen, SendError, Wrote};
use super::{timer, workers};

/// A plugin that no longer reads may have answered, or said on stdout why, before it ended: so long, after a
/// failed write, the host's reader has to come to the end of that.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// Where no thread can be had to wait for the pipe, it is tried again after this long.
const TRY_AGAIN: Duration = Duration::from_millis(10);

impl Connection {
    /// Sends a line, waiting for room in the queue until the deadline.
    pub(super) fn send(
        &self,
        line: &mut Vec<u8>,
        bound: Bound,
        deadline: Option<Instant>,
    ) -> Result<(), SendError> {
        self.queue(line, bound, deadline)?;
        self.write_out();
        Ok(())
    }

    /// Queues a line, waiting for room until the deadline. It is sent with [`write_out`](Self::write_out).
    pub(super) fn queue(
        &self,
        line: &mut Vec<u8>,
        bound: Bound,
        deadline: Option<Instant>,
    ) -> Result<(), SendError> {
        self.check_open()?;
        let outbox = &self.inner.outbox;
        if self.inner.transcript.is_none() {
            return outbox.put(line, bound, deadline);
        }
        outbox.wait_for_room(line.len(), bound, deadline)?;
        self.record_sent(line);
        outbox.push(line)
    }

    /// Queues a line where there is room, without waiting; says whether there was.
    pub(super) fn try_queue(&self, line: &mut Vec<u8>) -> Result<bool, SendError> {
        if self.inner.transcript.is_some() {
            // The time to wait is over.
            return match self.queue(line, Bound::Calls, Some(Instant::now())) {
                Err(SendError::TimedOut) => Ok(false),
                queued => queued.map(|()| true),
            };
        }
        self.check_open()?;
        match self.inner.outbox.offer(line) {
            Offered::Queued => Ok(true),
            Offered::NoRoom => Ok(false),
            Offered::Closed => Err(SendError::Closed),
        }
    }

    fn check_open(&self) -> Result<(), SendError> {
        match (self.inner.side, self.closed()) {
            (Side::Host, Some(_)) => Err(SendError::Closed),
            _ => Ok(()),
        }
    }

    /// Sends what the reader itself has to say; never waits.
    pub(super) fn send_urgent(&self, line: &[u8]) {
        self.record_sent(line);
        match self.inner.outbox.push_urgent(line) {
            Ok(()) => self.write_out(),
            Err(reason) => self.close(reason),
        }
    }

    /// Writes what is queued, unless somebody does already. Never waits.
    pub(super) fn write_out(&self) {
        if let Some(pen) = self.inner.outbox.pen() {
            match self.inner.outbox.write(pen) {
                Wrote::All => {}
                Wrote::Full(pen) => self.write_out_later(pen),
                Wrote::Failed(fault) => self.write_failed(fault),
            }
        }
    }

    /// Has a worker wait for the pipe's reader.
    fn write_out_later(&self, pen: Pen) {
        // Kept aside, so that it can be put back where no thread can be had.
        let kept = Arc::new(Mutex::new(Some(pen)));
        let take = |kept: &Mutex<Option<Pen>>| kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        let job = {
            let (connection, kept) = (self.clone(), Arc::clone(&kept));
            Box::new(move || {
                if let Some(pen) = take(&kept)
                    && let Wrote::Failed(fault) = connection.inner.outbox.write_out(pen)
                {
                    connection.write_failed(fault);
                }
            })
        };
        if workers::spawn(job).is_err()
            && let Some(pen) = take(&kept)
        {
            self.inner.outbox.put_back(pen);
            let connection = self.clone();
            timer::at(timer::later(TRY_AGAIN), Box::new(move || connection.write_out()));
        }
    }

    /// Nobody reads at the other end any more.
    fn write_failed(&self, fault: io::Error) {
        let connection = self.clone();
        let tell = move |last_words: Duration| {
            let inner = &connection.inner;
            inner.outbox.wait_ended(Instant::now() + last_words);
            inner.in_flight.give_up();
            connection.close(CloseReason::Write(fault));
            inner.outbox.closed();
        };
        match self.inner.side {
            Side::Plugin => tell(Duration::ZERO),
            Side::Host => {
                let tell = Arc::new(Mutex::new(Some(tell)));
                let job = {
                    let tell = Arc::clone(&tell);
                    move |last_words| {
                        if let Some(tell) = tell.lock().unwrap_or_else(PoisonError::into_inner).take() {
                            tell(last_words);
                        }
                    }
                };
                let later = job.clone();
                if workers::spawn(Box::new(move || later(LAST_WORDS))).is_err() {
                    job(Duration::ZERO);
                }
            }
        }
    }
}
