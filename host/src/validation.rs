//! Checking what passes to and from a plugin against a manifest: the config before it is sent, params before a call,
//! results and items as they come.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use plugline_protocol::contract::{Manifest, Part, Validators, ValueFaults};
use plugline_protocol::lifecycle::methods;
use plugline_protocol::peer::{CallError, HandshakeError, RequestOptions};
use plugline_protocol::wire::{ParamFault, escape, without_value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::event::EventKind;
use crate::launch::Launch;
use crate::plugin::{Instance, Plugin};

/// Against what a plugin's calls are checked.
#[derive(Debug, Clone, Default)]
pub enum Validation {
    /// Nothing is.
    #[default]
    Off,
    /// Against the manifest that the plugin gives before the handshake; where that is none, nothing is checked, and
    /// [`EventKind::Unchecked`](crate::EventKind::Unchecked) says why.
    Offered,
    /// The same, and a plugin whose manifest is none does not start.
    Required,
    /// Against this one: what a host was built for, whatever the plugin says of itself.
    By(Arc<Validators>),
}

/// What was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The config.
    Config,
    /// The params of a call or notification.
    Params,
    /// An item of a call's input.
    Input,
    /// What a call returned.
    Result,
    /// An item of a call's output.
    Output,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Config => "the config is",
            Self::Params => "the params are",
            Self::Input => "an item of the input is",
            Self::Result => "the result is",
            Self::Output => "an item of the output is",
        })
    }
}

impl Launch {
    /// Checks the config before the plugin sees it, and then params before they are sent and results and items as they
    /// come. What does not fit is [`Error::Invalid`], with a JSON Pointer for each fault. A check takes some
    /// microseconds for small values.
    ///
    /// Calls through a contract's trait are not checked again: their types say what they are.
    #[must_use]
    pub fn validate(mut self, validation: Validation) -> Self {
        self.validation = validation;
        self
    }
}

impl Plugin {
    /// What the plugin is to be checked against, which is asked for if need be.
    pub(crate) fn validators(
        &self,
        validation: &Validation,
        timeout: Option<Duration>,
    ) -> Result<Option<Arc<Validators>>, Error> {
        let needed = match validation {
            Validation::Off => return Ok(None),
            Validation::By(validators) => return Ok(Some(Arc::clone(validators))),
            Validation::Offered => false,
            Validation::Required => true,
        };
        let instance = self.instance();
        // A part of the start, and fails as one.
        let failed = |cause| instance.start_failed(HandshakeError::Call(cause));
        let asked: Result<Box<RawValue>, Error> = instance
            .connection
            .call(methods::DISCOVER, &(), RequestOptions::timeout(timeout))
            .map_err(failed);
        match asked {
            // What is wrong with it is told in errors and events.
            Ok(text) => match Manifest::read(instance.without_secrets(text).get().as_bytes()) {
                Ok(manifest) => Ok(Some(Arc::clone(manifest.validators()))),
                Err(faults) if needed => {
                    Err(Error::Manifest { command: instance.command().to_owned(), faults })
                }
                Err(faults) => {
                    let first = faults.as_slice().first().map(ToString::to_string).unwrap_or_default();
                    let more = faults.as_slice().len().saturating_sub(1);
                    let more = if more > 0 { format!(" (and {more} faults more)") } else { String::new() };
                    instance
                        .tell(EventKind::Unchecked(format!("its manifest breaks the rules: {first}{more}")));
                    Ok(None)
                }
            },
            // It lives, and has none.
            Err(fault) if !needed && fault.remote().is_some() => {
                instance.tell(EventKind::Unchecked(format!("it gives no manifest: {fault}")));
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }
}

/// Whether the config is what the manifest says.
pub(crate) fn config_fits(command: &str, validators: &Validators, config: &Value) -> Result<(), Error> {
    validators.config(config).map_err(|faults| invalid(command, "", Subject::Config, faults))
}

fn invalid(command: &str, method: &str, subject: Subject, faults: ValueFaults) -> Error {
    Error::Invalid { command: command.to_owned(), method: method.to_owned(), subject, faults }
}

/// The first fault, and how many more there are, in one line. What they quote comes from a manifest.
pub(crate) fn summary(faults: &[ParamFault]) -> String {
    let Some(first) = faults.first() else { return String::new() };
    let at = if first.path.is_empty() { String::new() } else { format!("{}: ", first.path) };
    let more = match faults.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    escape(format!("{at}{}{more}", first.message).as_bytes())
}

impl Instance {
    fn checks(&self, method: &str) -> Option<&Validators> {
        // Of a method that is not declared, the plugin itself says that there is none.
        self.validators.get().map(|validators| &**validators).filter(|validators| validators.has(method))
    }

    /// Whether params may be sent; nothing is done where nothing is checked.
    pub(crate) fn params_fit(&self, method: &str, params: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        let Some(checks) = self.checks(method) else { return Ok(()) };
        let params = match self.value(method, params)? {
            // Absent params are `{}`.
            Value::Null => Value::Object(serde_json::Map::new()),
            params => params,
        };
        checks
            .params(method, &params)
            .map_err(|faults| invalid(self.command(), method, Subject::Params, faults))?;
        if checks.hides(method) {
            self.censor.learn(method, Part::Params, &params);
        }
        Ok(())
    }

    /// Whether an item may be sent.
    pub(crate) fn input_fits(&self, method: &str, item: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        let Some(checks) = self.checks(method) else { return Ok(()) };
        let item = self.value(method, item)?;
        checks
            .input(method, &item)
            .map_err(|faults| invalid(self.command(), method, Subject::Input, faults))?;
        if checks.hides(method) {
            self.censor.learn(method, Part::Input, &item);
        }
        Ok(())
    }

    fn value(&self, method: &str, value: &(impl Serialize + ?Sized)) -> Result<Value, Error> {
        serde_json::to_value(value).map_err(|fault| {
            self.call_failed(method, CallError::Refused(format!("it has no JSON form: {fault}")))
        })
    }

    /// Whether what came may be given on.
    pub(crate) fn result_fits(&self, method: &str, result: &RawValue) -> Result<(), Error> {
        match self.checks(method) {
            Some(checks) => self.came(method, Subject::Result, result, |value| checks.result(method, value)),
            None => Ok(()),
        }
    }

    /// Whether an item that came may be given on.
    pub(crate) fn output_fits(&self, method: &str, item: &RawValue) -> Result<(), Error> {
        match self.checks(method) {
            Some(checks) => self.came(method, Subject::Output, item, |value| checks.output(method, value)),
            None => Ok(()),
        }
    }

    /// Whether anything is checked.
    pub(crate) fn is_checked(&self, method: &str) -> bool {
        self.checks(method).is_some()
    }

    fn came(
        &self,
        method: &str,
        subject: Subject,
        raw: &RawValue,
        check: impl FnOnce(&Value) -> Result<(), ValueFaults>,
    ) -> Result<(), Error> {
        let value: Value = self.read(method, raw)?;
        check(&value).map_err(|faults| invalid(self.command(), method, subject, faults))
    }

    /// Decodes what came, after it was checked.
    pub(crate) fn read<R: DeserializeOwned>(&self, method: &str, raw: &RawValue) -> Result<R, Error> {
        serde_json::from_str(raw.get()).map_err(|fault| {
            let what = format!("it is not of the type that was asked for: {}", without_value(&fault));
            self.call_failed(method, CallError::Undecodable(what))
        })
    }
}
