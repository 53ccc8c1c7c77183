//! The end of every case: the host is told to stop all, and nothing may be left.
//!
//! The plugins behave now: they read, answer `rpc.shutdown`, heed SIGTERM, and exit when their input ends. What is left
//! after that is the host's doing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::play::failure;
use super::puppet::exit_now;
use super::stage::{Came, Pings, Stage};
use crate::json::Json;
use crate::model::Allowance;
use crate::verdict::{Kind, Stop};

/// Whether the driver is still to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DriverLife {
    Running,
    /// A step has seen it exit, or ended it.
    Over,
}

pub(super) fn finish(
    stage: &mut Stage,
    life: DriverLife,
    patience: Duration,
    allows: &[Allowance],
) -> Result<(), Stop> {
    let until = Instant::now() + patience;
    let names: Vec<String> = stage.puppets.keys().cloned().collect();
    for name in &names {
        if stage.puppet(name)?.gone {
            continue;
        }
        stage.puppet(name)?.pings = Pings::Answered;
        stage.order(name, json!({"do": "heed"}))?;
        stage.order(name, json!({"do": "resume"}))?;
    }
    if life == DriverLife::Running {
        stage.command("bye", json!({"cmd": "bye"}), None)?;
    }
    loop {
        behave(stage)?;
        if stage.silent && stage.puppets.values().all(|puppet| puppet.gone) {
            break;
        }
        if stage.pump(until)? == Came::Nothing {
            break;
        }
    }
    let left: Vec<String> =
        stage.puppets.iter().filter(|(_, puppet)| !puppet.gone).map(|(name, _)| name.clone()).collect();
    for name in &left {
        stage.order(name, exit_now())?;
    }
    if !left.is_empty() {
        return Err(failure(
            Kind::Exit,
            "every plugin is stopped when the host's user is done (HOST-7)",
            format!("the process of {} still runs", left.join(", ")),
        )
        .into());
    }
    if life == DriverLife::Running {
        let bye = stage.commands["bye"];
        let answered = stage.replies.iter().any(|reply| {
            reply.json.get("seq").map(Json::to_value) == Some(bye.into()) && reply.json.get("ok").is_some()
        });
        let status = stage.driver_exit(until)?;
        let well = status.is_some_and(|status| status.success());
        if !(answered && well || allows.contains(&Allowance::AnyExit)) {
            let how =
                status.map_or_else(|| "it still runs".to_owned(), |status| format!("it ended with {status}"));
            let said = if answered { "answered" } else { "did not answer" };
            return Err(failure(
                Kind::Exit,
                "the driver answers `bye` and exits with 0",
                format!("it {said}, and {how}"),
            )
            .into());
        }
    }
    if !allows.contains(&Allowance::Unanswered) {
        answered(stage)?;
    }
    Ok(())
}

/// Every request of the plugin was answered, where the host lived to do so.
fn answered(stage: &Stage) -> Result<(), Stop> {
    for (name, puppet) in &stage.puppets {
        let unanswered: Vec<&String> = puppet.judge.unanswered().collect();
        if let Some(id) = unanswered.first() {
            return Err(failure(
                Kind::Exit,
                "every request gets exactly one response (MSG-23)",
                format!("the request {id} of {name} was never answered"),
            )
            .into());
        }
    }
    Ok(())
}

/// What a plugin does that keeps the specification.
fn behave(stage: &mut Stage) -> Result<(), Stop> {
    let names: Vec<String> = stage.puppets.keys().cloned().collect();
    for name in names {
        let puppet = stage.puppet(&name)?;
        if puppet.gone {
            continue;
        }
        let mut asked: Vec<Value> = Vec::new();
        for message in &mut puppet.messages {
            let shutdown = message.json.get("method").and_then(Json::as_str) == Some("rpc.shutdown");
            if shutdown && !message.claimed {
                message.claimed = true;
                asked.extend(message.json.get("id").map(Json::to_value));
            }
        }
        // A descendant that only holds the pipes does not read, so it ends here.
        let over = puppet.ended || name.contains('.');
        for id in asked {
            let answer = json!({"jsonrpc": "2.0", "id": id, "result": null});
            stage.write(&name, format!("{answer}\n").as_bytes())?;
        }
        if over {
            stage.order(&name, exit_now())?;
            // Once is enough.
            stage.puppet(&name)?.ended = false;
        }
    }
    Ok(())
}
