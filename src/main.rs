//! `plugline`: run plugins from the command line.
//!
//! Exit codes: 0 done; 1 the method returned an error, or the implementations of the demo disagree; 2 usage;
//! 3 the plugin failed, or the call could not be sent.
#![forbid(unsafe_code)]

mod arguments;
mod bench;
mod call;
mod demo;
mod describe;
mod driver;
mod events;
mod failure;
mod input;
mod output;
mod streams;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};

/// Plugins in any language, over stdin and stdout.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    /// Put errors as JSON on the last line of standard error, and what `bench` measured on standard output.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Call one contract in Rust, Python, Bash and in this process, and compare.
    Demo(demo::Demo),
    /// Call one method of a plugin.
    Call(call::Call),
    /// Measure one method of a plugin.
    Bench(bench::Bench),
    /// Show what a plugin offers.
    Describe(describe::Describe),
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
    // Nobody is there to read it, which changes nothing.
    let _unheard = fault.print();
    if fault.use_stderr() && std::env::args_os().any(|word| word == "--json") {
        let text = fault.to_string();
        let message = text.lines().next().unwrap_or_default();
        let message = message.strip_prefix("error: ").unwrap_or(message).to_owned();
        output::failure(&failure::Failure::Usage(message), output::Format::Json);
    }
    u8::try_from(fault.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(fault) => return misread(&fault),
    };
    let format = if cli.json { output::Format::Json } else { output::Format::Text };
    let done = match cli.command {
        Command::Demo(demo) => demo.run(),
        Command::Call(call) => call.run(),
        Command::Bench(bench) => bench.run(format),
        Command::Describe(describe) => describe.run(),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "plugline", &mut script);
            output::print(&String::from_utf8_lossy(&script))
        }
    };
    let code = match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failure(&failure, format);
            failure.exit_code()
        }
    };
    plugline_host::settle(SETTLE);
    code
}
