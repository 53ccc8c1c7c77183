//! A request on its way out: checked, given a place and an id, encoded and queued.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::connection::Connection;
use super::error::CallError;
use super::outbox::Bound;
use super::pending::{Entered, Entry, NotEntered};
use super::request::{PendingCall, RequestOptions, Stage};
use super::scratch::Scratch;
use super::stream::{Inbox, Outlet};
use crate::lifecycle::methods;
use crate::wire::{Meta, RequestId, encode, error};

/// When a call was asked for, and when its caller gives up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    pub(super) asked: Instant,
    /// How long the caller wants to wait.
    pub(super) patience: Option<Duration>,
    pub(super) deadline: Option<Instant>,
}

impl Time {
    pub(super) fn now(options: &RequestOptions) -> Self {
        let asked = Instant::now();
        let patience = options.timeout;
        Self { asked, patience, deadline: patience.and_then(|patience| asked.checked_add(patience)) }
    }

    pub(super) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    pub(super) fn timed_out(&self) -> CallError {
        CallError::Timeout { after: self.patience.unwrap_or_else(|| self.asked.elapsed()) }
    }
}

/// What to do where the other side takes no more at once, or too much is queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// Wait for it, to the deadline.
    Wait,
    /// Nothing.
    Try,
    /// Nothing, some time after the call was asked for.
    TryLater,
}

/// A call that has its place and is not sent. Where it will not be, which may be since its params panic, the place is given
/// back.
struct Unsent<'a> {
    connection: &'a Connection,
    id: u64,
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        self.connection.inner.pending.withdraw(self.id);
        self.connection.look_up(); // A task may have been told of the place.
    }
}

impl Connection {
    /// Sends a request; the answer is waited for on the [`PendingCall`]. Waits, within the timeout, where
    /// the other side takes no more at once.
    ///
    /// # Errors
    /// [`CallError`] where the request cannot be sent.
    pub fn request(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: RequestOptions,
    ) -> Result<PendingCall, CallError> {
        let call = self.begin(method, params, &options, Time::now(&options), Room::Wait)?;
        self.write_out();
        Ok(call.expect("room was waited for"))
    }

    /// Queues a request; nothing where there is no room and none was to be waited for. To be followed by
    /// [`write_out`](Self::write_out).
    pub(super) fn begin(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: &RequestOptions,
        time: Time,
        room: Room,
    ) -> Result<Option<PendingCall>, CallError> {
        let counted = !method.starts_with(methods::PREFIX);
        self.check_method(method, counted)?;
        if options.streams.any() {
            self.check_streams()?;
        }
        let entered = self.inner.pending.enter(self.entry(method, options, time, room));
        let Entered { id, slot, waited } = match entered {
            Ok(entered) => entered,
            Err(NotEntered::Full) => return Ok(None),
            Err(NotEntered::Closed(reason)) => return Err(CallError::Closed(reason)),
            Err(NotEntered::TimedOut) => return Err(time.timed_out()),
            Err(NotEntered::Cancelled) => return Err(CallError::Cancelled),
        };
        let unsent = Unsent { connection: self, id };
        let left = match time.deadline {
            Some(deadline) if waited || room == Room::TryLater => {
                Some(deadline.saturating_duration_since(Instant::now()))
            }
            deadline => deadline.and(time.patience),
        };
        let meta = Meta {
            deadline_ms: left.and_then(whole_millis),
            parent: options.parent.as_ref().map(|(id, _)| id.clone()),
            traceparent: options.traceparent.clone(),
        };
        let mut line = Scratch::take();
        let encoded =
            encode::request(&mut line, self.send_limit(), &RequestId::Number(id), method, params, &meta);
        let queued = encoded.map_err(CallError::from).and_then(|()| {
            let queued = match room {
                Room::Wait => self.queue(&mut line, Bound::Calls, time.deadline).map(|()| true),
                Room::Try | Room::TryLater => self.try_queue(&mut line),
            };
            queued.map_err(|fault| self.not_sent(&fault, || time.timed_out()))
        });
        if matches!(queued, Ok(true)) {
            std::mem::forget(unsent);
        }
        Ok(queued?.then(|| PendingCall {
            connection: self.clone(),
            id,
            slot,
            time,
            settled: false,
            items: None,
            stage: Stage::Waiting,
        }))
    }

    fn entry<'a>(&self, method: &'a str, options: &'a RequestOptions, time: Time, room: Room) -> Entry<'a> {
        let (limits, remote) = (&self.inner.limits, self.remote().map(|remote| &remote.limits));
        Entry {
            method,
            depth: options.depth(),
            counted: !method.starts_with(methods::PREFIX),
            handshake: options.handshake,
            max_in_flight: remote.map_or(1, |remote| remote.max_in_flight),
            deadline: time.deadline,
            within: &options.within,
            room,
            output: options.streams.output.then(|| Inbox::new(limits.stream_window_bytes)),
            input: remote
                .filter(|_| options.streams.input)
                .map(|remote| Outlet::new(remote.stream_window_bytes)),
        }
    }

    pub(super) fn check_method(&self, method: &str, counted: bool) -> Result<(), CallError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
        if method.is_empty() || !method.bytes().all(allowed) {
            let reason = format!("{method:?} is no method name: ASCII letters, digits, `_` and `.` are");
            return Err(CallError::Refused(reason));
        }
        let served = self.remote().and_then(|remote| remote.methods.as_ref());
        if counted && served.is_some_and(|served| !served.contains(method)) {
            return Err(CallError::Remote(error::method_not_found(method)));
        }
        Ok(())
    }
}

/// Rounded up, so that the callee does not give up before the caller; `None` beyond what the wire takes.
fn whole_millis(left: Duration) -> Option<u64> {
    let millis = left.as_nanos().div_ceil(1_000_000);
    u64::try_from(millis).ok().filter(|millis| *millis <= crate::wire::MAX_INTEGER)
}
