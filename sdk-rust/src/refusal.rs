//! Why a plugin does not take up its work.

use plugline_protocol::wire::{Error, ParamFault, error};

/// Why a plugin does not take up its work, answered to the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The config cannot be worked with (-32002).
    Config {
        /// JSON Pointer to the place in the config; `""` is the whole.
        path: String,
        /// What is wrong there.
        message: String,
    },
    /// The plugin judges itself unfit here (-32009): a host that chooses among versions tries another.
    Declined(String),
}

impl Refusal {
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Config { path, message } => error::invalid_config(&[ParamFault { path, message }]),
            Self::Declined(reason) => error::declined(reason),
        }
    }
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self::Config { path: String::new(), message }
    }
}

impl From<&str> for Refusal {
    fn from(message: &str) -> Self {
        message.to_owned().into()
    }
}

impl From<std::io::Error> for Refusal {
    fn from(fault: std::io::Error) -> Self {
        fault.to_string().into()
    }
}
