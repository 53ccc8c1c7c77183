//! The wire: lines of JSON-RPC 2.0. Pure: no I/O, no clock, no threads.
//!
//! Bytes enter through a [`LineDecoder`], each line is classified by [`decode`] into a [`Message`]
//! that borrows from it, and messages leave through [`encode`].

mod big;
mod bytes;
pub mod encode;
mod envelope;
pub mod error;
mod frame;
mod glance;
mod id;
pub(crate) mod json;
mod params;
mod text;

pub use big::Big;
pub use bytes::Bytes;
pub use encode::EncodeError;
pub use envelope::{Malformed, Message, Notification, Outcome, RemoteError, Request, Response, decode};
pub use error::{Error, ErrorCode, ParamFault};
pub use frame::{Frame, LineDecoder};
#[cfg(fuzzing)]
#[doc(hidden)]
pub use glance::check_glance;
pub(crate) use glance::{Glimpse, glance, result_line};
pub use id::{InvalidId, MAX_ID_BYTES, MAX_INTEGER, RequestId};
pub(crate) use json::write as write_json;
pub(crate) use params::pointer;
pub use params::{Meta, OwnedParams, Params};
pub use text::{escape, is_unseen, quote, shown, without_value};
