//! Calls that no thread waits for one by one: awaited by tasks, or many from one thread.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use plugline_protocol::lifecycle::messages::Progress;
use plugline_protocol::peer::{self, Canceller};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::plugin::{CallOptions, Instance, Plugin};

impl Plugin {
    /// Calls a method, to be awaited by a task of any executor. Never blocks. It is sent at once where the plugin
    /// takes it; dropping it cancels the call.
    ///
    /// ```no_run
    /// # use plugline_host::{CallOptions, Plugin};
    /// # async fn both(plugin: &Plugin) -> Result<(), plugline_host::Error> {
    /// let options = CallOptions::default();
    /// let first = plugin.call_async::<String>("greet.hello", &serde_json::json!({"name": "you"}), options);
    /// let second = plugin.call_async::<String>("greet.hello", &serde_json::json!({"name": "me"}), options);
    /// println!("{} {}", first.await?, second.await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_async<R: DeserializeOwned>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> CallFuture<R> {
        let sent = self.begin_as(method, options, |connection, options| {
            Ok(connection.call_async(method, params, options))
        });
        let state = match sent {
            Ok((instance, call)) => State::Sent { instance, method: method.to_owned(), call: Box::new(call) },
            Err(fault) => State::Failed(Some(Box::new(fault))),
        };
        CallFuture { state }
    }

    /// Calls a method once for each of these params; the results come in the same order. As many calls are under
    /// way as the plugin takes at once, and their requests travel together, so that this is the fastest way to make
    /// many calls from one thread. Dropping it cancels those that are under way.
    ///
    /// ```no_run
    /// # use plugline_host::{CallOptions, Plugin};
    /// # let plugin = Plugin::command("./greeter").start()?;
    /// let names = ["you", "me"].map(|name| serde_json::json!({"name": name}));
    /// for greeting in plugin.call_many::<String, _>("greet.hello", names, CallOptions::default())? {
    ///     println!("{}", greeting?);
    /// }
    /// # Ok::<(), plugline_host::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error`] where the method may not be called.
    pub fn call_many<R, I>(
        &self,
        method: &str,
        params: I,
        options: CallOptions,
    ) -> Result<impl Iterator<Item = Result<R, Error>> + use<R, I>, Error>
    where
        R: DeserializeOwned,
        I: IntoIterator<Item: Serialize>,
    {
        let (instance, calls) = self.begin_as(method, options, |connection, options| {
            Ok(connection.call_many::<R, I>(method, params, options))
        })?;
        let method = method.to_owned();
        Ok(calls.map(move |result| result.map_err(|cause| instance.call_failed(&method, cause))))
    }
}

/// A call that a task awaits. Dropping it cancels the call.
#[must_use = "a call that is not awaited is cancelled"]
pub struct CallFuture<R> {
    state: State<R>,
}

enum State<R> {
    Sent {
        instance: Arc<Instance>,
        method: String,
        call: Box<peer::CallFuture<R>>,
    },
    /// Taken by the first poll.
    Failed(Option<Box<Error>>),
}

impl<R> CallFuture<R> {
    /// Gives progress to a function, in the task that awaits.
    pub fn on_progress(self, progress: impl FnMut(Progress) + Send + 'static) -> Self {
        let state = match self.state {
            State::Sent { instance, method, call } => {
                State::Sent { instance, method, call: Box::new(call.on_progress(progress)) }
            }
            failed @ State::Failed(_) => failed,
        };
        Self { state }
    }

    /// A handle that cancels the call from elsewhere; none where it was not sent yet, or has ended. Of a call that
    /// is not sent yet, drop the future.
    pub fn canceller(&self) -> Option<Canceller> {
        match &self.state {
            State::Sent { call, .. } => call.canceller(),
            State::Failed(_) => None,
        }
    }
}

impl<R: DeserializeOwned> Future for CallFuture<R> {
    type Output = Result<R, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Sent { instance, method, call } => Pin::new(call)
                .poll(context)
                .map(|result| result.map_err(|cause| instance.call_failed(method, cause))),
            State::Failed(fault) => Poll::Ready(Err(*fault.take().expect("polled after it was ready"))),
        }
    }
}

impl<R> fmt::Debug for CallFuture<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Sent { method, call, .. } => {
                f.debug_struct("CallFuture").field("method", method).field("call", call).finish()
            }
            State::Failed(fault) => f.debug_tuple("CallFuture").field(fault).finish(),
        }
    }
}
