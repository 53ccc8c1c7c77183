//! The rich contract as a plugin, served in Rust.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use plugline_contract_tests::catalog::{AuditContract, CatalogContract, Config};
use plugline_contract_tests::memory::Memory;
use plugline_sdk::{Plugin, Refusal};

fn main() -> ExitCode {
    Plugin::configured("catalog-rust", "0.1.0", |config: Config| match config.refuse {
        Some(reason) => Err(Refusal::Declined(reason)),
        None => Ok(Memory::default()),
    })
    .contract(CatalogContract)
    .requires_contract(AuditContract)
    .serve()
}
