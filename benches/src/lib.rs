//! What the plugins and clients of the benchmarks share: params, and the bytes that the raw pipe echoes pass.
#![forbid(unsafe_code)]

pub mod echo;
pub mod params;
