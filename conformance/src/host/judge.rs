//! What holds of every line that a host writes, whatever the case is about.
//!
//! One judge a puppet: it sees both directions, and says what is wrong, with the requirement.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::json::{Fault, Json};
use crate::model::Allowance;

/// Before the handshake, both ways; bytes.
const HANDSHAKE_LINE: usize = 1024 * 1024;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The requirement.
    pub(super) spec: &'static str,
    pub(super) what: String,
}

fn wrong<T>(spec: &'static str, what: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { spec, what: what.into() })
}

/// A request that was not answered yet.
#[derive(Debug, Clone, PartialEq)]
struct Asked {
    method: String,
    parent: Option<String>,
    /// What is left of the credit for its output, and for its input.
    output: i64,
    input: i64,
}

/// What passed between a host and one puppet.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// What the host accepts, and what the plugin does, as they said; what was not said has its default.
    host: Limits,
    plugin: Limits,
    capabilities: Value,
    initialize: Option<String>,
    ready: bool,
    /// Requests of the host, by their ids as they were written.
    asked: BTreeMap<String, Asked>,
    /// All that the host ever asked.
    ever: BTreeMap<String, String>,
    /// Requests of the plugin, likewise.
    owed: BTreeSet<String>,
    answered: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    line: usize,
    in_flight: usize,
    window: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { line: 16 * 1024 * 1024, in_flight: 64, window: 256 * 1024 }
    }
}

impl Limits {
    fn read(limits: Option<&Json>) -> Self {
        let usual = Self::default();
        let limit = |name: &str| limits?.get(name)?.to_value().as_u64();
        let size = |name: &str, usual: usize| {
            limit(name).and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usual)
        };
        Self {
            line: size("maxLineBytes", usual.line),
            in_flight: size("maxInFlight", usual.in_flight),
            window: limit("streamWindowBytes")
                .and_then(|limit| i64::try_from(limit).ok())
                .unwrap_or(usual.window),
        }
    }
}

impl Judge {
    /// Looks at a line of the host, without its LF.
    pub(super) fn of_host(&mut self, line: &[u8], allows: &[Allowance]) -> Result<Json, Wrong> {
        if line.contains(&b'\r') {
            return wrong("FRAME-2", "a CR is written");
        }
        if line.starts_with(b"\xef\xbb\xbf") {
            return wrong("FRAME-2", "a BOM is written");
        }
        let limit = if self.ready { self.plugin.line } else { HANDSHAKE_LINE };
        if line.len() > limit {
            return wrong("FRAME-17", format!("a line of {} bytes; the plugin takes {limit}", line.len()));
        }
        let message = match Json::read(line) {
            Ok(message @ Json::Object(_)) => message,
            Ok(other) => {
                return wrong("FRAME-1", format!("a line is a JSON {}, not an object", other.kind()));
            }
            Err(fault) => {
                let spec = match fault {
                    Fault::LoneSurrogate { .. } => "JSON-4",
                    Fault::Duplicate { .. } => "JSON-5",
                    Fault::TooDeep => "JSON-6",
                    Fault::NotUtf8 { .. } | Fault::Syntax { .. } => "FRAME-1",
                };
                return wrong(spec, fault.to_string());
            }
        };
        if message.get("jsonrpc").and_then(Json::as_str) != Some("2.0") {
            return wrong("MSG-1", "`jsonrpc` is not \"2.0\"");
        }
        let ends = [message.get("result"), message.get("error")].iter().flatten().count();
        match (message.get("method"), message.get("id"), ends) {
            (Some(Json::String(method)), Some(id), 0) => self.request(method, id, &message)?,
            (Some(Json::String(method)), None, 0) => self.notification(method, &message, line.len())?,
            (None, Some(id), 1) => self.response(id, &message, allows)?,
            _ => return wrong("MSG-1", "it is no request, notification or response"),
        }
        Ok(message)
    }

    fn request(&mut self, method: &str, id: &Json, message: &Json) -> Result<(), Wrong> {
        let valid = match id {
            Json::Number(id) => id.is_integer() && id.as_str().parse::<u64>().is_ok_and(|id| id < 1 << 53),
            Json::String(id) => id.len() <= 256,
            _ => false,
        };
        if !valid {
            return wrong("MSG-2", format!("{id} is no id"));
        }
        let written = id.to_string();
        if self.asked.contains_key(&written) {
            return wrong("MSG-2", format!("the id {written} is in flight already"));
        }
        params(message)?;
        let known = ["rpc.initialize", "rpc.discover", "rpc.ping", "rpc.shutdown"];
        if method.starts_with("rpc.") {
            if !known.contains(&method) {
                return wrong("MSG-36", format!("{method} is no method of the protocol"));
            }
        } else {
            name(method)?;
            if !self.ready {
                return wrong("LIFE-7", format!("{method} before the handshake is done"));
            }
        }
        let parent = message.pointer("/params/_meta/parent").map(Json::to_string);
        if let Some(parent) = parent.as_ref()
            && !self.owed.contains(parent)
            && !self.answered.contains(parent)
        {
            return wrong("MSG-21", format!("no request of the plugin has the id {parent} of its parent"));
        }
        if method == "rpc.initialize" {
            if self.ready {
                return wrong("LIFE-17", "a second rpc.initialize after one that succeeded");
            }
            self.initialize = Some(written.clone());
            self.host = Limits::read(message.pointer("/params/limits"));
        }
        let asked = Asked {
            method: method.to_owned(),
            parent: parent.clone(),
            output: self.host.window,
            input: self.plugin.window,
        };
        self.ever.insert(written.clone(), method.to_owned());
        self.asked.insert(written, asked);
        let beside =
            |asked: &&Asked| !asked.method.starts_with("rpc.") && asked.parent.is_some() == parent.is_some();
        // Nested ones may be of several depths; only those that are not nested are surely of one.
        if parent.is_none()
            && !method.starts_with("rpc.")
            && self.asked.values().filter(beside).count() > self.plugin.in_flight
        {
            return wrong("LIFE-26", format!("more than {} requests in flight", self.plugin.in_flight));
        }
        Ok(())
    }

    fn notification(&mut self, method: &str, message: &Json, length: usize) -> Result<(), Wrong> {
        params(message)?;
        if !method.starts_with("rpc.") {
            return if self.ready {
                name(method)
            } else {
                wrong("LIFE-7", format!("{method} before the handshake"))
            };
        }
        let id = message.pointer("/params/id").map(Json::to_string).unwrap_or_default();
        let about = self.ever.get(&id).map(String::as_str);
        let needs = |capability: &str| {
            if self.capabilities[capability].is_object() {
                Ok(())
            } else {
                wrong("LIFE-29", format!("{method}, though the plugin does not declare {capability}"))
            }
        };
        match method {
            "rpc.cancel" | "rpc.input" | "rpc.inputEnd" | "rpc.outputCredit" if about.is_none() => {
                wrong("STREAM-6", format!("{method} about {id}, which the host never asked"))
            }
            "rpc.cancel" if about == Some("rpc.initialize") => {
                wrong("CALL-6", "rpc.initialize cannot be cancelled")
            }
            "rpc.cancel" => needs("cancel"),
            "rpc.inputEnd" => needs("streams"),
            "rpc.outputCredit" => {
                needs("streams")?;
                let bytes = message.pointer("/params/bytes").and_then(|bytes| bytes.to_value().as_i64());
                let Some(bytes) = bytes.filter(|bytes| *bytes >= 0) else {
                    return wrong("STREAM-14", "rpc.outputCredit without `bytes`, an integer from 0");
                };
                if let Some(asked) = self.asked.get_mut(&id) {
                    asked.output += bytes;
                    if asked.output > self.host.window {
                        return wrong(
                            "STREAM-13",
                            "more credit than was used: nobody can have taken that much",
                        );
                    }
                }
                Ok(())
            }
            "rpc.input" => {
                needs("streams")?;
                if !matches!(message.pointer("/params/items"), Some(Json::Array(_))) {
                    return wrong("STREAM-5", "rpc.input without `items`, a list");
                }
                let cost = i64::try_from(length).unwrap_or(i64::MAX).saturating_add(1);
                if cost > self.plugin.window {
                    return wrong(
                        "STREAM-12",
                        format!("a line of {cost} bytes; the window is {}", self.plugin.window),
                    );
                }
                if let Some(asked) = self.asked.get_mut(&id) {
                    if asked.input <= 0 {
                        return wrong("STREAM-10", "input is sent without credit");
                    }
                    asked.input -= cost;
                }
                Ok(())
            }
            _ => wrong("MSG-36", format!("{method} is no notification from host to plugin")),
        }
    }

    fn response(&mut self, id: &Json, message: &Json, allows: &[Allowance]) -> Result<(), Wrong> {
        let written = id.to_string();
        if let Some(error) = message.get("error") {
            let code = matches!(error.get("code"), Some(Json::Number(code)) if code.is_integer());
            if !code || error.get("message").and_then(Json::as_str).is_none() {
                return wrong("MSG-1", "an error has an integer `code` and a string `message`");
            }
        }
        if self.owed.remove(&written) {
            self.answered.insert(written);
            return Ok(());
        }
        if *id == Json::Null {
            return wrong("HOST-11", "answers with a null id are for plugins");
        }
        if self.answered.contains(&written) {
            return wrong("MSG-23", format!("the request {written} is answered twice"));
        }
        if allows.contains(&Allowance::Strangers) {
            return Ok(());
        }
        wrong("MSG-3", format!("an answer to {written}, which the plugin never asked"))
    }

    /// Takes note of a line of the plugin.
    pub(super) fn of_plugin(&mut self, line: &[u8]) {
        // What cannot be read here is wrong on purpose.
        let Ok(message) = Json::read(line) else { return };
        let method = message.get("method").and_then(Json::as_str);
        match (method, message.get("id")) {
            (Some(_), Some(id)) => {
                // Where it was used before, its next answer is not the second.
                self.answered.remove(&id.to_string());
                self.owed.insert(id.to_string());
            }
            (Some(method), None) => self.about(method, &message, line.len()),
            (None, Some(id)) => {
                let id = id.to_string();
                self.asked.remove(&id);
                if self.initialize.as_ref() == Some(&id)
                    && let Some(result) = message.get("result")
                {
                    self.ready = true;
                    self.plugin = Limits::read(result.get("limits"));
                    self.capabilities = result.get("capabilities").map(Json::to_value).unwrap_or_default();
                }
            }
            (None, None) => {}
        }
    }

    fn about(&mut self, method: &str, message: &Json, length: usize) {
        let id = message.pointer("/params/id").map(Json::to_string).unwrap_or_default();
        let Some(asked) = self.asked.get_mut(&id) else { return };
        match method {
            "rpc.output" => asked.output -= i64::try_from(length + 1).unwrap_or(i64::MAX),
            "rpc.inputCredit" => {
                let bytes = message.pointer("/params/bytes").and_then(|bytes| bytes.to_value().as_i64());
                asked.input = asked.input.saturating_add(bytes.unwrap_or_default());
            }
            _ => {}
        }
    }

    /// What the plugin may still send of that call's output before it has to wait for credit.
    pub(super) fn output_credit(&self, id: &Value) -> Option<i64> {
        self.asked.get(&id.to_string()).map(|asked| asked.output)
    }

    /// What the host may still send of that call's input.
    pub(super) fn input_credit(&self, id: &Value) -> Option<i64> {
        self.asked.get(&id.to_string()).map(|asked| asked.input)
    }

    /// The plugin's requests that were not answered.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = &String> {
        self.owed.iter()
    }
}

fn params(message: &Json) -> Result<(), Wrong> {
    match message.get("params") {
        None | Some(Json::Object(_)) => Ok(()),
        Some(other) => wrong("MSG-1", format!("`params` are a JSON {}, not an object", other.kind())),
    }
}

fn name(method: &str) -> Result<(), Wrong> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    if method.contains('.') && method.chars().all(plain) {
        Ok(())
    } else {
        wrong("MSG-35", format!("{method:?} is no name of a method"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(lines: &[&str]) -> Option<&'static str> {
        let mut judge = Judge::default();
        lines.iter().find_map(|line| match line.split_at(1) {
            (">", line) => judge.of_host(line.as_bytes(), &[]).err().map(|wrong| wrong.spec),
            (_, line) => {
                judge.of_plugin(line.as_bytes());
                None
            }
        })
    }

    const START: [&str; 2] = [
        r#">{"jsonrpc":"2.0","id":0,"method":"rpc.initialize","params":{"limits":{"streamWindowBytes":65536}}}"#,
        r#"<{"jsonrpc":"2.0","id":0,"result":{"limits":{"maxInFlight":1},"capabilities":{"cancel":{},"streams":{}}}}"#,
    ];

    #[test]
    fn what_no_host_may_write() {
        let rows: [(&[&str], Option<&str>); 14] = [
            (&[r#">{"jsonrpc":"2.0","id":1,"method":"c.m","params":{}}"#], None),
            (&[r#">{"jsonrpc":"2.0","id":1.0,"method":"c.m"}"#], Some("MSG-2")),
            (&[r#">{"id":1,"method":"c.m"}"#], Some("MSG-1")),
            (&[r#">{"jsonrpc":"2.0","id":1,"method":"c.m","params":[]}"#], Some("MSG-1")),
            (&[r#">{"jsonrpc":"2.0","id":1,"method":"c.m","id":1}"#], Some("JSON-5")),
            (&[r#">{"jsonrpc":"2.0","id":1,"method":"rpc.reboot"}"#], Some("MSG-36")),
            (&[r#">{"jsonrpc":"2.0","id":1,"result":1}"#], Some("MSG-3")),
            (&[r#"<{"id":1,"method":"h.m"}"#, r#">{"jsonrpc":"2.0","id":"1","result":1}"#], Some("MSG-3")),
            (
                &[
                    r#"<{"id":1,"method":"h.m"}"#,
                    r#">{"jsonrpc":"2.0","id":1,"result":1}"#,
                    r#">{"jsonrpc":"2.0","id":1,"result":1}"#,
                ],
                Some("MSG-23"),
            ),
            (
                &[
                    r#">{"jsonrpc":"2.0","id":1,"method":"c.m"}"#,
                    r#">{"jsonrpc":"2.0","id":2,"method":"c.m"}"#,
                ],
                Some("LIFE-26"),
            ),
            (&[r#">{"jsonrpc":"2.0","method":"rpc.cancel","params":{"id":0}}"#], Some("CALL-6")),
            (
                &[
                    r#">{"jsonrpc":"2.0","id":1,"method":"c.m"}"#,
                    r#">{"jsonrpc":"2.0","method":"rpc.outputCredit","params":{"id":1,"bytes":1}}"#,
                ],
                Some("STREAM-13"),
            ),
            (
                &[r#">{"jsonrpc":"2.0","id":1,"method":"c.m","params":{"_meta":{"parent":9}}}"#],
                Some("MSG-21"),
            ),
            (&[r#">{"jsonrpc":"2.0","id":0,"method":"rpc.initialize"}"#], Some("LIFE-17")),
        ];
        for (lines, wanted) in rows {
            assert_eq!(judged(&[&START, lines].concat()), wanted, "{lines:?}");
        }
        assert_eq!(judged(&[r#">{"jsonrpc":"2.0","id":1,"method":"c.m"}"#]), Some("LIFE-7"));
    }
}
