//! Testing a plugin within one process: the plugin at one end of a connected pair, the test at the other.
//!
//! ```
//! use plugline_sdk::testing::Harness;
//! use plugline_sdk::{Call, Error, Method, Plugin};
//! # #[derive(serde::Deserialize, schemars::JsonSchema)] struct Add { a: i64, b: i64 }
//! let plugin = Plugin::new("adder", "0.1.0")
//!     .provides("math", "1.0.0")
//!     .method(Method::new("math.add", |(), add: Add, _: &Call| Ok::<_, Error>(add.a + add.b)));
//!
//! let adder = Harness::new().start(plugin)?;
//! let sum: i64 = adder.call("math.add", &serde_json::json!({"a": 1, "b": 2}))?;
//! assert_eq!(sum, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Whatever a test looks for, the harness holds the plugin to its manifest, and panics where it takes other params,
//! returns something else, or answers an error that it does not declare.

mod mock;
mod truth;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use plugline_protocol::contract::{Document, Faults, Wanted, compatible};
use plugline_protocol::lifecycle::messages::Log;
use plugline_protocol::lifecycle::{
    CallbackCapability, Feature, HostCapabilities, Identity, InitializeParams, InitializeResult, Limits,
    VERSIONS, methods,
};
use plugline_protocol::peer::{
    Call, CallError, CloseReason, Connection, Handler, HandshakeError, Listener, PendingCall, Report,
    RequestOptions, Route, Service, Setup, Side, Wake, pair,
};
use plugline_protocol::typed::{Client, Contract, Direct, Serve};
use plugline_protocol::wire::{Error, Params, error};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::plugin::Plugin;
use crate::session::Session;
use truth::Truth;

pub use mock::{MockCallback, mock};

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sets a plugin up for a test.
#[derive(Default)]
pub struct Harness {
    config: Option<Value>,
    callbacks: HashMap<String, Handler>,
    listeners: HashMap<String, Listener>,
    checks: Checks,
}

/// Whether the plugin is held to its manifest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Checks {
    #[default]
    On,
    Off,
}

/// Why a plugin did not start.
#[derive(Debug)]
pub enum StartError {
    /// The system has no descriptors or threads left.
    Io(io::Error),
    /// Its manifest is none.
    Manifest(Faults),
    /// The handshake failed.
    Handshake(HandshakeError),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(fault) => fault.fmt(f),
            Self::Manifest(faults) => write!(f, "the manifest breaks its rules:\n{faults}"),
            Self::Handshake(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}

impl Harness {
    /// A host without methods that sends an empty config.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends this config.
    #[must_use]
    pub fn config(mut self, config: Value) -> Self {
        self.config = Some(config);
        self
    }

    /// Does not hold the plugin to its manifest: for tests of what is wrong with one.
    #[must_use]
    pub fn unchecked(mut self) -> Self {
        self.checks = Checks::Off;
        self
    }

    /// Serves a method of the host.
    #[must_use]
    pub fn callback<P, R, E>(
        mut self,
        name: impl Into<String>,
        function: impl Fn(P, &Call) -> Result<R, E> + Send + Sync + 'static,
    ) -> Self
    where
        P: DeserializeOwned,
        R: Serialize,
        E: Into<Error>,
    {
        self.callbacks.insert(name.into(), Handler::new(function));
        self
    }

    /// Serves a contract of the host, by an implementation of its trait.
    #[must_use]
    pub fn serve_callbacks<C: Serve<S>, S: Send + Sync + 'static>(mut self, _: C, implementation: S) -> Self {
        let implementation = Arc::new(implementation);
        for served in C::served() {
            let name = served.method.name.to_owned();
            match served.serves.by(Arc::clone(&implementation)) {
                Ok(handler) => drop(self.callbacks.insert(name, handler)),
                Err(listener) => drop(self.listeners.insert(name, listener)),
            }
        }
        self
    }

    /// Starts the plugin and shakes hands.
    ///
    /// # Errors
    /// [`StartError`], what the plugin refused the handshake with included.
    pub fn start<S: Send + Sync + 'static>(self, plugin: Plugin<S>) -> Result<Running, StartError> {
        let (host_pipes, plugin_pipes) = pair().map_err(StartError::Io)?;
        let (ended_sender, ended) = bounded(1);
        let (log_sender, logs) = unbounded();
        let callbacks = self.callbacks.keys().chain(self.listeners.keys()).cloned().collect();
        let setup = |side, limits, service| -> io::Result<Setup> {
            Ok(Setup {
                side,
                limits,
                strict: true,
                service,
                transcript: None,
                ended: Arc::new(Wake::new()?),
                unanswered: Duration::from_secs(5),
            })
        };
        let truth = match self.checks {
            Checks::On => Some(Truth::of(&plugin.manifest()).map_err(StartError::Manifest)?),
            Checks::Off => None,
        };
        let limits = plugin.limits;
        let session = Arc::new(Session::new(plugin, ended_sender));
        let plugin_side = setup(Side::Plugin, limits, session)
            .and_then(|setup| Connection::open(plugin_pipes, setup))
            .map_err(StartError::Io)?;
        let host = Arc::new(Host { callbacks: self.callbacks, listeners: self.listeners, logs: log_sender });
        let host_side = setup(Side::Host, Limits::default(), host)
            .and_then(|setup| Connection::open(host_pipes, setup))
            .map_err(StartError::Io)?;
        let mut running = Running { host_side, plugin_side, ended, logs, hello: None, truth };
        let hello = running.host_side.initialize(
            &InitializeParams {
                protocol_versions: VERSIONS.iter().copied().map(i64::from).collect(),
                host: Some(Identity { name: "harness".into(), version: env!("CARGO_PKG_VERSION").into() }),
                instance: Some("test".into()),
                config: self.config.unwrap_or_else(|| json!({})),
                limits: Limits::default(),
                capabilities: HostCapabilities {
                    progress: Some(Feature {}),
                    log: Some(Feature {}),
                    streams: Some(Feature {}),
                    callbacks: Some(CallbackCapability { methods: callbacks }),
                },
            },
            Some(PATIENCE),
        );
        running.hello = Some(hello.map_err(StartError::Handshake)?);
        Ok(running)
    }
}

/// A plugin that runs within the test. Dropping it is what a host does that closes stdin.
pub struct Running {
    host_side: Connection,
    plugin_side: Connection,
    ended: Receiver<Arc<CloseReason>>,
    logs: Receiver<Log>,
    hello: Option<InitializeResult>,
    truth: Option<Truth>,
}

impl Running {
    /// Calls a method; waits at most ten seconds.
    ///
    /// # Errors
    /// [`CallError`] where there is no result, or one of another type.
    ///
    /// # Panics
    /// Where the plugin and its manifest say different things; the same holds for the calls below.
    pub fn call<R: DeserializeOwned>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
    ) -> Result<R, CallError> {
        let call = self.host_side.request(method, params, RequestOptions::timeout(PATIENCE))?;
        self.outcome(method, params, call.wait_as())
    }

    /// Holds the plugin to its manifest, and reads what it returned.
    fn outcome<R: DeserializeOwned>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        outcome: Result<Box<RawValue>, CallError>,
    ) -> Result<R, CallError> {
        if let Some(truth) = &self.truth {
            let params = serde_json::to_value(params).expect("it was sent as JSON");
            let params = if params.is_null() { json!({}) } else { params };
            truth.called(method, &params, &outcome);
        }
        read("the result", &outcome?)
    }

    /// Calls a method with output and waits, at most ten seconds, for all of it and the summary.
    ///
    /// # Errors
    /// [`CallError`] where the call failed, or something in it is of another type.
    pub fn collect<T: DeserializeOwned, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
    ) -> Result<(Vec<T>, R), CallError> {
        let call = self.host_side.request(method, params, RequestOptions::timeout(PATIENCE).output())?;
        self.all_of(method, params, call)
    }

    /// Calls a method with input, sends it all of these, and waits as [`collect`](Self::collect) does. A method
    /// that has enough earlier is not disturbed.
    ///
    /// # Errors
    /// [`CallError`] where the call failed, or something in it is of another type.
    pub fn feed<T: DeserializeOwned, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        items: &[impl Serialize + Sync],
    ) -> Result<(Vec<T>, R), CallError> {
        let options = RequestOptions::timeout(PATIENCE).output();
        let (call, input) = self.host_side.request_with_input(method, params, options)?;
        std::thread::scope(|scope| {
            let sending = scope.spawn(move || {
                items.iter().try_for_each(|item| input.send(item))?;
                input.finish()
            });
            let outcome = self.all_of(method, params, call);
            match sending.join().expect("sending does not panic") {
                // Either way the call says what came of it.
                Ok(()) | Err(CallError::Over | CallError::Closed(_) | CallError::Cancelled) => outcome,
                Err(fault) => Err(fault),
            }
        })
    }

    /// The plugin as an implementation of a contract's trait; each call waits at most ten seconds, unless its context
    /// says otherwise.
    ///
    /// # Panics
    /// Where the plugin does not provide the contract as the client knows it.
    pub fn client<C: Client>(&self) -> C {
        let (document, manifest) = (C::Contract::document(), self.manifest());
        let wanted =
            Wanted { contract: C::Contract::NAME, version: C::Contract::VERSION, document: &document };
        compatible(&wanted, &manifest).unwrap_or_else(|mismatches| {
            let mismatches: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
            panic!("the plugin does not fit the contract {}: {}", wanted.contract, mismatches.join("; "))
        });
        C::over(Arc::new(Direct::new(self.host_side.clone(), RequestOptions::timeout(PATIENCE))))
    }

    fn manifest(&self) -> Document {
        self.call(methods::DISCOVER, &()).expect("a plugin of this crate has a manifest")
    }

    fn all_of<T: DeserializeOwned, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        mut call: PendingCall,
    ) -> Result<(Vec<T>, R), CallError> {
        let mut items = Vec::new();
        while let Some(item) = call.next_item::<Box<RawValue>>() {
            let item = item?;
            if let Some(truth) = &self.truth {
                truth.sent(method, &item);
            }
            items.push(read("an item", &item)?);
        }
        Ok((items, self.outcome(method, params, call.wait_as())?))
    }

    /// Sends a notification.
    ///
    /// # Errors
    /// [`CallError`] where it cannot be sent.
    pub fn notify(&self, method: &str, params: &(impl Serialize + ?Sized)) -> Result<(), CallError> {
        self.host_side.notify(method, params, Some(PATIENCE))
    }

    /// The host's end, for whatever else a test wants to do.
    pub fn connection(&self) -> &Connection {
        &self.host_side
    }

    /// What the plugin wrote to the log, as it comes.
    pub fn logs(&self) -> &Receiver<Log> {
        &self.logs
    }

    /// What the plugin answered to the handshake.
    pub fn hello(&self) -> &InitializeResult {
        self.hello.as_ref().expect("set before `start` returned")
    }

    /// Asks the plugin to shut down, with that grace for what is in flight, and waits until it has.
    ///
    /// # Errors
    /// [`CallError`] where it does not answer.
    pub fn shut_down(&self, grace: Duration) -> Result<(), CallError> {
        let grace = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        self.host_side.call(
            methods::SHUTDOWN,
            &json!({ "graceMs": grace }),
            RequestOptions::timeout(PATIENCE),
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.host_side.shut();
        // The plugin's end sees the end of its input once what was queued has been written.
        let _ended = self.ended.recv_timeout(PATIENCE);
        self.plugin_side.drain(None, Duration::from_secs(1));
        self.plugin_side.flush(Duration::from_secs(1));
    }
}

fn read<R: DeserializeOwned>(what: &str, raw: &RawValue) -> Result<R, CallError> {
    serde_json::from_str(raw.get()).map_err(|fault| {
        CallError::Undecodable(format!("{what} is not of the type that was asked for: {fault}"))
    })
}

struct Host {
    callbacks: HashMap<String, Handler>,
    listeners: HashMap<String, Listener>,
    logs: Sender<Log>,
}

impl Service for Host {
    fn route(&self, connection: &Connection, method: &str, _: Params<'_>) -> Result<Route, Error> {
        if connection.remote().is_none() {
            return Err(error::not_initialized(method));
        }
        let handler = self.callbacks.get(method).cloned();
        handler.map(Route::Run).ok_or_else(|| error::method_not_found(method))
    }

    fn listener(&self, method: &str) -> Option<Listener> {
        self.listeners.get(method).cloned()
    }

    fn report(&self, report: Report<'_>) {
        if let Report::Log(log) = report {
            // The test may have ended.
            let _ended = self.logs.send(log);
        }
    }
}
