#![allow(unused)]

use std::path::Path;

use plugline_sdk::{CallFailed, Items, contract};

#[contract(name = "a", version = "1.0.0")]
trait References: Send + Sync {
    fn path(&self, path: &Path) -> Result<(), CallFailed>;
    fn path_by_path(&self, path: Option<&std::path::Path>) -> Result<(), CallFailed>;
    fn list(&self, list: Vec<&str>) -> Result<(), CallFailed>;
    fn slice(&self, slice: &[&str]) -> Result<(), CallFailed>;
    fn tuple(&self, tuple: (&str, u8)) -> Result<(), CallFailed>;
    fn array(&self, array: &[&u8; 2]) -> Result<(), CallFailed>;
    fn optional(&self, list: Option<&[Option<&str>]>) -> Result<(), CallFailed>;
    fn twice(&self, it: &&str) -> Result<(), CallFailed>;
    fn input(&self, items: Items<&str, CallFailed>) -> Result<(), CallFailed>;
}

fn main() {}
