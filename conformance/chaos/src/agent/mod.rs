//! What is done to the plugins and to the host: by chance, which a seed repeats as far as time allows.
//!
//! - `act.rs`: what can be done. `process.rs`: signals. `descriptors.rs`: the host's descriptors.

mod act;
mod descriptors;
mod process;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Scope, sleep};
use std::time::Duration;

use rustix::process::Signal;

pub use act::Act;

use self::descriptors::Taken;
use self::process::Target;
use crate::calls::{self, Desk};
use crate::clock::Moment;
use crate::faults::Kind as Fault;
use crate::fleet::{self, Member, Place};
use crate::journal::{ALL, Journal, What};
use crate::random::Random;

/// How often it looks whether something is due.
const TICK: Duration = Duration::from_millis(10);
/// So many threads at most wait for what was done to end.
const MOST_AT_ONCE: usize = 24;
/// Between two times that the host has no descriptors, so that it can be seen what came of each.
const DESCRIPTORS_EVERY: Duration = Duration::from_secs(8);

/// Who does it.
pub struct Agent<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    desk: &'env Desk,
    journal: &'env Journal,
    acts: &'env [Act],
    random: Random,
    /// What is to be done later: by when, in the order that it came up.
    later: BTreeMap<(Moment, u64), Later<'env>>,
    count: u64,
    at_once: Arc<AtomicUsize>,
    descriptors_from: Moment,
}

enum Later<'env> {
    Continue(Target),
    Stop(Target),
    GiveBack(Taken),
    Mend(&'env Member),
    MendSettings,
}

/// One of those that wait; counted until it is dropped.
struct Waits(Arc<AtomicUsize>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<'scope, 'env> Agent<'scope, 'env> {
    /// One that does these.
    pub fn new(
        scope: &'scope Scope<'scope, 'env>,
        desk: &'env Desk,
        journal: &'env Journal,
        acts: &'env [Act],
        random: Random,
    ) -> Self {
        Self {
            scope,
            desk,
            journal,
            acts,
            random,
            later: BTreeMap::new(),
            count: 0,
            at_once: Arc::default(),
            descriptors_from: Moment::now(),
        }
    }

    /// Does something every now and then, until that is over; then what is to be done later, at once.
    pub fn work(mut self, pace: Duration) {
        let mean = u64::try_from(pace.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut next = Moment::now();
        while !self.desk.is_over() {
            let now = Moment::now();
            if now >= next {
                self.act();
                next = now.after(Duration::from_millis(self.random.below(2 * mean)));
            }
            while self.later.first_key_value().is_some_and(|((due, _), _)| *due <= now) {
                let due = self.later.pop_first();
                due.into_iter().for_each(|(_, later)| self.do_later(later));
            }
            sleep(TICK);
        }
        let left = std::mem::take(&mut self.later);
        left.into_values().for_each(|later| match later {
            Later::Stop(_) => {}
            later => self.do_later(later),
        });
    }

    fn after(&mut self, time: Duration, later: Later<'env>) {
        self.count += 1;
        self.later.insert((Moment::now().after(time), self.count), later);
    }

    fn do_later(&mut self, later: Later<'env>) {
        match later {
            // It may be gone by now, which is as well.
            Later::Continue(target) => drop(target.signal(Signal::CONT)),
            Later::Stop(target) => drop(target.signal(Signal::STOP)),
            Later::GiveBack(taken) => drop(taken),
            Later::Mend(member) => self.put(member, None),
            Later::MendSettings => self.write_settings(),
        }
    }

    fn milliseconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.random.below(to - from))
    }

    fn act(&mut self) {
        let weights: u64 = self.acts.iter().map(|act| act.weight()).sum();
        if weights == 0 {
            return;
        }
        let mut at = self.random.below(weights);
        let chosen = self.acts.iter().find(|act| {
            let is_it = at < act.weight();
            at = at.saturating_sub(act.weight());
            is_it
        });
        let (Some(act), members) = (chosen, &self.desk.fleet.members) else { return };
        let Some(member) = self.random.pick(members) else { return };
        match act {
            Act::Kill => self.kill(member),
            Act::Stop => self.stop(member),
            Act::Slow => self.stutter(member),
            Act::Fault | Act::Flood | Act::Corrupt => self.misbehave(member, act.faults()),
            Act::Replace => self.replace(member),
            Act::Store => self.change_store(),
            Act::Descriptors => self.take_descriptors(),
            Act::Settings => self.spoil_settings(),
        }
    }

    fn target(&mut self, member: &Member) -> Option<(u32, Target)> {
        let pid = *self.random.pick(&member.pids())?;
        Some((pid, Target::of(pid, &self.desk.fleet.layout.directory)?))
    }

    fn kill(&mut self, member: &Member) {
        let Some((pid, target)) = self.target(member) else { return };
        let signal = match self.random.below(4) {
            0 => Signal::TERM,
            1 => Signal::SEGV,
            _ => Signal::KILL,
        };
        // Before, so that nothing comes of it that was not noted.
        self.journal.note(member.name(), What::Signal(signal.as_raw()));
        if member.is_one_process() && signal != Signal::TERM {
            self.desk.recovery.killed(member.name(), pid);
        }
        // It may be gone by now.
        let _gone = target.signal(signal);
    }

    /// For a while, or for good: then it is the host that has to notice.
    fn stop(&mut self, member: &'env Member) {
        let Some((_, target)) = self.target(member) else { return };
        let time = if self.random.one_in(5) { None } else { Some(self.milliseconds(20, 6000)) };
        let until = Moment::now().after(time.unwrap_or(Duration::from_secs(60)));
        self.journal.note_until(member.name(), What::Stopped, until);
        self.desk.recovery.disturbed(member.name());
        if target.signal(Signal::STOP).is_ok()
            && let Some(time) = time
        {
            self.after(time, Later::Continue(target));
        }
    }

    /// It gets to run every other moment.
    fn stutter(&mut self, member: &'env Member) {
        let directory = &self.desk.fleet.layout.directory;
        let Some((pid, _)) = self.target(member) else { return };
        let rounds = 1 + self.random.below(10);
        let until = Moment::now().after(Duration::from_millis(rounds * 100 + 1000));
        self.journal.note_until(member.name(), What::Stopped, until);
        self.desk.recovery.disturbed(member.name());
        for round in 0..rounds {
            let (Some(stopped), Some(goes_on)) = (Target::of(pid, directory), Target::of(pid, directory))
            else {
                return;
            };
            self.after(Duration::from_millis(round * 100), Later::Stop(stopped));
            self.after(Duration::from_millis(round * 100 + 60), Later::Continue(goes_on));
        }
    }

    /// Runs what waits on a thread of its own, unless too many wait already.
    fn spawn(&self, what: impl FnOnce() + Send + 'scope) {
        if self.at_once.fetch_add(1, Ordering::Relaxed) >= MOST_AT_ONCE {
            self.at_once.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let waits = Waits(Arc::clone(&self.at_once));
        self.scope.spawn(move || {
            let _waits = waits;
            what();
        });
    }

    fn misbehave(&mut self, member: &'env Member, faults: &[&'static str]) {
        let can: Vec<&'static str> =
            faults.iter().copied().filter(|what| calls::can(member.kind.make, what)).collect();
        let Some(what) = self.random.pick(&can).copied() else { return };
        let n = match what {
            "stderr" | "stray" | "log" => self.random.skewed(20_000),
            "exit" => 1 + self.random.below(100),
            "noise" => 1 + self.random.skewed(10_000),
            "deaf" => self.random.below(4000),
            _ => self.random.below(300),
        };
        let desk = self.desk;
        desk.recovery.disturbed(member.name());
        self.spawn(move || calls::fault(desk, member, what, n));
    }

    /// A new version, or one that does not work, which is replaced by one that does a while later.
    fn replace(&mut self, member: &'env Member) {
        if member.kind.place == Place::Store {
            return self.change_store();
        }
        if !member.standing().is_whole {
            return; // It is to be mended.
        }
        if !self.random.one_in(3) {
            return self.put(member, None);
        }
        let how = *self.random.pick(&["exit", "garbage", "mute", "torn"]).unwrap_or(&"exit");
        self.put(member, Some(how));
        if member.kind.place == Place::Package {
            let time = self.milliseconds(500, 8000);
            self.after(time, Later::Mend(member));
        }
    }

    fn put(&mut self, member: &'env Member, broken: Option<&'static str>) {
        let version = member.next_version();
        self.desk.recovery.disturbed(member.name());
        self.journal.note(
            member.name(),
            broken.map_or_else(|| What::Replaced(version.clone()), |how| What::Broken(how.into())),
        );
        if broken.is_none() {
            member.works(&version);
        }
        let layout = &self.desk.fleet.layout;
        if member.kind.place == Place::Direct {
            let (desk, journal) = (self.desk, self.journal);
            return self.spawn(move || swap(desk, journal, member, &version, broken));
        }
        let written = match broken {
            Some("torn") => layout.tear(&member.kind),
            how => layout.put(&member.kind, &version, how),
        };
        match written {
            Ok(()) if broken.is_none() => member.stands(&version),
            Ok(()) => member.is_broken(),
            // It has no descriptors either while the host has none.
            Err(_) => self.after(Duration::from_millis(500), Later::Mend(member)),
        }
    }

    /// Another release, or the one before.
    fn change_store(&mut self) {
        let stored: Vec<&Member> =
            self.desk.fleet.members.iter().filter(|member| member.kind.place == Place::Store).collect();
        let Some(member) = self.random.pick(&stored).copied() else { return };
        let (desk, journal) = (self.desk, self.journal);
        let back = self.random.one_in(3);
        let what = if back { "rolled back" } else { "installed" };
        journal.note(member.name(), What::Store(what.into()));
        self.spawn(move || change(desk, member, back));
    }

    fn take_descriptors(&mut self) {
        if Moment::now() < self.descriptors_from {
            return;
        }
        let time = self.milliseconds(100, 900);
        self.descriptors_from = Moment::now().after(time + DESCRIPTORS_EVERY);
        self.journal.note_until(ALL, What::Descriptors, Moment::now().after(time));
        if let Ok(taken) = Taken::all_but(self.random.below(6)) {
            self.after(time, Later::GiveBack(taken));
        }
    }

    /// The settings are read when a manager is opened: what stands there meanwhile is to disturb nobody.
    fn spoil_settings(&mut self) {
        let path = self.desk.fleet.layout.settings();
        self.journal.note(ALL, What::Settings);
        if std::fs::write(path, "[plugins.half\npool = ").is_ok() {
            self.after(Duration::from_millis(300), Later::MendSettings);
        }
    }

    fn write_settings(&mut self) {
        let kinds: Vec<fleet::Kind> =
            self.desk.fleet.members.iter().map(|member| member.kind.clone()).collect();
        if self.desk.fleet.layout.write_settings(&kinds).is_err() {
            self.after(Duration::from_millis(300), Later::MendSettings);
        }
    }
}

/// Has another version take over from what the host supervises by itself.
fn swap(desk: &Desk, journal: &Journal, member: &Member, version: &str, broken: Option<&str>) {
    let how = if broken == Some("torn") { Some("exit") } else { broken };
    let launch = fleet::direct(&desk.fleet.layout, &member.kind, version, how);
    let Some(plugin) = desk.handle(member) else { return };
    match plugin.swap(launch) {
        Ok(_) if broken.is_some() => {
            desk.faults.found(
                Fault::Swap,
                member.name(),
                format!("a version that does not work took over: {broken:?}"),
            );
        }
        Ok(_) => {
            member.stands(version);
            journal.note(member.name(), What::TookOver);
        }
        // The host tells why.
        Err(_) => {}
    }
}

/// Installs another release, or goes back to the one before.
fn change(desk: &Desk, member: &Member, back: bool) {
    let layout = &desk.fleet.layout;
    let changed = layout.store().and_then(|store| {
        if back {
            let name = plugline_host::package::PackageName::new(member.name());
            return name.map_or(Ok(()), |name| match store.plugin(&name)? {
                Some(plugin) if plugin.previous().is_some() => store.rollback(&name, &mut |_| {}).map(drop),
                _ => Ok(()),
            });
        }
        let version = member.next_version();
        member.works(&version);
        // Without descriptors nothing is written.
        if layout.put(&member.kind, &version, None).is_err() {
            return Ok(());
        }
        layout.install(&member.kind)
    });
    if let Err(fault) = changed {
        // Without descriptors it cannot be changed; it is left as it was, which the next round finds.
        eprintln!("{}: the store was not changed: {fault}", member.name());
    }
}
