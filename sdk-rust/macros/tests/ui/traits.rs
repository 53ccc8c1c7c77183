#![allow(unused)]

use plugline_sdk::{CallFailed, contract};

#[contract(name = "a", version = "1.0.0")]
trait NotSync {
    fn go(&self) -> Result<(), CallFailed>;
}

#[contract(name = "a", version = "1.0.0")]
trait Generic<T>: Send + Sync {
    fn go(&self, it: T) -> Result<(), CallFailed>;
}

#[contract(name = "a", version = "1.0.0")]
trait Bound: Send + Sync + Clone {
    fn go(&self) -> Result<(), CallFailed>;
}

#[contract(name = "a", version = "1.0.0")]
unsafe trait Unsafe: Send + Sync {
    fn go(&self) -> Result<(), CallFailed>;
}

#[contract(name = "a", version = "1.0.0")]
trait Typed: Send + Sync {
    type Item;
    fn go(&self) -> Result<(), CallFailed>;
}

#[contract(name = "a", version = "1.0.0")]
struct NoTrait;

fn main() {}
