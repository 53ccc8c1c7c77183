//! A plugin's sandbox: what its process, and all that it starts, may reach. Linux only; elsewhere asking for one is an
//! error.
//!
//! - `rules.rs`: what somebody wants of it, with its defaults.
//! - `support.rs`: what this kernel has. `enforcement.rs`: what of the first follows from the second, and what does not.
//! - `confine.rs`: all that the child needs, made before it is forked: `files.rs` (Landlock), `syscalls.rs` (seccomp),
//!   `bounds.rs` (rlimits), `private.rs` (its temporary directory). What the child does with them is in `sys/`; `step.rs`
//!   is how it says what failed. `elsewhere.rs` stands for all of that on other systems.
//!
//! Nothing here is done in the child, and nothing here knows of messages. What is not enforced is never left unsaid:
//! each measure is in the [`Enforcement`], and one that cannot be had is an error unless the user allowed that.

#[cfg(target_os = "linux")]
mod bounds;
#[cfg(target_os = "linux")]
mod confine;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod confine;
mod enforcement;
mod error;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod private;
mod rules;
#[cfg(target_os = "linux")]
mod step;
mod support;
#[cfg(target_os = "linux")]
mod syscalls;

#[cfg(target_os = "linux")]
pub(super) use bounds::Bound;
#[cfg(target_os = "linux")]
pub(super) use confine::Maps;
pub(super) use confine::{Confinement, Held, confine, failure, inherits};
pub use enforcement::{Enforcement, Measure, MeasureState};
pub use error::SandboxError;
pub use rules::{Sandbox, Unenforced};
#[cfg(target_os = "linux")]
pub(super) use step::Step;
pub use support::Support;

/// The guide: what it shows compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/sandbox.md")]
struct Guide;
