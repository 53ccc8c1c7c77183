//! Types of the user's that are called as some of the SDK's.

#![deny(warnings)]

use plugline_sdk::{CallFailed, contract};

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Items {
    all: Vec<u8>,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Context {
    user: String,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Path {
    steps: Vec<u8>,
}

#[contract(name = "own", version = "1.0.0")]
pub trait Own: Send + Sync {
    fn items(&self, items: &Items, more: Option<Items>) -> Result<Items, CallFailed>;
    fn context(&self, one: &self::Context, two: crate::Context) -> Result<Context, CallFailed>;
    fn both(&self, given: &plugline_sdk::Context, one: &self::Context)
    -> Result<plugline_sdk::Items<Items, CallFailed>, CallFailed>;
    fn path(&self, one: &self::Path, two: Path) -> Result<Path, CallFailed>;
}

fn main() {
    let names = |method: usize| -> Vec<String> {
        OwnContract::document().methods[method].params.iter().map(|param| param.name.clone()).collect()
    };
    assert_eq!([names(0), names(1), names(2)], [vec!["items", "more"], vec!["one", "two"], vec!["one"]]);
}
