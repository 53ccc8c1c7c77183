//! What is deprecated is told to who uses it, and to who reads the manifest; the generated code does not count.

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
    let told = OldContract::document().methods.into_iter().map(|method| {
        let deprecated = method.is_deprecated();
        (method.name, deprecated, method.description)
    });
    let text = |text: &str| text.to_owned();
    assert!(told.eq([
        (text("old.rusty"), true, Some(text("Deprecated: use `shiny`"))),
        (text("old.told"), true, None),
        (text("old.shiny"), false, None),
    ]));
}
