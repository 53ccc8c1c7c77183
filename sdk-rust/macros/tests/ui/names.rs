#![allow(unused)]

use plugline_sdk::{CallFailed, contract};

#[contract(name = "a", version = "1.0.0")]
trait Names: Send + Sync {
    #[name = "get"]
    fn fetch(&self) -> Result<(), CallFailed>;
    fn get(&self) -> Result<(), CallFailed>;
    #[name = "get_user é"]
    fn letters(&self) -> Result<(), CallFailed>;
    #[name = ""]
    fn empty(&self) -> Result<(), CallFailed>;
    #[name = "user..get"]
    fn empty_part(&self) -> Result<(), CallFailed>;
    #[name = "one"]
    #[name = "two"]
    fn doubled(&self) -> Result<(), CallFailed>;
    #[name("one")]
    fn listed(&self) -> Result<(), CallFailed>;
    #[name = 1]
    fn numbered(&self) -> Result<(), CallFailed>;
    fn größe(&self) -> Result<(), CallFailed>;
    fn params(
        &self,
        #[name = "same"] one: u8,
        #[name = "same"] two: u8,
        three: u8,
        #[name = "three"] four: u8,
        #[name = ""] five: u8,
        #[name = "six"]
        #[name = "seven"]
        six: u8,
        #[name = "_meta"] eight: u8,
        größe: u8,
    ) -> Result<(), CallFailed>;
}

fn main() {}
