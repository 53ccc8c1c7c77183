//! Judging a host: the runner plays the plugin, by way of the puppet, and the host's user, by way of the driver.
//!
//! One case is one `Stage`: a driver of its own, a listener that puppets come to, and everything that
//! was seen of both, in the order it came. `play` goes through the steps, `judge` looks at every line that the host
//! writes, and `finish` sees to it that nothing is left. What the verdict means is decided elsewhere.

mod claim;
mod driver;
mod finish;
mod handshake;
mod judge;
mod play;
mod puppet;
mod stage;
mod target;

pub use target::{Target, probe};
