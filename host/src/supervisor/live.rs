//! An instance that serves, and the use of it.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Weak};

use plugline_protocol::contract::Document;
use plugline_protocol::peer::CallError;
use plugline_protocol::typed::{Blame, CallFailed, MethodInfo};

use super::roster::Supervisor;
use super::usage::{Entry, Usage};
use crate::plugin::{Instance, Plugin};

/// An instance that serves, or did.
pub(crate) struct Live {
    /// Counted from 1.
    pub(crate) number: u64,
    pub(super) plugin: Plugin,
    pub(super) usage: Usage,
    /// The methods that may be called once more where an answer was lost.
    idempotent: HashSet<String>,
    supervisor: Weak<Supervisor>,
}

impl Live {
    pub(super) fn new(
        number: u64,
        plugin: Plugin,
        manifest: Option<&Document>,
        supervisor: &Arc<Supervisor>,
    ) -> Self {
        let methods = manifest.map_or(&[][..], |manifest| &manifest.methods);
        let idempotent = methods
            .iter()
            .filter(|method| method.plugline.idempotent)
            .map(|method| method.name.clone())
            .collect();
        Self { number, plugin, usage: Usage::default(), idempotent, supervisor: Arc::downgrade(supervisor) }
    }

    pub(super) fn instance(&self) -> &Arc<Instance> {
        self.plugin.instance()
    }

    pub(crate) fn supervisor(&self) -> Option<Arc<Supervisor>> {
        self.supervisor.upgrade()
    }

    /// Whether its connection has ended; what becomes of it is told later.
    pub(super) fn is_lost(&self) -> bool {
        self.instance().connection.closed().is_some()
    }

    /// How busy it is.
    pub(super) fn load(&self) -> u64 {
        self.usage.now().in_flight()
    }

    /// Whether it does anything: for a caller, or for itself.
    pub(super) fn is_busy(&self) -> bool {
        self.load() > 0 || self.instance().connection.handling() > 0
    }

    pub(crate) fn is_idempotent(&self, method: &str) -> bool {
        self.idempotent.contains(method)
    }

    /// Uses it, if it takes more.
    pub(super) fn lease(self: &Arc<Self>) -> Option<Lease> {
        if self.is_lost() {
            return None;
        }
        match self.usage.enter(|| self.last_left()) {
            Entry::Retired => return None,
            Entry::Open => {}
            Entry::Unwatched => {
                if let Some(supervisor) = self.supervisor.upgrade() {
                    supervisor.watch_health(self, None);
                }
            }
        }
        Some(Lease(Arc::clone(self)))
    }

    /// Nobody uses it any more, and nobody will: whoever waits for that looks again.
    fn last_left(&self) {
        if let Some(supervisor) = self.supervisor.upgrade() {
            supervisor.look_again();
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("number", &self.number)
            .field("plugin", &self.plugin)
            .field("usage", &self.usage.now())
            .finish_non_exhaustive()
    }
}

/// The use of an instance, for as long as one call goes on.
#[derive(Debug)]
pub(crate) struct Lease(Arc<Live>);

impl Lease {
    pub(crate) fn instance(&self) -> &Arc<Instance> {
        self.0.instance()
    }

    pub(crate) fn live(&self) -> &Live {
        &self.0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.usage.leave(|| self.0.last_left());
    }
}

/// Whoever takes a stream holds on to who explains it, and so to the instance.
impl Blame for Lease {
    fn failed(&self, method: &'static MethodInfo, cause: CallError) -> CallFailed {
        self.instance().failed(method, cause)
    }
}
