//! Start Plugline plugins, call them, and stop them cleanly whatever they do.
//!
//! ```no_run
//! use plugline_host::Plugin;
//!
//! let plugin = Plugin::command("./greeter").start()?;
//! let hello: String = plugin.call("greet.hello", &serde_json::json!({"name": "you"}))?;
//! assert_eq!(hello, "Hello, you!");
//! plugin.stop();
//! # Ok::<(), plugline_host::Error>(())
//! ```
//!
//! [`Plugin::client`] makes of it an implementation of its contract's trait.
//!
//! [`Launch::supervise`] makes of it a plugin that is started by its first use, again when it ends, and replaced by a new
//! version without its callers noticing.
//!
//! A [`Plugin`] is one running process. Calls block their own thread only and come from as many threads as
//! like; each has a deadline, 30 s unless said otherwise. When the last handle is dropped the process is
//! stopped in the background: a program that is about to end waits for that with [`settle`].

mod call;
mod contract;
mod error;
mod event;
mod ladder;
mod launch;
pub mod manager;
pub mod package;
mod pipelined;
mod plugin;
pub mod process;
mod queue;
mod rate;
mod secrets;
mod service;
pub mod store;
mod stream;
mod supervisor;
mod timeouts;
mod transcript;
mod using;
mod validation;

pub use call::{CallOptions, RunningCall};
pub use error::{Error, Evidence, Phase};
pub use event::{Event, EventKind};
pub use ladder::{Rung, Stopped, settle};
pub use launch::Launch;
pub use pipelined::CallFuture;
pub use plugin::Plugin;
pub use plugline_protocol::contract::{Document, Faults, Manifest, Mismatch, Validators};
pub use plugline_protocol::lifecycle::messages::{Level, Log, Progress};
pub use plugline_protocol::lifecycle::{Identity, InitializeResult, Limits};
pub use plugline_protocol::peer::{Call, CallError, Canceller, Direction, Kind, PendingCall, RequestOptions};
pub use plugline_protocol::typed::{CallFailed, Context};
pub use plugline_protocol::wire::error::application as callback_error;
pub use plugline_protocol::wire::{Big, Bytes, ParamFault, escape};
pub use plugline_protocol::wire::{Error as WireError, ErrorCode};
pub use process::{Enforcement, Measure, MeasureState, Sandbox, SandboxError, Support, Unenforced};
pub use process::{Exit, Fifos};
pub use rate::Told;
pub use stream::{Input, OutputStream};
pub use supervisor::{
    Backoff, Breaker, Decision, Failure, Health, Jitter, ManifestSource, Old, PingWhen, PlaceState, Restart,
    Starts, Supervised, Supervision, SwapError, Swapped, stop_all,
};
pub use timeouts::Timeouts;
pub use validation::{Subject, Validation};
