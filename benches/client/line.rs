//! A host for a plugin that only answers lines, whatever it is made with: a line out, a line in, one caller at a time.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use plugline_benches::params::{ByClaim, ById, Find, OnLoad};
use plugline_benches_driver::{Fault, Instance, Manager, System, User, UserId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::PluginCommand;

pub(crate) struct LineLoop(pub(crate) PluginCommand);

pub(crate) struct Running {
    child: Child,
    line: Mutex<Option<Line>>,
}

struct Line {
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    buffer: String,
    id: u64,
}

#[derive(Serialize)]
struct Request<'a, P> {
    jsonrpc: &'a str,
    id: u64,
    method: &'a str,
    params: &'a P,
}

#[derive(Deserialize)]
struct Response<R> {
    id: u64,
    result: R,
}

impl System for LineLoop {
    type Instance = Running;

    fn start(&self) -> Result<Running, Fault> {
        let mut command = Command::new(&self.0.program);
        let mut child = command.args(&self.0.args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("no pipes".into());
        };
        let line = Line { to, from: BufReader::new(from), buffer: String::new(), id: 0 };
        Ok(Running { child, line: Mutex::new(Some(line)) })
    }
}

impl Running {
    fn call<R: DeserializeOwned>(&self, method: &str, params: &impl Serialize) -> Result<R, Fault> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let line = line.as_mut().ok_or("it was stopped")?;
        line.id += 1;
        let mut request = serde_json::to_vec(&Request { jsonrpc: "2.0", id: line.id, method, params })?;
        request.push(b'\n');
        line.to.write_all(&request)?;
        line.buffer.clear();
        line.from.read_line(&mut line.buffer)?;
        let response: Response<R> = serde_json::from_str(&line.buffer)?;
        if response.id == line.id { Ok(response.result) } else { Err("another call's answer".into()) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Closed, so that the plugin ends.
        drop(self.line.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _exit = self.child.wait();
    }
}

impl Instance for Running {
    fn manager(&self) -> &dyn Manager {
        self
    }

    fn pid(&self) -> Option<u32> {
        Some(self.child.id())
    }
}

impl Manager for Running {
    fn on_load(&self, file: &str) -> Result<(), Fault> {
        self.call("users.on_load", &OnLoad { file: file.into() })
    }

    fn get_user(&self, id: &UserId) -> Result<User, Fault> {
        self.call("users.get_user", &ById { id: std::borrow::Cow::Borrowed(id) })
    }

    fn get_user_by_claim(&self, claim: &str, value: &str) -> Result<User, Fault> {
        self.call("users.get_user_by_claim", &ByClaim { claim: claim.into(), value: value.into() })
    }

    fn get_user_groups(&self, id: &UserId) -> Result<Vec<String>, Fault> {
        self.call("users.get_user_groups", &ById { id: std::borrow::Cow::Borrowed(id) })
    }

    fn find_users(&self, query: &str) -> Result<Vec<User>, Fault> {
        self.call("users.find_users", &Find { query: query.into() })
    }
}
