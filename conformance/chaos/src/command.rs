//! The command line. Exit codes: 0 nothing was found, 1 something was, 2 usage, 3 it could not be run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::options::Options;
use crate::report::Report;
use crate::{document, run};

/// Has a host run while its plugins are killed, stopped, flooded, replaced and made to break the protocol.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run, and say what was found.
    Run(Options),
    /// Put the figures of a report into a document, between its markers.
    Document {
        /// The report of a run.
        report: PathBuf,
        /// The document.
        document: PathBuf,
    },
}

/// The program. `heap_kib` is how much is allocated; KiB.
#[must_use]
pub fn main(heap_kib: fn() -> u64) -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(options) => soak(options, heap_kib),
        Command::Document { report, document } => write(&report, &document).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|fault| {
        eprintln!("plugline-chaos: {fault}");
        ExitCode::from(3)
    })
}

fn soak(options: Options, heap_kib: fn() -> u64) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let file = options.report.clone();
    let report = run::run(options, heap_kib)?;
    if let Some(file) = file {
        fs::write(&file, serde_json::to_string_pretty(&report)? + "\n")?;
    }
    println!("\n{}", document::figures(&report));
    if report.fault_count == 0 {
        println!("nothing was found: {} calls, each with one outcome", report.calls);
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{} faults were found, with seed {}; the first are above",
        report.fault_count, report.asked.seed
    );
    Ok(ExitCode::FAILURE)
}

fn write(report: &Path, document: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let report: Report = serde_json::from_str(&fs::read_to_string(report)?)?;
    let text = document::with_figures(&fs::read_to_string(document)?, &report)?;
    Ok(fs::write(document, text)?)
}
