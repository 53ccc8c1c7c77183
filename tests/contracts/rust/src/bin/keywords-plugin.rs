//! The contract with every keyword of JSON Schema, served in Rust.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use plugline_contract_tests::keywords::{Keywords, KeywordsContract, One};
use plugline_sdk::{CallFailed, Context, Plugin};

struct Echo;

impl Keywords for Echo {
    fn echo(&self, _: &Context, one: &One) -> Result<One, CallFailed> {
        Ok(one.clone())
    }
}

fn main() -> ExitCode {
    Plugin::configured("keywords-rust", "0.1.0", |_: serde_json::Value| Ok::<_, String>(Echo))
        .contract(KeywordsContract)
        .serve()
}
