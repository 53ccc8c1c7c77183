//! `plugline conformance list` and `explain`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use plugline_conformance::contract::GENERATED;
use plugline_conformance::model::{Level, Side};
use plugline_conformance::report;
use plugline_conformance::trial::Trial;

use super::options::library;
use crate::failure::Failure;
use crate::output;

/// Arguments of `list`.
#[derive(Args)]
pub(super) struct List {
    /// Which side's.
    #[arg(long, value_enum)]
    side: Option<SideChoice>,
    /// Each variant too.
    #[arg(long)]
    variants: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SideChoice {
    Plugin,
    Host,
}

/// Arguments of `explain`.
#[derive(Args)]
pub(super) struct Explain {
    /// The case: CX-04.
    #[arg(value_name = "ID")]
    id: String,
}

impl List {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let library = library()?;
        let wanted = |side: Side| match self.side {
            None => true,
            Some(SideChoice::Plugin) => side == Side::Plugin,
            Some(SideChoice::Host) => side == Side::Host,
        };
        let mut page = String::new();
        let (mut cases, mut variants) = (0, 0);
        for case in library.cases.values().filter(|case| wanted(case.side)) {
            let level = match case.level {
                Level::Must => "MUST",
                Level::Should => "SHOULD",
            };
            let trials = Trial::all_of(case);
            cases += 1;
            variants += trials.len();
            page.push_str(&format!("{}  {level:<6}  {}  [{}]\n", case.id, case.title, case.spec.join(" ")));
            for trial in trials.iter().filter(|trial| self.variants && trial.variant.is_some()) {
                page.push_str(&format!("    {}\n", trial.name()));
            }
        }
        if wanted(Side::Plugin) {
            for (id, title, spec) in GENERATED {
                page.push_str(&format!(
                    "{id}  MUST    {title}  [{spec}]  (made from the plugin's manifest)\n"
                ));
            }
        }
        page.push_str(&format!("{cases} cases, {variants} variants, and what a manifest asks for\n"));
        output::print(&page)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Explain {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let library = library()?;
        let id = self.id.split('/').next().unwrap_or(&self.id);
        if let Some((id, title, spec)) = GENERATED.iter().find(|(generated, _, _)| *generated == id) {
            let text = plugline_conformance::library::requirement(spec).unwrap_or_default();
            output::print(&format!(
                "{id}  MUST  {title}\n  {spec}: {text}\n  Made from the plugin's own manifest.\n"
            ))?;
            return Ok(ExitCode::SUCCESS);
        }
        let Some(case) = library.cases.get(id) else {
            return Err(Failure::Usage(format!(
                "{id}: no such case; `plugline conformance list` lists them"
            )));
        };
        let requirements: Vec<(String, String)> = case
            .spec
            .iter()
            .map(|id| (id.clone(), plugline_conformance::library::requirement(id).unwrap_or_default()))
            .collect();
        let source = plugline_conformance::library::source(id);
        output::print(&report::explain(&Trial::all_of(case), source, &requirements))?;
        Ok(ExitCode::SUCCESS)
    }
}
