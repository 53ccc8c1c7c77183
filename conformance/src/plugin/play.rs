//! One trial: a process of its own, the handshake, the steps, the end.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use plugline_host::escape;
use plugline_host::process::{Exit, SpawnError};
use serde_json::{Value, json};

use super::probe::Target;
use super::track::{Advance, Track};
use crate::hygiene::{Breach, Hygiene, Origin};
use crate::json::Json;
use crate::matcher::{self, Unmatched, short};
use crate::model::{Allowance, Handshake};
use crate::session::{Reading, Session, quoted};
use crate::trial::Trial;
use crate::value::Scope;
use crate::verdict::{Failure, Kind, Passed, Stop};

/// How long the loop waits for something to come before it looks at its deadlines.
const TICK: Duration = Duration::from_millis(20);
/// The id of the runner's own handshake.
const INITIALIZE: &str = "initialize";

/// A message that no step has claimed.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) json: Json,
    /// Its line, without the LF; bytes.
    pub(super) size: usize,
}

/// How far the process has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It runs.
    Running,
    /// A step has seen how it ended.
    Judged(Exit),
}

/// Whether it keeps the times that requirements name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It does, so far.
    Kept,
    /// A step that names one has waited for longer.
    Overdue,
}

/// A trial in progress.
pub(super) struct Play<'a> {
    pub(super) session: Session,
    pub(super) hygiene: Hygiene,
    /// What no step has claimed, in the order it came.
    pub(super) inbox: VecDeque<Message>,
    pub(super) scope: Scope,
    pub(super) target: &'a Target,
    pub(super) ending: Ending,
    pub(super) pace: Pace,
    /// Where we are, for failures.
    pub(super) step: String,
    /// Credit for our input, by the call's id as it is written.
    pub(super) input_credit: HashMap<String, i64>,
    /// Items that came with others that a step took.
    pub(super) leftover: HashMap<String, VecDeque<Json>>,
    /// Answers to pings that came while a line of ours was half written.
    held_back: Vec<u8>,
    nevers: Vec<(Value, String)>,
    fences: usize,
    fences_passed: HashSet<String>,
    pub(super) allows: &'a [Allowance],
    shook_hands: Option<Duration>,
}

/// What became of a trial, with what passed.
pub(crate) struct Played {
    /// How it stopped before its end, if it did.
    pub(crate) stopped: Option<Stop>,
    /// What names stand for at the end.
    pub(crate) scope: Scope,
    /// How long the start and the handshake took.
    pub(crate) shook_hands: Option<Duration>,
    /// Whether it stopped because a time that a requirement names had passed.
    pub(crate) pace: Pace,
    /// What passed.
    pub(crate) transcript: Vec<Passed>,
}

/// Carries out one trial.
pub(crate) fn play(trial: &Trial, target: &Target) -> Played {
    let mut session = match Session::start(&target.command) {
        Ok(session) => session,
        Err(fault) => return not_started(target, &fault),
    };
    session.transcript().event("started");
    let mut play = Play {
        session,
        hygiene: Hygiene::new(trial.allows()),
        inbox: VecDeque::new(),
        scope: trial.scope(target),
        target,
        ending: Ending::Running,
        pace: Pace::Kept,
        step: "start".into(),
        input_credit: HashMap::new(),
        leftover: HashMap::new(),
        held_back: Vec::new(),
        nevers: Vec::new(),
        fences: 0,
        fences_passed: HashSet::new(),
        allows: trial.allows(),
        shook_hands: None,
    };
    let mut stopped = play.carry_out(trial).err();
    if let Some(Stop::Failed(failure)) = &mut stopped {
        // It may have ended, and written why.
        if failure.kind == Kind::Ended {
            play.session.kill(target.deadlines.exit);
        }
        failure.sent = failure.sent.take().or_else(|| play.session.transcript().last_sent());
        failure.transcript = play.session.transcript().entries();
        failure.stderr = play.session.stderr();
        failure.hint = failure.hint.take().or_else(|| trial.hint().map(str::to_owned));
    }
    let transcript = play.session.transcript().entries();
    Played { stopped, scope: play.scope, shook_hands: play.shook_hands, pace: play.pace, transcript }
}

fn not_started(target: &Target, fault: &SpawnError) -> Played {
    let stop = match fault {
        SpawnError::Program(fault) => {
            Failure::new(Kind::Start, "start", format!("{} starts", target.command), fault.to_string()).into()
        }
        SpawnError::Host(fault) => Stop::Harness(format!("cannot start anything: {fault}")),
        SpawnError::Sandbox(fault) => Stop::Harness(format!("cannot start it: {fault}")),
    };
    let (scope, transcript) = (Scope::default(), Vec::new());
    Played { stopped: Some(stop), scope, shook_hands: None, pace: Pace::Kept, transcript }
}

impl Play<'_> {
    fn carry_out(&mut self, trial: &Trial) -> Result<(), Stop> {
        "handshake".clone_into(&mut self.step);
        self.shake_hands(&trial.case.handshake)?;
        let mut track = Track::new(&trial.case.steps, "");
        loop {
            self.take_lines()?;
            match track.advance(self)? {
                Advance::Done => break,
                Advance::Moved => {}
                Advance::Waits => self.session.pump(TICK)?,
            }
        }
        self.finish()
    }

    fn shake_hands(&mut self, handshake: &Handshake) -> Result<(), Stop> {
        let mut params = self.target.initialize_params();
        match handshake {
            Handshake::None => return Ok(()),
            Handshake::Default => {}
            Handshake::With(changes) => {
                let changes = self.scope.expand(changes)?;
                let Value::Object(changes) = changes else {
                    return Err(Stop::Harness("the handshake is an object".into()));
                };
                for (name, value) in changes {
                    if value.is_null() {
                        params.remove(&name);
                    } else {
                        params.insert(name, value);
                    }
                }
            }
        }
        self.write_message(
            &json!({"jsonrpc": "2.0", "id": INITIALIZE, "method": "rpc.initialize", "params": params}),
        );
        let answer = self.response(&json!(INITIALIZE))?;
        if answer.get("result").is_none() {
            return Err(self.failure(
                Kind::Start,
                "a result of rpc.initialize",
                short(&escape(answer.to_string().as_bytes())),
            ));
        }
        self.shook_hands = Some(self.session.age());
        self.scope.set("initialize", answer.get("result").map(Json::to_value).unwrap_or_default());
        Ok(())
    }

    /// Waits for the response with that id.
    fn response(&mut self, id: &Value) -> Result<Json, Stop> {
        let started = self.session.age();
        let subject = Subject::Response(id.to_string());
        loop {
            self.take_lines()?;
            if let Some(at) = self.inbox.iter().position(|message| subject.is_of(&message.json)) {
                return Ok(self.inbox.remove(at).expect("it was found there").json);
            }
            self.expect_life(&format!("a response with id {id}"))?;
            if self.session.age() - started > self.target.deadlines.step {
                return Err(self.nothing_came(&format!("a response with id {id}")));
            }
            self.session.pump(TICK)?;
        }
    }

    /// Judges what came and puts it where steps find it.
    pub(super) fn take_lines(&mut self) -> Result<(), Stop> {
        while let Some(line) = self.session.line() {
            let json = match self.hygiene.received(&line.bytes) {
                Ok(json) => json,
                Err(Breach { rule, want, got }) => {
                    let mut failure = Failure::new(Kind::Output, &*self.step, want, escape(got.as_bytes()));
                    failure.got.push_str(&format!(": {}", quoted(&line.bytes)));
                    failure.rule = Some(rule.to_owned());
                    return Err(failure.into());
                }
            };
            self.react(&json);
            if let Json::String(id) = json.get("id").unwrap_or(&Json::Null)
                && json.get("method").is_none()
                && id.starts_with(FENCE)
            {
                self.fences_passed.insert(id.clone());
                continue;
            }
            for (pattern, step) in &self.nevers {
                if is_forbidden(pattern, &json)? {
                    let failure = Failure::new(
                        Kind::Forbidden,
                        step.clone(),
                        format!("never {}", short(&pattern.to_string())),
                        shown(&json),
                    );
                    return Err(failure.into());
                }
            }
            self.inbox.push_back(Message { json, size: line.bytes.len() });
        }
        if self.session.partial().len() as u64 > self.hygiene.line_limit() {
            let want = format!("lines of at most {} bytes, as the host declared", self.hygiene.line_limit());
            let got = format!("one that is longer: {}", quoted(self.session.partial()));
            let mut failure = Failure::new(Kind::Output, &*self.step, want, got);
            failure.rule = Some("FRAME-17".into());
            return Err(failure.into());
        }
        Ok(())
    }

    /// What a host does by itself.
    fn react(&mut self, message: &Json) {
        let method = message.get("method").and_then(Json::as_str);
        match (method, message.get("id")) {
            (Some("rpc.ping"), Some(id)) if self.session.has_stdin() => {
                let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}\n");
                self.held_back.extend_from_slice(answer.as_bytes());
                self.let_go();
            }
            (Some("rpc.inputCredit"), None) => {
                let id = message.pointer("/params/id").map(Json::to_string).unwrap_or_default();
                let bytes = message.pointer("/params/bytes").and_then(|bytes| bytes.to_value().as_i64());
                *self.input_credit_of(&id) += bytes.unwrap_or(0);
            }
            _ => {}
        }
    }

    pub(super) fn input_credit_of(&mut self, id: &str) -> &mut i64 {
        let window = self.target.limits.stream_window_bytes;
        self.input_credit.entry(id.to_owned()).or_insert(window)
    }

    pub(super) fn write(&mut self, bytes: &[u8], origin: Origin) {
        self.hygiene.sent(bytes, origin);
        self.session.send(bytes);
        self.let_go();
    }

    /// Writes the answers that were held back, between two lines.
    fn let_go(&mut self) {
        if !self.hygiene.is_within_line() && !self.held_back.is_empty() {
            let answers = std::mem::take(&mut self.held_back);
            self.hygiene.sent(&answers, Origin::Message);
            self.session.send(&answers);
        }
    }

    pub(super) fn write_message(&mut self, message: &Value) {
        let mut line = message.to_string().into_bytes();
        line.push(b'\n');
        self.write(&line, Origin::Message);
    }

    /// Sends a ping; its id.
    pub(super) fn begin_fence(&mut self) -> String {
        self.fences += 1;
        let id = format!("{FENCE}{}", self.fences);
        self.write_message(&json!({"jsonrpc": "2.0", "id": id, "method": "rpc.ping"}));
        id
    }

    pub(super) fn is_passed(&self, fence: &str) -> bool {
        self.fences_passed.contains(fence)
    }

    /// From now on this is forbidden, and among what nobody claimed it was all along.
    pub(super) fn forbid(&mut self, pattern: Value) -> Result<(), Stop> {
        for message in &self.inbox {
            if is_forbidden(&pattern, &message.json)? {
                let want = format!("never {}", short(&pattern.to_string()));
                return Err(Failure::new(Kind::Forbidden, &*self.step, want, shown(&message.json)).into());
            }
        }
        self.nevers.push((pattern, self.step.clone()));
        Ok(())
    }

    pub(super) fn failure(&self, kind: Kind, want: impl Into<String>, got: impl Into<String>) -> Stop {
        Failure::new(kind, &*self.step, want, got).into()
    }

    pub(super) fn nothing_came(&self, want: &str) -> Stop {
        let mut got =
            format!("nothing of the kind, {:.1} s after the start", self.session.age().as_secs_f64());
        if let Some(message) = self.inbox.iter().rfind(|message| !matcher::is_small_talk(&message.json)) {
            got.push_str(&format!("; what nobody asked for: {}", shown(&message.json)));
        }
        if !self.session.partial().is_empty() {
            got.push_str(&format!("; a line without its LF: {}", quoted(self.session.partial())));
        }
        self.failure(Kind::NoMessage, want, got)
    }

    /// Fails where the process can say nothing more.
    pub(super) fn expect_life(&mut self, want: &str) -> Result<(), Stop> {
        if !self.session.is_at_end() {
            return Ok(());
        }
        Err(self.ended(want))
    }

    pub(super) fn ended(&mut self, want: &str) -> Stop {
        // A process whose output ended is about to end, mostly.
        let exit = match self.session.exit() {
            Some(exit) => Some(exit),
            None => self.wait_for_exit(Duration::from_secs(1)),
        };
        let got = match exit {
            Some(exit) => format!("the process {exit}"),
            None => "the process closed its standard output".to_owned(),
        };
        self.failure(Kind::Ended, want, got)
    }

    fn wait_for_exit(&mut self, at_most: Duration) -> Option<Exit> {
        let until = self.session.age() + at_most;
        while self.session.exit().is_none() && self.session.age() < until {
            self.session.pump(TICK).ok()?;
        }
        self.session.exit()
    }

    /// Closes its input and reads to the end: what must not come has not come then.
    fn finish(&mut self) -> Result<(), Stop> {
        "end".clone_into(&mut self.step);
        if self.session.reading() == Reading::Paused {
            self.session.set_reading(Reading::On);
        }
        // What was queued is still to be read.
        let until = self.session.age() + self.target.deadlines.step;
        while !self.session.is_written() && self.session.age() < until {
            self.session.pump(TICK)?;
            self.take_lines()?;
        }
        self.session.close_stdin();
        let until = self.session.age() + self.target.deadlines.exit;
        let exit = loop {
            self.session.pump(TICK)?;
            self.take_lines()?;
            match self.session.exit() {
                Some(exit) if self.session.is_at_end() => break Some(exit),
                _ if self.session.age() >= until => break None,
                _ => {}
            }
        };
        match (self.ending, exit) {
            (_, None) if self.allows.contains(&Allowance::LateExit) => {
                self.session.kill(self.target.deadlines.exit);
            }
            (_, None) => {
                let want = "an exit with status 0 after the end of its standard input";
                let mut failure = Failure::new(Kind::Exit, &*self.step, want, "it runs on");
                failure.rule = Some("LIFE-45".into());
                return Err(failure.into());
            }
            (Ending::Running, Some(exit))
                if exit.code != Some(0) && !self.allows.contains(&Allowance::AnyExit) =>
            {
                let mut failure = Failure::new(
                    Kind::Exit,
                    &*self.step,
                    "an exit with status 0",
                    format!("the process {exit}"),
                );
                failure.rule = Some("LIFE-45".into());
                return Err(failure.into());
            }
            _ => {}
        }
        self.take_lines()?;
        self.judge_rest()
    }

    /// What can only be said when nothing more comes.
    fn judge_rest(&mut self) -> Result<(), Stop> {
        if !self.session.partial().is_empty() && !self.allows.contains(&Allowance::AnyExit) {
            let got = format!("a last line without LF: {}", quoted(self.session.partial()));
            let mut failure = Failure::new(Kind::Output, &*self.step, "each line ended by LF", got);
            failure.rule = Some("FRAME-1".into());
            return Err(failure.into());
        }
        if !self.allows.contains(&Allowance::NullErrors)
            && let Some(message) =
                self.inbox.iter().find(|message| message.json.get("id") == Some(&Json::Null))
        {
            let mut failure = Failure::new(
                Kind::Output,
                &*self.step,
                "no error with `id: null` that nothing called for",
                shown(&message.json),
            );
            failure.rule = Some("MSG-26".into());
            return Err(failure.into());
        }
        if let Some(request) = self.hygiene.unanswered().first()
            && !self.session.is_deaf()
        {
            let mut failure = Failure::new(
                Kind::NoMessage,
                &*self.step,
                "every request is answered",
                format!("{request} never was"),
            );
            failure.rule = Some("MSG-23".into());
            return Err(failure.into());
        }
        Ok(())
    }
}

/// Our own pings begin so.
const FENCE: &str = "fence-";

/// Of what a pattern is: which message is the next that it may be compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// Requests and notifications of that method; about that call.
    Method(String, Option<String>),
    /// Responses with that id, as it is written.
    Response(String),
    /// All but what may come at any time.
    Any,
}

impl Subject {
    pub(super) fn of(pattern: &Value) -> Self {
        let plain = |id: &Value| matches!(id, Value::Null | Value::Number(_) | Value::String(_));
        match (pattern.get("method"), pattern.get("id")) {
            (Some(Value::String(method)), _) => {
                let about = pattern.pointer("/params/id").filter(|id| plain(id)).map(Value::to_string);
                Self::Method(method.clone(), about)
            }
            (None, Some(id)) if plain(id) => Self::Response(id.to_string()),
            _ => Self::Any,
        }
    }

    pub(super) fn is_of(&self, message: &Json) -> bool {
        let method = message.get("method").and_then(Json::as_str);
        match self {
            Self::Method(wanted, about) => {
                method == Some(wanted)
                    && about.as_ref().is_none_or(|about| {
                        message.pointer("/params/id").is_some_and(|id| id.to_string() == *about)
                    })
            }
            Self::Response(wanted) => {
                method.is_none() && message.get("id").is_some_and(|id| id.to_string() == *wanted)
            }
            Self::Any => !matcher::is_small_talk(message),
        }
    }
}

pub(super) fn is_match(pattern: &Value, message: &Json) -> Result<bool, Stop> {
    match matcher::matches(pattern, message) {
        Ok(()) => Ok(true),
        Err(Unmatched::Differs(_)) => Ok(false),
        Err(Unmatched::Malformed(fault)) => Err(Stop::Harness(fault)),
    }
}

fn is_forbidden(pattern: &Value, message: &Json) -> Result<bool, Stop> {
    matcher::is_forbidden(pattern, message).map_err(Stop::Harness)
}

/// A message for people: escaped, and cut.
pub(super) fn shown(message: &Json) -> String {
    quoted(message.to_string().as_bytes())
}
