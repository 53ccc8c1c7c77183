//! Everything at once, for a while: calls of all kinds from many threads and tasks, with real processes, on one core
//! and on two, calm, stopped and killed.
//!
//! `PLUGLINE_STRESS_SECONDS` says for how long (each, 1 by default), `PLUGLINE_SEED` repeats the choices of a run
//! that failed.

mod calls;
mod idle;
mod open;
mod random;
mod tasks;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use plugline_host::{Call, CallError, Launch, Plugin};
use rustix::process::{Signal, kill_process};
use serde::Deserialize;
use serde_json::{Value, json};

use self::calls::Shared;
use self::random::Random;
use crate::leaks::Holdings;
use crate::support::{TIMEOUTS, alone, eventually, pid, python};

const THREADS: u64 = 64;
/// Threads with tasks on them, and how many tasks at once.
const EXECUTORS: u64 = 2;
const TASKS: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing happens to the plugin.
    Calm,
    /// It is stopped for moments.
    Stopped,
    /// It is killed, and another is started.
    Killed,
}

#[derive(Deserialize)]
struct Nest {
    depth: u32,
    n: u64,
}

/// A plugin that is told what to do by those who call it.
fn launch(heard: &Arc<AtomicU64>) -> Launch {
    let this = std::env::current_exe().unwrap();
    let program = this.ancestors().nth(2).unwrap().join("examples/stressed");
    assert!(program.exists(), "{} is not there: cargo build --examples makes it", program.display());
    let heard = Arc::clone(heard);
    Plugin::command(program)
        .timeouts(TIMEOUTS)
        .callback("host.nest", |Nest { depth, n }, call: &Call| match depth.checked_sub(1) {
            None => Ok::<_, CallError>(n),
            Some(depth) => call.call("stress.nest", &json!({"depth": depth, "n": n + 1})),
        })
        .on_notification("host.note", move |note: Value| {
            heard.fetch_add(note["n"].as_u64().unwrap(), Ordering::Relaxed);
        })
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// A host that may run on these cores.
fn on_cores(cores: &str) -> Command {
    let mut host = Command::new(python());
    let python =
        format!("import os, sys; os.sched_setaffinity(0, {cores}); os.execv(sys.argv[1], sys.argv[1:])");
    host.args(["-S", "-c", &python]);
    host
}

/// What happens to the plugin meanwhile.
fn befall(
    fate: Fate,
    shared: &Shared,
    current: &Mutex<Arc<Plugin>>,
    heard: &Arc<AtomicU64>,
    random: &mut Random,
) {
    let end = Instant::now() + Duration::from_secs(variable("PLUGLINE_STRESS_SECONDS").unwrap_or(1));
    while Instant::now() < end {
        let left = end.saturating_duration_since(Instant::now());
        std::thread::sleep(Duration::from_micros(random.skewed(300_000)).min(left));
        let plugin = Arc::clone(&current.lock().unwrap());
        match fate {
            Fate::Calm => {}
            Fate::Stopped => {
                kill_process(pid(plugin.id()), Signal::STOP).unwrap();
                std::thread::sleep(Duration::from_micros(random.skewed(200_000)));
                kill_process(pid(plugin.id()), Signal::CONT).unwrap();
            }
            Fate::Killed => {
                kill_process(pid(plugin.id()), Signal::KILL).unwrap();
                *current.lock().unwrap() = Arc::new(launch(heard).start().unwrap());
            }
        }
    }
    shared.open.stop();
}

fn stress(fate: Fate) {
    let seed = variable("PLUGLINE_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        u64::from(now.subsec_nanos())
    });
    eprintln!("PLUGLINE_SEED={seed}");
    let heard = Arc::default();
    // The threads that live as long as the process start with the first.
    tasks::run(&Shared::default(), &launch(&heard).start().unwrap(), &mut Random::new(seed, 0), 100);
    let before = Holdings::at_rest();

    let shared = Shared { killed: fate == Fate::Killed, ..Shared::default() };
    let current = Mutex::new(Arc::new(launch(&heard).start().unwrap()));
    let work = |number: u64| {
        let mut random = Random::new(seed, number);
        // What one finds wrong is told at the end, and keeps no other from going on.
        catch_unwind(AssertUnwindSafe(|| {
            while !shared.open.is_over() {
                let plugin = Arc::clone(&current.lock().unwrap());
                if number <= THREADS {
                    calls::any(&shared, &plugin, &mut random);
                } else {
                    tasks::run(&shared, &plugin, &mut random, TASKS);
                }
            }
        }))
    };
    std::thread::scope(|scope| {
        scope.spawn(|| shared.open.watch(seed));
        let work = &work;
        let workers: Vec<_> =
            (1..=THREADS + EXECUTORS).map(|number| scope.spawn(move || work(number))).collect();
        befall(fate, &shared, &current, &heard, &mut Random::new(seed, 0));
        let failed = workers.into_iter().map(|worker| worker.join().unwrap()).filter(Result::is_err).count();
        assert_eq!(failed, 0, "threads that saw what must not be");
    });

    let plugin = current.into_inner().unwrap();
    eventually("no call is in flight", || plugin.in_flight() == 0);
    if fate != Fate::Killed {
        let noted = shared.noted.load(Ordering::Relaxed);
        eventually("all notes are noted", || plugin.call::<u64>("stress.noted", &()).unwrap() == noted);
        let chattered = shared.chattered.load(Ordering::Relaxed);
        eventually("all notes are heard", || heard.load(Ordering::Relaxed) == chattered);
    }
    plugin.ping().unwrap();
    drop(plugin);
    eprintln!("{fate:?}: {:#?}", shared.open.ended());
    assert_eq!(Holdings::at_rest(), before);
}

macro_rules! scenarios {
    ($($name:ident: $fate:ident on $cores:literal;)*) => {
        $(#[test]
        fn $name() {
            let name = concat!("stress::", stringify!($name));
            alone(name, |_| on_cores($cores), || stress(Fate::$fate));
        })*
    };
}

scenarios! {
    calm_on_one_core: Calm on "{0}";
    calm_on_all_cores: Calm on "os.sched_getaffinity(0)";
    stopped_on_one_core: Stopped on "{0}";
    stopped_on_all_cores: Stopped on "os.sched_getaffinity(0)";
    killed_on_one_core: Killed on "{0}";
    killed_on_all_cores: Killed on "os.sched_getaffinity(0)";
}
