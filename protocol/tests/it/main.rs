//! Tests of the crate from outside, one module a subject.

mod arbitrary;
mod differential;
mod ends;
mod input;
mod peer;
mod pipelined;
mod properties;
mod schema;
mod spec;
mod streams;
