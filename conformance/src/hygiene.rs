//! What no line may be, whatever a case is about: the judge of a plugin as a sender.
//!
//! Told of every line that goes and comes, in the order in which they did. Pure: no clock, no pipes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::json::{Fault, Json};
use crate::model::Allowance;

/// A rule that a line breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The requirement.
    pub rule: &'static str,
    /// What it wants.
    pub want: String,
    /// What the line does.
    pub got: String,
}

/// What the receiver of the plugin's lines declared, and the plugin itself.
#[derive(Debug, Clone, Default)]
struct Agreed {
    ours: Vec<String>,
    callbacks: Vec<String>,
    line_limit: u64,
    window: i64,
    plugin: Option<Value>,
}

/// The judge of one connection.
#[derive(Debug)]
pub struct Hygiene {
    allows: Vec<Allowance>,
    agreed: Agreed,
    proposed: Option<(String, Value)>,
    /// Our requests, by the id as it is written.
    requests: HashMap<String, Request>,
    /// Requests of the plugin that we have not answered, by id as it is written.
    callbacks: HashSet<String>,
    callbacks_before: HashSet<String>,
    anything_sent: bool,
    partial_sent: Vec<u8>,
    /// Lines of ours that a strict reader refuses and a lenient one may answer, with whatever id it found.
    wild: usize,
}

/// How bytes of ours came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A message, written by the book: if it is a request, an answer is owed.
    Message,
    /// Bytes that a case chose.
    Raw,
}

#[derive(Debug, Default)]
struct Request {
    method: String,
    /// Requests with this id that were sent and may be answered, and responses to them.
    sent: usize,
    answered: usize,
    /// Whether it must be answered: it was whole and plain.
    owed: bool,
    progress: Option<f64>,
    credit: i64,
}

/// Before the handshake, and where nothing else is said.
const FIRST_LINE_LIMIT: u64 = 1 << 20;
const DEFAULT_LINE_LIMIT: u64 = 16 << 20;
const DEFAULT_WINDOW: i64 = 256 << 10;
const MAX_ID_BYTES: usize = 256;
/// 2^53 − 1.
const MAX_ID: u64 = (1 << 53) - 1;

impl Hygiene {
    /// A judge that suspends these rules.
    #[must_use]
    pub fn new(allows: &[Allowance]) -> Self {
        Self {
            allows: allows.to_vec(),
            agreed: Agreed { line_limit: FIRST_LINE_LIMIT, window: DEFAULT_WINDOW, ..Agreed::default() },
            proposed: None,
            requests: HashMap::new(),
            callbacks: HashSet::new(),
            callbacks_before: HashSet::new(),
            anything_sent: false,
            partial_sent: Vec::new(),
            wild: 0,
        }
    }

    /// Bytes of ours.
    pub fn sent(&mut self, bytes: &[u8], origin: Origin) {
        let is_first = !self.anything_sent;
        self.anything_sent = true;
        let mut rest = bytes;
        if is_first {
            rest = rest.strip_prefix(b"\xef\xbb\xbf").unwrap_or(rest);
        }
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let mut line = std::mem::take(&mut self.partial_sent);
            line.extend_from_slice(&rest[..end]);
            self.sent_line(&line, origin);
            rest = &rest[end + 1..];
        }
        self.partial_sent.extend_from_slice(rest);
    }

    /// Whether the last line of ours has no end yet: what is written now would be a part of it.
    #[must_use]
    pub fn is_within_line(&self) -> bool {
        !self.partial_sent.is_empty()
    }

    fn sent_line(&mut self, line: &[u8], origin: Origin) {
        let Ok(message) = Json::read(line) else {
            self.wild += 1;
            return;
        };
        let method = message.get("method").and_then(Json::as_str);
        let ends = message.get("result").is_some() || message.get("error").is_some();
        let id = message.get("id").filter(|id| valid_id(id)).map(Json::to_string);
        match (id, ends) {
            (Some(id), true) if message.get("method").is_none() => {
                self.callbacks.remove(&id);
            }
            (Some(id), false) if message.get("method").is_some() => {
                let plain = method.is_some() && message.get("jsonrpc").and_then(Json::as_str) == Some("2.0");
                let method = method.unwrap_or_default().to_owned();
                if method == "rpc.initialize" {
                    let params = message.get("params").map(Json::to_value).unwrap_or_default();
                    self.proposed = Some((id.clone(), params));
                }
                let limit = self.plugin_limit("maxLineBytes").unwrap_or(FIRST_LINE_LIMIT);
                let fits = (line.len() as u64) <= limit;
                let window = self.agreed.window;
                let request = self.requests.entry(id).or_default();
                let in_flight = request.sent > request.answered;
                if !in_flight {
                    // A new use of an old id begins anew.
                    *request =
                        Request { sent: request.sent, answered: request.answered, ..Request::default() };
                    request.credit = window;
                    request.method = method;
                    request.owed = plain && fits && origin == Origin::Message;
                }
                request.sent += 1;
            }
            _ => {
                // Such as one with an id that is none: 1.0, -0.
                if message.get("id").is_some() && message.get("method").is_some() {
                    self.wild += 1;
                }
                if method == Some("rpc.outputCredit") {
                    self.credit_given(&message);
                }
            }
        }
    }

    fn credit_given(&mut self, message: &Json) {
        let id = message.pointer("/params/id").map(Json::to_string);
        let bytes = message.pointer("/params/bytes").and_then(|bytes| bytes.to_value().as_i64());
        if let (Some(request), Some(bytes)) = (id.and_then(|id| self.requests.get_mut(&id)), bytes) {
            request.credit = request.credit.saturating_add(bytes);
        }
    }

    fn plugin_limit(&self, name: &str) -> Option<u64> {
        let result = self.agreed.plugin.as_ref()?;
        let default = if name == "maxLineBytes" { DEFAULT_LINE_LIMIT } else { 0 };
        Some(result.pointer(&format!("/limits/{name}")).and_then(Value::as_u64).unwrap_or(default))
    }

    /// How much more output that call may send; bytes.
    #[must_use]
    pub fn credit(&self, id: &str) -> Option<i64> {
        self.requests.get(id).map(|request| request.credit)
    }

    /// Our window for each stream; bytes.
    #[must_use]
    pub fn window(&self) -> i64 {
        self.agreed.window
    }

    /// How long a line may be that we accept now; bytes before the LF.
    #[must_use]
    pub fn line_limit(&self) -> u64 {
        self.agreed.line_limit
    }

    /// Requests that were not answered and had to be.
    #[must_use]
    pub fn unanswered(&self) -> Vec<String> {
        if self.allows.contains(&Allowance::Unanswered) {
            return Vec::new();
        }
        let mut owed: Vec<String> = self
            .requests
            .iter()
            .filter(|(_, request)| request.owed && request.answered == 0)
            .map(|(id, request)| format!("{} with id {id}", request.method))
            .collect();
        owed.sort();
        owed
    }

    /// A line of the plugin, without its LF.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn received(&mut self, line: &[u8]) -> Result<Json, Breach> {
        if !self.anything_sent {
            return breach(
                "LIFE-3",
                "nothing is written before it is asked",
                "a line came before anything was sent",
            );
        }
        let size = line.len() as u64;
        if size > self.agreed.line_limit {
            let want = format!("lines of at most {} bytes, as the host declared", self.agreed.line_limit);
            return breach("FRAME-17", want, format!("a line of {size} bytes"));
        }
        if line.starts_with(b"\xef\xbb\xbf") {
            return breach("FRAME-2", "no BOM", "a line that begins with a BOM");
        }
        if line.ends_with(b"\r") {
            return breach("FRAME-2", "LF alone ends a line", "CR LF");
        }
        if line.contains(&b'\r') {
            return breach("FRAME-2", "no CR", "a CR within a line");
        }
        let message = Json::read(line).map_err(|fault| {
            let rule = match fault {
                Fault::NotUtf8 { .. } => "FRAME-1",
                Fault::Syntax { .. } => "FRAME-5",
                Fault::Duplicate { .. } => "JSON-5",
                Fault::LoneSurrogate { .. } => "JSON-4",
                Fault::TooDeep => "JSON-6",
            };
            Breach {
                rule,
                want: "every line is one JSON object, and a message".into(),
                got: fault.to_string(),
            }
        })?;
        self.kind_of(&message, line.len())?;
        Ok(message)
    }

    fn kind_of(&mut self, message: &Json, size: usize) -> Result<(), Breach> {
        if !matches!(message, Json::Object(_)) {
            return breach(
                "FRAME-5",
                "every line is a message",
                format!("a line that is a JSON {}", message.kind()),
            );
        }
        if message.get("jsonrpc").and_then(Json::as_str) != Some("2.0") {
            return breach("MSG-1", "a message with \"jsonrpc\": \"2.0\"", "none");
        }
        let (result, error) = (message.get("result").is_some(), message.get("error").is_some());
        match (message.get("method"), result || error) {
            (Some(Json::String(method)), false) => match message.get("id") {
                Some(id) => self.request(message, method, id),
                None => self.notification(message, method, size),
            },
            (Some(Json::String(_)), true) => breach(
                "MSG-1",
                "a request, a notification or a response",
                "a message with `method` and `result` or `error`",
            ),
            (Some(_), _) => breach("MSG-1", "`method` is a string", "it is not"),
            (None, false) => breach(
                "MSG-1",
                "a request, a notification or a response",
                "neither `method` nor `result` nor `error`",
            ),
            (None, true) if result && error => breach("MSG-1", "either `result` or `error`", "both"),
            (None, true) => self.response(message),
        }
    }

    fn response(&mut self, message: &Json) -> Result<(), Breach> {
        let error = message.get("error").is_some();
        match message.get("id") {
            None => breach("MSG-3", "a response with an id", "a response without `id`"),
            Some(Json::Null) if error => fits("ErrorResponse", message),
            Some(Json::Null) => breach("MSG-3", "the id of its request", "a result with `id: null`"),
            Some(id) if !valid_id(id) => {
                breach("MSG-3", "the id of its request, as it was written", format!("id {id}"))
            }
            Some(id) => {
                let key = id.to_string();
                let method = self.answered(&key)?;
                let initialized = method == "rpc.initialize" && !error;
                let known = match method.as_str() {
                    _ if error => Some("ErrorResponse"),
                    "rpc.initialize" => Some("InitializeResponse"),
                    "rpc.discover" => Some("DiscoverResponse"),
                    "rpc.ping" => Some("PingResponse"),
                    "rpc.shutdown" => Some("ShutdownResponse"),
                    _ => None,
                };
                known.map_or(Ok(()), |known| fits(known, message))?;
                if initialized {
                    self.agree(message, &key);
                }
                Ok(())
            }
        }
    }

    /// Counts a response; which method it answers.
    fn answered(&mut self, key: &str) -> Result<String, Breach> {
        let lenient = self.allows.contains(&Allowance::Strangers);
        match self.requests.get_mut(key) {
            Some(request) if request.answered < request.sent => {
                request.answered += 1;
                Ok(request.method.clone())
            }
            Some(_) if lenient => Ok(String::new()),
            Some(_) if self.wild > 0 => {
                self.wild -= 1;
                Ok(String::new())
            }
            Some(_) => breach(
                "MSG-23",
                "exactly one response to every request",
                format!("one more response with id {key}"),
            ),
            None if lenient => Ok(String::new()),
            None if self.wild > 0 => {
                self.wild -= 1;
                Ok(String::new())
            }
            None => {
                let want = "responses to requests that were made, with the id as it was written";
                breach("MSG-3", want, format!("a response with id {key}, which no request had"))
            }
        }
    }

    fn agree(&mut self, message: &Json, key: &str) {
        let params = match self.proposed.take() {
            Some((id, params)) if id == key => params,
            _ => Value::Null,
        };
        let limit = |name: &str| params.pointer(&format!("/limits/{name}")).and_then(Value::as_u64);
        let capabilities = params.get("capabilities").and_then(Value::as_object).cloned().unwrap_or_default();
        let methods = capabilities.get("callbacks").and_then(|callbacks| callbacks.get("methods"));
        let methods = methods.and_then(Value::as_array).cloned().unwrap_or_default();
        self.agreed = Agreed {
            ours: capabilities.keys().cloned().collect(),
            callbacks: methods.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
            line_limit: limit("maxLineBytes").unwrap_or(DEFAULT_LINE_LIMIT),
            window: limit("streamWindowBytes")
                .map_or(DEFAULT_WINDOW, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            plugin: message.get("result").map(Json::to_value),
        };
    }

    fn request(&mut self, message: &Json, method: &str, id: &Json) -> Result<(), Breach> {
        if !valid_id(id) {
            return breach(
                "MSG-2",
                "an id that is an integer 0 … 2^53−1 or a string of at most 256 bytes",
                format!("id {id}"),
            );
        }
        params_fit(message)?;
        if !self.callbacks.insert(id.to_string()) {
            return breach(
                "MSG-2",
                "an id that is not in flight",
                format!("two requests in flight with id {id}"),
            );
        }
        self.callbacks_before.insert(id.to_string());
        if method == "rpc.ping" {
            return fits("PingRequest", message);
        }
        if method.starts_with("rpc.") {
            return breach(
                "MSG-36",
                "of the protocol's own requests a plugin makes `rpc.ping` alone",
                method.to_owned(),
            );
        }
        self.callback(message, method)
    }

    fn notification(&mut self, message: &Json, method: &str, size: usize) -> Result<(), Breach> {
        params_fit(message)?;
        match method {
            "rpc.progress" => {
                self.both("progress")?;
                fits("ProgressNotification", message)?;
                self.progress(message)
            }
            "rpc.log" => {
                self.both("log")?;
                fits("LogNotification", message)
            }
            "rpc.cancel" => fits("CancelNotification", message),
            "rpc.output" => {
                self.both("streams")?;
                fits("OutputNotification", message)?;
                self.output(message, size)
            }
            "rpc.inputCredit" => {
                self.both("streams")?;
                fits("InputCreditNotification", message)
            }
            method if method.starts_with("rpc.") => breach(
                "MSG-36",
                "the protocol's own notifications",
                format!("{method}, which no plugin sends"),
            ),
            method => self.callback(message, method),
        }
    }

    /// Both sides must declare what is used.
    fn both(&self, capability: &str) -> Result<(), Breach> {
        let want = format!("{capability} is used where both sides declare it");
        if !self.agreed.ours.iter().any(|ours| ours == capability) {
            return breach("LIFE-29", want, "the host did not declare it");
        }
        let pointer = format!("/capabilities/{capability}");
        let declared = self.agreed.plugin.as_ref().is_some_and(|result| result.pointer(&pointer).is_some());
        if declared { Ok(()) } else { breach("LIFE-29", want, "the plugin did not declare it") }
    }

    fn callback(&self, message: &Json, method: &str) -> Result<(), Breach> {
        self.both("callbacks")?;
        if !self.agreed.callbacks.iter().any(|declared| declared == method) {
            let want = format!("calls of what the host declared: {}", self.agreed.callbacks.join(", "));
            return breach("CALL-14", want, method.to_owned());
        }
        match message.pointer("/params/_meta/parent") {
            Some(parent) if !self.requests.contains_key(&parent.to_string()) => breach(
                "MSG-21",
                "`_meta.parent` is the id of a request that the host made",
                format!("parent {parent}"),
            ),
            _ => Ok(()),
        }
    }

    /// The request that a notification is about, while it is in flight.
    fn subject(&mut self, message: &Json, method: &str) -> Result<&mut Request, Breach> {
        let id = message.pointer("/params/id").map(Json::to_string).unwrap_or_default();
        match self.requests.get_mut(&id) {
            Some(request) if request.answered < request.sent => Ok(request),
            Some(_) => breach(
                "MSG-34",
                format!("{method} comes before the response"),
                format!("{method} about {id} after it"),
            ),
            None => breach(
                "MSG-34",
                format!("{method} about a request in flight"),
                format!("{method} about {id}, which no request had"),
            ),
        }
    }

    fn progress(&mut self, message: &Json) -> Result<(), Breach> {
        let progress = match message.pointer("/params/progress") {
            Some(Json::Number(number)) => number.as_f64(),
            _ => return breach("CALL-11", "progress is a number", "it is not"),
        };
        let request = self.subject(message, "rpc.progress")?;
        match request.progress {
            Some(before) if progress < before => {
                breach("CALL-12", "progress never decreases", format!("{progress} after {before}"))
            }
            _ => {
                request.progress = Some(progress);
                Ok(())
            }
        }
    }

    fn output(&mut self, message: &Json, size: usize) -> Result<(), Breach> {
        let window = self.agreed.window;
        let cost = i64::try_from(size).unwrap_or(i64::MAX).saturating_add(1);
        let request = self.subject(message, "rpc.output")?;
        if cost > window {
            let want = format!("stream lines of at most {window} bytes with their LF, the host's window");
            return breach("STREAM-12", want, format!("one of {cost} bytes"));
        }
        if request.credit <= 0 {
            let got = format!("a line with {} bytes of credit left", request.credit);
            return breach("STREAM-10", "no stream line while the credit is zero or below", got);
        }
        request.credit -= cost;
        Ok(())
    }
}

fn breach<T>(rule: &'static str, want: impl Into<String>, got: impl Into<String>) -> Result<T, Breach> {
    Err(Breach { rule, want: want.into(), got: got.into() })
}

/// An integer 0 … 2^53−1 without fraction and exponent, or a string of at most 256 bytes (`MSG-2`).
pub(crate) fn valid_id(id: &Json) -> bool {
    match id {
        Json::Number(number) => {
            number.is_integer()
                && number.as_str().parse::<u64>().is_ok_and(|number| number <= MAX_ID)
                && number.as_str() != "-0"
        }
        Json::String(text) => text.len() <= MAX_ID_BYTES,
        _ => false,
    }
}

fn params_fit(message: &Json) -> Result<(), Breach> {
    match message.get("params") {
        None | Some(Json::Object(_)) => Ok(()),
        Some(other) => breach("MSG-8", "params that are an object", format!("a JSON {}", other.kind())),
    }
}

/// Whether a message of the protocol fits its schema, `protocol/schema/messages.schema.json`.
fn fits(definition: &str, message: &Json) -> Result<(), Breach> {
    static SCHEMAS: OnceLock<BTreeMap<&'static str, jsonschema::Validator>> = OnceLock::new();
    let schemas = SCHEMAS.get_or_init(|| {
        let all: Value = serde_json::from_str(include_str!("../../protocol/schema/messages.schema.json"))
            .expect("the schema is JSON, which a test of its crate checks");
        JUDGED
            .iter()
            .map(|name| {
                let schema =
                    json!({"$ref": format!("#/definitions/{name}"), "definitions": all["definitions"]});
                (*name, jsonschema::draft7::new(&schema).expect("the schema is one, which a test checks"))
            })
            .collect()
    });
    let value = message.to_value();
    match schemas[definition].validate(&value) {
        Ok(()) => Ok(()),
        Err(fault) => {
            let place = fault.instance_path().to_string();
            breach(
                "MSG-1",
                format!("a message that fits {definition} of protocol/schema"),
                format!("{place}: {fault}"),
            )
        }
    }
}

/// The messages that a plugin sends.
const JUDGED: [&str; 11] = [
    "ErrorResponse",
    "InitializeResponse",
    "DiscoverResponse",
    "PingResponse",
    "ShutdownResponse",
    "PingRequest",
    "ProgressNotification",
    "LogNotification",
    "CancelNotification",
    "OutputNotification",
    "InputCreditNotification",
];

#[cfg(test)]
mod tests {
    use super::*;

    const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"rpc.initialize","params":{"protocolVersions":[1],"limits":{"maxLineBytes":65536,"streamWindowBytes":65536},"capabilities":{"progress":{},"log":{},"streams":{},"callbacks":{"methods":["h.m"]}}}}"#;
    const INITIALIZED: &str = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":1,"plugin":{"name":"p","version":"1"},"provides":[],"capabilities":{"progress":{},"cancel":{},"streams":{},"callbacks":{}}}}"#;

    fn ready() -> Hygiene {
        let mut hygiene = Hygiene::new(&[]);
        hygiene.sent(format!("{INITIALIZE}\n").as_bytes(), Origin::Message);
        hygiene.received(INITIALIZED.as_bytes()).unwrap();
        // In two writes, as a line may come.
        hygiene.sent(br#"{"jsonrpc":"2.0","id":7,"#, Origin::Message);
        hygiene.sent(
            b"\"method\":\"c.m\"}\n{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"rpc.ping\"}\n",
            Origin::Message,
        );
        hygiene
    }

    #[track_caller]
    fn judged(lines: &[&str]) -> Option<&'static str> {
        let mut hygiene = ready();
        let (last, before) = lines.split_last().unwrap();
        for line in before {
            hygiene.received(line.as_bytes()).unwrap_or_else(|breach| panic!("{line}: {breach:?}"));
        }
        hygiene.received(last.as_bytes()).err().map(|breach| breach.rule)
    }

    #[test]
    fn what_a_plugin_may_say() {
        for line in [
            r#"{"jsonrpc":"2.0","id":7,"result":null,"extra":1}"#,
            r#"{"id":7,"jsonrpc":"2.0","error":{"code":1,"message":""}}"#,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":"a","result":{}}"#,
            r#"{"jsonrpc":"2.0","method":"rpc.progress","params":{"id":7,"progress":0.5}}"#,
            r#"{"jsonrpc":"2.0","method":"rpc.output","params":{"id":7,"items":[1]}}"#,
            r#"{"jsonrpc":"2.0","id":0,"method":"h.m","params":{"_meta":{"parent":7}}}"#,
            r#"{"jsonrpc":"2.0","id":0,"method":"rpc.ping"}"#,
        ] {
            assert_eq!(judged(&[line]), None, "{line}");
        }
    }

    #[test]
    fn what_it_may_not() {
        let answer = r#"{"jsonrpc":"2.0","id":7,"result":null}"#;
        let long = format!(r#"{{"jsonrpc":"2.0","id":7,"result":"{}"}}"#, "x".repeat(65536));
        let output = format!(
            r#"{{"jsonrpc":"2.0","method":"rpc.output","params":{{"id":7,"items":["{}"]}}}}"#,
            "x".repeat(65400)
        );
        let wide = format!(
            r#"{{"jsonrpc":"2.0","method":"rpc.output","params":{{"id":7,"items":["{}"]}}}}"#,
            "x".repeat(
                65536 - r#"{"jsonrpc":"2.0","method":"rpc.output","params":{"id":7,"items":[""]}}"#.len()
            )
        );
        let rows: &[(&[&str], &str)] = &[
            (&["hello"], "FRAME-5"),
            (&["[]"], "FRAME-5"),
            (&[""], "FRAME-5"),
            (&["{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":1}\r"], "FRAME-2"),
            (&["\u{feff}{}"], "FRAME-2"),
            (&[&long], "FRAME-17"),
            (&[r#"{"id":7,"result":1}"#], "MSG-1"),
            (&[r#"{"jsonrpc":"2.0","id":7}"#], "MSG-1"),
            (&[r#"{"jsonrpc":"2.0","id":7,"result":1,"error":{"code":1,"message":""}}"#], "MSG-1"),
            (&[r#"{"jsonrpc":"2.0","id":7,"error":{"code":"1","message":""}}"#], "MSG-1"),
            (&[r#"{"jsonrpc":"2.0","id":"7","result":1}"#], "MSG-3"),
            (&[r#"{"jsonrpc":"2.0","id":7.0,"result":1}"#], "MSG-3"),
            (&[r#"{"jsonrpc":"2.0","id":null,"result":1}"#], "MSG-3"),
            (&[r#"{"jsonrpc":"2.0","id":"a","result":null}"#], "MSG-1"),
            (&[answer, answer], "MSG-23"),
            (&[r#"{"jsonrpc":"2.0","id":7,"result":{"a":1,"a":2}}"#], "JSON-5"),
            (&[r#"{"jsonrpc":"2.0","id":7,"result":"\ud800"}"#], "JSON-4"),
            (&[r#"{"jsonrpc":"2.0","method":"rpc.log","params":{"level":"info","message":""}}"#], "LIFE-29"),
            (
                &[answer, r#"{"jsonrpc":"2.0","method":"rpc.progress","params":{"id":7,"progress":1}}"#],
                "MSG-34",
            ),
            (
                &[
                    r#"{"jsonrpc":"2.0","method":"rpc.progress","params":{"id":7,"progress":2}}"#,
                    r#"{"jsonrpc":"2.0","method":"rpc.progress","params":{"id":7,"progress":1}}"#,
                ],
                "CALL-12",
            ),
            (&[&output, &output, &output], "STREAM-10"),
            (&[&wide], "STREAM-12"),
            (&[r#"{"jsonrpc":"2.0","id":0,"method":"h.other"}"#], "CALL-14"),
            (&[r#"{"jsonrpc":"2.0","id":0,"method":"h.m","params":{"_meta":{"parent":8}}}"#], "MSG-21"),
            (&[r#"{"jsonrpc":"2.0","id":-1,"method":"rpc.ping"}"#], "MSG-2"),
            (&[r#"{"jsonrpc":"2.0","id":0,"method":"rpc.discover"}"#], "MSG-36"),
            (&[r#"{"jsonrpc":"2.0","method":"h.m","params":[1]}"#], "MSG-8"),
        ];
        for (lines, rule) in rows {
            assert_eq!(judged(lines), Some(*rule), "{lines:?}");
        }
    }

    #[test]
    fn what_is_owed_is_known() {
        let mut hygiene = ready();
        assert_eq!(hygiene.unanswered(), ["c.m with id 7", "rpc.ping with id \"a\""]);
        hygiene.received(br#"{"jsonrpc":"2.0","id":7,"result":null}"#).unwrap();
        hygiene.sent(b"{\"id\":8,\"method\":\"rpc.ping\"}\n", Origin::Message);
        hygiene.sent(b"{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"rpc.ping\"}\n", Origin::Raw);
        assert_eq!(hygiene.unanswered(), ["rpc.ping with id \"a\""]);
        // What a plugin that takes it may still answer.
        hygiene.received(br#"{"jsonrpc":"2.0","id":8,"error":{"code":-32600,"message":""}}"#).unwrap();
        // A lenient reader finds an id where a strict one sees none.
        hygiene.sent(b"{\"jsonrpc\":\"2.0\",\"id\":010,\"method\":\"rpc.ping\"}\n", Origin::Raw);
        hygiene.received(br#"{"jsonrpc":"2.0","id":10,"result":{}}"#).unwrap();
        hygiene.received(br#"{"jsonrpc":"2.0","id":10,"result":{}}"#).unwrap_err();
    }

    #[test]
    fn nothing_comes_unasked() {
        assert_eq!(Hygiene::new(&[]).received(b"{}").unwrap_err().rule, "LIFE-3");
    }
}
