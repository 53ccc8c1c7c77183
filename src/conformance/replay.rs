//! `plugline conformance replay`: one trial, with all that passes.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;
use plugline_conformance::model::Side;
use plugline_conformance::plugin::probe;
use plugline_conformance::report;
use plugline_conformance::run::{self, Implementation, Retry, Settings};
use plugline_conformance::trial::Trial;
use plugline_conformance::verdict::Stop;

use super::options::{command, library, plugin_trials};
use super::side::{PluginOptions, config, is_started, probe_host};
use crate::failure::Failure;
use crate::output;

/// Arguments of `replay`.
#[derive(Args)]
pub(super) struct Replay {
    #[command(flatten)]
    options: PluginOptions,
    /// The implementation is a host, by way of its driver.
    #[arg(long)]
    host: bool,
    /// From which params are generated for the contract's own cases.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The case, with its variant where it has any: FR-03/u2028.
    #[arg(value_name = "NAME")]
    name: String,
    /// The implementation.
    #[arg(last = true, required = true, value_name = "CMD")]
    words: Vec<OsString>,
}

impl Replay {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let library = library()?;
        let command = command(&self.words, &self.options.env)?;
        let settings = |only: String| Settings {
            only: vec![only],
            expected: Vec::new(),
            jobs: 1,
            seed: self.seed,
            retry: Retry::Never,
        };
        if self.host {
            let trials = library.trials(Side::Host);
            let trial = chosen(&trials, &self.name)?;
            let target = probe_host(&command)?;
            if let Some(missing) = Implementation::missing(&target, trial) {
                output::print(&format!("{}  unsupported: it does not declare {missing}\n", trial.name()))?;
                return Ok(ExitCode::SUCCESS);
            }
            output::print(&report::transcript(&target.transcript(trial)))?;
            let report = super::side::judge_host(&library, &command, &settings(self.name.clone()))?;
            output::print(&report::text(&report))?;
            return Ok(super::exit_code(report.conclusion));
        }
        let target =
            match probe(&command, config(self.options.config.as_deref())?, self.options.profile.wanted()) {
                Ok(target) => target,
                Err(Stop::Failed(failure)) => {
                    is_started(&command, &failure)?;
                    output::print(&report::failure(&failure))?;
                    return Ok(ExitCode::from(1));
                }
                Err(Stop::Harness(fault)) => return Err(Failure::System(fault)),
            };
        let trials = plugin_trials(&library, target.manifest(), self.seed);
        let trial = chosen(&trials, &self.name)?;
        if let Some(missing) = Implementation::missing(&target, trial) {
            output::print(&format!("{}  unsupported: it does not declare {missing}\n", trial.name()))?;
            return Ok(ExitCode::SUCCESS);
        }
        output::print(&report::transcript(&target.transcript(trial)))?;
        let report = run::run(&library, &target, &trials, &settings(self.name.clone()));
        output::print(&report::text(&report))?;
        Ok(super::exit_code(report.conclusion))
    }
}

fn chosen<'a>(trials: &'a [Trial], name: &str) -> Result<&'a Trial, Failure> {
    trials.iter().find(|trial| trial.name() == name).ok_or_else(|| {
        let variants: Vec<String> =
            trials.iter().filter(|trial| trial.case.id == name).map(Trial::name).collect();
        Failure::Usage(if variants.is_empty() {
            format!("{name}: no such case; `plugline conformance list --variants` lists them")
        } else {
            format!("{name}: which variant? {}", variants.join(", "))
        })
    })
}
