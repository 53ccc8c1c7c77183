//! A contract as a trait: what the code that is generated beside the trait is written against.
//!
//! - `contract.rs`: a contract as a type, and what serves it: [`Contract`], [`Serve`], [`Client`].
//! - `caller.rs`: what a client makes its calls with, whoever that is: a plugin that a host started, a supervisor, the
//!   host of a plugin.
//! - `remote.rs`: the calls of a client; `serving.rs`: the other end of them.
//! - `original.rs`: the document that a contract was written in, where that came first; `written.rs` holds values to it.
//! - [`Context`]: what a method may know of its call. [`Items`]: streams. [`CallFailed`] and [`ContractError`]: errors.
//!
//! Nothing here knows of processes; what it knows of the wire is the [`peer`](crate::peer)'s.

mod caller;
mod context;
mod contract;
mod error;
mod failed;
mod items;
mod original;
mod remote;
mod serving;
#[cfg(feature = "validate")]
mod written;

pub use caller::{Attempt, Blame, Caller, Direct, MakeCall, MethodInfo, Noted};
pub use context::{Context, Progress};
pub use contract::{Client, Contract, Link, Serve};
pub use error::ContractError;
pub use failed::CallFailed;
pub use items::Items;
pub use original::{Original, Subject, declared, given, provided, required, taken};
pub use remote::Remote;
pub use serving::{
    Check, Listen, Run, Served, Serves, answer, answer_held, answer_items, answer_items_held, input,
    input_held,
};
#[cfg(feature = "validate")]
pub use written::Written;
