//! What a host is told of its plugins: the file `plugins.toml`, and the environment over it.
//!
//! - `file.rs`: what the file may say, and its JSON Schema. `span.rs`: how long.
//! - `overrides.rs`: the environment over the file.
//! - `sandbox.rs`: what a plugin may reach.
//! - `secret.rs`: secrets, which stand in neither.
//!
//! Nothing here knows what a plugin is, or starts one.

mod file;
mod overrides;
mod sandbox;
mod secret;
mod span;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use plugline_protocol::wire::escape;
use serde_json::{Map, Number, Value};

use crate::secrets::Redactor;

pub use file::{
    Common, Conflict, LimitSettings, PluginSettings, Prefer, RestartSettings, Settings, TimeoutSettings,
    Variable, When,
};
pub use sandbox::{Most, SandboxChoice, SandboxSettings, UserId, WhenUnenforced};
pub use secret::Reference;
pub(crate) use secret::Secret;
pub use span::Span;

/// A longer file is none that somebody wrote; bytes.
const LONGEST: u64 = 4 << 20;

/// Settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// The file, or the environment variable.
    pub source: String,
    /// Where in it: a line and a column, or a path of members; empty for the whole.
    pub at: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, at, what } = self;
        let at = if at.is_empty() { String::new() } else { format!("{at}: ") };
        // What somebody wrote is quoted in all three: the name of a variable, those of members, a value.
        f.write_str(&escape(format!("{source}: {at}{what}").as_bytes()))
    }
}

impl std::error::Error for SettingsError {}

/// Settings, and from where the paths in them go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    pub(crate) dir: PathBuf,
}

impl Settings {
    /// Reads the text of a `plugins.toml`; the file is named in errors.
    ///
    /// # Errors
    /// [`SettingsError`]: what is wrong with it, and where.
    pub fn parse(text: &str, file: &Path) -> Result<Self, SettingsError> {
        Self::overridden(text, file, [])
    }

    /// The same, with environment variables over it: `PLUGLINE_PLUGINS__USERS__CONFIG__PATH=…` says what
    /// `plugins.users.config.path` is.
    ///
    /// # Errors
    /// [`SettingsError`]: what is wrong with the file or a variable.
    pub fn overridden(
        text: &str,
        file: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let source = escape(file.as_os_str().as_encoded_bytes());
        let table: toml::Table = toml::from_str(text).map_err(|fault| {
            let at = fault.span().map(|span| place(text, span.start)).unwrap_or_default();
            SettingsError { source: source.clone(), at, what: fault.message().to_owned() }
        })?;
        let wrong = |at: String, what: String| SettingsError { source: source.clone(), at, what };
        let document = json(toml::Value::Table(table), "").map_err(|(at, what)| wrong(at, what))?;
        // What the file says has to be right by itself; then a fault is the variable's.
        Self::of(&document).map_err(|fault| wrong(fault.at, fault.what))?;
        Self::over(document, variables)?.map_err(|fault| wrong(fault.at, fault.what))
    }

    fn over(
        document: Value,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Result<Self, file::Wrong>, SettingsError> {
        let document = overrides::apply(document, variables).map_err(|refused| SettingsError {
            source: format!("the environment variable {}", refused.variable),
            at: String::new(),
            what: refused.why,
        })?;
        Ok(Self::of(&document))
    }
}

impl Loaded {
    /// Reads the file, and the environment over it.
    pub(crate) fn read(file: &Path, environment: &Environment) -> Result<Self, SettingsError> {
        let source = escape(file.as_os_str().as_encoded_bytes());
        let wrong = |what: String| SettingsError { source: source.clone(), at: String::new(), what };
        let mut text = Vec::new();
        let read = File::open(file).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut text));
        read.map_err(|fault| wrong(fault.to_string()))?;
        if text.len() as u64 > LONGEST {
            return Err(wrong(format!("it is longer than {LONGEST} bytes")));
        }
        let text = String::from_utf8(text).map_err(|_| wrong("it is not UTF-8".into()))?;
        let settings = Settings::overridden(&text, file, environment.texts())?;
        let file = std::path::absolute(file).map_err(|fault| wrong(fault.to_string()))?;
        Ok(Self { settings, dir: file.parent().map(Path::to_owned).unwrap_or_default() })
    }

    /// These settings, and the environment over them.
    pub(crate) fn given(
        settings: &Settings,
        dir: PathBuf,
        environment: &Environment,
    ) -> Result<Self, SettingsError> {
        let wrong = |what: String| SettingsError { source: "the settings".into(), at: String::new(), what };
        let document = serde_json::to_value(settings).map_err(|fault| wrong(fault.to_string()))?;
        let at = |fault: file::Wrong| SettingsError { at: fault.at, ..wrong(fault.what) };
        Settings::of(&document).map_err(at)?;
        let settings = Settings::over(document, environment.texts())?;
        Ok(Self { settings: settings.map_err(at)?, dir })
    }
}

/// The environment of this process, or what stands for it.
#[derive(Clone, Default)]
pub(crate) enum Environment {
    #[default]
    OfThisProcess,
    Given(BTreeMap<OsString, OsString>),
}

impl Environment {
    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<OsString> {
        match self {
            Self::OfThisProcess => std::env::var_os(name),
            Self::Given(variables) => variables.get(OsStr::new(name)).cloned(),
        }
    }

    /// Those that are text, as the names and values of settings are.
    fn texts(&self) -> Vec<(String, String)> {
        let text =
            |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        match self {
            Self::OfThisProcess => std::env::vars_os().filter_map(text).collect(),
            Self::Given(variables) => variables.clone().into_iter().filter_map(text).collect(),
        }
    }
}

/// `line 3, column 7`.
fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    format!("line {}, column {}", before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

/// What TOML says, in JSON: that is what a plugin is given. A date is the text that it was written as.
fn json(value: toml::Value, at: &str) -> Result<Value, (String, String)> {
    let within = |part: &str| if at.is_empty() { part.to_owned() } else { format!("{at}.{part}") };
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => match Number::from_f64(number) {
            Some(number) => Value::Number(number),
            None => return Err((at.to_owned(), format!("{number} cannot be said in JSON"))),
        },
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(items) => {
            let items = items.into_iter().enumerate().map(|(at, item)| json(item, &within(&at.to_string())));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        toml::Value::Table(members) => {
            let mut object = Map::new();
            for (name, value) in members {
                let value = json(value, &within(&name))?;
                object.insert(name, value);
            }
            Value::Object(object)
        }
    })
}

/// A plugin's config and environment, with the secrets in them. Not to be shown: it has no `Debug`.
pub(crate) struct Revealed {
    pub(crate) config: Value,
    pub(crate) env: Vec<(String, String)>,
}

impl PluginSettings {
    /// Reads the secrets, and puts them where they belong.
    pub(crate) fn reveal(
        &self,
        dir: &Path,
        environment: &Environment,
        redactor: &Redactor,
    ) -> Result<Revealed, String> {
        let environment = |name: &str| environment.get(name);
        let read = |reference: &Reference| -> Result<Secret, String> {
            let secret = reference.read(dir, &environment)?;
            redactor.hide(secret.reveal());
            Ok(secret)
        };
        let mut config = self.config.clone().unwrap_or_else(|| Value::Object(Map::new()));
        for (place, reference) in &self.secrets {
            let secret = read(reference).map_err(|fault| format!("secrets.{place:?}: {fault}"))?;
            put(&mut config, &file::pointed(place)?, secret.reveal())
                .map_err(|fault| format!("secrets.{place:?}: {fault}"))?;
        }
        let mut env = Vec::new();
        for (name, variable) in &self.env {
            let value = match variable {
                Variable::Text(text) => text.clone(),
                Variable::Secret(reference) => {
                    let secret = read(reference).map_err(|fault| format!("env.{name}: {fault}"))?;
                    if secret.reveal().contains('\0') {
                        return Err(format!("env.{name}: {reference} has a NUL, which no variable may have"));
                    }
                    secret.reveal().to_owned()
                }
            };
            env.push((name.clone(), value));
        }
        Ok(Revealed { config, env })
    }
}

/// Puts a text at a JSON Pointer. Objects that are not there are made; an array has to have the place already.
fn put(config: &mut Value, pointer: &str, text: &str) -> Result<(), String> {
    let mut at = config;
    for part in pointer.split('/').skip(1) {
        let name = part.replace("~1", "/").replace("~0", "~");
        at = match at {
            Value::Null => {
                *at = Value::Object(Map::new());
                let Value::Object(members) = at else { continue };
                members.entry(name).or_insert(Value::Null)
            }
            Value::Object(members) => members.entry(name).or_insert(Value::Null),
            Value::Array(items) => {
                let count = items.len();
                let item = name.parse::<usize>().ok().and_then(|at| items.get_mut(at));
                item.ok_or_else(|| format!("the config has {count} items there, and no item {name}"))?
            }
            _ => return Err(format!("the config has nothing there within which {name} could be")),
        };
    }
    *at = text.into();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    const WHOLE: &str = r#"
prefer = "plugin"
conflict = "refuse"
search = ["plugins", "/opt/plugins"]
concurrent_starts = 4

[defaults]
idle = "5m"
pool = 1024
timeouts = { call = "1m" }

[plugins.users]
driver = "users-json"
version = "^1.2"
config = { file = "users.json", since = 1979-05-27, deep = { list = [1, 2.5, true] } }
secrets = { token = { env = "TOKEN" }, "/deep/list/1" = { file = "token" } }
env = { LANG = "C", KEY = { file = "token" } }
pool = 3
limits = { max_in_flight = 8, events_per_second = 50 }
restart = { backoff = "100ms", crashes = 3, within = "1m" }

[plugins.audit]
"#;

    fn read(text: &str) -> Result<Settings, SettingsError> {
        Settings::parse(text, Path::new("plugins.toml"))
    }

    #[test]
    fn a_file_says_what_it_says() {
        let settings = read(WHOLE).unwrap();
        assert_eq!((settings.prefer, settings.conflict), (Prefer::Plugin, Conflict::Refuse));
        let users = &settings.plugins["users"];
        let wanted = json!({"file": "users.json", "since": "1979-05-27", "deep": {"list": [1, 2.5, true]}});
        assert_eq!(users.config, Some(wanted));
        assert_eq!(users.version, Some("^1.2".parse().unwrap()));
        let common = users.common().over(&settings.defaults);
        assert_eq!((common.pool, common.idle), (Some(3), Some(Span(Some(Duration::from_secs(300))))));
        assert_eq!(common.limits().max_in_flight, 8);
        assert_eq!(common.limits().max_depth, 16);
        assert_eq!(common.events_per_second().get(), 50);
        assert_eq!(common.timeouts().call, Some(Duration::from_secs(60)));
        assert_eq!(settings.plugins["audit"], PluginSettings::default());
        assert_eq!(read("").unwrap(), Settings::default());
        // Written and read again.
        let again = serde_json::to_value(&settings).unwrap();
        assert_eq!(Settings::of(&again), Ok(settings));
    }

    #[test]
    fn a_file_has_so_many_bytes_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("plugins.toml");
        let read = |bytes: u64| {
            let text = format!("#{}", "x".repeat(usize::try_from(bytes).unwrap() - 1));
            std::fs::write(&file, text).unwrap();
            Loaded::read(&file, &Environment::Given(BTreeMap::new()))
        };
        assert!(read(LONGEST).is_ok());
        let said = read(LONGEST + 1).unwrap_err().to_string();
        assert!(said.contains("plugins.toml: it is longer than 4194304 bytes"), "{said}");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, said) in [
            ("prefer = ", "plugins.toml: line 1, column"),
            (
                "prefer = \"both\"",
                "plugins.toml: prefer: unknown variant `both`, expected `builtin` or `plugin`",
            ),
            ("nope = 1", "plugins.toml: nope: unknown field `nope`"),
            ("[plugins.a]\nnope = 1", "plugins.toml: plugins.a.nope: unknown field `nope`"),
            ("[plugins.a]\nidle = \"soon\"", "plugins.a.idle: \"soon\": a time is written 500ms"),
            ("[plugins.a]\npool = 0", "plugins.a.pool: 1 to 1024"),
            ("[plugins.a]\npool = 1025", "plugins.a.pool: 1 to 1024"),
            (
                "[plugins.a]\nlimits = {events_per_second = 0}",
                "plugins.a.limits.events_per_second: 1 is the least",
            ),
            ("[plugins.a]\nversion = \"new\"", "plugins.a.version: unexpected character"),
            ("[plugins.a.timeouts]\ngrace = \"none\"", "plugins.a.timeouts.grace: it needs an end"),
            (
                "[plugins.a.limits]\nmax_line_bytes = 1",
                "plugins.a.limits.max_line_bytes: it is below its minimum",
            ),
            ("[defaults.restart]\ncrashes = 0", "defaults.restart.crashes: 1 is the least"),
            (
                "[plugins.a]\nsandbox = \"yes\"",
                "plugins.a.sandbox: invalid type: string \"yes\", expected true, false",
            ),
            ("[plugins.a.sandbox]\ncpu = 1", "plugins.a.sandbox.cpu: invalid type"),
            ("[defaults.sandbox]\nreads = []", "defaults.sandbox.reads: unknown field"),
            ("[plugins.\"a/b\"]", "plugins.\"a/b\": a name has letters"),
            ("[plugins.a.secrets]\n\"a/b\" = { env = \"X\" }", "plugins.a.secrets.\"a/b\": a member's name"),
            ("[plugins.a]\nconfig = nan", "plugins.a.config: NaN cannot be said in JSON"),
            ("[plugins.a.env]\n\"A=B\" = \"\"", "no environment variable is so called"),
            ("[plugins.a.secrets]\nx = \"hunter2\"", "plugins.a.secrets.x"),
        ] {
            let fault = read(text).expect_err(text).to_string();
            assert!(fault.contains(said), "{text:?}: {fault}");
        }
        // A secret that stands in the wrong place is not repeated.
        let fault = read("[plugins.a.secrets]\nx = \"hunter2\"").unwrap_err().to_string();
        assert!(!fault.contains("hunter2"), "{fault}");
    }

    #[test]
    fn the_environment_stands_over_the_file_and_is_named() {
        let variable = |name: &str, text: &str| [(name.to_owned(), text.to_owned())];
        let file = Path::new("plugins.toml");
        let settings =
            Settings::overridden(WHOLE, file, variable("PLUGLINE_PLUGINS__USERS__CONFIG__FILE", "x.json"))
                .unwrap();
        assert_eq!(settings.plugins["users"].config.as_ref().unwrap()["file"], "x.json");
        let fault =
            Settings::overridden(WHOLE, file, variable("PLUGLINE_DEFAULTS__IDLE", "soon")).unwrap_err();
        let said =
            "the environment variable PLUGLINE_DEFAULTS__IDLE: defaults.idle: \"soon\": a time is written";
        assert!(fault.to_string().starts_with(said), "{fault}");
    }

    #[test]
    fn no_name_that_somebody_wrote_reaches_a_terminal_as_it_is() {
        let file = Path::new("plugins.toml");
        let named = [("PLUGLINE_PLUGINS__n\u{1b}".to_owned(), "1".to_owned())];
        for read in [
            Settings::parse("[plugins.a]\n\"\\u001b\\u202e\" = 1", file),
            Settings::parse("[plugins.\"\\u001b\\u202e\"]\nidle = 'soon'", file),
            Settings::overridden("", file, named),
        ] {
            let said = read.unwrap_err().to_string();
            assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
            assert!(said.contains("\\u{1b}"), "{said:?}");
        }
    }

    #[test]
    fn secrets_come_to_their_places() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), "hunter2\n").unwrap();
        let settings = read(
            "[plugins.a]\nconfig = { deep = { list = [1, 2] } }\n\
             secrets = { token = { file = \"token\" }, \"/deep/list/1\" = { file = \"token\" }, \"/new/x~1y\" = { file = \"token\" } }\n\
             env = { LANG = \"C\", KEY = { file = \"token\" } }",
        )
        .unwrap();
        let redactor = Redactor::default();
        let revealed = settings.plugins["a"].reveal(dir.path(), &Environment::default(), &redactor).unwrap();
        let config = json!({"deep": {"list": [1, "hunter2"]}, "token": "hunter2", "new": {"x/y": "hunter2"}});
        assert_eq!(revealed.config, config);
        let env =
            [("KEY", "hunter2"), ("LANG", "C")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(revealed.env, env);
        assert_eq!(redactor.redact("it is hunter2".into()), "it is [secret]");
        for (place, said) in [("/deep/list/7", "no item 7"), ("/deep/list/0/x", "nothing there")] {
            let text = format!(
                "[plugins.a]\nconfig = {{ deep = {{ list = [1, 2] }} }}\nsecrets = {{ \"{place}\" = {{ file = \"token\" }} }}"
            );
            let fault = read(&text).unwrap().plugins["a"]
                .reveal(dir.path(), &Environment::default(), &redactor)
                .err()
                .unwrap();
            assert!(fault.contains(said) && fault.contains(place), "{fault}");
        }
    }
}
