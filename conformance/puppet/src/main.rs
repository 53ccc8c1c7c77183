//! The plugin that a host under test starts. It decides nothing: what it reads goes to the runner, and what it
//! writes, how it ends and which signals it heeds the runner tells it, over a socket of its own.
//!
//! `plugline-puppet ADDRESS TOKEN [held]`: the path of the runner's socket, and the name under which it knows this
//! process. `held` is for a descendant that only holds what it inherited: it reads nothing.
//!
//! Its protocol with the runner stands in [`link`]; it knows nothing of Plugline's.

mod act;
mod facts;
mod intake;
mod link;
mod signals;

use std::process::ExitCode;
use std::sync::Arc;

use link::Link;

/// The runner is gone, or was never there.
const NO_RUNNER: u8 = 70;
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (address, token, reads) = match &arguments[..] {
        [address, token] => (address, token, intake::Pace::Reading),
        [address, token, held] if held == "held" => (address, token, intake::Pace::Paused),
        _ => {
            eprintln!(
                "usage: plugline-puppet ADDRESS TOKEN [held]: the conformance runner starts it through a host"
            );
            return ExitCode::from(USAGE);
        }
    };
    // Before anything is changed.
    let facts = facts::facts();
    match run(address, token, reads, &facts) {
        Ok(never) => match never {},
        Err(fault) => {
            eprintln!("plugline-puppet: the runner at {address} cannot be reached: {fault}");
            ExitCode::from(NO_RUNNER)
        }
    }
}

/// Ends when the runner does, or when it says so.
fn run(
    address: &str,
    token: &str,
    pace: intake::Pace,
    facts: &serde_json::Value,
) -> std::io::Result<std::convert::Infallible> {
    let (link, mut orders) = Link::connect(address)?;
    let link = Arc::new(link);
    let heed = signals::watch(&link)?;
    link.report(&serde_json::json!({"hello": {"token": token, "facts": facts}}))?;
    let intake = intake::start(&link, pace)?;
    let actor = act::start(&link, &intake, address, token)?;
    loop {
        let frame = orders.next()?;
        if !act::at_once(&frame, &link, &intake, &heed)? {
            // The actor lives as long as this process.
            let _queued = actor.send(frame);
        }
    }
}
