#![allow(unused)]

use plugline_sdk::contract;

#[derive(Debug)]
struct MyError;

#[contract(name = "a", version = "1.0.0")]
trait Undeclared: Send + Sync {
    fn go(&self) -> Result<(), MyError>;
}

fn main() {}
