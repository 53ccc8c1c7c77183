//! The handshake over a connection, from both ends.

use std::time::Duration;

use super::connection::{Connection, Remote};
use super::error::CallError;
use super::request::RequestOptions;
use crate::lifecycle::{HandshakeFault, InitializeParams, InitializeResult, methods};

/// Why a handshake failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HandshakeError {
    /// There was no result.
    #[error(transparent)]
    Call(#[from] CallError),
    /// There was one that breaks the specification.
    #[error(transparent)]
    Fault(#[from] HandshakeFault),
}

impl Connection {
    /// The host's part: says hello and reads the answer. Both sides' limits are in force from then on.
    ///
    /// # Errors
    /// [`HandshakeError`] where there was no usable answer in time.
    pub fn initialize(
        &self,
        params: &InitializeParams,
        timeout: Option<Duration>,
    ) -> Result<InitializeResult, HandshakeError> {
        let options = RequestOptions { timeout, handshake: true, ..RequestOptions::default() };
        let result = self.request(methods::INITIALIZE, params, options)?.wait()?;
        Ok(InitializeResult::read(result.get())?)
    }

    /// The plugin's part: what the host said is in force from here on, before the answer is sent.
    pub fn accept(&self, params: &InitializeParams) {
        self.agree(Remote::from(params));
    }
}

impl From<&InitializeResult> for Remote {
    fn from(plugin: &InitializeResult) -> Self {
        Self {
            limits: plugin.limits,
            cancel: plugin.capabilities.cancel.is_some(),
            streams: plugin.capabilities.streams.is_some(),
            // Plugins have no way to say that they take these, so none is sent to them.
            progress: false,
            log: false,
            methods: None,
        }
    }
}

impl From<&InitializeParams> for Remote {
    fn from(host: &InitializeParams) -> Self {
        let callbacks = host.capabilities.callbacks.as_ref();
        Self {
            limits: host.limits,
            cancel: callbacks.is_some(),
            streams: host.capabilities.streams.is_some(),
            progress: host.capabilities.progress.is_some(),
            log: host.capabilities.log.is_some(),
            methods: Some(callbacks.map(|c| c.methods.iter().cloned().collect()).unwrap_or_default()),
        }
    }
}
