//! The Rust host under the conformance runner's orders: commands as JSON lines on standard input, answers and events
//! as JSON lines on standard output, in any order (`conformance/cases/host.md`).
//!
//! It adds nothing to `plugline-host` and hides nothing of it: a command is a call of its API, an answer what came of
//! it.

mod answers;
mod calls;
mod handle;
mod plugins;

use std::collections::HashMap;
use std::io::BufRead;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use answers::Answers;
use calls::{Feed, Handle};
use plugins::Held;

const FEATURES: [&str; 7] = ["cancel", "streams", "callbacks", "notifications", "guard", "strict", "restart"];

/// All that commands name: plugins by the name they were given, calls by the number of their command.
#[derive(Default)]
pub(crate) struct Board {
    plugins: Mutex<HashMap<String, Arc<Held>>>,
    calls: Mutex<HashMap<u64, Arc<Handle>>>,
}

impl Board {
    pub(crate) fn plugins(&self) -> MutexGuard<'_, HashMap<String, Arc<Held>>> {
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn calls(&self) -> MutexGuard<'_, HashMap<u64, Arc<Handle>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plugin(&self, command: &Value) -> Result<Arc<Held>, Value> {
        let name = command["plugin"].as_str().unwrap_or_default();
        self.plugins().get(name).cloned().ok_or_else(|| refused("invalid_request", "no such plugin"))
    }

    fn call(&self, command: &Value) -> Result<Arc<Handle>, Value> {
        let call = command["call"].as_u64();
        let found = call.and_then(|call| self.calls().get(&call).cloned());
        found.ok_or_else(|| refused("closed", "no such call, or it has ended"))
    }
}

/// An error of the driver's own.
pub(crate) fn refused(kind: &str, message: &str) -> Value {
    json!({"kind": kind, "message": message})
}

fn main() -> std::io::Result<()> {
    let board = Arc::new(Board::default());
    let answers = Arc::new(Answers::default());
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGTERM])?;
    let ended = Arc::clone(&board);
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            plugins::stop_all(&ended);
            std::process::exit(0);
        }
    });
    for line in std::io::stdin().lock().lines() {
        let command: Value = serde_json::from_str(&line?)?;
        let seq = command["seq"].as_u64().unwrap_or_default();
        if command["cmd"] == "bye" {
            plugins::stop_all(&board);
            answers.ok(seq, json!({}));
            return Ok(());
        }
        match obey(&board, &answers, seq, &command) {
            Ok(Some(ok)) => answers.ok(seq, ok),
            Ok(None) => {} // Answered by whoever does it.
            Err(fault) => answers.err(seq, fault),
        }
    }
    plugins::stop_all(&board);
    Ok(())
}

/// Never waits for a plugin: what may take its time is done elsewhere, and answers itself.
fn obey(
    board: &Arc<Board>,
    answers: &Arc<Answers>,
    seq: u64,
    command: &Value,
) -> Result<Option<Value>, Value> {
    match command["cmd"].as_str().unwrap_or_default() {
        "hello" => {
            let driver = concat!("plugline-host ", env!("CARGO_PKG_VERSION"));
            return Ok(Some(json!({"driver": driver, "features": FEATURES})));
        }
        "state" => return board.plugin(command)?.state().map(Some),
        "launch" => plugins::launch(board, answers, seq, command.clone()),
        "call" => calls::call(board, answers, seq, command, &board.plugin(command)?),
        "input" => board.call(command)?.feed(Feed::Items(seq, items(command)))?,
        "input_end" => board.call(command)?.feed(Feed::End(seq))?,
        "notify" => plugins::notify(answers, seq, command, &board.plugin(command)?),
        "stop" => plugins::stop(answers, seq, board.plugin(command)?),
        at_once => {
            match at_once {
                "cancel" => board.call(command)?.cancel(command["reason"].as_str()),
                "take" => board.call(command)?.allow(command["n"].as_u64()),
                "hold" => board.plugin(command)?.gate.shut(),
                "release" => board.plugin(command)?.gate.open(),
                "drop" => board.plugin(command)?.drop_handle(),
                other => return Err(refused("unsupported", &format!("{other}: no such command"))),
            }
            return Ok(Some(json!({})));
        }
    }
    Ok(None)
}

fn items(command: &Value) -> Vec<Value> {
    command["items"].as_array().cloned().unwrap_or_default()
}
