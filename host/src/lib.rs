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
//! A [`Plugin`] is one running process. Calls block their own thread only and come from as many threads as
//! like; each has a deadline, 30 s unless said otherwise. When the last handle is dropped the process is
//! stopped in the background: a program that is about to end waits for that with [`settle`].

mod error;
mod event;
mod ladder;
mod launch;
mod pipelined;
mod plugin;
mod process;
mod service;
mod stream;
mod timeouts;

pub use error::{Error, Evidence, Phase};
pub use event::{Event, EventKind};
pub use ladder::{Rung, Stopped, settle};
pub use launch::Launch;
pub use pipelined::CallFuture;
pub use plugin::{CallOptions, Plugin, RunningCall};
pub use plugline_protocol::contract::Document;
pub use plugline_protocol::lifecycle::messages::{Level, Log, Progress};
pub use plugline_protocol::lifecycle::{Identity, InitializeResult, Limits};
pub use plugline_protocol::peer::{Call, CallError, Canceller, Direction, Kind, PendingCall, RequestOptions};
pub use plugline_protocol::wire::error::application as callback_error;
pub use plugline_protocol::wire::{Bytes, escape};
pub use plugline_protocol::wire::{Error as WireError, ErrorCode};
pub use process::Exit;
pub use stream::{Input, OutputStream};
pub use timeouts::Timeouts;
