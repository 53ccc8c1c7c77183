//! What the code that `#[contract]` and `#[derive(ContractError)]` generate names, and nothing else does. It names this
//! crate alone, so that a crate with a contract depends on nothing that its author did not choose.

use serde::Serialize;
use serde_json::Value;

pub use plugline_protocol::contract::{
    About, DeclaredError, Document, ErrorSet, ErrorsOf, Example, ParamOf, ParamsOf, Presence, schema_of,
};
#[cfg(feature = "validate")]
pub use plugline_protocol::typed::Written;
pub use plugline_protocol::typed::{
    CallFailed, Caller, Client, Context, Contract, ContractError, Link, MethodInfo, Original, Serve, Served,
    Subject, answer, answer_held, answer_items, answer_items_held, input, input_held, taken,
};
pub use plugline_protocol::wire::Error;
pub use plugline_protocol::wire::error::application as error;
pub use schemars;
pub use serde;
pub use serde_json::json;

/// An error with data.
pub fn error_with(code: i64, message: String, data: &impl Serialize) -> Error {
    match serde_json::to_value(data) {
        Ok(data) => error(code, message, Some(data)),
        Err(fault) => plugline_protocol::wire::error::internal(format!(
            "{message} (error {code}, whose data has no JSON form: {fault})"
        )),
    }
}

/// The items of an example. What is no list is an item, where whoever checks examples finds it.
pub fn list(items: Value) -> Vec<Value> {
    match items {
        Value::Array(items) => items,
        other => vec![other],
    }
}
