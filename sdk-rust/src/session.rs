//! The plugin's side of one connection: lifecycle, and who serves what.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crossbeam_channel::Sender;
use plugline_protocol::lifecycle::messages::Shutdown;
use plugline_protocol::lifecycle::{
    Feature, Identity, InitializeParams, InitializeResult, Phase, PluginCapabilities, methods,
};
use plugline_protocol::peer::{Call, CloseReason, Connection, Handler, Listener, Report, Route, Service};
use plugline_protocol::wire::{Error, Params, error};
use serde_json::value::{RawValue, to_raw_value};

use crate::method::{Method, Notification};
use crate::plugin::{Configure, Plugin};
use crate::stdio::tell;

/// So many messages that were ignored are told on standard error.
const IGNORED_SHOWN: u32 = 20;

/// The plugin's side of one connection.
pub(crate) struct Session<S> {
    shared: Arc<Shared<S>>,
    methods: BTreeMap<String, Handler>,
    notifications: BTreeMap<String, Listener>,
    manifest: Box<RawValue>,
    /// How many messages were ignored.
    ignored: AtomicU32,
    /// Told when the connection ends.
    ended: Sender<Arc<CloseReason>>,
}

/// What handlers need of the session.
struct Shared<S> {
    phase: Mutex<Phase>,
    state: OnceLock<S>,
    configure: Arc<Configure<S>>,
    /// The answer to the handshake.
    hello: InitializeResult,
}

impl<S: Send + Sync + 'static> Shared<S> {
    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> &S {
        self.state.get().expect("the lifecycle lets no call through before the handshake made the state")
    }

    fn initialize(
        &self,
        params: &InitializeParams,
        version: u32,
        call: &Call,
    ) -> Result<InitializeResult, Error> {
        // Whatever happens here, a panic included, another handshake may be tried if this one fails.
        let failed = BackToNew(self);
        let state = (self.configure)(&params.config)?;
        if self.state.set(state).is_err() {
            return Err(error::internal("the state was made already"));
        }
        call.connection().accept(params);
        std::mem::forget(failed);
        let mut phase = self.phase();
        if *phase == Phase::Initializing {
            *phase = Phase::Ready;
        }
        Ok(InitializeResult { protocol_version: version, ..self.hello.clone() })
    }
}

struct BackToNew<'a, S: Send + Sync + 'static>(&'a Shared<S>);

impl<S: Send + Sync + 'static> Drop for BackToNew<'_, S> {
    fn drop(&mut self) {
        let mut phase = self.0.phase();
        if *phase == Phase::Initializing {
            *phase = Phase::New;
        }
    }
}

impl<S: Send + Sync + 'static> Session<S> {
    pub(crate) fn new(plugin: Plugin<S>, ended: Sender<Arc<CloseReason>>) -> Self {
        let manifest = to_raw_value(&plugin.manifest()).expect("a manifest is plain JSON");
        let Plugin { name, version, provides, methods, notifications, configure, limits, .. } = plugin;
        let feature = Some(Feature {});
        let streams = methods.iter().any(|method| method.about.has_streams());
        let shared = Arc::new(Shared {
            phase: Mutex::new(Phase::New),
            state: OnceLock::new(),
            configure,
            hello: InitializeResult {
                protocol_version: 1,
                plugin: Identity { name, version },
                provides,
                limits,
                capabilities: PluginCapabilities {
                    cancel: feature,
                    progress: feature,
                    log: feature,
                    streams: feature.filter(|_| streams),
                    callbacks: feature,
                },
            },
        });
        Self {
            methods: methods.into_iter().map(|method| served(&shared, method)).collect(),
            notifications: notifications.into_iter().map(|listened| heard(&shared, listened)).collect(),
            shared,
            manifest,
            ignored: AtomicU32::new(0),
            ended,
        }
    }

    /// Takes no more requests.
    pub(crate) fn shut_down(&self) {
        *self.shared.phase() = Phase::ShuttingDown;
    }
}

fn served<S: Send + Sync + 'static>(shared: &Arc<Shared<S>>, method: Method<S>) -> (String, Handler) {
    let Method { about, check, run } = method;
    let shared = Arc::clone(shared);
    let mut handler =
        Handler::typed(check, move |params, call, result| run(shared.state(), params, call, result));
    if about.output.is_some() {
        handler = handler.with_output();
    }
    if about.input.is_some() {
        handler = handler.with_input();
    }
    (about.name, handler)
}

fn heard<S: Send + Sync + 'static>(
    shared: &Arc<Shared<S>>,
    notification: Notification<S>,
) -> (String, Listener) {
    let Notification { about, listen } = notification;
    let shared = Arc::clone(shared);
    (about.name, Listener::raw(move |params| listen(shared.state(), params)))
}

impl<S: Send + Sync + 'static> Service for Session<S> {
    fn route(&self, _: &Connection, method: &str, params: Params<'_>) -> Result<Route, Error> {
        let mut phase = self.shared.phase();
        phase.admit(method)?;
        match method {
            methods::DISCOVER => Ok(Route::Answer(self.manifest.clone())),
            methods::INITIALIZE => {
                let (params, version) = InitializeParams::read(&params)?;
                *phase = Phase::Initializing;
                let shared = Arc::clone(&self.shared);
                Ok(Route::RunUncounted(Handler::raw(move |_, call| {
                    let hello = shared.initialize(&params, version, call)?;
                    to_raw_value(&hello).map_err(|fault| error::internal(fault.to_string()))
                })))
            }
            methods::SHUTDOWN => {
                let shutdown: Shutdown = params.decode_open()?;
                *phase = Phase::ShuttingDown;
                Ok(Route::RunUncounted(Handler::raw(move |_, call| {
                    call.connection().drain(Some(call.id()), Duration::from_millis(shutdown.grace_ms));
                    Ok(RawValue::NULL.to_owned())
                })))
            }
            _ => self
                .methods
                .get(method)
                .map(|handler| Route::Run(handler.clone()))
                .ok_or_else(|| error::method_not_found(method)),
        }
    }

    fn listener(&self, method: &str) -> Option<Listener> {
        match *self.shared.phase() {
            Phase::Ready => self.notifications.get(method).cloned(),
            Phase::New | Phase::Initializing | Phase::ShuttingDown => None,
        }
    }

    fn report(&self, report: Report<'_>) {
        match report {
            Report::Closed(reason) => {
                // Nobody listens any more where the process is already on its way out.
                let _gone = self.ended.try_send(Arc::clone(reason));
            }
            // Bounded: a host that does not read standard error must not stop the reader.
            Report::Ignored(what) => match self.ignored.fetch_add(1, Ordering::Relaxed) {
                ..IGNORED_SHOWN => tell(&what),
                IGNORED_SHOWN => tell("more was ignored than is shown here"),
                _ => {}
            },
            Report::Stray(_) | Report::Log(_) | Report::Unanswered { .. } => {}
        }
    }
}
