//! What the owner of a connection brings: the methods it serves, and what it wants to know.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::call::Call;
use super::connection::Connection;
use super::error::CloseReason;
use super::stream::Streams;
use super::work::RunningMean;
use crate::lifecycle::messages::Log;
use crate::wire::{Error, Params, RequestId, error, write_json};

/// What the owner of a connection brings.
///
/// All of these are called by whatever thread reads, while it does, so they must not wait, nor call the other side.
pub trait Service: Send + Sync + 'static {
    /// What to do with a request: lifecycle first, then the method. `rpc.ping` never comes here. The params are
    /// for the protocol's own methods; a handler's are decoded where it runs.
    ///
    /// # Errors
    /// What to answer instead: -32000, -32003, -32600, -32601; -32602 for a method of the protocol.
    fn route(&self, connection: &Connection, method: &str, params: Params<'_>) -> Result<Route, Error>;

    /// Who listens to a notification, if anybody.
    fn listener(&self, method: &str) -> Option<Listener>;

    /// Something happened that is no call.
    fn report(&self, report: Report<'_>);
}

/// What to do with a request.
pub enum Route {
    /// Answer at once; for what is known already.
    Answer(Box<RawValue>),
    /// Run a handler: on the thread that read the request where it is known to be fast, otherwise on a worker.
    Run(Handler),
    /// Run a handler of the protocol itself on a worker; it does not count as in flight.
    RunUncounted(Handler),
}

/// Something that happened and is no call.
#[derive(Debug)]
pub enum Report<'a> {
    /// A line that is no message (host only).
    Stray(&'a [u8]),
    /// The plugin wrote to the log (host only).
    Log(Log),
    /// A message was ignored, and why.
    Ignored(String),
    /// A call that ended for its caller was not answered in due time (host only).
    Unanswered {
        /// Which call.
        id: RequestId,
        /// What it called.
        method: String,
    },
    /// The connection ended; reported once.
    Closed(&'a Arc<CloseReason>),
}

/// Appends the JSON text of the result.
type Run = dyn Fn(Params<'_>, &Call, &mut Vec<u8>) -> Result<(), Error> + Send + Sync;
type Check = dyn Fn(Params<'_>) -> Result<(), Error> + Send + Sync;
type Listen = dyn Fn(Params<'_>) -> Result<(), Error> + Send + Sync;

/// A method's implementation, its types taken away.
#[derive(Clone)]
pub struct Handler {
    pub(super) parts: Arc<Parts>,
    pub(super) streams: Streams,
}

pub(super) struct Parts {
    pub(super) run: Box<Run>,
    /// Whether the params can be taken, for a request that will not be run.
    pub(super) check: Box<Check>,
    /// How long it takes; the clones of one handler share it.
    pub(super) pace: RunningMean,
    pub(super) checking: Checking,
}

/// Who finds out whether params are JSON at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checking {
    /// The handler, which decodes them to their end before it does anything else.
    ByHandler,
    /// Whoever takes the request in.
    Before,
}

impl Handler {
    /// A handler with typed params and result.
    pub fn new<P, R, E>(function: impl Fn(P, &Call) -> Result<R, E> + Send + Sync + 'static) -> Self
    where
        P: DeserializeOwned,
        R: Serialize,
        E: Into<Error>,
    {
        Self::typed(
            |params| params.decode::<P>().map(drop),
            move |params, call, result| {
                write_result(&function(params.decode()?, call).map_err(Into::into)?, result)
            },
        )
    }

    /// A handler whose types only the functions know. `run` [decodes](Params::decode) the params before it does
    /// anything else, and appends the JSON text of its result, as [`write_result`] does; `check` says whether they
    /// can be decoded, for a request that is refused anyway.
    pub fn typed(
        check: impl Fn(Params<'_>) -> Result<(), Error> + Send + Sync + 'static,
        run: impl Fn(Params<'_>, &Call, &mut Vec<u8>) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Self {
        Self::of(Box::new(check), Box::new(run), Checking::ByHandler)
    }

    /// A handler of raw params, `_meta` included where it is there; [`Params::decode`] leaves it out.
    pub fn raw(
        function: impl Fn(Params<'_>, &Call) -> Result<Box<RawValue>, Error> + Send + Sync + 'static,
    ) -> Self {
        let run = move |params: Params<'_>, call: &Call, result: &mut Vec<u8>| {
            result.extend_from_slice(function(params, call)?.get().as_bytes());
            Ok(())
        };
        Self::of(Box::new(|_| Ok(())), Box::new(run), Checking::Before)
    }

    fn of(check: Box<Check>, run: Box<Run>, checking: Checking) -> Self {
        let parts = Parts { run, check, pace: RunningMean::default(), checking };
        Self { parts: Arc::new(parts), streams: Streams::default() }
    }

    /// The same handler, its calls having an [output](Call::output) stream. A caller without streams finds no
    /// such method then.
    #[must_use]
    pub fn with_output(mut self) -> Self {
        self.streams.output = true;
        self
    }

    /// The same handler, its calls having an [input](Call::input) stream. A caller without streams finds no such
    /// method then.
    #[must_use]
    pub fn with_input(mut self) -> Self {
        self.streams.input = true;
        self
    }
}

/// Appends the JSON text of a handler's result.
///
/// # Errors
/// -32603 where it has none.
pub fn write_result(result: &(impl Serialize + ?Sized), into: &mut Vec<u8>) -> Result<(), Error> {
    write_json(into, result).map_err(|fault| error::internal(format!("the result has no JSON form: {fault}")))
}

/// What is done about a notification, its types taken away.
#[derive(Clone)]
pub struct Listener {
    pub(super) listen: Arc<Listen>,
}

impl Listener {
    /// A listener with typed params.
    pub fn new<P: DeserializeOwned>(function: impl Fn(P) + Send + Sync + 'static) -> Self {
        Self {
            listen: Arc::new(move |params| {
                function(params.decode()?);
                Ok(())
            }),
        }
    }

    /// A listener with raw params. An error is reported and otherwise ignored.
    pub fn raw(function: impl Fn(Params<'_>) -> Result<(), Error> + Send + Sync + 'static) -> Self {
        Self { listen: Arc::new(function) }
    }
}
