//! A process that is started and ends: what starting one costs, whatever it does.

use std::process::{Command, Stdio};
use std::time::Instant;

use plugline_benches_driver::{Fault, Response, serve};

use crate::{PluginCommand, nanos};

pub(crate) fn run(plugin: &PluginCommand) -> Result<(), Fault> {
    let mut command = Command::new(&plugin.program);
    // As a plugin has them, but that there is nothing to read.
    command.args(&plugin.args).stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(serve(|request| match request.op.as_str() {
        "start" => {
            let began = Instant::now();
            let output = command.output()?;
            let wall = began.elapsed();
            if !output.status.success() {
                return Err(format!("it failed: {}", output.status).into());
            }
            Ok(Response { wall_ns: nanos(wall), ..Response::default() })
        }
        // It has ended.
        "stop" => Ok(Response::default()),
        _ => request.unsupported(),
    })?)
}
