//! One instance of a plugin: a process, a connection, and what holds them together.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use plugline_protocol::contract::{Document, Mismatch, Resolved, Validators, Wanted};
use plugline_protocol::lifecycle::{InitializeParams, InitializeResult, methods};
use plugline_protocol::peer::{CallError, CloseReason, Connection, HandshakeError, Setup};
use plugline_protocol::wire::escape;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::call::{CallOptions, RunningCall};
use crate::error::{Error, Evidence, is_loss};
use crate::event::{Event, EventKind, Events};
use crate::ladder::{self, From as LadderFrom, Rung, Stopped};
use crate::launch::Launch;
use crate::process::{Enforcement, Exit, MeasureState, Process};
use crate::secrets::{Cut, Redactor};
use crate::service::HostService;
use crate::timeouts::Timeouts;
use crate::transcript::Censor;
use crate::using::Using;

/// How long a failed call waits to learn how the process ended that it failed of.
const LEARN_EXIT: Duration = Duration::from_millis(250);
/// A line on standard error that is longer than this may come in pieces; bytes.
const PIECE_BYTES: usize = 4 * 1024;

/// A running plugin. Clones are handles of the same one; when the last is dropped, calls in flight fail and the
/// process is stopped in the background.
#[derive(Debug, Clone)]
pub struct Plugin {
    owner: Arc<Owner>,
}

/// What the handles share; the instance itself is also held by its threads.
#[derive(Debug)]
struct Owner {
    instance: Arc<Instance>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.instance.stop_later();
    }
}

/// A process and its connection.
pub(crate) struct Instance {
    pub(crate) connection: Connection,
    pub(crate) process: Arc<Process>,
    pub(crate) timeouts: Timeouts,
    command: String,
    hello: OnceLock<InitializeResult>,
    /// Its manifest, which does not change, once somebody asked for it.
    manifest: OnceLock<Arc<Document>>,
    /// What calls are checked against, if anything; set before anyone gets a handle.
    pub(crate) validators: OnceLock<Arc<Validators>>,
    service: Weak<HostService>,
    events: Arc<Events>,
    /// What keeps secrets out of what is shown.
    pub(crate) censor: Arc<Censor>,
    life: Arc<Life>,
    /// How the process had ended, if it had, when its connection was lost and nothing had been done about it.
    lost: OnceLock<Option<Exit>>,
}

/// How far an instance is on its way out. Shared with the process's threads, which may outlive it.
#[derive(Debug, Default)]
struct Life {
    stage: Mutex<Stage>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Running,
    /// Somebody descends the ladder.
    Stopping {
        /// This side asked for it.
        wanted: bool,
    },
    Stopped {
        how: Stopped,
        wanted: bool,
    },
}

impl Life {
    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wanted(&self) -> bool {
        matches!(*self.lock(), Stage::Stopping { wanted: true } | Stage::Stopped { wanted: true, .. })
    }
}

impl Plugin {
    /// A plugin that is to be started: a path, or the name of a program on `PATH`.
    pub fn command(program: impl Into<PathBuf>) -> Launch {
        Launch::new(program.into())
    }

    pub(crate) fn instance(&self) -> &Arc<Instance> {
        &self.owner.instance
    }

    pub(crate) fn using(&self) -> Using {
        Using::Plain(Arc::clone(self.instance()))
    }

    /// Shakes hands; before that, a plugin is nobody's but this crate's.
    pub(crate) fn initialize(
        &self,
        params: &InitializeParams,
        timeout: Option<Duration>,
    ) -> Result<(), Error> {
        let instance = self.instance();
        let hello =
            instance.connection.initialize(params, timeout).map_err(|cause| instance.start_failed(cause))?;
        instance.events.send(EventKind::Ready(hello.clone()));
        instance.hello.get_or_init(|| hello);
        Ok(())
    }

    /// Has what passes checked from here on.
    pub(crate) fn check_by(&self, validators: Arc<Validators>) {
        self.instance().validators.get_or_init(|| validators);
    }

    /// What the plugin said of itself in the handshake.
    pub fn hello(&self) -> &InitializeResult {
        self.instance().hello.get().expect("set before anyone gets a handle")
    }

    /// The process id; 0 of one that was attached to.
    pub fn id(&self) -> u32 {
        self.instance().process.id()
    }

    /// What of its sandbox is enforced, where it was started in one.
    pub fn sandbox(&self) -> Option<&Enforcement> {
        self.instance().process.sandbox()
    }

    /// Events of this plugin, from its start. All receivers share one queue. It stays open: the last event is
    /// [`EventKind::Exited`].
    pub fn events(&self) -> Receiver<Event> {
        self.instance().events.receiver()
    }

    /// How many calls are unanswered, those whose callers no longer wait included.
    pub fn in_flight(&self) -> usize {
        self.instance().connection.unanswered()
    }

    /// Calls a method and waits for its result.
    ///
    /// # Errors
    /// [`Error`] where there is none, or one of another type.
    pub fn call<R: DeserializeOwned>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
    ) -> Result<R, Error> {
        self.begin(method, params, CallOptions::default())?.wait()
    }

    /// Sends a call, to be waited for later. Waits, within the deadline, where the plugin takes no more at
    /// once.
    ///
    /// # Errors
    /// [`Error`] where it cannot be sent.
    pub fn begin(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> Result<RunningCall, Error> {
        self.using().begin(method, params, options)
    }

    /// Sends a notification. Waits as long as a call would where much is queued already.
    ///
    /// # Errors
    /// [`Error`] where it cannot be sent.
    pub fn notify(&self, method: &str, params: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        self.using().notify(method, params, CallOptions::default())
    }

    /// Asks whether it answers, and says how long that took.
    ///
    /// # Errors
    /// [`Error`] where it does not.
    pub fn ping(&self) -> Result<Duration, Error> {
        let start = Instant::now();
        self.call::<Value>(methods::PING, &())?;
        Ok(start.elapsed())
    }

    /// Its manifest.
    ///
    /// # Errors
    /// [`Error`] where it gives none.
    pub fn discover(&self) -> Result<Document, Error> {
        let Resolved(document) = self.call(methods::DISCOVER, &())?;
        Ok(document)
    }

    /// Its manifest, asked for once.
    pub(crate) fn manifest(&self) -> Result<&Arc<Document>, Error> {
        let manifest = &self.instance().manifest;
        match manifest.get() {
            Some(known) => Ok(known),
            None => {
                let asked: Box<RawValue> = self.call(methods::DISCOVER, &())?;
                // What differs from what is wanted is told in errors.
                let asked = self.instance().without_secrets(asked);
                let Resolved(asked) = self.instance().read(methods::DISCOVER, &asked)?;
                Ok(manifest.get_or_init(|| Arc::new(asked)))
            }
        }
    }

    /// Stops it: lets calls in flight end, asks it to go, and makes it. Returns when its process is reaped; a
    /// second time, with what came of the first.
    pub fn stop(&self) -> Stopped {
        self.instance().stop()
    }
}

/// What the plugin says of itself is left out: it may say what it was given.
impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Instance");
        shown.field("command", &self.command).field("process", &self.process.id()).finish_non_exhaustive()
    }
}

impl Instance {
    /// Starts the process and opens the connection. The process is stopped when the last handle is dropped.
    pub(crate) fn spawn(
        launch: &Launch,
        setup: impl FnOnce(&Process) -> Setup,
        service: &Arc<HostService>,
        events: &Arc<Events>,
        censor: &Arc<Censor>,
    ) -> Result<Plugin, Error> {
        let (program, timeouts) = (launch.program(), *launch.usual_timeouts());
        let life = Arc::new(Life::default());
        let process = Arc::new(OnceLock::<Weak<Process>>::new());
        let stderr = {
            let events = Arc::clone(events);
            let mut cut = false;
            move |line: &[u8]| {
                let mut text = escape(line);
                // Of a line that comes in pieces, a secret may stand in two of them.
                if cut {
                    text = events.redactor().redact_cut(text, Cut::Before);
                }
                cut = line.len() >= PIECE_BYTES;
                if cut {
                    text = events.redactor().redact_cut(text, Cut::After);
                }
                events.send(EventKind::Stderr(text));
            }
        };
        let exited = {
            let (events, life, process) = (Arc::clone(events), Arc::clone(&life), Arc::clone(&process));
            // Until it is reaped.
            let kept = launch.kept().cloned();
            move |exit| {
                drop(kept);
                let Some(process) = process.wait().upgrade() else { return };
                if let Some(why) = process.leftover() {
                    events.send(EventKind::Leftover(why.to_owned()));
                }
                events.send(EventKind::Exited {
                    exit,
                    wanted: life.wanted(),
                    stderr_tail: process.stderr_tail(),
                });
            }
        };
        let spawned = program.start(stderr, exited, timeouts.start);
        let (child, pipes) = spawned.map_err(|fault| Error::spawn(program.to_string(), fault))?;
        process.get_or_init(|| Arc::downgrade(&child));
        events.send(match child.id() {
            0 => EventKind::Attached,
            pid => EventKind::Started { pid },
        });
        for measure in child.sandbox().into_iter().flat_map(Enforcement::unenforced) {
            if let MeasureState::Unenforced { why, .. } = &measure.state {
                events.send(EventKind::Unenforced { measure: measure.name, why: why.clone() });
            }
        }
        let connection = Connection::open(pipes, setup(&child)).map_err(|source| {
            child.signal(crate::process::Signal::Kill);
            child.let_go();
            Error::Spawn { command: program.to_string(), source: Arc::new(source) }
        })?;
        let instance = Arc::new(Self {
            connection,
            process: child,
            timeouts,
            command: program.to_string(),
            hello: OnceLock::new(),
            manifest: launch
                .known_manifest()
                .map_or_else(OnceLock::new, |known| OnceLock::from(Arc::clone(known))),
            validators: OnceLock::new(),
            service: Arc::downgrade(service),
            events: Arc::clone(events),
            censor: Arc::clone(censor),
            life,
            lost: OnceLock::new(),
        });
        service.instance.get_or_init(|| Arc::downgrade(&instance));
        if instance.connection.closed().is_some() {
            // It ended before the service knew whom to tell.
            instance.broken();
        }
        Ok(Plugin { owner: Arc::new(Owner { instance }) })
    }

    pub(crate) fn command(&self) -> &str {
        &self.command
    }

    pub(crate) fn tell(&self, kind: EventKind) {
        self.events.send(kind);
    }

    pub(crate) fn start_failed(&self, cause: HandshakeError) -> Error {
        let evidence = match &cause {
            HandshakeError::Call(cause) => self.evidence(cause),
            HandshakeError::Fault(_) => self.known(self.process.exit()),
        };
        Error::Handshake {
            command: self.command.clone(),
            evidence: Box::new(evidence),
            cause: Box::new(self.redactor().handshake_error(cause)),
        }
    }

    pub(crate) fn call_failed(&self, method: &str, cause: CallError) -> Error {
        Error::Call {
            command: self.command.clone(),
            method: method.to_owned(),
            evidence: Box::new(self.evidence(&cause)),
            cause: Box::new(self.redactor().call_error(cause)),
        }
    }

    /// It does not have what a client of it asks for.
    pub(crate) fn unfit(&self, wanted: &Wanted<'_>, mismatches: Vec<Mismatch>) -> Error {
        Error::Contract {
            command: self.command.clone(),
            contract: wanted.contract.to_owned(),
            version: wanted.version.to_owned(),
            mismatches,
        }
    }

    /// What keeps secrets from being shown.
    pub(crate) fn redactor(&self) -> &Redactor {
        self.events.redactor()
    }

    /// JSON text, in which no secret stands.
    pub(crate) fn without_secrets(&self, text: Box<RawValue>) -> Box<RawValue> {
        let clean = self.redactor().redact(text.get().to_owned());
        if clean == text.get() { text } else { RawValue::from_string(clean).unwrap_or(text) }
    }

    fn evidence(&self, cause: &CallError) -> Evidence {
        let lost = matches!(cause, CallError::Closed(reason) if is_loss(reason));
        self.known(if lost { self.lost() } else { self.process.exit() })
    }

    fn known(&self, exit: Option<Exit>) -> Evidence {
        Evidence {
            exit,
            stderr_tail: self.redactor().tail(self.process.stderr_tail()),
            stray: self.service.upgrade().and_then(|service| service.stray().first.clone()),
        }
    }

    /// How it came to its end, in one line, and what is known of it.
    pub(crate) fn end(&self) -> (String, Evidence) {
        let evidence = self.known(self.process.exit());
        let reason = match (self.connection.closed(), evidence.exit) {
            (Some(reason), _) if !is_loss(reason) && !matches!(**reason, CloseReason::Local) => {
                self.redactor().close_reason(Arc::clone(reason)).to_string()
            }
            (_, Some(exit)) => format!("the plugin {exit}"),
            (_, None) => "the plugin is gone".to_owned(),
        };
        (reason, evidence)
    }

    /// The connection was lost: whether that was because the process ended. Between the closing of its
    /// descriptors and its end there is a moment.
    pub(crate) fn lost(&self) -> Option<Exit> {
        // Of one that somebody else started, no more is seen than that.
        self.process.let_go();
        *self.lost.get_or_init(|| self.process.wait(LEARN_EXIT))
    }

    /// The connection is broken: what is left of the process is stopped.
    pub(crate) fn broken(self: &Arc<Self>) {
        self.enter_stopping(false, |this| ladder::descend_later(Arc::clone(this)));
    }

    pub(crate) fn stop_later(self: &Arc<Self>) {
        self.enter_stopping(true, |this| ladder::descend_later(Arc::clone(this)));
    }

    fn enter_stopping(self: &Arc<Self>, wanted: bool, descend: impl FnOnce(&Arc<Self>)) {
        let mut stage = self.life.lock();
        if *stage == Stage::Running {
            *stage = Stage::Stopping { wanted };
            drop(stage);
            descend(self);
        }
    }

    pub(crate) fn stop(self: &Arc<Self>) -> Stopped {
        loop {
            self.enter_stopping(true, |this| {
                let how = ladder::descend(this, LadderFrom::Shutdown);
                this.stopped(how);
            });
            let mut stage = self.life.lock();
            loop {
                match *stage {
                    Stage::Stopped { how, .. } => return how,
                    Stage::Running => break, // Whoever was to do it could not.
                    Stage::Stopping { .. } => {
                        stage = self.life.changed.wait(stage).unwrap_or_else(PoisonError::into_inner);
                    }
                }
            }
        }
    }

    /// Nobody could descend the ladder: whoever stops it does, rather than wait for ever.
    pub(crate) fn not_descended(&self) {
        *self.life.lock() = Stage::Running;
        self.life.changed.notify_all();
    }

    /// The ladder was descended.
    pub(crate) fn stopped(&self, how: Stopped) {
        let mut stage = self.life.lock();
        let wanted = matches!(*stage, Stage::Stopping { wanted: true });
        // A process that ended by itself was not stopped by anyone.
        let how = if wanted {
            how
        } else {
            Stopped { rung: if how.rung == Rung::Asked { Rung::Gone } else { how.rung }, ..how }
        };
        *stage = Stage::Stopped { how, wanted };
        self.life.changed.notify_all();
    }
}
