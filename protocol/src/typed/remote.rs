//! The calls of a client: params go out, and come back as a result, an error of the contract, or a stream.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::caller::{Attempt, Blame, Caller, MethodInfo};
use super::context::Context;
use super::error::ContractError;
use super::failed::CallFailed;
use super::items::{Items, Source};
use super::original::{self, Original, Subject};
use crate::lifecycle::messages;
use crate::peer::{CallError, InputSender, Kind, PendingCall, decode};

/// Where a client's calls go, when it is not to this process.
#[derive(Clone)]
pub struct Remote {
    caller: Arc<dyn Caller>,
    /// What all that passes is held to, besides its types.
    original: Option<&'static dyn Original>,
}

impl Remote {
    pub(super) fn new(caller: Arc<dyn Caller>, original: Option<&'static dyn Original>) -> Self {
        Self { caller, original }
    }

    /// Calls a method and waits for its result.
    ///
    /// # Errors
    /// What the method answered, or what happened to the call.
    pub fn call<R: DeserializeOwned, E: ContractError>(
        &self,
        method: &'static MethodInfo,
        context: Option<&Context>,
        params: &impl Serialize,
    ) -> Result<R, E> {
        let mut result = None;
        self.attempt(method, context, &mut |mut attempt| {
            original::sent(self.original, method.name, Subject::Params, params)?;
            let options = std::mem::take(&mut attempt.options);
            let value = match (context, self.original) {
                (None, None) => {
                    let call = attempt.request(method.name, params, options)?;
                    attempt.waiting(|| call.wait_as())?
                }
                (None, Some(_)) => {
                    let call = attempt.request(method.name, params, options)?;
                    self.decoded(method, "the result", &attempt.waiting(|| call.wait())?)?
                }
                (Some(context), _) => {
                    let call = attempt.request(method.name, params, context.options(options))?;
                    context.tie(&call.canceller());
                    let told = |report| pass_on(context, &report);
                    self.decoded(method, "the result", &attempt.waiting(|| call.wait_with_progress(told))?)?
                }
            };
            result = Some(value);
            Ok(())
        })
        .and_then(|()| result.ok_or_else(not_made))
        .map_err(E::from_failed)
    }

    /// Calls a method with output, whose items are waited for as they are taken. What the method answers instead is
    /// the first item.
    ///
    /// # Errors
    /// What happened to the call as it was sent.
    pub fn items<T, S, E>(
        &self,
        method: &'static MethodInfo,
        context: Option<&Context>,
        params: &impl Serialize,
    ) -> Result<Items<T, E, S>, E>
    where
        T: DeserializeOwned + 'static,
        S: DeserializeOwned + 'static,
        E: ContractError,
    {
        let mut begun = None;
        self.attempt(method, context, &mut |mut attempt| {
            original::sent(self.original, method.name, Subject::Params, params)?;
            let options = context_options(&mut attempt, context).output();
            let call = attempt.request(method.name, params, options)?;
            begun = Some(self.begun(call, &attempt));
            Ok(())
        })
        .and_then(|()| begun.ok_or_else(not_made))
        .map(|begun| Items::from_source(begun.taken(method, context, None)))
        .map_err(E::from_failed)
    }

    /// Calls a method with input, sends it that, and waits for its result.
    ///
    /// # Errors
    /// What the method answered, what happened to the call, or what the input failed of.
    pub fn call_with_input<I: Serialize + 'static, R: DeserializeOwned, E: ContractError>(
        &self,
        method: &'static MethodInfo,
        context: Option<&Context>,
        params: &impl Serialize,
        input: Items<I, CallFailed>,
    ) -> Result<R, E> {
        self.begin_with_input(method, context, params, input, Output::None)
            .and_then(|(Begun { call, blame, .. }, fed)| {
                let told = |report| context.into_iter().for_each(|context| pass_on(context, &report));
                let result = call.wait_with_progress(told);
                let result = result.and_then(|raw| self.decoded(method, "the result", &raw));
                result.map_err(|cause| fed.why(cause, |cause| blame.failed(method, cause)))
            })
            .map_err(E::from_failed)
    }

    /// Calls a method with both. The input is sent as the output is taken.
    ///
    /// # Errors
    /// What happened to the call as it was sent.
    pub fn items_with_input<I, T, S, E>(
        &self,
        method: &'static MethodInfo,
        context: Option<&Context>,
        params: &impl Serialize,
        input: Items<I, CallFailed>,
    ) -> Result<Items<T, E, S>, E>
    where
        I: Serialize + 'static,
        T: DeserializeOwned + 'static,
        S: DeserializeOwned + 'static,
        E: ContractError,
    {
        self.begin_with_input(method, context, params, input, Output::Taken)
            .map(|(begun, fed)| Items::from_source(begun.taken(method, context, Some(fed))))
            .map_err(E::from_failed)
    }

    /// Sends a notification.
    ///
    /// # Errors
    /// What happened as it was sent.
    pub fn notify<E: ContractError>(
        &self,
        method: &'static MethodInfo,
        params: &impl Serialize,
    ) -> Result<(), E> {
        self.attempt(method, None, &mut |attempt| {
            original::sent(self.original, method.name, Subject::Params, params)?;
            attempt.notify(method.name, params)
        })
        .map_err(E::from_failed)
    }

    /// Sends a notification whose sender asks for no outcome.
    pub fn tell(&self, method: &'static MethodInfo, params: &impl Serialize) {
        if let Err(failed) = self.notify::<CallFailed>(method, params) {
            self.caller.lost(method, failed);
        }
    }

    fn attempt(
        &self,
        method: &'static MethodInfo,
        context: Option<&Context>,
        make: &mut dyn FnMut(Attempt<'_>) -> Result<(), CallError>,
    ) -> Result<(), CallFailed> {
        context.map_or(Ok(()), Context::check)?;
        self.caller.call(method, context, make)
    }

    fn begin_with_input<I: Serialize + 'static>(
        &self,
        method: &'static MethodInfo,
        context: Option<&Context>,
        params: &impl Serialize,
        input: Items<I, CallFailed>,
        output: Output,
    ) -> Result<(Begun, Fed), CallFailed> {
        let mut begun = None;
        self.attempt(method, context, &mut |mut attempt| {
            original::sent(self.original, method.name, Subject::Params, params)?;
            let mut options = context_options(&mut attempt, context);
            if let Output::Taken = output {
                options = options.output();
            }
            let (call, sender) = attempt.request_with_input(method.name, params, options)?;
            begun = Some((self.begun(call, &attempt), sender));
            Ok(())
        })?;
        let (begun, sender) = begun.ok_or_else(not_made)?;
        if let Some(context) = context {
            context.tie(&begun.call.canceller());
        }
        let fed = Fed::default();
        let noted = fed.clone();
        let held = (method, self.original);
        // Another thread than the one that waits: a method may answer before its input is complete, and whoever makes
        // the input may wait for what the method gives.
        let feeder = thread::Builder::new().name("plugline-input".into());
        feeder.spawn(move || feed(input, sender, held, &noted)).map_err(|fault| {
            let reason =
                format!("{} failed: there is no thread to send its input from: {fault}", method.name);
            CallFailed::new(Kind::Overloaded, reason)
        })?;
        Ok((begun, fed))
    }

    fn begun(&self, call: PendingCall, attempt: &Attempt<'_>) -> Begun {
        Begun { call, blame: Arc::clone(attempt.blame()), original: self.original }
    }

    /// What came as the answer, if it may come.
    fn decoded<R: DeserializeOwned>(
        &self,
        method: &'static MethodInfo,
        what: &str,
        raw: &RawValue,
    ) -> Result<R, CallError> {
        original::came(self.original, method.name, Subject::Result, raw.get())?;
        decode(what, raw)
    }
}

/// Whether the output of a method is taken.
#[derive(Clone, Copy)]
enum Output {
    None,
    Taken,
}

/// Of a caller that says that all went well, and ran nothing.
fn not_made() -> CallFailed {
    CallFailed::new(Kind::Unsupported, "the caller made no call")
}

fn context_options(attempt: &mut Attempt<'_>, context: Option<&Context>) -> crate::peer::RequestOptions {
    let options = std::mem::take(&mut attempt.options);
    match context {
        Some(context) => context.options(options),
        None => options,
    }
}

fn pass_on(context: &Context, report: &messages::Progress) {
    context.progress(report.progress, report.total, report.message.as_deref());
}

/// A call that was sent, and who explains what becomes of it.
struct Begun {
    call: PendingCall,
    blame: Arc<dyn Blame>,
    original: Option<&'static dyn Original>,
}

impl Begun {
    fn taken(self, method: &'static MethodInfo, context: Option<&Context>, fed: Option<Fed>) -> Taken {
        if let (Some(context), None) = (context, &fed) {
            context.tie(&self.call.canceller());
        }
        let Self { call, blame, original } = self;
        Taken { call, blame, original, method, context: context.cloned(), fed }
    }
}

/// Items that come over a connection.
struct Taken {
    call: PendingCall,
    blame: Arc<dyn Blame>,
    original: Option<&'static dyn Original>,
    method: &'static MethodInfo,
    context: Option<Context>,
    /// What became of the input, where there is one.
    fed: Option<Fed>,
}

impl Taken {
    fn why<E: ContractError>(&self, cause: CallError) -> E {
        let explain = |cause| self.blame.failed(self.method, cause);
        E::from_failed(match &self.fed {
            Some(fed) => fed.why(cause, explain),
            None => explain(cause),
        })
    }
}

impl<T: DeserializeOwned, S: DeserializeOwned, E: ContractError> Source<T, E, S> for Taken {
    fn next(&mut self) -> Option<Result<T, E>> {
        let context = self.context.as_ref();
        let told = |report| context.into_iter().for_each(|context| pass_on(context, &report));
        let item = match self.original {
            None => self.call.next_item_with_progress(told)?,
            held => self.call.next_item_with_progress::<Box<RawValue>>(told)?.and_then(|raw| {
                original::came(held, self.method.name, Subject::Output, raw.get())?;
                decode("the item", &raw)
            }),
        };
        Some(item.map_err(|cause| self.why(cause)))
    }

    fn finish(self: Box<Self>) -> Result<S, E> {
        let Self { call, blame, original, method, context, fed } = *self;
        let told = |report| context.iter().for_each(|context| pass_on(context, &report));
        let result = call.wait_with_progress(told).and_then(|raw| {
            original::came(original, method.name, Subject::Result, raw.get())?;
            decode("the summary", &raw)
        });
        result.map_err(|cause| {
            let explain = |cause| blame.failed(method, cause);
            E::from_failed(match &fed {
                Some(fed) => fed.why(cause, explain),
                None => explain(cause),
            })
        })
    }
}

/// What the input of a call failed of, if it did: what is told in place of "cancelled".
#[derive(Clone, Default)]
struct Fed(Arc<Mutex<Option<CallFailed>>>);

impl Fed {
    fn note(&self, fault: CallFailed) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    fn why(&self, cause: CallError, explain: impl FnOnce(CallError) -> CallFailed) -> CallFailed {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (cause, noted) {
            (CallError::Cancelled, Some(fault)) => fault,
            (cause, _) => explain(cause),
        }
    }
}

/// Sends the input of a call. What cannot be completed is noted before the sender is dropped, which cancels the call.
fn feed<I: Serialize>(
    mut input: Items<I, CallFailed>,
    sender: InputSender,
    (method, original): (&'static MethodInfo, Option<&'static dyn Original>),
    fed: &Fed,
) {
    let fits = |item: &I| original::sent(original, method.name, Subject::Input, item);
    loop {
        // The panic hook has reported it; the call fails of it.
        let taken = catch_unwind(AssertUnwindSafe(|| (input.ready(), input.next())));
        let Ok((ready, next)) = taken else {
            return fed
                .note(CallFailed::new(Kind::InvalidRequest, "what makes the input of the call panicked"));
        };
        let all = ready.iter().try_for_each(fits).and_then(|()| sender.send_all(&ready));
        let sent = all.and_then(|()| match &next {
            Some(Ok(item)) => fits(item).and_then(|()| sender.send(item)),
            Some(Err(_)) | None => Ok(()),
        });
        match (sent, next) {
            // The item is at fault; otherwise the call says what came of it.
            (Err(cause @ (CallError::NotSent(_) | CallError::Refused(_))), _) => {
                return fed.note(cause.into());
            }
            (Err(_), _) => return,
            (Ok(()), Some(Ok(_))) => {}
            (Ok(()), Some(Err(fault))) => return fed.note(fault),
            (Ok(()), None) => {
                // Where that fails, the call has ended, and says why.
                let _ended = sender.finish();
                return;
            }
        }
    }
}
