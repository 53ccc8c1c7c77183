//! `plugline conformance mutants`: named wrong implementations that prove the suite.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use plugline_conformance::model::Side;
use plugline_conformance::mutants;
use plugline_conformance::plugin::probe;
use plugline_conformance::verdict::Stop;

use super::options::{command, library, usual_jobs};
use super::side::{is_started, probe_host};
use crate::failure::Failure;
use crate::output;

/// Arguments of `mutants`.
#[derive(Args)]
pub(super) struct Mutants {
    /// Which side the reference implementation is.
    #[arg(value_enum)]
    side: SideChoice,
    /// Only these mutants; `*` is any text.
    #[arg(long, value_name = "GLOB")]
    only: Vec<String>,
    /// How many run at once. Most wait for what never comes.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// The reference implementation, which takes the variable MUTANT; the repository's own unless given.
    #[arg(last = true, value_name = "CMD")]
    words: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SideChoice {
    Plugin,
    Host,
}

impl Mutants {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let library = library()?;
        let side = match self.side {
            SideChoice::Plugin => Side::Plugin,
            SideChoice::Host => Side::Host,
        };
        let words = if self.words.is_empty() {
            let reference = mutants::reference(side).map_err(|fault| Failure::System(fault.to_string()))?;
            reference.into_iter().map(Into::into).collect()
        } else {
            self.words
        };
        let command = command(&words, &[])?;
        let list = mutants::list(side).map_err(|fault| Failure::System(fault.to_string()))?;
        let list: Vec<_> = list.into_iter().filter(|mutant| mutant.is_named(&self.only)).collect();
        if list.is_empty() {
            return Err(Failure::Usage("no mutant is named so".into()));
        }
        let jobs = self.jobs.unwrap_or_else(|| usual_jobs() * 2).max(1);
        let fates = match side {
            Side::Plugin => match probe(&command, None, None) {
                Ok(target) => {
                    mutants::fates(&library, side, &list, jobs, |name| target.with_env("MUTANT", name))
                }
                Err(Stop::Failed(failure)) => {
                    is_started(&command, &failure)?;
                    return Err(Failure::System(format!(
                        "the reference plugin: {}, not {}",
                        failure.got, failure.want
                    )));
                }
                Err(Stop::Harness(fault)) => return Err(Failure::System(fault)),
            },
            Side::Host => {
                let target = probe_host(&command)?;
                let control =
                    |name: &str| list.iter().any(|mutant| mutant.is_control() && mutant.name == name);
                mutants::fates(&library, side, &list, jobs, |name| {
                    let own = target.with_env("MUTANT", name);
                    if control(name) { own } else { own.hurried() }
                })
            }
        };
        let mut page = String::new();
        for (mutant, fate) in list.iter().zip(&fates).filter(|(_, fate)| !fate.is_right()) {
            page.push_str(&format!("{:<9} {}: {}\n", fate.word(), mutant.name, mutant.fault));
            for why in fate.reasons() {
                page.push_str(&format!("  {why}\n"));
            }
        }
        let controls = list.iter().filter(|mutant| mutant.is_control()).count();
        let killed = fates.iter().filter(|fate| fate.word() == "killed").count();
        let late: Vec<&str> = list
            .iter()
            .zip(&fates)
            .filter(|(_, fate)| matches!(fate, mutants::Fate::Killed { tries: 2 }))
            .map(|(mutant, _)| mutant.name.as_str())
            .collect();
        if !late.is_empty() {
            page.push_str(&format!("at the second try: {}\n", late.join(" ")));
        }
        let right = fates.iter().all(mutants::Fate::is_right);
        page.push_str(&format!("killed {killed}/{} · controls {controls}\n", list.len() - controls));
        output::print(&page)?;
        Ok(ExitCode::from(u8::from(!right)))
    }
}
