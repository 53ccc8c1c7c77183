//! A host as something that trials are carried out against: its driver, and what that says of itself.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use plugline_host::process::Command;
use rustix::fs::{Access, access};
use serde_json::{Value, json};

use super::play::{failure, play};
use super::stage::{Came, Stage, Trouble};
use crate::json::Json;
use crate::model::Side;
use crate::run::{Implementation, env_options};
use crate::trial::Trial;
use crate::verdict::{Failure, Kind, Passed, Stop};

/// What anything may take that has to happen; it only passes where a host fails.
const PATIENCE: Duration = Duration::from_secs(12);
/// For mutants, of which many wait for what never comes.
const WITH_MUTANTS: Duration = Duration::from_secs(4);
/// A slow start means a slow machine, or a slow language.
const STARTS: u32 = 20;
/// The program that a host under test starts as its plugin.
const PUPPET: &str = "plugline-puppet";
/// Where it is, if not beside this program.
const PUPPET_VARIABLE: &str = "PLUGLINE_PUPPET";

/// A host, by way of its driver.
#[derive(Debug, Clone)]
pub struct Target {
    /// How the driver is started.
    pub(super) command: Command,
    pub(super) puppet: PathBuf,
    /// What the driver says it can do.
    pub(super) features: Vec<String>,
    pub(super) patience: Duration,
    name: String,
    start: Duration,
}

/// Starts the driver once and asks what it is and what it can do.
///
/// # Errors
/// Where it cannot be started or does not answer; where the puppet is not to be found.
pub fn probe(command: &Command) -> Result<Target, Stop> {
    let puppet = puppet()?;
    let began = Instant::now();
    let mut stage = Stage::open(command, puppet.clone(), Vec::new()).map_err(|trouble| match trouble {
        Trouble::NotStarted(fault) => {
            Failure::new(Kind::Start, "start", format!("{command} starts"), fault.to_string()).into()
        }
        trouble => Stop::from(trouble),
    })?;
    let seq = stage.command("hello", json!({"cmd": "hello"}), None)?;
    let until = began + 5 * PATIENCE;
    let want = "the driver answers `hello` with {driver, features}";
    let told = |got: &str, stage: &Stage| {
        let mut failure = failure(Kind::Start, want, got);
        "hello".clone_into(&mut failure.step);
        failure.transcript.clone_from(&stage.transcript);
        failure.stderr = stage.driver.tail();
        Stop::from(failure)
    };
    let hello = loop {
        let mut answers = stage.replies.iter();
        let own = |line: &Json| line.get("seq").map(Json::to_value) == Some(seq.into());
        if let Some(answer) = answers.find(|answer| own(&answer.json)) {
            break answer.json.get("ok").map(Json::to_value).unwrap_or_default();
        }
        if stage.silent {
            return Err(told("it has ended", &stage));
        }
        if stage.pump(until)? == Came::Nothing {
            return Err(told("nothing", &stage));
        }
    };
    let (Some(name), Some(features)) = (hello["driver"].as_str(), hello["features"].as_array()) else {
        return Err(told(&hello.to_string(), &stage));
    };
    let start = began.elapsed();
    let mut features: Vec<String> = features.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if cfg!(target_os = "linux") {
        features.push("linux".into());
    }
    Ok(Target {
        command: command.clone(),
        puppet,
        features,
        patience: PATIENCE.max(STARTS * start),
        name: name.to_owned(),
        start,
    })
}

/// Beside this program, or beside the folder of tests and examples that it is in.
fn puppet() -> Result<PathBuf, Stop> {
    if let Some(named) = std::env::var_os(PUPPET_VARIABLE).map(PathBuf::from) {
        return if named.is_file() && access(&named, Access::EXEC_OK).is_ok() {
            Ok(named)
        } else {
            Err(Stop::Harness(format!("{PUPPET_VARIABLE}: {} is no program", named.display())))
        };
    }
    let own = std::env::current_exe()?;
    let name = format!("{PUPPET}{}", std::env::consts::EXE_SUFFIX);
    let found = own.ancestors().skip(1).take(2).map(|folder| folder.join(&name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        Stop::Harness(format!(
            "{PUPPET} is not beside {}: install it there, or name it in {PUPPET_VARIABLE}",
            own.display()
        ))
    })
}

impl Target {
    /// The same host with one more variable in its environment.
    #[must_use]
    pub fn with_env(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.command.env.insert(name.into(), value.into());
        other
    }

    /// The same host, of which less is waited for: one that is wrong mostly does nothing.
    #[must_use]
    pub fn hurried(self) -> Self {
        let patience = WITH_MUTANTS.max(STARTS * self.start);
        Self { patience, ..self }
    }

    /// Carries out one trial, and shows what passed.
    #[must_use]
    pub fn transcript(&self, trial: &Trial) -> Vec<Passed> {
        play(trial, self).transcript
    }
}

impl Implementation for Target {
    fn side(&self) -> Side {
        Side::Host
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn profile(&self) -> String {
        "host".to_owned()
    }

    fn command(&self) -> String {
        self.command.to_string()
    }

    fn given(&self) -> Vec<String> {
        env_options(&self.command)
    }

    fn missing(&self, trial: &Trial) -> Option<String> {
        trial.needs().iter().find_map(|need| {
            let feature = serde_json::to_value(need).ok()?.as_str()?.to_owned();
            (!self.features.contains(&feature)).then_some(feature)
        })
    }

    fn is_minimal(&self) -> bool {
        false
    }

    fn play(&self, trial: &Trial) -> Option<Stop> {
        play(trial, self).stopped
    }
}
