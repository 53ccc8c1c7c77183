//! The gallery as a plugin, for the tests of the host.

use std::process::ExitCode;

use plugline_sdk::Plugin;

mod contract;
mod memory;

use contract::{CuratorContract, GalleryContract};
use memory::Memory;

fn main() -> ExitCode {
    Plugin::configured("gallery", "0.1.0", |_: serde_json::Value| Ok::<_, String>(Memory::default()))
        .describe("Pictures in memory.")
        .contract(GalleryContract)
        .requires_contract(CuratorContract)
        .serve()
}
