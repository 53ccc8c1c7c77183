#![allow(unused)]

use plugline_sdk::{CallFailed, contract};

#[contract(name = "a", version = "1.0.0")]
trait Methods: Send + Sync {
    async fn awaited(&self) -> Result<(), CallFailed>;
    fn generic<T>(&self, it: T) -> Result<(), CallFailed>;
    fn borrowed<'a>(&'a self) -> Result<(), CallFailed>;
    fn changing(&mut self) -> Result<(), CallFailed>;
    fn consuming(self) -> Result<(), CallFailed>;
    fn of_nobody() -> Result<(), CallFailed>;
    fn no_result(&self);
    fn no_error(&self) -> u32;
    fn aliased(&self) -> std::io::Result<u32>;
    fn twice(&self) -> Result<(), CallFailed>;
    fn twice(&self, more: u32) -> Result<(), CallFailed>;
    #[idempotnet]
    fn misspelt(&self) -> Result<(), CallFailed>;
    #[idempotent(really)]
    fn insisting(&self) -> Result<(), CallFailed>;
    #[cfg(unix)]
    fn sometimes(&self) -> Result<(), CallFailed>;
}

fn main() {}
