//! One instance of a plugin: a process, a connection, and what holds them together.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use plugline_protocol::contract::Document;
use plugline_protocol::lifecycle::messages::Progress;
use plugline_protocol::lifecycle::{InitializeParams, InitializeResult, methods};
use plugline_protocol::peer::{
    CallError, Canceller, Connection, HandshakeError, PendingCall, RequestOptions, Setup,
};
use plugline_protocol::wire::escape;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Error, Evidence, is_loss};
use crate::event::{Event, EventKind, Events};
use crate::ladder::{self, From as LadderFrom, Rung, Stopped};
use crate::launch::Launch;
use crate::process::{Command, Exit, Process};
use crate::service::HostService;
use crate::timeouts::Timeouts;

/// How long a failed call waits to learn how the process ended that it failed of.
const LEARN_EXIT: Duration = Duration::from_millis(250);

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
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) connection: Connection,
    pub(crate) process: Arc<Process>,
    pub(crate) timeouts: Timeouts,
    command: String,
    hello: OnceLock<InitializeResult>,
    service: Weak<HostService>,
    events: Arc<Events>,
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

/// How a call is to be made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallOptions {
    deadline: Deadline,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Deadline {
    #[default]
    OfThePlugin,
    After(Duration),
    Never,
}

impl CallOptions {
    /// Waits at most that long for the answer.
    pub fn timeout(timeout: Duration) -> Self {
        Self { deadline: Deadline::After(timeout) }
    }

    /// Waits for ever.
    pub fn no_timeout() -> Self {
        Self { deadline: Deadline::Never }
    }
}

impl Plugin {
    /// A plugin that is to be started: a path, or the name of a program on `PATH`.
    pub fn command(program: impl Into<PathBuf>) -> Launch {
        Launch::new(program.into())
    }

    fn instance(&self) -> &Arc<Instance> {
        &self.owner.instance
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

    /// What the plugin said of itself in the handshake.
    pub fn hello(&self) -> &InitializeResult {
        self.instance().hello.get().expect("set before anyone gets a handle")
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.instance().process.id()
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
        self.begin_as(method, options, |connection, options| connection.request(method, params, options))
            .map(|(instance, call)| RunningCall { instance, method: method.to_owned(), call })
    }

    /// Sends a call in whatever way.
    pub(crate) fn begin_as<C>(
        &self,
        method: &str,
        options: CallOptions,
        send: impl FnOnce(&Connection, RequestOptions) -> Result<C, CallError>,
    ) -> Result<(Arc<Instance>, C), Error> {
        let instance = self.instance();
        let fail = |cause| instance.call_failed(method, cause);
        if method.starts_with(methods::PREFIX) && !matches!(method, methods::PING | methods::DISCOVER) {
            return Err(fail(CallError::Refused(format!("{method} is the protocol's own to call"))));
        }
        let timeout = match options.deadline {
            Deadline::OfThePlugin => instance.timeouts.call,
            Deadline::After(timeout) => Some(timeout),
            Deadline::Never => None,
        };
        let call = send(&instance.connection, RequestOptions::timeout(timeout)).map_err(fail)?;
        Ok((Arc::clone(instance), call))
    }

    /// Sends a notification. Waits as long as a call would where much is queued already.
    ///
    /// # Errors
    /// [`Error`] where it cannot be sent.
    pub fn notify(&self, method: &str, params: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        let instance = self.instance();
        let fail = |cause| instance.call_failed(method, cause);
        if method.starts_with(methods::PREFIX) {
            return Err(fail(CallError::Refused(format!("{method} is the protocol's own to send"))));
        }
        instance.connection.notify(method, params, instance.timeouts.call).map_err(fail)
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
        self.call(methods::DISCOVER, &())
    }

    /// Stops it: lets calls in flight end, asks it to go, and makes it. Returns when its process is reaped; a
    /// second time, with what came of the first.
    pub fn stop(&self) -> Stopped {
        self.instance().stop()
    }
}

/// A call that was sent. Dropping it cancels the call.
#[derive(Debug)]
pub struct RunningCall {
    pub(crate) instance: Arc<Instance>,
    pub(crate) method: String,
    pub(crate) call: PendingCall,
}

impl RunningCall {
    /// Waits for the result.
    ///
    /// # Errors
    /// [`Error`] where there is none, or one of another type.
    pub fn wait<R: DeserializeOwned>(self) -> Result<R, Error> {
        let Self { instance, method, call } = self;
        call.wait_as().map_err(|cause| instance.call_failed(&method, cause))
    }

    /// Waits for the result as it stands on the wire; progress is given to the function, in this thread.
    ///
    /// # Errors
    /// [`Error`] where there is none.
    pub fn wait_with_progress(self, progress: impl FnMut(Progress)) -> Result<Box<RawValue>, Error> {
        let Self { instance, method, call } = self;
        call.wait_with_progress(progress).map_err(|cause| instance.call_failed(&method, cause))
    }

    /// A handle that cancels this call from another thread.
    pub fn canceller(&self) -> Canceller {
        self.call.canceller()
    }
}

impl Instance {
    /// Starts the process and opens the connection. The process is stopped when the last handle is dropped.
    pub(crate) fn spawn(
        command: &Command,
        setup: impl FnOnce(&Process) -> Setup,
        timeouts: Timeouts,
        service: &Arc<HostService>,
        events: &Arc<Events>,
    ) -> Result<Plugin, Error> {
        let life = Arc::new(Life::default());
        let process = Arc::new(OnceLock::<Weak<Process>>::new());
        let stderr = {
            let events = Arc::clone(events);
            move |line: &[u8]| events.send(EventKind::Stderr(escape(line)))
        };
        let exited = {
            let (events, life, process) = (Arc::clone(events), Arc::clone(&life), Arc::clone(&process));
            move |exit| {
                let Some(process) = process.wait().upgrade() else { return };
                events.send(EventKind::Exited {
                    exit,
                    wanted: life.wanted(),
                    stderr_tail: process.stderr_tail(),
                });
            }
        };
        let spawned = command.spawn(stderr, exited);
        let (child, pipes) = spawned.map_err(|fault| Error::spawn(command.to_string(), fault))?;
        process.get_or_init(|| Arc::downgrade(&child));
        events.send(EventKind::Started { pid: child.id() });
        let connection = Connection::open(pipes, setup(&child)).map_err(|source| {
            child.signal(crate::process::Signal::Kill);
            Error::Spawn { command: command.to_string(), source }
        })?;
        let instance = Arc::new(Self {
            connection,
            process: child,
            timeouts,
            command: command.to_string(),
            hello: OnceLock::new(),
            service: Arc::downgrade(service),
            events: Arc::clone(events),
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

    fn start_failed(&self, cause: HandshakeError) -> Error {
        let evidence = match &cause {
            HandshakeError::Call(cause) => self.evidence(cause),
            HandshakeError::Fault(_) => self.known(self.process.exit()),
        };
        Error::Handshake {
            command: self.command.clone(),
            evidence: Box::new(evidence),
            cause: Box::new(cause),
        }
    }

    pub(crate) fn call_failed(&self, method: &str, cause: CallError) -> Error {
        Error::Call {
            command: self.command.clone(),
            method: method.to_owned(),
            evidence: Box::new(self.evidence(&cause)),
            cause: Box::new(cause),
        }
    }

    fn evidence(&self, cause: &CallError) -> Evidence {
        let lost = matches!(cause, CallError::Closed(reason) if is_loss(reason));
        self.known(if lost { self.lost() } else { self.process.exit() })
    }

    fn known(&self, exit: Option<Exit>) -> Evidence {
        Evidence {
            exit,
            stderr_tail: self.process.stderr_tail(),
            stray: self.service.upgrade().and_then(|service| service.stray().first.clone()),
        }
    }

    /// The connection was lost: whether that was because the process ended. Between the closing of its
    /// descriptors and its end there is a moment.
    pub(crate) fn lost(&self) -> Option<Exit> {
        *self.lost.get_or_init(|| self.process.wait(LEARN_EXIT))
    }

    /// The connection is broken: what is left of the process is stopped.
    pub(crate) fn broken(self: &Arc<Self>) {
        self.enter_stopping(false, |this| ladder::descend_later(Arc::clone(this)));
    }

    fn stop_later(self: &Arc<Self>) {
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

    fn stop(self: &Arc<Self>) -> Stopped {
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
