//! What a transcript shows of each line: all of it, but for what is secret (`secrets.rs`).

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use plugline_protocol::contract::{Part, Validators};
use plugline_protocol::lifecycle::methods;
use plugline_protocol::peer::Direction;
use serde_json::{Value, json};

use crate::secrets::{HIDDEN, Lasts, Redactor};

/// Of so many calls the method is remembered, until they are answered. No more can be in flight where both sides keep to
/// their limits; of one that was forgotten, what its answer hides is found by its schema no more.
const REMEMBERED: usize = 16 * 1024;

/// Keeps what is secret out of a transcript, and learns from params what is.
pub(crate) struct Censor {
    pub(crate) redactor: Redactor,
    /// What describes what passes, once that is known.
    schemas: OnceLock<Arc<Validators>>,
    /// Methods of calls that are in flight, by their ids: those of this side, and those of the plugin.
    calls: Mutex<[HashMap<String, String>; 2]>,
}

impl fmt::Debug for Censor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Censor")
    }
}

fn index(direction: Direction) -> usize {
    match direction {
        Direction::Sent => 0,
        Direction::Received => 1,
    }
}

fn back(direction: Direction) -> Direction {
    match direction {
        Direction::Sent => Direction::Received,
        Direction::Received => Direction::Sent,
    }
}

impl Censor {
    pub(crate) fn new(redactor: Redactor) -> Self {
        Self { redactor, schemas: OnceLock::new(), calls: Mutex::default() }
    }

    /// From here on it is known what of that which passes is not to be shown.
    pub(crate) fn know(&self, schemas: &Arc<Validators>) {
        self.schemas.get_or_init(|| Arc::clone(schemas));
    }

    /// What is secret in a config is not to be shown from here on.
    pub(crate) fn learn_config(&self, config: &Value) {
        let Some(schemas) = self.schemas.get() else { return };
        let places = schemas.hidden_config(config);
        self.redactor.hide_values(places.iter().filter_map(|place| config.pointer(place)), Lasts::Always);
    }

    /// What is secret in what a method is given is not to be shown for a while.
    pub(crate) fn learn(&self, method: &str, part: Part, value: &Value) {
        let Some(schemas) = self.schemas.get() else { return };
        let places = schemas.hidden(method, part, value);
        self.redactor.hide_values(places.iter().filter_map(|place| value.pointer(place)), Lasts::AWhile);
    }

    /// Learns from a line that nobody is shown.
    pub(crate) fn overhear(&self, direction: Direction, line: &[u8]) {
        drop(self.by_schema(direction, line));
    }

    /// The line as it is shown.
    pub(crate) fn line<'a>(&self, direction: Direction, line: &'a [u8]) -> Cow<'a, [u8]> {
        let by_schema = self.by_schema(direction, line);
        match by_schema {
            Some(text) => Cow::Owned(self.redactor.redact_bytes(text.as_bytes()).into_owned()),
            None => self.redactor.redact_bytes(line),
        }
    }

    /// Another text in its place, where by its schema some of it is not to be shown.
    fn by_schema(&self, direction: Direction, line: &[u8]) -> Option<String> {
        let schemas = self.schemas.get();
        let is_looked_at = schemas.is_some_and(|schemas| schemas.hides_any());
        // No other line is worth parsing.
        let first = &line[..line.len().min(200)];
        let may_be_first = memchr::memmem::find(first, methods::INITIALIZE.as_bytes()).is_some();
        if !is_looked_at && !may_be_first {
            return None;
        }
        let mut message: Value = serde_json::from_slice(line).ok()?;
        let method = message["method"].as_str().map(str::to_owned);
        let changed = match (method.as_deref(), schemas) {
            (Some(methods::INITIALIZE), schemas) => conceal_config(&mut message, schemas.map(|it| &**it)),
            (Some(method), Some(schemas)) => self.called(direction, method, &mut message, schemas),
            (None, Some(schemas)) => self.answered(direction, &mut message, schemas),
            (_, None) => false,
        };
        changed.then(|| message.to_string())
    }

    fn called(&self, direction: Direction, method: &str, message: &mut Value, schemas: &Validators) -> bool {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let (from, part) = match method {
            methods::INPUT => (direction, Part::Input),
            methods::OUTPUT => (back(direction), Part::Output),
            method => {
                let id = &message["id"];
                if !id.is_null() && schemas.hides(method) {
                    let calls = &mut calls[index(direction)];
                    if calls.len() < REMEMBERED {
                        calls.insert(id.to_string(), method.to_owned());
                    }
                }
                drop(calls);
                let params = &mut message["params"];
                if params.is_null() {
                    return false; // Absent ones: this made them so.
                }
                self.learn(method, Part::Params, params);
                return conceal(params, &schemas.hidden(method, Part::Params, params));
            }
        };
        let Some(method) = calls[index(from)].get(&message["params"]["id"].to_string()).cloned() else {
            return false;
        };
        drop(calls);
        let mut changed = false;
        for item in message["params"]["items"].as_array_mut().into_iter().flatten() {
            self.learn(&method, part, item);
            changed |= conceal(item, &schemas.hidden(&method, part, item));
        }
        changed
    }

    fn answered(&self, direction: Direction, message: &mut Value, schemas: &Validators) -> bool {
        let id = message["id"].to_string();
        let method = {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            calls[index(back(direction))].remove(&id)
        };
        let Some(method) = method else { return false };
        if let Some(result) = message.get_mut("result") {
            return conceal(result, &schemas.hidden(&method, Part::Result, result));
        }
        let code = message["error"]["code"].as_i64().unwrap_or_default();
        match message.get_mut("error").and_then(|error| error.get_mut("data")) {
            Some(data) => conceal(data, &schemas.hidden(&method, Part::ErrorData(code), data)),
            None => false,
        }
    }
}

/// A config of which nobody says what in it is secret is not shown.
fn conceal_config(message: &mut Value, schemas: Option<&Validators>) -> bool {
    let Some(config) = message.get_mut("params").and_then(|params| params.get_mut("config")) else {
        return false;
    };
    match schemas {
        Some(schemas) => conceal(config, &schemas.hidden_config(config)),
        None if *config == json!({}) => false,
        None => {
            *config = HIDDEN.into();
            true
        }
    }
}

fn conceal<'a>(value: &mut Value, places: impl IntoIterator<Item = &'a String>) -> bool {
    let mut changed = false;
    for place in places {
        if let Some(part) = value.pointer_mut(place) {
            *part = HIDDEN.into();
            changed = true;
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use plugline_protocol::contract::Manifest;

    use super::*;

    fn manifest() -> Arc<Validators> {
        let secret = json!({"type": "string", "writeOnly": true});
        let document = json!({
            "openrpc": "1.3.2", "info": {"title": "safe", "version": "1.0.0"},
            "methods": [
                {"name": "safe.open", "description": "Opens it.", "paramStructure": "by-name",
                 "params": [{"name": "pin", "required": true, "schema": secret}, {"name": "door", "required": true, "schema": {"type": "string"}}],
                 "result": {"name": "key", "schema": {"type": "object", "properties": {"key": secret}}},
                 "x-plugline": {"errors": "any", "output": secret, "input": secret}},
                {"name": "safe.plain", "description": "Nothing.", "paramStructure": "by-name", "params": [],
                 "result": {"name": "none", "schema": {"type": "null"}}},
            ],
            "components": {"schemas": {}},
            "x-plugline": {"protocol": [1], "provides": [{"contract": "safe", "version": "1.0.0"}], "requires": [],
                "hostMethods": [], "instances": "many",
                "config": {"type": "object", "properties": {"token": secret, "file": {"type": "string"}}}},
        });
        let manifest = Manifest::read(document.to_string().as_bytes()).expect("it keeps the rules");
        Arc::clone(manifest.validators())
    }

    /// Line by line, what is shown.
    fn check(censor: &Censor, lines: &[(Direction, Value, Value)]) {
        for (direction, line, wanted) in lines {
            let text = line.to_string();
            let shown = censor.line(*direction, text.as_bytes());
            assert_eq!(&serde_json::from_slice::<Value>(&shown).unwrap(), wanted, "{text}");
        }
    }

    #[test]
    fn what_a_schema_hides_is_not_shown_in_any_line() {
        use Direction::{Received, Sent};
        let censor = Censor::new(Redactor::default());
        censor.know(&manifest());
        let line = |id: u64, rest: Value| {
            let mut line = json!({"jsonrpc": "2.0", "id": id});
            line.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            line
        };
        let item = |method: &str, item: &str| json!({"jsonrpc": "2.0", "method": method, "params": {"id": 7, "items": [item]}});
        let config = |token: &str| {
            line(0, json!({"method": "rpc.initialize", "params": {"config": {"token": token, "file": "f"}}}))
        };
        let open = |pin: &str| line(7, json!({"method": "safe.open", "params": {"pin": pin, "door": "d"}}));
        let plain = line(8, json!({"method": "safe.plain"}));
        check(
            &censor,
            &[
                (Sent, config("t"), config(HIDDEN)),
                (Sent, open("1"), open(HIDDEN)),
                (Sent, plain.clone(), plain),
                (Sent, item("rpc.input", "2"), item("rpc.input", HIDDEN)),
                (Received, item("rpc.output", "3"), item("rpc.output", HIDDEN)),
                (
                    Received,
                    line(7, json!({"result": {"key": "4"}})),
                    line(7, json!({"result": {"key": HIDDEN}})),
                ),
                // It was answered: what bears its id now is no answer to it.
                (
                    Received,
                    line(7, json!({"result": {"key": "4"}})),
                    line(7, json!({"result": {"key": "4"}})),
                ),
                (Sent, open("1234"), open(HIDDEN)),
                // What is said again is known by its value.
                (
                    Received,
                    line(7, json!({"error": {"code": 1, "message": "not 1234", "data": "1234"}})),
                    line(7, json!({"error": {"code": 1, "message": "not [secret]", "data": HIDDEN}})),
                ),
            ],
        );
        assert!(censor.calls.lock().unwrap().iter().all(HashMap::is_empty));
    }

    #[test]
    fn a_config_that_nobody_describes_is_not_shown() {
        let censor = Censor::new(Redactor::default());
        let line = |config: Value| json!({"method": "rpc.initialize", "params": {"config": config}});
        check(
            &censor,
            &[
                (Direction::Sent, line(json!({"a": 1})), line(json!(HIDDEN))),
                (Direction::Sent, line(json!({})), line(json!({}))),
            ],
        );
        // What is no message is shown without what is known.
        censor.redactor.hide("hunter2");
        assert_eq!(&*censor.line(Direction::Received, b"\xff hunter2"), b"\xff [secret]");
    }
}
