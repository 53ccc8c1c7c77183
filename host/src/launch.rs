//! How a plugin is to be started: everything that can be said before it runs.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use plugline_protocol::contract::Document;
use plugline_protocol::lifecycle::{
    CallbackCapability, Feature, HostCapabilities, Identity, InitializeParams, Limits, VERSIONS, methods,
};
use plugline_protocol::peer::{Call, Direction, Handler, Listener, Setup, Side};
use plugline_protocol::wire::Error as WireError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::Error;
use crate::event::Events;
use crate::plugin::{CallOptions, Instance, Plugin};
use crate::process::{Command, Process};
use crate::service::{HostService, Stray};
use crate::timeouts::Timeouts;

type Transcript = Box<dyn Fn(Direction, &[u8]) + Send + Sync>;

/// A plugin that is about to be started. Made by [`Plugin::command`].
///
/// Its process gets pipes for stdin, stdout and stderr and no other descriptor; the default action for every
/// signal and an empty signal mask; a session and a process group of its own; the host's directory and the few
/// environment variables that [`env`](Self::env) names, unless said otherwise. On Linux it gets SIGTERM when the
/// host dies.
pub struct Launch {
    command: Command,
    instance: String,
    host: Identity,
    config: Value,
    limits: Limits,
    timeouts: Timeouts,
    strict: bool,
    transcript: Option<Transcript>,
    callbacks: HashMap<String, Handler>,
    listeners: HashMap<String, Listener>,
    /// The methods that the plugin is told it may call.
    served: Vec<String>,
}

impl Launch {
    pub(crate) fn new(program: PathBuf) -> Self {
        let name =
            program.file_stem().map_or_else(|| "plugin".into(), |name| name.to_string_lossy().into_owned());
        Self {
            command: Command::new(program),
            instance: name,
            host: Identity { name: env!("CARGO_PKG_NAME").into(), version: env!("CARGO_PKG_VERSION").into() },
            config: json!({}),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            strict: false,
            transcript: None,
            callbacks: HashMap::new(),
            listeners: HashMap::new(),
            served: Vec::new(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.command.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable. Of the host's own only `PATH HOME USER LOGNAME SHELL LANG LC_* TZ TMPDIR`
    /// are passed on; what is set here wins.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.command.env.insert(name.into(), value.into());
        self
    }

    /// Runs it in that directory; otherwise in the host's.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.command.dir = Some(dir.into());
        self
    }

    /// Starts a guard process beside it, which kills the plugin's process group five seconds after the host
    /// has died, should the plugin heed neither the end of its input nor SIGTERM.
    #[must_use]
    pub fn guarded(mut self) -> Self {
        self.command.guard = true;
        self
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

    /// Takes any stray output as a violation of the protocol.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Shows every line that comes and goes, without its LF, to a function. It must not wait.
    #[must_use]
    pub fn transcript(mut self, see: impl Fn(Direction, &[u8]) + Send + Sync + 'static) -> Self {
        self.transcript = Some(Box::new(see));
        self
    }

    /// Serves a method to the plugin. The function may block, and may call the plugin back through its
    /// [`Call`].
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

    /// Starts the process and shakes hands.
    ///
    /// # Errors
    /// [`Error`]; the process, if there was one, is being stopped then ([`settle`](crate::settle)).
    pub fn start(mut self) -> Result<Plugin, Error> {
        let started = Instant::now();
        let plugin = self.spawn()?;
        let params = InitializeParams {
            protocol_versions: VERSIONS.iter().copied().map(i64::from).collect(),
            host: Some(self.host),
            instance: Some(self.instance),
            config: self.config,
            limits: self.limits,
            capabilities: HostCapabilities {
                progress: Some(Feature {}),
                log: Some(Feature {}),
                streams: Some(Feature {}),
                callbacks: Some(CallbackCapability { methods: self.served }),
            },
        };
        let timeout = self.timeouts.start.map(|timeout| timeout.saturating_sub(started.elapsed()));
        plugin.initialize(&params, timeout)?;
        Ok(plugin)
    }

    /// Starts the process only to ask for its manifest, without a handshake and so without a config, and stops
    /// it again.
    ///
    /// # Errors
    /// [`Error`] where it gives none.
    pub fn discover(mut self) -> Result<Document, Error> {
        let started = Instant::now();
        let plugin = self.spawn()?;
        let timeout = self.timeouts.start.map(|timeout| timeout.saturating_sub(started.elapsed()));
        let options = timeout.map_or_else(CallOptions::no_timeout, CallOptions::timeout);
        let manifest = plugin.begin(methods::DISCOVER, &(), options)?.wait();
        plugin.stop();
        manifest
    }

    fn spawn(&mut self) -> Result<Plugin, Error> {
        let callbacks = std::mem::take(&mut self.callbacks);
        let listeners = std::mem::take(&mut self.listeners);
        self.served = callbacks.keys().chain(listeners.keys()).cloned().collect();
        self.served.sort();
        let events = Arc::new(Events::new());
        let service = Arc::new(HostService {
            callbacks,
            listeners,
            events: Arc::clone(&events),
            instance: OnceLock::new(),
            stray: Mutex::new(Stray::default()),
        });
        let transcript = self.transcript.take();
        let setup = |process: &Process| Setup {
            side: Side::Host,
            limits: self.limits,
            strict: self.strict,
            service: Arc::clone(&service) as _,
            transcript,
            ended: process.ended(),
            unanswered: self.timeouts.unanswered,
        };
        Instance::spawn(&self.command, setup, self.timeouts, &service, &events)
    }
}
