//! `plugline`: run plugins from the command line.
//!
//! Exit codes: 0 done; 1 the method returned an error, the implementations of the demo disagree, or the verdict is that
//! something is wrong; 2 usage; 3 the plugin failed, the call could not be sent, or the conformance suite itself failed.
#![forbid(unsafe_code)]

mod arguments;
mod bench;
mod call;
mod conformance;
mod contract;
mod demo;
mod describe;
mod doctor;
mod driver;
mod events;
mod failure;
mod input;
mod install;
mod list;
mod mock;
mod new;
mod output;
mod remove;
mod rollback;
mod sandbox;
mod storage;
mod streams;
mod trace;
mod which;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};

/// Plugins in any language, over stdin and stdout.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    /// Put errors as JSON on the last line of standard error, and what is measured, listed or changed on standard output.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Call one contract in this process and in plugins of many languages, and compare.
    Demo(demo::Demo),
    /// Call one method of a plugin.
    Call(call::Call),
    /// Measure one method of a plugin.
    Bench(bench::Bench),
    /// Show what a plugin offers.
    Describe(describe::Describe),
    /// List what is installed.
    List(list::List),
    /// Say what a driver means, and why.
    Which(which::Which),
    /// Install a plugin from a directory, an archive or an address.
    Install(install::Install),
    /// Remove a version of a plugin, or all of it.
    Remove(remove::Remove),
    /// Make the release of a plugin current that was before.
    Rollback(rollback::Rollback),
    /// Find what is wrong with this machine or with a plugin, and say how to mend it.
    Doctor(Box<doctor::Doctor>),
    /// Work with the document of a contract.
    Contract(contract::Contract),
    /// Make a new plugin: a folder with a contract, one method, a test and a README.
    New(new::New),
    /// Be a plugin that answers any contract from its examples and schemas.
    Mock(mock::Mock),
    /// Judge a plugin or a host by the protocol.
    Conformance(conformance::Conformance),
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// A plugin that is being stopped when the program ends gets this long: its whole ladder, and a little.
const SETTLE: Duration = Duration::from_secs(20);

/// The command line cannot be read, or asks for help.
fn misread(fault: &clap::Error) -> ExitCode {
    let is_json = std::env::args_os().any(|word| word == "--json");
    let printed = fault.print();
    if !fault.use_stderr() {
        if let Err(failure) = output::printed(printed) {
            let format = if is_json { output::Format::Json } else { output::Format::Text };
            output::failure(&failure, "", format);
            return failure.exit_code();
        }
    } else if is_json {
        let text = fault.to_string();
        let message = text.lines().next().unwrap_or_default();
        let message = message.strip_prefix("error: ").unwrap_or(message).to_owned();
        output::failure(&failure::Failure::Usage(message), "", output::Format::Json);
    }
    u8::try_from(fault.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// The command that was given, with the command of it that was given: `contract gen`.
fn command() -> String {
    let mut words = Vec::new();
    if let Ok(matches) = Cli::command().try_get_matches() {
        let mut within = matches.subcommand();
        while let Some((word, matches)) = within {
            words.push(word.to_owned());
            within = matches.subcommand();
        }
    }
    words.join(" ")
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(fault) => return misread(&fault),
    };
    let format = if cli.json { output::Format::Json } else { output::Format::Text };
    let success = |()| ExitCode::SUCCESS;
    let done = match cli.command {
        Command::Demo(demo) => demo.run().map(success),
        Command::Call(call) => call.run(format).map(success),
        Command::Bench(bench) => bench.run(format).map(success),
        Command::Describe(describe) => describe.run().map(success),
        Command::List(list) => list.run(format).map(success),
        Command::Which(which) => which.run(format).map(success),
        Command::Install(install) => install.run(format).map(success),
        Command::Remove(remove) => remove.run(format).map(success),
        Command::Rollback(rollback) => rollback.run(format).map(success),
        Command::Doctor(doctor) => doctor.run(format).map(success),
        Command::Contract(contract) => contract.run(format).map(success),
        Command::New(new) => new.run().map(success),
        Command::Mock(mock) => mock.run(),
        Command::Conformance(conformance) => conformance.run(),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "plugline", &mut script);
            output::print(&String::from_utf8_lossy(&script)).map(success)
        }
    };
    let code = match done {
        Ok(code) => code,
        Err(failure) => {
            output::failure(&failure, &command(), format);
            failure.exit_code()
        }
    };
    plugline_host::settle(SETTLE);
    code
}
