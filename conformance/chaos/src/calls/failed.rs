//! What a failed call says of itself, whichever way it was made.

use plugline_host::manager::ManagerError;
use plugline_host::process::Exit;
use plugline_host::{CallFailed, Error, Kind, Phase};

use crate::contract::ChaosError;

/// What there is to know of an error.
#[derive(Debug, Clone)]
pub struct Said {
    /// What kind of failure it is.
    pub kind: Kind,
    /// In words, with the last that the plugin wrote to standard error.
    pub text: String,
    /// The error that the call was answered with.
    pub code: Option<i64>,
    /// How the process ended.
    pub exit: Option<Exit>,
    /// Whether it is of a start.
    pub is_of_start: bool,
}

/// An error of a call.
pub trait Says {
    /// What there is to know of it.
    fn said(&self) -> Said;
}

impl Says for Error {
    fn said(&self) -> Said {
        let evidence = self.evidence();
        let words = evidence.and_then(|evidence| evidence.stderr_tail.last());
        Said {
            kind: self.kind(),
            text: words.map_or_else(|| self.to_string(), |words| format!("{self}; {words}")),
            code: self.remote().map(|answer| answer.code.code()),
            exit: evidence.and_then(|evidence| evidence.exit),
            is_of_start: self.phase() != Phase::Call,
        }
    }
}

impl Says for ManagerError {
    fn said(&self) -> Said {
        let of_plugin = self.plugin().map(Says::said);
        let is_of_start =
            !matches!(self, Self::Plugin(_)) || of_plugin.as_ref().is_some_and(|said| said.is_of_start);
        Said {
            kind: self.kind(),
            text: self.to_string(),
            code: of_plugin.as_ref().and_then(|said| said.code),
            exit: of_plugin.as_ref().and_then(|said| said.exit),
            is_of_start,
        }
    }
}

impl Says for CallFailed {
    fn said(&self) -> Said {
        let source = std::error::Error::source(self);
        if let Some(fault) = source.and_then(|source| source.downcast_ref::<Error>()) {
            return fault.said();
        }
        if let Some(fault) = source.and_then(|source| source.downcast_ref::<ManagerError>()) {
            return fault.said();
        }
        Said { kind: self.kind(), text: self.to_string(), code: None, exit: None, is_of_start: false }
    }
}

impl Says for ChaosError {
    fn said(&self) -> Said {
        match self {
            Self::Planned { id } => Said {
                kind: Kind::RemoteError,
                text: format!("as it was asked to: {id}"),
                code: Some(1),
                exit: None,
                is_of_start: false,
            },
            Self::Call(failed) => failed.said(),
        }
    }
}
