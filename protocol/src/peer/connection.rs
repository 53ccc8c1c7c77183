//! A connection: its parts, what is sent through it, and how it ends.

use std::collections::HashSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::alarms::Alarms;
use super::error::{CallError, CloseReason};
use super::inflight::InFlight;
use super::interrupt::Interrupt;
use super::io::{Bell, End, Pipes, Wake};
use super::lane::Lane;
use super::outbox::{Bound, Outbox, SendError};
use super::pending::Pending;
use super::reader::Reader;
use super::scratch::Scratch;
use super::seat::Seat;
use super::service::{Report, Service};
use super::watch::Watch;
use super::{timer, turn, workers};
use crate::lifecycle::messages::{Cancel, Log};
use crate::lifecycle::{HANDSHAKE_LINE_BYTES, Limits, methods};
use crate::wire::{RequestId, encode};

/// Which end of a connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Starts plugins. Takes a broken line as stray output or as a violation.
    Host,
    /// Is started. Answers broken lines.
    Plugin,
}

/// Which way a line went, for a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From this side.
    Sent,
    /// To this side.
    Received,
}

/// What sees every line, without its LF.
type Transcript = dyn Fn(Direction, &[u8]) + Send + Sync;

/// How to open a connection.
pub struct Setup {
    /// Which end this is.
    pub side: Side,
    /// What the other side may count on here. `max_line_bytes` takes effect with the handshake.
    pub limits: Limits,
    /// Host only: take all stray output as a violation.
    pub strict: bool,
    /// What serves the requests that come in.
    pub service: Arc<dyn Service>,
    /// Sees every line that comes and goes.
    pub transcript: Option<Box<Transcript>>,
    /// Raised when the process at the other end is gone: what is in the pipe is still read, then the
    /// connection ends, even if somebody else holds the pipe open.
    pub ended: Arc<Wake>,
    /// How long the other side has to answer a call that ended for its caller, before that is reported.
    pub unanswered: Duration,
}

/// What the handshake said about the other side.
#[derive(Debug, Clone)]
pub struct Remote {
    /// What it accepts.
    pub limits: Limits,
    /// It heeds `rpc.cancel`.
    pub cancel: bool,
    /// It has streams, or takes and sends them.
    pub streams: bool,
    /// It takes `rpc.progress`.
    pub progress: bool,
    /// It takes `rpc.log`.
    pub log: bool,
    /// The methods it serves, where it said; others are refused here without asking it.
    pub methods: Option<HashSet<String>>,
}

/// One end of a connection. Clones are handles of the same one.
#[derive(Debug, Clone)]
pub struct Connection {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) side: Side,
    pub(super) limits: Limits,
    pub(super) strict: bool,
    pub(super) service: Arc<dyn Service>,
    pub(super) transcript: Option<Box<Transcript>>,
    pub(super) ended: Arc<Wake>,
    pub(super) unanswered: Duration,
    pub(super) seat: Arc<Seat<Reader, Watch>>,
    /// Has whoever reads look up.
    pub(super) interrupt: Interrupt,
    /// Tasks that are to be told that there is something to tell.
    pub(super) alarms: Arc<Alarms>,
    /// How many calls tasks await.
    pub(super) awaited: AtomicUsize,
    pub(super) outbox: Outbox,
    pub(super) pending: Pending,
    pub(super) in_flight: InFlight,
    pub(super) lane: Arc<Lane>,
    /// The line limit in force for what comes in.
    pub(super) receive_limit: AtomicUsize,
    remote: OnceLock<Remote>,
    closed: OnceLock<Arc<CloseReason>>,
    /// Nobody may be told twice.
    reported: AtomicBool,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("side", &self.side)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Takes two pipe ends into service.
    ///
    /// # Errors
    /// Where the system has no descriptors or threads left.
    pub fn open(pipes: Pipes, setup: Setup) -> io::Result<Self> {
        let read = Arc::new(End::new(pipes.read));
        let watch = Watch::new(Arc::clone(&read), Arc::clone(&setup.ended))?;
        let inner = Arc::new(Inner {
            side: setup.side,
            limits: setup.limits,
            strict: setup.strict,
            service: setup.service,
            transcript: setup.transcript,
            ended: setup.ended,
            unanswered: setup.unanswered,
            seat: Arc::new(Seat::new(Reader::new(read, HANDSHAKE_LINE_BYTES), watch)),
            interrupt: Interrupt::new(Bell::new()?),
            alarms: Arc::default(),
            awaited: AtomicUsize::new(0),
            outbox: Outbox::new(End::new(pipes.write))?,
            pending: Pending::default(),
            in_flight: InFlight::default(),
            lane: Arc::default(),
            receive_limit: AtomicUsize::new(HANDSHAKE_LINE_BYTES),
            remote: OnceLock::new(),
            closed: OnceLock::new(),
            reported: AtomicBool::new(false),
        });
        inner.seat.watch().tell(&inner);
        let this = Self { inner };
        // From here on the watch tells of what arrives; what arrived before it knew whom to tell, is looked for.
        turn::start(&this);
        Ok(this)
    }

    /// Whether a server holds the seat, or comes back to it, while no caller reads.
    pub(super) fn has_standing_server(&self) -> bool {
        self.inner.side == Side::Plugin || self.is_awaited()
    }

    /// Whether tasks await calls, which no thread waits for.
    pub(super) fn is_awaited(&self) -> bool {
        self.inner.awaited.load(Ordering::SeqCst) > 0
    }

    /// Has whoever reads look up, and tells whoever awaits a call what there is to tell.
    pub(super) fn look_up(&self) {
        self.inner.interrupt.raise();
        if self.inner.alarms.are_set() {
            let connection = self.clone();
            // Not here, where somebody may read. Without a thread, whoever reads next does it.
            let _later = workers::spawn(Box::new(move || connection.inner.alarms.ring()));
        }
    }

    /// The handshake succeeded: records what it said of the other side, and puts this side's own line limit in
    /// force. A plugin does this before it answers; a host, when it reads the answer. The first time counts.
    pub fn agree(&self, remote: Remote) {
        if self.inner.remote.set(remote).is_ok() {
            self.inner.receive_limit.store(self.inner.limits.max_line_bytes, Ordering::Release);
        }
    }

    /// What the handshake said, once it is done.
    pub fn remote(&self) -> Option<&Remote> {
        self.inner.remote.get()
    }

    pub(super) fn send_limit(&self) -> usize {
        self.remote().map_or(HANDSHAKE_LINE_BYTES, |remote| remote.limits.max_line_bytes)
    }

    /// Why the connection ended, once it has.
    pub fn closed(&self) -> Option<&Arc<CloseReason>> {
        self.inner.closed.get()
    }

    /// How many calls of this side are unanswered.
    pub fn unanswered(&self) -> usize {
        self.inner.pending.len()
    }

    /// How many requests of the other side are being handled here.
    pub fn handling(&self) -> usize {
        self.inner.in_flight.len()
    }

    /// Sends a notification. Waits, at most that long, where much is queued already.
    ///
    /// # Errors
    /// [`CallError`] where it cannot be sent.
    pub fn notify(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        timeout: Option<Duration>,
    ) -> Result<(), CallError> {
        self.check_method(method, true)?;
        let mut line = Vec::with_capacity(256);
        encode::notification(&mut line, self.send_limit(), method, params)?;
        let timed_out = || CallError::Timeout { after: timeout.unwrap_or_default() };
        self.send(&mut line, Bound::Calls, timeout.map(timer::later))
            .map_err(|fault| self.not_sent(&fault, timed_out))
    }

    /// Sends a notification of the protocol that may be lost: too long, unserialisable, nobody there.
    pub(super) fn notify_or_drop(&self, method: &str, params: &impl Serialize) {
        let mut line = Scratch::take();
        if encode::notification(&mut line, self.send_limit(), method, params).is_ok() {
            // Closed: nobody is there to miss it.
            let _closed = self.send(&mut line, Bound::Notices, None);
        }
    }

    /// Writes a line to the host's log. Dropped where the host takes none.
    pub fn log(&self, log: &Log) {
        if self.remote().is_some_and(|remote| remote.log) {
            self.notify_or_drop(methods::LOG, log);
        }
    }

    pub(super) fn not_sent(&self, fault: &SendError, timed_out: impl FnOnce() -> CallError) -> CallError {
        match fault {
            SendError::TimedOut => timed_out(),
            SendError::Closed => {
                CallError::Closed(self.closed().map_or_else(|| Arc::new(CloseReason::Local), Arc::clone))
            }
        }
    }

    /// Before it is queued: the transcript has a line before anyone can have answered it.
    pub(super) fn record_sent(&self, line: &[u8]) {
        self.record(Direction::Sent, line.strip_suffix(b"\n").unwrap_or(line));
    }

    pub(super) fn record(&self, direction: Direction, line: &[u8]) {
        if let Some(transcript) = &self.inner.transcript {
            // Reported by the panic hook; the connection is not to suffer from it.
            let _panicked = catch_unwind(AssertUnwindSafe(|| transcript(direction, line)));
        }
    }

    /// Tells the callee to stop, where it heeds that.
    pub(super) fn send_cancel(&self, id: u64, reason: Option<&str>) {
        let heeded = self.remote().is_some_and(|remote| remote.cancel);
        // Of a call that was answered, the callbacks go on, detached.
        let Some(method) = self.inner.pending.cancel(id) else { return };
        self.inner.in_flight.cancel_children(&RequestId::Number(id), reason);
        if heeded && method != methods::INITIALIZE {
            let mut line = Vec::with_capacity(128);
            // A reason that is too long is left out.
            for reason in [reason.map(str::to_owned), None] {
                let params = Cancel { id: RequestId::Number(id), reason };
                if encode::notification(&mut line, self.send_limit(), methods::CANCEL, &params).is_ok() {
                    self.send_urgent(&line);
                    break;
                }
            }
        }
    }

    /// The caller stops waiting: tells the callee, and watches that it answers all the same.
    pub(super) fn abandon(&self, id: u64, ended: Ended<'_>) {
        if !self.inner.pending.abandon(id) {
            return;
        }
        let since = match ended {
            Ended::Now(reason) => {
                self.send_cancel(id, Some(reason));
                Instant::now()
            }
            Ended::Cancelled { asked } => asked,
        };
        if self.inner.side == Side::Host {
            let inner = Arc::downgrade(&self.inner);
            timer::at(
                timer::later_than(since, self.inner.unanswered),
                Box::new(move || {
                    let Some(inner) = inner.upgrade() else { return };
                    if let Some(method) = inner.pending.unanswered(id) {
                        inner.service.report(Report::Unanswered { id: RequestId::Number(id), method });
                    }
                }),
            );
        }
    }

    /// Ends the connection from this side: what is queued is still written, then the pipe is closed; calls
    /// fail at once; what still comes in is read and dropped.
    pub fn shut(&self) {
        self.close(CloseReason::Local);
        self.inner.outbox.finish();
        self.write_out();
    }

    /// Ends the connection for a reason; the first one stands.
    pub(super) fn close(&self, reason: CloseReason) {
        let reason = self.inner.closed.get_or_init(|| Arc::new(reason));
        self.inner.pending.close(reason);
        // It may be one of the callers that just failed.
        self.look_up();
        self.inner.in_flight.dry_up();
        match **reason {
            // A plugin still answers what is in flight; a host looks whether the process ended before it does
            // anything that could end it.
            CloseReason::EndOfFile | CloseReason::Local => {}
            _ => self.inner.outbox.abort(),
        }
        if !self.inner.reported.swap(true, Ordering::AcqRel) {
            self.inner.service.report(Report::Closed(reason));
        }
    }

    /// Stops writing at once, even where a write is waiting for its reader.
    pub fn abort(&self) {
        self.inner.outbox.abort();
    }

    /// Writes what is queued and closes the pipe; says whether that was done within that time.
    pub fn flush(&self, at_most: Duration) -> bool {
        self.inner.outbox.finish();
        self.write_out();
        self.inner.outbox.wait_closed(Some(timer::later(at_most)))
    }

    /// Waits until nothing more is read or written. To be called when both pipes are known to end.
    pub fn join(&self) {
        self.inner.outbox.wait_closed(None);
        self.inner.seat.wait_gone();
    }
}

/// How a call ended for its caller.
pub(super) enum Ended<'a> {
    /// Just now, and why.
    Now(&'a str),
    /// It was cancelled; the callee has its time to answer from then on.
    Cancelled {
        /// When.
        asked: Instant,
    },
}
