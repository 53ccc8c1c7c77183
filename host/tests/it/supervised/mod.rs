//! Plugins that are kept alive, with real processes: `examples/mortal` does what it is told.

mod attach;
mod idle;
mod pool;
mod restart;
mod start;
mod stop;
mod swap;

#[path = "../../../examples/mortal/contract.rs"]
mod contract;

use std::future::Future;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use plugline_host::{
    Backoff, Breaker, Decision, EventKind, Jitter, Launch, PlaceState, Plugin, Supervised, Supervision,
    Timeouts,
};
use plugline_sdk::CallFailed;
use tempfile::TempDir;

use self::contract::{MortalHost, MortalHostContract};
use crate::support::{PATIENCE, TIMEOUTS, eventually, is_gone};

/// Where a test's plugins leave their traces. Dropping it sees all their processes gone.
struct Traces(TempDir);

impl Traces {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn touch(&self, name: &str) {
        std::fs::write(self.file(name), "").unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.file(name)).unwrap();
    }

    /// The ids of all processes that were ever started.
    fn pids(&self) -> Vec<u32> {
        self.numbers("pids")
    }

    fn numbers<N: std::str::FromStr>(&self, name: &str) -> Vec<N> {
        let text = std::fs::read_to_string(self.file(name)).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    fn launch(&self) -> Launch {
        Plugin::command(mortal())
            .env("MORTAL_PIDS", self.file("pids"))
            .timeouts(TIMEOUTS)
            .serve_callbacks(MortalHostContract, Counting::default())
    }

    fn supervise(&self, settings: Supervision) -> Supervised {
        self.launch().supervise(settings)
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            for pid in self.pids() {
                eventually(&format!("process {pid} ends"), || is_gone(pid));
            }
        }
    }
}

fn mortal() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let program = this.ancestors().nth(2).unwrap().join("examples/mortal");
    assert!(program.exists(), "{} is not there: cargo build --examples makes it", program.display());
    program
}

/// Serves the plugin, and can be made to take its time.
#[derive(Clone, Default)]
struct Counting(Arc<(Mutex<Gate>, Condvar)>);

#[derive(Default)]
struct Gate {
    shut: bool,
    inside: usize,
}

impl Counting {
    fn shut(&self) {
        self.0.0.lock().unwrap().shut = true;
    }

    fn open(&self) {
        self.0.0.lock().unwrap().shut = false;
        self.0.1.notify_all();
    }

    fn inside(&self) -> usize {
        self.0.0.lock().unwrap().inside
    }
}

impl MortalHost for Counting {
    fn seen(&self, n: u64) -> Result<u64, CallFailed> {
        let mut gate = self.0.0.lock().unwrap();
        gate.inside += 1;
        gate = self.0.1.wait_while(gate, |gate| gate.shut).unwrap();
        gate.inside -= 1;
        Ok(n)
    }
}

/// Starts again at once, however often.
fn eager() -> Supervision {
    Supervision {
        backoff: Backoff { first: Duration::from_millis(1), jitter: Jitter::none(), ..Backoff::default() },
        breaker: Breaker { failures: usize::MAX, ..Breaker::default() },
        ..Supervision::default()
    }
}

fn pool(instances: usize) -> Supervision {
    Supervision { instances: NonZeroUsize::new(instances).unwrap(), ..eager() }
}

/// How the plugin is stopped where a test has no time for one that heeds nothing.
fn hurried() -> Timeouts {
    crate::support::HURRIED
}

/// Waits for a decision that `pick` wants; all events before it are gone then.
#[track_caller]
fn decision<T>(plugin: &Supervised, what: &str, mut pick: impl FnMut(&Decision) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    let events = plugin.events();
    let mut told = Vec::new();
    loop {
        match events.recv_deadline(deadline).map(|event| event.kind) {
            Ok(EventKind::Supervision(decision)) => match pick(&decision) {
                Some(picked) => return picked,
                None => told.push(decision),
            },
            Ok(_) => {}
            Err(_) => panic!("not decided: {what}; decided was {told:?}"),
        }
    }
}

fn running(plugin: &Supervised) -> Vec<u32> {
    let pid = |place: PlaceState| match place {
        PlaceState::Running { pid, .. } => Some(pid),
        _ => None,
    };
    plugin.places().into_iter().filter_map(pid).collect()
}

fn kill(pid: u32) {
    signal(pid, rustix::process::Signal::KILL);
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    rustix::process::kill_process(crate::support::pid(pid), signal).unwrap();
    if signal == rustix::process::Signal::STOP {
        // On another core it runs on for a moment, long enough to answer.
        eventually("it is stopped", || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            stat.map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')))
        });
    }
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// As a user sees it who follows the guide.
#[test]
fn the_example_shows_a_whole_life() {
    let output = std::process::Command::new(mortal().with_file_name("kept_alive"))
        .arg(mortal())
        .arg("mortal.name")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "nothing runs yet: [Idle]",
        "killed, and started again",
        "replaced by mortal 1.0.0",
        "Restarted {",
        "Swapped {",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

/// Descriptors, threads and children are what they were before.
#[test]
fn nothing_is_left_of_any_life() {
    crate::support::alone(
        "supervised::nothing_is_left_of_any_life",
        |host| host,
        || {
            let live = || {
                let traces = Traces::new();
                let launch = traces.launch().env("MORTAL_INSTANCES", "many");
                let plugin = launch.clone().supervise(Supervision { idle: Some(PATIENCE), ..pool(2) });
                plugin.start().unwrap();
                eventually("both are there", || running(&plugin).len() == 2);
                kill(running(&plugin)[0]);
                eventually("another is", || running(&plugin).len() == 2 && traces.pids().len() == 3);
                plugin.swap(launch.clone()).unwrap();
                let dropped = launch.supervise(eager());
                dropped.start().unwrap();
                plugin.stop();
            };
            live();
            let before = crate::leaks::Holdings::at_rest();
            for _ in 0..5 {
                live();
            }
            assert_eq!(crate::leaks::Holdings::at_rest(), before);
        },
    );
}
