//! `plugline mock`: a plugin that answers a contract from its examples and schemas.

use std::process::ExitCode;

use clap::Args;

use crate::contract::{file, read};
use crate::failure::Failure;

/// Be a plugin that answers any contract from its examples and schemas.
///
/// It is started by a host, as any plugin is: `plugline call --command "plugline mock users.json" users.get_user id=7`.
#[derive(Args)]
pub(crate) struct Mock {
    /// The contract: an OpenRPC document.
    #[arg(value_name = "CONTRACT")]
    contract: String,
    /// Other values, where they are made from schemas. With the same seed the same call gets the same answer.
    #[arg(long, value_name = "N", default_value = "0")]
    seed: u64,
}

impl Mock {
    /// The exit code is the plugin's.
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let manifest = read(&file(&self.contract)?, &self.contract)?;
        Ok(plugline_sdk::testing::mock(&manifest, self.seed).serve())
    }
}
