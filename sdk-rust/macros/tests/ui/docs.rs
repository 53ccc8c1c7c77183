#![allow(unused)]

use plugline_sdk::{CallFailed, ContractError, contract};

#[doc = include_str!("docs.rs")]
#[contract(name = "a", version = "1.0.0")]
trait Docs: Send + Sync {
    /// Begins as text.
    #[doc = concat!("Ends", "computed.")]
    fn method(&self) -> Result<(), CallFailed>;
    fn param(&self, #[doc = concat!("Com", "puted.")] it: u8) -> Result<(), CallFailed>;
    /// Described.
    ///
    /// # Examples
    #[doc = include_str!("docs.rs")]
    fn after_its_description(&self) -> Result<(), CallFailed>;
}

fn main() {}
