//! Calls that no thread waits for one by one: awaited by tasks, or many from one thread.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use plugline_protocol::lifecycle::messages::Progress;
use plugline_protocol::peer::{self, CallError, Canceller, TellProgress, Trace};
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
    Waiting { call: Box<Waiting>, progress: Option<TellProgress> },
    Sent {
        using: Using,
        method: String,
        call: Pending<R>,
        /// How it goes on at another instance, where that is known.
        again: Option<Box<Again>>,
    },
    /// Taken by the first poll. Of one that has ended, nothing is left.
    Failed(Option<Box<Error>>),
}

/// A call that may go on at another instance, and who is told of its progress then.
struct Again {
    call: Waiting,
    /// Also where it was sent: its method is idempotent, and it was not repeated yet.
    may_be_repeated: bool,
    progress: Option<Arc<Mutex<TellProgress>>>,
}

impl Again {
    /// Whether a call that was sent, and failed so, is to be made once more.
    fn is_to_be_repeated(&self, cause: &CallError, trace: Option<&Trace>) -> bool {
        self.may_be_repeated
            && matches!(cause, CallError::Closed(_))
            && trace.is_none_or(|trace| may_be_repeated(cause, trace))
    }

    fn call_and_progress(self) -> (Waiting, Option<TellProgress>) {
        let progress = self.progress.map(|told| Box::new(pass_on(told)) as TellProgress);
        (self.call, progress)
    }
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

    /// How it goes on at another instance, if it was not sent to this one before that was lost.
    fn elsewhere(&mut self, using: &Using, method: &str) -> Option<(Waiting, Option<TellProgress>)> {
        let (unsent, asked, deadline) = match self {
            Self::Plain(call) => (call.take_unsent(), call.asked(), call.deadline()),
            Self::Checked(call) => (call.take_unsent(), call.asked(), call.deadline()),
        };
        let (params, progress) = unsent?;
        let supervisor = using.supervisor()?;
        Some((Waiting::new(supervisor, method, params, asked, deadline), progress))
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

fn pass_on(told: Arc<Mutex<TellProgress>>) -> impl FnMut(Progress) + Send + 'static {
    move |progress| {
        let mut tell = told.lock().unwrap_or_else(PoisonError::into_inner);
        tell(progress);
    }
}

impl<R> State<R> {
    /// Gives progress to a function.
    fn telling(self, progress: impl FnMut(Progress) + Send + 'static) -> Self {
        match self {
            Self::Waiting { call, .. } => Self::Waiting { call, progress: Some(Box::new(progress)) },
            Self::Sent { using, method, call, again: Some(mut again) } => {
                let told: Arc<Mutex<TellProgress>> = Arc::new(Mutex::new(Box::new(progress)));
                again.progress = Some(Arc::clone(&told));
                let call = call.on_progress(&using, pass_on(told));
                Self::Sent { using, method, call, again: Some(again) }
            }
            Self::Sent { using, method, call, again } => {
                let call = call.on_progress(&using, progress);
                Self::Sent { using, method, call, again }
            }
            failed @ Self::Failed(_) => failed,
        }
    }
}

impl<R: DeserializeOwned> State<R> {
    /// Over an instance that there is; should that be lost, over another where that may be.
    fn over(using: Using, call: Waiting) -> Self {
        let may_be_repeated = !call.is_repeated() && using.is_idempotent(&call.method);
        let mut state = using.call_async(&call.method, &*call.params, call.options());
        if let Self::Sent { again, .. } = &mut state {
            *again = Some(Box::new(Again { call, may_be_repeated, progress: None }));
        }
        state
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
        Self { state: State::over(using, call) }
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
        Self { state: self.state.telling(progress) }
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
            let over = State::Failed(None);
            self.state = match std::mem::replace(&mut self.state, over) {
                State::Waiting { mut call, progress } => match call.poll(context) {
                    Poll::Pending => {
                        self.state = State::Waiting { call, progress };
                        return Poll::Pending;
                    }
                    Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
                    Poll::Ready(Ok(using)) => {
                        let state = State::over(using, *call);
                        progress.into_iter().fold(state, State::telling)
                    }
                },
                State::Sent { using, method, mut call, again } => {
                    let trace = again.as_ref().and_then(|_| call.trace());
                    let cause = match call.poll(&using, &method, context) {
                        Poll::Pending => {
                            self.state = State::Sent { using, method, call, again };
                            return Poll::Pending;
                        }
                        Poll::Ready(Ok(result)) => return Poll::Ready(result),
                        Poll::Ready(Err(cause)) => cause,
                    };
                    let unsent = call.elsewhere(&using, &method);
                    let was_sent = unsent.is_none();
                    let next = match again {
                        Some(again) if !was_sent || again.is_to_be_repeated(&cause, trace.as_ref()) => {
                            Some(again.call_and_progress())
                        }
                        Some(_) => None,
                        None => unsent,
                    };
                    let Some((mut call, progress)) = next else {
                        return Poll::Ready(Err(using.call_failed(&method, cause)));
                    };
                    // What was not sent is not made once more by that.
                    if was_sent {
                        call.once_more(using.call_failed(&method, cause));
                    }
                    State::Waiting { call: Box::new(call), progress }
                }
                State::Failed(fault) => {
                    return Poll::Ready(Err(*fault.expect("polled after it was ready")));
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
