//! What can always happen to a call, whichever contract it is of and wherever it is served.

use std::error::Error as StdError;
use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::peer::{CallError, Kind};
use crate::wire::{Error, error};

/// Why a call has neither a result nor an error that its contract names: no answer in time, a plugin that ended, an
/// error that nobody declared …
///
/// What the side that made the call knows of it is its [source](StdError::source): in a host, its own error, with the
/// command, the exit status and the last lines on standard error.
pub struct CallFailed(Box<Failure>);

struct Failure {
    kind: Kind,
    message: String,
    answer: Answer,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// Which error of the wire it is, if it is one.
enum Answer {
    None,
    /// What the callee answered.
    Theirs(Error),
    /// What the caller of the method that fails of it is to be answered.
    Ours(Error),
}

impl CallFailed {
    /// A failure of that kind, with what is said of it: for doubles in tests, and for callers that are none of this
    /// project's.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Failure { kind, message: message.into(), answer: Answer::None, source: None }))
    }

    /// What a side's own error says of a call that it made.
    pub fn with_source(
        kind: Kind,
        remote: Option<Error>,
        source: impl StdError + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(Failure {
            kind,
            message: source.to_string(),
            answer: remote.map_or(Answer::None, Answer::Theirs),
            source: Some(Box::new(source)),
        }))
    }

    /// The call that is being handled is over, or its input is at fault: its caller is answered that, if anything.
    pub(super) fn ours(kind: Kind, error: Error) -> Self {
        Self(Box::new(Failure {
            kind,
            message: error.message.clone(),
            answer: Answer::Ours(error),
            source: None,
        }))
    }

    /// From what ended a call that is being handled.
    pub(super) fn ended(fault: Error) -> Self {
        let kind = match fault.code.code() {
            error::CANCELLED => Kind::Cancelled,
            error::DEADLINE_EXCEEDED => Kind::Timeout,
            _ => Kind::InvalidRequest,
        };
        Self::ours(kind, fault)
    }

    /// What kind of failure it is: one of the closed set.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The error that the callee answered, where that is what happened. Its text is as it came: escape it before a
    /// terminal sees it.
    pub fn remote(&self) -> Option<&Error> {
        match &self.0.answer {
            Answer::Theirs(error) => Some(error),
            Answer::None | Answer::Ours(_) => None,
        }
    }

    /// The code of the error that the callee answered.
    pub fn code(&self) -> Option<i64> {
        self.remote().map(|error| error.code.code())
    }

    /// The data of the error that the callee answered.
    ///
    /// # Errors
    /// A failure that says what is wrong with it, where it is not what the contract declares.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, Self> {
        let (code, data) = match self.remote() {
            Some(error) => (error.code.code(), error.data.as_ref().unwrap_or(&Value::Null)),
            None => (0, &Value::Null),
        };
        T::deserialize(data).map_err(|fault| {
            Self::new(
                Kind::ProtocolViolation,
                format!("{self}: the data is not what the contract declares of error {code}: {fault}"),
            )
        })
    }

    /// The side's own error, where it is of that type.
    ///
    /// # Errors
    /// The failure as it was, where it has none, or one of another type.
    pub fn downcast<T: StdError + Send + Sync + 'static>(mut self) -> Result<Box<T>, Self> {
        match self.0.source.take().map(<dyn StdError + Send + Sync>::downcast) {
            Some(Ok(source)) => Ok(source),
            Some(Err(source)) => {
                self.0.source = Some(source);
                Err(self)
            }
            None => Err(self),
        }
    }

    /// What a method answers that fails of this. What only concerns a call that it made in turn is not its own
    /// contract's, so that is -32603.
    pub fn into_error(self) -> Error {
        match (self.0.answer, self.0.kind) {
            (Answer::Ours(error), _) => error,
            // Whoever cancels a call cancels what was called in its handling first (`CALL-18`).
            (Answer::Theirs(error), _) if error.code.code() == error::CANCELLED => error,
            (_, Kind::Cancelled) => error::cancelled(None),
            _ => error::internal(self.0.message),
        }
    }
}

impl From<CallError> for CallFailed {
    fn from(fault: CallError) -> Self {
        let remote = match &fault {
            CallError::Remote(error) => Some(error.clone()),
            _ => None,
        };
        Self::with_source(fault.kind(), remote, fault)
    }
}

impl From<CallFailed> for Error {
    fn from(failed: CallFailed) -> Self {
        failed.into_error()
    }
}

impl fmt::Display for CallFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for CallFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFailed")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl StdError for CallFailed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
