//! What comes before a case's first step: a plugin is launched and shakes hands.

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::claim::{self, Which};
use super::play::{PUPPET, Player, failure};
use super::stage::Stage;
use crate::json::{Json, MAX_DEPTH};
use crate::matcher::short;
use crate::model::Handshake;
use crate::session::quoted;
use crate::value::Scope;
use crate::verdict::{Kind, Stop};

/// Long enough that a correct host on a busy machine never runs into one.
const PATIENT: u64 = 60_000;

/// What a plugin of the suite answers to `rpc.initialize`.
fn answer() -> Value {
    json!({
        "protocolVersion": 1,
        "plugin": {"name": "puppet", "version": "1.0.0"},
        "provides": [{"contract": "conf", "version": "1.0.0"}],
        "capabilities": {"cancel": {}, "progress": {}, "log": {}, "streams": {}, "callbacks": {}},
    })
}

/// What names stand for when a case begins.
pub(super) fn scope() -> Scope {
    let mut scope = Scope::default();
    scope.set("hello", answer());
    // As the value of a member of params, it makes a message one level deeper than any may be.
    scope.set("deep", (2..MAX_DEPTH).fold(json!([]), |inner, _| json!([inner])));
    for (name, limit) in
        [("maxLineBytes", 16 << 20), ("maxInFlight", 64), ("maxDepth", 16), ("streamWindowBytes", 256 << 10)]
    {
        scope.set(format!("limits.{name}"), limit.into());
    }
    scope
}

/// Launches the plugin and answers the host's `rpc.initialize`, unless the case does that itself.
pub(super) fn before(player: &mut Player<'_>) -> Result<(), Stop> {
    let changes = match &player.trial.case.handshake {
        Handshake::None => return Ok(()),
        Handshake::Default => json!({}),
        Handshake::With(changes) => player.scope.expand(changes)?,
    };
    let until = Instant::now() + player.patience;
    let mut members = changes.get("launch").and_then(Value::as_object).cloned().unwrap_or_default();
    members.insert("cmd".into(), "launch".into());
    let puppet = launch(&player.stage, player.features, &mut members);
    player.stage.command("launch", members.into(), Some(&puppet))?;
    let asked = json!({"method": "rpc.initialize"});
    player.until("the plugin that was launched is asked rpc.initialize", until, |player| {
        if let Some(answer) = player.stage.refused(PUPPET) {
            let got =
                format!("the driver's answer to `launch`: {}", short(&quoted(answer.to_string().as_bytes())));
            return Err(failure(Kind::Start, "a plugin is launched, and asked rpc.initialize", got).into());
        }
        Ok(player.stage.silent
            || player.stage.puppets.get(PUPPET).is_some_and(|puppet| {
                puppet.gone || puppet.ended || puppet.messages.iter().any(|item| !item.claimed)
            }))
    })?;
    let asked = claim::message(player, PUPPET, &asked, Which::Next, until)?;
    learn(player, &asked);
    let mut result = answer();
    merge(&mut result, changes.get("result").unwrap_or(&Value::Null));
    let id = asked.get("id").map(Json::to_value).unwrap_or_default();
    let message = json!({"jsonrpc": "2.0", "id": id, "result": result});
    player.stage.write(PUPPET, format!("{message}\n").as_bytes())?;
    claim::reply(
        player,
        &json!({"of": "launch", "ok": {"plugin": {"$type": "string"}}}),
        Which::Next,
        until,
    )?;
    Ok(())
}

/// Completes a launch: what the case does not say is patient and has all callbacks. Says for which puppet it is.
pub(super) fn launch(stage: &Stage, features: &[String], members: &mut Map<String, Value>) -> String {
    let puppet = match members.remove("puppet") {
        Some(Value::String(puppet)) => puppet,
        _ => PUPPET.to_owned(),
    };
    members.entry("argv").or_insert_with(|| stage.argv(&puppet));
    let mut timeouts = json!({
        "start_ms": PATIENT, "grace_ms": PATIENT, "exit_ms": PATIENT, "term_ms": PATIENT, "unhealthy_ms": PATIENT,
    });
    merge(&mut timeouts, members.get("timeouts").unwrap_or(&Value::Null));
    members.insert("timeouts".into(), timeouts);
    let has = |feature: &str| features.iter().any(|known| known == feature);
    let mut callbacks = Vec::new();
    if has("callbacks") {
        callbacks.extend(["conf_host.echo", "conf_host.fail", "conf_host.call", "conf_host.panic"]);
    }
    if has("notifications") {
        callbacks.extend(["conf_host.note", "conf_host.notes"]);
    }
    members.entry("callbacks").or_insert_with(|| callbacks.into());
    puppet
}

/// What the host accepts, for later steps.
pub(super) fn learn(player: &mut Player<'_>, message: &Json) {
    if message.get("method").and_then(Json::as_str) != Some("rpc.initialize") {
        return;
    }
    let limits = message.pointer("/params/limits").map(Json::to_value);
    for (name, limit) in limits.as_ref().and_then(Value::as_object).into_iter().flatten() {
        player.scope.set(format!("limits.{name}"), limit.clone());
    }
}

/// Members of `changes` in place of those of `value`, objects likewise; `null` takes one away.
fn merge(value: &mut Value, changes: &Value) {
    let Some(changes) = changes.as_object() else { return };
    for (name, change) in changes {
        match (change, value.get_mut(name)) {
            (Value::Null, _) => {
                value.as_object_mut().map(|members| members.remove(name));
            }
            (Value::Object(_), Some(member @ Value::Object(_))) => merge(member, change),
            _ => value[name.as_str()] = change.clone(),
        }
    }
}
