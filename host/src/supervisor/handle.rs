//! What a user has of a supervised plugin: the calls of a [`Plugin`](crate::Plugin), over whichever instance there is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use plugline_protocol::contract::Document;
use plugline_protocol::lifecycle::{InitializeResult, methods};
use plugline_protocol::peer::CallError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::again::{Again, Waiting};
use super::decision::Failure;
use super::live::Lease;
use super::roster::{Patience, Supervisor};
use super::settings::Supervision;
use super::state::{Last, Phase, Stage, State};
use super::swap::{SwapError, Swapped};
use crate::call::{CallOptions, RunningCall, Settled};
use crate::error::Error;
use crate::event::Event;
use crate::ladder::Stopped;
use crate::launch::Launch;
use crate::pipelined::CallFuture;
use crate::stream::{Input, OutputStream};
use crate::using::Using;

/// A plugin that is kept alive. Clones are handles of the same one, and so are its clients; when the last is dropped, calls
/// in flight fail and its processes are stopped in the background.
///
/// The first use starts it, once however many threads ask. A call goes to the instance with the fewest in flight. Where
/// an instance ends, its calls fail at once and say why; another is started, and later calls wait for it, each to its own
/// deadline. A call of a method that the manifest declares idempotent is made once more by that one, if no callback and
/// no item of it was seen.
#[derive(Debug, Clone)]
pub struct Supervised {
    owner: Arc<Owner>,
}

#[derive(Debug)]
struct Owner {
    supervisor: Arc<Supervisor>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.supervisor.abandon();
    }
}

/// What is in one of the places that the instances of a plugin have.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PlaceState {
    /// None is needed.
    Idle,
    /// One is started.
    Starting,
    /// One serves.
    Running {
        /// Its process id.
        pid: u32,
        /// Calls in flight.
        in_flight: u64,
    },
    /// One takes no more calls, and is not gone yet.
    Leaving,
    /// One ended or did not start, and another may be started after so long.
    Resting(Duration),
    /// One after another ended or did not start, and no other is started.
    CrashLoop(Vec<Failure>),
}

impl Launch {
    /// Has it kept alive. Nothing is started yet: the first use does, or [`Supervised::start`].
    ///
    /// ```no_run
    /// # use plugline_host::{Plugin, Supervision};
    /// let greeter = Plugin::command("./greeter").supervise(Supervision::default());
    /// let hello: String = greeter.call("greet.hello", &serde_json::json!({"name": "you"}))?;
    /// # Ok::<(), plugline_host::Error>(())
    /// ```
    pub fn supervise(self, settings: Supervision) -> Supervised {
        Supervised { owner: Arc::new(Owner { supervisor: Supervisor::new(self.anew(), settings) }) }
    }
}

impl Supervised {
    pub(super) fn supervisor(&self) -> &Arc<Supervisor> {
        &self.owner.supervisor
    }

    fn deadline(&self, options: CallOptions, asked: Instant) -> Option<Instant> {
        options.timeout_or(self.usual()).and_then(|timeout| asked.checked_add(timeout))
    }

    /// How long a call takes where nothing is said.
    pub(super) fn usual(&self) -> Option<Duration> {
        self.supervisor().usual_timeout()
    }

    fn lease(&self, method: &str, asked: Instant, deadline: Option<Instant>) -> Result<Lease, Error> {
        self.supervisor().lease(&Patience { method, asked, deadline, cancelled: None })
    }

    /// Makes a call by whatever takes it. One that was not sent, since its instance was lost in that moment, goes to
    /// another.
    fn make<C>(
        &self,
        method: &str,
        options: CallOptions,
        mut make: impl FnMut(Using, CallOptions) -> Result<C, Error>,
    ) -> Result<C, Error> {
        // What is lost may have been waited for, so its time counts.
        let asked = Instant::now();
        if let Some(lease) = self.supervisor().try_lease() {
            match make(Using::Leased(lease), options) {
                Err(fault) if is_lost(&fault) => {}
                made => return made,
            }
        }
        let deadline = self.deadline(options, asked);
        loop {
            let lease = self.lease(method, asked, deadline)?;
            match make(Using::Leased(lease), CallOptions::until(deadline)) {
                Err(fault) if is_lost(&fault) => {}
                made => return made,
            }
        }
    }

    /// Starts it, if nothing serves yet, and waits until it does.
    ///
    /// # Errors
    /// [`Error`] where it does not start.
    pub fn start(&self) -> Result<(), Error> {
        self.lease(methods::INITIALIZE, Instant::now(), None).map(drop)
    }

    /// Calls a method and waits for its result; see [`Plugin::call`](crate::Plugin::call).
    ///
    /// # Errors
    /// [`Error`] where there is none, or one of another type.
    pub fn call<R: DeserializeOwned>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
    ) -> Result<R, Error> {
        self.call_with(method, params, CallOptions::default())
    }

    /// The same, with options.
    ///
    /// # Errors
    /// [`Error`] where there is none, or one of another type.
    pub fn call_with<R: DeserializeOwned>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> Result<R, Error> {
        let call = self.make(method, options, |using, options| using.begin(method, params, options))?;
        // Unlike one that is waited for later, it needs no copy of its params to be made once more.
        match call.settle() {
            Settled::Lost { idempotent: true, deadline, failed, .. } => {
                let patience = Patience { method, asked: Instant::now(), deadline, cancelled: None };
                let using = Using::Leased(self.supervisor().repeat(&patience, failed)?);
                using.begin(method, params, CallOptions::until(deadline))?.wait()
            }
            settled => settled.into_result(),
        }
    }

    /// Sends a call, to be waited for later; see [`Plugin::begin`](crate::Plugin::begin).
    ///
    /// # Errors
    /// [`Error`] where it cannot be sent.
    pub fn begin(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> Result<RunningCall, Error> {
        self.make(method, options, |using, options| {
            let again = self.again(&using, method, params, options);
            let mut call = using.begin(method, params, options)?;
            call.again = again;
            Ok(call)
        })
    }

    /// How a call may be made once more, where it may.
    fn again(
        &self,
        using: &Using,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> Option<Again> {
        if !using.is_idempotent(method) {
            return None;
        }
        let asked = Instant::now();
        // Params that have no JSON form are told of when the call is sent.
        let params = to_raw_value(params).ok()?;
        let timeout = options.timeout_or(using.timeouts.call);
        let deadline = timeout.and_then(|timeout| asked.checked_add(timeout));
        Some(Again { supervisor: Arc::clone(self.supervisor()), params, asked, deadline })
    }

    /// Sends a notification; see [`Plugin::notify`](crate::Plugin::notify).
    ///
    /// # Errors
    /// [`Error`] where it cannot be sent.
    pub fn notify(&self, method: &str, params: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        self.make(method, CallOptions::default(), |using, options| using.notify(method, params, options))
    }

    /// Calls a method, to be awaited; see [`Plugin::call_async`](crate::Plugin::call_async). Never blocks, also where an
    /// instance is to be started first.
    pub fn call_async<R: DeserializeOwned>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> CallFuture<R> {
        let first = match self.supervisor().try_lease().map(Using::Leased) {
            // The way of most calls: nothing is kept of it.
            Some(using) if !using.is_idempotent(method) => {
                return CallFuture::over(using, method, params, options);
            }
            first => first,
        };
        let asked = Instant::now();
        let params: Box<RawValue> = match to_raw_value(params) {
            Ok(params) => params,
            Err(fault) => return CallFuture::failed(self.supervisor().unsendable(method, &fault)),
        };
        let deadline = self.deadline(options, asked);
        let supervisor = Arc::clone(self.supervisor());
        let mut waiting = Waiting::new(supervisor, method, params, asked, deadline);
        match first.map_or_else(|| waiting.begin(), |using| Ok(Some(using))) {
            Ok(None) => CallFuture::waiting(waiting),
            Ok(Some(using)) => CallFuture::repeatable(using, waiting),
            Err(fault) => CallFuture::failed(fault),
        }
    }

    /// Calls a method once for each of these params, all by one instance; see
    /// [`Plugin::call_many`](crate::Plugin::call_many).
    ///
    /// # Errors
    /// [`Error`] where there is no instance, or the method may not be called.
    pub fn call_many<R, I>(
        &self,
        method: &str,
        params: I,
        options: CallOptions,
    ) -> Result<impl Iterator<Item = Result<R, Error>> + use<R, I>, Error>
    where
        R: DeserializeOwned,
        I: IntoIterator<Item: Serialize>,
    {
        let asked = Instant::now();
        let lease = self.lease(method, asked, self.deadline(options, asked))?;
        Using::Leased(lease).call_many(method, params, options)
    }

    /// Calls a method with output; see [`Plugin::stream`](crate::Plugin::stream).
    ///
    /// # Errors
    /// [`Error`] where the call cannot be sent.
    pub fn stream<T: DeserializeOwned, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> Result<OutputStream<T, R>, Error> {
        self.make(method, options, |using, options| {
            let again = self.again(&using, method, params, options);
            Ok(using.stream(method, params, options)?.again(again))
        })
    }

    /// Calls a method with input; see [`Plugin::begin_with_input`](crate::Plugin::begin_with_input). What was sent cannot
    /// be sent again, so the call is not made a second time.
    ///
    /// # Errors
    /// Those of [`stream`](Self::stream).
    pub fn begin_with_input<I: Serialize>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> Result<(Input<I>, RunningCall), Error> {
        self.make(method, options, |using, options| using.begin_with_input(method, params, options))
    }

    /// Calls a method with both; see [`Plugin::stream_with_input`](crate::Plugin::stream_with_input).
    ///
    /// # Errors
    /// Those of [`stream`](Self::stream).
    pub fn stream_with_input<I: Serialize, T: DeserializeOwned, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> Result<(Input<I>, OutputStream<T, R>), Error> {
        self.make(method, options, |using, options| using.stream_with_input(method, params, options))
    }

    /// Asks an instance whether it answers, and says how long that took.
    ///
    /// # Errors
    /// [`Error`] where it does not.
    pub fn ping(&self) -> Result<Duration, Error> {
        let start = Instant::now();
        self.call::<Value>(methods::PING, &())?;
        Ok(start.elapsed())
    }

    /// What it declares: what is known without it, or what an instance says, which is started for that if need be.
    ///
    /// # Errors
    /// [`Error`] where it does not start, or gives none.
    pub fn manifest(&self) -> Result<Arc<Document>, Error> {
        if let Some(known) = &self.supervisor().lock().manifest {
            return Ok(Arc::clone(known));
        }
        let asked = Instant::now();
        let lease = self.lease(methods::DISCOVER, asked, self.deadline(CallOptions::default(), asked))?;
        Ok(Arc::clone(lease.live().plugin.manifest()?))
    }

    /// What the plugin said of itself in the last handshake, where an instance serves.
    pub fn hello(&self) -> Option<InitializeResult> {
        self.supervisor().lock().live().first().map(|live| live.plugin.hello().clone())
    }

    /// What is in each place that an instance may have.
    pub fn places(&self) -> Vec<PlaceState> {
        let state = self.supervisor().lock();
        let of = |phase: &Phase| match phase {
            Phase::Empty => PlaceState::Idle,
            Phase::Starting(_) => PlaceState::Starting,
            Phase::Up(live) => PlaceState::Running { pid: live.plugin.id(), in_flight: live.load() },
            Phase::Leaving(..) => PlaceState::Leaving,
            Phase::Resting { until, last: Last::Ended(_) | Last::NotStarted(_), .. } => {
                PlaceState::Resting(State::left(Some(*until)).unwrap_or_default())
            }
            Phase::Looping { failures, .. } => PlaceState::CrashLoop(failures.clone()),
        };
        state.places.iter().map(|place| of(&place.phase)).collect()
    }

    /// How many calls are in flight at the instances that serve.
    pub fn in_flight(&self) -> u64 {
        self.supervisor().lock().live().iter().map(|live| live.load()).sum()
    }

    /// Events of all instances, and what the supervisor decides
    /// ([`EventKind::Supervision`](crate::EventKind::Supervision)). All receivers share one queue, which stays open.
    pub fn events(&self) -> Receiver<Event> {
        self.supervisor().events.receiver()
    }

    /// Forgets all failures: what rests, or is not started any more, may be started at once.
    pub fn reset(&self) {
        self.supervisor().reset();
    }

    /// Has others take over: another version, another config. The new one is started beside the old, shakes hands, has to
    /// have what clients rely on, and answers a ping; from then on calls go to it. The old one ends its calls in flight,
    /// within [`Supervision::drain`], and is stopped. Returns when it is gone. Where anything is wrong with the new one, the
    /// old one serves on, and the error says what.
    ///
    /// Of a plugin of which one instance may serve (its manifest does not say `"instances": "many"`), the old one ends its
    /// calls and is stopped first, and calls wait; where the new one does not start, another like the old one does.
    ///
    /// # Errors
    /// [`SwapError`].
    pub fn swap(&self, launch: Launch) -> Result<Swapped, SwapError> {
        self.supervisor().swap(launch.anew())
    }

    /// Stops it, for good: lets calls in flight end, asks its instances to go, and makes them. Returns when all are reaped,
    /// with how each ended; a second time, with what came of the first.
    pub fn stop(&self) -> Vec<Stopped> {
        self.supervisor().stop()
    }
}

/// Nothing was sent: its instance was lost before it could be.
fn is_lost(fault: &Error) -> bool {
    matches!(fault, Error::Call { cause, .. } if matches!(**cause, CallError::Closed(_)))
}

impl Supervisor {
    fn usual_timeout(&self) -> Option<Duration> {
        self.lock().launch.usual_timeouts().call
    }

    fn unsendable(&self, method: &str, fault: &serde_json::Error) -> Error {
        Error::Call {
            command: self.lock().launch.name(),
            method: method.to_owned(),
            cause: Box::new(CallError::Refused(format!("it has no JSON form: {fault}"))),
            evidence: Box::default(),
        }
    }

    fn reset(&self) {
        let mut state = self.lock();
        if state.stage == Stage::Stopped {
            return;
        }
        for place in 0..state.places.len() {
            state.places[place].history.reset();
            if matches!(state.places[place].phase, Phase::Resting { .. } | Phase::Looping { .. }) {
                state.places[place].phase = Phase::Empty;
            }
        }
        self.publish(&mut state);
    }
}
