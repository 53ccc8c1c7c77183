//! The handshake and the messages of the protocol itself. Pure: no I/O, no clock.
//!
//! - [`messages`]: params and results of every `rpc.*` method.
//! - [`Limits`] and the capabilities: what each side accepts and can do.
//! - [`Phase`]: which requests a plugin takes when.

mod capabilities;
mod handshake;
mod limits;
pub mod messages;
pub mod methods;
mod object;
mod phase;
pub mod schema;

pub use capabilities::{CallbackCapability, Feature, HostCapabilities, PluginCapabilities};
pub use handshake::{HandshakeFault, Identity, InitializeParams, InitializeResult, Provided};
pub use limits::{HANDSHAKE_LINE_BYTES, Limits};
pub use phase::Phase;

/// The protocol versions that this implementation speaks, lowest first.
pub const VERSIONS: &[u32] = &[1];

/// The environment variable in which a host says which versions it speaks, comma-separated.
pub const VERSIONS_VARIABLE: &str = "PLUGLINE_PROTOCOL";

/// The highest of our versions that the other side speaks too.
pub fn choose_version(offered: &[i64]) -> Option<u32> {
    VERSIONS.iter().rev().copied().find(|ours| offered.contains(&i64::from(*ours)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_in_common_is_chosen() {
        assert_eq!(choose_version(&[1]), Some(1));
        assert_eq!(choose_version(&[7, 1, -3]), Some(1));
        assert_eq!(choose_version(&[2]), None);
        assert_eq!(choose_version(&[]), None);
    }
}
