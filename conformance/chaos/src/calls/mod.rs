//! The callers.
//!
//! - `desk.rs`: where each call is entered, and what comes of it looked at. `failed.rs`: what an error says.
//! - `ways.rs`: the ways to call. `tasks.rs`: calls that are awaited. `attached.rs`: a plugin that is started by hand.

mod attached;
mod desk;
mod failed;
mod tasks;
mod ways;

use std::time::Duration;

pub use attached::attach;
pub use desk::{Begun, Desk};
pub use failed::{Said, Says};
pub use ways::{can, fault, who_serves};

use crate::random::Random;

/// A caller is still for so long between two calls, at most; microseconds.
const STILL: u64 = 20_000;

/// Calls any plugin in any way, until that is over.
pub fn caller(desk: &Desk, mut random: Random) {
    while !desk.is_over() {
        if let Some(member) = random.pick(&desk.fleet.members) {
            ways::any(desk, member, &mut random);
        }
        std::thread::sleep(Duration::from_micros(random.below(STILL)));
    }
}
