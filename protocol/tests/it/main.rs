//! Tests of the crate from outside, one module a subject.

mod arbitrary;
mod bombs;
mod contract;
mod diff;
mod differential;
mod ends;
mod floods;
mod input;
mod peer;
mod pipelined;
mod properties;
mod schema;
mod seen;
mod spec;
mod streams;
