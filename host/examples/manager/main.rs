//! What a manager does, one capability a file: `cargo run --example manager -- drivers`.
//!
//! Each is what a host would write, and each is run by a test (`tests/it/manager/examples.rs`). They share a contract
//! (`contract.rs`) and a plugin of it, which is this program itself: `manager -- serve NAME VERSION`.

mod builtin;
mod contract;
mod discovery;
mod install;
mod reload;
mod secrets;
mod supervise;
mod versions;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

/// What an example gives: what it has to say, or what went wrong.
type Said = Result<String, Box<dyn Error>>;

/// An example is given a directory to work in.
type Example = fn(&Path) -> Said;

/// The examples, by their names.
const EXAMPLES: [(&str, Example); 7] = [
    ("builtin", builtin::run),
    ("discovery", discovery::run),
    ("versions", versions::run),
    ("supervise", supervise::run),
    ("reload", reload::run),
    ("install", install::run),
    ("secrets", secrets::run),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match &words[..] {
        ["serve", name, version] => contract::serve(name, version),
        [name, directory] => match EXAMPLES.iter().find(|(known, _)| known == name) {
            Some((_, run)) => match run(Path::new(directory)) {
                Ok(said) => {
                    println!("{said}");
                    ExitCode::SUCCESS
                }
                Err(fault) => {
                    eprintln!("{fault}");
                    ExitCode::FAILURE
                }
            },
            None => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    let names: Vec<&str> = EXAMPLES.iter().map(|(name, _)| *name).collect();
    eprintln!("usage: manager {} DIRECTORY", names.join("|"));
    ExitCode::from(2)
}
