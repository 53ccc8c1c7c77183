//! Whether an instance is used, and whether it answers. Nothing is looked at while nothing can be learnt: an idle plugin
//! costs nothing.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use plugline_protocol::lifecycle::methods;

use super::decision::Decision;
use super::live::Live;
use super::roster::Supervisor;
use super::settings::{Health, PingWhen};
use super::state::{IdleWatch, Leaving, Phase, Stage, State};
use super::usage::Moment;
use crate::call::CallOptions;

impl Supervisor {
    /// Something was started: looks, from now on, whether it is used.
    pub(super) fn watch_idle(&self, state: &mut State) {
        let Some(idle) = self.settings.idle else { return };
        if state.idle.is_none() {
            let now = Instant::now();
            state.idle = Some(IdleWatch { quiet_since: now, seen: Vec::new() });
            self.look_later(now, now, idle);
        }
    }

    fn look_later(&self, now: Instant, quiet_since: Instant, idle: Duration) {
        // A quarter of the time later than it could be, and no call has to note when it was.
        let due = (now + (idle / 4).max(Duration::from_millis(1))).min(quiet_since + idle);
        self.at(due.max(now), Self::look_whether_idle);
    }

    fn look_whether_idle(&self) {
        let Some(idle) = self.settings.idle else { return };
        let mut state = self.lock();
        let state = &mut *state;
        let now = Instant::now();
        let lives = state.live();
        if lives.is_empty() {
            state.idle = None; // Until something was started again.
            return;
        }
        let seen: Vec<(u64, Moment)> = lives.iter().map(|live| (live.number, live.usage.now())).collect();
        let Some(watch) = &mut state.idle else { return };
        let is_quiet = state.stage == Stage::Open
            && seen.len() == watch.seen.len()
            && seen
                .iter()
                .zip(&watch.seen)
                .all(|((number, now), (other, then))| number == other && now.is_quiet_since(*then))
            && !lives.iter().any(|live| live.is_busy());
        if !is_quiet {
            *watch = IdleWatch { quiet_since: now, seen };
        } else if now.saturating_duration_since(watch.quiet_since) >= idle {
            if retire_all(&lives, &seen) {
                state.idle = None;
                return self.stop_idle(state, lives, idle);
            }
            *watch = IdleWatch { quiet_since: now, seen };
        }
        let quiet_since = watch.quiet_since;
        self.look_later(now, quiet_since, idle);
    }

    fn stop_idle(&self, state: &mut State, lives: Vec<Arc<Live>>, idle: Duration) {
        for live in &lives {
            if let Some(place) = state.place_of(live.number) {
                state.places[place].phase = Phase::Leaving(Arc::clone(live), Leaving::Idle);
            }
        }
        self.tell(0, Decision::StoppedIdle { idle });
        self.publish(state);
        for live in lives {
            let leaving = Arc::clone(&live);
            let stop = move || {
                leaving.plugin.stop();
            };
            if std::thread::Builder::new().name("plugline-leave".into()).spawn(stop).is_err() {
                live.instance().stop_later();
            }
        }
    }

    /// Asks an instance, from now on, whether it answers; first if it is used from that moment on, or because it was.
    pub(super) fn watch_health(&self, live: &Arc<Live>, unless_quiet_since: Option<Moment>) {
        if let Some(health) = self.settings.health {
            self.ask_later(health, Arc::downgrade(live), unless_quiet_since, 0);
        }
    }

    fn ask_later(&self, health: Health, live: Weak<Live>, since: Option<Moment>, missed: usize) {
        let due = Instant::now() + health.interval;
        self.at(due, move |this| this.ask_whether_well(health, live, since, missed));
    }

    fn ask_whether_well(&self, health: Health, weak: Weak<Live>, since: Option<Moment>, missed: usize) {
        let Some(live) = weak.upgrade() else { return };
        {
            let state = self.lock();
            let place = state.place_of(live.number);
            if !place.is_some_and(|place| matches!(state.places[place].phase, Phase::Up(_))) {
                return;
            }
        }
        let now = live.usage.now();
        let is_quiet = since.is_some_and(|since| now.is_quiet_since(since));
        if health.when == PingWhen::Used && is_quiet && live.usage.unwatch(now) {
            return; // Who uses it next has it asked again.
        }
        let hello = live.plugin.hello();
        if now.in_flight() > 0 && hello.limits.max_in_flight == 1 && hello.capabilities.cancel.is_none() {
            // It need not read while it works, so nothing would be learnt.
            return self.ask_later(health, weak, Some(now), missed);
        }
        let this = self.this();
        let ask = {
            let weak = Weak::clone(&weak);
            move || {
                let options = CallOptions::timeout(health.timeout);
                let answer = live.plugin.begin(methods::PING, &(), options);
                let answer = answer.and_then(|ping| ping.wait::<serde_json::Value>());
                let missed = if answer.is_ok() { 0 } else { missed + 1 };
                if missed >= health.failures {
                    let reason = format!("{} answers to rpc.ping in a row are missing", health.failures);
                    this.replace(live.number, reason);
                } else {
                    this.ask_later(health, weak, Some(now), missed);
                }
            }
        };
        if std::thread::Builder::new().name("plugline-health".into()).spawn(ask).is_err() {
            self.ask_later(health, weak, Some(now), missed);
        }
    }
}

/// No call begins any more at any of them, if nobody has used one since; otherwise all go on.
fn retire_all(lives: &[Arc<Live>], seen: &[(u64, Moment)]) -> bool {
    let retired =
        lives.iter().zip(seen).take_while(|(live, (_, then))| live.usage.retire_if_quiet(*then)).count();
    // What an instance asks of this side by itself is not counted by its usage.
    if retired == lives.len() && !lives.iter().any(|live| live.is_busy()) {
        return true;
    }
    lives[..retired].iter().for_each(|live| live.usage.recall());
    false
}
