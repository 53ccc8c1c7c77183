//! Standard output: one line an answer or event, each whole.

use std::io::{Write, stdout};
use std::sync::{Mutex, PoisonError};

use plugline_host::Error;
use serde_json::{Map, Value, json};

#[derive(Default)]
pub(crate) struct Answers(Mutex<()>);

impl Answers {
    pub(crate) fn say(&self, line: &Value) {
        let _whole = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = stdout().lock();
        // Without a runner there is nobody to tell: the end of standard input ends this process.
        let _gone = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
    }

    pub(crate) fn ok(&self, seq: u64, ok: Value) {
        self.say(&json!({"seq": seq, "ok": ok}));
    }

    pub(crate) fn err(&self, seq: u64, err: Value) {
        self.say(&json!({"seq": seq, "err": err}));
    }
}

/// A failure, with all that is known of it.
pub(crate) fn failure(error: &Error) -> Value {
    let mut said = Map::new();
    said.insert("kind".into(), error.kind().as_str().into());
    said.insert("message".into(), error.to_string().into());
    said.insert("command".into(), error.command().into());
    said.insert("phase".into(), error.phase().as_str().into());
    if let Some(remote) = error.remote() {
        said.insert("code".into(), remote.code.code().into());
        said.insert("data".into(), remote.data.clone().unwrap_or_default());
    }
    if let Some(evidence) = error.evidence() {
        let exit = evidence.exit.as_ref();
        if let Some(code) = exit.and_then(|exit| exit.code) {
            said.insert("exit_code".into(), code.into());
        }
        if let Some(signal) = exit.and_then(|exit| exit.signal) {
            said.insert("signal".into(), signal.into());
        }
        said.insert("stderr_tail".into(), evidence.stderr_tail.clone().into());
        if let Some(stray) = &evidence.stray {
            said.insert("stray".into(), stray.clone().into());
        }
    }
    said.into()
}
