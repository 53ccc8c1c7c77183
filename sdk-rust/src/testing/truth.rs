//! Whether a plugin does what its manifest says. A test finds out by calling it, whatever it looks for itself.

use std::sync::Arc;

use plugline_protocol::contract::{Document, Faults, Manifest, Validators, ValueFaults};
use plugline_protocol::lifecycle::methods;
use plugline_protocol::peer::CallError;
use plugline_protocol::wire::{ErrorCode, escape};
use serde_json::Value;
use serde_json::value::RawValue;

/// What the manifest says, to hold the plugin to.
#[derive(Debug)]
pub(super) struct Truth(Arc<Validators>);

impl Truth {
    pub(super) fn of(document: &Document) -> Result<Self, Faults> {
        Manifest::of(document).map(|manifest| Self(Arc::clone(manifest.validators())))
    }

    /// # Panics
    /// Where a call shows that the plugin and its manifest say different things.
    pub(super) fn called(&self, method: &str, params: &Value, outcome: &Result<Box<RawValue>, CallError>) {
        if method.starts_with(methods::PREFIX) {
            return;
        }
        let declared = self.0.params(method, params);
        match outcome {
            Ok(_) if !self.0.has(method) => {
                panic!("{method} was answered, and the manifest does not declare it")
            }
            Ok(result) => {
                held(method, "it took params that its manifest does not let through", declared);
                let result: Value = serde_json::from_str(result.get()).expect("it was read as JSON");
                held(method, "it returned what its manifest does not say", self.0.result(method, &result));
            }
            Err(CallError::Remote(error)) => {
                let refused = error.code == ErrorCode::InvalidParams;
                if refused && declared.is_ok() && params.is_object() {
                    let message = escape(error.message.as_bytes());
                    panic!("{method} refused params that its manifest lets through: {message}");
                }
                let answered = self.0.error(method, error.code.code(), error.data.as_ref());
                if self.0.has(method) {
                    held(method, "it answered an error that its manifest does not say", answered);
                }
            }
            // Nothing was answered.
            Err(_) => {}
        }
    }

    /// # Panics
    /// Where the item is not what the manifest says.
    pub(super) fn sent(&self, method: &str, item: &RawValue) {
        let item: Value = serde_json::from_str(item.get()).expect("it was read as JSON");
        held(method, "it sent an item that its manifest does not say", self.0.output(method, &item));
    }
}

fn held(method: &str, what: &str, seen: Result<(), ValueFaults>) {
    if let Err(faults) = seen {
        let faults: Vec<String> = faults
            .iter()
            .map(|fault| {
                format!(
                    "{}: {}",
                    if fault.path.is_empty() { "as a whole" } else { &fault.path },
                    fault.message
                )
            })
            .collect();
        panic!("{method}: {what}: {}", faults.join("; "));
    }
}
