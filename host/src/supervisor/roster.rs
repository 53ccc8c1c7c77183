//! A supervised plugin: the roster of the instances that serve, and how a call comes to one of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use plugline_protocol::peer::{CallError, CloseReason, timer};

use super::decision::Decision;
use super::live::{Lease, Live};
use super::settings::Supervision;
use super::state::{Flight, Outlook, Phase, Place, Stage, State};
use crate::error::{Error, Evidence};
use crate::event::{Event, EventKind};
use crate::launch::Launch;
use crate::queue::Queue;

/// How often a caller whose context may be cancelled looks whether it was, while it waits for an instance.
const LOOK: Duration = Duration::from_millis(20);

/// What the handles of a supervised plugin share, and its threads.
pub(crate) struct Supervisor {
    pub(super) settings: Supervision,
    pub(super) events: Arc<Queue<Event>>,
    /// The instances that serve. Changed under the lock of the state, read without.
    roster: ArcSwap<Vec<Arc<Live>>>,
    state: Mutex<State>,
    /// Something changed that a caller may wait for.
    changed: Condvar,
    /// Of several places one is not taken, and may be by the next use.
    vacant: AtomicBool,
    /// One swap at a time.
    pub(super) swapping: Mutex<()>,
    this: Weak<Self>,
}

/// Until when somebody waits for an instance.
pub(super) struct Patience<'a> {
    pub(super) method: &'a str,
    pub(super) asked: Instant,
    pub(super) deadline: Option<Instant>,
    /// Whether nobody wants it any more, where that can happen.
    pub(super) cancelled: Option<&'a dyn Fn() -> bool>,
}

impl Supervisor {
    pub(super) fn new(launch: Launch, settings: Supervision) -> Arc<Self> {
        let settings = settings.bounded();
        Arc::new_cyclic(|this| Self {
            events: Arc::new(Queue::new()),
            roster: ArcSwap::default(),
            state: Mutex::new(State {
                generation: 0,
                started: 0,
                places: (0..settings.instances.get()).map(|_| Place::default()).collect(),
                manifest: launch.known_manifest().cloned(),
                launch: Arc::new(launch),
                relied_on: Vec::new(),
                stage: Stage::Open,
                flights: Vec::new(),
                replaced: Vec::new(),
                closing: super::stop::Closing::default(),
                wakers: std::collections::HashMap::new(),
                next_waker: 0,
                idle: None,
            }),
            changed: Condvar::new(),
            vacant: AtomicBool::new(false),
            swapping: Mutex::new(()),
            settings,
            this: Weak::clone(this),
        })
    }

    pub(super) fn this(&self) -> Arc<Self> {
        self.this.upgrade().expect("whoever calls holds it")
    }

    pub(super) fn weak(&self) -> Weak<Self> {
        Weak::clone(&self.this)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, at most until then.
    pub(super) fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        until: Option<Instant>,
    ) -> MutexGuard<'a, State> {
        match until {
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// The instances that serve have changed.
    pub(super) fn publish(&self, state: &mut State) {
        let live = state.live();
        // As after a swap, which starts as many as there were.
        if !live.is_empty() && state.places.iter().any(|place| matches!(place.phase, Phase::Empty)) {
            self.vacant.store(true, Ordering::Relaxed);
        }
        self.roster.store(Arc::new(live));
        self.tell_all(state);
    }

    /// Whoever waits looks again.
    pub(super) fn tell_all(&self, state: &mut State) {
        self.changed.notify_all();
        // A waker is somebody's code, and not to be run under the lock: the timer's thread does it.
        let wakers = std::mem::take(&mut state.wakers);
        if !wakers.is_empty() {
            let wake = move || wakers.into_values().for_each(std::task::Waker::wake);
            timer::at(Instant::now(), Box::new(wake));
        }
    }

    /// The same, from wherever: the timer's thread does it.
    pub(super) fn look_again(&self) {
        self.soon(|this| this.tell_all(&mut this.lock()));
    }

    /// Has the timer's thread do what is short, now.
    pub(super) fn soon(&self, task: impl FnOnce(&Self) + Send + 'static) {
        self.at(Instant::now(), task);
    }

    /// The same, then; not, should nobody hold this any more.
    pub(super) fn at(&self, due: Instant, task: impl FnOnce(&Self) + Send + 'static) {
        let this = self.weak();
        let task = move || {
            if let Some(this) = this.upgrade() {
                task(&this);
            }
        };
        timer::at(due, Box::new(task));
    }

    pub(super) fn tell(&self, instance: u64, decision: Decision) {
        self.events.tell(instance, EventKind::Supervision(decision));
    }

    /// One that takes a call now: of those that there are, the one with the fewest in flight.
    pub(super) fn try_lease(&self) -> Option<Lease> {
        if self.vacant.load(Ordering::Relaxed) {
            self.fill_later();
        }
        let roster = self.roster.load();
        match &roster[..] {
            [] => None,
            [only] => only.lease(),
            many => {
                let there = || many.iter().filter(|live| !live.is_lost());
                let best = there().min_by_key(|live| live.load())?;
                // Should that one be about to leave, whichever does not.
                best.lease().or_else(|| there().find_map(Live::lease))
            }
        }
    }

    /// A place is free, from then on, to be taken by the next use. Where there is one place, whoever finds it empty sees to
    /// that.
    pub(super) fn vacant_at(&self, state: &State, due: Instant) {
        if state.places.len() > 1 {
            self.at(due, |this| this.vacant.store(true, Ordering::Relaxed));
        }
    }

    /// This use goes to those that serve; another is started beside them.
    #[cold]
    fn fill_later(&self) {
        if self.vacant.swap(false, Ordering::Relaxed) {
            self.soon(Self::fill);
        }
    }

    fn fill(&self) {
        let mut state = self.lock();
        let places = state.free(Instant::now());
        if state.stage != Stage::Open || places.is_empty() {
            return;
        }
        if state.live().is_empty() {
            // Whoever calls starts what there is to start. What became free since is for a use once one serves.
            self.vacant.store(true, Ordering::Relaxed);
            return;
        }
        self.begin_starts(&mut state, &places);
        self.tell_all(&mut state);
    }

    /// One that takes a call: that there is, or that is started for it.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn lease(&self, patience: &Patience<'_>) -> Result<Lease, Error> {
        match self.try_lease() {
            Some(lease) => Ok(lease),
            None => self.lease_later(patience),
        }
    }

    #[cold]
    fn lease_later(&self, patience: &Patience<'_>) -> Result<Lease, Error> {
        let mut state = self.lock();
        let mut mine: Option<Arc<Flight>> = None;
        loop {
            let until = match self.step(&mut state, &mut mine, patience)? {
                Step::Leased(lease) => return Ok(lease),
                Step::Wait(until) => until,
            };
            let look = patience.cancelled.map(|_| Instant::now() + LOOK);
            let until = [until, patience.deadline, look].into_iter().flatten().min();
            state = self.wait(state, until);
        }
    }

    /// What comes next for somebody who wants an instance.
    pub(super) fn step(
        &self,
        state: &mut State,
        mine: &mut Option<Arc<Flight>>,
        patience: &Patience<'_>,
    ) -> Result<Step, Error> {
        loop {
            if state.stage == Stage::Stopped {
                return Err(self.closed(state, patience.method));
            }
            if let Some(lease) = self.try_lease() {
                return Ok(Step::Leased(lease));
            }
            let now = Instant::now();
            if patience.cancelled.is_some_and(|cancelled| cancelled()) {
                return Err(self.failed(state, patience.method, CallError::Cancelled));
            }
            if patience.deadline.is_some_and(|deadline| deadline <= now) {
                let after = patience.deadline.map_or(Duration::ZERO, |deadline| deadline - patience.asked);
                return Err(self.failed(state, patience.method, CallError::Timeout { after }));
            }
            let outlook = state.outlook(now);
            // All who waited for a start are given what it failed of, unless another may do.
            if let Some(fault) = mine.as_ref().and_then(|flight| flight.failed.get())
                && !matches!(outlook, Outlook::Wait { .. })
            {
                return Err(fault.clone());
            }
            match outlook {
                Outlook::Wait { until, flight } => {
                    *mine = flight.or_else(|| mine.take());
                    return Ok(Step::Wait(until));
                }
                Outlook::Start(places) => {
                    *mine = None;
                    self.begin_starts(state, &places);
                }
                Outlook::Rest { until, last } => {
                    if patience.deadline.is_some_and(|deadline| deadline < until) {
                        let reason = last.instance().connection.closed().cloned();
                        let reason = reason.unwrap_or_else(|| Arc::new(CloseReason::Local));
                        return Err(last.instance().call_failed(patience.method, CallError::Closed(reason)));
                    }
                    return Ok(Step::Wait(Some(until)));
                }
                Outlook::Fail(fault) => return Err(fault),
            }
        }
    }

    fn failed(&self, state: &State, method: &str, cause: CallError) -> Error {
        Error::Call {
            command: state.launch.name(),
            method: method.to_owned(),
            cause: Box::new(cause),
            evidence: Box::new(Evidence::default()),
        }
    }

    /// The user stopped it.
    pub(super) fn closed(&self, state: &State, method: &str) -> Error {
        self.failed(state, method, CallError::Closed(Arc::new(CloseReason::Local)))
    }
}

/// What comes next for somebody who wants an instance.
pub(super) enum Step {
    Leased(Lease),
    /// Something changes, or it is time to look again.
    Wait(Option<Instant>),
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.lock();
        f.debug_struct("Supervisor")
            .field("launch", &state.launch)
            .field("generation", &state.generation)
            .field("places", &state.places.len())
            .finish_non_exhaustive()
    }
}
