//! A call of this side: how it is made, waited for and cancelled.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::begin::Time;
use super::connection::{Connection, Ended, Inner};
use super::error::CallError;
use super::queue::Bond;
use super::returned::Returned;
use super::slot::{Slot, Told};
use super::stream::{Items, Streams};
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
    /// What ends the wait for a place: the request in whose handling this one is made, the context that it is made with.
    pub(crate) within: Vec<Arc<dyn Bond>>,
    /// It is the handshake.
    pub(super) handshake: bool,
    /// Which streams the call has.
    pub(super) streams: Streams,
}

impl RequestOptions {
    /// Waits at most that long; `None` is for ever.
    pub fn timeout(timeout: impl Into<Option<Duration>>) -> Self {
        Self { timeout: timeout.into(), ..Self::default() }
    }

    /// How many requests the one that is made so is nested in.
    pub(super) fn depth(&self) -> u32 {
        self.parent.as_ref().map_or(0, |(_, depth)| depth + 1)
    }

    /// Takes the output of the method, with [`PendingCall::next_item`]. The callee may send none without.
    #[must_use]
    pub fn output(mut self) -> Self {
        self.streams.output = true;
        self
    }
}

/// A call that was sent. Dropping it cancels the call.
#[derive(Debug)]
pub struct PendingCall {
    pub(super) connection: Connection,
    pub(super) id: u64,
    pub(super) slot: Arc<Slot>,
    pub(super) time: Time,
    pub(super) settled: bool,
    /// The line of output in hand.
    pub(super) items: Option<Items>,
    pub(super) stage: Stage,
}

/// What a caller knows of how its call ended.
#[derive(Debug)]
pub(super) enum Stage {
    Waiting,
    Ended(Result<Returned, CallError>),
}

/// What comes next of a call.
pub(super) enum Step {
    Items(Items),
    Ended(Result<Returned, CallError>),
}

impl PendingCall {
    /// Waits for the answer. Output that was not taken is let go.
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
    pub fn wait_with_progress(mut self, progress: impl FnMut(Progress)) -> Result<Box<RawValue>, CallError> {
        let returned = self.wait_to_end(progress)?;
        returned.raw(&self.connection, self.id)
    }

    fn wait_to_end(&mut self, mut progress: impl FnMut(Progress)) -> Result<Returned, CallError> {
        if let Some(mut items) = self.items.take() {
            self.took(items.skip());
        }
        if let Stage::Ended(outcome) = std::mem::replace(&mut self.stage, Stage::Waiting) {
            return outcome;
        }
        loop {
            match self.step(&mut progress) {
                Step::Items(mut items) => self.took(items.skip()),
                Step::Ended(outcome) => return outcome,
            }
        }
    }

    /// Waits for what comes next but progress, which is given to the function.
    pub(super) fn step(&mut self, progress: &mut impl FnMut(Progress)) -> Step {
        loop {
            let told = turn::wait(&self.connection, self.id, &self.slot, self.time.deadline);
            if let Some(step) = self.take_in(told, progress) {
                return step;
            }
        }
    }

    /// What follows from what was told; nothing, of progress.
    pub(super) fn take_in(&mut self, told: Told, progress: &mut impl FnMut(Progress)) -> Option<Step> {
        let ended = match told {
            Told::Progress(report) => {
                progress(report);
                return None;
            }
            Told::Items(items) => return Some(Step::Items(items)),
            Told::Settled(Err(CallError::Cancelled)) => {
                self.end(Ended::Cancelled { asked: self.slot.cancelled().unwrap_or(self.time.asked) });
                Err(CallError::Cancelled)
            }
            Told::Settled(outcome) => {
                self.settled = true;
                match outcome {
                    // The answer to our own cancel.
                    Err(CallError::Remote(error))
                        if error.code.code() == crate::wire::error::CANCELLED
                            && self.slot.cancelled().is_some() =>
                    {
                        Err(CallError::Cancelled)
                    }
                    // The callee may be the first to say so, where the caller was busy with what it took.
                    Err(CallError::Remote(error))
                        if error.code.code() == crate::wire::error::DEADLINE_EXCEEDED
                            && self.time.is_over() =>
                    {
                        Err(self.time.timed_out())
                    }
                    outcome => outcome,
                }
            }
            Told::TimedOut => {
                self.end(Ended::Now("the caller's deadline passed"));
                Err(self.time.timed_out())
            }
        };
        Some(Step::Ended(ended))
    }

    /// Waits for the answer and decodes it.
    ///
    /// # Errors
    /// [`CallError`] where there is no result, or one of another type.
    pub fn wait_as<R: DeserializeOwned>(mut self) -> Result<R, CallError> {
        let returned = self.wait_to_end(|_| ())?;
        returned.decode(&self.connection, self.id)
    }

    /// When its caller gives up.
    pub fn deadline(&self) -> Option<Instant> {
        self.time.deadline
    }

    /// What the call leaves behind on this side.
    pub fn trace(&self) -> Trace {
        Trace(Arc::clone(&self.slot))
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
        let unread = match std::mem::replace(&mut self.stage, Stage::Waiting) {
            Stage::Ended(Ok(returned)) => Some(returned),
            Stage::Ended(Err(_)) => None,
            Stage::Waiting if self.settled => None,
            Stage::Waiting => self.slot.take_returned(),
        };
        if let Some(unread) = unread {
            // A line that is no message breaks the connection, whether its call is of interest or not.
            let _broken = unread.raw(&self.connection, self.id);
        }
    }
}

/// What a call left behind on this side, besides how it ended.
#[derive(Debug, Clone)]
pub struct Trace(Arc<Slot>);

impl Trace {
    /// Whether the other side asked something of this one in the handling of the call, or told it.
    pub fn called_back(&self) -> bool {
        self.0.was_called_back()
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
    /// Whether there is nothing to cancel any more: nobody else knows of the call, or it was answered.
    pub(crate) fn is_over(&self) -> bool {
        Arc::strong_count(&self.slot) == 1
            || self.connection.upgrade().is_none_or(|inner| inner.pending.unanswered(self.id).is_none())
    }

    /// Asks the callee to stop. The call ends with what it answers, a result if it was done already; where
    /// it cannot be cancelled at the callee, it ends at once.
    pub fn cancel(&self, reason: Option<&str>) {
        let Some(inner) = self.connection.upgrade() else { return };
        Connection { inner }.cancel(self.id, &self.slot, reason);
    }
}

impl Connection {
    /// Asks the callee to stop; where it does not heed that, the call ends at once.
    pub(super) fn cancel(&self, id: u64, slot: &Slot, reason: Option<&str>) {
        let heeded = self.remote().is_some_and(|remote| remote.cancel);
        // First, so that whoever sees the answer knows what it is an answer to.
        slot.cancel(if heeded { self.inner.unanswered } else { Duration::ZERO });
        self.send_cancel(id, reason);
        // Its caller may be the one who reads.
        self.look_up();
    }

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
