//! `plugline conformance`: is this implementation, of either side, correct?
//!
//! Exit codes: 0 conformant (or failing as expected); 1 not; 2 usage; 3 the suite itself failed.

mod look;
mod mutants;
mod options;
mod replay;
mod several;
mod side;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use plugline_conformance::run::Conclusion;

use crate::failure::Failure;

/// Judge a plugin or a host by the protocol.
#[derive(Args)]
pub(crate) struct Conformance {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Judge a plugin: any program that speaks the protocol on its standard input and output.
    Plugin(side::Plugin),
    /// Judge a host, by way of a driver that wraps it.
    Host(side::Host),
    /// Judge several implementations, which a file lists, and show them in one matrix.
    Run(several::Several),
    /// List the cases.
    List(look::List),
    /// Say what a case is about, and show it.
    Explain(look::Explain),
    /// Carry out one case and show all that passes.
    Replay(replay::Replay),
    /// See whether the suite finds the faults that it claims to find.
    Mutants(mutants::Mutants),
}

impl Conformance {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Plugin(plugin) => plugin.run(),
            Command::Host(host) => host.run(),
            Command::Run(several) => several.run(),
            Command::List(list) => list.run(),
            Command::Explain(explain) => explain.run(),
            Command::Replay(replay) => replay.run(),
            Command::Mutants(mutants) => mutants.run(),
        }
    }
}

fn exit_code(conclusion: Conclusion) -> ExitCode {
    ExitCode::from(match conclusion {
        Conclusion::Conformant | Conclusion::AsExpected => 0,
        Conclusion::NotConformant => 1,
        Conclusion::Harness => 3,
    })
}
