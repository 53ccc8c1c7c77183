//! The connection engine: one end of a connection, the same code for host and plugin.
//!
//! A [`Connection`] owns two pipes. Calls go out through [`Connection::request`]; requests and
//! notifications that come in go to the [`Service`] it was opened with. What differs between the sides
//! (who answers a broken line, who takes it as a violation) is decided in `dispatch.rs` and nowhere else.
//!
//! # Who reads
//!
//! Nearly all that a call costs is waking a thread that sleeps on another core, so nobody is woken who need not be.
//!
//! - The read side is one seat (`seat.rs`, where its rules stand); who sits on it has a turn (`turn.rs`) and reads for
//!   everybody. A caller takes it, reads until its own answer is there, and passes it on.
//! - A plugin has a server that takes the seat while no caller reads, and sleeps on it. A host has none, but while
//!   tasks await calls: what arrives while nobody reads is told by the watch (`watch.rs`), one thread for all
//!   connections of the process, which has a worker serve it.
//! - Whoever reads looks for a while before it sleeps, where that was worth it lately (`patience.rs`).
//! - Who holds the turn runs no handler, no listener, no waker. It calls the [`Service`], the transcript and the check of
//!   the params of a request that is refused, which are told not to wait. It never waits for a write.
//!
//! # Who handles
//!
//! - A request's handler runs on the thread that read it, the turn given back for the while, where that suits
//!   (`turn.rs`, `runs_here`): on a server unless it is known to take long, or to be slow while more is there; on a
//!   caller only what was called in the handling of its own call and is known to be fast. Otherwise on a worker
//!   (`workers.rs`); of what is known to be short, only so much at a time as keeps the cores busy (`short.rs`).
//! - Where a handler keeps the server for longer than a millisecond or two, the watch sees the seat unused, arms itself, and
//!   has another worker serve what comes.
//! - Notifications are handled on a worker, one after another, and a request that came after one only once that has been
//!   handled (`lane.rs`).
//!
//! # Who writes
//!
//! Whoever has something to say queues it, and writes what is queued unless somebody does (`outbox.rs`, `writing.rs`).
//! What the pipe does not take at once is left to a worker. A server's answers wait for one another while more requests are
//! there to be read.
//!
//! # Lock order
//!
//! `InFlight` → `Outbox`; `Pending` → a call's slot → `Alarms`; `Pending` → the credit of a call's input; `Pending` → what
//! ends the wait for a place; the seat → the watch's descriptors; the calls that a handler made → `Pending`; short jobs →
//! the timer. No other two are held together, and none is held while a handler, a waker or a callback runs.

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
mod own_ids;
mod patience;
mod pending;
mod poller;
mod queue;
mod reader;
mod request;
mod returned;
mod scratch;
mod seat;
mod service;
mod short;
mod slot;
mod stream;
mod sync;
pub mod timer;
mod turn;
mod watch;
mod work;
mod workers;
mod writing;

pub use call::Call;
pub use connection::{Connection, Direction, Remote, Setup, Side};
pub use error::{CallError, CloseReason, Kind, Violation};
pub use future::{CallFuture, TellProgress};
pub use handshake::HandshakeError;
pub use io::{Block, Pipes, Waited, Wake, pair};
pub use many::CallMany;
pub(crate) use queue::{Bond, Queueing};
pub use request::{Canceller, PendingCall, RequestOptions, Trace};
pub(crate) use returned::decode;
pub use service::{Handler, Listener, Report, Route, Service, write_result};
pub use stream::{Input, InputSender, Output, StreamFault};
