//! The result of a call as it came: decoded by who asked for it, in the one pass that also shows whether it is JSON.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::connection::Connection;
use super::dispatch;
use super::error::CallError;
use crate::wire::without_value;

/// What a call returned.
#[derive(Debug)]
pub(super) enum Returned {
    /// A JSON value.
    Checked(Box<RawValue>),
    /// What stood where the result should, in a line that began like nearly all. It may be no JSON at all.
    Seen(Box<str>),
}

impl Returned {
    /// As it stands on the wire.
    ///
    /// # Errors
    /// [`CallError`] where it was no answer. The connection is then treated as it deserves.
    pub(super) fn raw(self, connection: &Connection, id: u64) -> Result<Box<RawValue>, CallError> {
        match self {
            Self::Checked(raw) => Ok(raw),
            Self::Seen(text) => match serde_json::from_str(&text) {
                Ok(raw) => Ok(raw),
                Err(_) => dispatch::take_result_anew(connection, id, &text),
            },
        }
    }

    /// As a value of that type.
    ///
    /// # Errors
    /// Those of [`raw`](Self::raw), and [`CallError::Undecodable`] where it is of another type.
    pub(super) fn decode<R: DeserializeOwned>(
        self,
        connection: &Connection,
        id: u64,
    ) -> Result<R, CallError> {
        let text = match &self {
            Self::Checked(raw) => raw.get(),
            Self::Seen(text) => text,
        };
        // To know at every moment where one is costs more than the decoding; only a fault is looked for again.
        serde_json::from_str(text).or_else(|_| decode_with_path("the result", &self.raw(connection, id)?))
    }
}

/// Decodes a value that is JSON.
///
/// # Errors
/// [`CallError::Undecodable`] where it is of another type.
pub(crate) fn decode<R: DeserializeOwned>(what: &str, raw: &RawValue) -> Result<R, CallError> {
    serde_json::from_str(raw.get()).or_else(|_| decode_with_path(what, raw))
}

#[cold]
fn decode_with_path<R: DeserializeOwned>(what: &str, raw: &RawValue) -> Result<R, CallError> {
    let mut json = serde_json::Deserializer::from_str(raw.get());
    serde_path_to_error::deserialize(&mut json).map_err(|fault| {
        let path = fault.path().to_string();
        let at = if path == "." { String::new() } else { format!(" at {path}") };
        CallError::Undecodable(format!(
            "{what} is not of the type that was asked for{at}: {}",
            without_value(fault.inner())
        ))
    })
}
