#![allow(unused)]

use plugline_sdk::{CallFailed, contract};

#[contract(name = "a")]
trait NoVersion: Send + Sync {
    fn go(&self) -> Result<(), CallFailed>;
}

#[contract(version = "1.0.0")]
trait NoName: Send + Sync {
    fn go(&self) -> Result<(), CallFailed>;
}

#[contract]
trait Neither: Send + Sync {
    fn go(&self) -> Result<(), CallFailed>;
}

#[contract(name = "a", version = "1.0")]
trait NotSemver: Send + Sync {
    fn go(&self) -> Result<(), CallFailed>;
}

#[contract(name = "rpc.a", version = "1.0.0")]
trait Reserved: Send + Sync {
    fn go(&self) -> Result<(), CallFailed>;
}

#[contract(name = "über", version = "1.0.0")]
trait NotAscii: Send + Sync {
    fn go(&self) -> Result<(), CallFailed>;
}

#[contract(name = "a", version = "1.0.0", since = "2020")]
trait More: Send + Sync {
    fn go(&self) -> Result<(), CallFailed>;
}

#[contract(name = "a", version = 1)]
trait NoText: Send + Sync {
    fn go(&self) -> Result<(), CallFailed>;
}

#[contract(name = "a", version = "1.0.0", document = TEXT, document = TEXT)]
trait Twice: Send + Sync {
    fn go(&self) -> Result<(), CallFailed>;
}

#[contract(name = "a", version = "1.0.0", document = TEXT)]
trait Examples: Send + Sync {
    #[example(name = "it stands in the document", result = json!(null))]
    fn go(&self) -> Result<(), CallFailed>;
}

fn main() {}
