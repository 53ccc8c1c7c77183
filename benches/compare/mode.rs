//! Whether Plugline's engine polls before it blocks.

use serde::{Deserialize, Serialize};

/// Whether the engine polls before it blocks, in the host and in the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Mode {
    /// As it comes.
    Polling,
    /// `PLUGLINE_POLL=off`: every wait blocks at once.
    Blocking,
}

impl Mode {
    pub(crate) const ALL: [Self; 2] = [Self::Polling, Self::Blocking];

    /// The environment that makes it so.
    pub(crate) fn environment(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Polling => None,
            Self::Blocking => Some(("PLUGLINE_POLL", "off")),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::Blocking => "blocking",
        }
    }
}
