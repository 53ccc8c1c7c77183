//! One case against one host: each step in turn, then the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::finish::{DriverLife, finish};
use super::stage::{Came, Item, Pings, Stage, Trouble};
use super::target::Target;
use super::{claim, handshake};
use crate::json::Json;
use crate::matcher::{Unmatched, is_forbidden, matches, short};
use crate::model::{Action, Credit, Feed, Repeat, Step, Take};
use crate::session::quoted;
use crate::trial::Trial;
use crate::value::{Scope, line};
use crate::verdict::{Failure, Kind, Passed, Stop, Way};

/// The plugin of a case that names none.
pub(super) const PUPPET: &str = "p";

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Wrong { puppet, wrong } => {
                let want = format!("every line of a host keeps {}", wrong.spec);
                let mut failure = failure(Kind::Output, want, format!("to {puppet}: {}", wrong.what));
                failure.rule = Some(wrong.spec.to_owned());
                failure.into()
            }
            Trouble::Garbled { line, fault } => {
                let fault = fault.strip_prefix("not JSON: ").unwrap_or(&fault);
                let got = format!("the driver wrote what is not JSON ({fault}): {}", short(&quoted(&line)));
                failure(Kind::Output, "every line of the driver is JSON", got).into()
            }
            Trouble::NotStarted(fault) => Self::Harness(format!("the driver cannot be started: {fault}")),
            Trouble::Harness(what) => Self::Harness(what),
        }
    }
}

/// How a host failed; the step is filled in where it is known.
pub(super) fn failure(kind: Kind, want: impl Into<String>, got: impl Into<String>) -> Failure {
    Failure::new(kind, "", want, got)
}

/// What became of a trial, with what passed.
pub(super) struct Played {
    /// How it stopped before its end, if it did.
    pub(super) stopped: Option<Stop>,
    /// What passed.
    pub(super) transcript: Vec<Passed>,
}

/// A case that is being played.
pub(super) struct Player<'a> {
    pub(super) stage: Stage,
    pub(super) scope: Scope,
    pub(super) patience: Duration,
    pub(super) trial: &'a Trial,
    /// What the driver can do.
    pub(super) features: &'a [String],
    /// What must not have come, and until the end must not come: at which step, of which puppet.
    nevers: Vec<(String, String, Value)>,
    /// When something happened, and how much memory the host had then; KiB.
    marks: BTreeMap<String, (Instant, Option<u64>)>,
    /// Which order of which puppet a name stands for.
    orders: BTreeMap<String, u64>,
    last_command: String,
    /// How many pings there were: each has an id of its own.
    pub(super) fences: u64,
    life: DriverLife,
}

/// Carries out one trial.
pub(super) fn play(trial: &Trial, target: &Target) -> Played {
    let stage = Stage::open(&target.command, target.puppet.clone(), trial.allows().to_vec());
    let stage = match stage {
        Ok(stage) => stage,
        Err(trouble) => return Played { stopped: Some(trouble.into()), transcript: Vec::new() },
    };
    let mut player = Player {
        stage,
        scope: handshake::scope(),
        patience: target.patience,
        trial,
        features: &target.features,
        nevers: Vec::new(),
        marks: BTreeMap::new(),
        orders: BTreeMap::new(),
        last_command: String::new(),
        fences: 0,
        life: DriverLife::Running,
    };
    for (name, value) in trial.with() {
        player.scope.set(name, value);
    }
    let mut stopped = player.carry_out().err();
    let Player { stage, .. } = player;
    let stderr = stage.driver.tail();
    if let Some(Stop::Failed(failure)) = &mut stopped {
        let sent = stage.transcript.iter().rfind(|passed| passed.way == Way::Sent);
        failure.sent = sent.map(|passed| passed.text.clone());
        failure.hint = trial.hint().map(str::to_owned);
        failure.transcript.clone_from(&stage.transcript);
        failure.stderr = stderr;
    }
    Played { stopped, transcript: stage.transcript }
}

impl Player<'_> {
    fn carry_out(&mut self) -> Result<(), Stop> {
        // Where the host does not even start a plugin as it must, the case says nothing about its own matter.
        handshake::before(self).map_err(|stop| at("handshake", stop, Some(Kind::Start)))?;
        let trial = self.trial;
        self.steps(&trial.case.steps, "")?;
        finish(&mut self.stage, self.life, self.patience, trial.allows())
            .map_err(|stop| at("end", stop, None))?;
        self.nevers()
    }

    fn steps(&mut self, steps: &[Step], within: &str) -> Result<(), Stop> {
        for (number, step) in steps.iter().enumerate() {
            let note = step.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
            let label = format!("{within}{} {}{note}", number + 1, step.action.name());
            self.step(step, &label).map_err(|stop| at(&label, stop, None))?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, label: &str) -> Result<(), Stop> {
        self.name_puppets();
        let at = step.at.clone().unwrap_or_else(|| PUPPET.to_owned());
        let until = Instant::now() + step.within_ms.map_or(self.patience, Duration::from_millis);
        match &step.action {
            Action::Send(message) => {
                let length = step.length.as_ref().map(|length| self.scope.times(length)).transpose()?;
                let mut bytes = line(&self.scope.expand(message)?, length)?;
                bytes.push(b'\n');
                self.stage.write(&at, &bytes)?;
            }
            Action::Line(bytes) => {
                let mut bytes = self.scope.bytes(bytes)?;
                bytes.push(b'\n');
                self.stage.write(&at, &bytes)?;
            }
            Action::Bytes(bytes) => {
                let bytes = self.scope.bytes(bytes)?;
                self.stage.write(&at, &bytes)?;
            }
            Action::Chunks(chunks) => {
                for chunk in chunks {
                    let bytes = self.scope.bytes(chunk)?;
                    self.stage.write(&at, &bytes)?;
                    // An order that is done after the write, so that the next is a write of its own.
                    self.done(&at, json!({"do": "flood", "text": "", "times": 0}), until)?;
                }
            }
            Action::Expect(pattern) => {
                let pattern = self.scope.expand(pattern)?;
                let message = claim::message(self, &at, &pattern, claim::Which::Next, until)?;
                self.took(step, &message)?;
            }
            Action::Await(pattern) => {
                let pattern = self.scope.expand(pattern)?;
                if let Some(reply) = pattern.get("reply") {
                    let reply = claim::reply(self, reply, claim::Which::Any, until)?;
                    return self.took(step, &reply);
                }
                let message = claim::message(self, &at, &pattern, claim::Which::Any, until)?;
                self.took(step, &message)?;
            }
            Action::AnyOrder(patterns) => {
                for pattern in patterns {
                    let pattern = self.scope.expand(pattern)?;
                    claim::message(self, &at, &pattern, claim::Which::Any, until)?;
                }
            }
            Action::Never(pattern) => {
                let pattern = self.scope.expand(pattern)?;
                self.nevers.push((label.to_owned(), at, pattern));
            }
            Action::Fence | Action::Alive => claim::ping(self, &at, until)?,
            Action::Take(take) => self.take(&at, take, until)?,
            Action::Feed(feed) => self.feed(&at, feed, until)?,
            Action::Spent(id) => {
                let id = self.scope.expand(id)?;
                let what = format!("the call {id} sends input until its credit is used up");
                self.until(&what, until, |player| {
                    Ok(player.stage.puppet(&at)?.judge.input_credit(&id).is_some_and(|credit| credit <= 0))
                })?;
            }
            Action::CloseStdin => {
                self.stage.driver.close_stdin();
                self.life = DriverLife::Over;
            }
            Action::CloseStdout => self.done(&at, json!({"do": "close_stdout"}), until)?,
            Action::Signal(name) => {
                let signal = match name.as_str() {
                    "KILL" => rustix::process::Signal::KILL,
                    "TERM" => rustix::process::Signal::TERM,
                    "INT" => rustix::process::Signal::INT,
                    other => return Err(Stop::Harness(format!("{other}: no such signal"))),
                };
                let sent = self.stage.driver.signal(signal);
                sent.map_err(|fault| Trouble::harness("the driver cannot be signalled", fault))?;
                self.life = DriverLife::Over;
            }
            Action::Exits(exits) => self.exits(exits, until)?,
            Action::PauseReader => self.done(&at, json!({"do": "pause"}), until)?,
            Action::ResumeReader => self.done(&at, json!({"do": "resume"}), until)?,
            Action::Repeat(repeat) => self.repeat(repeat, label)?,
            Action::Parallel(_) => {
                return Err(Stop::Harness("`parallel` is not for hosts: the driver never waits".into()));
            }
            Action::Driver(command) => self.command(command)?,
            Action::Reply(pattern) => {
                let pattern = self.scope.expand(pattern)?;
                let reply = claim::reply(self, &pattern, claim::Which::Next, until)?;
                self.took(step, &reply)?;
            }
            Action::Event(pattern) => {
                let mut pattern = self.scope.expand(pattern)?;
                self.name_plugin(&mut pattern);
                let event = claim::event(self, &pattern, until)?;
                self.took(step, &event)?;
            }
            Action::Puppet(order) => self.order(&at, order, until)?,
            Action::Report(pattern) => {
                let pattern = self.scope.expand(pattern)?;
                let report = claim::report(self, &at, &pattern, until)?;
                self.took(step, &report)?;
            }
        }
        Ok(())
    }

    /// What later steps may refer to.
    fn name_puppets(&mut self) {
        for (name, puppet) in &self.stage.puppets {
            self.scope.set(format!("{name}.pid"), puppet.facts["pid"].clone());
            self.scope.set(format!("{name}.host"), puppet.facts["ppid"].clone());
        }
    }

    fn took(&mut self, step: &Step, message: &Json) -> Result<(), Stop> {
        handshake::learn(self, message);
        for (name, pointer) in &step.bind {
            let value = message.pointer(pointer);
            let value = value.ok_or_else(|| {
                failure(Kind::WrongMessage, format!("something at {pointer}"), message.to_string())
            })?;
            self.scope.set(name.clone(), value.to_value());
        }
        Ok(())
    }

    /// Takes things in until something is so.
    pub(super) fn until(
        &mut self,
        what: &str,
        until: Instant,
        mut so: impl FnMut(&mut Self) -> Result<bool, Stop>,
    ) -> Result<(), Stop> {
        while !so(self)? {
            if self.stage.pump(until)? == Came::Nothing {
                return Err(failure(Kind::NoMessage, what, "nothing, until the time was over").into());
            }
        }
        Ok(())
    }

    /// Has a puppet do something, and waits until it has.
    fn done(&mut self, at: &str, order: Value, until: Instant) -> Result<(), Stop> {
        let seq = self.stage.order(at, order)?;
        self.until("the puppet does as it is told", until, |player| {
            let puppet = player.stage.puppet(at)?;
            let done = puppet
                .reports
                .iter_mut()
                .find(|report| report.json.get("done").map(Json::to_value) == Some(seq.into()));
            if let Some(report) = done {
                report.claimed = true;
                return match report.json.get("error") {
                    Some(error) => Err(Stop::Harness(format!("the puppet cannot do it: {error}"))),
                    None => Ok(true),
                };
            }
            if puppet.gone {
                let got = format!("the process of {at} is gone");
                return Err(failure(Kind::Forbidden, "a plugin that lives", got).into());
            }
            Ok(false)
        })
    }

    fn order(&mut self, at: &str, order: &Value, until: Instant) -> Result<(), Stop> {
        let mut order = self.scope.expand(order)?;
        if let Some(Value::String(mark)) = order.get("mark") {
            let mark = mark.clone();
            let memory = self.memory();
            self.marks.insert(mark, (Instant::now(), memory));
            return Ok(());
        }
        if let Some(text) = order.get("text").filter(|text| text.is_array()).cloned() {
            // A long one, in pieces.
            let pieces = serde_json::from_value(text).map_err(|fault| Stop::Harness(fault.to_string()))?;
            order["text"] = String::from_utf8_lossy(&self.scope.bytes(&pieces)?).into();
        }
        if let Some(Value::String(text)) = order.get("stderr") {
            self.stage.complain(at, &text.clone())?;
            return Ok(());
        }
        if let Some(pattern) = order.get("none_yet") {
            let come = self.stage.puppet(at)?.messages.iter().filter(|item| !item.claimed);
            for message in come.map(|item| &item.json) {
                if is_forbidden(pattern, message).map_err(Stop::Harness)? {
                    let want = format!("no {pattern} yet");
                    return Err(failure(Kind::Forbidden, want, message.to_string()).into());
                }
            }
            return Ok(());
        }
        if order.get("pings") == Some(&json!("left")) {
            self.stage.puppet(at)?.pings = Pings::Left;
            return Ok(());
        }
        let name = order.as_object_mut().and_then(|order| order.remove("as"));
        match order["do"].as_str() {
            Some("exit" | "kill" | "flood") => {
                let seq = self.stage.order(at, order)?;
                if let Some(Value::String(name)) = name {
                    self.orders.insert(name, seq);
                }
                Ok(())
            }
            Some("spawn") => {
                let child = format!("{at}.{}", order["name"].as_str().unwrap_or("child"));
                self.done(at, order, until)?;
                self.until(&format!("{child} starts"), until, |player| {
                    Ok(player.stage.puppets.contains_key(&child))
                })
            }
            _ => self.done(at, order, until),
        }
    }

    /// The number of an order that a step gave a name.
    pub(super) fn order_number(&self, name: &str) -> Option<u64> {
        self.orders.get(name).copied()
    }

    /// The number of a command; without a name, of the last.
    pub(super) fn command_number(&self, name: Option<&str>) -> Result<u64, Stop> {
        let name = name.unwrap_or(&self.last_command);
        let number = self.stage.commands.get(name).copied();
        number.ok_or_else(|| Stop::Harness(format!("no command of the case is named {name:?}")))
    }

    /// Says something is too early, or nothing.
    pub(super) fn not_before(&self, after: &Value, at: Instant) -> Result<(), Stop> {
        let mark = after["mark"].as_str().unwrap_or_default();
        let Some((since, _)) = self.marks.get(mark) else {
            return Err(Stop::Harness(format!("no mark is named {mark:?}")));
        };
        let least = Duration::from_millis(after["ms"].as_u64().unwrap_or_default());
        let passed = at.checked_duration_since(*since);
        if passed.is_none_or(|passed| passed < least) {
            let got = format!("it came after {} ms", passed.unwrap_or_default().as_millis());
            return Err(failure(Kind::Forbidden, format!("not before {} ms", least.as_millis()), got).into());
        }
        Ok(())
    }

    /// What the host's process holds in memory; KiB. Nothing where the system does not say.
    fn memory(&self) -> Option<u64> {
        let host = &self.stage.puppets.get(PUPPET)?.facts["ppid"];
        let status = std::fs::read_to_string(format!("/proc/{host}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    fn command(&mut self, command: &Value) -> Result<(), Stop> {
        let mut command = self.scope.expand(command)?;
        if let Some(bound) = command.get("memory") {
            return self.bounded(&bound.clone());
        }
        if let Some(pattern) = command.get("counted") {
            return self.counted(pattern, command["at_most"].as_u64().unwrap_or_default());
        }
        let members =
            command.as_object_mut().ok_or_else(|| Stop::Harness("a command is an object".into()))?;
        let cmd = members.get("cmd").and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = match members.remove("as") {
            Some(Value::String(name)) => name,
            _ => cmd.clone(),
        };
        let mut puppet = None;
        match cmd.as_str() {
            "hello" | "bye" => {}
            "launch" => puppet = Some(handshake::launch(&self.stage, self.features, members)),
            "cancel" | "take" | "input" | "input_end" => {
                let call = members.get("call").and_then(Value::as_str).map(str::to_owned);
                members.insert("call".into(), self.command_number(call.as_deref())?.into());
            }
            _ => {
                let plugin = members.get("plugin").and_then(Value::as_str).unwrap_or(PUPPET);
                let known = self.stage.plugins.get(plugin).cloned();
                let known = known.ok_or_else(|| Stop::Harness(format!("{plugin}: not launched")))?;
                members.insert("plugin".into(), known.into());
            }
        }
        self.last_command.clone_from(&name);
        self.stage.command(&name, command, puppet.as_deref())?;
        if cmd == "bye" {
            self.life = DriverLife::Over;
        }
        Ok(())
    }

    fn bounded(&mut self, bound: &Value) -> Result<(), Stop> {
        let mark = bound["since"].as_str().unwrap_or_default();
        let most = bound["at_most_mib"].as_u64().unwrap_or_default() * 1024;
        let (Some(now), Some((_, Some(before)))) = (self.memory(), self.marks.get(mark)) else {
            return Ok(()); // The system does not say.
        };
        let grown = now.saturating_sub(*before);
        if grown > most {
            let got = format!("it grew by {} MiB", grown / 1024);
            return Err(failure(Kind::Forbidden, format!("at most {} MiB more", most / 1024), got).into());
        }
        Ok(())
    }

    /// So many events at most have come by now.
    fn counted(&self, pattern: &Value, most: u64) -> Result<(), Stop> {
        let count =
            self.stage.events.iter().filter(|event| matches(pattern, &event.json).is_ok()).count() as u64;
        if count > most {
            let want = format!("at most {most} of {pattern}");
            return Err(failure(Kind::Forbidden, want, format!("{count} came")).into());
        }
        Ok(())
    }

    /// What cases call a plugin, the driver has a name for.
    fn name_plugin(&self, event: &mut Value) {
        let own = event.get("plugin").and_then(Value::as_str).and_then(|name| self.stage.plugins.get(name));
        if let Some(own) = own.cloned() {
            event["plugin"] = own.into();
        }
    }

    fn repeat(&mut self, repeat: &Repeat, label: &str) -> Result<(), Stop> {
        let times = self.scope.times(&repeat.times)?;
        for round in 0..i64::try_from(times).unwrap_or(i64::MAX) {
            self.scope.set(repeat.r#as.clone(), (repeat.from + round).into());
            self.steps(&repeat.steps, &format!("{}.", label.split(' ').next().unwrap_or_default()))?;
        }
        Ok(())
    }

    fn exits(&mut self, exits: &crate::model::Exits, until: Instant) -> Result<(), Stop> {
        use std::os::unix::process::ExitStatusExt;
        let Some(status) = self.stage.driver_exit(until)? else {
            return Err(failure(Kind::NoMessage, "the driver exits", "it still runs").into());
        };
        self.life = DriverLife::Over;
        let wanted = match &exits.signal {
            Some(signal) => json!({"signal": if signal == "KILL" { 9 } else { 15 }}),
            None => json!({"code": exits.code.clone().unwrap_or_else(|| 0.into())}),
        };
        let got = json!({"code": status.code(), "signal": status.signal()});
        let read = Json::read(got.to_string().as_bytes()).expect("it was made of JSON");
        match matches(&self.scope.expand(&wanted)?, &read) {
            Ok(()) => Ok(()),
            Err(_) => Err(failure(Kind::WrongMessage, wanted.to_string(), got.to_string()).into()),
        }
    }

    /// Items of a call's input, as the host sends them.
    fn take(&mut self, at: &str, take: &Take, until: Instant) -> Result<(), Stop> {
        let (id, wanted) = (self.scope.expand(&take.id)?, self.scope.expand(&take.items)?);
        let enough = wanted.as_array().map_or(0, Vec::len);
        let pattern = json!({"method": "rpc.input", "params": {"id": id}});
        let (mut items, mut owed) = (Vec::new(), 0);
        while items.len() < enough {
            let (message, size) = claim::sized(self, at, &pattern, claim::Which::Next, until)?;
            items.extend(
                message
                    .pointer("/params/items")
                    .map(Json::to_value)
                    .and_then(|items| match items {
                        Value::Array(items) => Some(items),
                        _ => None,
                    })
                    .unwrap_or_default(),
            );
            owed += size;
            if take.credit == Credit::Each || (take.credit == Credit::Half && items.len() == enough) {
                let credit = json!({"id": id, "bytes": owed});
                let message = json!({"jsonrpc": "2.0", "method": "rpc.inputCredit", "params": credit});
                self.stage.write(at, format!("{message}\n").as_bytes())?;
                owed = 0;
            }
        }
        let got = Json::read(Value::from(items).to_string().as_bytes());
        let got = got.map_err(|fault| Stop::Harness(fault.to_string()))?;
        matches(&wanted, &got).map_err(|unmatched| differs(unmatched, &wanted, &got))
    }

    /// Items of a call's output, as far as the host gives credit.
    fn feed(&mut self, at: &str, feed: &Feed, until: Instant) -> Result<(), Stop> {
        let (id, items) = (self.scope.expand(&feed.id)?, self.scope.expand(&feed.items)?);
        let items = items.as_array().cloned().unwrap_or_default();
        for items in items.chunks(feed.per_line.max(1)) {
            self.until("credit for the output", until, |player| {
                Ok(player.stage.puppet(at)?.judge.output_credit(&id).is_none_or(|credit| credit > 0))
            })?;
            let message =
                json!({"jsonrpc": "2.0", "method": "rpc.output", "params": {"id": id, "items": items}});
            self.stage.write(at, format!("{message}\n").as_bytes())?;
        }
        Ok(())
    }

    fn nevers(&mut self) -> Result<(), Stop> {
        let nevers = std::mem::take(&mut self.nevers);
        for (label, at, mut pattern) in nevers {
            let of_driver = pattern.get_mut("reply").and_then(Value::as_object_mut);
            if let Some(reply) = of_driver
                && let Some(Value::String(of)) = reply.remove("of")
            {
                let seq = self.stage.commands.get(&of).copied();
                reply.insert("seq".into(), seq.into());
            }
            let (items, pattern): (&[Item], &Value) = match pattern.as_object().and_then(only) {
                Some(("reply", pattern)) => (&self.stage.replies, pattern),
                Some(("event", pattern)) => (&self.stage.events, pattern),
                Some(("report", pattern)) => {
                    (self.stage.puppets.get(&at).map_or(&[], |it| &it.reports), pattern)
                }
                _ => (self.stage.puppets.get(&at).map_or(&[], |it| &it.messages), &pattern),
            };
            for item in items.iter().filter(|item| !item.claimed) {
                if is_forbidden(pattern, &item.json).map_err(Stop::Harness)? {
                    let mut failed =
                        failure(Kind::Forbidden, format!("never {pattern}"), item.json.to_string());
                    failed.step = label;
                    return Err(failed.into());
                }
            }
        }
        Ok(())
    }
}

fn only(members: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, value) = members.iter().next()?;
    (members.len() == 1).then_some((name.as_str(), value))
}

/// The step at which it stopped, where that is not known yet; and the kind of failure, where all are one there.
fn at(label: &str, stop: Stop, kind: Option<Kind>) -> Stop {
    match stop {
        Stop::Failed(mut failure) => {
            if failure.step.is_empty() {
                label.clone_into(&mut failure.step);
            }
            failure.kind = kind.unwrap_or(failure.kind);
            Stop::Failed(failure)
        }
        harness => harness,
    }
}

/// A failure of a step that wanted something else.
pub(super) fn differs(unmatched: Unmatched, pattern: &Value, got: &Json) -> Stop {
    match unmatched {
        Unmatched::Malformed(what) => Stop::Harness(format!("the case has a malformed pattern: {what}")),
        Unmatched::Differs(at) => failure(
            Kind::WrongMessage,
            pattern.to_string(),
            format!("{got}, which at {:?} has {} in place of {}", at.path, at.got, at.want),
        )
        .into(),
    }
}
