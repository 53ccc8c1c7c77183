//! Write a Plugline plugin in Rust.
//!
//! A plugin is a plain executable that serves methods over its stdin and stdout. They make up a contract, which is a
//! trait: [`macro@contract`] makes of it what serves an implementation, a client that implements the trait over a plugin,
//! and an OpenRPC document for everybody else. So a plugin, an implementation in the host's own process and a double in a
//! test are one `dyn Stock` to whoever uses it.
//!
//! ```no_run
#![doc = include_str!("../examples/stock.rs")]
//! ```
//!
//! Without a contract, methods are registered one by one: [`Method`] has them by name, each with a function of typed
//! params.
//!
//! ```no_run
#![doc = include_str!("../examples/greeter.rs")]
//! ```
//!
//! What a plugin declares (its manifest) is made from what was registered: names, schemas of the types,
//! errors, examples. `testing::Harness` runs a plugin within a test, without a process, and finds where it and its
//! manifest say different things; it is there with the feature `testing`, which belongs under `[dev-dependencies]`.
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
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "validate")]
mod validated;

pub use method::{Method, Notification};
pub use plugin::Plugin;
pub use plugline_macros::{ContractError, contract};
pub use plugline_protocol::contract::{Document, Example, Instances};
pub use plugline_protocol::lifecycle::Limits;
pub use plugline_protocol::lifecycle::messages::{Level, Log};
pub use plugline_protocol::peer::{Call, CallError, Input, Kind, Output};
pub use plugline_protocol::typed::{CallFailed, Client, Context, Contract, ContractError, Items, Progress};
pub use plugline_protocol::wire::error::application as error;
pub use plugline_protocol::wire::{Big, Bytes, Error, ErrorCode, ParamFault};
pub use refusal::Refusal;
pub use stdio::Stdio;

/// The document of a contract, in the form that values are held to.
#[cfg(feature = "validate")]
#[doc(hidden)]
#[macro_export]
macro_rules! __written {
    ($text:expr) => {
        $crate::__private::Written::read($text)
    };
}

/// Without what holds values to it there is none.
#[cfg(not(feature = "validate"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __written {
    ($text:expr) => {
        ::std::compile_error!(
            "a contract with a document holds what passes to its schemas: turn on the feature `validate` of \
             plugline-sdk, `plugline-sdk = { version = \"…\", features = [\"validate\"] }`"
        )
    };
}

/// What generated code names. Nothing else does: it may change with any release.
#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
