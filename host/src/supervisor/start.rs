//! An instance comes up: once, however many wait for it, and no more at once than may.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Instant;

use plugline_protocol::contract::{Document, Wanted, compatible};
use plugline_protocol::peer::Kind;

use super::decision::{Decision, Failure};
use super::live::Live;
use super::policy::Verdict;
use super::roster::Supervisor;
use super::settings::{ManifestSource, Restart};
use super::state::{Flight, Last, Phase, Stage, State, is_one};
use crate::error::Error;
use crate::event::{EventKind, Events};
use crate::launch::Launch;
use crate::plugin::Plugin;
use crate::timeouts::A_YEAR;

/// A plugin that started, and what it declares.
pub(super) struct Landed {
    pub(super) plugin: Plugin,
    pub(super) manifest: Option<Arc<Document>>,
}

impl Supervisor {
    /// Starts what somebody needs, in these places.
    pub(super) fn begin_starts(&self, state: &mut State, places: &[usize]) {
        let wanted = self.settings.instances.get();
        let asked =
            state.launch.known_manifest().is_none() && self.settings.manifest == ManifestSource::Asked;
        if wanted > 1 && (state.manifest.is_some() || !asked) && state.is_one() {
            let fault = Error::OneInstance { command: state.launch.name(), wanted };
            for place in places {
                let last = Last::NotStarted(fault.clone());
                state.places[*place].phase =
                    Phase::Resting { until: Instant::now() + A_YEAR, attempt: 0, last };
            }
            return;
        }
        // Whether there may be others is known once the first is there.
        let unknown = wanted > 1 && state.manifest.is_none();
        let places = if unknown { &places[..1] } else { places };
        for place in places {
            let attempt = match &state.places[*place].phase {
                Phase::Resting { attempt, last: Last::Ended(_), .. } => *attempt,
                _ => 0,
            };
            self.begin_start(state, *place, attempt);
        }
    }

    pub(super) fn begin_start(&self, state: &mut State, place: usize, attempt: u32) {
        let flight = self.flight(state, Flight { attempt, place: Some(place), ..Flight::default() });
        state.places[place].phase = Phase::Starting(Arc::clone(&flight));
        let (this, launch) = (self.this(), Arc::clone(&state.launch));
        let fly = {
            let flight = Arc::clone(&flight);
            let launch = Arc::clone(&launch);
            move || {
                if let Some(outcome) = this.fly(&launch, &flight) {
                    this.landed(place, &flight, outcome);
                }
            }
        };
        if let Err(source) = self.run(&launch, Box::new(fly)) {
            let fault = Error::Spawn { command: launch.name(), source: Arc::new(source) };
            self.not_started(state, place, &flight, fault);
        }
    }

    pub(super) fn flight(&self, state: &mut State, flight: Flight) -> Arc<Flight> {
        state.started += 1;
        Arc::new(Flight { number: state.started, generation: state.generation, ..flight })
    }

    /// Runs a start in its turn. Whoever waits for somebody to start a plugin by hand keeps no other from starting.
    pub(super) fn run(&self, launch: &Launch, start: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        if launch.is_attach() {
            std::thread::Builder::new().name("plugline-attach".into()).spawn(start).map(drop)
        } else {
            self.settings.starts.run(start)
        }
    }

    /// Starts an instance; nothing, where nobody wants it any more before it began. To be followed by
    /// [`take_up`](Self::take_up) or [`clear_away`](Self::clear_away).
    pub(super) fn fly(&self, launch: &Launch, flight: &Arc<Flight>) -> Option<Result<Landed, Error>> {
        {
            let mut state = self.lock();
            if state.stage == Stage::Stopped || state.generation != flight.generation {
                return None;
            }
            state.flights.push(Arc::clone(flight));
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| self.bring_up(launch, flight)));
        Some(outcome.unwrap_or_else(|_| {
            // The panic hook has reported it.
            let source = io::Error::other("what sees its lines panicked as it started");
            Err(Error::Spawn { command: launch.name(), source: Arc::new(source) })
        }))
    }

    fn bring_up(&self, launch: &Launch, flight: &Flight) -> Result<Landed, Error> {
        launch.config_fits()?;
        let started = Instant::now();
        let plugin = launch.spawn(Arc::new(self.events_of(flight.number, launch)))?;
        flight.starting.get_or_init(|| Arc::downgrade(plugin.instance()));
        if self.lock().stage == Stage::Stopped {
            return Err(self.closed(&self.lock(), "rpc.initialize"));
        }
        launch.greet(&plugin, started)?;
        let manifest = match (launch.known_manifest(), self.settings.manifest) {
            (Some(known), _) => Some(Arc::clone(known)),
            (None, ManifestSource::Asked) => self.ask(&plugin, flight.number)?,
            (None, ManifestSource::Told) => None,
        };
        self.check_relied_on(&plugin, manifest.as_deref())?;
        let wanted = self.settings.instances.get();
        if wanted > 1 && is_one(manifest.as_deref()) {
            if flight.place.is_some() {
                self.lock().manifest = manifest;
            }
            return Err(Error::OneInstance { command: launch.name(), wanted });
        }
        Ok(Landed { plugin, manifest })
    }

    /// What it declares; nothing, where it lives and has nothing to say.
    fn ask(&self, plugin: &Plugin, number: u64) -> Result<Option<Arc<Document>>, Error> {
        match plugin.manifest() {
            Ok(manifest) => Ok(Some(Arc::clone(manifest))),
            Err(fault) if fault.remote().is_some() || fault.kind() == Kind::ProtocolViolation => {
                let what = format!(
                    "it gives no manifest, so none of its methods is repeated and one instance serves: {fault}"
                );
                self.events.tell(number, EventKind::Unchecked(what));
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Whether it has what clients were made for.
    fn check_relied_on(&self, plugin: &Plugin, manifest: Option<&Document>) -> Result<(), Error> {
        let relied_on: Vec<_> = self.lock().relied_on.iter().filter_map(Weak::upgrade).collect();
        for relied in relied_on {
            let wanted =
                Wanted { contract: relied.contract, version: relied.version, document: &relied.document };
            let manifest = match manifest {
                Some(manifest) => manifest,
                None => &**plugin.manifest()?,
            };
            compatible(&wanted, manifest)
                .map_err(|mismatches| plugin.instance().unfit(&wanted, mismatches))?;
        }
        Ok(())
    }

    /// Where the events of an instance go, and what is done about them here.
    fn events_of(&self, number: u64, launch: &Launch) -> Events {
        let this = self.weak();
        let tap = move |kind: &EventKind| {
            let Some(this) = this.upgrade() else { return };
            match kind {
                EventKind::Exited { .. } => this.soon(move |this| this.ended(number)),
                // Of pings it is counted how many are missed.
                EventKind::Unhealthy { method } if method != plugline_protocol::lifecycle::methods::PING => {
                    let reason = format!("{method} ended for its caller, and was not answered in due time");
                    this.soon(move |this| this.replace(number, reason));
                }
                _ => {}
            }
        };
        let (rate, redactor) = (launch.event_rate(), launch.redactor());
        Events::tapped(&self.events, number, rate, redactor, Box::new(tap))
    }

    fn landed(&self, place: usize, flight: &Arc<Flight>, outcome: Result<Landed, Error>) {
        let mut state = self.lock();
        let is_wanted = state.stage != Stage::Stopped
            && state.generation == flight.generation
            && matches!(&state.places[place].phase, Phase::Starting(mine) if Arc::ptr_eq(mine, flight));
        if !is_wanted {
            drop(state);
            drop(outcome);
            return self.clear_away(flight);
        }
        match outcome {
            Ok(landed) => {
                let live = self.take_up(&mut state, place, flight, landed);
                if self.settings.instances.get() > 1 {
                    let mut empty = state.free(Instant::now());
                    empty.retain(|place| matches!(state.places[*place].phase, Phase::Empty));
                    empty.into_iter().for_each(|place| self.begin_start(&mut state, place, 0));
                }
                self.publish(&mut state);
                drop(state);
                self.already_ended(&live);
            }
            Err(fault) => {
                // Who waits is told at once, however long its process takes to go.
                self.not_started(&mut state, place, flight, fault);
                self.publish(&mut state);
                drop(state);
                self.clear_away(flight);
            }
        }
    }

    /// What began is not to serve: waits until its process is reaped. Until then none starts in its place.
    pub(super) fn clear_away(&self, flight: &Arc<Flight>) {
        // Whoever let go of it has it stopped.
        if let Some(instance) = flight.starting.get().and_then(Weak::upgrade) {
            instance.stop_later();
            instance.stop();
        }
        let mut state = self.lock();
        state.flights.retain(|other| !Arc::ptr_eq(other, flight));
        if flight.place.is_some() {
            self.vacant_at(&state, Instant::now());
        }
        self.tell_all(&mut state);
        drop(state);
        if let (Some(place), Some(())) = (flight.place, flight.overdue.get()) {
            self.due(place);
        }
    }

    /// From here on it serves; to be followed by [`publish`](Self::publish), and then by
    /// [`already_ended`](Self::already_ended).
    pub(super) fn take_up(
        &self,
        state: &mut State,
        place: usize,
        flight: &Arc<Flight>,
        Landed { plugin, manifest }: Landed,
    ) -> Arc<Live> {
        let live = Arc::new(Live::new(flight.number, plugin, manifest.as_deref(), &self.this()));
        if flight.attempt > 0 {
            let restarted = Decision::Restarted { pid: live.plugin.id(), attempt: flight.attempt };
            self.tell(flight.number, restarted);
        }
        state.flights.retain(|other| !Arc::ptr_eq(other, flight));
        state.manifest = manifest;
        state.places[place].history.up(Instant::now());
        state.places[place].phase = Phase::Up(Arc::clone(&live));
        if !state.launch.is_attach() {
            self.watch_idle(state);
            self.watch_health(&live, Some(live.usage.now()));
        }
        live
    }

    /// An end that was told of before the instance had its place, is taken in now. It is the process that counts: that its
    /// pipes have ended may be seen later.
    pub(super) fn already_ended(&self, live: &Live) {
        if live.instance().process.exit().is_some() {
            self.ended(live.number);
        }
    }

    /// It did not start: those who wait for it are told so, and it is tried again by its rules.
    pub(super) fn not_started(&self, state: &mut State, place: usize, flight: &Flight, fault: Error) {
        flight.failed.get_or_init(|| fault.clone());
        self.tell(flight.number, Decision::StartFailed { reason: fault.to_string() });
        let now = Instant::now();
        if is_refusal(&fault) {
            // It lives up to what it is; that is no failure of its process, and asking again right away is of no use.
            let until = now + self.settings.backoff.jitter.of(self.settings.backoff.first);
            state.places[place].phase = Phase::Resting { until, attempt: 0, last: Last::NotStarted(fault) };
            // Where others serve, nobody is told: it may say no for as long as it likes.
            self.vacant_at(state, now + self.settings.backoff.most);
            return self.tell_all(state);
        }
        let again = match (flight.attempt, self.settings.restart) {
            (0, _) | (_, Restart::OnUse) => Restart::OnUse,
            (_, Restart::AtOnce) => Restart::AtOnce,
        };
        self.count_failure(state, place, flight.number, Failure::of(&fault), Last::NotStarted(fault), again);
    }

    /// A failure has happened: rests, or tries no more.
    pub(super) fn count_failure(
        &self,
        state: &mut State,
        place: usize,
        number: u64,
        failure: Failure,
        last: Last,
        again: Restart,
    ) {
        let now = Instant::now();
        let reason = failure.reason.clone();
        let history = &mut state.places[place].history;
        match history.failed(now, failure, &self.settings.backoff, &self.settings.breaker) {
            Verdict::Again { after, attempt } => {
                let until = now + after;
                state.places[place].phase = Phase::Resting { until, attempt, last };
                if again == Restart::AtOnce {
                    self.tell(number, Decision::Restarting { attempt, after, reason });
                    self.at(until, move |this| this.due(place));
                } else {
                    self.vacant_at(state, until);
                }
            }
            Verdict::Tripped { rest } => {
                let failures = history.failures();
                let until = rest.map(|rest| now + rest);
                state.places[place].phase = Phase::Looping { failures: failures.clone(), until };
                self.tell(number, Decision::CrashLoop { failures, again: rest });
                if let Some(until) = until {
                    self.vacant_at(state, until);
                }
            }
        }
        self.tell_all(state);
    }

    /// A rest may be over.
    fn due(&self, place: usize) {
        let mut state = self.lock();
        if state.stage != Stage::Open {
            return;
        }
        if let Phase::Resting { until, attempt, .. } = &state.places[place].phase
            && *until <= Instant::now()
        {
            let attempt = *attempt;
            if let Some(there) = state.flight_of(place) {
                there.overdue.get_or_init(|| ());
                return;
            }
            self.begin_start(&mut state, place, attempt);
            self.tell_all(&mut state);
        }
    }
}

/// It answered, and said no.
fn is_refusal(fault: &Error) -> bool {
    matches!(fault.kind(), Kind::InvalidConfig | Kind::Declined | Kind::VersionMismatch | Kind::Unsupported)
}
