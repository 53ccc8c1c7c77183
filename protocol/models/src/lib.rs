//! The hand-over of the connection engine, model-checked: its own files, run through every interleaving of a few
//! threads (with at most so many preemptions) by `loom`, which also reports a deadlock.
//!
//! What is checked are the files themselves, included from `protocol/src/peer`. What they import is put in their
//! place here: locks by `sync.rs`, the system by `system.rs` (`io.rs`, `watch.rs` and `workers.rs` are its faces),
//! the rest by a few lines each. See `README.md` for what is checked, and which mistakes are found.
#![forbid(unsafe_code)]
#![expect(dead_code, reason = "of the files that are included, models do not use all")]

pub mod models;

#[path = "../../src/peer/alarms.rs"]
mod alarms;
#[path = "../../src/peer/interrupt.rs"]
mod interrupt;
#[path = "../../src/peer/outbox.rs"]
mod outbox;
#[path = "../../src/peer/reader.rs"]
mod reader;
#[path = "../../src/peer/seat.rs"]
mod seat;
#[path = "../../src/peer/slot.rs"]
mod slot;
#[path = "../../src/peer/turn.rs"]
mod turn;

#[path = "../../../host/src/supervisor/usage.rs"]
pub(crate) mod usage;

mod connection;
mod dispatch;
mod io;
mod sync;
mod system;
mod watch;
mod wire;
mod work;
mod workers;

mod answer {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Flush {
        Now,
        Later,
        NowOrByWorker,
    }
}

mod error {
    #[derive(Debug)]
    pub(crate) enum CallError {
        Cancelled,
        Closed,
    }

    #[derive(Debug)]
    pub(crate) enum CloseReason {
        EndOfFile,
        Read(std::io::Error),
        Overloaded(&'static str),
    }
}

mod lifecycle {
    pub(crate) mod messages {
        #[derive(Debug)]
        pub(crate) struct Progress {
            pub(crate) message: Option<String>,
        }
    }
}

/// It never looks, since what it learns depends on the clock.
mod patience {
    use std::time::Duration;

    pub(crate) const BUDGET: Duration = Duration::ZERO;

    pub(crate) struct Looking(());

    impl Drop for Looking {
        fn drop(&mut self) {}
    }

    #[derive(Default)]
    pub(crate) struct Patience(());

    impl Patience {
        pub(crate) fn look(&self) -> Option<Looking> {
            None
        }

        pub(crate) fn worth_it(&mut self) {}

        pub(crate) fn in_vain(&mut self) {}

        pub(crate) fn slept(&mut self, _: Duration) {}
    }
}

mod returned {
    #[derive(Debug)]
    pub(crate) struct Returned;
}

mod stream {
    #[derive(Debug)]
    pub(crate) struct Items;

    #[derive(Debug)]
    pub(crate) enum StreamFault {
        NoStream,
    }

    /// Of no call in a model there is output.
    #[derive(Debug)]
    pub(crate) struct Inbox;

    impl Inbox {
        pub(crate) fn put(&mut self, _: Items, _: usize) -> Result<(), StreamFault> {
            Ok(())
        }

        pub(crate) fn pop(&mut self) -> Option<Items> {
            None
        }

        pub(crate) fn is_empty(&self) -> bool {
            true
        }

        pub(crate) fn clear(&mut self) {}

        pub(crate) fn took(&mut self, _: usize) -> Option<u64> {
            None
        }
    }

    #[derive(Debug)]
    pub(crate) struct Outlet;

    impl Outlet {
        pub(crate) fn end(&self) {}
    }
}

mod timer {
    use std::time::{Duration, Instant};

    pub(crate) fn later_than(since: Instant, after: Duration) -> Instant {
        since + after
    }
}
