//! Why a call failed and why a connection ended, by blame.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::stream::StreamFault;
use crate::wire::{EncodeError, Error, error, shown};

/// What kind of failure it is: a closed set, the same in the API, on the command line and in reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The caller asked for what may not be sent.
    InvalidRequest,
    /// A driver that resolves to nothing.
    NotFound,
    /// The program could not be started.
    SpawnFailed,
    /// The handshake was not answered in time.
    HandshakeTimeout,
    /// The handshake was answered, but not as specified.
    HandshakeInvalid,
    /// No version in common: of the protocol, or of a contract.
    VersionMismatch,
    /// The plugin cannot work with its config.
    InvalidConfig,
    /// The plugin judges itself unfit here.
    Declined,
    /// The other side broke the protocol.
    ProtocolViolation,
    /// The other side broke the rules of a stream.
    StreamViolation,
    /// The other side answered with an error.
    RemoteError,
    /// No answer by the deadline.
    Timeout,
    /// This side cancelled the call.
    Cancelled,
    /// The plugin's process ended.
    PluginExited,
    /// The plugin's process ends again and again.
    CrashLoop,
    /// A message is longer than its receiver takes.
    TooLarge,
    /// More than can be held was waiting.
    Overloaded,
    /// The other side closed a pipe and lives, or the handle was dropped.
    Closed,
    /// What was asked for cannot be done here.
    Unsupported,
}

impl Kind {
    /// The name in reports: `invalid_request`, `not_found` …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::NotFound => "not_found",
            Self::SpawnFailed => "spawn_failed",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::HandshakeInvalid => "handshake_invalid",
            Self::VersionMismatch => "version_mismatch",
            Self::InvalidConfig => "invalid_config",
            Self::Declined => "declined",
            Self::ProtocolViolation => "protocol_violation",
            Self::StreamViolation => "stream_violation",
            Self::RemoteError => "remote_error",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::PluginExited => "plugin_exited",
            Self::CrashLoop => "crash_loop",
            Self::TooLarge => "too_large",
            Self::Overloaded => "overloaded",
            Self::Closed => "closed",
            Self::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a call has no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The callee answered with an error.
    #[error("error {}: {}", .0.code.code(), shown(&.0.message))]
    Remote(Error),
    /// No answer came in time.
    #[error("no answer within {after:.1?}")]
    Timeout {
        /// How long was waited.
        after: Duration,
    },
    /// This side cancelled the call.
    #[error("the call was cancelled")]
    Cancelled,
    /// The request could not be made into a message, so nothing was sent.
    #[error("the request was not sent: {0}")]
    NotSent(Arc<EncodeError>),
    /// The request may not be sent; nothing was.
    #[error("the request was not sent: {0}")]
    Refused(String),
    /// An answer came, but its result or error cannot be taken.
    #[error("the answer cannot be taken: {}", shown(.0))]
    Undecodable(String),
    /// The connection ended before an answer came.
    #[error("the connection ended: {0}")]
    Closed(Arc<CloseReason>),
    /// The call was answered, so the callee takes no more input.
    #[error("the call ended: it was answered before its input was complete")]
    Over,
    /// The other side does not have what the call needs; nothing was sent.
    #[error("the request was not sent: {0}")]
    Unsupported(&'static str),
}

impl CallError {
    /// What kind of failure this is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Remote(_) => Kind::RemoteError,
            Self::Timeout { .. } => Kind::Timeout,
            Self::Cancelled => Kind::Cancelled,
            Self::NotSent(fault) => match **fault {
                EncodeError::TooLarge { .. } => Kind::TooLarge,
                _ => Kind::InvalidRequest,
            },
            Self::Refused(_) => Kind::InvalidRequest,
            Self::Undecodable(_) => Kind::ProtocolViolation,
            Self::Closed(reason) => reason.kind(),
            Self::Over => Kind::Closed,
            Self::Unsupported(_) => Kind::Unsupported,
        }
    }

    /// The error that a handler answers when a call it made failed like this: the callee's own error as it
    /// came, anything else as -32603.
    pub fn into_error(self) -> Error {
        match self {
            Self::Remote(error) => error,
            Self::Cancelled => error::cancelled(None),
            other => error::internal(other.to_string()),
        }
    }
}

impl From<CallError> for Error {
    fn from(fault: CallError) -> Self {
        fault.into_error()
    }
}

impl From<EncodeError> for CallError {
    fn from(fault: EncodeError) -> Self {
        Self::NotSent(Arc::new(fault))
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum CloseReason {
    /// The other side closed its end.
    #[error("end of file")]
    EndOfFile,
    /// Reading failed.
    #[error("reading failed: {0}")]
    Read(io::Error),
    /// Writing failed: nobody reads at the other end any more.
    #[error("writing failed: {0}")]
    Write(io::Error),
    /// The other side broke the protocol.
    #[error("protocol violation: {0}")]
    Violation(Violation),
    /// The other side sends faster than can be taken, or does not read what it asked for.
    #[error("overloaded: {0}")]
    Overloaded(&'static str),
    /// This side closed it.
    #[error("closed by this side")]
    Local,
}

impl CloseReason {
    /// What kind of failure a call sees that the end of the connection took with it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::EndOfFile | Self::Read(_) | Self::Write(_) | Self::Local => Kind::Closed,
            Self::Violation(Violation::TooLong { .. }) => Kind::TooLarge,
            Self::Violation(Violation::Stream { .. }) => Kind::StreamViolation,
            Self::Violation(_) => Kind::ProtocolViolation,
            Self::Overloaded(_) => Kind::Overloaded,
        }
    }
}

/// How a plugin broke the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A line is longer than was declared.
    #[error("a line is longer than the limit of {limit} bytes")]
    TooLong {
        /// The limit; bytes.
        limit: usize,
    },
    /// A line begins as a message and is none.
    #[error("{}; the line began {quote}", shown(.reason))]
    Message {
        /// What is wrong with it.
        reason: String,
        /// Its first 200 bytes, escaped.
        quote: String,
    },
    /// The rules of a stream were broken.
    #[error("output of {method}: {fault}")]
    Stream {
        /// The method of the call.
        method: String,
        /// What was wrong.
        fault: StreamFault,
    },
    /// Stray output in strict mode, or stray output that holds a message which it spoilt.
    #[error("stray output: {quote}")]
    Stray {
        /// Its first 200 bytes, escaped.
        quote: String,
    },
}
