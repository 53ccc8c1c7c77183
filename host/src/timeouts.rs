//! How long things may take.

use std::time::Duration;

/// What is longer may not fit into an [`Instant`](std::time::Instant).
pub(crate) const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long each phase of a plugin's life may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From starting the process to the answer of the handshake; 10 s. `None` is for ever, for debuggers.
    pub start: Option<Duration>,
    /// A call, unless it says otherwise; 30 s. `None` is for ever.
    pub call: Option<Duration>,
    /// How long calls in flight may go on after `rpc.shutdown`; 5 s. Its answer may take half a second more.
    pub grace: Duration,
    /// From closing stdin to SIGTERM; 3 s.
    pub exit: Duration,
    /// From SIGTERM to SIGKILL; 2 s.
    pub term: Duration,
    /// How long the plugin has to answer a call that ended for its caller before it counts as unhealthy; 5 s.
    pub unanswered: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            start: Some(Duration::from_secs(10)),
            call: Some(Duration::from_secs(30)),
            grace: Duration::from_secs(5),
            exit: Duration::from_secs(3),
            term: Duration::from_secs(2),
            unanswered: Duration::from_secs(5),
        }
    }
}

impl Timeouts {
    /// The same, within what the clock can add up.
    pub(crate) fn bounded(self) -> Self {
        Self {
            grace: self.grace.min(A_YEAR),
            exit: self.exit.min(A_YEAR),
            term: self.term.min(A_YEAR),
            unanswered: self.unanswered.min(A_YEAR),
            ..self
        }
    }
}
