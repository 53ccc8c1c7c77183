//! The document that a contract was written in, where that came before the trait: what is declared is what stands there,
//! and what passes is held to it. It knows nothing of who calls and who serves.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::contract::Contract;
use crate::contract::Document;
use crate::peer::CallError;
use crate::wire::{Error, ParamFault, error, escape};

/// A document that values are held to. Implemented by [`Written`](super::Written), which needs the feature `validate`;
/// a contract without one is held to its types.
pub trait Original: Send + Sync {
    /// The whole document, which may have other contracts besides.
    fn document(&self) -> &Document;

    /// Whether a part of a method is what stands there. The value is JSON text.
    ///
    /// # Errors
    /// All that is wrong with it.
    fn fits(&self, method: &str, subject: Subject, value: &str) -> Result<(), Vec<ParamFault>>;

    /// Whether an error may be answered, with that data.
    ///
    /// # Errors
    /// That it is not declared, or what is wrong with its data.
    fn error_fits(&self, method: &str, error: &Error) -> Result<(), Vec<ParamFault>>;

    /// Whether a plugin's config is what stands there.
    ///
    /// # Errors
    /// All that is wrong with it.
    fn config_fits(&self, config: &Value) -> Result<(), Vec<ParamFault>>;
}

/// What of a method is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The params.
    Params,
    /// The result; of a stream, the summary.
    Result,
    /// An item of its input.
    Input,
    /// An item of its output.
    Output,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Params => "the params are",
            Self::Result => "the result is",
            Self::Input => "an item of the input is",
            Self::Output => "an item of the output is",
        })
    }
}

/// The contract alone: its methods, whoever serves them.
pub(super) fn alone<C: Contract + ?Sized>(original: &dyn Original) -> Document {
    let mut own = original.document().clone();
    own.methods.append(&mut own.plugline.host_methods);
    own.methods.retain(|method| is_of::<C>(&method.name));
    own.plugline.provides.retain(|provided| provided.contract == C::NAME);
    own
}

/// What a plugin declares that provides the contract: its methods, and all that it may call at its host. None where the
/// contract has no document.
pub fn provided<C: Contract>() -> Option<Document> {
    let mut own = C::original()?.document().clone();
    own.methods.retain(|method| is_of::<C>(&method.name));
    own.plugline.provides.retain(|provided| provided.contract == C::NAME);
    Some(own)
}

/// What a plugin declares that calls the contract at its host. None where the contract has no document.
pub fn required<C: Contract>() -> Option<Document> {
    let mut own = C::original()?.document().clone();
    own.methods.clear();
    own.plugline.provides.clear();
    own.plugline.host_methods.retain(|method| is_of::<C>(&method.name));
    own.plugline.requires.retain(|required| required.contract == C::NAME);
    Some(own)
}

fn is_of<C: Contract + ?Sized>(method: &str) -> bool {
    C::METHODS.iter().any(|own| own.name == method)
}

/// Whether what was sent may come in; -32602 if not. Params that are no JSON are for the decoder to tell.
///
/// # Errors
/// -32602 with every fault.
pub fn taken<C: Contract>(method: &str, subject: Subject, value: &str) -> Result<(), Error> {
    let Some(original) = C::original() else { return Ok(()) };
    original.fits(method, subject, value).map_err(|faults| error::invalid_params(&faults))
}

/// Whether what is to be answered may go out; -32603 if not.
///
/// # Errors
/// -32603 with every fault.
pub fn given<C: Contract>(method: &str, subject: Subject, value: &[u8]) -> Result<(), Error> {
    let Some(original) = C::original() else { return Ok(()) };
    let value = std::str::from_utf8(value).map_err(|fault| error::internal(fault.to_string()))?;
    original.fits(method, subject, value).map_err(|faults| {
        let mut error = error::internal(format!("{subject} not what the contract says: {}", first(&faults)));
        error.data = Some(serde_json::json!({ "errors": faults }));
        error
    })
}

/// The error if the contract declares it, -32603 if not.
pub fn declared<C: Contract>(method: &str, fault: Error) -> Error {
    match C::original().map_or(Ok(()), |original| original.error_fits(method, &fault)) {
        Ok(()) => fault,
        Err(faults) => {
            let (code, said) = (fault.code.code(), &fault.message);
            error::internal(format!("error {code} is not what the contract says: {}: {said}", first(&faults)))
        }
    }
}

/// Whether this side may send it.
pub(super) fn sent(
    original: Option<&'static dyn Original>,
    method: &str,
    subject: Subject,
    value: &impl Serialize,
) -> Result<(), CallError> {
    let Some(original) = original else { return Ok(()) };
    let text = serde_json::to_string(value).map_err(|fault| CallError::Refused(fault.to_string()))?;
    // A method without params sends none.
    let text = if subject == Subject::Params && text == "null" { "{}" } else { &text };
    original.fits(method, subject, text).map_err(|faults| {
        CallError::Refused(format!("{subject} not what the contract says: {}", first(&faults)))
    })
}

/// Whether the other side may have sent it.
pub(super) fn came(
    original: Option<&'static dyn Original>,
    method: &str,
    subject: Subject,
    value: &str,
) -> Result<(), CallError> {
    let Some(original) = original else { return Ok(()) };
    original.fits(method, subject, value).map_err(|faults| {
        CallError::Undecodable(format!("{subject} not what the contract says: {}", first(&faults)))
    })
}

fn first(faults: &[ParamFault]) -> String {
    let Some(first) = faults.first() else { return String::new() };
    let at = if first.path.is_empty() { String::new() } else { format!("{}: ", first.path) };
    let more = match faults.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    escape(format!("{at}{}{more}", first.message).as_bytes())
}
