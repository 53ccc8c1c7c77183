//! What was done to the plugins and what the host told of them, by time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use plugline_host::process::Exit;

use crate::clock::Moment;

/// What is older explains nothing any more …
const REMEMBERED: Duration = Duration::from_secs(90);
/// … and more than that is not kept.
const MOST: usize = 200_000;

/// Of all plugins, and of the host.
pub const ALL: &str = "";

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// The agent sent that signal.
    Signal(i32),
    /// The agent stopped it, by SIGSTOP.
    Stopped,
    /// It said that it is about to misbehave so.
    Misbehaved(String),
    /// The agent put a new version in its place.
    Replaced(String),
    /// The agent put a version in its place that does not work.
    Broken(String),
    /// The agent took the host's descriptors away.
    Descriptors,
    /// The agent changed what the store has.
    Store(String),
    /// Nothing of the run got to run.
    StoodStill,
    /// All were told to stop.
    StopAll,
    /// The host says that its process is gone.
    Exited(Exit),
    /// The host says that it gave it up.
    GivenUp(String),
    /// The host says that it is in a crash loop.
    CrashLoop,
    /// The host says that others took over.
    TookOver,
    /// The host says that others did not take over.
    NotTakenOver,
    /// The host says that nobody used it.
    Idle,
    /// The agent spoilt the settings.
    Settings,
    /// Something else that the host says.
    Told(String),
}

impl What {
    /// What it is counted as.
    fn name(&self) -> String {
        match self {
            Self::Signal(signal) => format!("killed by {}", signal_name(*signal)),
            Self::Stopped => "stopped by SIGSTOP".into(),
            Self::Misbehaved(what) => format!("misbehaved: {what}"),
            Self::Replaced(_) => "replaced by a new version".into(),
            Self::Broken(how) => format!("replaced by a broken version: {how}"),
            Self::Descriptors => "descriptors taken away".into(),
            Self::Store(what) => format!("store: {what}"),
            Self::StoodStill => "the run itself stood still".into(),
            Self::StopAll => "all stopped".into(),
            Self::Exited(_) => "told: exited".into(),
            Self::GivenUp(_) => "told: given up".into(),
            Self::CrashLoop => "told: crash loop".into(),
            Self::TookOver => "told: a new version took over".into(),
            Self::NotTakenOver => "told: a new version did not take over".into(),
            Self::Idle => "told: stopped as nobody used it".into(),
            Self::Settings => "settings spoilt".into(),
            Self::Told(what) => {
                format!("told: {}", what.split([' ', '(', '{', ':']).next().unwrap_or_default())
            }
        }
    }
}

/// What people call a signal.
#[must_use]
pub fn signal_name(signal: i32) -> &'static str {
    match signal {
        6 => "SIGABRT",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        _ => "a signal",
    }
}

/// Something that happened, and how long it lasted.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When it began.
    pub at: Moment,
    /// When it was over.
    pub until: Moment,
    /// To whom; [`ALL`], where it was to all.
    pub plugin: String,
    /// What.
    pub what: What,
}

/// All of it, as far back as anything is explained by it.
#[derive(Debug, Default)]
pub struct Journal {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<Entry>,
    counts: BTreeMap<String, u64>,
    heard: BTreeMap<String, u64>,
    dropped: u64,
}

impl Journal {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It happens now, and is over at once.
    pub fn note(&self, plugin: &str, what: What) {
        let now = Moment::now();
        self.add(Entry { at: now, until: now, plugin: plugin.to_owned(), what });
    }

    /// It happens now, and goes on until then.
    pub fn note_until(&self, plugin: &str, what: What, until: Moment) {
        self.add(Entry { at: Moment::now(), until, plugin: plugin.to_owned(), what });
    }

    /// It happened.
    pub fn add(&self, entry: Entry) {
        let mut kept = self.lock();
        *kept.counts.entry(entry.what.name()).or_default() += 1;
        let old = Moment::now().before(REMEMBERED);
        while kept.entries.front().is_some_and(|first| first.until.max(first.at) < old)
            || kept.entries.len() >= MOST
        {
            kept.entries.pop_front();
        }
        kept.entries.push_back(entry);
    }

    /// Something was told that is only counted.
    pub fn heard(&self, what: &'static str) {
        *self.lock().heard.entry(what.to_owned()).or_default() += 1;
    }

    /// The host dropped so many events, as nobody took them in time.
    pub fn dropped(&self, events: u64) {
        if events > 0 {
            self.lock().dropped += events;
        }
    }

    /// How much was told that is only counted, and how many events were dropped.
    #[must_use]
    pub fn told(&self) -> (BTreeMap<String, u64>, u64) {
        let kept = self.lock();
        (kept.heard.clone(), kept.dropped)
    }

    /// What happened to a plugin, or to all, between then and then; the last first.
    #[must_use]
    pub fn of(&self, plugin: &str, from: Moment, to: Moment) -> Vec<Entry> {
        let is_of = |entry: &&Entry| {
            (entry.plugin == plugin || entry.plugin == ALL) && entry.until >= from && entry.at <= to
        };
        let mut found: Vec<Entry> = self.lock().entries.iter().filter(is_of).cloned().collect();
        found.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        found
    }

    /// The last that happened to a plugin, one a line, with how long before a moment it did, or after.
    #[must_use]
    pub fn tail(&self, plugin: &str, count: usize, moment: Moment) -> Vec<String> {
        let mut lines: Vec<String> = self
            .of(plugin, Moment::default(), Moment::END)
            .into_iter()
            .take(count)
            .map(|Entry { at, what, .. }| {
                if at > moment {
                    format!("{:6.2} s after: {what:?}", at.since(moment).as_secs_f64())
                } else {
                    format!("{:6.2} s before: {what:?}", moment.since(at).as_secs_f64())
                }
            })
            .collect();
        lines.reverse();
        lines
    }

    /// How often what happened.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.lock().counts.clone()
    }
}
