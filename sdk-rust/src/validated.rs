//! Checking what passes against the manifest, within the plugin: what the types of params let through and a schema does
//! not (a bound, a pattern), and what a handler returns.

use std::sync::Arc;

use plugline_protocol::contract::{Faults, Manifest, Validators};
use plugline_protocol::wire::{Error, ErrorCode, Params, error};
use serde_json::Value;

use crate::method::Method;
use crate::plugin::Plugin;

impl<S: Send + Sync + 'static> Plugin<S> {
    /// Checks the config, params, results and errors against the manifest, and serves nothing that differs from it: a
    /// host that sends other params is told -32602, with every fault; a handler that returns something else, or an
    /// error that is not declared, has -32603 answered in its stead. The items of streams are not checked.
    ///
    /// It costs a check of every value, and works on the methods that were registered before.
    ///
    /// # Errors
    /// What is wrong with the manifest.
    pub fn validated(mut self) -> Result<Self, Faults> {
        let validators = Arc::clone(Manifest::of(&self.manifest())?.validators());
        self.methods = self.methods.into_iter().map(|method| checked(method, &validators)).collect();
        let configure = Arc::clone(&self.configure);
        self.configure = Arc::new(move |config| {
            validators.config(config).map_err(|faults| error::invalid_config(&faults))?;
            configure(config)
        });
        Ok(self)
    }
}

fn checked<S: Send + Sync + 'static>(method: Method<S>, validators: &Arc<Validators>) -> Method<S> {
    let Method { about, check, run } = method;
    let name: Arc<str> = about.name.as_str().into();
    let params = {
        let (validators, name) = (Arc::clone(validators), Arc::clone(&name));
        move |params: &Params<'_>| params_fit(&validators, &name, params)
    };
    let before = params.clone();
    let validators = Arc::clone(validators);
    Method {
        about,
        check: Box::new(move |params| before(&params).and_then(|()| check(params))),
        run: Box::new(move |state, given, call, result| {
            params(&given)?;
            let start = result.len();
            match run(state, given, call, result) {
                Ok(()) => result_fits(&validators, &name, &result[start..]),
                Err(fault) => Err(declared(&validators, &name, fault)),
            }
        }),
    }
}

/// Whether the params are what the manifest says; -32602 if not.
pub(crate) fn params_fit(validators: &Validators, method: &str, params: &Params<'_>) -> Result<(), Error> {
    let value: Value = serde_json::from_str(params.get()).map_err(|fault| {
        let message = fault.to_string();
        error::invalid_params(&[plugline_protocol::wire::ParamFault { path: String::new(), message }])
    })?;
    validators.params(method, &value).map_err(|faults| error::invalid_params(&faults))
}

fn result_fits(validators: &Validators, method: &str, result: &[u8]) -> Result<(), Error> {
    let value: Value = serde_json::from_slice(result).map_err(|fault| error::internal(fault.to_string()))?;
    validators.result(method, &value).map_err(|faults| {
        let first = faults.first().map(|fault| format!("{}: {}", fault.path, fault.message));
        let mut error = error::internal(format!(
            "the result is not what the contract says: {}",
            first.unwrap_or_default()
        ));
        error.data = Some(serde_json::json!({ "errors": faults }));
        error
    })
}

fn declared(validators: &Validators, method: &str, fault: Error) -> Error {
    match validators.error(method, fault.code.code(), fault.data.as_ref()) {
        Ok(()) => fault,
        Err(faults) => {
            let first = faults.first().map(|fault| fault.message.clone()).unwrap_or_default();
            let mut error = error::internal(format!(
                "error {} is not what the contract says: {first}: {}",
                fault.code.code(),
                fault.message
            ));
            error.code = ErrorCode::InternalError;
            error
        }
    }
}
