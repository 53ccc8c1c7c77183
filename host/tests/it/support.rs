//! What all tests use: the faulty plugin, bounded waits, and what is left of a process.

use std::fmt::Debug;
use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use plugline_host::{Error, EventKind, Kind, Launch, Limits, Plugin, Timeouts};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take that is to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How long a test by itself may take; thousands of lives take minutes.
const ALONE: Duration = Duration::from_secs(900);
/// Short enough to wait for what is not to happen.
pub(crate) const SHORT: Duration = Duration::from_millis(150);

/// Long where a well-behaved plugin has to do something, since the machine may be busy.
pub(crate) const TIMEOUTS: Timeouts = Timeouts {
    start: Some(PATIENCE),
    call: Some(PATIENCE),
    grace: Duration::from_secs(10),
    exit: Duration::from_secs(10),
    term: Duration::from_secs(10),
    unanswered: Duration::from_secs(10),
};

/// For a plugin that heeds nothing but SIGKILL.
pub(crate) const HURRIED: Timeouts = Timeouts { grace: SHORT, exit: SHORT, term: SHORT, ..TIMEOUTS };

/// Where a test that runs by itself finds what is known already.
const PYTHON_VARIABLE: &str = "PLUGLINE_TEST_PYTHON";

/// The interpreter itself: on `PATH` there may be a script that looks for it.
pub(crate) fn python() -> &'static str {
    static PYTHON: OnceLock<String> = OnceLock::new();
    PYTHON.get_or_init(|| {
        if let Ok(known) = std::env::var(PYTHON_VARIABLE) {
            return known;
        }
        let found = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
        String::from_utf8(found.expect("python3 is installed").stdout).unwrap().trim().to_owned()
    })
}

pub(crate) fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/faulty.py")
}

/// The processes that a plugin started, itself included. Dropping this waits until all are gone.
#[derive(Debug)]
pub(crate) struct Processes(TempDir);

impl Processes {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join("pids")
    }

    pub(crate) fn ids(&self) -> Vec<u32> {
        let text = std::fs::read_to_string(self.file()).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    pub(crate) fn assert_gone(&self) {
        for id in self.ids() {
            eventually(&format!("process {id} ends"), || is_gone(id));
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_gone();
        }
    }
}

pub(crate) fn pid(id: u32) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
}

/// Reaped, or left to init by a parent that is gone too; never a zombie of this process.
pub(crate) fn is_gone(id: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else { return true };
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let mut fields = after_name.split(' ');
    let state = fields.next();
    let parent = fields.next().and_then(|id| id.parse().ok());
    matches!(state, Some("Z" | "X")) && parent != Some(std::process::id())
}

/// A plugin, and the processes that are to be gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    // Dropped first.
    pub(crate) plugin: Plugin,
    pub(crate) processes: Processes,
}

impl Deref for Running {
    type Target = Plugin;

    fn deref(&self) -> &Plugin {
        &self.plugin
    }
}

pub(crate) fn launch(scenario: &str, hello: &Value) -> (Launch, Processes) {
    let processes = Processes::new();
    let launch = Plugin::command(python())
        .arg("-SB")
        .arg(script())
        .args([scenario.into(), hello.to_string().into(), processes.file().into_os_string()])
        .timeouts(TIMEOUTS);
    (launch, processes)
}

#[track_caller]
pub(crate) fn start(scenario: &str) -> Running {
    start_with(scenario, &json!({}), |launch| launch)
}

#[track_caller]
pub(crate) fn start_with(scenario: &str, hello: &Value, prepare: impl FnOnce(Launch) -> Launch) -> Running {
    let (launch, processes) = launch(scenario, hello);
    let plugin = prepare(launch).start().unwrap_or_else(|error| panic!("{scenario}: {error:?}"));
    Running { plugin, processes }
}

/// What the start of a plugin failed with, its processes gone.
#[track_caller]
pub(crate) fn start_fails(scenario: &str, hello: &Value, prepare: impl FnOnce(Launch) -> Launch) -> Error {
    let (launch, processes) = launch(scenario, hello);
    let error = prepare(launch).start().err().unwrap_or_else(|| panic!("{scenario} {hello} started"));
    processes.assert_gone();
    error
}

pub(crate) fn cancelling() -> Value {
    json!({"capabilities": {"cancel": {}}})
}

pub(crate) fn one_at_a_time() -> Value {
    json!({"limits": {"maxInFlight": 1}})
}

/// The least that a limit for lines may be.
pub(crate) fn small_lines() -> Limits {
    Limits { max_line_bytes: 65_536, ..Limits::default() }
}

#[track_caller]
pub(crate) fn kind<T: Debug>(outcome: Result<T, Error>) -> Kind {
    outcome.unwrap_err().kind()
}

pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Running {
    /// Has the plugin write these bytes in place of an answer.
    pub(crate) fn say<R: DeserializeOwned>(&self, bytes: impl AsRef<[u8]>) -> Result<R, Error> {
        self.call("t.say", &json!({"hex": hex(bytes)}))
    }

    #[track_caller]
    pub(crate) fn assert_alive(&self) {
        self.ping().unwrap();
    }

    /// The messages that the plugin has read.
    pub(crate) fn seen(&self) -> Vec<Value> {
        let facts: Value = self.call("t.facts", &json!({})).unwrap();
        facts["seen"].as_array().unwrap().clone()
    }

    pub(crate) fn saw(&self, method: &str) -> usize {
        self.seen().iter().filter(|message| message["method"] == method).count()
    }

    /// Waits for an event of the kind that `pick` wants.
    #[track_caller]
    pub(crate) fn event<T>(&self, what: &str, pick: impl FnMut(EventKind) -> Option<T>) -> T {
        event(&self.plugin, what, pick)
    }
}

#[track_caller]
pub(crate) fn event<T>(plugin: &Plugin, what: &str, mut pick: impl FnMut(EventKind) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    let events = plugin.events();
    loop {
        match events.recv_deadline(deadline) {
            Ok(event) => {
                if let Some(picked) = pick(event.kind) {
                    return picked;
                }
            }
            Err(_) => panic!("no event: {what}"),
        }
    }
}

#[track_caller]
pub(crate) fn eventually(what: &str, mut probe: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !probe() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs the body of a test in a process of its own, where it can count what belongs to the whole process.
/// `test` is the full name of the test that calls this; `prepare` sees the command before it runs.
#[track_caller]
pub(crate) fn alone(test: &str, prepare: impl FnOnce(Command) -> Command, body: impl FnOnce()) {
    const VARIABLE: &str = "PLUGLINE_TEST_ALONE";
    if std::env::var(VARIABLE).is_ok_and(|name| name == test) {
        return body();
    }
    let mut command = Command::new(python());
    // Through an interpreter that becomes this program, so that it can be given a state to inherit.
    command.args(["-S", "-c", "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"]);
    let mut command = prepare(command);
    command.arg(std::env::current_exe().unwrap()).args([test, "--exact", "--nocapture", "--test-threads=1"]);
    let dir = TempDir::new().unwrap();
    let [out, err] = ["out", "err"].map(|name| dir.path().join(name));
    command.env(VARIABLE, test).env(PYTHON_VARIABLE, python());
    command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
    let mut child = command.spawn().unwrap();
    let deadline = Instant::now() + ALONE;
    let passed = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status.success(),
            None if Instant::now() > deadline => {
                child.kill().and_then(|()| child.wait()).unwrap();
                break false;
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let [out, err] = [out, err].map(|file| std::fs::read(file).unwrap());
    let (out, err) = (String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
    assert!(passed && out.contains("1 passed"), "{test} by itself:\n{out}\n{err}");
    // What it measured.
    eprint!("{err}");
}

/// What `/proc/self/status` says under that name.
pub(crate) fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
