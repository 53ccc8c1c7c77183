//! The error type of a contract: what its methods may answer, with codes and data.

use schemars::SchemaGenerator;

use super::failed::CallFailed;
use crate::contract::{AnyError, ErrorSet};
use crate::wire::Error;

/// The errors of a contract's methods. Derived for an enum whose variants bear a `#[code(…)]`, and one of which holds
/// what can happen to any call, a [`CallFailed`].
///
/// [`CallFailed`] itself is the error type of a method that declares none, and the wire's [`Error`] that of one that
/// relays errors which it does not know (`"any"`).
///
/// ```compile_fail
/// # use plugline_protocol::typed::ContractError;
/// struct Undeclared;
/// fn declared<E: ContractError>() {}
/// declared::<Undeclared>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error that a contract can declare",
    label = "`{Self}` does not derive `ContractError`",
    note = "write `#[derive(Debug, thiserror::Error, plugline_sdk::ContractError)]` at `{Self}`, `#[code(1)]` at each \
            of its variants, and one more variant `Call(#[from] CallFailed)`"
)]
pub trait ContractError: std::error::Error + Send + 'static {
    /// The errors, with the schemas of their data.
    fn declared(schemas: &mut SchemaGenerator) -> ErrorSet;

    /// The error on the wire.
    fn into_error(self) -> Error;

    /// The error that a failed call stands for.
    fn from_failed(failed: CallFailed) -> Self;
}

impl ContractError for CallFailed {
    fn declared(_: &mut SchemaGenerator) -> ErrorSet {
        ErrorSet::default()
    }

    fn into_error(self) -> Error {
        Self::into_error(self)
    }

    fn from_failed(failed: CallFailed) -> Self {
        failed
    }
}

impl ContractError for Error {
    fn declared(_: &mut SchemaGenerator) -> ErrorSet {
        ErrorSet::Any(AnyError::Any)
    }

    fn into_error(self) -> Error {
        self
    }

    fn from_failed(failed: CallFailed) -> Self {
        match failed.remote() {
            Some(error) => error.clone(),
            None => failed.into_error(),
        }
    }
}
