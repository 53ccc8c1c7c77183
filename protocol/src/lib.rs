//! What both ends of a Plugline connection share.
//!
//! - [`wire`]: bytes in, messages out; pure.
//! - [`lifecycle`]: the handshake, limits, capabilities and the `rpc.*` messages; pure.
//! - [`contract`]: the manifest, an OpenRPC document; pure.
//! - [`peer`]: the connection engine, which owns pipes and threads.
//! - [`typed`]: what is made of a contract that is a trait: clients of it, and what serves it.
//!
//! The wire itself is specified, for implementers in any language, in `SPEC.md` beside this
//! crate; requirement ids such as `FRAME-3` in the documentation point there.
#![forbid(unsafe_code)]

pub mod contract;
pub mod lifecycle;
pub mod peer;
pub mod typed;
pub mod wire;
