//! Calls that no thread waits for one by one: awaited by tasks, or many from one thread.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use plugline_protocol::lifecycle::messages::Progress;
use plugline_protocol::peer::{self, CallError, Canceller, Trace};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::call::{CallOptions, may_be_repeated};
use crate::error::Error;
use crate::plugin::Plugin;
use crate::supervisor::Waiting;
use crate::using::Using;

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
        CallFuture { state: self.using().call_async(method, params, options) }
    }

    /// Calls a method once for each of these params; the results come in the same order. As many calls are under
    /// way as the plugin takes at once, though no more than 4096, and their requests travel together, so that this is the
    /// fastest way to make many calls from one thread. Dropping it cancels those that are under way. Nothing is sent before
    /// the first result is asked for, and the time of each call counts from when it is sent: where the plugin does not
    /// answer, all of them may take as many times that of one.
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
        self.using().call_many(method, params, options)
    }
}

impl Using {
    fn call_async<R: DeserializeOwned>(
        self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> State<R> {
        self.sent(method, params, options).unwrap_or_else(|fault| State::Failed(Some(Box::new(fault))))
    }

    fn sent<R: DeserializeOwned>(
        self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> Result<State<R>, Error> {
        self.params_fit(method, params)?;
        let checked = self.is_checked(method);
        let call = self.send(method, options, |connection, options| {
            Ok(if checked {
                Pending::Checked(Box::new(connection.call_async(method, params, options)))
            } else {
                Pending::Plain(Box::new(connection.call_async(method, params, options)))
            })
        })?;
        Ok(State::Sent { using: self, method: method.to_owned(), call, again: None })
    }

    pub(crate) fn call_many<R, I>(
        self,
        method: &str,
        params: I,
        options: CallOptions,
    ) -> Result<impl Iterator<Item = Result<R, Error>> + use<R, I>, Error>
    where
        R: DeserializeOwned,
        I: IntoIterator<Item: Serialize>,
    {
        if self.is_checked(method) {
            return self.call_many_checked(method, params, options).map(Results::Checked);
        }
        let calls = self.send(method, options, |connection, options| {
            Ok(connection.call_many::<R, I>(method, params, options))
        })?;
        let method = method.to_owned();
        Ok(Results::Plain(calls.map(move |result| result.map_err(|cause| self.call_failed(&method, cause)))))
    }

    /// The same, each result checked before it is decoded. The params are checked first, all of them: where one does
    /// not fit, nothing is sent.
    fn call_many_checked<R, I>(
        self,
        method: &str,
        params: I,
        options: CallOptions,
    ) -> Result<impl Iterator<Item = Result<R, Error>> + use<R, I>, Error>
    where
        R: DeserializeOwned,
        I: IntoIterator<Item: Serialize>,
    {
        let params: Vec<I::Item> = params.into_iter().collect();
        params.iter().try_for_each(|params| self.params_fit(method, params))?;
        let calls = self.send(method, options, |connection, options| {
            Ok(connection.call_many::<Box<RawValue>, _>(method, params, options))
        })?;
        let method = method.to_owned();
        Ok(calls.map(move |result| {
            let result = result.map_err(|cause| self.call_failed(&method, cause))?;
            self.result_fits(&method, &result)?;
            self.read(&method, &result)
        }))
    }
}

/// The results of many calls, checked or not.
enum Results<P, C> {
    Plain(P),
    Checked(C),
}

impl<R, P: Iterator<Item = R>, C: Iterator<Item = R>> Iterator for Results<P, C> {
    type Item = R;

    fn next(&mut self) -> Option<R> {
        match self {
            Self::Plain(results) => results.next(),
            Self::Checked(results) => results.next(),
        }
    }
}

/// A call that a task awaits. Dropping it cancels the call.
#[must_use = "a call that is not awaited is cancelled"]
pub struct CallFuture<R> {
    state: State<R>,
}

enum State<R> {
    /// There is no instance to send it to yet.
    Waiting { call: Box<Waiting>, progress: Option<Tell> },
    Sent {
        using: Using,
        method: String,
        call: Pending<R>,
        /// How it may be made once more, where it may.
        again: Option<Box<Again>>,
    },
    /// Taken by the first poll.
    Failed(Option<Box<Error>>),
}

type Tell = Box<dyn FnMut(Progress) + Send>;

/// A call that may be made once more, and who is told of its progress then.
struct Again {
    call: Waiting,
    progress: Option<Arc<Mutex<Tell>>>,
}

/// A call that was sent, or waits for a place.
enum Pending<R> {
    Plain(Box<peer::CallFuture<R>>),
    /// What comes is checked before it is decoded.
    Checked(Box<peer::CallFuture<Box<RawValue>>>),
}

impl<R> Pending<R> {
    fn on_progress(self, using: &Using, mut progress: impl FnMut(Progress) + Send + 'static) -> Self {
        let redactor = using.redactor().clone();
        let progress = move |report| progress(redactor.progress(report));
        match self {
            Self::Plain(call) => Self::Plain(Box::new(call.on_progress(progress))),
            Self::Checked(call) => Self::Checked(Box::new(call.on_progress(progress))),
        }
    }
}

impl<R: DeserializeOwned> Pending<R> {
    fn trace(&self) -> Option<Trace> {
        match self {
            Self::Plain(call) => call.trace(),
            Self::Checked(call) => call.trace(),
        }
    }

    fn poll(
        &mut self,
        using: &Using,
        method: &str,
        context: &mut Context<'_>,
    ) -> Poll<Result<Result<R, Error>, CallError>> {
        match self {
            Self::Plain(call) => Pin::new(call).poll(context).map_ok(Ok),
            Self::Checked(call) => Pin::new(call).poll(context).map_ok(|result| {
                using.result_fits(method, &result)?;
                using.read(method, &result)
            }),
        }
    }
}

fn pass_on(told: Arc<Mutex<Tell>>) -> impl FnMut(Progress) + Send + 'static {
    move |progress| {
        let mut tell = told.lock().unwrap_or_else(PoisonError::into_inner);
        tell(progress);
    }
}

impl<R: DeserializeOwned> CallFuture<R> {
    /// Over an instance that there is.
    pub(crate) fn over(
        using: Using,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> Self {
        Self { state: using.call_async(method, params, options) }
    }

    /// The same; should that be lost, over another.
    pub(crate) fn repeatable(using: Using, call: Waiting) -> Self {
        let mut state = using.call_async(&call.method, &*call.params, call.options());
        if let State::Sent { again, .. } = &mut state {
            *again = Some(Box::new(Again { call, progress: None }));
        }
        Self { state }
    }

    /// Over the instance that there will be.
    pub(crate) fn waiting(call: Waiting) -> Self {
        Self { state: State::Waiting { call: Box::new(call), progress: None } }
    }

    pub(crate) fn failed(fault: Error) -> Self {
        Self { state: State::Failed(Some(Box::new(fault))) }
    }
}

impl<R> CallFuture<R> {
    /// Gives progress to a function, in the task that awaits.
    pub fn on_progress(self, progress: impl FnMut(Progress) + Send + 'static) -> Self {
        let state = match self.state {
            State::Waiting { call, .. } => State::Waiting { call, progress: Some(Box::new(progress)) },
            State::Sent { using, method, call, again: Some(mut again) } => {
                let told: Arc<Mutex<Tell>> = Arc::new(Mutex::new(Box::new(progress)));
                again.progress = Some(Arc::clone(&told));
                let call = call.on_progress(&using, pass_on(told));
                State::Sent { using, method, call, again: Some(again) }
            }
            State::Sent { using, method, call, again } => {
                let call = call.on_progress(&using, progress);
                State::Sent { using, method, call, again }
            }
            failed @ State::Failed(_) => failed,
        };
        Self { state }
    }

    /// A handle that cancels the call from elsewhere; none where it was not sent yet, or has ended. Of a call that
    /// is not sent yet, drop the future.
    pub fn canceller(&self) -> Option<Canceller> {
        match &self.state {
            State::Sent { call: Pending::Plain(call), .. } => call.canceller(),
            State::Sent { call: Pending::Checked(call), .. } => call.canceller(),
            State::Waiting { .. } | State::Failed(_) => None,
        }
    }
}

impl<R: DeserializeOwned> Future for CallFuture<R> {
    type Output = Result<R, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut self.state {
                State::Waiting { call, progress } => {
                    let using = match call.poll(context) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
                        Poll::Ready(Ok(using)) => using,
                    };
                    let sent = using.call_async(&call.method, &*call.params, call.options());
                    let progress = progress.take();
                    self.state = match (sent, progress) {
                        (State::Sent { using, method, call, again }, Some(progress)) => {
                            let call = call.on_progress(&using, progress);
                            State::Sent { using, method, call, again }
                        }
                        (state, _) => state,
                    };
                }
                State::Sent { using, method, call, again } => {
                    // Of one that was not sent, nothing can have come.
                    let trace = again.as_ref().and_then(|_| call.trace());
                    let cause = match call.poll(using, method, context) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Ok(result)) => return Poll::Ready(result),
                        Poll::Ready(Err(cause)) => cause,
                    };
                    let is_lost = matches!(cause, CallError::Closed(_));
                    let is_repeatable = trace.is_none_or(|trace| may_be_repeated(&cause, &trace));
                    let failed = using.call_failed(method, cause);
                    let Some(again) = again.take().filter(|_| is_lost && is_repeatable) else {
                        return Poll::Ready(Err(failed));
                    };
                    let Again { mut call, progress } = *again;
                    call.once_more(failed);
                    let progress = progress.map(|told| Box::new(pass_on(told)) as Tell);
                    self.state = State::Waiting { call: Box::new(call), progress };
                }
                State::Failed(fault) => {
                    return Poll::Ready(Err(*fault.take().expect("polled after it was ready")));
                }
            }
        }
    }
}

impl<R> fmt::Debug for CallFuture<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Waiting { call, .. } => {
                f.debug_struct("CallFuture").field("waits to call", &call.method).finish_non_exhaustive()
            }
            State::Sent { method, .. } => {
                f.debug_struct("CallFuture").field("method", method).finish_non_exhaustive()
            }
            State::Failed(fault) => f.debug_tuple("CallFuture").field(fault).finish(),
        }
    }
}
