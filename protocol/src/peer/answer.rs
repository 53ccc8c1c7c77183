//! Answers to the requests of the other side: each exactly once, by its handler or in its stead.

use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use super::connection::Connection;
use super::timer;
use crate::lifecycle::methods;
use crate::wire::{EncodeError, Error, RequestId, encode, error};

/// When an answer is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flush {
    /// At once.
    Now,
    /// By whoever answers, once nothing more is there to be answered.
    Later,
}

impl Connection {
    /// Answers a request that this side has in flight, exactly once.
    pub(super) fn answer(&self, id: &RequestId, outcome: &Result<Box<RawValue>, Error>, flush: Flush) {
        let line = self.encode_answer(id, outcome);
        // Room is waited for before the lock is taken (the reader takes it too), and the line is queued under
        // it, so that whoever sees the place free finds the answer on its way.
        if self.inner.outbox.wait_for_room(line.len(), None).is_err() {
            return self.inner.in_flight.answer(id, || ()); // Nobody is there to hear it.
        }
        self.push_answer(id, &line);
        if flush == Flush::Now {
            self.write_out();
        }
    }

    /// Answers a request without waiting for room, which there may never be.
    pub(super) fn answer_urgent(&self, id: &RequestId, outcome: &Result<Box<RawValue>, Error>) {
        self.push_answer(id, &self.encode_answer(id, outcome));
        self.write_out();
    }

    fn push_answer(&self, id: &RequestId, line: &[u8]) {
        if self.inner.transcript.is_some() && self.inner.in_flight.contains(id) {
            self.record_sent(line);
        }
        self.inner.in_flight.answer(id, || {
            // Closed: nobody is there to hear it.
            let _closed = self.inner.outbox.push(line);
        });
    }

    pub(super) fn encode_answer(&self, id: &RequestId, outcome: &Result<Box<RawValue>, Error>) -> Vec<u8> {
        let limit = self.send_limit();
        let mut line = Vec::with_capacity(256);
        let encoded = match outcome {
            Ok(raw) => encode::result(&mut line, limit, id, raw),
            Err(fault) => encode::error(&mut line, limit, Some(id), fault),
        };
        if let Err(fault) = encoded {
            let instead = match fault {
                EncodeError::TooLarge { limit, size } => error::too_large(limit, Some(size)),
                other => error::internal(format!("the answer cannot be sent: {other}")),
            };
            encode::error(&mut line, usize::MAX, Some(id), &instead).expect("a short error can be encoded");
        }
        line
    }

    /// Waits until no request of the other side is being handled but, where a handler calls this, its own; at
    /// most that long, and not at all where nobody hears the answers. Those that are left then are cancelled,
    /// given a moment more, and answered -32004 in their handlers' stead.
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
