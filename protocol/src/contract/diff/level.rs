//! How much a change matters, and to whom.

use std::fmt;

/// How much a change matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing that a program does depends on it.
    Patch,
    /// There is more; what was right before is right now.
    Minor,
    /// What was right before may be wrong now.
    Major,
}

impl Level {
    /// The name in reports: `patch`, `minor`, `major`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How much a change matters to either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Levels {
    pub(super) callers: Level,
    pub(super) implementers: Level,
}

impl Levels {
    pub(super) const BOTH_PATCH: Self = Self::new(Level::Patch, Level::Patch);
    pub(super) const BOTH_MINOR: Self = Self::new(Level::Minor, Level::Minor);
    pub(super) const BOTH_MAJOR: Self = Self::new(Level::Major, Level::Major);
    /// What may come to callers that they do not know.
    pub(super) const BREAKS_CALLERS: Self = Self::new(Level::Major, Level::Minor);
    /// What is asked of implementers that they do not do.
    pub(super) const BREAKS_IMPLEMENTERS: Self = Self::new(Level::Minor, Level::Major);

    pub(super) const fn new(callers: Level, implementers: Level) -> Self {
        Self { callers, implementers }
    }

    /// Of a method that the plugin calls and the host serves.
    pub(super) fn exchanged(self) -> Self {
        Self { callers: self.implementers, implementers: self.callers }
    }
}
