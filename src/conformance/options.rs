//! What several subcommands take, and what they all begin with.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use plugline_conformance::expected::{self, Expected};
use plugline_conformance::library::Library;
use plugline_conformance::model::Side;
use plugline_conformance::plugin::Profile;
use plugline_conformance::run::{Report, Retry, Settings};
use plugline_conformance::trial::Trial;
use plugline_conformance::{contract, report};
use plugline_host::process::Command;

use crate::failure::Failure;

/// What a run is made of, and what becomes of it.
#[derive(Args)]
pub(super) struct RunOptions {
    /// Only these cases; `*` is any text: FR-03, 'CX-*', '*/u2028'.
    #[arg(long, value_name = "GLOB")]
    only: Vec<String>,
    /// Failures that are expected: a YAML or JSON list of {case, variant?, kind, reason, issue?, expires?, flaky?}.
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// Write a report, by the file's extension: .json, .xml (JUnit), .html.
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
    /// How many cases run at once; those that measure times run alone. Twice the cores unless given.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// From which params are generated for the contract's own cases.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl RunOptions {
    /// Files that cannot be written or read are found out before the run.
    pub(super) fn settings(&self, trials: &[Trial]) -> Result<Settings, Failure> {
        for file in &self.report {
            if Format::of(file).is_none() {
                return Err(Failure::Usage(format!("--report {}: .json, .xml or .html", file.display())));
            }
        }
        for pattern in &self.only {
            if !trials.iter().any(|trial| is_about(pattern, trial)) {
                let hint = "`plugline conformance list` lists them";
                return Err(Failure::Usage(format!("--only {pattern}: no such case; {hint}")));
            }
        }
        Ok(Settings {
            only: self.only.clone(),
            expected: self.expect.as_ref().map_or(Ok(Vec::new()), |file| expected(file, trials))?,
            jobs: self.jobs.unwrap_or_else(usual_jobs).max(1),
            seed: self.seed,
            retry: Retry::Once,
        })
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn write(&self, reports: &[Report]) -> Result<(), Failure> {
        write(&self.report, reports)
    }
}

pub(super) fn usual_jobs() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get) * 2
}

fn is_about(pattern: &str, trial: &Trial) -> bool {
    *pattern == trial.case.id || plugline_conformance::run::matches(pattern, &trial.name())
}

pub(super) fn expected(file: &PathBuf, trials: &[Trial]) -> Result<Vec<Expected>, Failure> {
    let unusable = |fault: String| Failure::Usage(format!("{}: {fault}", file.display()));
    let text = fs::read_to_string(file).map_err(|fault| unusable(fault.to_string()))?;
    expected::read(&text, |case, variant| {
        trials.iter().any(|trial| {
            trial.case.id == case
                && variant
                    .is_none_or(|variant| trial.variant.as_ref().is_some_and(|(name, _)| name == variant))
        })
    })
    .map_err(unusable)
}

/// What a report is written as.
#[derive(Clone, Copy)]
enum Format {
    Json,
    Junit,
    Html,
}

impl Format {
    fn of(file: &std::path::Path) -> Option<Self> {
        match file.extension()?.to_str()? {
            "json" => Some(Self::Json),
            "xml" => Some(Self::Junit),
            "html" => Some(Self::Html),
            _ => None,
        }
    }
}

/// Writes each report that is wanted. Of several runs, JSON is a list and JUnit one file for each.
pub(super) fn write(files: &[PathBuf], reports: &[Report]) -> Result<(), Failure> {
    for file in files {
        let text = match (Format::of(file), reports) {
            (None, _) => {
                return Err(Failure::Usage(format!("--report {}: .json, .xml or .html", file.display())));
            }
            (Some(Format::Html), _) => report::html(reports),
            (Some(Format::Json), [one]) => report::json(one),
            (Some(Format::Json), several) => {
                let list: Vec<String> = several.iter().map(report::json).collect();
                format!("[\n{}]\n", list.join(",\n"))
            }
            (Some(Format::Junit), several) => {
                let pages = several.iter().map(report::junit).collect::<Result<Vec<_>, _>>();
                pages.map_err(Failure::System)?.join("\n")
            }
        };
        fs::write(file, text)
            .map_err(|fault| Failure::System(format!("cannot write {}: {fault}", file.display())))?;
    }
    Ok(())
}

/// The suite's own data.
pub(super) fn library() -> Result<Library, Failure> {
    Library::load().map_err(|fault| Failure::System(format!("the suite's own data: {fault}")))
}

/// The trials of a plugin: those of the library, and those that its manifest asks for.
pub(super) fn plugin_trials(library: &Library, manifest: &serde_json::Value, seed: u64) -> Vec<Trial> {
    let mut trials = library.trials(Side::Plugin);
    trials.extend(contract::trials(manifest, seed));
    trials
}

/// A command, from words.
pub(super) fn command(words: &[OsString], env: &[String]) -> Result<Command, Failure> {
    let (program, args) =
        words.split_first().ok_or_else(|| Failure::Usage("a command is needed, after --".into()))?;
    let mut command = Command::new(program.into());
    command.args = args.to_vec();
    for pair in env {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Failure::Usage(format!("--env {pair}: NAME=VALUE is wanted")))?;
        command.env.insert(name.into(), value.into());
    }
    Ok(command)
}

/// Which cases a plugin gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ProfileChoice {
    /// It is the fixture plugin if it provides the contract `conf`.
    Auto,
    /// It is the fixture plugin: everything.
    Fixture,
    /// Any plugin: what needs no fixture, and what its own manifest asks for.
    BlackBox,
}

impl ProfileChoice {
    pub(super) fn wanted(self) -> Option<Profile> {
        match self {
            Self::Auto => None,
            Self::Fixture => Some(Profile::Fixture),
            Self::BlackBox => Some(Profile::BlackBox),
        }
    }
}
