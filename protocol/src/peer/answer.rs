//! Answers to the requests of the other side: each exactly once, by its handler or in its stead.

use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use super::connection::Connection;
use super::outbox::{Bound, Offered};
use super::{timer, workers};
use crate::lifecycle::methods;
use crate::wire::encode::ResultLine;
use crate::wire::{EncodeError, Error, RequestId, encode, error};

/// When an answer is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flush {
    /// At once.
    Now,
    /// By whoever answers, once nothing more is there to be answered.
    Later,
    /// At once, but not by who has a deadline of its own to keep: where there is no room, a worker waits for it.
    NowOrByWorker,
}

impl Connection {
    /// Answers a request that this side has in flight with that line, exactly once.
    pub(super) fn answer(&self, id: &RequestId, line: &mut Vec<u8>, flush: Flush) {
        self.record_answer(id, line);
        self.queue_answer(id, line, flush);
    }

    fn queue_answer(&self, id: &RequestId, line: &mut Vec<u8>, flush: Flush) {
        let (in_flight, outbox) = (&self.inner.in_flight, &self.inner.outbox);
        // The line is queued in one step with giving up the place, so that whoever sees that free finds the answer
        // on its way. Room is waited for outside: the reader takes that lock too.
        while !in_flight.answer(id, || match outbox.offer(line) {
            Offered::Queued | Offered::Closed => true, // Closed: nobody is there to hear it.
            Offered::NoRoom => false,
        }) {
            if flush == Flush::NowOrByWorker {
                return self.queue_answer_on_worker(id.clone(), std::mem::take(line));
            }
            // Closed by now: that is seen above.
            let _closed = outbox.wait_for_room(line.len(), Bound::Calls, None);
        }
        if flush != Flush::Later {
            self.write_out();
        }
    }

    fn queue_answer_on_worker(&self, id: RequestId, mut line: Vec<u8>) {
        let connection = self.clone();
        let job = Box::new(move || connection.queue_answer(&id, &mut line, Flush::Now));
        if let Err(job) = workers::spawn(job) {
            job();
        }
    }

    /// Answers a request without waiting for room, which there may never be: the other side may send one after
    /// another that are answered so, and read none of it.
    pub(super) fn answer_urgent(&self, id: &RequestId, outcome: &Result<Box<RawValue>, Error>) {
        let line = self.encode_answer(id, outcome);
        self.record_answer(id, &line);
        let mut queued = Ok(());
        self.inner.in_flight.answer(id, || {
            queued = self.inner.outbox.push_urgent(&line);
            true
        });
        match queued {
            Ok(()) => self.write_out(),
            Err(reason) => self.close(reason),
        }
    }

    fn record_answer(&self, id: &RequestId, line: &[u8]) {
        if self.inner.transcript.is_some() && self.inner.in_flight.contains(id) {
            self.record_sent(line);
        }
    }

    pub(super) fn encode_answer(&self, id: &RequestId, outcome: &Result<Box<RawValue>, Error>) -> Vec<u8> {
        let mut line = Vec::with_capacity(256);
        let begun = ResultLine::begin(&mut line, id);
        let outcome = outcome.as_ref().map(|raw| line.extend_from_slice(raw.get().as_bytes()));
        self.end_answer(&mut line, id, begun, outcome);
        line
    }

    /// Ends an answer whose result was written, or makes it one with an error.
    pub(super) fn end_answer(
        &self,
        line: &mut Vec<u8>,
        id: &RequestId,
        begun: ResultLine,
        outcome: Result<(), &Error>,
    ) {
        let limit = self.send_limit();
        let encoded = match outcome {
            Ok(()) => begun.end(line, limit),
            Err(fault) => {
                begun.undo(line);
                encode::error(line, limit, Some(id), fault)
            }
        };
        if let Err(fault) = encoded {
            let instead = match fault {
                EncodeError::TooLarge { limit, size } => error::too_large(limit, Some(size)),
                other => error::internal(format!("the answer cannot be sent: {other}")),
            };
            encode::error(line, usize::MAX, Some(id), &instead).expect("a short error can be encoded");
        }
    }

    /// Waits until no request of the other side is being handled but, where a handler calls this, its own, and otherwise
    /// no notification either; at most that long, and not at all where nobody hears the answers. The requests that are
    /// left then are cancelled, given a moment more, and answered -32004 in their handlers' stead.
    pub fn drain(&self, own: Option<&RequestId>, grace: Duration) {
        const MOMENT: Duration = Duration::from_millis(250);
        let in_flight = &self.inner.in_flight;
        if in_flight.wait_answered(own, timer::later(grace)) {
            return;
        }
        in_flight.cancel_all("the plugin is shutting down");
        if in_flight.wait_answered(own, Instant::now() + MOMENT) {
            return;
        }
        let mut left = in_flight.all();
        left.retain(|request| Some(&request.id) != own);
        // A shutdown is answered when the others are.
        left.sort_by_key(|request| request.method == methods::SHUTDOWN);
        for request in left {
            let outcome = match request.method.as_str() {
                methods::SHUTDOWN => Ok(RawValue::NULL.to_owned()),
                _ => Err(error::cancelled(Some("the plugin is shutting down"))),
            };
            self.answer_urgent(&request.id, &outcome);
        }
    }
}
