//! The host against real processes that misbehave: `faulty.py` is the plugin, its first argument what it does.
//!
//! Every plugin here writes down the processes it starts, and every test ends by seeing them gone
//! ([`support::Processes`]). What is counted in the whole process (descriptors, threads, memory, children) is
//! counted in a process of its own ([`support::alone`]).

#![cfg(target_os = "linux")]

mod callbacks;
mod calls;
mod cancel;
mod child;
mod end;
mod gallery;
mod handshake;
mod host_death;
mod leaks;
mod limits;
mod lines;
mod manager;
mod package;
mod pipes;
mod sandbox;
mod secrets;
mod spawn;
mod store;
mod stray;
mod streams;
mod stress;
mod supervised;
mod support;
mod validation;
mod wire;
