//! A document in the form that values can be held to. Needs the feature `validate`.

use serde_json::Value;

use super::original::{Original, Subject};
use crate::contract::{Document, Manifest};
use crate::wire::{Error, ParamFault};

/// The document of a contract that was written before its trait, read and checked.
pub struct Written {
    manifest: Manifest,
}

impl Written {
    /// Reads it.
    ///
    /// # Panics
    /// Where it breaks the rules: it stands in code, where `plugline contract gen` put it after it had checked it.
    pub fn read(text: &str) -> Self {
        match Manifest::read(text.as_bytes()) {
            Ok(manifest) => Self { manifest },
            Err(faults) => panic!("the document of this contract breaks the rules: {faults}"),
        }
    }
}

impl Original for Written {
    fn document(&self) -> &Document {
        self.manifest.document()
    }

    fn fits(&self, method: &str, subject: Subject, value: &str) -> Result<(), Vec<ParamFault>> {
        let validators = self.manifest.validators();
        let value: Value = serde_json::from_str(value)
            .map_err(|fault| vec![ParamFault { path: String::new(), message: fault.to_string() }])?;
        match subject {
            Subject::Params => validators.params(method, &value),
            Subject::Result => validators.result(method, &value),
            Subject::Input => validators.input(method, &value),
            Subject::Output => validators.output(method, &value),
        }
    }

    fn error_fits(&self, method: &str, error: &Error) -> Result<(), Vec<ParamFault>> {
        self.manifest.validators().error(method, error.code.code(), error.data.as_ref())
    }

    fn config_fits(&self, config: &Value) -> Result<(), Vec<ParamFault>> {
        self.manifest.validators().config(config)
    }
}
