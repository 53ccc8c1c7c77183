//! `plugline conformance run`: several implementations, one matrix.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use plugline_conformance::contract;
use plugline_conformance::implementations::{Entry, read};
use plugline_conformance::library::Library;
use plugline_conformance::model::Side;
use plugline_conformance::report;
use plugline_conformance::run::{self, Conclusion, Report, Retry, Settings};
use plugline_conformance::trial::Trial;

use super::options::{self, ProfileChoice, command, library};
use super::side::{judge_host, judge_plugin};
use crate::failure::Failure;
use crate::output;

/// Arguments of `run`.
#[derive(Args)]
pub(super) struct Several {
    /// A YAML or JSON list of {name, side?, command, profile?, config?, env?, expect?, needs?, optional?}; paths
    /// are from the file's directory.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only these cases; `*` is any text.
    #[arg(long, value_name = "GLOB")]
    only: Vec<String>,
    /// Write a report of all, by the file's extension: .json, .html.
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
    /// How many cases run at once.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// From which params are generated for the contracts' own cases.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Several {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let text = std::fs::read_to_string(&self.file)
            .map_err(|fault| Failure::Usage(format!("{}: {fault}", self.file.display())))?;
        let entries =
            read(&text).map_err(|fault| Failure::Usage(format!("{}: {fault}", self.file.display())))?;
        let (mut reports, mut lacking) = (Vec::new(), false);
        let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
        let is_ci = env::var_os("CI").is_some_and(|ci| ci == "true");
        let library = library()?;
        for entry in &entries {
            if !self.applies(&library, entry.side) {
                not_for(entry)?;
                continue;
            }
            if let Some(program) = entry.lacks(&folders) {
                let what = format!("{}: {program} is not on this machine", entry.name);
                if is_ci && !entry.optional {
                    return Err(Failure::System(format!("{what}, and in CI nothing is left out")));
                }
                output::print(&format!("── {what}, so it is left out\n\n"))?;
                lacking = true;
                continue;
            }
            let report = self.judge(&library, entry)?;
            if report.outcomes.is_empty() {
                // The chosen cases are of another plugin's manifest.
                not_for(entry)?;
                continue;
            }
            output::print(&format!("── {}\n{}\n", entry.name, report::text(&report)))?;
            reports.push(report);
        }
        options::write(&self.report, &reports)?;
        if reports.is_empty() {
            let what = if lacking {
                "nothing was judged: put a program that is needed on PATH, or list what needs none"
            } else {
                "nothing was judged: none of the chosen cases is for anything that is listed"
            };
            return Err(Failure::Verdict(what.into()));
        }
        let worst = [Conclusion::Harness, Conclusion::NotConformant]
            .into_iter()
            .find(|conclusion| reports.iter().any(|report| report.conclusion == *conclusion));
        Ok(super::exit_code(worst.unwrap_or(Conclusion::Conformant)))
    }

    /// Whether any chosen case is for that side; of those that a manifest asks for, whether it may be.
    fn applies(&self, library: &Library, side: Side) -> bool {
        let generated = side == Side::Plugin && self.only.iter().any(|pattern| contract::may_choose(pattern));
        generated || run::is_any_chosen(&self.only, &library.trials(side))
    }

    fn judge(&self, library: &Library, entry: &Entry) -> Result<Report, Failure> {
        let words: Vec<_> = entry.command.iter().map(Into::into).collect();
        let env: Vec<String> = entry.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut command = command(&words, &env)?;
        let folder = self.file.parent().unwrap_or(std::path::Path::new(""));
        let folder = if folder.as_os_str().is_empty() { std::path::Path::new(".") } else { folder };
        command.dir = Some(folder.to_owned());
        if command.program.components().count() > 1 {
            command.program = folder.join(&command.program);
        }
        let settings = |trials: &[Trial]| {
            let expected = entry.expect.as_ref().map(|file| options::expected(&folder.join(file), trials));
            Ok(Settings {
                only: self.only.clone(),
                expected: expected.transpose()?.unwrap_or_default(),
                jobs: self.jobs.unwrap_or_else(options::usual_jobs).max(1),
                seed: self.seed,
                retry: Retry::Once,
            })
        };
        let mut report = match entry.side {
            Side::Plugin => {
                let profile = match entry.profile.as_deref() {
                    None | Some("auto") => ProfileChoice::Auto,
                    Some("fixture") => ProfileChoice::Fixture,
                    Some("black-box") => ProfileChoice::BlackBox,
                    Some(other) => {
                        return Err(Failure::Usage(format!(
                            "{}: profile {other}: auto, fixture or black-box",
                            entry.name
                        )));
                    }
                };
                judge_plugin(library, &command, entry.config.clone(), profile, self.seed, settings)?
            }
            Side::Host => judge_host(library, &command, &settings(&library.trials(Side::Host))?)?,
        };
        report.implementation.clone_from(&entry.name);
        Ok(report)
    }
}

fn not_for(entry: &Entry) -> Result<(), Failure> {
    output::print(&format!("── {}: none of the chosen cases is for it, so it is left out\n\n", entry.name))
}
