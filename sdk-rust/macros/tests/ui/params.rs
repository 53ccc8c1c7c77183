#![allow(unused)]

use plugline_sdk::{CallFailed, Context, Items, contract};

#[contract(name = "a", version = "1.0.0")]
trait Params: Send + Sync {
    fn pattern(&self, (a, b): (u32, u32)) -> Result<(), CallFailed>;
    fn nameless(&self, _: u32) -> Result<(), CallFailed>;
    fn reserved(&self, _meta: u32) -> Result<(), CallFailed>;
    fn changed(&self, list: &mut Vec<u32>) -> Result<(), CallFailed>;
    fn anything(&self, it: impl ToString) -> Result<(), CallFailed>;
    fn dynamic(&self, it: &dyn ToString) -> Result<(), CallFailed>;
    fn function(&self, it: fn()) -> Result<(), CallFailed>;
    fn forever(&self, it: &'static str) -> Result<(), CallFailed>;
    fn turned_around(&self, it: &Option<u32>) -> Result<(), CallFailed>;
    fn owned_context(&self, context: Context) -> Result<(), CallFailed>;
    fn two_contexts(&self, one: &Context, other: &Context) -> Result<(), CallFailed>;
    fn two_inputs(&self, a: Items<u8, CallFailed>, b: Items<u8, CallFailed>) -> Result<(), CallFailed>;
    fn odd_input(&self, a: Items<u8, std::io::Error>) -> Result<(), CallFailed>;
    fn attribute(&self, #[serde(default)] it: u32) -> Result<(), CallFailed>;
}

fn main() {}
