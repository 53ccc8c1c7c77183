//! `plugline contract check`: whether a manifest keeps the rules, and whether a plugin does what its manifest says.

use std::time::Duration;

use clap::Args;
use plugline_host::escape;
use plugline_protocol::contract::{Diff, Fault, Manifest};
use serde_json::{Value, json};

use super::live::{self, Ran};
use super::source::{self, Source};
use crate::arguments::{PluginOptions, duration};
use crate::failure::Failure;
use crate::output::{self, Format};

/// What it does, for `--help`.
const MEANING: &str = "\
A file is read. A plugin is asked for its manifest, and then held to it: what it says in the handshake, every example
(each in a process of its own), and params that it has to refuse. It is called for that: with what its examples show,
with params that its schemas do not let through, and, where --generate says so, with made-up ones.";

/// Find what is wrong with a manifest, and with a plugin that does not do what its manifest says.
#[derive(Args)]
#[command(
    override_usage = "plugline contract check [OPTIONS] FILE\n       plugline contract check [OPTIONS] PLUGIN\n       plugline contract check [OPTIONS] --command COMMAND",
    after_help = MEANING.replace('\n', " ")
)]
pub(crate) struct Check {
    /// A manifest, or a PLUGIN: a path.
    #[arg(value_name = "FILE|PLUGIN")]
    words: Vec<String>,
    #[command(flatten)]
    plugin: PluginOptions,
    /// The plugin's manifest has to be the one in this file.
    #[arg(long, value_name = "FILE")]
    against: Option<String>,
    /// Call each method of a plugin with so many made-up params as well. It will do what they say.
    #[arg(long, value_name = "N", default_value = "0")]
    generate: u32,
    /// What the made-up params are made from.
    #[arg(long, value_name = "N", default_value = "0")]
    seed: u64,
    /// How long each call may take.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    timeout: Duration,
}

/// What was found.
struct Report {
    name: String,
    methods: usize,
    faults: Vec<Fault>,
    ran: Option<Ran>,
}

impl Check {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        let mut words = self.words.clone();
        let source = Source::of(&mut words, &self.plugin)?;
        if let Some(word) = words.first() {
            return Err(Failure::Usage(format!("{word:?}: one FILE or PLUGIN is taken")));
        }
        let is_plugin = matches!(source, Source::Plugin(_));
        let report = match Manifest::read(&source.text()?) {
            Err(faults) => Report {
                name: self.words.first().cloned().unwrap_or_else(|| "the plugin".to_owned()),
                methods: 0,
                faults: faults.as_slice().to_vec(),
                ran: None,
            },
            Ok(manifest) => self.held(&manifest, is_plugin)?,
        };
        report.print(format)?;
        match report.faults.len() {
            0 => Ok(()),
            1 => Err(Failure::Verdict("1 fault".into())),
            count => Err(Failure::Verdict(format!("{count} faults"))),
        }
    }

    fn held(&self, manifest: &Manifest, is_plugin: bool) -> Result<Report, Failure> {
        let document = manifest.document();
        let mut faults = Vec::new();
        if let Some(file) = &self.against {
            let other = source::read(&source::file(file)?, file)?;
            faults.extend(differences(&other, manifest, file));
        }
        let mut ran = None;
        if is_plugin {
            let launch = || self.plugin.launch(&mut self.words.clone());
            let trial = live::Trial {
                manifest,
                launch: &launch,
                timeout: self.timeout,
                generate: self.generate,
                seed: self.seed,
            };
            let (more, counted) = trial.run()?;
            faults.extend(more);
            ran = Some(counted);
        }
        let name = format!("{} {}", document.info.title, document.info.version);
        let methods = document.methods.len() + document.plugline.host_methods.len();
        Ok(Report { name, methods, faults, ran })
    }
}

/// What a manifest says otherwise than a file does.
fn differences(file: &Manifest, manifest: &Manifest, name: &str) -> Vec<Fault> {
    if file.document() == manifest.document() {
        return Vec::new();
    }
    let fault = |at: &str, what: String| Fault {
        at: at.to_owned(),
        rule: "CONTRACT-11",
        what,
        remedy: "let the file and the plugin say the same".to_owned(),
    };
    let diff = Diff::between(file, manifest);
    let mut faults: Vec<Fault> =
        diff.changes.iter().map(|change| fault("", format!("{}: {}", change.place, change.what))).collect();
    if faults.is_empty() {
        faults.push(fault("", format!("the plugin's manifest is not word for word the one in {name}")));
    }
    faults
}

impl Report {
    fn print(&self, format: Format) -> Result<(), Failure> {
        if format == Format::Json {
            let faults: Vec<Value> = self
                .faults
                .iter()
                .map(|fault| json!({"at": fault.at, "rule": fault.rule, "what": fault.what, "remedy": fault.remedy}))
                .collect();
            let mut report = json!({ "name": self.name, "faults": faults, "methods": self.methods });
            if let Some(ran) = &self.ran {
                report["examples"] = ran.examples.into();
                report["refusals"] = ran.refusals.into();
                report["generated"] = ran.generated.into();
            }
            return output::print(&(output::escape_json(&report.to_string()) + "\n"));
        }
        let mut text = String::new();
        for fault in &self.faults {
            let at = if fault.at.is_empty() { "the document" } else { &fault.at };
            text += &format!("{}\n", escape(format!("{at}: {} [{}]", fault.what, fault.rule).as_bytes()));
            text += &format!("    {}\n", escape(fault.remedy.as_bytes()));
        }
        if self.faults.is_empty() {
            text += &format!("{}: {} methods", escape(self.name.as_bytes()), self.methods);
            if let Some(ran) = &self.ran {
                text += &format!("; {} examples and {} refusals hold", ran.examples, ran.refusals);
                if ran.generated > 0 {
                    text += &format!(", and {} made-up calls", ran.generated);
                }
            }
            text += ": nothing is wrong\n";
        }
        output::print(&text)
    }
}
