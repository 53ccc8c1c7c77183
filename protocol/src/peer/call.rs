//! What a handler knows of the call it handles, and can do in its name.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::connection::Connection;
use super::error::CallError;
use super::inflight::Incoming;
use super::request::{Canceller, PendingCall, RequestOptions};
use crate::lifecycle::messages::{Level, Log, Progress};
use crate::lifecycle::methods;
use crate::wire::{Error, RequestId};

/// The call that a handler is handling.
///
/// Where the caller has gone, cancelled or run out of time, the work is to stop as soon as it can:
/// [`check`](Self::check) in a loop does that. Clones are handles of the same one.
#[derive(Debug, Clone)]
pub struct Call {
    pub(super) connection: Connection,
    pub(super) incoming: Arc<Incoming>,
}

impl Call {
    pub(super) fn new(connection: Connection, incoming: Arc<Incoming>) -> Self {
        Self { connection, incoming }
    }

    /// The caller's id for the call.
    pub fn id(&self) -> &RequestId {
        &self.incoming.id
    }

    /// The method that was called.
    pub fn method(&self) -> &str {
        &self.incoming.method
    }

    /// When the caller gives up, if it said.
    pub fn deadline(&self) -> Option<Instant> {
        self.incoming.deadline
    }

    /// Whether nobody waits for the answer any more.
    pub fn is_cancelled(&self) -> bool {
        self.incoming.ended().is_some()
    }

    /// Goes on where somebody still waits for the answer.
    ///
    /// # Errors
    /// -32004 or -32005, to be returned from the handler.
    pub fn check(&self) -> Result<(), Error> {
        self.incoming.ended().map_or(Ok(()), Err)
    }

    /// Waits that long, or until nobody waits for the answer any more.
    ///
    /// # Errors
    /// -32004 or -32005, to be returned from the handler.
    pub fn sleep(&self, duration: Duration) -> Result<(), Error> {
        self.incoming.wait_ended(duration).map_or(Ok(()), Err)
    }

    /// Says how far the work has come. Dropped where the caller does not take progress, or where it is less
    /// than what was said before.
    pub fn progress(&self, progress: f64, total: Option<f64>, message: Option<&str>) {
        if self.incoming.is_answered() || !self.connection.remote().is_some_and(|remote| remote.progress) {
            return;
        }
        let mut last = self.incoming.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if !progress.is_finite() || last.is_some_and(|last| progress < last) {
            return;
        }
        *last = Some(progress);
        self.connection.notify_or_drop(
            methods::PROGRESS,
            &Progress {
                id: self.incoming.id.clone(),
                progress,
                total: total.filter(|total| total.is_finite()),
                message: message.map(str::to_owned),
            },
        );
    }

    /// Writes a line to the host's log. Dropped where the host takes none.
    pub fn log(&self, level: Level, message: impl Into<String>) {
        self.log_record(&Log {
            level,
            message: message.into(),
            target: None,
            fields: Map::<String, Value>::new(),
        });
    }

    /// Writes a line with all that can be said to the host's log. Dropped where the host takes none.
    pub fn log_record(&self, log: &Log) {
        self.connection.log(log);
    }

    /// Calls the other side back and waits for the answer, within this call's deadline; it is cancelled with
    /// this call.
    ///
    /// # Errors
    /// [`CallError`] where there is no result, or one of another type. It converts into the error that a
    /// handler answers.
    pub fn call<R: DeserializeOwned>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
    ) -> Result<R, CallError> {
        let call = self.request(method, params, RequestOptions::default())?;
        self.waiting(|| call.wait_as())
    }

    /// Counts the time that this takes as waited for the other side, not worked.
    pub(crate) fn waiting<R>(&self, wait: impl FnOnce() -> R) -> R {
        let started = Instant::now();
        let result = wait();
        self.incoming.waited(started.elapsed());
        result
    }

    /// Calls the other side back; the answer is waited for later.
    ///
    /// # Errors
    /// [`CallError`] where the request cannot be sent.
    pub fn request(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        mut options: RequestOptions,
    ) -> Result<PendingCall, CallError> {
        options.parent = Some((self.incoming.id.clone(), self.incoming.depth));
        if let Some(left) = self.incoming.deadline.map(|at| at.saturating_duration_since(Instant::now())) {
            options.timeout = Some(options.timeout.map_or(left, |timeout| timeout.min(left)));
        }
        // Where the call is cancelled already, this is clean-up, which is let be.
        let tied = !self.incoming.is_cancelled();
        if tied {
            options.within.push(Arc::clone(&self.incoming) as _);
        }
        let call = self.connection.request(method, params, options)?;
        if tied {
            self.tie(call.canceller());
        }
        Ok(call)
    }

    /// Has a call of this side end with this one, where that is cancelled.
    pub(crate) fn tie(&self, call: Canceller) {
        self.incoming.made(call);
    }

    /// Notifies the other side.
    ///
    /// # Errors
    /// [`CallError`] where the notification cannot be sent.
    pub fn notify(&self, method: &str, params: &(impl Serialize + ?Sized)) -> Result<(), CallError> {
        let left = self.incoming.deadline.map(|at| at.saturating_duration_since(Instant::now()));
        self.connection.notify(method, params, left)
    }

    /// The connection that the call came by.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}
