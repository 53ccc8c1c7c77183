//! A call: how it is to be made, and one that was sent.

use std::time::{Duration, Instant};

use plugline_protocol::lifecycle::messages::Progress;
use plugline_protocol::peer::{CallError, Canceller, PendingCall, Trace};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::supervisor::Again;
use crate::using::Using;

/// How a call is to be made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallOptions {
    deadline: Deadline,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Deadline {
    #[default]
    OfThePlugin,
    After(Duration),
    Never,
}

impl CallOptions {
    /// Waits at most that long for the answer.
    pub fn timeout(timeout: Duration) -> Self {
        Self { deadline: Deadline::After(timeout) }
    }

    /// Waits for ever.
    pub fn no_timeout() -> Self {
        Self { deadline: Deadline::Never }
    }

    /// How long the call may take, where that is what it may take unless something else is said.
    pub(crate) fn timeout_or(self, usual: Option<Duration>) -> Option<Duration> {
        match self.deadline {
            Deadline::OfThePlugin => usual,
            Deadline::After(timeout) => Some(timeout),
            Deadline::Never => None,
        }
    }

    /// A call that may take until then.
    pub(crate) fn until(deadline: Option<Instant>) -> Self {
        deadline.map_or_else(Self::no_timeout, |deadline| {
            Self::timeout(deadline.saturating_duration_since(Instant::now()))
        })
    }
}

/// A call that was sent. Dropping it cancels the call.
#[derive(Debug)]
pub struct RunningCall {
    pub(crate) using: Using,
    pub(crate) method: String,
    pub(crate) call: PendingCall,
    /// How it may be made once more, where it may.
    pub(crate) again: Option<Again>,
}

impl RunningCall {
    /// Waits for the result.
    ///
    /// # Errors
    /// [`Error`] where there is none, or one of another type.
    pub fn wait<R: DeserializeOwned>(self) -> Result<R, Error> {
        self.wait_or(|again, method, failed| again.begin(method, failed)?.wait())
    }

    /// The same; where it may be made once more, in that way.
    pub(crate) fn wait_or<R: DeserializeOwned>(
        mut self,
        once_more: impl FnOnce(Again, &str, Error) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let again = self.again.take();
        match (self.settle(), again) {
            (Settled::Lost { method, failed, .. }, Some(again)) => once_more(again, &method, failed),
            (settled, _) => settled.into_result(),
        }
    }

    /// Waits for the end.
    pub(crate) fn settle<R: DeserializeOwned>(self) -> Settled<R> {
        let Self { using, method, call, .. } = self;
        let (trace, deadline) = (call.trace(), call.deadline());
        let outcome = if using.is_checked(&method) {
            call.wait_as::<Box<RawValue>>().map(|result| {
                using.result_fits(&method, &result)?;
                using.read(&method, &result)
            })
        } else {
            call.wait_as().map(Ok)
        };
        match outcome {
            Ok(result) => Settled::Ended(result),
            Err(cause) => {
                let repeatable = may_be_repeated(&cause, &trace);
                let failed = using.call_failed(&method, cause);
                if repeatable {
                    Settled::Lost { idempotent: using.is_idempotent(&method), method, deadline, failed }
                } else {
                    Settled::Ended(Err(failed))
                }
            }
        }
    }

    /// Waits for the result as it stands on the wire; progress is given to the function, in this thread.
    ///
    /// # Errors
    /// [`Error`] where there is none.
    pub fn wait_with_progress(self, mut progress: impl FnMut(Progress)) -> Result<Box<RawValue>, Error> {
        let redactor = self.using.redactor().clone();
        let mut progress = |report| progress(redactor.progress(report));
        let Self { using, method, call, again } = self;
        let again = again.map(|again| (again, call.trace()));
        match call.wait_with_progress(&mut progress) {
            Ok(result) => {
                using.result_fits(&method, &result)?;
                Ok(result)
            }
            Err(cause) => {
                let again = again.filter(|(_, trace)| may_be_repeated(&cause, trace));
                let failed = using.call_failed(&method, cause);
                drop(using);
                let Some((again, _)) = again else { return Err(failed) };
                // What it told before, it may tell again; a third time it is not made.
                let RunningCall { using, call, .. } = again.begin(&method, failed)?;
                let result =
                    call.wait_with_progress(progress).map_err(|cause| using.call_failed(&method, cause))?;
                using.result_fits(&method, &result)?;
                Ok(result)
            }
        }
    }

    /// A handle that cancels this call from another thread.
    pub fn canceller(&self) -> Canceller {
        self.call.canceller()
    }
}

/// How a call ended.
pub(crate) enum Settled<R> {
    Ended(Result<R, Error>),
    /// Its instance was lost, and nobody but its caller knows of it.
    Lost {
        method: String,
        /// A second one does no harm, by what the plugin declares.
        idempotent: bool,
        deadline: Option<Instant>,
        failed: Error,
    },
}

impl<R> Settled<R> {
    pub(crate) fn into_result(self) -> Result<R, Error> {
        match self {
            Self::Ended(result) => result,
            Self::Lost { failed, .. } => Err(failed),
        }
    }
}

/// Whether a call that failed so may be made once more, where a second one does no harm: its instance was lost, and
/// nobody but its caller knows of it.
pub(crate) fn may_be_repeated(cause: &CallError, trace: &Trace) -> bool {
    matches!(cause, CallError::Closed(_)) && !trace.called_back()
}
