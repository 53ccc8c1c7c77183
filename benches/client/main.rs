//! Measures one system inside its own process, on behalf of `compare`:
//! `bench-client SYSTEM FILE [--core N] [PLUGIN ARGUMENT…]`.
#![forbid(unsafe_code)]

mod direct;
mod echo;
mod in_process;
mod line;
mod plugline;
mod run;
mod spin;

use std::path::PathBuf;

use plugline_benches::echo::Wait;
use plugline_benches_driver::{Fault, Request, Response, Session, System, serve};
use rustix::thread::{CpuSet, sched_setaffinity};

fn main() -> Result<(), Fault> {
    let mut args = std::env::args().skip(1).peekable();
    let (Some(system), Some(file)) = (args.next(), args.next()) else {
        return Err("usage: bench-client SYSTEM FILE [--core N] [PLUGIN ARGUMENT…]".into());
    };
    if args.next_if(|arg| arg == "--core").is_some() {
        let core = args.next().ok_or("which core?")?;
        // Before there is a second thread, which would not follow.
        let mut cores = CpuSet::new();
        cores.set(core.parse()?);
        sched_setaffinity(None, &cores)?;
    }
    // Where none is named, the system's own.
    let plugin = |own: &str| -> Result<PluginCommand, Fault> {
        let program = args.next().map_or_else(|| sibling(own), |program| Ok(program.into()))?;
        Ok(PluginCommand { program, args: args.collect() })
    };
    match system.as_str() {
        "plugline" => {
            let mut session = Session::new(plugline::Plugline(plugin("bench-plugin")?), file);
            serve(|request| plugline::operate(&mut session, request))?;
            drop(session);
            plugline_host::settle(std::time::Duration::from_secs(10));
        }
        "line" => measure(line::LineLoop(plugin("jsonrpc-plugin")?), file)?,
        "direct" => measure(direct::Direct, file)?,
        "echo-blocking" => echo::run(Wait::Blocking)?,
        "echo-polling" => echo::run(Wait::Polling)?,
        "run" => run::run(&plugin("bench-plugin")?)?,
        "in-process-type" => in_process::by_type(&file)?,
        "in-process-object" => in_process::by_object(&file)?,
        "spin" => spin::run(),
        other => return Err(format!("no system {other}").into()),
    }
    Ok(())
}

fn measure<S: System + Sync>(system: S, file: String) -> Result<(), Fault> {
    let mut session = Session::new(system, file);
    Ok(serve(|request: &Request| -> Result<Response, Fault> { session.operate(request) })?)
}

/// How a plugin is started.
struct PluginCommand {
    program: PathBuf,
    args: Vec<String>,
}

/// The path of a program beside this one.
fn sibling(name: &str) -> Result<PathBuf, Fault> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// As the line protocol has it.
fn nanos(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
