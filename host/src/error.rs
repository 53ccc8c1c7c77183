//! Why something failed, by blame, with all that is known of the plugin.

use std::fmt;
use std::io;

use plugline_protocol::lifecycle::HandshakeFault;
use plugline_protocol::peer::{CallError, CloseReason, HandshakeError, Kind};
use plugline_protocol::wire::{Error as WireError, error};

use crate::process::{Exit, SpawnError};

/// Where in a plugin's life something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Starting the process.
    Spawn,
    /// The handshake.
    Handshake,
    /// A call.
    Call,
}

impl Phase {
    /// The name in reports: `spawn`, `handshake`, `call`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spawn => "spawn",
            Self::Handshake => "handshake",
            Self::Call => "call",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known of the plugin when something failed. All text in it is escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// How its process ended, if it did.
    pub exit: Option<Exit>,
    /// Its last lines on standard error.
    pub stderr_tail: Vec<String>,
    /// The first line on its standard output that was no message.
    pub stray: Option<String>,
}

/// Why a plugin did not start, or a call has no result.
#[derive(Debug)]
pub enum Error {
    /// The process could not be started.
    Spawn {
        /// The command.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// The handshake failed.
    Handshake {
        /// The command.
        command: String,
        /// Why.
        cause: Box<HandshakeError>,
        /// What is known of the plugin.
        evidence: Box<Evidence>,
    },
    /// A call or notification failed.
    Call {
        /// The command.
        command: String,
        /// What was called.
        method: String,
        /// Why.
        cause: Box<CallError>,
        /// What is known of the plugin.
        evidence: Box<Evidence>,
    },
}

impl Error {
    pub(crate) fn spawn(command: String, fault: SpawnError) -> Self {
        let (SpawnError::Program(source) | SpawnError::Host(source)) = fault;
        Self::Spawn { command, source }
    }

    /// What kind of failure this is: one of the closed set.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Spawn { .. } => Kind::SpawnFailed,
            Self::Handshake { cause, evidence, .. } => match &**cause {
                HandshakeError::Fault(HandshakeFault::Version { .. }) => Kind::VersionMismatch,
                HandshakeError::Fault(_) => Kind::HandshakeInvalid,
                HandshakeError::Call(CallError::Timeout { .. }) => Kind::HandshakeTimeout,
                HandshakeError::Call(CallError::Remote(answer)) => match answer.code.code() {
                    error::UNSUPPORTED_PROTOCOL => Kind::VersionMismatch,
                    error::INVALID_CONFIG => Kind::InvalidConfig,
                    error::DECLINED => Kind::Declined,
                    _ => Kind::HandshakeInvalid,
                },
                HandshakeError::Call(CallError::Undecodable(_)) => Kind::HandshakeInvalid,
                HandshakeError::Call(cause) => call_kind(cause, evidence),
            },
            Self::Call { cause, evidence, .. } => call_kind(cause, evidence),
        }
    }

    /// Where in the plugin's life it failed.
    pub fn phase(&self) -> Phase {
        match self {
            Self::Spawn { .. } => Phase::Spawn,
            Self::Handshake { .. } => Phase::Handshake,
            Self::Call { .. } => Phase::Call,
        }
    }

    /// The command that was started.
    pub fn command(&self) -> &str {
        let (Self::Spawn { command, .. } | Self::Handshake { command, .. } | Self::Call { command, .. }) =
            self;
        command
    }

    /// The error that the plugin answered with, where it did.
    pub fn remote(&self) -> Option<&WireError> {
        match self.call_error()? {
            CallError::Remote(error) => Some(error),
            _ => None,
        }
    }

    fn call_error(&self) -> Option<&CallError> {
        match self {
            Self::Call { cause, .. } => Some(cause),
            Self::Handshake { cause, .. } => match &**cause {
                HandshakeError::Call(cause) => Some(cause),
                HandshakeError::Fault(_) => None,
            },
            Self::Spawn { .. } => None,
        }
    }

    /// What is known of the plugin's process.
    pub fn evidence(&self) -> Option<&Evidence> {
        match self {
            Self::Spawn { .. } => None,
            Self::Handshake { evidence, .. } | Self::Call { evidence, .. } => Some(evidence),
        }
    }
}

/// The end of a process is the reason where all that was seen of it was an end of file or a failed write.
fn call_kind(cause: &CallError, evidence: &Evidence) -> Kind {
    match cause {
        CallError::Closed(reason) if is_loss(reason) && evidence.exit.is_some() => Kind::PluginExited,
        cause => cause.kind(),
    }
}

/// Whether all that was seen is that the other side is not there any more.
pub(crate) fn is_loss(reason: &CloseReason) -> bool {
    matches!(reason, CloseReason::EndOfFile | CloseReason::Read(_) | CloseReason::Write(_))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spawn { command, source } => write!(f, "cannot start {command}: {source}"),
            Self::Handshake { cause, evidence, .. } => {
                f.write_str("the handshake failed: ")?;
                match &**cause {
                    HandshakeError::Fault(fault) => write!(f, "{fault}"),
                    HandshakeError::Call(cause) => describe(f, cause, evidence),
                }
            }
            Self::Call { method, cause, evidence, .. } => {
                write!(f, "{method} failed: ")?;
                describe(f, cause, evidence)
            }
        }
    }
}

/// What happened, in one line. What a plugin wrote into an error is escaped.
fn describe(f: &mut fmt::Formatter<'_>, cause: &CallError, evidence: &Evidence) -> fmt::Result {
    match (cause, evidence.exit) {
        (CallError::Closed(reason), Some(exit)) if is_loss(reason) => write!(f, "the plugin {exit}"),
        (CallError::Closed(reason), None) if matches!(**reason, CloseReason::EndOfFile) => {
            f.write_str("the plugin closed its standard output and lives")
        }
        (CallError::Closed(reason), _) if matches!(**reason, CloseReason::Local) => {
            f.write_str("the plugin was stopped by this side")
        }
        (CallError::Closed(reason), _) => write!(f, "{reason}"),
        (cause, _) => write!(f, "{cause}"),
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Spawn { source, .. } => Some(source),
            Self::Handshake { cause, .. } => Some(cause),
            Self::Call { cause, .. } => Some(cause),
        }
    }
}
