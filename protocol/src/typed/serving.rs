//! The other end of a client's calls: an implementation of the contract's trait, served.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::caller::MethodInfo;
use super::contract::Contract;
use super::error::ContractError;
use super::failed::CallFailed;
use super::items::Items;
use super::original::{Subject, declared, given, taken};
use crate::peer::{Call, Handler, Listener, write_result};
use crate::wire::{Error, ParamFault, Params, error};

/// Runs a method of an implementation, and appends the JSON text of what it returns.
pub type Run<S> = fn(&S, Params<'_>, &Call, &mut Vec<u8>) -> Result<(), Error>;
/// Tells whether a method would take these params.
pub type Check = fn(Params<'_>) -> Result<(), Error>;
/// Tells an implementation something.
pub type Listen<S> = fn(&S, Params<'_>) -> Result<(), Error>;

/// A method of a contract, as implementations of type `S` serve it.
pub struct Served<S: ?Sized> {
    /// Which method.
    pub method: &'static MethodInfo,
    /// How.
    pub serves: Serves<S>,
}

/// What a method does with a message.
pub enum Serves<S: ?Sized> {
    /// It answers.
    Request {
        /// Makes the answer.
        run: Run<S>,
        /// Whether the params can be taken.
        check: Check,
    },
    /// It listens.
    Notification {
        /// Takes it.
        listen: Listen<S>,
    },
}

impl<S: ?Sized> Served<S> {
    /// A method that answers.
    pub fn request(method: &'static MethodInfo, run: Run<S>, check: Check) -> Self {
        Self { method, serves: Serves::Request { run, check } }
    }

    /// A method that listens.
    pub fn notification(method: &'static MethodInfo, listen: Listen<S>) -> Self {
        Self { method, serves: Serves::Notification { listen } }
    }
}

impl<S: ?Sized + Send + Sync + 'static> Serves<S> {
    /// What serves it, of that implementation.
    pub fn by(self, implementation: Arc<S>) -> Result<Handler, Listener> {
        match self {
            Self::Request { run, check } => Ok(Handler::typed(check, move |params, call, result| {
                run(&implementation, params, call, result)
            })),
            Self::Notification { listen } => {
                Err(Listener::raw(move |params| listen(&implementation, params)))
            }
        }
    }
}

/// What a method returned, as its answer.
///
/// # Errors
/// Its error, or -32603 where the result has no JSON form.
pub fn answer<R: Serialize, E: ContractError>(result: Result<R, E>, into: &mut Vec<u8>) -> Result<(), Error> {
    write_result(&result.map_err(E::into_error)?, into)
}

/// [`answer`], held to the document that the contract was written in.
///
/// # Errors
/// Its error, or -32603 where the result or the error is not what stands there.
pub fn answer_held<C: Contract, R: Serialize, E: ContractError>(
    method: &str,
    result: Result<R, E>,
    into: &mut Vec<u8>,
) -> Result<(), Error> {
    let start = into.len();
    answer(result, into).map_err(|fault| declared::<C>(method, fault))?;
    given::<C>(method, Subject::Result, &into[start..])
}

/// Sends the items that a method returned, as they come; the answer is the summary.
///
/// # Errors
/// What the stream failed of, or why nobody takes it any more.
pub fn answer_items<T: Serialize, S: Serialize, E: ContractError>(
    call: &Call,
    items: Result<Items<T, E, S>, E>,
    into: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut items = items.map_err(E::into_error)?;
    let output = call.output::<T>().ok_or_else(|| undeclared(call, "output"))?;
    loop {
        let ready = items.ready();
        if !ready.is_empty() {
            output.send_all(&ready)?;
        }
        match items.next() {
            Some(item) => output.send(&item.map_err(E::into_error)?)?,
            None => return answer(items.finish(), into),
        }
    }
}

/// [`answer_items`], held to the document that the contract was written in.
///
/// # Errors
/// What the stream failed of, or -32603 where an item, the summary or the error is not what stands there.
pub fn answer_items_held<C: Contract, T: Serialize + 'static, S: Serialize + 'static, E: ContractError>(
    method: &'static str,
    call: &Call,
    items: Result<Items<T, E, S>, E>,
    into: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut items = items.map_err(|fault| declared::<C>(method, fault.into_error()))?;
    let output = call.output::<T>().ok_or_else(|| undeclared(call, "output"))?;
    let fits = |item: &T| given::<C>(method, Subject::Output, &json_of(item)?);
    loop {
        let ready = items.ready();
        ready.iter().try_for_each(fits)?;
        if !ready.is_empty() {
            output.send_all(&ready)?;
        }
        match items.next() {
            Some(item) => {
                let item = item.map_err(|fault| declared::<C>(method, fault.into_error()))?;
                fits(&item)?;
                output.send(&item)?;
            }
            None => return answer_held::<C, _, _>(method, items.finish(), into),
        }
    }
}

fn json_of(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|fault| error::internal(format!("an item has no JSON form: {fault}")))
}

/// The input of the call that is being handled.
///
/// # Errors
/// -32603 where its method was registered without one.
pub fn input<T: DeserializeOwned + 'static>(call: &Call) -> Result<Items<T, CallFailed>, Error> {
    let input = call.clone().into_input::<T>().ok_or_else(|| undeclared(call, "input"))?;
    Ok(Items::new(input.map(|item| item.map_err(CallFailed::ended))))
}

/// [`input`], held to the document that the contract was written in.
///
/// # Errors
/// -32603 where its method was registered without one. An item that is not what stands there is an error in its place,
/// with which the call is answered -32602.
pub fn input_held<C: Contract, T: DeserializeOwned + 'static>(
    method: &'static str,
    call: &Call,
) -> Result<Items<T, CallFailed>, Error> {
    let input = call.clone().into_input::<Box<RawValue>>().ok_or_else(|| undeclared(call, "input"))?;
    Ok(Items::new(input.map(move |item| {
        let item = item.map_err(CallFailed::ended)?;
        taken::<C>(method, Subject::Input, item.get()).map_err(CallFailed::ended)?;
        serde_json::from_str(item.get()).map_err(|fault| {
            let message = fault.to_string();
            CallFailed::ended(error::invalid_params(&[ParamFault { path: String::new(), message }]))
        })
    })))
}

fn undeclared(call: &Call, stream: &str) -> Error {
    error::internal(format!("{} was registered without its {stream}", call.method()))
}
