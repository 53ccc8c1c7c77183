#![allow(unused)]

use plugline_sdk::{CallFailed, contract};

#[contract(name = "a", version = "1.0.0")]
trait Examples: Send + Sync {
    #[example(name = "unknown", params = json!({"one": 1, "two": [2, {"three": 3}]}), result = json!(null))]
    fn unknown(&self, one: u32) -> Result<(), CallFailed>;
    #[example(name = "missing", params = json!({"one": 1}), result = json!(null))]
    fn missing(&self, one: u32, two: u32, three: Option<u32>) -> Result<(), CallFailed>;
    #[example(name = "nothing given", result = json!(null))]
    fn nothing_given(&self, one: u32) -> Result<(), CallFailed>;
    #[example(name = "no params", params = json!({"one": 1}), result = json!(null))]
    fn no_params(&self) -> Result<(), CallFailed>;
    #[example(params = json!({}), result = json!(null))]
    fn nameless(&self) -> Result<(), CallFailed>;
    #[example(name = "no outcome")]
    fn no_outcome(&self) -> Result<(), CallFailed>;
    #[example(name = "both", result = json!(null), error = 1)]
    fn both(&self) -> Result<(), CallFailed>;
    #[example(name = "misspelt", reslut = json!(null))]
    fn misspelt(&self) -> Result<(), CallFailed>;
    #[example(name = "twice", name = "again", result = json!(null))]
    fn twice(&self) -> Result<(), CallFailed>;
    #[example(name = "streams", input = json!([1]), output = json!([1]), result = json!(null))]
    fn streams(&self) -> Result<(), CallFailed>;
    #[example("x")]
    fn positional(&self) -> Result<(), CallFailed>;
}

fn main() {}
