//! What steps wait for: messages of the host, answers and events of the driver, reports of a puppet. Each claims one,
//! and says at once where the next of its subject is another.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::play::{Player, differs, failure};
use super::stage::{Came, Item};
use crate::json::Json;
use crate::matcher::{Unmatched, is_small_talk, matches, short};
use crate::session::quoted;
use crate::verdict::{Kind, Stop};

/// Between two looks at whether a process was reaped.
const LOOK: Duration = Duration::from_millis(5);

/// Which message of the subject it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// The next must match.
    Next,
    /// Those before it are passed over.
    Any,
}

/// Which messages a pattern is about: see `cases/README.md`.
fn is_subject(pattern: &Value, message: &Json) -> bool {
    if let Some(method) = pattern.get("method").and_then(Value::as_str) {
        let same = message.get("method").and_then(Json::as_str) == Some(method);
        let id = pattern.pointer("/params/id").filter(|id| !id.is_object());
        let about = message.pointer("/params/id").map(Json::to_string);
        return same && id.is_none_or(|id| about == Some(id.to_string()));
    }
    match pattern.get("id").filter(|id| !id.is_object()) {
        Some(id) => {
            message.get("method").is_none() && message.get("id").map(Json::to_string) == Some(id.to_string())
        }
        None => !is_small_talk(message),
    }
}

/// The first unclaimed item that is wanted, or why none can be.
fn pick(
    items: &mut [Item],
    which: Which,
    pattern: &Value,
    subject: impl Fn(&Json) -> bool,
) -> Result<Option<(Json, usize, Instant)>, Stop> {
    for item in items.iter_mut().filter(|item| !item.claimed && subject(&item.json)) {
        match matches(pattern, &item.json) {
            Ok(()) => {
                item.claimed = true;
                return Ok(Some((item.json.clone(), item.size, item.at)));
            }
            Err(Unmatched::Differs(_)) if which == Which::Any => {}
            Err(unmatched) => return Err(differs(unmatched, pattern, &item.json)),
        }
    }
    Ok(None)
}

fn missing(pattern: &Value, got: &str) -> Stop {
    failure(Kind::NoMessage, pattern.to_string(), got).into()
}

fn ended(pattern: &Value) -> Stop {
    failure(Kind::Ended, pattern.to_string(), "the driver has ended").into()
}

/// A message of the host.
pub(super) fn message(
    player: &mut Player<'_>,
    at: &str,
    pattern: &Value,
    which: Which,
    until: Instant,
) -> Result<Json, Stop> {
    sized(player, at, pattern, which, until).map(|(message, _)| message)
}

/// The same, with the length of its line.
pub(super) fn sized(
    player: &mut Player<'_>,
    at: &str,
    pattern: &Value,
    which: Which,
    until: Instant,
) -> Result<(Json, usize), Stop> {
    loop {
        if let Some(puppet) = player.stage.puppets.get_mut(at) {
            let subject = |message: &Json| is_subject(pattern, message);
            if let Some((message, size, _)) = pick(&mut puppet.messages, which, pattern, subject)? {
                return Ok((message, size));
            }
            if puppet.gone || puppet.ended {
                return Err(missing(pattern, "the host has closed the plugin's standard input, or ended it"));
            }
        }
        if player.stage.silent {
            return Err(ended(pattern));
        }
        if player.stage.pump(until)? == Came::Nothing {
            let items = player.stage.puppets.get(at).map_or(&[][..], |puppet| &puppet.messages);
            let others = passed_over(items, |message| is_subject(pattern, message));
            return Err(missing(pattern, &format!("nothing of the kind, until the time was over{others}")));
        }
    }
}

/// What came of the subject that was waited for, and was not it: the last of it.
fn passed_over(items: &[Item], subject: impl Fn(&Json) -> bool) -> String {
    let last = items.iter().rfind(|item| !item.claimed && subject(&item.json));
    last.map_or(String::new(), |item| {
        format!("; of its subject came: {}", short(&quoted(item.json.to_string().as_bytes())))
    })
}

/// `rpc.ping` from plugin to host, there and back.
pub(super) fn ping(player: &mut Player<'_>, at: &str, until: Instant) -> Result<(), Stop> {
    player.fences += 1;
    let number = format!("fence-{}", player.fences);
    let ping = json!({"jsonrpc": "2.0", "id": number, "method": "rpc.ping"});
    player.stage.write(at, format!("{ping}\n").as_bytes())?;
    message(player, at, &json!({"id": number, "result": {}}), Which::Next, until).map(drop)
}

/// An answer of the driver: `of` names the command, `after` says since when it may come.
pub(super) fn reply(
    player: &mut Player<'_>,
    pattern: &Value,
    which: Which,
    until: Instant,
) -> Result<Json, Stop> {
    let mut pattern = pattern.clone();
    let members = pattern.as_object_mut().ok_or_else(|| Stop::Harness("a reply is an object".into()))?;
    let (of, after) = (members.remove("of"), members.remove("after"));
    let seq = player.command_number(of.as_ref().and_then(Value::as_str))?;
    let subject = |line: &Json| line.get("seq").map(Json::to_value) == Some(seq.into());
    loop {
        if let Some((reply, _, at)) = pick(&mut player.stage.replies, which, &pattern, subject)? {
            after.map_or(Ok(()), |after| player.not_before(&after, at))?;
            return Ok(reply);
        }
        if player.stage.silent {
            return Err(ended(&pattern));
        }
        if player.stage.pump(until)? == Came::Nothing {
            let others = passed_over(&player.stage.replies, subject);
            return Err(missing(
                &pattern,
                &format!("no such answer of the driver, until the time was over{others}"),
            ));
        }
    }
}

/// An event of the driver: the next of that name, and of that source or plugin where the pattern names them.
pub(super) fn event(player: &mut Player<'_>, pattern: &Value, until: Instant) -> Result<Json, Stop> {
    let mut pattern = pattern.clone();
    let after = pattern.as_object_mut().and_then(|members| members.remove("after"));
    let subject = |line: &Json| {
        ["event", "source", "plugin"].iter().all(|name| {
            let wanted = pattern.get(name).filter(|wanted| wanted.is_string());
            wanted.is_none_or(|wanted| line.get(name).map(Json::to_value).as_ref() == Some(wanted))
        })
    };
    loop {
        if let Some((event, _, at)) = pick(&mut player.stage.events, Which::Next, &pattern, subject)? {
            after.map_or(Ok(()), |after| player.not_before(&after, at))?;
            return Ok(event);
        }
        if player.stage.silent {
            return Err(ended(&pattern));
        }
        if player.stage.pump(until)? == Came::Nothing {
            return Err(missing(&pattern, "no such event, until the time was over"));
        }
    }
}

/// A report of a puppet. `facts` and `reaped` are looked at; the others come.
pub(super) fn report(
    player: &mut Player<'_>,
    at: &str,
    pattern: &Value,
    until: Instant,
) -> Result<Json, Stop> {
    let mut pattern = pattern.clone();
    let members = pattern.as_object_mut().ok_or_else(|| Stop::Harness("a report is an object".into()))?;
    let after = members.remove("after");
    if let Some(facts) = members.get("facts").cloned() {
        player.until("the plugin starts", until, |player| Ok(player.stage.puppets.contains_key(at)))?;
        let known = Json::read(player.stage.puppet(at)?.facts.to_string().as_bytes());
        let known = known.map_err(|fault| Stop::Harness(fault.to_string()))?;
        return match matches(&facts, &known) {
            Ok(()) => Ok(known),
            Err(unmatched) => Err(differs(unmatched, &facts, &known)),
        };
    }
    if members.contains_key("reaped") {
        return reaped(player, at, until);
    }
    if let Some(Value::String(name)) = members.get("done") {
        let number = player.order_number(name);
        members.insert(
            "done".into(),
            number.ok_or_else(|| Stop::Harness(format!("{name}: no such order")))?.into(),
        );
    }
    let name =
        ["signal", "eof", "gone", "fault", "done"].into_iter().find(|name| members.contains_key(*name));
    let Some(name) = name else { return Err(Stop::Harness(format!("{pattern} is no report of a puppet"))) };
    let number = pattern.get("done").cloned();
    let subject = |report: &Json| {
        report.get(name).is_some()
            && number
                .as_ref()
                .is_none_or(|number| report.get("done").map(Json::to_value).as_ref() == Some(number))
    };
    loop {
        if let Some(puppet) = player.stage.puppets.get_mut(at) {
            if let Some((report, _, when)) = pick(&mut puppet.reports, Which::Next, &pattern, subject)? {
                after.map_or(Ok(()), |after| player.not_before(&after, when))?;
                return Ok(report);
            }
            if puppet.gone && name != "gone" {
                return Err(missing(&pattern, "the process is gone, and it had not come"));
            }
        }
        if player.stage.pump(until)? == Came::Nothing {
            return Err(missing(&pattern, "no such report, until the time was over"));
        }
    }
}

/// The process is gone and its parent has taken its status: its id is nobody's.
fn reaped(player: &mut Player<'_>, at: &str, until: Instant) -> Result<Json, Stop> {
    let pid = player.stage.puppet(at)?.facts["pid"].as_i64();
    let pid = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
    let pid = pid.ok_or_else(|| Stop::Harness("the puppet has no process id".into()))?;
    while rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH) {
        if Instant::now() >= until {
            let got = if player.stage.puppet(at)?.gone { "it is a zombie" } else { "it still runs" };
            return Err(failure(Kind::Exit, "the plugin's process is gone and reaped", got).into());
        }
        player.stage.pump(Instant::now() + LOOK)?;
    }
    Ok(Json::Null)
}
