//! Decides whether an implementation of the Plugline protocol is correct, in whatever language, on either side.
//!
//! Cases are data (`cases/`, [`model`]). The runner plays the other side of the wire, byte by byte, and never goes
//! through the engine that it might have to judge.
#![forbid(unsafe_code)]

pub mod contract;
pub mod expected;
mod generate;
pub mod host;
pub mod hygiene;
pub mod implementations;
pub mod json;
pub mod library;
pub mod matcher;
pub mod model;
pub mod mutants;
pub mod plugin;
mod reach;
pub mod report;
pub mod run;
mod session;
pub mod trial;
pub mod value;
pub mod verdict;
