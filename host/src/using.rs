//! An instance in use: what a call holds for as long as it goes on, and how calls are made over it, whoever chose it.

use std::ops::Deref;
use std::sync::Arc;

use plugline_protocol::lifecycle::methods;
use plugline_protocol::peer::{CallError, Connection, RequestOptions};
use serde::Serialize;

use crate::call::{CallOptions, RunningCall};
use crate::error::Error;
use crate::plugin::Instance;
use crate::supervisor::{Lease, Supervisor};

/// An instance that is being used.
#[derive(Debug)]
pub(crate) enum Using {
    /// Of a plugin that nobody supervises.
    Plain(Arc<Instance>),
    /// Of one that is supervised: it is not taken away while this is held, if that can be helped.
    Leased(Lease),
}

impl Deref for Using {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        self.instance()
    }
}

impl Using {
    pub(crate) fn instance(&self) -> &Arc<Instance> {
        match self {
            Self::Plain(instance) => instance,
            Self::Leased(lease) => lease.instance(),
        }
    }

    /// Who may know another instance, where anybody does.
    pub(crate) fn supervisor(&self) -> Option<Arc<Supervisor>> {
        match self {
            Self::Plain(_) => None,
            Self::Leased(lease) => lease.live().supervisor(),
        }
    }

    /// Whether its plugin declares that a second call of the method does no harm.
    pub(crate) fn is_idempotent(&self, method: &str) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Leased(lease) => lease.live().is_idempotent(method),
        }
    }

    /// Sends a call in whatever way.
    pub(crate) fn send<C>(
        &self,
        method: &str,
        options: CallOptions,
        send: impl FnOnce(&Connection, RequestOptions) -> Result<C, CallError>,
    ) -> Result<C, Error> {
        let fail = |cause| self.call_failed(method, cause);
        if method.starts_with(methods::PREFIX) && !matches!(method, methods::PING | methods::DISCOVER) {
            return Err(fail(CallError::Refused(format!("{method} is the protocol's own to call"))));
        }
        let timeout = options.timeout_or(self.timeouts.call);
        send(&self.connection, RequestOptions::timeout(timeout)).map_err(fail)
    }

    pub(crate) fn begin(
        self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> Result<RunningCall, Error> {
        self.params_fit(method, params)?;
        let call =
            self.send(method, options, |connection, options| connection.request(method, params, options))?;
        Ok(RunningCall { using: self, method: method.to_owned(), call, again: None })
    }

    pub(crate) fn notify(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> Result<(), Error> {
        let fail = |cause| self.call_failed(method, cause);
        if method.starts_with(methods::PREFIX) {
            return Err(fail(CallError::Refused(format!("{method} is the protocol's own to send"))));
        }
        self.params_fit(method, params)?;
        self.connection.notify(method, params, options.timeout_or(self.timeouts.call)).map_err(fail)
    }
}
