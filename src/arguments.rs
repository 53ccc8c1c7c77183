//! What several commands take: the plugin, its config, a call, durations, params.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Args;
use plugline_host::{CallOptions, Direction, Launch, Timeouts};
use serde_json::{Map, Value};

use crate::driver;
use crate::failure::Failure;

/// How a plugin is started.
#[derive(Args)]
pub(crate) struct PluginOptions {
    /// Start this command in place of PLUGIN: words as a shell would split them, no shell.
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// The plugin's config: JSON, or @file.
    #[arg(long, value_name = "JSON|@FILE")]
    config: Option<String>,
    /// Set an environment variable of the plugin.
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// How long the plugin may take to start and shake hands.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = patience)]
    start_timeout: Patience,
    /// Wait for everything for ever: for debuggers.
    #[arg(long)]
    no_timeouts: bool,
    /// Write every line that passes to this file as it is, the config included, with times.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Take any stray output of the plugin as a violation of the protocol.
    #[arg(long)]
    strict: bool,
}

impl PluginOptions {
    /// The plugin that is meant, ready to be started; takes its name from the front of the arguments unless
    /// there is a command.
    pub(crate) fn launch(&self, words: &mut Vec<String>) -> Result<Launch, Failure> {
        let mut launch = match &self.command {
            Some(command) => driver::command(command)?,
            None if words.is_empty() => {
                return Err(Failure::Usage("a PLUGIN is needed, or --command".into()));
            }
            None => driver::resolve(&words.remove(0))?,
        };
        if let Some(config) = &self.config {
            launch = launch.config(json(config, "--config")?);
        }
        for pair in &self.env {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| Failure::Usage(format!("--env {pair}: NAME=VALUE is wanted")))?;
            launch = launch.env(name, value);
        }
        if let Some(file) = &self.trace {
            launch = launch.transcript(transcript(file)?);
        }
        if self.strict {
            launch = launch.strict();
        }
        let start = if self.no_timeouts { None } else { self.start_timeout.0 };
        Ok(launch
            .host("plugline", env!("CARGO_PKG_VERSION"))
            .timeouts(Timeouts { start, ..Timeouts::default() }))
    }
}

/// Which method of which plugin is called, and how.
#[derive(Args)]
pub(crate) struct Request {
    /// PLUGIN: a path. METHOD: `<contract>.<method>`. PARAMS: a JSON object, @file, - for standard input,
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
    pub(crate) launch: Launch,
    pub(crate) method: String,
    pub(crate) params: Map<String, Value>,
    pub(crate) options: CallOptions,
}

impl Request {
    /// Whether the params, or some of them, are read from standard input.
    pub(crate) fn takes_standard_input(&self) -> bool {
        self.words.iter().any(|word| word == "-")
    }

    pub(crate) fn read(mut self) -> Result<Ready, Failure> {
        let launch = self.plugin.launch(&mut self.words)?;
        if self.words.is_empty() {
            return Err(Failure::Usage("a METHOD is needed".into()));
        }
        let method = self.words.remove(0);
        let params = params(&self.words)?;
        let patience = if self.plugin.no_timeouts { None } else { self.timeout.0 };
        let options = patience.map_or_else(CallOptions::no_timeout, CallOptions::timeout);
        Ok(Ready { launch, method, params, options })
    }
}

/// Every line that passes: seconds since the start, the direction, the line.
fn transcript(file: &PathBuf) -> Result<impl Fn(Direction, &[u8]) + Send + Sync + 'static, Failure> {
    let failed = |fault| Failure::System(format!("cannot write {}: {fault}", file.display()));
    let trace = Mutex::new(File::create(file).map_err(failed)?);
    let start = Instant::now();
    Ok(move |direction: Direction, line: &[u8]| {
        let arrow = match direction {
            Direction::Sent => "→",
            Direction::Received => "←",
        };
        let mut record = format!("{:.6} {arrow} ", start.elapsed().as_secs_f64()).into_bytes();
        record.extend_from_slice(line);
        record.push(b'\n');
        let mut trace = trace.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Err(fault) = trace.write_all(&record) {
            crate::output::warning(&format!("the trace is incomplete: {fault}"));
        }
    })
}

/// A value that is JSON, or `@file`.
pub(crate) fn json(text: &str, what: &str) -> Result<Value, Failure> {
    let (text, place) = match text.strip_prefix('@') {
        Some(file) => {
            let read = fs::read_to_string(file);
            (
                read.map_err(|fault| Failure::Usage(format!("{what}: {file}: {fault}")))?,
                format!("{what}: {file}"),
            )
        }
        None => (text.to_owned(), what.to_owned()),
    };
    serde_json::from_str(&text).map_err(|fault| Failure::Usage(format!("{place}: not JSON: {fault}")))
}

/// Params from the command line: JSON objects, `@file`, `-` for standard input, `key=text` and `key:=json`, later
/// ones over earlier ones.
fn params(words: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut params = Map::new();
    for word in words {
        if word == "-" {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|fault| Failure::Usage(format!("standard input: {fault}")))?;
            params.extend(object(json(&text, "standard input")?, "standard input")?);
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
fn patience(text: &str) -> Result<Patience, String> {
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
