#![allow(unused)]

use plugline_sdk::{CallFailed, Plugin, contract};

#[contract(name = "a", version = "1.0.0")]
trait Served: Send + Sync {
    fn go(&self) -> Result<(), CallFailed>;
}

fn main() {
    Plugin::new("a", "0.1.0").contract(ServedContract);
}
