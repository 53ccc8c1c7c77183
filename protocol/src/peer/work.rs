//! A request on its way through its handler.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::answer::Flush;
use super::call::Call;
use super::connection::Connection;
use super::inflight::Incoming;
use super::service::Handler;
use crate::wire::{OwnedParams, RequestId, error};

/// A handler that takes longer than this is handed to a worker where more requests wait to be read …
const SLOW: Duration = Duration::from_micros(50);
/// … and one that takes longer than this always: against it, the hand-over is nothing.
const VERY_SLOW: Duration = Duration::from_millis(1);

/// A request that was taken in, and the handler that is to answer it.
pub(super) struct Work {
    connection: Connection,
    incoming: Arc<Incoming>,
    handler: Handler,
    params: OwnedParams,
}

impl Work {
    pub(super) fn new(
        connection: Connection,
        incoming: Arc<Incoming>,
        handler: Handler,
        params: OwnedParams,
    ) -> Self {
        Self { connection, incoming, handler, params }
    }

    /// How long this handler is expected to take.
    pub(super) fn pace(&self) -> Pace {
        self.handler.pace.judge()
    }

    /// Whether it was called in the handling of that call of this side.
    pub(super) fn is_called_for(&self, id: u64) -> bool {
        self.incoming.parent == Some(RequestId::Number(id))
    }

    /// Whether it may be run where it was read: it is not the protocol's own, has no streams, which are for waiting,
    /// and no notification that came before it is still to be handled.
    pub(super) fn may_run_at_once(&self) -> bool {
        self.incoming.counted && !self.handler.streams.any() && !self.connection.inner.lane.is_running()
    }

    /// Runs the handler and answers.
    pub(super) fn run(self, flush: Flush) {
        let Self { connection, incoming, handler, params } = self;
        let started = Instant::now();
        let call = Call::new(connection.clone(), Arc::clone(&incoming));
        let run = || (handler.run)(params.as_params(), &call);
        let outcome = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(outcome) => outcome,
            Err(_) => Err(error::internal(format!("the handler of {} panicked", incoming.method))),
        };
        handler.pace.record(incoming.worked(started.elapsed()));
        let outcome = match incoming.failed().map_or(outcome, Err) {
            // Whatever the work failed of, it was told to stop.
            Err(fault) if incoming.is_cancelled() && fault.code.code() != error::CANCELLED => {
                Err(incoming.ended().unwrap_or(fault))
            }
            outcome => outcome,
        };
        connection.answer(&incoming.id, &outcome, flush);
    }

    /// There is no thread to run it.
    pub(super) fn refuse(self) {
        let limit = u64::from(self.connection.inner.limits.max_in_flight);
        let fault = error::overloaded("requests at once: no thread can be started", limit);
        self.connection.answer_urgent(&self.incoming.id, &Err(fault));
    }
}

/// How long a handler takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// It never ran.
    Unknown,
    /// About as long as handing it to another thread would.
    Fast,
    /// Longer.
    Slow,
    /// So long that the hand-over does not count.
    VerySlow,
}

/// The running mean of how long a handler takes; nanoseconds, and one more than that so that 0 is "it never ran".
#[derive(Debug, Default)]
pub(super) struct RunningMean(AtomicU64);

impl RunningMean {
    fn record(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX / 16);
        let mean = match self.0.load(Ordering::Relaxed) {
            0 => took,
            // Two at once may lose one of the two, which a mean can bear.
            mean => (mean - 1) - (mean - 1) / 8 + took / 8,
        };
        self.0.store(mean.saturating_add(1), Ordering::Relaxed);
    }

    fn judge(&self) -> Pace {
        match self.0.load(Ordering::Relaxed) {
            0 => Pace::Unknown,
            mean if Duration::from_nanos(mean) <= SLOW => Pace::Fast,
            mean if Duration::from_nanos(mean) <= VERY_SLOW => Pace::Slow,
            _ => Pace::VerySlow,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_follows_what_a_handler_does_now() {
        let mean = RunningMean::default();
        assert_eq!(mean.judge(), Pace::Unknown);
        mean.record(Duration::from_secs(30));
        assert_eq!(mean.judge(), Pace::VerySlow);
        for _ in 0..150 {
            mean.record(Duration::from_micros(1));
        }
        assert_eq!(mean.judge(), Pace::Fast);
        mean.record(Duration::MAX);
        assert_eq!(mean.judge(), Pace::VerySlow);
    }
}
