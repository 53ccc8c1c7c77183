//! An instance is gone, or has to go.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::decision::{Decision, Failure};
use super::live::Live;
use super::roster::Supervisor;
use super::state::{Last, Leaving, Phase, Stage};
use crate::process::Signal;

impl Supervisor {
    /// The process of an instance is gone.
    pub(super) fn ended(&self, number: u64) {
        let mut state = self.lock();
        let Some(place) = state.place_of(number) else { return };
        let phase = std::mem::replace(&mut state.places[place].phase, Phase::Empty);
        if state.stage == Stage::Stopped {
            return self.publish(&mut state);
        }
        match phase {
            Phase::Up(live) => {
                let (reason, evidence) = live.instance().end();
                let failure = Failure { reason, evidence };
                let last = Last::Ended(live);
                self.count_failure(&mut state, place, number, failure, last, self.settings.restart);
            }
            Phase::Leaving(live, Leaving::Unhealthy(reason)) => {
                let (_, evidence) = live.instance().end();
                let failure = Failure { reason, evidence };
                let last = Last::Ended(live);
                self.count_failure(&mut state, place, number, failure, last, self.settings.restart);
            }
            Phase::Leaving(_, Leaving::Idle) => {
                state.places[place].history.down(Instant::now(), &self.settings.breaker);
            }
            Phase::Empty | Phase::Starting(_) | Phase::Resting { .. } | Phase::Looping { .. } => {
                unreachable!("it is the place of an instance")
            }
        }
        self.publish(&mut state);
    }

    /// An instance is given up: another is started once it is gone. Calls in flight have the time that they would have
    /// at a shutdown.
    pub(super) fn replace(&self, number: u64, reason: String) {
        let mut state = self.lock();
        let Some(place) = state.place_of(number) else { return };
        let Phase::Up(live) = &state.places[place].phase else { return };
        if state.launch.is_attach() || state.stage == Stage::Stopped {
            return;
        }
        let live = Arc::clone(live);
        live.usage.retire();
        self.tell(number, Decision::Replaced { reason: reason.clone() });
        state.places[place].phase = Phase::Leaving(Arc::clone(&live), Leaving::Unhealthy(reason));
        self.publish(&mut state);
        drop(state);
        let this = self.this();
        let leaving = Arc::clone(&live);
        let leave = move || {
            this.drain(&leaving, leaving.instance().timeouts.grace);
            // Who stops all gives its calls their grace.
            if this.lock().stage != Stage::Stopped {
                leaving.instance().broken();
            }
        };
        if std::thread::Builder::new().name("plugline-leave".into()).spawn(leave).is_err() {
            live.instance().process.signal(Signal::Kill);
        }
    }

    /// Waits until nobody uses a retired instance any more, at most that long; says how many still do.
    pub(super) fn drain(&self, live: &Live, at_most: Duration) -> u64 {
        let deadline = Instant::now() + at_most;
        let mut state = self.lock();
        loop {
            let left = live.load();
            // Where all are stopped, the ladder has its own time for those calls.
            if left == 0 || live.is_lost() || state.stage == Stage::Stopped || deadline <= Instant::now() {
                return left;
            }
            state = self.wait(state, Some(deadline));
        }
    }
}
