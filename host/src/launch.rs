//! How a plugin is to be started: everything that can be said before it runs.

use std::any::Any;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use plugline_protocol::contract::{Document, Resolved, Validators};
use plugline_protocol::lifecycle::{
    CallbackCapability, Feature, HostCapabilities, Identity, InitializeParams, Limits, VERSIONS, methods,
};
use plugline_protocol::peer::{Call, Direction, Handler, Listener, Pipes, Setup, Side};
use plugline_protocol::wire::Error as WireError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::call::CallOptions;
use crate::error::Error;
use crate::event::Events;
use crate::plugin::{Instance, Plugin};
use crate::process::{Command, Enforcement, Exit, Fifos, Process, Sandbox, SandboxError, SpawnError};
use crate::rate::EVENTS_PER_SECOND;
use crate::secrets::Redactor;
use crate::service::{HostService, Stray};
use crate::timeouts::{A_YEAR, Timeouts};
use crate::transcript::Censor;
use crate::validation::{self, Validation};

type Watch = dyn Fn(Direction, &[u8]) + Send + Sync;
type Transcript = Arc<Watch>;

/// Whatever it is, it is only held: what keeps the files of a plugin, say.
pub(crate) type Kept = Arc<dyn Any + Send + Sync>;

/// A plugin that is about to be started. Made by [`Plugin::command`]; clones start others like it.
///
/// Its process gets pipes for stdin, stdout and stderr and no other descriptor; the default action for every
/// signal and an empty signal mask; a session and a process group of its own; the host's directory and the few
/// environment variables that [`env`](Self::env) names, unless said otherwise. On Linux it gets SIGTERM when the
/// host dies.
#[derive(Clone)]
pub struct Launch {
    program: Program,
    instance: String,
    host: Identity,
    config: Value,
    limits: Limits,
    timeouts: Timeouts,
    events_per_second: u32,
    strict: bool,
    transcript: Option<Transcript>,
    raw_transcript: Option<Transcript>,
    /// What is not shown, besides what the manifest says of the config and of params.
    secrets: Vec<String>,
    /// … and what a manager keeps from being shown.
    redactor: Redactor,
    pub(crate) callbacks: HashMap<String, Handler>,
    pub(crate) listeners: HashMap<String, Listener>,
    pub(crate) validation: Validation,
    /// What is known of the plugin before it runs.
    manifest: Option<Arc<Document>>,
    /// What is to be there as long as it may be started or runs.
    kept: Option<Kept>,
}

/// What is started.
#[derive(Debug, Clone)]
pub(crate) enum Program {
    Command(Command),
    /// Somebody else starts it. The flag is raised once nobody waits for that any more; whether there was to be a sandbox,
    /// which there cannot be, is the last.
    Attach(Fifos, Arc<AtomicBool>, bool),
}

impl Program {
    pub(crate) fn start(
        &self,
        stderr: impl FnMut(&[u8]) + Send + 'static,
        exited: impl FnOnce(Exit) + Send + 'static,
        timeout: Option<Duration>,
    ) -> Result<(Arc<Process>, Pipes), SpawnError> {
        match self {
            Self::Command(command) => command.spawn(stderr, exited),
            Self::Attach(_, _, true) => Err(SandboxError::Attached.into()),
            Self::Attach(fifos, unwanted, false) => {
                let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
                let pipes = fifos.connect(deadline, || !unwanted.load(Ordering::Acquire))?;
                Ok((Process::attached(exited)?, pipes))
            }
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => write!(f, "{command}"),
            Self::Attach(fifos, ..) => write!(f, "{fifos}"),
        }
    }
}

impl Launch {
    pub(crate) fn new(program: PathBuf) -> Self {
        let name =
            program.file_stem().map_or_else(|| "plugin".into(), |name| name.to_string_lossy().into_owned());
        Self::of(Program::Command(Command::new(program)), name)
    }

    /// A plugin that is started by hand, under a debugger say, with two named pipes for its standard input and output:
    ///
    /// ```sh
    /// mkfifo in out
    /// gdb ./users-json      # then: run <in >out
    /// ```
    ///
    /// [`start`](Self::start) waits until it has opened both, as long as it takes. So does a call: there are no timeouts,
    /// unless [`timeouts`](Self::timeouts) sets some. It is told to go, but never signalled, and what it writes to standard
    /// error is where it was started. Arguments, environment and directory are its own.
    pub fn attach(stdin: impl Into<PathBuf>, stdout: impl Into<PathBuf>) -> Self {
        let fifos = Fifos { stdin: stdin.into(), stdout: stdout.into() };
        let program = Program::Attach(fifos, Arc::default(), false);
        Self::of(program, "attached".to_owned()).timeouts(Timeouts {
            start: None,
            call: None,
            unanswered: A_YEAR,
            ..Timeouts::default()
        })
    }

    fn of(program: Program, instance: String) -> Self {
        Self {
            program,
            instance,
            host: Identity { name: env!("CARGO_PKG_NAME").into(), version: env!("CARGO_PKG_VERSION").into() },
            config: json!({}),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            events_per_second: EVENTS_PER_SECOND.get(),
            strict: false,
            transcript: None,
            raw_transcript: None,
            secrets: Vec::new(),
            redactor: Redactor::default(),
            callbacks: HashMap::new(),
            listeners: HashMap::new(),
            validation: Validation::Off,
            manifest: None,
            kept: None,
        }
    }

    fn command(&mut self, change: impl FnOnce(&mut Command)) {
        match &mut self.program {
            Program::Command(command) => change(command),
            Program::Attach(..) => {} // It is what it is.
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.command(|command| command.args.push(arg.into()));
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command(|command| command.args.extend(args.into_iter().map(Into::into)));
        self
    }

    /// Sets an environment variable. Of the host's own only `PATH HOME USER LOGNAME SHELL LANG LC_* TZ TMPDIR`
    /// are passed on; what is set here wins.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.command(|command| drop(command.env.insert(name.into(), value.into())));
        self
    }

    /// Sets an environment variable to a [secret](Self::secret).
    #[must_use]
    pub fn secret_env(self, name: impl Into<OsString>, value: impl Into<String>) -> Self {
        let value = value.into();
        self.secret(value.clone()).env(name, value)
    }

    /// Has a text not shown: wherever the plugin says it, in an event, an error or a transcript, `[secret]` stands in its
    /// place. So it is with what of the [config](Self::config) and of params is `writeOnly` by the plugin's manifest, where
    /// that is known: from a package, by [`manifest`](Self::manifest), or asked for by [`validate`](Self::validate).
    ///
    /// A secret is known as it is and as JSON, a URL, and `escape` write it; one of less than 4 bytes is not looked
    /// for. A plugin that wants to pass on what it was given can: this is against accidents. What calls return is never
    /// changed. Nothing of a config or an environment stands on a command line: the config goes through a pipe.
    #[must_use]
    pub fn secret(mut self, text: impl Into<String>) -> Self {
        self.secrets.push(text.into());
        self
    }

    /// Has what that one knows not shown.
    pub(crate) fn redacted_by(mut self, redactor: &Redactor) -> Self {
        self.redactor = redactor.clone();
        self
    }

    /// What keeps secrets from being shown, of one instance.
    pub(crate) fn redactor(&self) -> Redactor {
        let redactor = self.redactor.fork();
        self.secrets.iter().for_each(|secret| redactor.hide(secret));
        redactor
    }

    /// Runs it in that directory; otherwise in the host's.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.command(|command| command.dir = Some(dir.into()));
        self
    }

    /// Starts a guard process beside it, which kills the plugin's process group five seconds after the host
    /// has died, should the plugin heed neither the end of its input nor SIGTERM.
    #[must_use]
    pub fn guarded(mut self) -> Self {
        self.command(|command| command.guard = true);
        self
    }

    /// Confines it, and all that it starts, to that sandbox. What cannot be enforced on this system is an error at the start,
    /// [`Error::Sandbox`], unless the sandbox says otherwise. Each process of a supervised plugin has one of its own.
    #[must_use]
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        match &mut self.program {
            Program::Command(command) => command.sandbox = Some(sandbox),
            Program::Attach(_, _, refused) => *refused = true,
        }
        self
    }

    /// What of its sandbox this system enforces, where it has one.
    pub fn enforcement(&self) -> Option<Enforcement> {
        match &self.program {
            Program::Command(command) => {
                command.sandbox.as_ref().map(|sandbox| sandbox.enforcement(&Sandbox::support()))
            }
            Program::Attach(..) => None,
        }
    }

    /// The name under which the host knows this instance; the program's name unless said.
    #[must_use]
    pub fn instance(mut self, name: impl Into<String>) -> Self {
        self.instance = name.into();
        self
    }

    /// Who the host says it is.
    #[must_use]
    pub fn host(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.host = Identity { name: name.into(), version: version.into() };
        self
    }

    /// The plugin's config; `{}` unless said.
    #[must_use]
    pub fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// What the host accepts from the plugin.
    ///
    /// # Panics
    /// Where a limit is below its minimum.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits.checked();
        self
    }

    /// How long each phase may take. More than a year counts as a year.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts.bounded();
        self
    }

    /// How many log lines, lines on standard error and ignored messages are told in a second, each kind counted by itself;
    /// 1000 unless said. What goes beyond it is counted and told as one number
    /// ([`EventKind::HeldBack`](crate::EventKind::HeldBack)), so that a plugin cannot fill its host's log.
    #[must_use]
    pub fn events_per_second(mut self, most: NonZeroU32) -> Self {
        self.events_per_second = most.get();
        self
    }

    /// Takes any stray output as a violation of the protocol.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Shows every line that comes and goes, without its LF, to a function. It must not wait.
    ///
    /// Of [secrets](Self::secret), and of all that is `writeOnly` by the plugin's manifest, `[secret]` is shown; a config is
    /// shown as far as a manifest describes it, and not at all where there is none. Other than that, lines are as they
    /// came: [`escape`](crate::escape) them before a terminal sees them.
    #[must_use]
    pub fn transcript(mut self, see: impl Fn(Direction, &[u8]) + Send + Sync + 'static) -> Self {
        self.transcript = Some(Arc::new(see));
        self
    }

    /// Shows every line as it is on the wire, secrets included, to a function. It must not wait.
    #[must_use]
    pub fn raw_transcript(mut self, see: impl Fn(Direction, &[u8]) + Send + Sync + 'static) -> Self {
        self.raw_transcript = Some(Arc::new(see));
        self
    }

    /// Serves a method to the plugin. The function may block, and may call the plugin back through its
    /// [`Call`].
    ///
    /// It may run on the thread that waits for the call in whose handling the plugin calls it: a lock that is held across
    /// that call is not to be taken here. No deadline ends such a wait.
    #[must_use]
    pub fn callback<P, R, E>(
        mut self,
        method: impl Into<String>,
        function: impl Fn(P, &Call) -> Result<R, E> + Send + Sync + 'static,
    ) -> Self
    where
        P: DeserializeOwned,
        R: Serialize,
        E: Into<WireError>,
    {
        self.callbacks.insert(method.into(), Handler::new(function));
        self
    }

    /// Listens to a notification of the plugin. They are handled one after another; so the function must not
    /// wait for the plugin.
    #[must_use]
    pub fn on_notification<P: DeserializeOwned>(
        mut self,
        method: impl Into<String>,
        function: impl Fn(P) + Send + Sync + 'static,
    ) -> Self {
        self.listeners.insert(method.into(), Listener::new(function));
        self
    }

    /// What is known of the plugin before it runs: the manifest of its package. It is not asked for one then.
    #[must_use]
    pub fn manifest(mut self, manifest: Arc<Document>) -> Self {
        self.manifest = Some(manifest);
        self
    }

    pub(crate) fn known_manifest(&self) -> Option<&Arc<Document>> {
        self.manifest.as_ref()
    }

    pub(crate) fn is_attach(&self) -> bool {
        matches!(self.program, Program::Attach(..))
    }

    /// As long as this, a clone or a process of it is there, so is that.
    pub(crate) fn keeping(mut self, kept: impl Any + Send + Sync) -> Self {
        self.kept = Some(Arc::new(kept));
        self
    }

    pub(crate) fn kept(&self) -> Option<&Kept> {
        self.kept.as_ref()
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// The same, which somebody waits for anew.
    pub(crate) fn anew(mut self) -> Self {
        if let Program::Attach(_, unwanted, _) = &mut self.program {
            *unwanted = Arc::default();
        }
        self
    }

    /// Nobody waits for it to start any more.
    pub(crate) fn give_up(&self) {
        match &self.program {
            Program::Attach(_, unwanted, _) => unwanted.store(true, Ordering::Release),
            Program::Command(_) => {}
        }
    }

    pub(crate) fn event_rate(&self) -> u32 {
        self.events_per_second
    }

    pub(crate) fn usual_timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    pub(crate) fn name(&self) -> String {
        self.program.to_string()
    }

    /// Starts the process and shakes hands.
    ///
    /// # Errors
    /// [`Error`]; the process, if there was one, is being stopped then ([`settle`](crate::settle)).
    pub fn start(self) -> Result<Plugin, Error> {
        let started = Instant::now();
        self.config_fits()?;
        let plugin = self.spawn(Arc::new(Events::new(self.events_per_second, self.redactor())))?;
        self.greet(&plugin, started)?;
        Ok(plugin)
    }

    /// Whether the config is what is known to be right, before anything is started for it.
    pub(crate) fn config_fits(&self) -> Result<(), Error> {
        match &self.validation {
            Validation::By(validators) => {
                validation::config_fits(&self.program.to_string(), validators, &self.config)
            }
            _ => Ok(()),
        }
    }

    /// Shakes hands with the plugin that was started then.
    pub(crate) fn greet(&self, plugin: &Plugin, started: Instant) -> Result<(), Error> {
        let left = || {
            // How long somebody takes to start it by hand is nothing that the plugin can be blamed for.
            let started = if self.is_attach() { Instant::now() } else { started };
            self.timeouts.start.map(|timeout| timeout.saturating_sub(started.elapsed()))
        };
        let validators = plugin.validators(&self.validation, left())?;
        let censor = &plugin.instance().censor;
        if let Some(validators) = &validators {
            censor.know(validators);
        }
        censor.learn_config(&self.config);
        if let Some(validators) = validators {
            validation::config_fits(&self.program.to_string(), &validators, &self.config)?;
            plugin.check_by(validators);
        }
        let params = InitializeParams {
            protocol_versions: VERSIONS.iter().copied().map(i64::from).collect(),
            host: Some(self.host.clone()),
            instance: Some(self.instance.clone()),
            config: self.config.clone(),
            limits: self.limits,
            capabilities: HostCapabilities {
                progress: Some(Feature {}),
                log: Some(Feature {}),
                streams: Some(Feature {}),
                callbacks: Some(CallbackCapability { methods: self.served() }),
            },
        };
        plugin.initialize(&params, left())
    }

    /// Starts the process only to ask for its manifest, without a handshake and so without a config, and stops
    /// it again.
    ///
    /// # Errors
    /// [`Error`] where it gives none.
    pub fn discover(self) -> Result<Document, Error> {
        let Resolved(document) = self.discover_as()?;
        Ok(document)
    }

    /// The same, as the plugin wrote it: for those who want to find out what is wrong with it.
    ///
    /// # Errors
    /// [`Error`] where it gives none.
    pub fn discover_raw(self) -> Result<Box<RawValue>, Error> {
        self.discover_as()
    }

    fn discover_as<R: DeserializeOwned>(self) -> Result<R, Error> {
        let started = Instant::now();
        let plugin = self.spawn(Arc::new(Events::new(self.events_per_second, self.redactor())))?;
        let timeout = self.timeouts.start.map(|timeout| timeout.saturating_sub(started.elapsed()));
        let options = timeout.map_or_else(CallOptions::no_timeout, CallOptions::timeout);
        let manifest = plugin.begin(methods::DISCOVER, &(), options)?.wait();
        plugin.stop();
        manifest
    }

    /// The methods that the plugin is told it may call.
    fn served(&self) -> Vec<String> {
        let mut served: Vec<String> = self.callbacks.keys().chain(self.listeners.keys()).cloned().collect();
        served.sort();
        served
    }

    /// Starts the process and opens the connection; no more.
    pub(crate) fn spawn(&self, events: Arc<Events>) -> Result<Plugin, Error> {
        let service = Arc::new(HostService {
            callbacks: self.callbacks.clone(),
            listeners: self.listeners.clone(),
            events: Arc::clone(&events),
            instance: OnceLock::new(),
            stray: Mutex::new(Stray::default()),
        });
        let censor = Arc::new(Censor::new(events.redactor().clone()));
        let described = self.described();
        if let Some(known) = &described {
            censor.know(known);
        }
        // What is secret in params is learnt from the lines, also where calls are made through a contract's trait.
        let learns = described.is_some_and(|schemas| schemas.hides_any());
        let setup = |process: &Process| Setup {
            side: Side::Host,
            limits: self.limits,
            strict: self.strict,
            service: Arc::clone(&service) as _,
            transcript: self.watch(&censor, learns),
            ended: process.ended(),
            unanswered: self.timeouts.unanswered,
        };
        Instance::spawn(self, setup, &service, &events, &censor)
    }

    /// What describes what passes, where that is known before the plugin runs and something of it is not to be shown.
    fn described(&self) -> Option<Arc<Validators>> {
        match (&self.validation, &self.manifest) {
            (Validation::By(validators), _) => Some(Arc::clone(validators)),
            (_, Some(document)) => {
                let text = serde_json::to_string(&**document).ok()?;
                let hides = text.contains("\"writeOnly\":true");
                // A document whose schemas cannot be compiled is told of where it is used.
                hides.then(|| Validators::new(document).ok().map(Arc::new)).flatten()
            }
            (_, None) => None,
        }
    }

    /// Who sees the lines, if anybody does.
    fn watch(&self, censor: &Arc<Censor>, learns: bool) -> Option<Box<Watch>> {
        let (shown, raw) = (self.transcript.clone(), self.raw_transcript.clone());
        if shown.is_none() && raw.is_none() && !learns {
            return None;
        }
        let censor = Arc::clone(censor);
        Some(Box::new(move |direction, line| {
            if let Some(raw) = &raw {
                raw(direction, line);
            }
            match &shown {
                Some(shown) => shown(direction, &censor.line(direction, line)),
                None if learns => censor.overhear(direction, line),
                None => {}
            }
        }))
    }
}

impl fmt::Debug for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launch")
            .field("program", &self.program)
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}
