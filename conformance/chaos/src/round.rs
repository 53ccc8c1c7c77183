//! One life of a manager: plugins, callers and the agent; then all stop, and what is left is counted.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, Scope, ScopedJoinHandle, sleep};
use std::time::Duration;

use plugline_host::{Supervised, settle};

use crate::agent::Agent;
use crate::calls::{self, Desk};
use crate::census::{self, Holdings};
use crate::clock::Moment;
use crate::faults::Kind;
use crate::fleet::{self, Fleet, Make, Place};
use crate::journal::{ALL, What};
use crate::listener;
use crate::options::Break;
use crate::random::Random;
use crate::report::{RoundReport, Sample};
use crate::run::Run;

/// All plugins stop within that time …
const STOP: Duration = Duration::from_secs(10);
/// … and what the machine needs to end what was killed.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// By then a new version has taken over, or it was told why not.
const TAKES_OVER: Duration = Duration::from_secs(30);
/// So long it is gone on with calling what is being stopped.
const UNDER_LOAD: Duration = Duration::from_millis(500);
const SAMPLE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(50);

/// How a round ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nobody calls any more, then all stop.
    Calm,
    /// All stop while they are called.
    Abrupt,
}

/// A round that is about to begin.
pub struct Round<'a> {
    /// What all rounds share.
    pub run: &'a Run,
    /// Which one it is, from 0.
    pub number: u64,
    /// For how long.
    pub length: Duration,
    /// How it ends.
    pub end: End,
    /// Whether anything is done to the plugins.
    pub chaos: bool,
    /// How many versions each plugin had.
    pub versions: &'a BTreeMap<String, u64>,
}

/// What came of a round.
pub struct Lived {
    /// For the report.
    pub report: RoundReport,
    /// What was measured as it went on.
    pub samples: Vec<Sample>,
    /// How many versions each plugin had.
    pub versions: BTreeMap<String, u64>,
}

impl Round<'_> {
    /// Lives it.
    ///
    /// # Errors
    /// Where the plugins cannot be laid out, or threads cannot be had.
    pub fn live(&self) -> Result<Lived, Box<dyn Error>> {
        let run = self.run;
        let begun = Moment::now();
        let (calls_before, _) = run.ledger.counts();
        let fleet = Arc::new(Fleet::open(&run.layout, &run.kinds, self.versions)?);
        let desk = run.desk(Arc::clone(&fleet));
        let quiet = AtomicBool::new(false);
        let (samples, stopping) = std::thread::scope(|scope| -> std::io::Result<_> {
            let listeners = self.listen(scope, &fleet, &quiet)?;
            let workers = self.begin(scope, &desk)?;
            if run.options.breaks.contains(&Break::Wrong) {
                let plain = desk.fleet.members.iter().find(|member| member.kind.make == Make::Plain);
                plain.into_iter().for_each(|member| calls::fault(&desk, member, "lie", 3));
            }
            let samples = self.watch(begun);
            let took = match self.end {
                End::Abrupt => {
                    let stopping = scope.spawn(|| self.stop(&fleet));
                    sleep(UNDER_LOAD);
                    desk.over.store(true, Ordering::Relaxed);
                    self.join(workers);
                    stopping.join().unwrap_or_default()
                }
                End::Calm => {
                    desk.over.store(true, Ordering::Relaxed);
                    self.join(workers);
                    self.look_whether_taken_over(&desk);
                    self.stop(&fleet)
                }
            };
            quiet.store(true, Ordering::Relaxed);
            self.join(listeners);
            Ok((samples, took))
        })?;
        run.ledger.close();
        run.recovery.forget();
        let versions = fleet.versions();
        drop((desk, fleet));
        let (resident_kib, rest) = self.look_what_is_left()?;
        let handled = run.marks.check(&run.layout.directory)?;
        let (calls, _) = run.ledger.counts();
        let report = RoundReport {
            number: self.number,
            seconds: self.length.as_secs_f64(),
            end: match self.end {
                End::Calm => "calm".into(),
                End::Abrupt => "under load".into(),
            },
            calls: calls - calls_before,
            stop_seconds: stopping.as_secs_f64(),
            resident_kib,
            heap_kib: run.heap_kib(),
            descriptors: rest.descriptors.len() as u64,
            threads: rest.threads.values().sum::<usize>() as u64,
            processes: rest.children.len() as u64,
            marks: handled.calls,
            marks_twice: handled.twice,
        };
        Ok(Lived { report, samples, versions })
    }

    fn listen<'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        fleet: &Fleet,
        quiet: &'scope AtomicBool,
    ) -> std::io::Result<Vec<ScopedJoinHandle<'scope, ()>>> {
        let journal = &self.run.journal;
        let (events, told) = (fleet.manager.events(), Arc::clone(journal));
        let mut listeners =
            vec![Builder::new().name("chaos-listen".into()).spawn_scoped(scope, move || {
                listener::of_manager(&events, &told, quiet);
            })?];
        for member in fleet.members.iter().filter(|member| member.kind.place == Place::Direct) {
            let Some(plugin) = member.if_serving() else { continue };
            let (name, events, told) = (member.name().to_owned(), plugin.events(), Arc::clone(journal));
            listeners.push(Builder::new().name("chaos-listen".into()).spawn_scoped(scope, move || {
                listener::of_supervised(&name, &events, &told, quiet);
            })?);
        }
        Ok(listeners)
    }

    /// The callers, and the agent.
    fn begin<'scope, 'env>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
        desk: &'env Desk,
    ) -> std::io::Result<Vec<ScopedJoinHandle<'scope, ()>>> {
        let options = &self.run.options;
        let stream = |number: u64| Random::new(self.run.seed, self.number << 32 | number);
        let mut workers = Vec::new();
        for caller in 0..options.callers as u64 {
            let random = stream(2 + caller);
            let thread = Builder::new().name("chaos-caller".into());
            workers.push(thread.spawn_scoped(scope, move || calls::caller(desk, random))?);
        }
        let random = stream(1);
        let journal: &'env crate::journal::Journal = &self.run.journal;
        let thread = Builder::new().name("chaos-attach".into());
        workers.push(thread.spawn_scoped(scope, move || calls::attach(desk, journal, random))?);
        if self.chaos {
            let (random, acts) = (stream(0), &options.chaos[..]);
            let pace = Duration::from_millis(options.pace);
            let thread = Builder::new().name("chaos-agent".into());
            workers.push(thread.spawn_scoped(scope, move || {
                Agent::new(scope, desk, journal, acts, random).work(pace);
            })?);
        }
        Ok(workers)
    }

    fn join(&self, threads: Vec<ScopedJoinHandle<'_, ()>>) {
        for thread in threads {
            if thread.join().is_err() {
                self.run.faults.found(Kind::Panic, ALL, "a thread of the run panicked");
            }
        }
    }

    /// Measures until the time is over.
    fn watch(&self, begun: Moment) -> Vec<Sample> {
        let mut samples = Vec::new();
        let mut next = begun;
        let end = begun.after(self.length);
        while Moment::now() < end {
            if Moment::now() >= next {
                next = next.after(SAMPLE);
                // Without descriptors there is nothing to be measured with.
                if let (Ok(resident_kib), Ok(holdings)) = (census::resident(), Holdings::now()) {
                    let sample = Sample {
                        round: self.number,
                        second: Moment::now().since(begun).as_secs_f64(),
                        resident_kib,
                        heap_kib: self.run.heap_kib(),
                        descriptors: holdings.descriptors.len(),
                        threads: holdings.threads.values().sum(),
                        processes: holdings.children.len(),
                    };
                    self.run.progress(&sample);
                    samples.push(sample);
                }
            }
            sleep(LOOK);
        }
        samples
    }

    /// Stops all plugins; how long that took.
    fn stop(&self, fleet: &Fleet) -> Duration {
        self.run.journal.note_until(ALL, What::StopAll, Moment::now().after(STOP + STOP_GRACE));
        let direct: Vec<Supervised> = fleet
            .members
            .iter()
            .filter(|member| member.kind.place == Place::Direct)
            .filter_map(fleet::Member::if_serving)
            .collect();
        let begun = Moment::now();
        let (managed, supervised) = std::thread::scope(|scope| {
            let others = scope.spawn(|| plugline_host::stop_all(&direct, STOP));
            (fleet.manager.stop_all(STOP), others.join().unwrap_or_default())
        });
        let took = Moment::now().since(begun);
        if took > STOP + STOP_GRACE {
            self.run.faults.found(
                Kind::Stop,
                ALL,
                format!("all were to stop within {STOP:?}, and it took {took:.1?}"),
            );
        }
        let of_managed =
            managed.iter().flat_map(|(name, stopped)| stopped.iter().map(move |how| (&**name, how)));
        let of_others = supervised.iter().flatten().map(|how| ("one of its own", how));
        for (name, how) in of_managed.chain(of_others) {
            if how.exit.is_none() {
                self.run.faults.found(Kind::Stop, name, format!("it was not ended: {how:?}"));
            }
        }
        took
    }

    /// Of each plugin what stands there serves, or it was told why not.
    fn look_whether_taken_over(&self, desk: &Desk) {
        let deadline = Moment::now().after(TAKES_OVER);
        let mut left: Vec<&fleet::Member> = desk.fleet.members.iter().collect();
        let mut last = BTreeMap::new();
        while !left.is_empty() && Moment::now() < deadline {
            left.retain(|member| {
                let standing = member.standing();
                let Some((version, since)) = standing.last.filter(|_| standing.is_whole) else {
                    return false;
                };
                if member.kind.place == Place::Store || member.if_serving().is_none() {
                    return false;
                }
                let told = self.run.journal.of(member.name(), since, Moment::END);
                if told.iter().any(|entry| matches!(entry.what, What::NotTakenOver)) {
                    return false;
                }
                let serves = calls::who_serves(desk, member);
                let is_right = serves.as_ref() == Some(&version);
                last.insert(member.name().to_owned(), (version, serves));
                !is_right
            });
            sleep(LOOK);
        }
        for member in left {
            let (wanted, serves): (String, Option<String>) = last.remove(member.name()).unwrap_or_default();
            let what = format!("version {wanted} stands there, and after {TAKES_OVER:?} {serves:?} serves");
            self.run.faults.found(Kind::Swap, member.name(), what);
        }
    }

    /// Waits until nothing is left of what has ended, and tells of what is; the memory that is held then, in KiB, and what
    /// else.
    fn look_what_is_left(&self) -> Result<(u64, Holdings), Box<dyn Error>> {
        let (run, directory) = (self.run, &self.run.layout.directory);
        if !settle(run.rest()) {
            run.faults.found(
                Kind::Process,
                ALL,
                format!("plugins are still being stopped after {:?}", run.rest()),
            );
        }
        let deadline = Moment::now().after(run.rest());
        loop {
            let beyond =
                run.baseline().map(|before| Ok::<_, std::io::Error>(Holdings::now()?.beyond(&before)));
            let beyond = beyond.transpose()?.unwrap_or_default();
            let processes = census::processes(directory);
            if beyond.is_empty() && processes.is_empty() && run.is_at_rest()? {
                break;
            }
            if Moment::now() >= deadline {
                let tell = |kind, what: Vec<String>| {
                    what.into_iter().for_each(|what| run.faults.found(kind, ALL, what))
                };
                tell(Kind::Descriptor, beyond.descriptors);
                tell(Kind::Thread, beyond.threads);
                tell(Kind::Process, beyond.processes);
                tell(
                    Kind::Process,
                    processes.into_iter().map(|(pid, what)| format!("process {pid}: {what}")).collect(),
                );
                break;
            }
            sleep(LOOK);
        }
        for file in census::files(&run.layout.temporary()) {
            run.faults.found(Kind::File, ALL, format!("{} is left", file.display()));
        }
        Ok((census::resident()?, Holdings::now()?))
    }
}
