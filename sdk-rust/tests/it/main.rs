//! Tests of the crate from outside, one module a subject: the examples as processes over raw pipes, and
//! plugins within this process.

mod broken;
mod callbacks;
mod calls;
mod contracts;
mod ending;
mod floods;
mod handshake;
mod harness;
mod io_handler;
mod manifest;
mod mock;
mod process;
mod stdio;
mod streams;
mod truth;
mod written;
