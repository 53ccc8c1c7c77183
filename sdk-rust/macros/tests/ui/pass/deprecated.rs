//! What is deprecated is told to who uses it, and the generated code does not count.

#![deny(warnings)]

use plugline_sdk::{CallFailed, ContractError, contract};

#[deprecated = "use `New`"]
#[contract(name = "old", version = "1.0.0")]
pub trait Old: Send + Sync {
    #[deprecated = "use `shiny`"]
    fn rusty(&self, count: u32) -> Result<u32, OldError>;
    #[deprecated]
    #[notification]
    fn told(&self);
    fn shiny(&self) -> Result<u32, OldError>;
}

#[derive(Debug, thiserror::Error, ContractError)]
pub enum OldError {
    #[deprecated]
    #[error("not any more")]
    #[code(1)]
    Rusty,
    #[deprecated]
    #[error("not any more: {0}")]
    #[code(2)]
    Dusty(String),
    #[error(transparent)]
    Call(#[from] CallFailed),
}

fn main() {
    assert_eq!(OldContract::document().methods.len(), 3);
}
