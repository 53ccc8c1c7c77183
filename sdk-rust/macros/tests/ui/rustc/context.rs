#![allow(unused)]

use plugline_sdk::{CallFailed, contract};

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Context;

#[contract(name = "a", version = "1.0.0")]
trait Taken: Send + Sync {
    fn go(&self, context: &Context) -> Result<(), CallFailed>;
}

fn main() {}
