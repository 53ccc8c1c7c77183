#![allow(unused)]

use plugline_sdk::{CallFailed, Context, Items, contract};

#[contract(name = "a", version = "1.0.0")]
trait Notifications: Send + Sync {
    #[notification]
    fn returns(&self) -> Result<u32, CallFailed>;
    #[notification]
    fn with_context(&self, context: &Context);
    #[notification]
    fn with_input(&self, items: Items<u8, CallFailed>);
    #[notification]
    #[idempotent]
    fn again(&self);
    #[notification]
    #[example(name = "x", result = json!(1))]
    fn exemplary(&self);
}

fn main() {}
