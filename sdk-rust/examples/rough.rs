//! A plugin whose author misbehaves on purpose and uses all that the crate has: what the tests run.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use plugline_sdk::{
    Bytes, Call, CallError, Error, Example, Input, Instances, Level, Limits, Method, Notification, Output,
    Plugin, Refusal, Stdio, error,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What methods share.
struct Rough {
    config: Config,
    notes: Mutex<Vec<String>>,
}

/// What goes wrong at the handshake.
#[derive(Debug, Default, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Config {
    /// Decline for this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    refuse: Option<String>,
    /// Find fault with this member, whatever it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    bad: Option<Value>,
    /// Panic.
    panic: bool,
    /// First, wait for a byte from this file.
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<PathBuf>,
    /// Sizes by name.
    sizes: std::collections::BTreeMap<String, u8>,
}

#[derive(Deserialize, JsonSchema)]
struct Text {
    /// What to say.
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct Script {
    /// What `sh` is to run.
    script: String,
}

/// How a child process ended.
#[derive(Serialize, JsonSchema)]
struct Ended {
    code: Option<i32>,
    signal: Option<i32>,
}

#[derive(Deserialize, JsonSchema)]
struct Sleep {
    /// How long; milliseconds.
    ms: u64,
}

#[derive(Deserialize, JsonSchema)]
struct Block {
    /// The file that a byte is to be read from.
    path: PathBuf,
}

#[derive(Deserialize, JsonSchema)]
struct Echo {
    /// Anything.
    value: Value,
}

#[derive(Deserialize, JsonSchema)]
struct Steps {
    /// How many.
    n: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Fill {
    /// How many items.
    items: u32,
    /// How many bytes in each.
    width: usize,
}

#[derive(Deserialize, JsonSchema)]
struct Line {
    level: Level,
    message: String,
}

#[derive(Deserialize, JsonSchema)]
struct Callback {
    /// What to call at the host.
    method: String,
    /// With what.
    #[serde(default)]
    params: Map<String, Value>,
}

#[derive(Deserialize, JsonSchema)]
struct Failure {
    /// Passed on as data.
    reason: String,
}

/// What the host is asked.
#[derive(Serialize, JsonSchema)]
struct Question {
    question: String,
}

const REFUSED: i64 = 1;
const SYSTEM: i64 = 2;

fn main() -> ExitCode {
    if let Err(fault) = Stdio::take() {
        eprintln!("standard input and output cannot be taken: {fault}");
        return ExitCode::FAILURE;
    }
    println!("printed before it served");
    plugin().serve()
}

fn plugin() -> Plugin<Rough> {
    Plugin::configured("rough", "0.1.0", configure)
        .describe("Misbehaves.")
        .provides("rough", "1.0.0")
        .requires("asker", "1.0.0")
        .host_method::<Question, String>("asker.ask")
        .limits(Limits { max_line_bytes: 256 * 1024, max_depth: 2, ..Limits::default() })
        .instances(Instances::Many)
        .method(
            Method::new("rough.print", print)
                .error(SYSTEM, "System", "the system says no")
                .describe("Prints, with and without an end of line."),
        )
        .method(
            Method::new("rough.spawn", spawn)
                .error(SYSTEM, "System", "the system says no")
                .describe("Runs a child that inherits all it can."),
        )
        .method(Method::new("rough.panic", panics))
        .method(Method::new("rough.sleep", sleep).idempotent())
        .method(
            Method::new("rough.block", block)
                .error(SYSTEM, "System", "the system says no")
                .describe("Blocks, and heeds no cancel."),
        )
        .method(
            Method::new("rough.echo", |_: &Rough, echo: Echo, _: &Call| Ok::<_, Error>(echo.value))
                .idempotent()
                .example("null", json!({ "value": null }), Value::Null),
        )
        .method(Method::new("rough.members", |_: &Rough, members: Map<String, Value>, _: &Call| {
            Ok::<_, Error>(members.into_iter().map(|(name, _)| name).collect::<Vec<_>>())
        }))
        .method(Method::new("rough.steps", steps).describe("Says after each step that it has come so far."))
        .method(Method::new("rough.log", log))
        .method(Method::new("rough.callback", callback).any_error())
        .method(
            Method::new("rough.fail", fail)
                .error(REFUSED, "Refused", "refused")
                .describe("Fails as it declares."),
        )
        .method(Method::new("rough.notes", |rough: &Rough, (), _: &Call| Ok::<_, Error>(rough.notes())))
        .method(Method::new("rough.config", |rough: &Rough, (), _: &Call| {
            Ok::<_, Error>(rough.config.clone())
        }))
        .method(
            Method::with_output("rough.count", count)
                .describe("Counts to n, in items that share a line.")
                .stream_example(count_example()),
        )
        .method(Method::with_output("rough.fill", fill).describe("Sends zeros."))
        .method(Method::with_input("rough.sum", sum).describe("Adds up; has enough at a zero."))
        .method(Method::with_input_and_output("rough.double", double))
        .notification(
            Notification::new("rough.note", |rough: &Rough, note: Text| rough.note(note.text))
                .describe("Keeps a note; panics at the note `panic`."),
        )
}

fn configure(config: Config) -> Result<Rough, Refusal> {
    if let Some(path) = &config.wait {
        take_byte(path)?;
    }
    if let Some(reason) = config.refuse {
        return Err(Refusal::Declined(reason));
    }
    if config.bad.is_some() {
        return Err(Refusal::Config { path: "/bad".into(), message: "is bad".into() });
    }
    assert!(!config.panic, "as the config says");
    Ok(Rough { config, notes: Mutex::default() })
}

impl Rough {
    fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, text: String) {
        assert_ne!(text, "panic");
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }
}

fn take_byte(path: &Path) -> io::Result<()> {
    // Not a byte more than its own: others may read from the same pipe.
    File::open(path)?.read(&mut [0]).map(drop)
}

fn failed(fault: &io::Error) -> Error {
    error(SYSTEM, fault.to_string(), None)
}

fn print(_: &Rough, Text { text }: Text, _: &Call) -> Result<usize, Error> {
    println!("{text}");
    print!("{{\"jsonrpc\":\"2.0\",\"method\":\"{text}\"}}");
    let mut rest = Vec::new();
    io::stdin().read_to_end(&mut rest).map_err(|fault| failed(&fault))
}

fn spawn(_: &Rough, Script { script }: Script, _: &Call) -> Result<Ended, Error> {
    let status = Command::new("sh").arg("-c").arg(script).status().map_err(|fault| failed(&fault))?;
    Ok(Ended { code: status.code(), signal: status.signal() })
}

fn panics(_: &Rough, (): (), _: &Call) -> Result<(), Error> {
    panic!("as it was asked to")
}

fn sleep(_: &Rough, Sleep { ms }: Sleep, call: &Call) -> Result<(), Error> {
    call.progress(0.0, None, None);
    call.sleep(Duration::from_millis(ms))
}

fn block(_: &Rough, Block { path }: Block, call: &Call) -> Result<(), Error> {
    call.progress(0.0, None, None);
    take_byte(&path).map_err(|fault| failed(&fault))
}

fn steps(_: &Rough, Steps { n }: Steps, call: &Call) -> Result<(), Error> {
    for step in 1..=n {
        call.progress(step.into(), Some(n.into()), Some("a step"));
        call.progress(f64::from(step) - 0.5, Some(n.into()), Some("a step back"));
    }
    Ok(())
}

fn count(_: &Rough, Steps { n }: Steps, _: &Call, output: Output<'_, u32>) -> Result<(), Error> {
    output.send_all(&Vec::from_iter(1..=n))
}

fn count_example() -> Example {
    Example {
        name: "two".into(),
        params: Map::from_iter([("n".into(), 2.into())]),
        input: None,
        output: Some(vec![1.into(), 2.into()]),
        result: Some(Value::Null),
        error: None,
    }
}

fn fill(_: &Rough, fill: Fill, _: &Call, output: Output<'_, Bytes>) -> Result<u32, Error> {
    (0..fill.items).try_for_each(|_| output.send(&Bytes(vec![0; fill.width])))?;
    Ok(fill.items)
}

fn sum(_: &Rough, (): (), _: &Call, input: Input<'_, i64>) -> Result<i64, Error> {
    input.take_while(|item| !matches!(item, Ok(0))).sum()
}

fn double(_: &Rough, (): (), _: &Call, input: Input<'_, i64>, output: Output<'_, i64>) -> Result<(), Error> {
    input.into_iter().try_for_each(|item| output.send(&(2 * item?)))
}

fn log(_: &Rough, Line { level, message }: Line, call: &Call) -> Result<(), Error> {
    call.log(level, message);
    Ok(())
}

fn callback(_: &Rough, Callback { method, params }: Callback, call: &Call) -> Result<Value, CallError> {
    call.call(&method, &params)
}

fn fail(_: &Rough, Failure { reason }: Failure, _: &Call) -> Result<(), Error> {
    Err(error(REFUSED, "refused", Some(json!({ "reason": reason }))))
}
