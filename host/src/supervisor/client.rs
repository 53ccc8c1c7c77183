//! Contracts as traits, over a plugin that is kept alive.

use std::sync::Arc;
use std::time::Instant;

use plugline_protocol::contract::{Wanted, compatible};
use plugline_protocol::peer::{CallError, RequestOptions};
use plugline_protocol::typed::{
    Attempt, Blame, CallFailed, Caller, Client, Context, Contract, MakeCall, MethodInfo, Noted,
};

use super::handle::Supervised;
use super::live::Lease;
use super::roster::Patience;
use super::state::Relied;
use crate::error::Error;
use crate::event::EventKind;

impl Supervised {
    /// The plugin as an implementation of a contract's trait; see [`Plugin::client`](crate::Plugin::client).
    ///
    /// Where the manifest is known ([`Launch::manifest`](crate::Launch::manifest)), nothing is started for it. As long as the client is there, no
    /// instance serves that does not have what it was made for: neither one that takes over nor one that is started again.
    ///
    /// # Errors
    /// [`Error::Contract`] where it does not provide the contract as the client knows it; another where there is no
    /// manifest.
    pub fn client<C: Client>(&self) -> Result<C, Error> {
        let manifest = self.manifest()?;
        let relied = Arc::new(Relied {
            contract: C::Contract::NAME,
            version: C::Contract::VERSION,
            document: C::Contract::document(),
        });
        let wanted =
            Wanted { contract: relied.contract, version: relied.version, document: &relied.document };
        let mut state = self.supervisor().lock();
        // Others may have taken over meanwhile.
        let manifest = state.manifest.clone().unwrap_or(manifest);
        compatible(&wanted, &manifest).map_err(|mismatches| Error::Contract {
            command: state.launch.name(),
            contract: relied.contract.to_owned(),
            version: relied.version.to_owned(),
            mismatches,
        })?;
        state.relied_on.retain(|relied| relied.strong_count() > 0);
        state.relied_on.push(Arc::downgrade(&relied));
        drop(state);
        Ok(C::over(Arc::new(Relying { plugin: self.clone(), _on: relied })))
    }
}

/// A client of a supervised plugin, with what it relies on.
struct Relying {
    plugin: Supervised,
    _on: Arc<Relied>,
}

impl Caller for Relying {
    fn call(
        &self,
        method: &'static MethodInfo,
        context: Option<&Context>,
        make: &mut MakeCall<'_>,
    ) -> Result<(), CallFailed> {
        Caller::call(&self.plugin, method, context, make)
    }

    fn lost(&self, method: &'static MethodInfo, failed: CallFailed) {
        Caller::lost(&self.plugin, method, failed);
    }
}

impl Supervised {
    /// Makes a call that was asked for then, and has waited since.
    pub(crate) fn call_since(
        &self,
        asked: Instant,
        method: &'static MethodInfo,
        context: Option<&Context>,
        make: &mut MakeCall<'_>,
    ) -> Result<(), CallFailed> {
        self.attempt(None, asked, method, context, make)
    }

    /// Makes a call, first over an instance that takes it at once, where there is one.
    fn attempt(
        &self,
        mut first: Option<Lease>,
        asked: Instant,
        method: &'static MethodInfo,
        context: Option<&Context>,
        make: &mut MakeCall<'_>,
    ) -> Result<(), CallFailed> {
        let supervisor = self.supervisor();
        let mut failed: Option<Error> = None;
        loop {
            let (lease, options) = match first.take() {
                Some(lease) => {
                    let options = RequestOptions::timeout(lease.instance().timeouts.call);
                    (lease, options)
                }
                None => {
                    let usual = self.usual().map(|usual| usual.saturating_sub(asked.elapsed()));
                    let options = RequestOptions::timeout(usual);
                    let options = context.map_or(options.clone(), |context| context.options(options));
                    let deadline = options.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
                    let is_cancelled = || context.is_some_and(Context::is_cancelled);
                    let cancelled = context.is_some().then_some(&is_cancelled as &dyn Fn() -> bool);
                    let patience = Patience { method: method.name, asked, deadline, cancelled };
                    let lease = match &failed {
                        Some(failed) => supervisor.repeat(&patience, failed.clone()),
                        None => supervisor.lease(&patience),
                    };
                    let lease = lease.map_err(call_failed)?;
                    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                    (lease, RequestOptions::timeout(left))
                }
            };
            let lease = Arc::new(lease);
            // Whoever takes the items of the call holds on to this, and so to the instance.
            let blame: Arc<dyn Blame> = Arc::<Lease>::clone(&lease);
            let noted = Noted::default();
            let attempt = Attempt::over(&lease.instance().connection, options, &blame).noting(&noted);
            let Err(cause) = make(attempt) else { return Ok(()) };
            let was_lost = matches!(cause, CallError::Closed(_));
            let fault = lease.instance().call_failed(method.name, cause);
            if was_lost && !noted.sent() {
                continue; // Nothing can have come of it, so another instance may do it.
            }
            let may_repeat = was_lost && method.idempotent && failed.is_none() && !noted.called_back();
            if !may_repeat {
                return Err(call_failed(fault));
            }
            failed = Some(fault);
        }
    }
}

impl Caller for Supervised {
    fn call(
        &self,
        method: &'static MethodInfo,
        context: Option<&Context>,
        make: &mut MakeCall<'_>,
    ) -> Result<(), CallFailed> {
        // What is lost may have been waited for, so its time counts.
        let asked = Instant::now();
        self.attempt(self.supervisor().try_lease(), asked, method, context, make)
    }

    fn lost(&self, method: &'static MethodInfo, failed: CallFailed) {
        let what = format!("{} was not sent: {failed}", method.name);
        self.supervisor().events.tell(0, EventKind::Ignored(what));
    }
}

fn call_failed(fault: Error) -> CallFailed {
    CallFailed::with_source(fault.kind(), fault.remote().cloned(), fault)
}
