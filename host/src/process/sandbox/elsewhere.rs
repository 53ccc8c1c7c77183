//! Systems without a sandbox: the same interface, and nobody gets one.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::time::Instant;

use super::enforcement::Enforcement;
use super::error::SandboxError;
use super::rules::Sandbox;

/// There is none.
pub(in crate::process) type Confinement = Infallible;

/// There is none.
#[derive(Debug)]
pub(in crate::process) struct Held(Infallible);

pub(in crate::process) fn confine(
    _: &Sandbox,
    _: &Path,
    _: Option<&Path>,
) -> Result<(Confinement, Held), SandboxError> {
    Err(SandboxError::OtherSystem)
}

pub(in crate::process) fn inherits(_: &OsStr) -> bool {
    false
}

pub(in crate::process) fn failure(_: &io::Error) -> Option<SandboxError> {
    None
}

impl Held {
    pub(in crate::process) fn enforcement(&self) -> &Enforcement {
        match self.0 {}
    }

    pub(in crate::process) fn environment(&self) -> Vec<(OsString, OsString)> {
        match self.0 {}
    }

    pub(in crate::process) fn settle(self, _: Instant) -> io::Result<bool> {
        match self.0 {}
    }
}
