//! What a case is: the types of `cases/**/*.yaml`. `cases/README.md` explains every step and matcher to those who
//! write cases, and `cases/case.schema.json` says the same to their editors.
//!
//! Pure data: nothing here knows how a step is carried out, or against what.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Which side of the protocol a case judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The runner plays the host.
    Plugin,
    /// The runner plays the plugin, by way of the puppet, and the user of the host, by way of the driver.
    Host,
}

/// How much a case counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A failure makes the implementation non-conformant.
    Must,
    /// A failure is reported.
    Should,
}

/// What an implementation must declare for a case to say anything about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// It is the fixture plugin: its manifest provides the contract `conf`.
    Fixture,
    /// It is a full plugin: it declares a capability, or `maxInFlight` above 1.
    Full,
    /// The capability `cancel`, or for a host the driver's feature.
    Cancel,
    /// The capability `progress`.
    Progress,
    /// The capability `log`.
    Log,
    /// The capability `streams`.
    Streams,
    /// The capability `callbacks`.
    Callbacks,
    /// `maxInFlight` of 2 or more.
    Concurrent,
    /// Its manifest has an example of a request without streams, with a result: `example.method`,
    /// `example.params` and `example.result` are bound.
    Example,
    /// A host that restarts plugins.
    Restart,
    /// A host whose user listens to the plugin's notifications.
    Notifications,
    /// A host that offers a guard process.
    Guard,
    /// A host with a strict mode.
    Strict,
    /// A machine that runs Linux.
    Linux,
}

/// A file of `cases/`: one behaviour.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The area's two letters and a number: `CX-04`.
    pub id: String,
    /// What a correct implementation does, as a sentence.
    pub title: String,
    /// How much it counts.
    pub level: Level,
    /// The requirements of `protocol/SPEC.md` that it judges.
    pub spec: Vec<String>,
    /// The version of the requirements that it came with.
    pub since: String,
    /// Whom it judges.
    pub side: Side,
    /// Without these it is `unsupported`.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// What an implementer who fails it should look at.
    #[serde(default)]
    pub hint: Option<String>,
    /// What happens before the first step.
    #[serde(default)]
    pub handshake: Handshake,
    /// Which general rules this case suspends.
    #[serde(default)]
    pub allows: Vec<Allowance>,
    /// Whether other cases may run beside it.
    #[serde(default)]
    pub runs: Runs,
    /// What is done and what must come of it.
    pub steps: Vec<Step>,
    /// The same steps with other values. Without any, the case is its own only variant.
    #[serde(default)]
    pub variants: BTreeMap<String, Variant>,
    /// The mutants that this case finds out.
    #[serde(default)]
    pub kills: Vec<String>,
}

/// One variant of a case: values for its `$ref`s, and what else differs.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Variant {
    /// The values, by name.
    pub with: Map<String, Value>,
    /// In place of the case's own.
    pub title: Option<String>,
    /// In place of the case's own.
    pub level: Option<Level>,
    /// In place of the case's own.
    pub spec: Option<Vec<String>>,
    /// In place of the case's own.
    pub hint: Option<String>,
    /// Beside the case's own.
    pub needs: Vec<Need>,
    /// Beside the case's own. A mutant named here is to be found out by this variant.
    pub kills: Vec<String>,
}

/// What happens before the first step.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(from = "Value")]
pub enum Handshake {
    /// `rpc.initialize` with what the runner accepts, answered.
    #[default]
    Default,
    /// The same with these members of the params in place of the runner's own; `null` leaves one out.
    With(Value),
    /// Nothing: the steps begin with a plugin that was just started.
    None,
}

impl From<Value> for Handshake {
    fn from(value: Value) -> Self {
        match value {
            Value::String(word) if word == "none" => Self::None,
            Value::String(word) if word == "default" => Self::Default,
            value => Self::With(value),
        }
    }
}

/// A general rule that a case suspends. Every case judges all lines that come (see `hygiene`), and the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allowance {
    /// Requests that are never answered.
    Unanswered,
    /// Responses with `id: null` that no step expects.
    NullErrors,
    /// Responses that no request asked for.
    Strangers,
    /// An exit status other than 0, or a signal.
    AnyExit,
    /// An end that comes late, or only by SIGKILL.
    LateExit,
}

/// Whether other cases may run beside this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runs {
    /// It has a process of its own, and that is enough.
    #[default]
    Beside,
    /// It measures times, or uses much of the machine.
    Alone,
}

/// One step, and what goes with it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// Values to take from the message that the step took: a name, and a JSON Pointer into the message.
    pub bind: BTreeMap<String, String>,
    /// In place of the adaptive deadline; for requirements that name a time.
    pub within_ms: Option<u64>,
    /// `send`: pads the line, at its `$fill`, to exactly this many bytes before the LF.
    pub length: Option<Value>,
    /// For hosts: which puppet, where there are several.
    pub at: Option<String>,
    /// What it is for, shown where it fails.
    pub note: Option<String>,
}

/// What a step does. For the host side the messages are those between the host and the puppet.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Writes one message, as JSON on one line with its LF.
    Send(Value),
    /// Writes text and an LF.
    Line(Bytes),
    /// Writes exactly these bytes.
    Bytes(Bytes),
    /// Writes each of these by itself, once the one before it has been read.
    Chunks(Vec<Bytes>),
    /// The next message of this subject is this one.
    Expect(Value),
    /// Such a message comes; others of the same subject may come before.
    Await(Value),
    /// These come next, each of its subject, in any order.
    AnyOrder(Vec<Value>),
    /// No such message has come unclaimed, or comes until the end.
    Never(Value),
    /// `rpc.ping` there and back.
    Fence,
    /// `rpc.ping` there and back: the plugin lives on.
    Alive,
    /// Items of an output stream come.
    Take(Take),
    /// Items of an input stream go, as credit allows.
    Feed(Feed),
    /// The output credit of this call is used up.
    Spent(Value),
    /// Closes the implementation's standard input.
    CloseStdin,
    /// Closes our end of its standard output.
    CloseStdout,
    /// Signals the process group: `TERM`, `INT`, `KILL`.
    Signal(String),
    /// The process ends.
    Exits(Exits),
    /// Reads no more.
    PauseReader,
    /// Reads again.
    ResumeReader,
    /// The same steps several times.
    Repeat(Repeat),
    /// Several lists of steps at once: each goes on when it can.
    Parallel(Vec<Vec<Step>>),
    /// For hosts, below: a command to the driver.
    Driver(Value),
    /// A line of the driver about a command.
    Reply(Value),
    /// A line of the driver that is no reply.
    Event(Value),
    /// A command to the puppet.
    Puppet(Value),
    /// A report of the puppet.
    Report(Value),
}

/// Bytes: a text, or pieces one after another.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Bytes {
    /// UTF-8, in which `${name}` stands for a variable.
    Text(String),
    /// Pieces.
    Pieces(Vec<Piece>),
    /// One piece.
    Piece(Piece),
}

/// A piece of bytes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Piece {
    /// UTF-8, in which `${name}` stands for a variable.
    Text(String),
    /// Bytes, as hexadecimal digits.
    Hex {
        /// The digits; spaces are ignored.
        hex: String,
    },
    /// A text many times.
    Repeated {
        /// The text.
        repeat: String,
        /// How many times: an integer or a `$ref`.
        times: Value,
    },
    /// A variable: a text, a piece or a list of pieces.
    Ref {
        /// Its name.
        #[serde(rename = "$ref")]
        name: String,
    },
}

/// Items of an output stream come, over as many lines as they like.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Take {
    /// The call.
    pub id: Value,
    /// The items: a pattern for the whole list.
    pub items: Value,
    /// Whether credit is given for them.
    #[serde(default)]
    pub credit: Credit,
}

/// When credit is given for items that were taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Credit {
    /// For each line as it comes.
    #[default]
    Each,
    /// When half a window has come.
    Half,
    /// None.
    Withheld,
}

/// Items of an input stream go: `rpc.input`, as credit allows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    /// The call.
    pub id: Value,
    /// The items: a list, or what expands to one.
    pub items: Value,
    /// How many stand in one line.
    #[serde(default = "one")]
    pub per_line: usize,
    /// Whether `rpc.inputEnd` follows.
    #[serde(default)]
    pub then: Then,
}

/// What follows the last item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// `rpc.inputEnd`.
    #[default]
    End,
    /// Nothing.
    Nothing,
}

fn one() -> usize {
    1
}

/// How a process ends.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Exits {
    /// Its exit status: a pattern. Absent: 0.
    pub code: Option<Value>,
    /// The signal that ended it, where one must.
    pub signal: Option<String>,
}

/// The same steps several times.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// How many times: an integer or a `$ref`.
    pub times: Value,
    /// The name under which the steps find the number of the round.
    #[serde(default = "round")]
    pub r#as: String,
    /// The number of the first round.
    #[serde(default)]
    pub from: i64,
    /// The steps.
    pub steps: Vec<Step>,
}

fn round() -> String {
    "i".to_owned()
}

/// A step as it is written: one member says what is done, the others what goes with it.
impl TryFrom<Map<String, Value>> for Step {
    type Error = String;

    fn try_from(mut members: Map<String, Value>) -> Result<Self, String> {
        let bind = taken(&mut members, "bind")?.unwrap_or_default();
        let within_ms = taken(&mut members, "within_ms")?;
        let length = members.remove("length");
        let at = taken(&mut members, "at")?;
        let note = taken(&mut members, "note")?;
        let mut rest = members.into_iter();
        let (Some((name, value)), None) = (rest.next(), rest.next()) else {
            return Err("a step has exactly one member that says what is done".into());
        };
        let action = Action::read(&name, value)?;
        if length.is_some() && !matches!(action, Action::Send(_)) {
            return Err(format!("{name}: `length` goes with `send`"));
        }
        Ok(Self { action, bind, within_ms, length, at, note })
    }
}

fn taken<T: DeserializeOwned>(members: &mut Map<String, Value>, name: &str) -> Result<Option<T>, String> {
    members.remove(name).map(|value| decoded(name, value)).transpose()
}

fn decoded<T: DeserializeOwned>(name: &str, value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|fault| format!("{name}: {fault}"))
}

impl Action {
    fn read(name: &str, value: Value) -> Result<Self, String> {
        let plain = |action: Self, value: &Value| match value {
            Value::Bool(true) => Ok(action),
            _ => Err(format!("{name}: takes `true`")),
        };
        Ok(match name {
            "send" => Self::Send(value),
            "line" => Self::Line(decoded(name, value)?),
            "bytes" => Self::Bytes(decoded(name, value)?),
            "chunks" => Self::Chunks(decoded(name, value)?),
            "expect" => Self::Expect(value),
            "await" => Self::Await(value),
            "any_order" => Self::AnyOrder(decoded(name, value)?),
            "never" => Self::Never(value),
            "fence" => plain(Self::Fence, &value)?,
            "alive" => plain(Self::Alive, &value)?,
            "take" => Self::Take(decoded(name, value)?),
            "feed" => Self::Feed(decoded(name, value)?),
            "spent" => Self::Spent(value),
            "close_stdin" => plain(Self::CloseStdin, &value)?,
            "close_stdout" => plain(Self::CloseStdout, &value)?,
            "signal" => Self::Signal(decoded(name, value)?),
            "exits" => match value {
                Value::Bool(true) => Self::Exits(Exits::default()),
                value => Self::Exits(decoded(name, value)?),
            },
            "pause_reader" => plain(Self::PauseReader, &value)?,
            "resume_reader" => plain(Self::ResumeReader, &value)?,
            "repeat" => Self::Repeat(decoded(name, value)?),
            "parallel" => Self::Parallel(decoded(name, value)?),
            "driver" => Self::Driver(value),
            "reply" => Self::Reply(value),
            "event" => Self::Event(value),
            "puppet" => Self::Puppet(value),
            "report" => Self::Report(value),
            _ => return Err(format!("{name}: no such step")),
        })
    }

    /// The member that names it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Send(_) => "send",
            Self::Line(_) => "line",
            Self::Bytes(_) => "bytes",
            Self::Chunks(_) => "chunks",
            Self::Expect(_) => "expect",
            Self::Await(_) => "await",
            Self::AnyOrder(_) => "any_order",
            Self::Never(_) => "never",
            Self::Fence => "fence",
            Self::Alive => "alive",
            Self::Take(_) => "take",
            Self::Feed(_) => "feed",
            Self::Spent(_) => "spent",
            Self::CloseStdin => "close_stdin",
            Self::CloseStdout => "close_stdout",
            Self::Signal(_) => "signal",
            Self::Exits(_) => "exits",
            Self::PauseReader => "pause_reader",
            Self::ResumeReader => "resume_reader",
            Self::Repeat(_) => "repeat",
            Self::Parallel(_) => "parallel",
            Self::Driver(_) => "driver",
            Self::Reply(_) => "reply",
            Self::Event(_) => "event",
            Self::Puppet(_) => "puppet",
            Self::Report(_) => "report",
        }
    }
}
