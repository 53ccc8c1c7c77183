//! Has a host run for minutes or hours while its plugins are killed, stopped, slowed, flooded, replaced and made to break
//! the protocol, under load from many callers; and checks all the time, and at the end, that each call got one outcome in
//! time, that each failure is explained, and that nothing is left. `docs/reliability.md` says what that found.
//!
//! - `contract.rs`: what plugins provide. `plugin.rs`: the one over the Rust SDK; `plugins/` has the others.
//! - `fleet/`: they are laid out, in directories and a store, and used by a manager.
//! - `calls/`: the callers. `ledger.rs`: which calls are open, and how they ended; `marks.rs`: what they left behind.
//! - `agent/`: what is done to the plugins and the host. `journal.rs`: that, and what the host tells of it, by time.
//! - `explain.rs`: from a failure and the journal to its cause. Pure.
//! - `census.rs`: what the process and the machine have. `faults.rs`: what was found.
//! - `round.rs`: one life of a manager; `run.rs`: all of them. `report.rs`, `document.rs`: what came of it.
#![forbid(unsafe_code)]
// `/proc`, and signals that go to no other process.
#![cfg(target_os = "linux")]

pub mod agent;
pub mod breakage;
pub mod calls;
pub mod census;
pub mod clock;
pub mod command;
pub mod contract;
pub mod coroner;
pub mod document;
pub mod explain;
pub mod faults;
pub mod fleet;
pub mod journal;
pub mod ledger;
pub mod listener;
pub mod marks;
pub mod options;
pub mod plugin;
pub mod random;
pub mod recovery;
pub mod report;
pub mod round;
pub mod run;
