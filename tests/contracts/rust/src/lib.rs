//! The rich contract in Rust, as `plugline contract gen rust` writes it, and a plugin of it. The tests of the command
//! line compare `catalog.rs` and `keywords.rs` with what would be written, and call these plugins from every language.
#![forbid(unsafe_code)]

#[expect(missing_docs, reason = "what a document does not describe has no description")]
// It is laid out as rustfmt leaves it where nothing is set, which tests/gen checks.
#[rustfmt::skip]
pub mod catalog;
#[expect(missing_docs, reason = "what a document does not describe has no description")]
#[rustfmt::skip]
pub mod keywords;
pub mod memory;
