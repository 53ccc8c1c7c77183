//! Keeping plugins alive: a handle that survives its instances.
//!
//! - `settings.rs`: all that can be set. `policy.rs`: what is done after a failure, as a function of the time. `usage.rs`:
//!   who uses an instance, in one word. All three know nothing of processes, threads or clocks.
//! - `roster.rs`: the instances that serve, and how a call gets one; `state.rs`: what is known of each place that one may
//!   have.
//! - `start.rs`: an instance comes up, once however many wait for it; `starts.rs`: how many do at once. `end.rs`: one is
//!   gone, or has to go. `watch.rs`: idle stop and health. `swap.rs`: others take over. `stop.rs`: all go.
//! - `handle.rs`: what a user has of it, `client.rs` as a contract's trait; `again.rs`: calls that wait for an instance or are made once more.
//! - `decision.rs`: what is told of all this.
//!
//! # Locks
//!
//! One lock a supervisor, of its [`state`]. Under it nothing waits, nothing is called that a user wrote, and no lock of a
//! connection or a process is taken that is held while events are told: what an instance tells is taken in by the timer's
//! thread. The roster of the instances that serve is read without it.

mod again;
mod client;
mod decision;
mod end;
mod handle;
mod live;
mod policy;
mod roster;
mod settings;
mod start;
mod starts;
mod state;
mod stop;
mod swap;
mod sync;
mod usage;
mod watch;

pub(crate) use again::{Again, Waiting};
pub use decision::{Decision, Failure};
pub use handle::{PlaceState, Supervised};
pub(crate) use live::Lease;
pub(crate) use roster::Supervisor;
pub use settings::{Backoff, Breaker, Health, Jitter, ManifestSource, PingWhen, Restart, Supervision};
pub use starts::Starts;
pub use stop::stop_all;
pub use swap::{Old, SwapError, Swapped};

/// The guide: what it shows compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/supervision.md")]
struct Guide;
