//! `plugline doctor`: what is wrong with this machine, or with a plugin, and how to mend it.

mod machine;
mod plugin;
mod program;

use clap::Args;
use plugline_host::escape;
use serde_json::{Value, json};

use crate::arguments::PluginOptions;
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::storage::StoreOptions;

/// Find what is wrong with this machine and its store, or with a plugin, and say how to mend it.
#[derive(Args)]
#[command(
    override_usage = "plugline doctor [OPTIONS]\n       plugline doctor [OPTIONS] PLUGIN\n       plugline doctor [OPTIONS] --command COMMAND"
)]
pub(crate) struct Doctor {
    /// PLUGIN: a path, or a plugin of the store. It is started.
    #[arg(value_name = "PLUGIN")]
    words: Vec<String>,
    #[command(flatten)]
    plugin: PluginOptions,
    #[command(flatten)]
    store: StoreOptions,
}

/// How something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fine,
    /// Not wrong, and good to know.
    Note,
    Wrong,
}

/// Something that was looked at.
#[derive(Debug)]
struct Finding {
    state: State,
    subject: String,
    what: String,
    /// How to mend it.
    remedy: Option<String>,
}

/// What was found, in the order in which it was looked at.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, state: State, subject: &str, what: impl Into<String>, remedy: Option<String>) {
        self.0.push(Finding { state, subject: subject.to_owned(), what: what.into(), remedy });
    }

    fn fine(&mut self, subject: &str, what: impl Into<String>) {
        self.add(State::Fine, subject, what, None);
    }

    fn note(&mut self, subject: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(State::Note, subject, what, Some(remedy.into()));
    }

    fn wrong(&mut self, subject: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(State::Wrong, subject, what, Some(remedy.into()));
    }

    fn count_wrong(&self) -> usize {
        self.0.iter().filter(|it| it.state == State::Wrong).count()
    }
}

impl Doctor {
    pub(crate) fn run(mut self, format: Format) -> Result<(), Failure> {
        let mut findings = Findings::default();
        if self.words.is_empty() && !self.plugin.has_command() {
            machine::examine(&self.store, &mut findings)?;
        } else {
            plugin::examine(&mut self.words, &self.plugin, &self.store, &mut findings)?;
        }
        if format == Format::Json {
            let findings: Vec<Value> = findings.0.iter().map(report).collect();
            let text = json!({ "findings": findings }).to_string();
            output::print(&(output::escape_json(&text) + "\n"))?;
        } else {
            output::print(&text(&findings))?;
        }
        match findings.count_wrong() {
            0 => Ok(()),
            1 => Err(Failure::Verdict("one thing is wrong".into())),
            many => Err(Failure::Verdict(format!("{many} things are wrong"))),
        }
    }
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Note => "note",
            Self::Wrong => "wrong",
        }
    }
}

fn report(finding: &Finding) -> Value {
    json!({
        "state": finding.state.as_str(),
        "subject": finding.subject,
        "what": finding.what,
        "remedy": finding.remedy,
    })
}

fn text(findings: &Findings) -> String {
    let width = findings.0.iter().map(|it| it.subject.chars().count()).max().unwrap_or_default();
    let line = |it: &Finding| {
        let style = style(it.state);
        let state = it.state.as_str();
        let (subject, what) = (&it.subject, escape(it.what.as_bytes()));
        let mut line = format!("{style}{state:<5}{style:#}  {subject:<width$}  {what}\n");
        if let Some(remedy) = &it.remedy {
            let quiet = output::QUIET;
            line += &format!("{:width$}         {quiet}{}{quiet:#}\n", "", escape(remedy.as_bytes()));
        }
        line
    };
    findings.0.iter().map(line).collect()
}

fn style(state: State) -> anstyle::Style {
    match state {
        State::Fine => output::FINE,
        State::Note => output::WARNING,
        State::Wrong => output::ERROR,
    }
}
