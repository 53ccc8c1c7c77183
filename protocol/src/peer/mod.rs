//! The connection engine: one end of a connection, the same code for host and plugin.
//!
//! A [`Connection`] owns two pipes. Calls go out through [`Connection::request`]; requests and
//! notifications that come in go to the [`Service`] it was opened with. What differs between the sides
//! (who answers a broken line, who takes it as a violation) is decided in `reader.rs` and nowhere else.
//!
//! # Who runs where
//!
//! - One reader thread a connection takes lines in. It runs no user code but a transcript and the
//!   checks of a refused request's params, takes no lock while it does, and never waits for a write.
//! - One writer thread a connection writes queued lines out. Nobody else touches the write end.
//! - Handlers run on workers of one pool for the whole process; notifications one after another, and a
//!   request that came after a notification only once that has been handled (`lane.rs`).
//! - A caller waits in its own thread, where its progress callback runs and it takes output, too.
//!
//! # Lock order
//!
//! `InFlight` → `Outbox`, `Pending` → a call's slot, and `Pending` → the credit of its input. No other two are
//! held together, and none is held while user code runs.

mod alarms;
mod answer;
mod begin;
mod call;
mod connection;
mod dispatch;
mod error;
mod future;
mod handshake;
mod inflight;
mod interrupt;
mod io;
mod lane;
mod many;
mod outbox;
mod patience;
mod pending;
mod poller;
mod queue;
mod reader;
mod request;
mod seat;
mod service;
mod slot;
mod stream;
mod sync;
mod timer;
mod turn;
mod watch;
mod work;
mod workers;
mod writing;

pub use call::Call;
pub use connection::{Connection, Direction, Remote, Setup, Side};
pub use error::{CallError, CloseReason, Kind, Violation};
pub use future::CallFuture;
pub use handshake::HandshakeError;
pub use io::{Block, Pipes, Waited, Wake, pair};
pub use many::CallMany;
pub use request::{Canceller, PendingCall, RequestOptions};
pub use service::{Handler, Listener, Report, Route, Service};
pub use stream::{Input, InputSender, Output, StreamFault};
