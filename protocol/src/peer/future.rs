//! Calls that tasks await, on any executor: no thread waits for them, a server reads while there are any.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::alarms::Alarm;
use super::begin::{Room, Time};
use super::connection::Connection;
use super::error::CallError;
use super::queue::Queued;
use super::request::{Canceller, PendingCall, RequestOptions, Step, Trace};
use super::{timer, turn};
use crate::lifecycle::messages::Progress;
use crate::wire::{EncodeError, json};

/// Too much is queued: whether there is room is asked again after this long.
const ASK_AGAIN: Duration = Duration::from_millis(1);

/// Who is told of a call's progress.
pub type TellProgress = Box<dyn FnMut(Progress) + Send>;

/// A call that a task awaits. It is sent at once where there is room, otherwise when there is and it is awaited;
/// dropping it cancels the call. The deadline counts from when it was made.
#[must_use = "a call that is not awaited is cancelled"]
pub struct CallFuture<R> {
    connection: Connection,
    time: Time,
    state: State,
    progress: Option<TellProgress>,
    /// What was to be sent, where the connection was lost before it could be.
    unsent: Option<Box<RawValue>>,
    /// When the task is woken though there is nothing to tell: at the deadline, or to ask for room again.
    timer: Option<timer::Ticket>,
    result: PhantomData<fn() -> R>,
}

enum State {
    /// There was no room for it.
    Queued {
        method: String,
        params: Box<RawValue>,
        options: RequestOptions,
        place: Queued,
    },
    Sent {
        call: PendingCall,
        awaited: Option<Awaited>,
    },
    Failed(CallError),
    Over,
}

/// Counts as a call that a task awaits.
struct Awaited(Connection);

impl Awaited {
    fn new(connection: &Connection) -> Self {
        connection.inner.awaited.fetch_add(1, Ordering::SeqCst);
        Self(connection.clone())
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if self.0.inner.awaited.fetch_sub(1, Ordering::SeqCst) == 1 {
            // A server need not stand by any more.
            self.0.inner.interrupt.raise();
        }
    }
}

impl Connection {
    /// Calls, to be awaited by a task of any executor. Never blocks.
    pub fn call_async<R: DeserializeOwned>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: RequestOptions,
    ) -> CallFuture<R> {
        let time = Time::now(&options);
        let mut unsent = None;
        let state = match self.begin(method, params, &options, time, Room::Try) {
            Ok(Some(call)) => {
                self.write_out();
                State::Sent { call, awaited: None }
            }
            Ok(None) => match json::raw(params) {
                Ok(params) => {
                    State::Queued { method: method.to_owned(), params, options, place: Queued::default() }
                }
                Err(fault) => State::Failed(EncodeError::from(fault).into()),
            },
            Err(fault) => {
                if matches!(fault, CallError::Closed(_)) {
                    unsent = json::raw(params).ok();
                }
                State::Failed(fault)
            }
        };
        let connection = self.clone();
        CallFuture { connection, time, state, progress: None, unsent, timer: None, result: PhantomData }
    }
}

impl<R> CallFuture<R> {
    /// Gives progress to a function, in the task that awaits.
    pub fn on_progress(mut self, progress: impl FnMut(Progress) + Send + 'static) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    /// A handle that cancels the call from elsewhere; none where it was not sent yet, or has ended. Of a call that
    /// is not sent yet, drop the future.
    pub fn canceller(&self) -> Option<Canceller> {
        match &self.state {
            State::Sent { call, .. } => Some(call.canceller()),
            State::Queued { .. } | State::Failed(_) | State::Over => None,
        }
    }

    /// When it was made.
    pub fn asked(&self) -> Instant {
        self.time.asked
    }

    /// When its caller gives up.
    pub fn deadline(&self) -> Option<Instant> {
        self.time.deadline
    }

    /// The params of a call that failed as the connection was lost before it could be sent, and who was to be told of its
    /// progress: whoever knows another connection may call over that, as nothing can have come of it.
    pub fn take_unsent(&mut self) -> Option<(Box<RawValue>, Option<TellProgress>)> {
        self.unsent.take().map(|params| (params, self.progress.take()))
    }

    /// What the call leaves behind on this side; nothing, where it was not sent yet, or has ended.
    pub fn trace(&self) -> Option<Trace> {
        match &self.state {
            State::Sent { call, .. } => Some(call.trace()),
            State::Queued { .. } | State::Failed(_) | State::Over => None,
        }
    }

    /// Has the task woken then.
    fn wake_at(&mut self, due: Option<Instant>, context: &Context<'_>) {
        self.forget_timer();
        self.timer = due.map(|due| {
            let waker = context.waker().clone();
            timer::at(due, Box::new(move || waker.wake()))
        });
    }

    fn forget_timer(&mut self) {
        if let Some(ticket) = self.timer.take() {
            timer::forget(ticket);
        }
    }

    /// Sends it if there is room by now; otherwise has the task told when there may be.
    fn send(&mut self, context: &Context<'_>) -> Poll<()> {
        loop {
            let State::Queued { method, params, options, place } = &mut self.state else {
                return Poll::Ready(());
            };
            let begun = if self.time.is_over() {
                Err(self.time.timed_out())
            } else {
                self.connection.begin(method, params, options, self.time, Room::TryLater)
            };
            let inner = &self.connection.inner;
            let depth = options.depth();
            match begun {
                Ok(Some(call)) => {
                    self.connection.write_out();
                    inner.pending.unqueue(std::mem::take(place), depth, true);
                    self.state = State::Sent { call, awaited: None };
                }
                Err(fault) => {
                    inner.pending.unqueue(std::mem::take(place), depth, false);
                    self.connection.look_up(); // The next may have been told of its place.
                    let is_lost = matches!(fault, CallError::Closed(_));
                    let over = std::mem::replace(&mut self.state, State::Failed(fault));
                    if let State::Queued { params, .. } = over
                        && is_lost
                    {
                        self.unsent = Some(params);
                    }
                }
                Ok(None) => {
                    let most = self.connection.remote().map_or(1, |remote| remote.limits.max_in_flight);
                    let alarm = Alarm::new(context.waker(), &inner.alarms);
                    let due = if inner.pending.queue(place, depth, most, alarm) {
                        self.time.deadline
                    } else {
                        // There is a place by now, or there was one and too much is queued.
                        let soon = Instant::now() + ASK_AGAIN;
                        Some(self.time.deadline.map_or(soon, |deadline| deadline.min(soon)))
                    };
                    turn::serve_what_came(self.connection.clone());
                    self.wake_at(due, context);
                    return Poll::Pending;
                }
            }
        }
    }
}

impl<R: DeserializeOwned> Future for CallFuture<R> {
    type Output = Result<R, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.send(context).is_pending() {
            return Poll::Pending;
        }
        loop {
            let (mut call, mut awaited) = match std::mem::replace(&mut this.state, State::Over) {
                State::Sent { call, awaited } => (call, awaited),
                State::Failed(fault) => return Poll::Ready(Err(fault)),
                State::Queued { .. } | State::Over => panic!("polled after it was ready"),
            };
            match call.slot.tell(this.time.deadline) {
                Ok(told) => {
                    let mut progress = |report: Progress| {
                        if let Some(tell) = &mut this.progress {
                            tell(report);
                        }
                    };
                    match call.take_in(told, &mut progress) {
                        Some(Step::Ended(outcome)) => {
                            this.forget_timer();
                            let decoded =
                                outcome.and_then(|returned| returned.decode(&call.connection, call.id));
                            return Poll::Ready(decoded);
                        }
                        Some(Step::Items(mut items)) => call.took(items.skip()),
                        None => {}
                    }
                    this.state = State::Sent { call, awaited };
                }
                Err(until) => {
                    let waits =
                        call.slot.tell_task(Alarm::new(context.waker(), &this.connection.inner.alarms));
                    awaited.get_or_insert_with(|| Awaited::new(&this.connection));
                    this.state = State::Sent { call, awaited };
                    if waits {
                        this.wake_at(until, context);
                        turn::serve_what_came(this.connection.clone());
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl<R> Drop for CallFuture<R> {
    fn drop(&mut self) {
        self.forget_timer();
        if let State::Queued { options, place, .. } = &mut self.state {
            let place = std::mem::take(place);
            self.connection.inner.pending.unqueue(place, options.depth(), false);
            self.connection.look_up();
        }
    }
}

impl<R> fmt::Debug for CallFuture<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Queued { .. } => "waiting for a place",
            State::Sent { .. } => "sent",
            State::Failed(_) => "failed",
            State::Over => "over",
        };
        f.debug_struct("CallFuture").field("state", &state).finish_non_exhaustive()
    }
}
