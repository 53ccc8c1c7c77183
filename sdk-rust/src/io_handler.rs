//! Serving a handler that was written for `jsonrpc-core`.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use jsonrpc_core::{
    Call as RpcCall, Id, IoHandler, Metadata, MethodCall, Output, Params as RpcParams, RemoteProcedure,
    Version,
};
use plugline_protocol::peer::write_result;
use plugline_protocol::wire::{Error, error};
use serde_json::{Map, Value};

use crate::method::Method;
use crate::plugin::Plugin;

impl<S: Send + Sync + 'static> Plugin<S> {
    /// Serves every method of an existing `jsonrpc-core` handler.
    ///
    /// Its methods bear names of the form `<contract>.<method>`, take their params by name, and are declared
    /// without schemas, since the handler has none. Its notifications are not served: the handler cannot say
    /// which of its names they are.
    ///
    /// # Panics
    /// Where one of its names is taken, or begins with `rpc.`.
    #[must_use]
    pub fn io_handler<M: Metadata + Default>(mut self, handler: IoHandler<M>) -> Self {
        // Sorted, so that the manifest does not change from run to run.
        let procedures: BTreeMap<&String, &RemoteProcedure<M>> = handler.iter().collect();
        let is_method = |procedure: &RemoteProcedure<M>| match procedure {
            RemoteProcedure::Method(_) => true,
            RemoteProcedure::Notification(_) => false,
            RemoteProcedure::Alias(name) => {
                matches!(procedures.get(name), Some(RemoteProcedure::Method(_)))
            }
        };
        let named = procedures.iter().filter(|(_, procedure)| is_method(procedure));
        let names: Vec<String> = named.map(|(name, _)| (*name).clone()).collect();
        let handler = Arc::new(handler);
        for name in names {
            let (handler, method) = (Arc::clone(&handler), name.clone());
            self = self.method(Method::untyped(
                name,
                Box::new(|params| params.decode::<Map<String, Value>>().map(drop)),
                Box::new(move |_, params, _, result| answer(&handler, &method, params.decode()?, result)),
            ));
        }
        self
    }
}

fn answer<M: Metadata + Default>(
    handler: &IoHandler<M>,
    method: &str,
    params: Map<String, Value>,
    into: &mut Vec<u8>,
) -> Result<(), Error> {
    let call = RpcCall::MethodCall(MethodCall {
        jsonrpc: Some(Version::V2),
        method: method.to_owned(),
        params: RpcParams::Map(params),
        id: Id::Num(0),
    });
    match block_on(handler.handle_call(call)) {
        Some(Output::Success(success)) => write_result(&success.result, into),
        Some(Output::Failure(failure)) => Err(failure.error),
        None => Err(error::internal(format!("{method} gave no answer"))),
    }
}

/// Runs a future on this thread, which sleeps while there is nothing to do.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
