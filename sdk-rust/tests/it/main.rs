//! Tests of the crate from outside, one module a subject: the examples as processes over raw pipes, and
//! plugins within this process.

mod broken;
mod callbacks;
mod calls;
mod ending;
mod handshake;
mod harness;
mod io_handler;
mod manifest;
mod process;
mod stdio;
mod streams;
