//! The plugin side: the runner is the host.
//!
//! `probe` starts the plugin once and sees what it declares; `play` carries out one trial against a process of its own;
//! `track` walks its steps.

mod judged;
mod play;
mod probe;
mod track;

pub use judged::Unprobed;
pub use probe::{Class, Profile, Target, probe};
