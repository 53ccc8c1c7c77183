//! `plugline contract`: what can be done with a contract's document.

mod check;
mod diff;
mod r#gen;
mod live;
mod source;

use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::output::Format;

pub(crate) use source::{Source, file, read};

/// Work with the document of a contract.
#[derive(Args)]
pub(crate) struct Contract {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find what is wrong with a manifest, and with a plugin that does not do what its manifest says.
    Check(check::Check),
    /// Say what changed from one manifest to another, for whom, and whether the version numbers tell of it.
    Diff(diff::Diff),
    /// Write a typed client and plugin stubs, from a document.
    Gen(r#gen::Gen),
}

impl Contract {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        match self.command {
            Command::Check(check) => check.run(format),
            Command::Diff(diff) => diff.run(format),
            Command::Gen(generate) => generate.run(),
        }
    }
}
