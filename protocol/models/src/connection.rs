//! In place of `connection.rs`: what of a connection its reading needs.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};

use loom::sync::atomic::{AtomicUsize, Ordering};

use crate::alarms::Alarms;
use crate::error::{CallError, CloseReason};
use crate::interrupt::Interrupt;
use crate::io::{Bell, End, Wake};
use crate::reader::Reader;
use crate::seat::Seat;
use crate::slot::Slot;
use crate::sync::Arc;
use crate::system::change;
use crate::turn;
use crate::watch::Watch;
use crate::work::Run;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Host,
    Plugin,
}

#[derive(Clone)]
pub(super) struct Connection {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) side: Side,
    pub(super) seat: Arc<Seat<Reader, Watch>>,
    pub(super) interrupt: Interrupt,
    pub(super) alarms: Arc<Alarms>,
    pub(super) awaited: AtomicUsize,
    pub(super) ended: Wake,
    pub(super) receive_limit: Count,
    closed: OnceLock<()>,
    /// The calls of this side, by their ids.
    pub(super) slots: Vec<Arc<Slot>>,
    /// How many answers came to each.
    pub(super) answers: Vec<Count>,
    /// How many notifications were heard, and handlers have run.
    heard: Count,
    /// What the handler of all requests does.
    pub(super) handler: Run,
}

impl Connection {
    /// A connection with so many calls under way.
    pub(super) fn new(side: Side, calls: usize, watch: Watch, handler: Run) -> Self {
        let seat = Arc::new(Seat::new(Reader::new(Arc::new(End::In), usize::MAX), watch));
        let inner = Inner {
            side,
            seat,
            interrupt: Interrupt::new(Bell),
            alarms: Arc::default(),
            awaited: AtomicUsize::new(0),
            ended: Wake,
            receive_limit: Count::new(0),
            closed: OnceLock::new(),
            slots: (0..calls).map(|_| Arc::new(Slot::new(None, None))).collect(),
            answers: (0..calls).map(|_| Count::new(0)).collect(),
            heard: Count::new(0),
            handler,
        };
        let this = Self { inner: Arc::new(inner) };
        turn::start(&this);
        this
    }

    pub(super) fn has_standing_server(&self) -> bool {
        self.inner.side == Side::Plugin || self.is_awaited()
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.inner.awaited.load(Ordering::SeqCst) > 0
    }

    pub(super) fn look_up(&self) {
        self.inner.interrupt.raise();
    }

    pub(super) fn closed(&self) -> Option<&()> {
        self.inner.closed.get()
    }

    pub(super) fn close(&self, _: CloseReason) {
        self.inner.closed.get_or_init(|| ());
        for slot in &self.inner.slots {
            slot.settle(Err(CallError::Closed));
        }
        self.look_up();
    }

    /// A notification was heard, or a handler has run.
    pub(super) fn hear(&self) {
        change(|_| self.inner.heard.fetch_add(1, Relaxed));
    }

    /// How often that was.
    pub(super) fn heard(&self) -> usize {
        self.inner.heard.load(Relaxed)
    }

    /// Writing has models of its own.
    pub(super) fn write_out(&self) {}
}
