//! Which requests are taken when: the lifecycle of a connection, as a table.

use super::methods;
use crate::wire::{Error, error};

/// Where a connection stands in its life, seen from the side that answers requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing was agreed yet.
    New,
    /// An `rpc.initialize` is being answered.
    Initializing,
    /// The handshake is done.
    Ready,
    /// `rpc.shutdown` came.
    ShuttingDown,
}

impl Phase {
    /// Whether a request for this method is taken now.
    ///
    /// # Errors
    /// -32000 before the handshake, -32003 after `rpc.shutdown`, -32600 for a second `rpc.initialize`.
    pub fn admit(self, method: &str) -> Result<(), Error> {
        match (self, method) {
            (_, methods::PING) => Ok(()),
            (Self::ShuttingDown, _) => Err(error::shutting_down()),
            (_, methods::DISCOVER | methods::SHUTDOWN) => Ok(()),
            (Self::New, methods::INITIALIZE) => Ok(()),
            (Self::Initializing, methods::INITIALIZE) => {
                Err(error::invalid_request("rpc.initialize is being answered already"))
            }
            (Self::Ready, methods::INITIALIZE) => {
                Err(error::invalid_request("rpc.initialize succeeded already"))
            }
            (Self::New | Self::Initializing, _) => Err(error::not_initialized(method)),
            (Self::Ready, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        let wanted = [
            // method, New, Initializing, Ready, ShuttingDown; 0 is taken
            (methods::PING, [0, 0, 0, 0]),
            (methods::DISCOVER, [0, 0, 0, -32003]),
            (methods::SHUTDOWN, [0, 0, 0, -32003]),
            (methods::INITIALIZE, [0, -32600, -32600, -32003]),
            ("users.get_user", [-32000, -32000, 0, -32003]),
            ("rpc.unknown", [-32000, -32000, 0, -32003]),
        ];
        let phases = [Phase::New, Phase::Initializing, Phase::Ready, Phase::ShuttingDown];
        for (method, codes) in wanted {
            for (phase, code) in phases.into_iter().zip(codes) {
                let seen = phase.admit(method).err().map_or(0, |error| error.code.code());
                assert_eq!(seen, code, "{method} in {phase:?}");
            }
        }
    }
}
