//! A request on its way through its handler.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::answer::Flush;
use super::call::Call;
use super::connection::Connection;
use super::dispatch;
use super::inflight::Incoming;
use super::scratch::Scratch;
use super::service::Handler;
use crate::wire::encode::ResultLine;
use crate::wire::{Error, ErrorCode, Message, OwnedParams, Params, RequestId, decode, error};

/// A handler that takes longer than this is handed to a worker where more requests wait to be read …
const SLOW: Duration = Duration::from_micros(50);
/// … and one that takes longer than this always: against it, the hand-over is nothing.
const VERY_SLOW: Duration = Duration::from_millis(1);

/// A request that was taken in, and the handler that is to answer it.
pub(super) struct Work {
    connection: Connection,
    incoming: Arc<Incoming>,
    handler: Handler,
    given: Given,
}

/// What a request gave its handler.
pub(super) enum Given {
    Params(OwnedParams),
    /// A line that ends with so many bytes of params and a brace. Whether that is so, the handler finds out.
    Line {
        line: Box<str>,
        params: usize,
    },
}

impl Given {
    fn params(&self) -> Params<'_> {
        match self {
            Self::Params(params) => params.as_params(),
            Self::Line { line, params } => {
                let end = line.len() - 1;
                Params::unchecked(&line[end - params..end])
            }
        }
    }

    /// The line, where it is not what it seemed: no message, or one with more members than those seen.
    fn otherwise(&self) -> Option<&str> {
        let Self::Line { line, .. } = self else { return None };
        match decode(line.as_bytes()) {
            Ok(Message::Request(request)) if request.params.get() == self.params().get() => None,
            _ => Some(line),
        }
    }
}

impl Work {
    pub(super) fn new(
        connection: Connection,
        incoming: Arc<Incoming>,
        handler: Handler,
        given: Given,
    ) -> Self {
        Self { connection, incoming, handler, given }
    }

    /// How long this handler is expected to keep its thread.
    pub(super) fn pace(&self) -> Pace {
        self.handler.parts.pace.judge()
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

    /// Runs the handler and answers; not, where nobody waits for the answer any more.
    pub(super) fn run(self, flush: Flush) {
        let started = Instant::now();
        if self.incoming.counted
            && let Some(fault) = self.incoming.ended_by(|| started)
        {
            // The line may be another than it seemed, of a request that somebody waits for.
            return self.answer_instead(&fault, |work| work.run(flush));
        }
        let Self { connection, incoming, handler, given } = self;
        let handler = handler.parts;
        let call = Call::new(connection.clone(), Arc::clone(&incoming));
        let mut line = Scratch::take();
        let begun = ResultLine::begin(&mut line, &incoming.id);
        let run = || (handler.run)(given.params(), &call, &mut line);
        let outcome = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(outcome) => outcome,
            Err(_) => Err(error::internal(format!("the handler of {} panicked", incoming.method))),
        };
        if let Err(fault) = &outcome
            && fault.code == ErrorCode::InvalidParams
            && let Some(line) = given.otherwise()
        {
            if let Some(work) = dispatch::take_anew(&connection, &incoming.id, line) {
                work.run(flush);
            }
            return;
        }
        handler.pace.record(incoming.worked_at_a_time(started.elapsed()));
        let outcome = match incoming.failed().map_or(outcome, Err) {
            // Whatever the work failed of, it was told to stop.
            Err(fault) if incoming.is_cancelled() && fault.code.code() != error::CANCELLED => {
                Err(incoming.ended().unwrap_or(fault))
            }
            outcome => outcome,
        };
        connection.end_answer(&mut line, &incoming.id, begun, outcome.as_ref().copied());
        connection.answer(&incoming.id, &mut line, flush);
    }

    /// There is no thread to run it.
    pub(super) fn refuse(self) {
        let limit = u64::from(self.connection.inner.limits.max_in_flight);
        self.answer_instead(
            &error::overloaded("requests at once: no thread can be started", limit),
            Self::refuse,
        );
    }

    /// Answers in the handler's stead, which does not run. Where the line is not what it seemed, `otherwise` gets what it
    /// is, if that is a request.
    fn answer_instead(self, fault: &Error, otherwise: impl FnOnce(Self)) {
        if let Some(line) = self.given.otherwise() {
            if let Some(work) = dispatch::take_anew(&self.connection, &self.incoming.id, line) {
                otherwise(work);
            }
            return;
        }
        self.connection.answer_urgent(&self.incoming.id, &Err(fault.clone()));
    }
}

/// How long a handler keeps its thread at a time.
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

/// The running mean of how long a handler keeps its thread; nanoseconds, and one more than that so that 0 is "it never ran".
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
