//! What a method may know of its call: the same for the host that makes it, for the plugin that serves it, and for an
//! implementation in the host's own process.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Map;

use super::caller::HostOf;
use super::contract::{Client, Contract};
use super::failed::CallFailed;
use crate::lifecycle::messages::{Level, Log};
use crate::peer::{Bond, Call, Canceller, Kind, Queueing, RequestOptions};
use crate::wire::error;

/// What a method may know of its call, and do in its name.
///
/// Whoever makes a call makes one, says how long it may take and who is told of progress, and may cancel it from
/// another thread. Clones are handles of the same one.
///
/// ```
/// # use std::time::Duration;
/// # use plugline_protocol::typed::Context;
/// let context = Context::new().timeout(Duration::from_secs(5)).on_progress(|report| println!("{}", report.progress));
/// let stop = context.clone();
/// std::thread::spawn(move || stop.cancel(Some("the user has seen enough")));
/// ```
///
/// A method asks it whether somebody still waits for the answer, says how far it has come, and calls its caller back;
/// it hands it on to the calls that it makes in turn, which end with its own.
#[derive(Clone, Default)]
pub struct Context {
    /// The call that is being handled, where there is one.
    call: Option<Call>,
    limit: Limit,
    on_progress: Option<Arc<OnProgress>>,
    on_log: Option<Arc<OnLog>>,
    /// What is served to the method, by the type of the contract; each an `Arc` of its interface.
    served: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    state: Arc<State>,
}

type OnProgress = dyn Fn(Progress) + Send + Sync;
type OnLog = dyn Fn(&Log) + Send + Sync;

/// How long the call may take.
#[derive(Clone, Copy, Default)]
enum Limit {
    /// As long as it may where nobody says.
    #[default]
    Unsaid,
    Until(Instant),
    Never,
}

/// How far the work has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// How much is done; it never decreases.
    pub progress: f64,
    /// How much there is, where that is known.
    pub total: Option<f64>,
    /// What is being done.
    pub message: Option<String>,
}

/// What the clones share.
#[derive(Default)]
struct State {
    shared: Mutex<Shared>,
    cancelled: Condvar,
    waits: Mutex<Waits>,
}

/// The waits for a place among the calls in flight. They have a lock of their own, which is taken under that of the calls.
#[derive(Debug, Default)]
struct Waits {
    threads: Queueing,
    /// It was cancelled.
    over: bool,
}

#[derive(Default)]
struct Shared {
    cancelled: Option<Cancelled>,
    /// The calls that were made with it and may still be under way.
    calls: Vec<Canceller>,
    /// The last progress told.
    progress: Option<f64>,
}

struct Cancelled {
    reason: Option<String>,
}

/// A cancel ends the waits of those who make calls with it.
impl Bond for State {
    fn may_queue(&self) -> bool {
        let mut waits = self.waits();
        waits.threads.join();
        !waits.over
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("waits", &self.waits()).finish_non_exhaustive()
    }
}

impl State {
    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Context {
    /// For a call that takes as long as calls may where nothing is said: for a plugin, what its host set.
    pub fn new() -> Self {
        Self::default()
    }

    /// For what is done in the handling of that call.
    pub fn of(call: &Call) -> Self {
        Self { call: Some(call.clone()), ..Self::default() }
    }

    /// Gives the call that long, from now on.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limit = Instant::now().checked_add(timeout).map_or(Limit::Never, Limit::Until);
        self
    }

    /// Gives the call all the time that it takes.
    #[must_use]
    pub fn no_timeout(mut self) -> Self {
        self.limit = Limit::Never;
        self
    }

    /// Gives progress to a function: in the thread that waits for the call, or, in this process, in the one that makes
    /// it.
    #[must_use]
    pub fn on_progress(mut self, told: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(Arc::new(told));
        self
    }

    /// Gives what an implementation in this process writes to the log to a function. What a plugin writes there is an
    /// event of the plugin.
    #[must_use]
    pub fn on_log(mut self, told: impl Fn(&Log) + Send + Sync + 'static) -> Self {
        self.on_log = Some(Arc::new(told));
        self
    }

    /// Serves a contract to an implementation in this process, which has it of [`client`](Self::client). To a plugin,
    /// the one who starts it serves.
    #[must_use]
    pub fn serve<C: Contract>(mut self, _: C, implementation: Arc<C::Interface>) -> Self {
        self.served.insert(TypeId::of::<C>(), Arc::new(implementation));
        self
    }

    /// Cancels the calls that were and are made with it. Each ends with what was done already, or with
    /// [`Kind::Cancelled`].
    pub fn cancel(&self, reason: Option<&str>) {
        let mut shared = self.state.lock();
        shared.cancelled.get_or_insert_with(|| Cancelled { reason: reason.map(str::to_owned) });
        let calls = std::mem::take(&mut shared.calls);
        drop(shared);
        self.state.cancelled.notify_all();
        let mut waits = self.state.waits();
        waits.over = true;
        waits.threads.end();
        drop(waits);
        for call in calls {
            call.cancel(reason);
        }
    }

    /// When its caller gives up, where that is known.
    pub fn deadline(&self) -> Option<Instant> {
        let handled = self.call.as_ref().and_then(Call::deadline);
        match self.limit {
            Limit::Until(at) => Some(handled.map_or(at, |handled| handled.min(at))),
            Limit::Unsaid | Limit::Never => handled,
        }
    }

    /// Whether nobody waits for the answer any more.
    pub fn is_cancelled(&self) -> bool {
        self.check().is_err()
    }

    /// Goes on where somebody still waits for the answer.
    ///
    /// # Errors
    /// [`Kind::Cancelled`] or [`Kind::Timeout`], to be returned from the method.
    pub fn check(&self) -> Result<(), CallFailed> {
        if let Some(call) = &self.call {
            call.check().map_err(CallFailed::ended)?;
        }
        self.ended(&self.state.lock())
    }

    fn ended(&self, shared: &Shared) -> Result<(), CallFailed> {
        if let Some(Cancelled { reason }) = &shared.cancelled {
            return Err(CallFailed::ours(Kind::Cancelled, error::cancelled(reason.as_deref())));
        }
        if self.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(CallFailed::ours(Kind::Timeout, error::deadline_exceeded()));
        }
        Ok(())
    }

    /// Waits that long, or until nobody waits for the answer any more.
    ///
    /// # Errors
    /// Those of [`check`](Self::check).
    pub fn sleep(&self, duration: Duration) -> Result<(), CallFailed> {
        let left = self.deadline().map(|at| at.saturating_duration_since(Instant::now()));
        let bounded = left.map_or(duration, |left| left.min(duration));
        match &self.call {
            Some(call) => call.sleep(bounded).map_err(CallFailed::ended)?,
            None => {
                let shared = self.state.lock();
                let waiting = |shared: &mut Shared| shared.cancelled.is_none();
                // Poisoned or not, what counts is looked at below.
                drop(self.state.cancelled.wait_timeout_while(shared, bounded, waiting));
            }
        }
        self.check()
    }

    /// Says how far the work has come. Less than what was said before is not told.
    pub fn progress(&self, progress: f64, total: Option<f64>, message: Option<&str>) {
        match (&self.on_progress, &self.call) {
            (Some(told), _) => {
                let mut shared = self.state.lock();
                if !progress.is_finite() || shared.progress.is_some_and(|last| progress < last) {
                    return;
                }
                shared.progress = Some(progress);
                drop(shared);
                told(Progress {
                    progress,
                    total: total.filter(|total| total.is_finite()),
                    message: message.map(str::to_owned),
                });
            }
            (None, Some(call)) => call.progress(progress, total, message),
            (None, None) => {}
        }
    }

    /// Writes a line to the log of whoever made the call. Dropped where that takes none.
    pub fn log(&self, level: Level, message: impl Into<String>) {
        self.log_record(&Log { level, message: message.into(), target: None, fields: Map::new() });
    }

    /// Writes a line with all that can be said to the log of whoever made the call.
    pub fn log_record(&self, log: &Log) {
        match (&self.on_log, &self.call) {
            (Some(told), _) => told(log),
            (None, Some(call)) => call.log_record(log),
            (None, None) => {}
        }
    }

    /// A contract that the caller serves to the method. Its calls are made in the name of this one: they end when it is
    /// cancelled, and by its deadline.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] where the caller does not serve it.
    pub fn client<C: Client>(&self) -> Result<C, CallFailed> {
        let name = C::Contract::NAME;
        let served = self.served.get(&TypeId::of::<C::Contract>());
        let here = served.and_then(|it| it.downcast_ref::<Arc<<C::Contract as Contract>::Interface>>());
        if let Some(implementation) = here {
            return Ok(C::of(Arc::clone(implementation)));
        }
        let Some(call) = &self.call else {
            let reason =
                format!("nobody serves {name} here: give the context an implementation with `serve`");
            return Err(CallFailed::new(Kind::Unsupported, reason));
        };
        let offered = call.connection().remote().and_then(|remote| remote.methods.as_ref());
        let missing = C::Contract::METHODS
            .iter()
            .find(|method| offered.is_some_and(|offered| !offered.contains(method.name)));
        match missing {
            None => Ok(C::over(Arc::new(HostOf::new(call.clone())))),
            Some(method) => {
                let reason = format!("the host does not serve {}, which is part of {name}", method.name);
                Err(CallFailed::new(Kind::Unsupported, reason))
            }
        }
    }

    /// How a call is made with it that would otherwise be made so.
    pub fn options(&self, mut options: RequestOptions) -> RequestOptions {
        if let Limit::Never = self.limit {
            options.timeout = None;
        }
        let left = self.deadline().map(|at| at.saturating_duration_since(Instant::now()));
        options.timeout = match (self.limit, left) {
            // What is said stands, be it longer than what is usual.
            (Limit::Until(_), Some(left)) => Some(left),
            (_, Some(left)) => Some(options.timeout.map_or(left, |timeout| timeout.min(left))),
            (_, None) => options.timeout,
        };
        options.within.push(Arc::clone(&self.state) as _);
        options
    }

    /// Has a call end with this one.
    pub(super) fn tie(&self, call: &Canceller) {
        if let Some(handled) = &self.call {
            handled.tie(call.clone());
        }
        let mut shared = self.state.lock();
        match &shared.cancelled {
            Some(Cancelled { reason }) => {
                let reason = reason.clone();
                drop(shared);
                call.cancel(reason.as_deref());
            }
            None => {
                shared.calls.retain(|call| !call.is_over());
                shared.calls.push(call.clone());
            }
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("call", &self.call.as_ref().map(Call::id))
            .field("deadline", &self.deadline())
            .field("ended", &self.check().err())
            .finish_non_exhaustive()
    }
}
