//! Write a Plugline plugin in Rust.
//!
//! A plugin is a plain executable that serves methods over its stdin and stdout. Name them, give each a
//! function of typed params, and serve:
//!
//! ```no_run
#![doc = include_str!("../examples/greeter.rs")]
//! ```
//!
//! What a plugin declares (its manifest) is made from what was registered: names, schemas of the types,
//! errors, examples. [`testing::Harness`] runs a plugin within a test, without a process.
//!
//! Until [`Plugin::serve`] is called, standard output is still the wire: print nothing before it, or call
//! [`Stdio::take`] first. From then on printing is harmless, also by C libraries and child processes: it goes
//! to standard error.
#![forbid(unsafe_code)]

mod io_handler;
mod manifest;
mod method;
mod plugin;
mod refusal;
mod serve;
mod session;
mod stdio;
pub mod testing;

pub use method::{Method, Notification};
pub use plugin::Plugin;
pub use plugline_protocol::contract::{Example, Instances};
pub use plugline_protocol::lifecycle::Limits;
pub use plugline_protocol::lifecycle::messages::{Level, Log};
pub use plugline_protocol::peer::{Call, CallError, Input, Output};
pub use plugline_protocol::wire::error::application as error;
pub use plugline_protocol::wire::{Bytes, Error, ErrorCode, ParamFault};
pub use refusal::Refusal;
pub use stdio::Stdio;
