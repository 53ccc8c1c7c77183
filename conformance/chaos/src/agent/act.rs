//! What can be done.

use std::fmt;
use std::str::FromStr;

/// A kind of thing that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// SIGKILL, SIGSEGV or SIGTERM to a process.
    Kill,
    /// SIGSTOP; SIGCONT later, or never.
    Stop,
    /// SIGSTOP and SIGCONT in turns, so that it gets to run every other moment.
    Slow,
    /// It ends, panics, is slow, spins, leaves a child, or heeds nothing.
    Fault,
    /// It floods standard error, standard output or the log, or does not read what it is sent.
    Flood,
    /// It breaks the protocol: garbage, half a line, a line too long, a wrong id, a closed pipe.
    Corrupt,
    /// Another version is put in its place, or one that does not work.
    Replace,
    /// A release is installed in the store, or rolled back.
    Store,
    /// The host has no descriptors for a moment.
    Descriptors,
    /// The settings are spoilt for a moment.
    Settings,
}

impl Act {
    /// All.
    pub const ALL: [Self; 10] = [
        Self::Kill,
        Self::Stop,
        Self::Slow,
        Self::Fault,
        Self::Flood,
        Self::Corrupt,
        Self::Replace,
        Self::Store,
        Self::Descriptors,
        Self::Settings,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Slow => "slow",
            Self::Fault => "fault",
            Self::Flood => "flood",
            Self::Corrupt => "corrupt",
            Self::Replace => "replace",
            Self::Store => "store",
            Self::Descriptors => "descriptors",
            Self::Settings => "settings",
        }
    }

    /// How often it is done, beside the others.
    pub(super) fn weight(self) -> u64 {
        match self {
            Self::Kill => 6,
            Self::Corrupt => 5,
            Self::Stop | Self::Fault | Self::Replace => 3,
            Self::Slow | Self::Flood => 2,
            Self::Store | Self::Descriptors | Self::Settings => 1,
        }
    }

    /// How a plugin misbehaves then.
    pub(super) fn faults(self) -> &'static [&'static str] {
        match self {
            Self::Fault => &["exit", "abort", "segv", "panic", "slow", "spin", "child", "stubborn"],
            Self::Flood => &["stderr", "stray", "log", "deaf"],
            Self::Corrupt => &[
                "garbage",
                "half",
                "wrong_id",
                "twice",
                "oversize",
                "spoilt",
                "noise",
                "close_stdout",
                "close_stdin",
            ],
            _ => &[],
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Act {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|act| act.as_str() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.into_iter().map(Self::as_str).collect();
            format!("{text:?} is none of {}", names.join(", "))
        })
    }
}
