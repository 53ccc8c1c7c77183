//! `plugline-chaos`: see the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// Counts what is allocated.
#[global_allocator]
static HEAP: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    plugline_chaos::command::main(|| HEAP.current_usage() as u64 / 1024)
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("plugline-chaos runs on Linux alone");
    ExitCode::from(3)
}
