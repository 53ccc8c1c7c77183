//! Calls that wait for an instance though no thread does, and calls that may be made once more.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use plugline_protocol::peer::timer::{self, Ticket};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::decision::Decision;
use super::roster::{Patience, Step, Supervisor};
use super::state::Flight;
use crate::call::{CallOptions, RunningCall};
use crate::error::Error;
use crate::stream::OutputStream;
use crate::using::Using;

/// How a call may be made once more, should its instance be lost: its method is idempotent.
pub(crate) struct Again {
    pub(super) supervisor: Arc<Supervisor>,
    pub(super) params: Box<RawValue>,
    pub(super) asked: Instant,
    pub(super) deadline: Option<Instant>,
}

impl Again {
    /// Makes the call once more; where there is no instance to make it, it failed of what it failed of the first time.
    pub(crate) fn begin(self, method: &str, failed: Error) -> Result<RunningCall, Error> {
        let using = self.using(method, failed)?;
        using.begin(method, &*self.params, CallOptions::until(self.deadline))
    }

    pub(crate) fn stream<T: DeserializeOwned, R: DeserializeOwned>(
        self,
        method: &str,
        failed: Error,
    ) -> Result<OutputStream<T, R>, Error> {
        let using = self.using(method, failed)?;
        using.stream(method, &*self.params, CallOptions::until(self.deadline))
    }

    fn using(&self, method: &str, failed: Error) -> Result<Using, Error> {
        let patience = Patience { method, asked: self.asked, deadline: self.deadline, cancelled: None };
        self.supervisor.repeat(&patience, failed).map(Using::Leased)
    }
}

impl fmt::Debug for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Again").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Supervisor {
    /// An instance for a call that is made once more.
    pub(super) fn repeat(&self, patience: &Patience<'_>, failed: Error) -> Result<super::Lease, Error> {
        // What is told of the first time is what happened; that there is none to try again with is no news.
        let lease = self.lease(patience).map_err(|_| failed)?;
        self.tell(lease.live().number, Decision::Repeated { method: patience.method.to_owned() });
        Ok(lease)
    }
}

/// A call that a task awaits, while there is no instance to send it to.
pub(crate) struct Waiting {
    supervisor: Arc<Supervisor>,
    pub(crate) method: String,
    pub(crate) params: Box<RawValue>,
    asked: Instant,
    deadline: Option<Instant>,
    /// What it failed of the first time, where it is made once more.
    failed: Option<Error>,
    flight: Option<Arc<Flight>>,
    waker: Option<u64>,
    timer: Option<Ticket>,
}

impl Waiting {
    pub(crate) fn new(
        supervisor: Arc<Supervisor>,
        method: &str,
        params: Box<RawValue>,
        asked: Instant,
        deadline: Option<Instant>,
    ) -> Self {
        let method = method.to_owned();
        Self {
            supervisor,
            method,
            params,
            asked,
            deadline,
            failed: None,
            flight: None,
            waker: None,
            timer: None,
        }
    }

    /// Has started what it needs, though nobody awaits it yet; an instance, where there is one by now.
    pub(super) fn begin(&mut self) -> Result<Option<Using>, Error> {
        let patience =
            Patience { method: &self.method, asked: self.asked, deadline: self.deadline, cancelled: None };
        let mut state = self.supervisor.lock();
        Ok(match self.supervisor.step(&mut state, &mut self.flight, &patience)? {
            Step::Leased(lease) => Some(Using::Leased(lease)),
            Step::Wait(_) => None,
        })
    }

    /// It was made, and is to be made once more.
    pub(crate) fn once_more(&mut self, failed: Error) {
        self.failed = Some(failed);
    }

    pub(crate) fn is_repeated(&self) -> bool {
        self.failed.is_some()
    }

    /// What is left of its time.
    pub(crate) fn options(&self) -> CallOptions {
        CallOptions::until(self.deadline)
    }

    /// An instance to send it to, or why there is none. The task is woken when it is worth asking again.
    pub(crate) fn poll(&mut self, context: &Context<'_>) -> Poll<Result<Using, Error>> {
        self.forget();
        let waker = context.waker().clone();
        let patience =
            Patience { method: &self.method, asked: self.asked, deadline: self.deadline, cancelled: None };
        let mut state = self.supervisor.lock();
        let until = match self.supervisor.step(&mut state, &mut self.flight, &patience) {
            // What is told of the first time is what happened.
            Err(fault) => return Poll::Ready(Err(self.failed.take().unwrap_or(fault))),
            Ok(Step::Leased(lease)) => {
                if self.failed.is_some() {
                    let repeated = Decision::Repeated { method: self.method.clone() };
                    self.supervisor.tell(lease.live().number, repeated);
                }
                return Poll::Ready(Ok(Using::Leased(lease)));
            }
            Ok(Step::Wait(until)) => until,
        };
        let number = state.next_waker;
        state.next_waker += 1;
        state.wakers.insert(number, waker);
        self.waker = Some(number);
        drop(state);
        self.timer = [until, self.deadline].into_iter().flatten().min().map(|due| {
            let waker = context.waker().clone();
            timer::at(due, Box::new(move || waker.wake()))
        });
        Poll::Pending
    }

    fn forget(&mut self) {
        if let Some(ticket) = self.timer.take() {
            timer::forget(ticket);
        }
        if let Some(number) = self.waker.take() {
            let waker = self.supervisor.lock().wakers.remove(&number);
            drop(waker); // It is somebody's code, and so not under the lock.
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.forget();
    }
}
