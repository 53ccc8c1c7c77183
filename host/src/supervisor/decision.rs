//! What a supervisor tells of what it decides.

use std::fmt;
use std::time::Duration;

use plugline_protocol::lifecycle::Identity;
use plugline_protocol::wire::shown;

use crate::error::{Error, Evidence};

/// What the supervisor of a plugin decided. Text that comes from the plugin is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// An instance did not start.
    StartFailed {
        /// Why.
        reason: String,
    },
    /// An instance ended by itself, or was given up, and another is started.
    Restarting {
        /// How many failures there were in a row.
        attempt: u32,
        /// After so long.
        after: Duration,
        /// What happened.
        reason: String,
    },
    /// That one serves.
    Restarted {
        /// Its process id.
        pid: u32,
        /// How many failures there had been in a row.
        attempt: u32,
    },
    /// It failed again and again, and is not started any more.
    CrashLoop {
        /// The last failures, the first one first.
        failures: Vec<Failure>,
        /// After how long the next use tries again; `None` where only a reset does.
        again: Option<Duration>,
    },
    /// An instance is given up: it is not healthy.
    Replaced {
        /// What it did not do.
        reason: String,
    },
    /// A call whose instance was lost is made once more, by another.
    Repeated {
        /// The method.
        method: String,
    },
    /// Nobody used it for a while, so it is stopped until somebody does.
    StoppedIdle {
        /// For how long, at least.
        idle: Duration,
    },
    /// Others took over.
    Swapped {
        /// What they say they are.
        plugin: Identity,
        /// How many calls were still in flight at the old ones when their time was over.
        cut_off: u64,
    },
    /// Others were to take over, and did not.
    SwapFailed {
        /// Why.
        reason: String,
    },
    /// The user stopped it, for good.
    Stopped,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |text: &str| shown(text);
        match self {
            Self::StartFailed { reason } => write!(f, "did not start: {}", text(reason)),
            Self::Restarting { attempt, after, reason } => {
                write!(f, "is started again after {after:.1?} (failure {attempt}): {}", text(reason))
            }
            Self::Restarted { pid, attempt } => {
                write!(f, "serves again as process {pid}, after {attempt} failures")
            }
            Self::CrashLoop { failures, again } => {
                write!(f, "failed {} times, and is not started any more", failures.len())?;
                if let Some(again) = again {
                    write!(f, " for {again:.0?}")?;
                }
                match failures.last() {
                    Some(last) => write!(f, "; the last time: {}", text(&last.reason)),
                    None => Ok(()),
                }
            }
            Self::Replaced { reason } => write!(f, "is replaced: {}", text(reason)),
            Self::Repeated { method } => write!(f, "{} is called once more", text(method)),
            Self::StoppedIdle { idle } => write!(f, "was stopped: nobody used it for {idle:.0?}"),
            Self::Swapped { plugin: Identity { name, version }, cut_off } => {
                write!(f, "{} {} has taken over; {cut_off} calls were cut off", text(name), text(version))
            }
            Self::SwapFailed { reason } => write!(f, "was not replaced: {}", text(reason)),
            Self::Stopped => f.write_str("was stopped"),
        }
    }
}

impl Decision {
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::StartFailed { reason }
            | Self::Restarting { reason, .. }
            | Self::Replaced { reason }
            | Self::SwapFailed { reason } => reason.len(),
            Self::CrashLoop { failures, .. } => failures.iter().map(Failure::size).sum(),
            Self::Repeated { method } => method.len(),
            Self::Swapped { plugin, .. } => plugin.name.len() + plugin.version.len(),
            Self::Restarted { .. } | Self::StoppedIdle { .. } | Self::Stopped => 0,
        }
    }
}

/// One time that a plugin ended by itself, did not start, or was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What happened, in one line.
    pub reason: String,
    /// What is known of the process.
    pub evidence: Evidence,
}

impl Failure {
    pub(super) fn of(fault: &Error) -> Self {
        Self { reason: fault.to_string(), evidence: fault.evidence().cloned().unwrap_or_default() }
    }

    fn size(&self) -> usize {
        self.reason.len() + self.evidence.stderr_tail.iter().map(String::len).sum::<usize>()
    }
}
