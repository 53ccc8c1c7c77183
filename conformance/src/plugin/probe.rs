//! What a plugin says of itself, found out before it is judged: one start, one handshake, one `rpc.discover`.

use std::sync::Arc;
use std::time::Duration;

use plugline_host::process::Command;
use serde_json::{Map, Value, json};

use super::play::{Played, play};
use crate::model::{Case, Handshake, Level, Need, Runs, Side, Step};
use crate::reach::PluginLimits;
use crate::trial::Trial;
use crate::value::Scope;
use crate::verdict::{Failure, Kind, Passed, Stop};

/// Which requirements bind a plugin (the two classes of `protocol/SPEC.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// All of them.
    Full,
    /// Those marked † are SHOULD.
    Minimal,
}

/// What is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// The fixture plugin: everything.
    Fixture,
    /// Any plugin: what needs no fixture.
    BlackBox,
}

/// How long things are waited for. They only matter where something fails.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadlines {
    /// What a step waits for.
    pub(crate) step: Duration,
    /// The end of the process, after its input ended: 2 s of its own, and what this machine needs.
    pub(crate) exit: Duration,
    /// What this machine needs beside a time that a requirement names: little, since the best of several runs counts.
    pub(crate) beside: Duration,
}

impl Deadlines {
    /// From how long a start took. A slow start means a slow language, or a machine that is busy.
    fn after(start: Duration) -> Self {
        let slack = (start * 20).clamp(Duration::from_secs(2), Duration::from_secs(60));
        let beside = (start * 2).clamp(Duration::from_millis(250), Duration::from_secs(60));
        Self { step: Duration::from_secs(3) + slack, exit: Duration::from_secs(3) + slack, beside }
    }
}

/// The plugin under test, and what it declares.
#[derive(Clone)]
pub struct Target {
    pub(crate) command: Command,
    /// Its name and version.
    pub name: String,
    /// Which requirements bind it.
    pub class: Class,
    /// What is tested.
    pub profile: Profile,
    pub(crate) manifest: Value,
    pub(crate) limits: PluginLimits,
    pub(crate) capabilities: Vec<String>,
    pub(crate) config: Option<Value>,
    pub(crate) deadlines: Deadlines,
    pub(crate) scope: Scope,
    /// How long it took to start and shake hands.
    pub start: Duration,
    has_example: bool,
}

/// The callbacks that the runner serves for the fixture, by its cases.
const CALLBACKS: [&str; 3] = ["conf_host.echo", "conf_host.fail", "conf_host.call"];

/// Starts a plugin once and sees what it declares.
///
/// # Errors
/// A failure of the plugin to start, shake hands, describe itself or end; or one of the suite.
pub fn probe(command: &Command, config: Option<Value>, wanted: Option<Profile>) -> Result<Target, Stop> {
    let mut target = unknown(command.clone(), config);
    let began = std::time::Instant::now();
    let trial = Trial { case: Arc::new(first_case()?), variant: None };
    let Played { stopped, scope, shook_hands, .. } = play(&trial, &target);
    if let Some(stop) = stopped {
        return Err(stop);
    }
    target.start = shook_hands.unwrap_or_else(|| began.elapsed());
    target.deadlines = Deadlines::after(target.start);
    let named = |name: &str| scope.expand(&json!({ "$ref": name })).unwrap_or_default();
    let (initialized, manifest) = (named("initialize"), named("manifest"));
    target.learn(&initialized, manifest);
    let fixture = provides(&target.manifest, "conf") || provides(&initialized, "conf");
    target.profile = match (wanted, fixture) {
        (Some(Profile::Fixture), false) => {
            let failure = Failure::new(
                Kind::Start,
                "probe",
                "the fixture plugin: it provides the contract `conf`",
                "a plugin that does not; --profile black-box tests what needs no fixture",
            );
            return Err(failure.into());
        }
        (Some(wanted), _) => wanted,
        (None, true) => Profile::Fixture,
        (None, false) => Profile::BlackBox,
    };
    Ok(target)
}

fn provides(document: &Value, contract: &str) -> bool {
    let provided = document.pointer("/x-plugline/provides").or_else(|| document.get("provides"));
    let provided = provided.and_then(Value::as_array).into_iter().flatten();
    provided.into_iter().any(|provided| provided.get("contract") == Some(&json!(contract)))
}

fn unknown(command: Command, config: Option<Value>) -> Target {
    Target {
        command,
        name: "?".into(),
        class: Class::Minimal,
        profile: Profile::Fixture,
        manifest: Value::Null,
        limits: PluginLimits::of(&Value::Null),
        capabilities: Vec::new(),
        config,
        // Nothing is known of how fast it starts; a Java plugin on a busy machine may take its time.
        deadlines: Deadlines::after(Duration::from_secs(1)),
        scope: Scope::default(),
        start: Duration::ZERO,
        has_example: false,
    }
}

/// What every plugin does, fixture or not.
fn first_case() -> Result<Case, Stop> {
    let steps = json!([
        {"send": {"jsonrpc": "2.0", "id": 1, "method": "rpc.discover"}},
        {"expect": {"id": 1, "result": {"openrpc": {"$any": true}}}, "bind": {"manifest": "/result"}},
        {"fence": true},
    ]);
    let steps: Vec<Step> = serde_json::from_value(steps).map_err(|fault| Stop::Harness(fault.to_string()))?;
    Ok(Case {
        id: "probe".into(),
        title: "it starts, shakes hands, describes itself, answers a ping and ends".into(),
        level: Level::Must,
        spec: ["LIFE-4", "LIFE-11", "LIFE-12", "LIFE-33", "LIFE-45"].map(str::to_owned).to_vec(),
        since: "1.0".into(),
        side: Side::Plugin,
        needs: Vec::new(),
        hint: Some("it must answer rpc.initialize, rpc.discover and rpc.ping on standard output, each on a line of its own, flush, and exit with 0 at the end of its input. A config that it needs is given with --config".into()),
        handshake: Handshake::Default,
        allows: Vec::new(),
        runs: Runs::Beside,
        steps,
        variants: std::collections::BTreeMap::new(),
        kills: Vec::new(),
    })
}

impl Target {
    /// What it answered to `rpc.discover`.
    #[must_use]
    pub fn manifest(&self) -> &Value {
        &self.manifest
    }

    /// The same plugin with another variable in its environment.
    #[must_use]
    pub fn with_env(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.command.env.insert(name.into(), value.into());
        other
    }

    /// All that passes in one trial.
    #[must_use]
    pub fn transcript(&self, trial: &Trial) -> Vec<Passed> {
        play(trial, self).transcript
    }

    /// The params of `rpc.initialize`, where a case does not say otherwise.
    pub(crate) fn initialize_params(&self) -> Map<String, Value> {
        let mut capabilities = json!({"progress": {}, "log": {}, "streams": {}});
        if self.profile == Profile::Fixture {
            capabilities["callbacks"] = json!({"methods": CALLBACKS});
        }
        let params = json!({
            "protocolVersions": [1],
            "host": {"name": "plugline-conformance", "version": env!("CARGO_PKG_VERSION")},
            "instance": "conformance",
            "capabilities": capabilities,
        });
        let Value::Object(mut params) = params else { unreachable!("an object was just built") };
        if let Some(config) = &self.config {
            params.insert("config".into(), config.clone());
        }
        params
    }

    fn learn(&mut self, initialized: &Value, manifest: Value) {
        let text =
            |pointer: &str| initialized.pointer(pointer).and_then(Value::as_str).unwrap_or("?").to_owned();
        self.name =
            plugline_host::escape(format!("{} {}", text("/plugin/name"), text("/plugin/version")).as_bytes());
        self.limits = PluginLimits::of(initialized.get("limits").unwrap_or(&Value::Null));
        let capabilities = initialized.get("capabilities").cloned().unwrap_or(json!({}));
        self.capabilities =
            capabilities.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        self.class = if self.capabilities.is_empty() && self.limits.in_flight == 1 {
            Class::Minimal
        } else {
            Class::Full
        };
        let scope = &mut self.scope;
        scope.set("limits.maxLineBytes", self.limits.line_bytes.into());
        scope.set("limits.maxInFlight", self.limits.in_flight.into());
        scope.set("limits.maxDepth", self.limits.depth.into());
        scope.set("limits.streamWindowBytes", self.limits.stream_window_bytes.into());
        scope.set("capabilities", capabilities);
        scope.set("initialize", initialized.clone());
        scope.set("config", self.config.clone().unwrap_or(json!({})));
        if let Some((method, params, result)) = example(&manifest) {
            scope.set("example.method", method);
            scope.set("example.params", params);
            scope.set("example.result", result);
            self.has_example = true;
        }
        scope.set("manifest", manifest.clone());
        self.manifest = manifest;
    }

    /// The first need of a trial that it does not declare, or limit that cannot be reached.
    pub(crate) fn missing(&self, trial: &Trial) -> Option<&'static str> {
        self.undeclared(&trial.needs()).or_else(|| self.limits.out_of_reach(trial, &trial.scope(self)))
    }

    fn undeclared(&self, needs: &[Need]) -> Option<&'static str> {
        let declares = |name: &str| self.capabilities.iter().any(|capability| capability == name);
        needs.iter().find_map(|need| {
            let (there, name) = match need {
                Need::Fixture => (self.profile == Profile::Fixture, "fixture"),
                Need::Full => (self.class == Class::Full, "a full plugin"),
                Need::Cancel => (declares("cancel"), "cancel"),
                Need::Progress => (declares("progress"), "progress"),
                Need::Log => (declares("log"), "log"),
                Need::Streams => (declares("streams"), "streams"),
                Need::Callbacks => (declares("callbacks"), "callbacks"),
                Need::Concurrent => (self.limits.in_flight > 1, "maxInFlight above 1"),
                Need::Example => (self.has_example, "an example"),
                Need::Restart => (false, "restart"),
                Need::Notifications | Need::Guard | Need::Strict | Need::Linux => (false, "a host"),
            };
            (!there).then_some(name)
        })
    }
}

/// The first example of a request without streams that has a result.
fn example(manifest: &Value) -> Option<(Value, Value, Value)> {
    let methods = manifest.get("methods")?.as_array()?;
    methods.iter().find_map(|method| {
        let own = method.get("x-plugline");
        let streams = own.is_some_and(|own| own.get("output").is_some() || own.get("input").is_some());
        if streams || method.get("result").is_none() {
            return None;
        }
        let pairing = method.get("examples")?.get(0)?;
        let result = pairing.pointer("/result/value")?.clone();
        let params = pairing.get("params")?.as_array()?.iter();
        let params: Map<String, Value> = params
            .map(|param| Some((param.get("name")?.as_str()?.to_owned(), param.get("value")?.clone())))
            .collect::<Option<_>>()?;
        Some((method.get("name")?.clone(), params.into(), result))
    })
}
