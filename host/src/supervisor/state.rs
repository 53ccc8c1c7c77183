//! What is known of a supervised plugin: of each place that an instance may have, and what a caller may hope for.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use plugline_protocol::contract::{Document, Instances};

use super::decision::Failure;
use super::live::Live;
use super::policy::History;
use super::stop::Closing;
use super::usage::Moment;
use crate::error::Error;
use crate::launch::Launch;
use crate::plugin::Instance;

/// Under the supervisor's lock.
pub(super) struct State {
    /// What is started from now on.
    pub(super) launch: Arc<Launch>,
    /// How often that changed. What began before the last change is of no use.
    pub(super) generation: u64,
    /// How many instances were started.
    pub(super) started: u64,
    pub(super) places: Vec<Place>,
    /// What the last instance that served declared, or what is known without.
    pub(super) manifest: Option<Arc<Document>>,
    /// The contracts that clients were made for; those of clients that are gone do not count.
    pub(super) relied_on: Vec<Weak<Relied>>,
    pub(super) stage: Stage,
    /// The starts that have begun: until what came of each serves, or its process is gone.
    pub(super) flights: Vec<Arc<Flight>>,
    /// Those that others took over from, until their processes are gone.
    pub(super) replaced: Vec<Arc<Live>>,
    /// What was there when the user stopped it.
    pub(super) closing: Closing,
    /// Tasks that wait for an instance.
    pub(super) wakers: HashMap<u64, Waker>,
    pub(super) next_waker: u64,
    pub(super) idle: Option<IdleWatch>,
}

/// A contract that a client was made for.
pub(super) struct Relied {
    pub(super) contract: &'static str,
    pub(super) version: &'static str,
    pub(super) document: Document,
}

/// Since when nobody used the plugin, as far as was seen.
pub(super) struct IdleWatch {
    pub(super) quiet_since: Instant,
    /// How each instance stood then.
    pub(super) seen: Vec<(u64, Moment)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Calls are served, if need be by an instance that is started for them.
    Open,
    /// Of a plugin of which one instance may serve, another takes over: callers wait.
    Held,
    /// The user stopped it.
    Stopped,
}

/// Where one instance may be.
pub(super) struct Place {
    pub(super) phase: Phase,
    pub(super) history: History<Failure>,
}

impl Default for Place {
    fn default() -> Self {
        Self { phase: Phase::Empty, history: History::default() }
    }
}

pub(super) enum Phase {
    /// Nobody needed one yet, or none was needed for a while.
    Empty,
    Starting(Arc<Flight>),
    Up(Arc<Live>),
    /// It takes no more calls; its process is not gone yet.
    Leaving(Arc<Live>, Leaving),
    /// One ended or did not start; another may be started then.
    Resting {
        until: Instant,
        attempt: u32,
        last: Last,
    },
    /// The breaker tripped.
    Looping {
        failures: Vec<Failure>,
        until: Option<Instant>,
    },
}

impl Phase {
    /// Whether an instance may be started there.
    fn is_free(&self, now: Instant) -> bool {
        match self {
            Phase::Empty => true,
            Phase::Resting { until, .. } => *until <= now,
            Phase::Looping { until, .. } => until.is_some_and(|until| until <= now),
            Phase::Starting(_) | Phase::Up(_) | Phase::Leaving(..) => false,
        }
    }
}

/// Why an instance leaves.
pub(super) enum Leaving {
    /// Nobody used it.
    Idle,
    /// It is not healthy.
    Unhealthy(String),
}

/// What happened before a place came to rest.
pub(super) enum Last {
    /// It served, and ended. Who calls waits for the next.
    Ended(Arc<Live>),
    /// It did not start. Who calls is told so.
    NotStarted(Error),
}

/// A start that is under way. However many wait for it, they get the same.
#[derive(Default)]
pub(super) struct Flight {
    pub(super) number: u64,
    pub(super) generation: u64,
    /// How many failures in a row led to it; 0 where none did.
    pub(super) attempt: u32,
    /// Where it is to serve; nowhere yet where a swap tries it, which may be something else than what serves.
    pub(super) place: Option<usize>,
    pub(super) failed: OnceLock<Error>,
    /// It failed, and the next is due in its place once it is gone.
    pub(super) overdue: OnceLock<()>,
    /// What is started, once there is a process: whoever stops all stops it.
    pub(super) starting: OnceLock<Weak<Instance>>,
}

/// What somebody who wants an instance is to do, where none takes a call at the moment.
pub(super) enum Outlook {
    /// Wait: something is under way, or is due then.
    Wait { until: Option<Instant>, flight: Option<Arc<Flight>> },
    /// Start these.
    Start(Vec<usize>),
    /// Wait no longer than until then for what is to be started then: after that instance ended.
    Rest { until: Instant, last: Arc<Live> },
    /// Give up.
    Fail(Error),
}

impl State {
    /// Whether no more than one instance may serve; where nothing is known, it is so.
    pub(super) fn is_one(&self) -> bool {
        is_one(self.manifest.as_deref())
    }

    /// The instances that serve.
    pub(super) fn live(&self) -> Vec<Arc<Live>> {
        self.places
            .iter()
            .filter_map(|place| match &place.phase {
                Phase::Up(live) => Some(Arc::clone(live)),
                _ => None,
            })
            .collect()
    }

    /// The instances that leave; their processes are not gone yet.
    pub(super) fn leaving(&self) -> Vec<Arc<Live>> {
        self.places
            .iter()
            .filter_map(|place| match &place.phase {
                Phase::Leaving(live, _) => Some(Arc::clone(live)),
                _ => None,
            })
            .collect()
    }

    /// What to do for whoever wants an instance now.
    pub(super) fn outlook(&self, now: Instant) -> Outlook {
        match self.stage {
            Stage::Open => {}
            Stage::Held => return Outlook::Wait { until: None, flight: None },
            Stage::Stopped => unreachable!("asked before"),
        }
        let mut under_way = false;
        let mut flight = None;
        let startable = self.free(now);
        let mut resting: Option<(Instant, &Arc<Live>)> = None;
        let mut failed: Option<Error> = None;
        for (index, place) in self.places.iter().enumerate() {
            match &place.phase {
                // One that is up and takes no call is about to be told of.
                Phase::Up(_) | Phase::Leaving(..) => under_way = true,
                Phase::Starting(starting) => {
                    under_way = true;
                    flight.get_or_insert_with(|| Arc::clone(starting));
                }
                _ if startable.contains(&index) => {}
                Phase::Resting { until, last: Last::Ended(last), .. } if *until > now => {
                    if resting.is_none_or(|(other, _)| *until < other) {
                        resting = Some((*until, last));
                    }
                }
                Phase::Resting { last: Last::NotStarted(fault), .. } => failed = Some(fault.clone()),
                // What began there before is not gone yet.
                Phase::Empty | Phase::Resting { .. } => under_way = true,
                Phase::Looping { failures, until } => {
                    failed.get_or_insert_with(|| Error::CrashLoop {
                        command: self.launch.name(),
                        failures: failures.clone(),
                        again: until.map(|until| until.saturating_duration_since(now)),
                    });
                }
            }
        }
        if under_way {
            return Outlook::Wait { until: None, flight };
        }
        if !startable.is_empty() {
            return Outlook::Start(startable);
        }
        match (resting, failed) {
            (Some((until, last)), _) => Outlook::Rest { until, last: Arc::clone(last) },
            (None, Some(fault)) => Outlook::Fail(fault),
            (None, None) => unreachable!("there is a place, and it is in one of these phases"),
        }
    }

    /// The places where an instance may be started.
    pub(super) fn free(&self, now: Instant) -> Vec<usize> {
        let is_free =
            |place: &usize| self.places[*place].phase.is_free(now) && self.flight_of(*place).is_none();
        (0..self.places.len()).filter(is_free).collect()
    }

    /// What began in a place, and neither serves nor is gone.
    pub(super) fn flight_of(&self, place: usize) -> Option<&Arc<Flight>> {
        self.flights.iter().find(|flight| flight.place == Some(place))
    }

    /// The processes that start.
    pub(super) fn starting(&self) -> impl Iterator<Item = Arc<Instance>> {
        self.flights.iter().filter_map(|flight| flight.starting.get().and_then(Weak::upgrade))
    }

    /// The place of an instance that serves or leaves.
    pub(super) fn place_of(&self, number: u64) -> Option<usize> {
        self.places.iter().position(|place| match &place.phase {
            Phase::Up(live) | Phase::Leaving(live, _) => live.number == number,
            _ => false,
        })
    }

    /// After how long that is, for messages.
    pub(super) fn left(until: Option<Instant>) -> Option<Duration> {
        until.map(|until| until.saturating_duration_since(Instant::now()))
    }
}

pub(super) fn is_one(manifest: Option<&Document>) -> bool {
    manifest.is_none_or(|manifest| manifest.plugline.instances == Instances::One)
}
