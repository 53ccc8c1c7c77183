//! Why something failed, by blame, with all that is known of the plugin.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use plugline_protocol::contract::{Faults, Mismatch};
use plugline_protocol::lifecycle::HandshakeFault;
use plugline_protocol::peer::{CallError, CloseReason, HandshakeError, Kind};
use plugline_protocol::wire::{Error as WireError, ParamFault, error, escape};

use crate::process::{Exit, SandboxError, SpawnError};
use crate::supervisor::Failure;
use crate::validation::{self, Subject};

/// Of what a plugin does not fit, so much stands in one line; all of it is in the error.
const MISMATCHES_SHOWN: usize = 5;

/// Where in a plugin's life something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Starting the process.
    Spawn,
    /// The handshake.
    Handshake,
    /// Looking whether it has what it is wanted for.
    Contract,
    /// Keeping it alive.
    Supervision,
    /// A call.
    Call,
}

impl Phase {
    /// The name in reports: `spawn`, `handshake`, `contract`, `supervision`, `call`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spawn => "spawn",
            Self::Handshake => "handshake",
            Self::Contract => "contract",
            Self::Supervision => "supervision",
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

/// Why a plugin did not start, or a call has no result. All who wait for one start are given the same.
#[derive(Debug, Clone)]
pub enum Error {
    /// The process could not be started.
    Spawn {
        /// The command.
        command: String,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The plugin cannot be put into the sandbox that it was to have. It was not started.
    Sandbox {
        /// The command.
        command: String,
        /// Why.
        source: SandboxError,
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
    /// The plugin does not have what a client of it asks for.
    Contract {
        /// The command.
        command: String,
        /// The contract that was asked for.
        contract: String,
        /// The version that the client was made for.
        version: String,
        /// All that differs.
        mismatches: Vec<Mismatch>,
    },
    /// The plugin's manifest breaks its rules, and it was to be checked against that.
    Manifest {
        /// The command.
        command: String,
        /// All that is wrong with it.
        faults: Faults,
    },
    /// What was to be sent, or what came, is not what the manifest says. What was to be sent was not.
    Invalid {
        /// The command.
        command: String,
        /// What was called; empty for the config.
        method: String,
        /// What was checked.
        subject: Subject,
        /// What is wrong with it, each with a JSON Pointer.
        faults: Vec<ParamFault>,
    },
    /// The plugin failed again and again, and is not started any more for a while.
    CrashLoop {
        /// The command.
        command: String,
        /// The last failures, the first one first.
        failures: Vec<Failure>,
        /// After how long the next use tries again; `None`, where only
        /// [`Supervised::reset`](crate::Supervised::reset) does.
        again: Option<Duration>,
    },
    /// Its manifest says that only one of its processes may serve at a time, and more were asked for.
    OneInstance {
        /// The command.
        command: String,
        /// How many were asked for.
        wanted: usize,
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
        match fault {
            SpawnError::Program(source) | SpawnError::Host(source) => {
                Self::Spawn { command, source: Arc::new(source) }
            }
            SpawnError::Sandbox(source) => Self::Sandbox { command, source },
        }
    }

    /// What kind of failure this is: one of the closed set.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Spawn { .. } => Kind::SpawnFailed,
            Self::Sandbox { source, .. } => match source {
                SandboxError::Path { .. } | SandboxError::Failed { .. } => Kind::SpawnFailed,
                _ => Kind::Unsupported,
            },
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
            Self::Contract { mismatches, .. } => match mismatches[..] {
                [Mismatch::NotProvided { .. }] => Kind::Unsupported,
                _ => Kind::VersionMismatch,
            },
            Self::Manifest { .. } => Kind::HandshakeInvalid,
            Self::Invalid { subject, .. } => match subject {
                Subject::Config => Kind::InvalidConfig,
                Subject::Params | Subject::Input => Kind::InvalidRequest,
                Subject::Result | Subject::Output => Kind::ProtocolViolation,
            },
            Self::CrashLoop { .. } => Kind::CrashLoop,
            Self::OneInstance { .. } => Kind::Unsupported,
            Self::Call { cause, evidence, .. } => call_kind(cause, evidence),
        }
    }

    /// Where in the plugin's life it failed.
    pub fn phase(&self) -> Phase {
        match self {
            Self::Spawn { .. } | Self::Sandbox { .. } => Phase::Spawn,
            Self::Contract { .. } => Phase::Contract,
            Self::Handshake { .. } | Self::Manifest { .. } => Phase::Handshake,
            Self::Invalid { subject: Subject::Config, .. } => Phase::Handshake,
            Self::CrashLoop { .. } | Self::OneInstance { .. } => Phase::Supervision,
            Self::Invalid { .. } | Self::Call { .. } => Phase::Call,
        }
    }

    /// The command that was started.
    pub fn command(&self) -> &str {
        let (Self::Spawn { command, .. }
        | Self::Sandbox { command, .. }
        | Self::Handshake { command, .. }
        | Self::Contract { command, .. }
        | Self::Manifest { command, .. }
        | Self::Invalid { command, .. }
        | Self::CrashLoop { command, .. }
        | Self::OneInstance { command, .. }
        | Self::Call { command, .. }) = self;
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
            _ => None,
        }
    }

    /// What is wrong with what was checked, each with a JSON Pointer.
    pub fn faults(&self) -> Option<&[ParamFault]> {
        match self {
            Self::Invalid { faults, .. } => Some(faults),
            _ => None,
        }
    }

    /// What is known of the plugin's process.
    pub fn evidence(&self) -> Option<&Evidence> {
        match self {
            Self::Handshake { evidence, .. } | Self::Call { evidence, .. } => Some(evidence),
            Self::CrashLoop { failures, .. } => failures.last().map(|failure| &failure.evidence),
            _ => None,
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
            Self::Spawn { command, source } => {
                write!(f, "cannot start {command}: {source}{}", lacking(source))
            }
            Self::Sandbox { command, source } => write!(f, "cannot start {command}: {source}"),
            Self::Handshake { cause, evidence, .. } => {
                f.write_str("the handshake failed: ")?;
                match &**cause {
                    HandshakeError::Fault(fault) => write!(f, "{fault}"),
                    HandshakeError::Call(cause) => describe(f, cause, evidence),
                }
            }
            Self::Contract { contract, version, mismatches, .. } => {
                write!(f, "the plugin does not fit the contract {contract} {version}: ")?;
                let mut faults = mismatches.iter().take(MISMATCHES_SHOWN).map(ToString::to_string);
                // What a plugin wrote into its manifest stands in them.
                let told =
                    faults.by_ref().map(|fault| escape(fault.as_bytes())).collect::<Vec<_>>().join("; ");
                f.write_str(&told)?;
                match mismatches.len().saturating_sub(MISMATCHES_SHOWN) {
                    0 => Ok(()),
                    more => write!(f, "; and {more} more"),
                }
            }
            Self::Manifest { faults, .. } => {
                let first = faults.as_slice().first().map(ToString::to_string).unwrap_or_default();
                write!(f, "the plugin's manifest breaks the rules: {first}")
            }
            Self::Invalid { method, subject, faults, .. } => {
                if !method.is_empty() {
                    write!(f, "{method} failed: ")?;
                }
                write!(f, "{subject} not what the manifest says: {}", validation::summary(faults))
            }
            Self::CrashLoop { failures, again, .. } => {
                write!(f, "the plugin failed {} times, so it is not started any more", failures.len())?;
                match again {
                    Some(again) => write!(f, " for {again:.0?}")?,
                    None => f.write_str(" until its supervisor is reset")?,
                }
                match failures.last() {
                    Some(last) => write!(f, "; the last time: {}", last.reason),
                    None => Ok(()),
                }
            }
            Self::OneInstance { wanted, .. } => write!(
                f,
                "the plugin's manifest does not say `\"instances\": \"many\"`, so one of its processes serves at a \
                 time, and {wanted} were asked for"
            ),
            Self::Call { method, cause, evidence, .. } => {
                write!(f, "{method} failed: ")?;
                describe(f, cause, evidence)
            }
        }
    }
}

/// What this process lacks, where that is why nothing could be started.
fn lacking(source: &io::Error) -> &'static str {
    use rustix::io::Errno;
    match Errno::from_io_error(source) {
        Some(Errno::MFILE) => {
            "; this process has no descriptors left: raise its limit (ulimit -n), or run fewer plugins"
        }
        Some(Errno::NFILE) => "; this machine has no descriptors left: run fewer plugins",
        Some(Errno::AGAIN) => {
            "; there may be no more processes or threads: raise the limit (ulimit -u), or run fewer plugins"
        }
        _ => "",
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
            Self::Spawn { source, .. } => Some(&**source),
            Self::Sandbox { source, .. } => Some(source),
            Self::Handshake { cause, .. } => Some(cause),
            Self::Contract { .. }
            | Self::Invalid { .. }
            | Self::CrashLoop { .. }
            | Self::OneInstance { .. } => None,
            Self::Manifest { faults, .. } => Some(faults),
            Self::Call { cause, .. } => Some(cause),
        }
    }
}
