//! Measures one system inside its own process, on behalf of `compare`:
//! `bench-client SYSTEM FILE [--core N]`.
#![forbid(unsafe_code)]

mod direct;
mod echo;
mod jsonrpc;
mod plugline;
mod spin;

use std::path::PathBuf;

use plugline_benches::echo::Wait;
use plugline_benches_driver::{Fault, Request, Response, Session, System, serve};
use rustix::thread::{CpuSet, sched_setaffinity};

fn main() -> Result<(), Fault> {
    let mut args = std::env::args().skip(1);
    let (Some(system), Some(file)) = (args.next(), args.next()) else {
        return Err("usage: bench-client SYSTEM FILE [--core N]".into());
    };
    if let (Some("--core"), Some(core)) = (args.next().as_deref(), args.next()) {
        // Before there is a second thread, which would not follow.
        let mut cores = CpuSet::new();
        cores.set(core.parse()?);
        sched_setaffinity(None, &cores)?;
    }
    match system.as_str() {
        "plugline" => {
            let mut session = Session::new(plugline::Plugline, file);
            serve(|request| plugline::operate(&mut session, request))?;
            drop(session);
            plugline_host::settle(std::time::Duration::from_secs(10));
        }
        "jsonrpc-core" => run(jsonrpc::JsonRpc, file)?,
        "direct" => run(direct::Direct, file)?,
        "echo-blocking" => echo::run(Wait::Blocking)?,
        "echo-polling" => echo::run(Wait::Polling)?,
        "spin" => spin::run(),
        other => return Err(format!("no system {other}").into()),
    }
    Ok(())
}

fn run<S: System + Sync>(system: S, file: String) -> Result<(), Fault> {
    let mut session = Session::new(system, file);
    Ok(serve(|request: &Request| -> Result<Response, Fault> { session.operate(request) })?)
}

/// The path of a program beside this one.
fn sibling(name: &str) -> Result<PathBuf, Fault> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// As the line protocol has it.
fn nanos(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
