//! Streams: items within a call, both ways, each way with its own credit in bytes (section 6 of `SPEC.md`).
//!
//! - `credit.rs` counts. Pure.
//! - `items.rs` is one line of items, taken apart as they are taken.
//! - `flow.rs` holds what came and waits for what may go.
//! - `messages.rs` is what the reader does with the messages of streams.
//! - `callee.rs` and `caller.rs` are the two ends as a program sees them; `pack.rs` makes lines for both.
//!
//! The caller waits for output where it waits for the answer, in its slot (`slot.rs`). The other three
//! waits (callee for credit, callee for input, caller for credit) have condition variables of their own.
//! None of their locks is held while another is taken.

mod callee;
mod caller;
mod credit;
mod flow;
mod items;
mod messages;
mod pack;

pub use callee::{Input, Output};
pub use caller::InputSender;
pub use flow::StreamFault;
pub(super) use flow::{Flow, Inbox, Outlet};
pub(super) use items::Items;
pub(super) use messages::{NotTaken, take};

/// Which streams the calls of a method have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Streams {
    /// Items from callee to caller.
    pub(super) output: bool,
    /// Items from caller to callee.
    pub(super) input: bool,
}

impl Streams {
    pub(super) fn any(self) -> bool {
        self.output || self.input
    }
}
