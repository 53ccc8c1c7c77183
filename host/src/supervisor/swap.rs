//! Others take over: proved beside those that serve, or, of a plugin of which one instance may serve, in their place.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use plugline_protocol::lifecycle::Identity;

use super::decision::Decision;
use super::live::Live;
use super::roster::Supervisor;
use super::start::Landed;
use super::state::{Flight, Last, Phase, Place, Stage, State, is_one};
use crate::error::Error;
use crate::ladder::Stopped;
use crate::launch::Launch;

/// What came of a swap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swapped {
    /// Who serves now, as it says.
    pub plugin: Identity,
    /// How the old ones ended.
    pub stopped: Vec<Stopped>,
    /// How many calls were still in flight at the old ones when the time to drain was over: those failed.
    pub cut_off: u64,
}

/// Why others did not take over.
#[derive(Debug, Clone)]
pub struct SwapError {
    /// What was wrong.
    pub cause: Error,
    /// What became of those that served.
    pub old: Old,
}

/// What became of those that served, where others did not take over.
#[derive(Debug, Clone)]
pub enum Old {
    /// They serve on, and noticed nothing; where none ran, the next use starts one.
    Serves,
    /// Of a plugin of which one instance may serve, it was stopped, and another like it serves now.
    PutBack,
    /// It was stopped, and another like it did not start either. It is tried again as after any failure.
    NotPutBack(Box<Error>),
    /// All were stopped meanwhile.
    Stopped,
}

impl fmt::Display for SwapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the new one does not take over: {}; ", self.cause)?;
        match &self.old {
            Old::Serves => f.write_str("the old one serves on"),
            Old::PutBack => f.write_str("the old one was put back"),
            Old::NotPutBack(fault) => write!(f, "the old one could not be put back: {fault}"),
            Old::Stopped => f.write_str("the plugin was stopped meanwhile"),
        }
    }
}

impl std::error::Error for SwapError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// What is started for a swap, with what it is started by. Where it is let go, its process is waited for, so that there are
/// no two of what may only be one.
struct Started {
    supervisor: Arc<Supervisor>,
    flight: Arc<Flight>,
    /// Until it serves.
    landed: Option<Landed>,
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(landed) = self.landed.take() {
            drop(landed);
            self.supervisor.clear_away(&self.flight);
        }
    }
}

/// Why a swap beside the old ones came to nothing.
enum Beside {
    Failed(Error),
    /// Only one instance of the new one may serve.
    OnlyOne,
}

impl Started {
    fn landed(&self) -> &Landed {
        self.landed.as_ref().expect("it is taken by who consumes it")
    }

    /// From here on it serves: see [`Supervisor::take_up`].
    fn serve(mut self, state: &mut State, place: usize) -> Arc<Live> {
        let landed = self.landed.take().expect("it is taken by who consumes it");
        self.supervisor.take_up(state, place, &self.flight, landed)
    }
}

impl Supervisor {
    pub(super) fn swap(&self, launch: Launch) -> Result<Swapped, SwapError> {
        let _one_at_a_time = self.swapping.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let launch = Arc::new(launch);
        let known_as_one = launch.known_manifest().is_some_and(|manifest| is_one(Some(manifest)));
        // Also where nothing runs: a call that comes meanwhile is not to start the old one beside the new.
        // And where several are wanted, none is stopped for one that cannot be several.
        let only_one = (known_as_one && self.settings.instances.get() == 1) || self.lock().is_one();
        let outcome = if only_one {
            self.swap_in_place(&launch)
        } else {
            match self.swap_beside(&launch) {
                Err(Beside::OnlyOne) => self.swap_in_place(&launch),
                Err(Beside::Failed(cause)) => {
                    let stopped = self.lock().stage == Stage::Stopped;
                    Err(SwapError { cause, old: if stopped { Old::Stopped } else { Old::Serves } })
                }
                Ok(swapped) => Ok(swapped),
            }
        };
        match &outcome {
            Ok(Swapped { plugin, cut_off, .. }) => {
                self.tell(0, Decision::Swapped { plugin: plugin.clone(), cut_off: *cut_off });
            }
            Err(fault) => self.tell(0, Decision::SwapFailed { reason: fault.to_string() }),
        }
        outcome
    }

    fn swap_beside(&self, launch: &Arc<Launch>) -> Result<Swapped, Beside> {
        let needed = {
            let state = self.lock();
            let needed = state.places.iter().filter(|place| !matches!(place.phase, Phase::Empty)).count();
            needed.max(1)
        };
        let mut started = self.start_beside(launch, needed).map_err(Beside::Failed)?;
        let mut state = self.lock();
        if state.stage == Stage::Stopped {
            return Err(Beside::Failed(self.closed(&state, "rpc.initialize")));
        }
        let is_there =
            |place: &Place| matches!(place.phase, Phase::Starting(_) | Phase::Up(_) | Phase::Leaving(..));
        let only_one = |started: &Started| is_one(started.landed().manifest.as_deref());
        if started.iter().any(only_one) && state.places.iter().any(is_there) {
            return Err(Beside::OnlyOne);
        }
        state.generation += 1;
        state.launch = Arc::clone(launch);
        let mut old = state.live();
        // Their places are taken, too.
        old.extend(state.leaving());
        state.replaced.extend(old.iter().cloned());
        let plugin = started[0].landed().plugin.hello().plugin.clone();
        let mut new = Vec::new();
        let taken = |place: &usize| !matches!(state.places[*place].phase, Phase::Empty);
        let mut places: Vec<usize> = (0..state.places.len()).filter(taken).collect();
        // Some may have gone to rest meanwhile, and some may have come.
        places.extend((0..state.places.len()).filter(|place| !places.contains(place)).collect::<Vec<_>>());
        for place in places {
            state.places[place].history.reset();
            state.places[place].phase = Phase::Empty;
            if let Some(started) = started.pop() {
                new.push(started.serve(&mut state, place));
            }
        }
        self.publish(&mut state);
        // Whoever finds an old one retired looks again, and finds the new ones.
        old.iter().for_each(|live| live.usage.retire());
        drop(state);
        new.iter().for_each(|live| self.already_ended(live));
        let (stopped, cut_off) = self.send_off(&old);
        Ok(Swapped { plugin, stopped, cut_off })
    }

    fn swap_in_place(&self, launch: &Arc<Launch>) -> Result<Swapped, SwapError> {
        let (old_launch, old, was_used) = {
            let mut state = self.lock();
            if state.stage == Stage::Stopped {
                return Err(SwapError { cause: self.closed(&state, "rpc.initialize"), old: Old::Stopped });
            }
            state.stage = Stage::Held;
            state.generation += 1;
            let old = state.live();
            state.replaced.extend(old.iter().cloned());
            let was_used = state.places.iter().any(|place| !matches!(place.phase, Phase::Empty));
            for place in &mut state.places {
                if !matches!(place.phase, Phase::Leaving(..)) {
                    place.phase = Phase::Empty;
                }
            }
            self.publish(&mut state);
            old.iter().for_each(|live| live.usage.retire());
            (Arc::clone(&state.launch), old, was_used)
        };
        let (stopped, cut_off) = self.send_off(&old);
        self.wait_until_none_is_there();
        let cause = match self.take_over(launch) {
            Ok(plugin) => return Ok(Swapped { plugin, stopped, cut_off }),
            Err(cause) => cause,
        };
        if !was_used {
            let mut state = self.lock();
            let stopped = state.stage == Stage::Stopped;
            if !stopped {
                state.stage = Stage::Open;
                self.tell_all(&mut state);
            }
            return Err(SwapError { cause, old: if stopped { Old::Stopped } else { Old::Serves } });
        }
        let old = match self.take_over(&old_launch) {
            Ok(_) => Old::PutBack,
            Err(fault) => {
                let mut state = self.lock();
                if state.stage == Stage::Stopped {
                    Old::Stopped
                } else {
                    state.stage = Stage::Open;
                    let until = Instant::now() + self.settings.backoff.first;
                    let last = Last::NotStarted(fault.clone());
                    state.places[0].phase = Phase::Resting { until, attempt: 1, last };
                    self.tell_all(&mut state);
                    Old::NotPutBack(Box::new(fault))
                }
            }
        };
        Err(SwapError { cause, old })
    }

    /// Starts one where none is, and lets it serve.
    fn take_over(&self, launch: &Arc<Launch>) -> Result<Identity, Error> {
        let started = self.start_beside(launch, 1);
        // What did not start is gone before another does.
        let started = started.inspect_err(|_| self.wait_until_none_is_there())?;
        let mut state = self.lock();
        if state.stage == Stage::Stopped {
            return Err(self.closed(&state, "rpc.initialize"));
        }
        state.stage = Stage::Open;
        state.launch = Arc::clone(launch);
        let mut new = None;
        for started in started {
            let plugin = started.landed().plugin.hello().plugin.clone();
            state.places[0].history.reset();
            new = Some((plugin, started.serve(&mut state, 0)));
        }
        self.publish(&mut state);
        drop(state);
        let (plugin, live) = new.expect("one was started");
        self.already_ended(&live);
        Ok(plugin)
    }

    /// Starts so many, which serve nobody yet, and proves each: it shook hands, fits those who rely on it, and answers.
    fn start_beside(&self, launch: &Arc<Launch>, count: usize) -> Result<Vec<Started>, Error> {
        let (landing, landings) = channel();
        for _ in 0..count {
            let flight = {
                let mut state = self.lock();
                self.flight(&mut state, Flight::default())
            };
            let (this, launch, landing) = (self.this(), Arc::clone(launch), landing.clone());
            let start = {
                let launch = Arc::clone(&launch);
                move || {
                    let stopped = || Err(this.closed(&this.lock(), "rpc.initialize"));
                    let outcome = this.fly(&launch, &flight).unwrap_or_else(stopped);
                    match outcome.and_then(|landed| landed.plugin.ping().map(|_| landed)) {
                        Ok(landed) => {
                            let started = Started { supervisor: this, flight, landed: Some(landed) };
                            // Where one has failed, nobody waits for the others: they are let go.
                            let _let_go = landing.send(Ok(started));
                        }
                        Err(fault) => {
                            let _heard = landing.send(Err(fault));
                            this.clear_away(&flight);
                        }
                    }
                }
            };
            if let Err(source) = self.run(&launch, Box::new(start)) {
                return Err(Error::Spawn { command: launch.name(), source: Arc::new(source) });
            }
        }
        drop(landing);
        landings.iter().take(count).collect()
    }

    /// Lets the calls of retired instances end, then stops those.
    fn send_off(&self, old: &[Arc<Live>]) -> (Vec<Stopped>, u64) {
        let deadline = Instant::now() + self.settings.drain;
        let left = |live: &Arc<Live>| self.drain(live, deadline.saturating_duration_since(Instant::now()));
        let cut_off = old.iter().map(left).sum();
        let instances: Vec<_> = old.iter().map(|live| Arc::clone(live.instance())).collect();
        let stopped = super::stop::stop_instances(&instances);
        // What another swap replaces is not gone.
        self.lock().replaced.retain(|live| !old.iter().any(|gone| Arc::ptr_eq(gone, live)));
        (stopped, cut_off)
    }

    /// Waits until no process of it is left that was leaving or starting.
    fn wait_until_none_is_there(&self) {
        const LOOK: Duration = Duration::from_secs(1);
        let mut state = self.lock();
        let is_there = |state: &State| {
            !state.flights.is_empty()
                || state.places.iter().any(|place| matches!(place.phase, Phase::Leaving(..)))
        };
        while is_there(&state) && state.stage != Stage::Stopped {
            state = self.wait(state, Some(Instant::now() + LOOK));
        }
    }
}
