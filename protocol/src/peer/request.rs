//! A call of this side: how it is made, waited for and cancelled.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::connection::{Connection, Ended, Inner};
use super::error::CallError;
use super::pending::{Slot, Told};
use super::turn;
use crate::lifecycle::messages::Progress;
use crate::wire::RequestId;

/// How a call is to be made.
#[derive(Debug, Clone, Default)]
pub struct RequestOptions {
    /// How long to wait for the answer; `None` is for ever. The callee is told.
    pub timeout: Option<Duration>,
    /// W3C trace context to pass on.
    pub traceparent: Option<String>,
    /// The request in whose handling this one is made, with its depth.
    pub(super) parent: Option<(RequestId, u32)>,
    /// It is the handshake.
    pub(super) handshake: bool,
}

impl RequestOptions {
    /// Waits at most that long; `None` is for ever.
    pub fn timeout(timeout: impl Into<Option<Duration>>) -> Self {
        Self { timeout: timeout.into(), ..Self::default() }
    }
}

/// A call that was sent. Dropping it cancels the call.
#[derive(Debug)]
pub struct PendingCall {
    pub(super) connection: Connection,
    pub(super) id: u64,
    pub(super) slot: Arc<Slot>,
    pub(super) sent: Instant,
    /// How long the caller wanted to wait.
    pub(super) patience: Option<Duration>,
    pub(super) deadline: Option<Instant>,
    pub(super) settled: bool,
}

impl PendingCall {
    /// Waits for the answer.
    ///
    /// # Errors
    /// [`CallError`] where there is no result.
    pub fn wait(self) -> Result<Box<RawValue>, CallError> {
        self.wait_with_progress(|_| ())
    }

    /// Waits for the answer; progress is given to the function, in this thread.
    ///
    /// # Errors
    /// [`CallError`] where there is no result.
    pub fn wait_with_progress(
        mut self,
        mut progress: impl FnMut(Progress),
    ) -> Result<Box<RawValue>, CallError> {
        loop {
            match turn::wait(&self.connection, self.id, &self.slot, self.deadline) {
                Told::Progress(report) => progress(report),
                Told::Settled(Err(CallError::Cancelled)) => {
                    self.end(Ended::Cancelled { asked: self.slot.cancelled().unwrap_or(self.sent) });
                    return Err(CallError::Cancelled);
                }
                Told::Settled(outcome) => {
                    self.settled = true;
                    return match outcome {
                        // The answer to our own cancel.
                        Err(CallError::Remote(error))
                            if error.code.code() == crate::wire::error::CANCELLED
                                && self.slot.cancelled().is_some() =>
                        {
                            Err(CallError::Cancelled)
                        }
                        outcome => outcome,
                    };
                }
                Told::TimedOut => {
                    self.end(Ended::Now("the caller's deadline passed"));
                    return Err(CallError::Timeout {
                        after: self.patience.unwrap_or_else(|| self.sent.elapsed()),
                    });
                }
            }
        }
    }

    /// Waits for the answer and decodes it.
    ///
    /// # Errors
    /// [`CallError`] where there is no result, or one of another type.
    pub fn wait_as<R: DeserializeOwned>(self) -> Result<R, CallError> {
        decode(&self.wait()?)
    }

    /// A handle that cancels this call from another thread.
    pub fn canceller(&self) -> Canceller {
        Canceller {
            connection: Arc::downgrade(&self.connection.inner),
            id: self.id,
            slot: Arc::clone(&self.slot),
        }
    }

    /// The caller stops waiting.
    fn end(&mut self, ended: Ended<'_>) {
        self.settled = true;
        self.connection.abandon(self.id, ended);
    }
}

impl Drop for PendingCall {
    fn drop(&mut self) {
        if !self.settled {
            self.connection.abandon(self.id, Ended::Now("the caller no longer waits"));
        }
    }
}

/// Cancels one call.
#[derive(Debug, Clone)]
pub struct Canceller {
    connection: Weak<Inner>,
    id: u64,
    slot: Arc<Slot>,
}

impl Canceller {
    /// Whether nobody else knows of the call any more.
    pub(super) fn is_over(&self) -> bool {
        Arc::strong_count(&self.slot) == 1
    }

    /// Asks the callee to stop. The call ends with what it answers, a result if it was done already; where
    /// it cannot be cancelled at the callee, it ends at once.
    pub fn cancel(&self, reason: Option<&str>) {
        let Some(inner) = self.connection.upgrade() else { return };
        let connection = Connection { inner };
        let heeded = connection.send_cancel(self.id, reason);
        let patience = if heeded { connection.inner.unanswered } else { Duration::ZERO };
        self.slot.cancel(patience);
        // Its caller may be the one who reads.
        connection.inner.interrupt.raise();
    }
}

/// Decodes a result.
///
/// # Errors
/// [`CallError::Undecodable`] where it is of another type.
pub(super) fn decode<R: DeserializeOwned>(raw: &RawValue) -> Result<R, CallError> {
    let mut json = serde_json::Deserializer::from_str(raw.get());
    serde_path_to_error::deserialize(&mut json).map_err(|fault| {
        let path = fault.path().to_string();
        let at = if path == "." { String::new() } else { format!(" at {path}") };
        CallError::Undecodable(format!(
            "the result is not of the type that was asked for{at}: {}",
            fault.into_inner()
        ))
    })
}

impl Connection {
    /// Calls and waits for the answer.
    ///
    /// # Errors
    /// [`CallError`] where there is no result, or one of another type.
    pub fn call<R: DeserializeOwned>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: RequestOptions,
    ) -> Result<R, CallError> {
        self.request(method, params, options)?.wait_as()
    }
}
