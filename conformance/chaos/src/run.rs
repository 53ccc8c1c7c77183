//! A run: a round in which nothing is done to the plugins, to see what the host has by itself, and then the others.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{Builder, sleep};
use std::time::Duration;

use crossbeam_channel::Sender;

use crate::agent::Act;
use crate::breakage;
use crate::calls::Desk;
use crate::census::Holdings;
use crate::clock::Moment;
use crate::coroner::Coroner;
use crate::explain::Failure;
use crate::faults::{Faults, Kind};
use crate::fleet::{self, Fleet, Layout, Make};
use crate::journal::{ALL, Journal, What};
use crate::ledger::{GRACE, Ledger};
use crate::listener;
use crate::marks::Marks;
use crate::options::{Options, rounds};
use crate::recovery::Recovery;
use crate::report::{Asked, Machine, Report, RoundReport, Sample, Span, Times};
use crate::round::{End, Lived, Round};

/// So long nothing is done to the plugins first.
const WARM_UP: Duration = Duration::from_secs(4);
/// What is allocated between rounds may be more in the end than in the beginning by so much; KiB.
const MORE_AT_REST: u64 = 2 * 1024;
/// What is allocated within the last quarter of a long round may be more than within the second by so much: what waits to
/// be read or written, and events, are bounded by more. KiB.
const MORE_AT_WORK: u64 = 16 * 1024;
const LOOK: Duration = Duration::from_millis(250);
/// Somebody who sleeps for a moment and wakes so much later did not sleep.
const STILL: Duration = Duration::from_secs(2);
/// The threads of the host that start once and stay.
const LIFELONG: [&str; 3] = ["plugline-spawne", "plugline-timer", "plugline-watch"];
/// A progress line that nobody watches is written so often.
const PROGRESS: u64 = 30;

/// What all rounds share.
pub struct Run {
    /// What was asked for.
    pub options: Options,
    /// What chance begins with.
    pub seed: u64,
    /// What was found.
    pub faults: Arc<Faults>,
    /// What happened.
    pub journal: Arc<Journal>,
    /// All calls.
    pub ledger: Arc<Ledger>,
    /// Those that leave marks.
    pub marks: Arc<Marks>,
    /// How long plugins were away.
    pub recovery: Arc<Recovery>,
    /// Where the plugins are.
    pub layout: Arc<Layout>,
    /// What they are.
    pub kinds: Vec<fleet::Kind>,
    failures: Mutex<Option<Sender<Failure>>>,
    heap_kib: fn() -> u64,
    baseline: OnceLock<Holdings>,
    begun: Moment,
}

impl Run {
    /// What the callers of a round share.
    pub(crate) fn desk(&self, fleet: Arc<Fleet>) -> Desk {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Desk {
            fleet,
            ledger: Arc::clone(&self.ledger),
            marks: Arc::clone(&self.marks),
            faults: Arc::clone(&self.faults),
            recovery: Arc::clone(&self.recovery),
            // There is one until the run is over.
            failures: failures.unwrap_or_else(|| Coroner::intake().0),
            over: AtomicBool::new(false),
        }
    }

    /// A failure that no caller has seen.
    pub(crate) fn bring(&self, failure: Failure) {
        if let Some(failures) = &*self.failures.lock().unwrap_or_else(PoisonError::into_inner) {
            // Whoever takes them is there until the run is over.
            let _taken = failures.send(failure);
        }
    }

    /// What the host has by itself, once that is known.
    pub(crate) fn baseline(&self) -> Option<Holdings> {
        self.baseline.get().cloned()
    }

    /// By then nothing is left of what has ended.
    pub(crate) fn rest(&self) -> Duration {
        Duration::from_secs(self.options.wait)
    }

    /// How much is allocated; KiB.
    pub(crate) fn heap_kib(&self) -> u64 {
        (self.heap_kib)()
    }

    /// Whether the host's threads are those that stay.
    pub(crate) fn is_at_rest(&self) -> std::io::Result<bool> {
        let threads = Holdings::now()?.threads;
        let mut own =
            threads.keys().filter(|name| name.starts_with("plugline-") && *name != "plugline-chaos");
        Ok(own.all(|name| LIFELONG.contains(&&**name)))
    }

    /// Shows how far it is.
    pub(crate) fn progress(&self, sample: &Sample) {
        let mut out = std::io::stderr();
        let (calls, open) = self.ledger.counts();
        let all = Moment::now().since(self.begun).as_secs();
        let line = format!(
            "{all:6} s  round {:2}  {calls} calls, {open} open  {} processes  {} MiB  {} descriptors  {} threads  {} faults",
            sample.round,
            sample.processes,
            sample.resident_kib / 1024,
            sample.descriptors,
            sample.threads,
            self.faults.count(),
        );
        if out.is_terminal() {
            // Nobody reads it, if it cannot be written.
            let _shown = write!(out, "\r\x1b[K{line}");
        } else if all.is_multiple_of(PROGRESS) {
            eprintln!("{line}");
        }
    }
}

/// The program over the Rust SDK stands beside this one.
fn program() -> Result<PathBuf, Box<dyn Error>> {
    let program = std::env::current_exe()?.with_file_name("chaos-plugin");
    if program.exists() {
        Ok(program)
    } else {
        Err(format!("{} is not there: cargo build --package plugline-chaos makes it", program.display())
            .into())
    }
}

/// The interpreter, which has to have the SDK.
fn python(python: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let path = if python.components().count() > 1 { std::path::absolute(python)? } else { python.to_owned() };
    let has = std::process::Command::new(&path).args(["-c", "import plugline"]).output();
    match has {
        Ok(output) if output.status.success() => Ok(path),
        Ok(_) => {
            Err(format!("{} has no plugline: {} -m pip install ./sdk-python", path.display(), path.display())
                .into())
        }
        Err(fault) => {
            Err(format!("{}: {fault}; --python says which Python has the SDK", path.display()).into())
        }
    }
}

/// Runs, and says what came of it. `heap_kib` is how much is allocated; KiB.
///
/// # Errors
/// Where it could not be run. What was found is in the report.
pub fn run(options: Options, heap_kib: fn() -> u64) -> Result<Report, Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().canonicalize()?;
    let kinds = fleet::kinds(options.plugins.max(1));
    let python = if kinds.iter().any(|kind| kind.make == Make::Sdk) {
        python(&options.python)?
    } else {
        PathBuf::new()
    };
    let layout = Arc::new(Layout::new(&path, &program()?, &python)?);
    let seed = options.seed.unwrap_or_else(|| {
        use std::hash::{BuildHasher, Hasher};
        std::collections::hash_map::RandomState::new().build_hasher().finish() >> 16
    });
    let journal = Arc::new(Journal::default());
    let faults = Arc::new(Faults::new(seed, Arc::clone(&journal)));
    let coroner = Coroner::new(Arc::clone(&faults), Arc::clone(&journal), Duration::from_secs(options.wait));
    let (failures, brought) = Coroner::intake();
    let run = Run {
        seed,
        ledger: Arc::new(Ledger::new(Arc::clone(&faults), GRACE)),
        marks: Arc::new(Marks::new(Arc::clone(&faults))),
        recovery: Arc::default(),
        kinds,
        failures: Mutex::new(Some(failures)),
        baseline: OnceLock::new(),
        heap_kib,
        begun: Moment::now(),
        options,
        faults,
        journal,
        layout,
    };
    eprintln!(
        "seed {seed}, {} plugins, {} callers, in {}",
        run.kinds.len(),
        run.options.callers,
        path.display()
    );
    let over = AtomicBool::new(false);
    let lived = std::thread::scope(|scope| {
        let aside = |name: &str| Builder::new().name(name.to_owned());
        aside("chaos-coroner").spawn_scoped(scope, || coroner.work(&brought))?;
        aside("chaos-confess").spawn_scoped(scope, || {
            if let Err(fault) = listener::of_confessions(&path, &run.journal, &over) {
                run.faults.found(Kind::Panic, ALL, format!("confessions cannot be read: {fault}"));
            }
        })?;
        aside("chaos-look").spawn_scoped(scope, || {
            let mut looked = Moment::now();
            while !over.load(Ordering::Relaxed) {
                sleep(LOOK);
                let now = Moment::now();
                let still = now.since(looked).saturating_sub(LOOK);
                looked = now;
                if still > STILL {
                    // It was paused, or the machine was: no deadline can be kept then.
                    run.journal.note(ALL, What::StoodStill);
                    run.ledger.stood_still(still);
                    run.recovery.forget();
                }
                run.ledger.look();
            }
        })?;
        let lived = all(&run);
        // Nobody brings any more; then the coroner ends, and with it all else that explains.
        run.failures.lock().unwrap_or_else(PoisonError::into_inner).take();
        over.store(true, Ordering::Relaxed);
        lived
    })?;
    Ok(report(&run, &coroner, &lived))
}

/// All rounds.
fn all(run: &Run) -> Result<Vec<Lived>, Box<dyn Error>> {
    let mut lived: Vec<Lived> = Vec::new();
    let minutes = Duration::try_from_secs_f64(run.options.minutes * 60.0)?;
    let lengths = rounds(minutes);
    let warm_up = (WARM_UP, End::Calm, false);
    let ends = [End::Calm, End::Abrupt].into_iter().cycle();
    let rounds = lengths.iter().zip(ends).map(|(length, end)| (*length, end, true));
    let last = lengths.len() as u64;
    let mut left = breakage::Left::default();
    for (number, (length, end, chaos)) in (0..).zip(std::iter::once(warm_up).chain(rounds)) {
        if number == last {
            left = breakage::commit(&run.options.breaks, run)?;
        }
        let none = BTreeMap::new();
        let versions = lived.last().map_or(&none, |lived| &lived.versions);
        let round = Round { run, number, length, end, chaos, versions };
        lived.push(round.live()?);
        if !chaos {
            run.baseline
                .get_or_init(|| Holdings::now().unwrap_or_else(|_| unreachable!("it was read a moment ago")));
        }
    }
    drop(left);
    Ok(lived)
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

fn report(run: &Run, coroner: &Coroner, lived: &[Lived]) -> Report {
    let rounds: Vec<RoundReport> = lived.iter().map(|lived| lived.report.clone()).collect();
    // What the first round with chaos makes the allocator keep is what there is to compare with, if there was more than one.
    let first = rounds.get(usize::from(rounds.len() > 2)).map_or(0, |round| round.heap_kib);
    let last = rounds.last().map_or(0, |round| round.heap_kib);
    if last > first + MORE_AT_REST {
        let what = format!("{first} KiB were allocated after the first round, and {last} KiB after the last");
        run.faults.found(Kind::Memory, ALL, what);
    }
    let longest = lived.iter().max_by(|one, other| one.report.seconds.total_cmp(&other.report.seconds));
    let of_longest: Vec<u64> =
        longest.iter().flat_map(|lived| &lived.samples).map(|sample| sample.heap_kib).collect();
    let quarter = of_longest.len() / 4;
    let second = median(of_longest.iter().skip(quarter).take(quarter).copied().collect());
    let fourth = median(of_longest.iter().skip(3 * quarter).copied().collect());
    // In less it is still growing to what it needs.
    if quarter >= 30 && fourth > second + MORE_AT_WORK {
        let what = format!(
            "{second} KiB were allocated in the second quarter of a long round, and {fourth} KiB in the last"
        );
        run.faults.found(Kind::Memory, ALL, what);
    }
    let samples = || lived.iter().flat_map(|lived| &lived.samples);
    let peak = |of: fn(&Sample) -> usize| samples().map(of).max().unwrap_or(0) as u64;
    let span = |of: fn(&RoundReport) -> u64, of_sample: fn(&Sample) -> usize| Span {
        start: rounds.first().map_or(0, of),
        peak: peak(of_sample),
        end: rounds.last().map_or(0, of),
    };
    let (calls, outcomes, latest) = run.ledger.sums();
    let (heard, events_dropped) = run.journal.told();
    let Options { minutes, plugins, callers, pace, chaos, .. } = &run.options;
    let (faults, fault_count) = run.faults.all();
    Report {
        asked: Asked {
            minutes: *minutes,
            seed: run.seed,
            plugins: *plugins,
            callers: *callers,
            chaos: chaos.iter().map(Act::to_string).collect(),
            pace: *pace,
        },
        machine: Machine::here(),
        seconds: Moment::now().since(run.begun).as_secs_f64(),
        calls,
        outcomes,
        causes: coroner.causes(),
        latest: latest.as_secs_f64(),
        grace: GRACE.as_secs_f64(),
        events: run.journal.counts(),
        heard,
        events_dropped,
        recovery: Times::of(&run.recovery.times()),
        resident_kib: Span {
            start: rounds.first().map_or(0, |round| round.resident_kib),
            peak: samples().map(|sample| sample.resident_kib).max().unwrap_or(0),
            end: rounds.last().map_or(0, |round| round.resident_kib),
        },
        heap_kib: Span {
            start: first,
            peak: samples().map(|sample| sample.heap_kib).max().unwrap_or(0),
            end: last,
        },
        heap_of_longest_kib: (second, fourth),
        descriptors: span(|round| round.descriptors, |sample| sample.descriptors),
        threads: span(|round| round.threads, |sample| sample.threads),
        processes: span(|round| round.processes, |sample| sample.processes),
        rounds,
        faults,
        fault_count,
    }
}
