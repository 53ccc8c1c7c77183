//! Contracts as traits: the client of a plugin, and what a host serves to it.

use std::sync::Arc;

use plugline_protocol::contract::{Wanted, compatible};
use plugline_protocol::peer::{CallError, RequestOptions};
use plugline_protocol::typed::{
    Attempt, Blame, CallFailed, Caller, Client, Context, Contract, MakeCall, MethodInfo, Serve,
};

use crate::error::Error;
use crate::event::EventKind;
use crate::launch::Launch;
use crate::plugin::{Instance, Plugin};

impl Plugin {
    /// The plugin as an implementation of a contract's trait.
    ///
    /// ```no_run
    /// # use plugline_host::Plugin;
    /// # use plugline_sdk::{CallFailed, contract};
    /// # #[contract(name = "greet", version = "1.0.0")]
    /// # trait Greet: Send + Sync { fn hello(&self, name: &str) -> Result<String, CallFailed>; }
    /// let plugin = Plugin::command("./greeter").start()?;
    /// let greet: GreetClient = plugin.client()?;
    /// assert_eq!(greet.hello("you")?, "Hello, you!");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The plugin's manifest is compared with the contract first, so that a call does not fail of what could be known
    /// before. The client is a handle of the plugin, as a clone is. A call takes as long as it may by
    /// [`Timeouts::call`](crate::Timeouts), unless its `Context` says otherwise.
    ///
    /// # Errors
    /// [`Error::Contract`] where it does not provide the contract as the client knows it, with all that differs;
    /// another where it gives no manifest.
    pub fn client<C: Client>(&self) -> Result<C, Error> {
        let instance = self.instance();
        let wanted = Wanted {
            contract: C::Contract::NAME,
            version: C::Contract::VERSION,
            document: &C::Contract::document(),
        };
        compatible(&wanted, self.manifest()?).map_err(|mismatches| instance.unfit(&wanted, mismatches))?;
        Ok(C::over(Arc::new(self.clone())))
    }
}

impl Caller for Plugin {
    fn call(
        &self,
        method: &'static MethodInfo,
        _: Option<&Context>,
        make: &mut MakeCall<'_>,
    ) -> Result<(), CallFailed> {
        let instance = self.instance();
        let options = RequestOptions::timeout(instance.timeouts.call);
        let blame: Arc<dyn Blame> = Arc::<Instance>::clone(instance);
        make(Attempt::over(&instance.connection, options, &blame))
            .map_err(|cause| blame.failed(method, cause))
    }

    fn lost(&self, method: &'static MethodInfo, failed: CallFailed) {
        self.instance().tell(EventKind::Ignored(format!("{} was not sent: {failed}", method.name)));
    }
}

impl Blame for Instance {
    fn failed(&self, method: &'static MethodInfo, cause: CallError) -> CallFailed {
        let error = self.call_failed(method.name, cause);
        CallFailed::with_source(error.kind(), error.remote().cloned(), error)
    }
}

impl Launch {
    /// Serves a contract to the plugin: all its methods, by an implementation of its trait. They may block, and may
    /// call the plugin back through their context. As a [`callback`](Self::callback) does, they may run on the thread that
    /// waits for the plugin.
    ///
    /// A method of this contract cannot have streams (`CALL-16`): that is found where this is compiled.
    #[must_use]
    pub fn serve_callbacks<C: Serve<S>, S: Send + Sync + 'static>(mut self, _: C, implementation: S) -> Self {
        const { assert!(!C::STREAMS, "a method of this contract has a stream, and methods of a host have none") };
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
}
