//! Plugins of the driver: how they are launched, what they tell, how they are stopped.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::Receiver;
use plugline_host::{
    Call, Decision, Error, Event, EventKind, Exit, Launch, ManifestSource, Plugin, Rung, Supervision,
    Timeouts, WireError, callback_error, settle,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::answers::{Answers, failure};
use crate::handle::Handle;
use crate::{Board, refused};

/// Longer than any ladder of a case.
const AT_MOST: Duration = Duration::from_secs(60);

/// A plugin that was launched. Whoever is here without the handle has dropped it.
pub(crate) struct Held {
    plugin: Mutex<Option<Handle>>,
    stopped: Mutex<bool>,
    /// Calls that have not ended, those that wait to be sent included.
    pub(crate) open: AtomicUsize,
    pub(crate) gate: Arc<Gate>,
}

/// While it is shut, the host's user takes no event and handles no notification.
#[derive(Default)]
pub(crate) struct Gate {
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(crate) fn shut(&self) {
        *self.shut.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    pub(crate) fn open(&self) {
        *self.shut.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.opened.wait_while(shut, |shut| *shut).unwrap_or_else(PoisonError::into_inner));
    }
}

impl Held {
    pub(crate) fn handle(&self) -> Result<Handle, Value> {
        let plugin = self.plugin.lock().unwrap_or_else(PoisonError::into_inner);
        plugin.clone().ok_or_else(|| refused("closed", "the handle was dropped"))
    }

    pub(crate) fn drop_handle(&self) {
        self.plugin.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(crate) fn state(&self) -> Result<Value, Value> {
        let plugin = self.handle()?;
        let stopped = *self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let in_flight = plugin.in_flight();
        let (name, capabilities) = plugin.hello();
        Ok(json!({
            "state": if stopped { "stopped" } else { "running" },
            "pid": plugin.pid(),
            "in_flight": in_flight,
            "queued": self.open.load(Ordering::Acquire).saturating_sub(in_flight),
            "plugin": name,
            "capabilities": capabilities,
        }))
    }
}

#[derive(Deserialize, Serialize)]
struct Echo {
    value: Value,
}

#[derive(Deserialize)]
struct Fail {
    code: i64,
    message: String,
    #[serde(default)]
    data: Option<Value>,
}

#[derive(Deserialize)]
struct Forward {
    method: String,
    params: Value,
}

#[derive(Deserialize)]
struct Empty {}

#[derive(Deserialize)]
struct Note {
    text: String,
}

/// The callbacks of the contract `conf_host` that the command asks for.
fn callbacks(mut launch: Launch, wanted: &[Value], gate: &Arc<Gate>) -> Launch {
    let notes = Arc::new(Mutex::new(Vec::new()));
    for method in wanted.iter().filter_map(Value::as_str) {
        launch = match method {
            "conf_host.echo" => launch.callback(method, |Echo { value }, _: &Call| Ok::<_, WireError>(value)),
            "conf_host.fail" => launch.callback(method, |fail: Fail, _: &Call| {
                Err::<Value, _>(callback_error(fail.code, fail.message, fail.data))
            }),
            "conf_host.call" => {
                launch.callback(method, |to: Forward, call: &Call| call.call::<Value>(&to.method, &to.params))
            }
            "conf_host.panic" => launch.callback(method, |_: Empty, _: &Call| -> Result<Value, WireError> {
                panic!("as the runner wanted")
            }),
            "conf_host.note" => {
                let (notes, gate) = (Arc::clone(&notes), Arc::clone(gate));
                launch.on_notification(method, move |Note { text }| {
                    gate.pass();
                    notes.lock().unwrap_or_else(PoisonError::into_inner).push(text);
                })
            }
            "conf_host.notes" => {
                let notes = Arc::clone(&notes);
                launch.callback(method, move |_: Empty, _: &Call| {
                    Ok::<_, WireError>(notes.lock().unwrap_or_else(PoisonError::into_inner).clone())
                })
            }
            _ => launch,
        };
    }
    launch
}

fn prepare(command: &Value, gate: &Arc<Gate>) -> Result<Launch, Value> {
    let words = command["argv"].as_array().cloned().unwrap_or_default();
    let mut words = words.iter().filter_map(Value::as_str);
    let program = words.next().ok_or_else(|| refused("invalid_request", "argv is empty"))?;
    let mut launch = Plugin::command(program).args(words);
    for (name, value) in command["env"].as_object().unwrap_or(&Map::new()) {
        launch = launch.env(name, value.as_str().unwrap_or_default());
    }
    if let Some(config) = command.get("config") {
        launch = launch.config(config.clone());
    }
    if let Some(limits) = command.get("limits") {
        let limits = serde_json::from_value(limits.clone());
        launch = launch.limits(limits.map_err(|fault| refused("invalid_request", &fault.to_string()))?);
    }
    if command["strict"] == true {
        launch = launch.strict();
    }
    if command["guard"] == true {
        launch = launch.guarded();
    }
    let timeouts = &command["timeouts"];
    let usual = Timeouts::default();
    let time = |name: &str| timeouts[name].as_u64().map(Duration::from_millis);
    launch = launch.timeouts(Timeouts {
        start: if timeouts.get("start_ms").is_some() { time("start_ms") } else { usual.start },
        grace: time("grace_ms").unwrap_or(usual.grace),
        exit: time("exit_ms").unwrap_or(usual.exit),
        term: time("term_ms").unwrap_or(usual.term),
        unanswered: time("unhealthy_ms").unwrap_or(usual.unanswered),
        ..usual
    });
    Ok(callbacks(launch, command["callbacks"].as_array().map_or(&[], Vec::as_slice), gate))
}

pub(crate) fn launch(board: &Arc<Board>, answers: &Arc<Answers>, seq: u64, command: Value) {
    static LAUNCHED: AtomicU64 = AtomicU64::new(0);
    let (board, answers) = (Arc::clone(board), Arc::clone(answers));
    std::thread::spawn(move || {
        let gate = Arc::new(Gate::default());
        let started = match prepare(&command, &gate) {
            Ok(launch) if command["restart"] == true => supervise(launch).map_err(|error| failure(&error)),
            Ok(launch) => start(launch).map_err(|error| failure(&error)),
            Err(fault) => Err(fault),
        };
        let (plugin, events) = match started {
            Ok(started) => started,
            Err(fault) => return answers.err(seq, fault),
        };
        let name = format!("p{}", LAUNCHED.fetch_add(1, Ordering::AcqRel) + 1);
        let (pid, supervised) = (plugin.pid(), matches!(plugin, Handle::Supervised(_)));
        let held = Held {
            plugin: Mutex::new(Some(plugin)),
            stopped: Mutex::default(),
            open: AtomicUsize::new(0),
            gate: Arc::clone(&gate),
        };
        board.plugins().insert(name.clone(), Arc::new(held));
        answers.ok(seq, json!({"plugin": name, "pid": pid}));
        for event in events {
            gate.pass();
            // The last event of one that is not started again is the exit.
            let over = matches!(event.kind, EventKind::Exited { wanted, .. } if wanted || !supervised);
            if let Some(told) = tell(&name, event.kind) {
                answers.say(&told);
            }
            if over {
                break;
            }
        }
    });
}

fn start(launch: Launch) -> Result<(Handle, Receiver<Event>), Error> {
    let plugin = launch.start()?;
    let events = plugin.events();
    Ok((Handle::Plain(plugin), events))
}

/// Has it kept alive. The runner plays the plugin line by line, and is not asked for a manifest that no case has.
fn supervise(launch: Launch) -> Result<(Handle, Receiver<Event>), Error> {
    let plugin = launch.supervise(Supervision { manifest: ManifestSource::Told, ..Supervision::default() });
    let events = plugin.events();
    plugin.start()?;
    Ok((Handle::Supervised(plugin), events))
}

fn tell(plugin: &str, event: EventKind) -> Option<Value> {
    Some(match event {
        EventKind::Log(log) => json!({
            "event": "log", "plugin": plugin, "source": "plugin", "level": log.level, "message": log.message,
            "target": log.target, "fields": log.fields,
        }),
        EventKind::Ignored(what) => {
            json!({"event": "log", "plugin": plugin, "source": "host", "level": "warn", "message": what})
        }
        EventKind::Stray { text, held_back } => {
            json!({"event": "stray", "plugin": plugin, "text": text, "held_back": held_back})
        }
        EventKind::Supervision(Decision::Restarted { pid, attempt }) => {
            json!({"event": "restarted", "plugin": plugin, "pid": pid, "attempt": attempt})
        }
        EventKind::Unhealthy { .. } => json!({"event": "unhealthy", "plugin": plugin}),
        EventKind::Exited { exit: Exit { code, signal }, wanted, stderr_tail } => json!({
            "event": "exited", "plugin": plugin, "code": code, "signal": signal, "wanted": wanted,
            "stderr_tail": stderr_tail,
        }),
        _ => return None,
    })
}

pub(crate) fn notify(answers: &Arc<Answers>, seq: u64, command: &Value, held: &Arc<Held>) {
    let (answers, command, held) = (Arc::clone(answers), command.clone(), Arc::clone(held));
    std::thread::spawn(move || {
        let method = command["method"].as_str().unwrap_or_default();
        let sent = |plugin: Handle| {
            plugin.notify(method, &command["params"]).map_err(|error: Error| failure(&error))
        };
        match held.handle().and_then(sent) {
            Ok(()) => answers.ok(seq, json!({})),
            Err(fault) => answers.err(seq, fault),
        }
    });
}

pub(crate) fn stop(answers: &Arc<Answers>, seq: u64, held: Arc<Held>) {
    let answers = Arc::clone(answers);
    std::thread::spawn(move || match held.handle() {
        Ok(plugin) => {
            let (rung, exit) = plugin.stop();
            *held.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
            let rung = match rung {
                Rung::Gone => "gone",
                Rung::Asked => "asked",
                Rung::Terminated => "terminated",
                Rung::Killed => "killed",
            };
            let (code, signal) = exit.map_or((None, None), |exit| (exit.code, exit.signal));
            answers.ok(seq, json!({"code": code, "signal": signal, "rung": rung}));
        }
        Err(fault) => answers.err(seq, fault),
    });
}

/// The whole ladder for every plugin, at once.
pub(crate) fn stop_all(board: &Board) {
    let plugins: Vec<Arc<Held>> = board.plugins().drain().map(|(_, held)| held).collect();
    for held in &plugins {
        held.gate.open();
    }
    std::thread::scope(|scope| {
        for plugin in plugins.iter().filter_map(|held| held.handle().ok()) {
            scope.spawn(move || plugin.stop());
        }
    });
    settle(AT_MOST);
}
