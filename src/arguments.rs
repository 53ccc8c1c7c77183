//! What several commands take: the plugin, its config, a call, durations, params.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use plugline_host::{CallOptions, Launch, Plugin, Timeouts};
use serde_json::{Map, Value};

use crate::driver::{self, Meant, Names};
use crate::failure::Failure;
use crate::input;
use crate::sandbox::{SandboxOptions, warn_of_unenforced};
use crate::trace::Trace;

/// How a plugin is started.
#[derive(Args, Default)]
pub(crate) struct PluginOptions {
    /// Start this command in place of PLUGIN: words as a shell would split them, no shell.
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// The plugin's config: JSON, or @file.
    #[arg(long, value_name = "JSON|@FILE")]
    config: Option<String>,
    /// Set an environment variable of the plugin. NAME alone passes on this program's own, as a secret: it is shown nowhere.
    #[arg(long, value_name = "NAME=VALUE|NAME")]
    env: Vec<String>,
    /// How long the plugin may take to start and shake hands; 10s, where --plugins says nothing else.
    #[arg(long, value_name = "DURATION", value_parser = patience)]
    start_timeout: Option<Patience>,
    /// Wait for everything for ever: for debuggers.
    #[arg(long)]
    no_timeouts: bool,
    /// Write every line that passes to this file, with times. What is secret is not written: what the plugin's manifest calls
    /// writeOnly, and secrets of --plugins and --env; and of a config, what no manifest describes.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Take any stray output of the plugin as a violation of the protocol.
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    sandbox: Box<SandboxOptions>,
}

impl PluginOptions {
    /// Whether the plugin is named by a command, and not by a word.
    pub(crate) fn has_command(&self) -> bool {
        self.command.is_some()
    }

    /// The plugin that is meant; takes its name from the front of the arguments unless there is a command.
    pub(crate) fn meant(&self, words: &mut Vec<String>) -> Result<Meant, Failure> {
        match &self.command {
            Some(command) => Ok(Meant::Command(Box::new(driver::command(command)?))),
            None if words.is_empty() => Err(Failure::Usage("a PLUGIN is needed, or --command".into())),
            None => Ok(Meant::Driver(words.remove(0), self.names.manager(None)?)),
        }
    }

    /// The plugin that is meant, ready to be started; takes its name as [`meant`](Self::meant) does.
    pub(crate) fn launch(&self, words: &mut Vec<String>) -> Result<Launch, Failure> {
        self.prepared(self.meant(words)?.launch()?)
    }

    /// A plugin that is known already, ready to be started as these options say.
    pub(crate) fn prepared(&self, launch: Launch) -> Result<Launch, Failure> {
        Ok(self.change()?(launch))
    }

    /// What these options change of how a plugin is started.
    pub(crate) fn change(&self) -> Result<impl Fn(Launch) -> Launch + use<>, Failure> {
        let config = self.config.as_ref().map(|config| json(config, "--config")).transpose()?;
        let (mut env, mut secret_env) = (Vec::new(), Vec::new());
        for pair in &self.env {
            match pair.split_once('=') {
                Some((name, value)) => env.push((name.to_owned(), value.to_owned())),
                None => {
                    let value = std::env::var(pair).map_err(|fault| {
                        Failure::Usage(format!(
                            "--env {pair}: {fault} in this program's environment; NAME=VALUE sets one"
                        ))
                    })?;
                    secret_env.push((pair.clone(), value));
                }
            }
        }
        let trace = self.trace.as_deref().map(Trace::create).transpose()?.map(Arc::new);
        let strict = self.strict;
        let words = self.command.as_deref().map(driver::words).transpose()?.unwrap_or_default();
        let sandbox = self.sandbox.sandbox(&words);
        let start = if self.no_timeouts { Some(None) } else { self.start_timeout.map(|patience| patience.0) };
        Ok(move |mut launch: Launch| {
            if let Some(config) = &config {
                launch = launch.config(config.clone());
            }
            for (name, value) in &env {
                launch = launch.env(name, value);
            }
            for (name, value) in &secret_env {
                launch = launch.secret_env(name, value);
            }
            if let Some(trace) = trace.clone() {
                launch = launch.transcript(move |direction, line| trace.line(direction, line));
            }
            if strict {
                launch = launch.strict();
            }
            if let Some(start) = start {
                launch = launch.timeouts(Timeouts { start, ..Timeouts::default() });
            }
            if let Some(sandbox) = sandbox.clone() {
                launch = launch.sandbox(sandbox);
            }
            warn_of_unenforced(&launch);
            // Whatever ends this program, nothing that it started stays.
            launch.guarded().host("plugline", env!("CARGO_PKG_VERSION"))
        })
    }
}

/// Which method of which plugin is called, and how.
#[derive(Args)]
pub(crate) struct Request {
    /// PLUGIN: a path, a name or a URL (`plugline help which`). METHOD: `<contract>.<method>`. PARAMS: a JSON object, @file, - for standard input,
    /// key=text, key:=json; later ones over earlier ones.
    #[arg(value_name = "PLUGIN METHOD PARAMS", required = true)]
    words: Vec<String>,
    #[command(flatten)]
    plugin: PluginOptions,
    /// How long to wait for the answer: 500ms, 5s, 2m, none.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = patience)]
    timeout: Patience,
}

/// A plugin that can be started, and what is then to be called.
pub(crate) struct Ready {
    meant: Meant,
    change: Box<dyn Fn(Launch) -> Launch>,
    method: String,
    params: Map<String, Value>,
    options: CallOptions,
}

impl Ready {
    /// Starts it, as the function changes it further, and gives what is to be called.
    pub(crate) fn start(
        self,
        further: impl Fn(Launch) -> Launch,
    ) -> Result<(Plugin, String, Map<String, Value>, CallOptions), Failure> {
        let Self { meant, change, method, params, options } = self;
        Ok((meant.start(|launch| further(change(launch)))?, method, params, options))
    }
}

impl Request {
    /// Whether the params, or some of them, are read from standard input.
    pub(crate) fn takes_standard_input(&self) -> bool {
        self.words.iter().any(|word| word == "-")
    }

    pub(crate) fn read(mut self) -> Result<Ready, Failure> {
        let meant = self.plugin.meant(&mut self.words)?;
        let change = Box::new(self.plugin.change()?);
        if self.words.is_empty() {
            return Err(Failure::Usage("a METHOD is needed".into()));
        }
        let method = self.words.remove(0);
        let params = params(&self.words)?;
        let patience = if self.plugin.no_timeouts { None } else { self.timeout.0 };
        let options = patience.map_or_else(CallOptions::no_timeout, CallOptions::timeout);
        Ok(Ready { meant, change, method, params, options })
    }
}

/// A value that is JSON, or `@file`.
pub(crate) fn json(text: &str, what: &str) -> Result<Value, Failure> {
    let Some(file) = text.strip_prefix('@') else { return parsed(text.as_bytes(), what) };
    let place = format!("{what}: {file}");
    let opened = File::open(file).map_err(|fault| Failure::Usage(format!("{place}: {fault}")))?;
    parsed(&input::text(opened, &place)?, &place)
}

fn parsed(text: &[u8], place: &str) -> Result<Value, Failure> {
    serde_json::from_slice(text).map_err(|fault| Failure::Usage(format!("{place}: not JSON: {fault}")))
}

/// Params from the command line: JSON objects, `@file`, `-` for standard input, `key=text` and `key:=json`, later
/// ones over earlier ones.
fn params(words: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut params = Map::new();
    for word in words {
        if word == "-" {
            let text = input::text(std::io::stdin().lock(), "standard input")?;
            params.extend(object(parsed(&text, "standard input")?, "standard input")?);
        } else if word.starts_with(['{', '@']) {
            params.extend(object(json(word, "params")?, word)?);
        } else {
            let (key, value) = member(word)?;
            if params.insert(key.clone(), value).is_some()
                && words.iter().filter(|other| names(other, &key)).count() > 1
            {
                return Err(Failure::Usage(format!("{key} stands twice among the params")));
            }
        }
    }
    Ok(params)
}

/// Whether that word gives that member.
fn names(word: &str, key: &str) -> bool {
    member(word).is_ok_and(|(name, _)| name == key)
}

fn object(value: Value, what: &str) -> Result<Map<String, Value>, Failure> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(Failure::Usage(format!("{what}: params are an object"))),
    }
}

fn member(word: &str) -> Result<(String, Value), Failure> {
    match word.split_once('=') {
        Some((key, text)) if !key.is_empty() => match key.strip_suffix(':') {
            Some(key) => Ok((key.to_owned(), json(text, key)?)),
            None => Ok((key.to_owned(), Value::String(text.to_owned()))),
        },
        _ => Err(Failure::Usage(format!(
            "{word:?}: params are a JSON object, @file, -, key=text or key:=json"
        ))),
    }
}

/// How long to wait; `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Patience(pub(crate) Option<Duration>);

/// `500ms`, `5s` or `5`, `2m`, or `none`.
pub(crate) fn patience(text: &str) -> Result<Patience, String> {
    if text == "none" {
        return Ok(Patience(None));
    }
    match duration(text) {
        Ok(time) => Ok(Patience(Some(time))),
        Err(fault) => Err(format!("{fault}, or none")),
    }
}

/// `500ms`, `5s` or `5`, `2m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const FORMS: &str = "a duration is like 500ms, 5s, 2m";
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let seconds = match &text[digits..] {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        _ => return Err(FORMS.into()),
    };
    let number: f64 = text[..digits].parse().map_err(|_| FORMS)?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| FORMS.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations() {
        let seconds = |text| patience(text).map(|patience| patience.0.map(|time| time.as_secs_f64()));
        assert_eq!(seconds("500ms"), Ok(Some(0.5)));
        assert_eq!(seconds("5s"), Ok(Some(5.0)));
        assert_eq!(seconds("1.5"), Ok(Some(1.5)));
        assert_eq!(seconds("2m"), Ok(Some(120.0)));
        assert_eq!(seconds("none"), Ok(None));
        assert!(duration("none").is_err());
        for text in ["", "s", "-5s", "5h", "1e9999s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn params_from_words() {
        let params = |words: &[&str]| params(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        let seen = params(&[r#"{"a":1,"b":2}"#, "b=text", "c:=[1]", "d=x=y"]).unwrap();
        assert_eq!(Value::Object(seen), json!({"a": 1, "b": "text", "c": [1], "d": "x=y"}));
        for word in ["word", "=x", "a:=", "{", "@/nowhere", ""] {
            assert!(matches!(params(&[word]), Err(Failure::Usage(_))), "{word}");
        }
    }
}
