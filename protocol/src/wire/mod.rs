//! The wire: lines of JSON-RPC 2.0. Pure: no I/O, no clock, no threads.
//!
//! Bytes enter through a [`LineDecoder`], each line is classified by [`decode`] into a [`Message`]
//! that borrows from it, and messages leave through [`encode`].

mod bytes;
pub mod encode;
mod envelope;
pub mod error;
mod frame;
mod id;
mod params;
mod text;

pub use bytes::Bytes;
pub use encode::EncodeError;
pub use envelope::{Malformed, Message, Notification, Outcome, RemoteError, Request, Response, decode};
pub use error::{Error, ErrorCode, ParamFault};
pub use frame::{Frame, LineDecoder};
pub use id::{InvalidId, MAX_ID_BYTES, MAX_INTEGER, RequestId};
pub(crate) use params::pointer;
pub use params::{Meta, OwnedParams, Params};
pub use text::{escape, quote};
