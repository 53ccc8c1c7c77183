//! What a sandbox costs: starts and calls of one plugin, with and without, in turn.
//!
//! `sandbox_cost PROGRAM [ARG…]`; as root, `PLUGLINE_COST_USER=65534` runs the sandboxed ones as that user.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use plugline_host::{Error, Launch, Plugin, Sandbox};

const STARTS: usize = 200;
const CALLS: usize = 20_000;
/// As many calls in a row, so that what changes on the machine meanwhile changes both.
const ROUND: usize = 1_000;

fn main() -> Result<ExitCode, Error> {
    let mut words = std::env::args_os().skip(1);
    let Some(program) = words.next() else {
        eprintln!("usage: sandbox_cost PROGRAM [ARG…]");
        return Ok(ExitCode::from(2));
    };
    let user = std::env::var("PLUGLINE_COST_USER").ok().and_then(|user| user.parse().ok());
    let sandbox = match user {
        Some(user) => Sandbox::new().user(user, user),
        None => Sandbox::new(),
    };
    let free = Plugin::command(program).args(words);
    let confined = free.clone().sandbox(sandbox);

    let (mut without, mut within) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        without.push(start(&free)?);
        within.push(start(&confined)?);
    }
    report("a start", without, within);

    let (free, confined) = (free.start()?, confined.start()?);
    let (mut without, mut within) = (Vec::new(), Vec::new());
    for _ in 0..CALLS / ROUND {
        calls(&free, &mut without)?;
        calls(&confined, &mut within)?;
    }
    report("a call", without, within);
    Ok(ExitCode::SUCCESS)
}

/// From the order to the answer of the handshake.
fn start(launch: &Launch) -> Result<Duration, Error> {
    let began = Instant::now();
    let plugin = launch.clone().start()?;
    let took = began.elapsed();
    plugin.stop();
    Ok(took)
}

fn calls(plugin: &Plugin, times: &mut Vec<Duration>) -> Result<(), Error> {
    for _ in 0..ROUND {
        times.push(plugin.ping()?);
    }
    Ok(())
}

fn report(what: &str, mut without: Vec<Duration>, mut within: Vec<Duration>) {
    for (name, times) in [("without", &mut without), ("within", &mut within)] {
        times.sort_unstable();
        let at = |part: usize| times[times.len() * part / 100].as_secs_f64() * 1e6;
        println!("{what} {name:<8} median {:9.1} µs, 90 % within {:9.1} µs", at(50), at(90));
    }
}
