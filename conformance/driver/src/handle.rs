//! A plugin as its user has it: one process, or one that is kept alive. The calls of both are the same.

use plugline_host::{
    CallFuture, CallOptions, Error, Exit, Input, OutputStream, PlaceState, Plugin, Rung, RunningCall,
    Stopped, Supervised,
};
use serde_json::{Value, json};

#[derive(Clone)]
pub(crate) enum Handle {
    Plain(Plugin),
    Supervised(Supervised),
}

/// The same call of whichever it is.
macro_rules! same {
    ($handle:expr, $plugin:ident => $call:expr) => {
        match $handle {
            Handle::Plain($plugin) => $call,
            Handle::Supervised($plugin) => $call,
        }
    };
}

impl Handle {
    pub(crate) fn call_async(&self, method: &str, params: &Value, options: CallOptions) -> CallFuture<Value> {
        same!(self, plugin => plugin.call_async(method, params, options))
    }

    pub(crate) fn begin_with_input(
        &self,
        method: &str,
        params: &Value,
        options: CallOptions,
    ) -> Result<(Input<Value>, RunningCall), Error> {
        same!(self, plugin => plugin.begin_with_input(method, params, options))
    }

    pub(crate) fn stream(
        &self,
        method: &str,
        params: &Value,
        options: CallOptions,
    ) -> Result<OutputStream<Value, Value>, Error> {
        same!(self, plugin => plugin.stream(method, params, options))
    }

    pub(crate) fn stream_with_input(
        &self,
        method: &str,
        params: &Value,
        options: CallOptions,
    ) -> Result<(Input<Value>, OutputStream<Value, Value>), Error> {
        same!(self, plugin => plugin.stream_with_input(method, params, options))
    }

    pub(crate) fn notify(&self, method: &str, params: &Value) -> Result<(), Error> {
        same!(self, plugin => plugin.notify(method, params))
    }

    /// The process id; none while there is no process.
    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Self::Plain(plugin) => Some(plugin.id()),
            Self::Supervised(plugin) => plugin.places().into_iter().find_map(|place| match place {
                PlaceState::Running { pid, .. } => Some(pid),
                _ => None,
            }),
        }
    }

    /// How many calls are unanswered.
    pub(crate) fn in_flight(&self) -> usize {
        match self {
            Self::Plain(plugin) => plugin.in_flight(),
            Self::Supervised(plugin) => plugin.in_flight().try_into().unwrap_or(usize::MAX),
        }
    }

    /// What it said in the handshake: its name, and what it can.
    pub(crate) fn hello(&self) -> (Value, Value) {
        let hello = match self {
            Self::Plain(plugin) => Some(plugin.hello().clone()),
            Self::Supervised(plugin) => plugin.hello(),
        };
        hello.map_or((Value::Null, Value::Null), |hello| (json!(hello.plugin), json!(hello.capabilities)))
    }

    /// The whole ladder. Of one that is kept alive and was resting, nothing was there to be stopped.
    pub(crate) fn stop(&self) -> (Rung, Option<Exit>) {
        let stopped = match self {
            Self::Plain(plugin) => Some(plugin.stop()),
            Self::Supervised(plugin) => plugin.stop().pop(),
        };
        stopped.map_or((Rung::Gone, None), |Stopped { rung, exit }| (rung, exit))
    }
}
