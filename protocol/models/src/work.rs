//! In place of `work.rs`: a request, and the handler that all have.

use crate::answer::Flush;
use crate::connection::Connection;

pub(super) type Run = fn(&Connection);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    Unknown,
    Fast,
    Slow,
}

pub(super) struct Work {
    pub(super) connection: Connection,
}

impl Work {
    pub(super) fn pace(&self) -> Pace {
        Pace::Fast
    }

    pub(super) fn is_called_for(&self, _: u64) -> bool {
        false
    }

    pub(super) fn may_run_at_once(&self) -> bool {
        true
    }

    pub(super) fn run(self, _: Flush) {
        (self.connection.inner.handler)(&self.connection);
    }
}
