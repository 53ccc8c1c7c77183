//! `plugline contract diff`: what changed from one manifest to another.

use std::fmt::Write as _;

use clap::Args;
use plugline_protocol::contract::{Change, Diff as Difference, Owner, Versions};
use serde_json::{Value, json};

use super::source::Source;
use crate::arguments::PluginOptions;
use crate::failure::Failure;
use crate::output::{self, Format};

/// What the classes mean, for `--help`.
const MEANING: &str = "\
Callers are the hosts that call a contract, implementers the plugins that serve it; of a method of the host it is the
other way round. What was right before is right after a minor change, and may be wrong after a major one. The exit code
is 1 where a version number does not tell of the changes under it; below 1.0.0 the minor number tells of major ones.";

/// Say what changed from one manifest to another, for whom, and whether the version numbers tell of it.
#[derive(Args)]
#[command(after_help = MEANING.replace('\n', " "))]
pub(crate) struct Diff {
    /// The manifest before: a file, or a PLUGIN.
    #[arg(value_name = "OLD")]
    old: String,
    /// The manifest after: a file, or a PLUGIN.
    #[arg(value_name = "NEW")]
    new: String,
}

impl Diff {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        let read = |name: &str| {
            let mut words = vec![name.to_owned()];
            Source::of(&mut words, &PluginOptions::default()).and_then(|source| source.manifest(name))
        };
        let diff = Difference::between(&read(&self.old)?, &read(&self.new)?);
        output::print(&match format {
            Format::Text => text(&diff),
            Format::Json => output::escape_json(&report(&diff).to_string()) + "\n",
        })?;
        let untold: Vec<String> =
            diff.versions.iter().filter(|versions| !versions.is_told()).map(ToString::to_string).collect();
        if untold.is_empty() { Ok(()) } else { Err(Failure::Verdict(untold.join("; "))) }
    }
}

fn text(diff: &Difference) -> String {
    let mut text = String::new();
    let mut owners: Vec<&Owner> = diff.versions.iter().map(|versions| &versions.owner).collect();
    owners.extend(diff.changes.iter().map(|change| &change.owner));
    owners.sort();
    owners.dedup();
    for owner in owners {
        let versions: Option<&Versions> = diff.versions.iter().find(|versions| versions.owner == *owner);
        let changes: Vec<&Change> = diff.changes.iter().filter(|change| change.owner == *owner).collect();
        if !text.is_empty() {
            text.push('\n');
        }
        let title = versions.map_or_else(|| owner.to_string(), ToString::to_string);
        writeln!(text, "{}{title}{:#}", output::HEADING, output::HEADING).expect("a string takes all");
        if !changes.is_empty() {
            writeln!(text, "  callers  implementers").expect("a string takes all");
        }
        for change in changes {
            let Change { callers, implementers, place, what, .. } = change;
            writeln!(text, "  {callers:<7}  {implementers:<12}  {place}: {what}")
                .expect("a string takes all");
        }
    }
    text
}

fn report(diff: &Difference) -> Value {
    let changes: Vec<Value> = diff
        .changes
        .iter()
        .map(|change| {
            json!({
                "owner": owner(&change.owner), "place": change.place, "what": change.what,
                "callers": change.callers.as_str(), "implementers": change.implementers.as_str(),
            })
        })
        .collect();
    let versions: Vec<Value> = diff
        .versions
        .iter()
        .map(|versions| {
            json!({
                "owner": owner(&versions.owner), "old": versions.old.to_string(), "new": versions.new.to_string(),
                "needed": versions.needed.map(|level| level.as_str()), "told": versions.is_told(),
                "wanted": versions.wanted().to_string(),
            })
        })
        .collect();
    json!({ "changes": changes, "versions": versions })
}

fn owner(owner: &Owner) -> Value {
    match owner {
        Owner::Plugin => json!({"plugin": true}),
        Owner::Contract(name) => json!({ "contract": name }),
    }
}
