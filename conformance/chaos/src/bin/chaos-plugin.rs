//! The plugin of a run over the Rust SDK.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    plugline_chaos::plugin::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("it is started by plugline-chaos, which runs on Linux alone");
    ExitCode::from(3)
}
