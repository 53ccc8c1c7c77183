//! What `plugins.toml` may say. The types are the format: they read it, and its JSON Schema is made from them.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use plugline_protocol::lifecycle::Limits;
use schemars::{JsonSchema, generate::SchemaSettings};
use semver::VersionReq;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sandbox::SandboxChoice;
use super::secret::Reference;
use super::span::Span;
use crate::manager::driver::is_name;
use crate::rate::EVENTS_PER_SECOND;
use crate::supervisor::{Backoff, Breaker, Health, Restart, Starts, Supervision};
use crate::timeouts::Timeouts;

/// Which plugins a host uses, and how: the file `plugins.toml`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "plugins.toml")]
pub struct Settings {
    /// Which of the two a plain word means where both a built-in of the host and a plugin are so called.
    pub prefer: Prefer,
    /// What happens where two plugins have the same name and version.
    pub conflict: Conflict,
    /// Directories in which plugins are looked for, after those of `PLUGLINE_PATH`; from the directory of this file.
    pub search: Vec<PathBuf>,
    /// How many plugins may be starting at the same time. As many as like, unless said.
    #[schemars(range(min = 1))]
    pub concurrent_starts: Option<usize>,
    /// What holds for each plugin that does not say otherwise.
    pub defaults: Common,
    /// Plugins by the name that the host uses.
    pub plugins: BTreeMap<String, PluginSettings>,
}

/// Which of the two a plain word means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Prefer {
    /// The built-in; a plugin where there is none.
    #[default]
    Builtin,
    /// The plugin; a built-in where there is none.
    Plugin,
}

/// What happens where two plugins have the same name and version, or offer the same type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// The one that is found first is taken, and the other is reported.
    #[default]
    First,
    /// Neither is taken.
    Refuse,
}

/// One plugin, under the name that the host uses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PluginSettings {
    /// Which plugin: a word, a path (from the directory of this file), or a URL. The name itself, unless said.
    pub driver: Option<String>,
    /// Which versions would do: `^1.2`, or `=1.2.3` for that one alone. All releases, unless said.
    #[schemars(with = "Option<String>")]
    pub version: Option<VersionReq>,
    /// What the plugin is given in the handshake, as it stands here. `{}` unless said.
    pub config: Option<Value>,
    /// Members of the config that are secret: where in it (a name, or a JSON Pointer), and where the secret is.
    pub secrets: BTreeMap<String, Reference>,
    /// Environment variables of the plugin, beside the few that every plugin has.
    pub env: BTreeMap<String, Variable>,
    /// How many processes serve; where more than one, the least loaded is called. One, unless said.
    #[schemars(range(min = 1, max = 1024))]
    pub pool: Option<usize>,
    /// How long a plugin that nobody calls goes on running; `none`, unless said. The next call starts it again.
    pub idle: Option<Span>,
    /// How often a plugin that is used is asked whether it answers; 10s, unless said, and `none` is never.
    pub health: Option<Span>,
    /// Whether the plugin is replaced when its files change. Not, unless said.
    pub watch: Option<bool>,
    /// What the host accepts from the plugin.
    pub limits: Option<LimitSettings>,
    /// How long things may take.
    pub timeouts: Option<TimeoutSettings>,
    /// What happens when the plugin ends by itself.
    pub restart: Option<RestartSettings>,
    /// What the plugin may reach: `true` for the usual sandbox, or a table. None, unless said.
    pub sandbox: Option<SandboxChoice>,
}

/// What holds for each plugin that does not say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Common {
    /// How many processes serve; where more than one, the least loaded is called. One, unless said.
    #[schemars(range(min = 1, max = 1024))]
    pub pool: Option<usize>,
    /// How long a plugin that nobody calls goes on running; `none`, unless said. The next call starts it again.
    pub idle: Option<Span>,
    /// How often a plugin that is used is asked whether it answers; 10s, unless said, and `none` is never.
    pub health: Option<Span>,
    /// Whether the plugin is replaced when its files change. Not, unless said.
    pub watch: Option<bool>,
    /// What the host accepts from the plugin.
    pub limits: Option<LimitSettings>,
    /// How long things may take.
    pub timeouts: Option<TimeoutSettings>,
    /// What happens when the plugin ends by itself.
    pub restart: Option<RestartSettings>,
    /// What the plugin may reach: `true` for the usual sandbox, or a table. None, unless said.
    pub sandbox: Option<SandboxChoice>,
}

/// The value of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Variable {
    /// This text.
    Text(String),
    /// What a secret says.
    Secret(Reference),
}

/// What the host accepts from a plugin; each as the protocol has it, unless said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// The longest line, in bytes.
    #[schemars(range(min = 65_536))]
    pub max_line_bytes: Option<usize>,
    /// Requests of the plugin at the same time.
    #[schemars(range(min = 1))]
    pub max_in_flight: Option<u32>,
    /// How deep calls may nest.
    #[schemars(range(min = 1))]
    pub max_depth: Option<u32>,
    /// What may be on its way in a stream, in bytes.
    #[schemars(range(min = 65_536))]
    pub stream_window_bytes: Option<usize>,
    /// Log lines, lines on standard error and ignored messages that are told in a second, each kind counted by itself;
    /// 1000 unless said.
    #[schemars(range(min = 1))]
    pub events_per_second: Option<u32>,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutSettings {
    /// From starting the process to the answer of the handshake; 10s unless said. `none` for debuggers.
    pub start: Option<Span>,
    /// A call; 30s unless said.
    pub call: Option<Span>,
    /// How long calls in flight may go on when the plugin is stopped; 5s unless said.
    pub grace: Option<Span>,
    /// From closing its standard input to SIGTERM; 3s unless said.
    pub exit: Option<Span>,
    /// From SIGTERM to SIGKILL; 2s unless said.
    pub term: Option<Span>,
    /// How long it has to answer a call that nobody waits for any more; 5s unless said.
    pub unanswered: Option<Span>,
    /// How long calls in flight may go on when another version takes over; 30s unless said.
    pub drain: Option<Span>,
}

/// What happens when a plugin ends by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RestartSettings {
    /// When it is started again; `at_once` unless said.
    pub when: Option<When>,
    /// The longest that the first restart waits; 100ms unless said. Each later one waits up to twice as long.
    pub backoff: Option<Span>,
    /// The longest that any restart waits; 30s unless said.
    pub backoff_most: Option<Span>,
    /// So many ends within `within` are a crash loop; 5 unless said. An older version takes over then, or else nothing is
    /// started for a while.
    #[schemars(range(min = 1))]
    pub crashes: Option<usize>,
    /// In which time ends are counted; 1m unless said.
    pub within: Option<Span>,
    /// How long nothing is started then; 1m unless said, and `none` is until the manager is told.
    pub rest: Option<Span>,
}

/// When a plugin that ended by itself is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// When the backoff has passed.
    AtOnce,
    /// With the next call after that.
    OnUse,
}

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// A path of members; empty for the whole.
    pub(crate) at: String,
    pub(crate) what: String,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.at.is_empty() { f.write_str(&self.what) } else { write!(f, "{}: {}", self.at, self.what) }
    }
}

impl Settings {
    /// The settings that a document has, with every value in its range.
    pub(crate) fn of(document: &Value) -> Result<Self, Wrong> {
        let settings: Self = serde_path_to_error::deserialize(document).map_err(|fault| {
            let members: Vec<String> = fault.path().iter().map(ToString::to_string).collect();
            match members.get(2).map(String::as_str) {
                // What stands there may be the secret itself, which no message repeats.
                Some("secrets" | "env") if members[0] == "plugins" => {
                    let what = "a reference is wanted: { env = \"NAME\" } or { file = \"PATH\" }; in `env` a text, too";
                    Wrong { at: members[..members.len().min(4)].join("."), what: what.to_owned() }
                }
                _ => Wrong { at: members.join("."), what: fault.into_inner().to_string() },
            }
        })?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), Wrong> {
        let wrong = |at: String, what: &str| Err(Wrong { at, what: what.to_owned() });
        if self.concurrent_starts == Some(0) {
            return wrong("concurrent_starts".into(), "1 is the least");
        }
        self.defaults.check("defaults")?;
        for (name, plugin) in &self.plugins {
            let at = |member: &str| format!("plugins.{name}.{member}");
            if !is_name(name) {
                let what =
                    "a name has letters, digits, '-', '_' and '.', and begins with a letter or a digit";
                return wrong(format!("plugins.{name:?}"), what);
            }
            plugin.common().check(&format!("plugins.{name}"))?;
            for place in plugin.secrets.keys() {
                if let Err(what) = pointed(place) {
                    return wrong(format!("{}.{place:?}", at("secrets")), &what);
                }
            }
            for variable in plugin.env.keys() {
                if variable.is_empty() || variable.contains(['=', '\0']) {
                    return wrong(
                        format!("{}.{variable:?}", at("env")),
                        "no environment variable is so called",
                    );
                }
            }
        }
        Ok(())
    }

    /// The JSON Schema of the file, for editors.
    #[must_use]
    pub fn schema() -> Value {
        let generator = SchemaSettings::draft07().into_generator();
        generator.into_root_schema_for::<Self>().to_value()
    }
}

impl Common {
    fn check(&self, at: &str) -> Result<(), Wrong> {
        let wrong =
            |member: &str, what: &str| Err(Wrong { at: format!("{at}.{member}"), what: what.to_owned() });
        if self.pool.is_some_and(|pool| !(1..=1024).contains(&pool)) {
            return wrong("pool", "1 to 1024 processes can serve");
        }
        if let Some(limits) = self.limits {
            for (member, low) in [
                ("limits.max_line_bytes", limits.max_line_bytes.is_some_and(|bytes| bytes < 65_536)),
                ("limits.max_in_flight", limits.max_in_flight == Some(0)),
                ("limits.max_depth", limits.max_depth == Some(0)),
                (
                    "limits.stream_window_bytes",
                    limits.stream_window_bytes.is_some_and(|bytes| bytes < 65_536),
                ),
            ] {
                if low {
                    return wrong(member, "it is below its minimum, which the protocol sets");
                }
            }
            if limits.events_per_second == Some(0) {
                return wrong("limits.events_per_second", "1 is the least");
            }
        }
        let endless = |span: Option<Span>| matches!(span, Some(Span(None)));
        if let Some(timeouts) = self.timeouts {
            for (member, span) in [
                ("timeouts.grace", timeouts.grace),
                ("timeouts.exit", timeouts.exit),
                ("timeouts.term", timeouts.term),
                ("timeouts.unanswered", timeouts.unanswered),
                ("timeouts.drain", timeouts.drain),
            ] {
                if endless(span) {
                    return wrong(member, "it needs an end: nothing else would end the plugin");
                }
            }
        }
        if let Some(restart) = self.restart {
            for (member, span) in [
                ("restart.backoff", restart.backoff),
                ("restart.backoff_most", restart.backoff_most),
                ("restart.within", restart.within),
            ] {
                if endless(span) {
                    return wrong(member, "it needs an end");
                }
            }
            if restart.crashes == Some(0) {
                return wrong("restart.crashes", "1 is the least");
            }
        }
        Ok(())
    }

    /// These, and where they say nothing, those.
    pub(crate) fn over(self, defaults: &Self) -> Self {
        Self {
            pool: self.pool.or(defaults.pool),
            idle: self.idle.or(defaults.idle),
            health: self.health.or(defaults.health),
            watch: self.watch.or(defaults.watch),
            limits: self.limits.or(defaults.limits),
            timeouts: self.timeouts.or(defaults.timeouts),
            restart: self.restart.or(defaults.restart),
            sandbox: self.sandbox.or_else(|| defaults.sandbox.clone()),
        }
    }

    /// What the host accepts from the plugin.
    pub(crate) fn limits(&self) -> Limits {
        let (said, usual) = (self.limits.unwrap_or_default(), Limits::default());
        Limits {
            max_line_bytes: said.max_line_bytes.unwrap_or(usual.max_line_bytes),
            max_in_flight: said.max_in_flight.unwrap_or(usual.max_in_flight),
            max_depth: said.max_depth.unwrap_or(usual.max_depth),
            stream_window_bytes: said.stream_window_bytes.unwrap_or(usual.stream_window_bytes),
        }
    }

    /// How many events of a kind are told in a second.
    pub(crate) fn events_per_second(&self) -> NonZeroU32 {
        let said = self.limits.and_then(|limits| limits.events_per_second);
        said.and_then(NonZeroU32::new).unwrap_or(EVENTS_PER_SECOND)
    }

    /// How long things may take.
    pub(crate) fn timeouts(&self) -> Timeouts {
        let (said, usual) = (self.timeouts.unwrap_or_default(), Timeouts::default());
        let bounded = |span: Option<Span>, usual| span.and_then(|span| span.0).unwrap_or(usual);
        Timeouts {
            start: said.start.map_or(usual.start, |span| span.0),
            call: said.call.map_or(usual.call, |span| span.0),
            grace: bounded(said.grace, usual.grace),
            exit: bounded(said.exit, usual.exit),
            term: bounded(said.term, usual.term),
            unanswered: bounded(said.unanswered, usual.unanswered),
        }
    }
}

impl Common {
    /// How the plugin is kept alive.
    pub(crate) fn supervision(&self, starts: Starts) -> Supervision {
        let usual = Supervision::default();
        let restart = self.restart.unwrap_or_default();
        let timeouts = self.timeouts.unwrap_or_default();
        let bounded = |span: Option<Span>, usual| span.and_then(|span| span.0).unwrap_or(usual);
        let health = Health::default();
        Supervision {
            instances: self.pool.and_then(NonZeroUsize::new).unwrap_or(usual.instances),
            restart: match restart.when {
                None | Some(When::AtOnce) => Restart::AtOnce,
                Some(When::OnUse) => Restart::OnUse,
            },
            backoff: Backoff {
                first: bounded(restart.backoff, usual.backoff.first),
                most: bounded(restart.backoff_most, usual.backoff.most),
                ..usual.backoff
            },
            breaker: Breaker {
                failures: restart.crashes.unwrap_or(usual.breaker.failures),
                within: bounded(restart.within, usual.breaker.within),
                rest: restart.rest.map_or(usual.breaker.rest, |span| span.0),
            },
            idle: self.idle.and_then(|span| span.0),
            health: match self.health {
                None => usual.health,
                Some(Span(None)) => None,
                Some(Span(Some(interval))) => Some(Health { interval, ..health }),
            },
            drain: bounded(timeouts.drain, usual.drain),
            starts,
            ..usual
        }
    }
}

impl PluginSettings {
    /// What it shares with the defaults.
    pub(crate) fn common(&self) -> Common {
        Common {
            pool: self.pool,
            idle: self.idle,
            health: self.health,
            watch: self.watch,
            limits: self.limits,
            timeouts: self.timeouts,
            restart: self.restart,
            sandbox: self.sandbox.clone(),
        }
    }
}

/// The JSON Pointer of a place in a config, which may be written as the name of one member.
pub(crate) fn pointed(place: &str) -> Result<String, String> {
    if place.starts_with('/') {
        return Ok(place.to_owned());
    }
    if place.is_empty() || place.contains(['/', '~']) {
        return Err("a member's name is wanted, or a JSON Pointer such as /database/password".into());
    }
    Ok(format!("/{place}"))
}
