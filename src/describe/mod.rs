//! `plugline describe`: what a plugin offers, from its own manifest or from a file.

mod html;
mod text;
mod types;

use std::borrow::Cow;

use clap::{Args, ValueEnum};
use plugline_host::{Document, escape};
use plugline_protocol::contract::{ContentDescriptor, Method, Resolved, shared_schema};
use serde_json::Value;

use crate::arguments::PluginOptions;
use crate::contract::{Source, file};
use crate::failure::Failure;
use crate::output;

/// Show what a plugin offers.
#[derive(Args)]
#[command(
    override_usage = "plugline describe [OPTIONS] PLUGIN\n       plugline describe [OPTIONS] FILE\n       plugline describe [OPTIONS] --command COMMAND"
)]
pub(crate) struct Describe {
    /// PLUGIN: a path, a name or a URL (`plugline help which`). FILE: its manifest.
    #[arg(value_name = "PLUGIN|FILE")]
    words: Vec<String>,
    #[command(flatten)]
    plugin: PluginOptions,
    /// How to show it.
    #[arg(long, value_enum, default_value_t = As::Text)]
    format: As,
}

/// How a manifest is shown.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum As {
    /// For a terminal.
    Text,
    /// The OpenRPC document itself.
    Json,
    /// For a repository.
    Markdown,
    /// One page for a browser, which needs nothing else.
    Html,
}

impl Describe {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut words = self.words;
        let source = Source::of(&mut words, &self.plugin)?;
        if let Some(word) = words.first() {
            return Err(Failure::Usage(format!("{word:?}: only one PLUGIN or FILE is taken")));
        }
        // What breaks a rule can still be read.
        let manifest: Document = match source {
            Source::Plugin(launch) => {
                launch.discover().map_err(|fault| Failure::NoManifest(Box::new(fault)))?
            }
            Source::File(path) => {
                let Resolved(document) = serde_json::from_slice(&file(&path)?)
                    .map_err(|fault| Failure::Usage(format!("{path}: no manifest: {fault}")))?;
                document
            }
        };
        output::print(&match self.format {
            As::Text => text::render(&manifest, &text::TEXT),
            As::Markdown => text::render(&manifest, &text::MARKDOWN),
            As::Html => html::page(&manifest),
            As::Json => {
                let json = serde_json::to_string_pretty(&manifest);
                output::escape_json(&json.map_err(|fault| Failure::System(fault.to_string()))?) + "\n"
            }
        })
    }
}

/// The methods of a manifest, by what provides or serves them.
struct Group<'a> {
    kind: Kind,
    /// The contract and its version, if there is one.
    contract: Option<(&'a str, &'a str)>,
    methods: Vec<&'a Method>,
}

/// Who serves the methods of a group.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Provided,
    /// Those whose name is no provided contract's.
    Stray,
    Host,
}

fn groups(manifest: &Document) -> Vec<Group<'_>> {
    let belongs = |method: &Method, contract: &str| {
        method.name.strip_prefix(contract).is_some_and(|rest| rest.starts_with('.'))
    };
    let provides = &manifest.plugline.provides;
    let mut groups: Vec<Group<'_>> = provides
        .iter()
        .map(|provided| Group {
            kind: Kind::Provided,
            contract: Some((&provided.contract, &provided.version)),
            methods: manifest.methods.iter().filter(|method| belongs(method, &provided.contract)).collect(),
        })
        .collect();
    let is_stray = |method: &&Method| !provides.iter().any(|it| belongs(method, &it.contract));
    groups.push(Group {
        kind: Kind::Stray,
        contract: None,
        methods: manifest.methods.iter().filter(is_stray).collect(),
    });
    let host = manifest.plugline.host_methods.iter().collect();
    groups.push(Group { kind: Kind::Host, contract: None, methods: host });
    groups.retain(|group| group.kind == Kind::Provided || !group.methods.is_empty());
    groups
}

/// The definition that a schema points at, or itself.
fn resolve<'a>(schema: &'a Value, manifest: &'a Document) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(shared_schema);
    target.and_then(|name| manifest.components.schemas.get(&name)).unwrap_or(schema)
}

/// A param's schema, with what the param says beside it.
fn shown(param: &ContentDescriptor) -> Cow<'_, Value> {
    let schema = param.schema.as_value();
    if !param.is_deprecated() || schema == &Value::Bool(false) {
        return Cow::Borrowed(schema);
    }
    let mut members = schema.as_object().cloned().unwrap_or_default();
    members.insert("deprecated".into(), true.into());
    Cow::Owned(members.into())
}

/// A param as `plugline call` takes it, quoted for a shell where it must be.
fn word(name: &str, value: &Value) -> String {
    let word = match value {
        Value::String(text) => format!("{name}={text}"),
        value => format!("{name}:={value}"),
    };
    // The library quotes more than a shell needs.
    let plain = |c: char| c.is_ascii_alphanumeric() || "=@:/.,+-_%".contains(c);
    if word.chars().all(plain) { word } else { shell_words::quote(&word).into_owned() }
}

/// The beginning of a text, so many characters of it.
fn shortened(mut text: String, shown: usize) -> String {
    if let Some((at, _)) = text.char_indices().nth(shown) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// A name, on one line.
fn safe(text: &str) -> String {
    escape(text.as_bytes())
}

/// A text on one line, whatever it was written on.
fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    safe(&lines.join(" "))
}
