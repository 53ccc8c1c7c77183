//! `plugline conformance plugin` and `plugline conformance host`.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;
use plugline_conformance::host;
use plugline_conformance::library::Library;
use plugline_conformance::model::Side;
use plugline_conformance::plugin::{Unprobed, probe};
use plugline_conformance::report;
use plugline_conformance::run::{self, Report, Settings};
use plugline_conformance::trial::Trial;
use plugline_conformance::verdict::{self, Kind, Stop};
use plugline_host::process::Command;
use serde_json::Value;

use super::options::{ProfileChoice, RunOptions, command, library, plugin_trials};
use crate::arguments::json;
use crate::failure::Failure;
use crate::output;

/// How a plugin is started, and what of it is judged.
#[derive(Args)]
pub(super) struct PluginOptions {
    /// Which cases it gets.
    #[arg(long, value_enum, default_value = "auto")]
    pub(super) profile: ProfileChoice,
    /// The config that it gets, where a case has none of its own: JSON, or @file.
    #[arg(long, value_name = "JSON|@FILE")]
    pub(super) config: Option<String>,
    /// Set an environment variable of the plugin.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) env: Vec<String>,
}

/// Arguments of `plugin`.
#[derive(Args)]
pub(super) struct Plugin {
    #[command(flatten)]
    options: PluginOptions,
    #[command(flatten)]
    run: RunOptions,
    /// The plugin.
    #[arg(last = true, required = true, value_name = "CMD")]
    words: Vec<OsString>,
}

/// Arguments of `host`.
#[derive(Args)]
pub(super) struct Host {
    #[command(flatten)]
    run: RunOptions,
    /// Set an environment variable of the driver.
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// The driver, which wraps the host: docs/conformance.md says what it answers.
    #[arg(last = true, required = true, value_name = "DRIVER")]
    words: Vec<OsString>,
}

impl Plugin {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let library = library()?;
        let command = command(&self.words, &self.options.env)?;
        let config = config(self.options.config.as_deref())?;
        let settings = |trials: &[Trial]| self.run.settings(trials);
        let report =
            judge_plugin(&library, &command, config, self.options.profile, self.run.seed(), settings)?;
        output::print(&report::text(&report))?;
        self.run.write(std::slice::from_ref(&report))?;
        Ok(super::exit_code(report.conclusion))
    }
}

impl Host {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let library = library()?;
        let command = command(&self.words, &self.env)?;
        let settings = self.run.settings(&library.trials(Side::Host))?;
        let report = judge_host(&library, &command, &settings)?;
        output::print(&report::text(&report))?;
        self.run.write(std::slice::from_ref(&report))?;
        Ok(super::exit_code(report.conclusion))
    }
}

pub(super) fn config(text: Option<&str>) -> Result<Option<Value>, Failure> {
    text.map(|text| json(text, "--config")).transpose()
}

/// Probes a plugin and judges it.
pub(super) fn judge_plugin(
    library: &Library,
    command: &Command,
    config: Option<Value>,
    profile: ProfileChoice,
    seed: u64,
    settings: impl Fn(&[Trial]) -> Result<Settings, Failure>,
) -> Result<Report, Failure> {
    match probe(command, config, profile.wanted()) {
        Ok(target) => {
            let trials = plugin_trials(library, target.manifest(), seed);
            Ok(run::run(library, &target, &trials, &settings(&trials)?))
        }
        Err(Stop::Failed(failure)) => {
            is_started(command, &failure)?;
            let trials = library.trials(Side::Plugin);
            let settings = settings(&trials)?;
            Ok(run::blocked(library, &Unprobed(command.clone()), *failure, &trials, &settings))
        }
        Err(Stop::Harness(fault)) => Err(Failure::System(fault)),
    }
}

/// Asks a driver what it has and judges its host.
pub(super) fn judge_host(
    library: &Library,
    command: &Command,
    settings: &Settings,
) -> Result<Report, Failure> {
    let target = probe_host(command)?;
    Ok(run::run(library, &target, &library.trials(Side::Host), settings))
}

/// Asks a driver what it has.
pub(super) fn probe_host(command: &Command) -> Result<host::Target, Failure> {
    host::probe(command).map_err(|stop| match stop {
        Stop::Failed(failure) => is_started(command, &failure).err().unwrap_or_else(|| {
            Failure::Usage(format!(
                "{command}: wanted: {}; got: {}{}",
                failure.want,
                failure.got,
                failure
                    .stderr
                    .last()
                    .map(|line| format!("; its standard error ends with: {line}"))
                    .unwrap_or_default()
            ))
        }),
        Stop::Harness(fault) => Failure::System(fault),
    })
}

/// What cannot be started is nothing that could be judged: the command line is wrong.
pub(super) fn is_started(command: &Command, failure: &verdict::Failure) -> Result<(), Failure> {
    if failure.kind == Kind::Start && failure.step == "start" {
        return Err(Failure::Usage(format!("{command}: {}", failure.got)));
    }
    Ok(())
}
