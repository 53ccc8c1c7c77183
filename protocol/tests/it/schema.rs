//! `protocol/schema/` is what the crate's types say, and says what the crate's types read.
//!
//! `PLUGLINE_UPDATE=1` writes the files anew.

use std::collections::HashMap;
use std::path::Path;

use plugline_protocol::contract;
use plugline_protocol::lifecycle::messages::{
    Cancel, Credit, InputEnd, Items, Log, Ping, Progress, Shutdown,
};
use plugline_protocol::lifecycle::{InitializeParams, InitializeResult, methods, schema};
use plugline_protocol::wire::{Malformed, Message, Outcome, Params, RequestId, decode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

const MESSAGES: &str = include_str!("messages.jsonl");
const NOT_MESSAGES: &str = include_str!("not-messages.jsonl");

fn check_file(name: &str, generated: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema").join(name);
    let wanted = serde_json::to_string_pretty(generated).unwrap() + "\n";
    if std::env::var_os("PLUGLINE_UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&path, wanted).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == wanted, "{} has drifted: run the tests with PLUGLINE_UPDATE=1", path.display());
}

#[test]
fn the_files_are_what_the_types_say() {
    check_file("messages.schema.json", &schema::messages());
    check_file("openrpc.json", &schema::openrpc());
}

fn validator() -> jsonschema::Validator {
    let schema = schema::messages();
    jsonschema::draft7::meta::validate(&schema).expect("the schema is itself valid");
    jsonschema::draft7::new(&schema).expect("every reference resolves")
}

/// Reads lines of `rpc.*` as a peer would, into the types they are specified by, and back into JSON.
#[derive(Default)]
struct Reader {
    /// The methods of the requests that have no answer yet.
    asked: HashMap<RequestId, String>,
}

impl Reader {
    fn read(&mut self, line: &str) -> Result<Value, String> {
        match decode(line.as_bytes()) {
            Ok(Message::Request(request)) => {
                let params = match request.method.as_ref() {
                    methods::INITIALIZE => {
                        InitializeParams::read(&request.params).map_err(text)?;
                        params::<InitializeParams>(request.params)
                    }
                    methods::DISCOVER | methods::PING => params::<Ping>(request.params),
                    methods::SHUTDOWN => params::<Shutdown>(request.params),
                    other => Err(format!("no request {other}")),
                }?;
                self.asked.insert(request.id.clone(), request.method.to_string());
                Ok(json!({"jsonrpc": "2.0", "id": request.id, "method": request.method, "params": params}))
            }
            Ok(Message::Notification(notification)) => {
                let params = match notification.method.as_ref() {
                    methods::CANCEL => params::<Cancel>(notification.params),
                    methods::PROGRESS => params::<Progress>(notification.params),
                    methods::LOG => params::<Log>(notification.params),
                    methods::OUTPUT | methods::INPUT => params::<Items>(notification.params),
                    methods::INPUT_END => params::<InputEnd>(notification.params),
                    methods::OUTPUT_CREDIT | methods::INPUT_CREDIT => params::<Credit>(notification.params),
                    other => Err(format!("no notification {other}")),
                }?;
                Ok(json!({"jsonrpc": "2.0", "method": notification.method, "params": params}))
            }
            Ok(Message::Response(response)) => {
                let method = self.asked.remove(&response.id);
                match response.outcome {
                    Outcome::Error(error) => {
                        let error = error.to_error().map_err(text)?;
                        Ok(json!({"jsonrpc": "2.0", "id": response.id, "error": error}))
                    }
                    Outcome::Result(raw) => {
                        let result = match method.as_deref() {
                            Some(methods::INITIALIZE) => {
                                InitializeResult::read(raw.get()).map_err(text)?;
                                result::<InitializeResult>(raw)
                            }
                            Some(methods::DISCOVER) => result::<contract::Document>(raw),
                            Some(methods::PING) => result::<Ping>(raw),
                            Some(methods::SHUTDOWN) => result::<()>(raw),
                            _ => Err(format!("nobody asked {}", response.id)),
                        }?;
                        Ok(json!({"jsonrpc": "2.0", "id": response.id, "result": result}))
                    }
                }
            }
            Err(Malformed::Unaddressed { code, message }) => {
                Ok(json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}}))
            }
            Err(fault) => Err(fault.to_string()),
        }
    }
}

fn params<T: DeserializeOwned + Serialize>(params: Params<'_>) -> Result<Value, String> {
    params.decode_open::<T>().map(|params| json!(params)).map_err(text)
}

fn result<T: DeserializeOwned + Serialize>(raw: &RawValue) -> Result<Value, String> {
    serde_json::from_str::<T>(raw.get()).map(|result| json!(result)).map_err(text)
}

fn text(fault: impl ToString) -> String {
    fault.to_string()
}

#[test]
fn every_message_validates_and_is_read() {
    let (validator, mut reader) = (validator(), Reader::default());
    let mut seen = Vec::new();
    for line in MESSAGES.lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        if let Err(fault) = validator.validate(&message) {
            panic!("{fault}: {line}");
        }
        let asked = message["id"].as_u64().and_then(|id| reader.asked.get(&RequestId::Number(id))).cloned();
        let read = reader.read(line).unwrap_or_else(|fault| panic!("{fault}: {line}"));
        assert!(validator.is_valid(&read), "what we write of it does not validate: {read}");
        seen.push(match (message["method"].as_str(), message.get("result"), asked) {
            (Some(method), _, _) => method.to_owned(),
            (None, Some(_), Some(asked)) => format!("{asked} answered"),
            _ => "error".to_owned(),
        });
    }
    let openrpc = schema::openrpc();
    for method in openrpc["methods"].as_array().unwrap() {
        let name = method["name"].as_str().unwrap();
        assert!(seen.iter().any(|seen| seen == name), "no example of {name}");
        let answered = format!("{name} answered");
        assert_eq!(method.get("result").is_some(), seen.contains(&answered), "an example of {answered}");
    }
    assert!(seen.iter().any(|seen| seen == "error"), "no example of an error");
}

#[test]
fn what_is_no_message_does_not_validate_and_is_not_read() {
    let validator = validator();
    for line in NOT_MESSAGES.lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        assert!(!validator.is_valid(&message), "validates: {line}");
        let mut reader = Reader::default();
        for method in [methods::INITIALIZE, methods::DISCOVER, methods::PING, methods::SHUTDOWN] {
            reader.asked.insert(RequestId::Text(method.into()), method.to_owned());
        }
        assert!(reader.read(line).is_err(), "is read: {line}");
    }
}

#[test]
fn an_optional_member_is_absent_and_not_null() {
    let validator = validator();
    for (method, params, member) in [
        ("rpc.initialize", json!({"protocolVersions": [1]}), "host"),
        ("rpc.initialize", json!({"protocolVersions": [1]}), "instance"),
        ("rpc.cancel", json!({"id": 1}), "reason"),
        ("rpc.progress", json!({"id": 1, "progress": 1}), "total"),
        ("rpc.log", json!({"level": "info", "message": ""}), "target"),
    ] {
        let mut message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        if method == "rpc.initialize" {
            message["id"] = json!(0);
        }
        assert!(validator.is_valid(&message), "{message}");
        message["params"][member] = Value::Null;
        assert!(!validator.is_valid(&message), "{message}");
    }
    let capability = json!({"protocolVersions": [1], "capabilities": {"log": null}});
    let message = json!({"jsonrpc": "2.0", "id": 0, "method": "rpc.initialize", "params": capability});
    assert!(!validator.is_valid(&message), "{message}");
}

#[test]
fn the_openrpc_document_keeps_to_the_profile() {
    let openrpc = schema::openrpc();
    let document: contract::Document = serde_json::from_value(openrpc.clone()).unwrap();
    assert_eq!(document.openrpc, contract::OPENRPC_VERSION);
    let schemas = &openrpc["components"]["schemas"];
    for method in openrpc["methods"].as_array().unwrap() {
        let name = &method["name"];
        let required: Vec<bool> =
            method["params"].as_array().unwrap().iter().map(|param| param["required"] == true).collect();
        assert!(required.is_sorted_by(|a, b| a >= b), "{name}: a required param after an optional one");
        let described = method["params"].as_array().unwrap().iter().chain(method.get("result"));
        for descriptor in described {
            // Its references are from the document's root, so the root has to hold what they name.
            let mut schema = descriptor["schema"].clone();
            if let Some(schema) = schema.as_object_mut() {
                schema.insert("components".into(), json!({ "schemas": schemas }));
            }
            if let Err(fault) = jsonschema::draft7::new(&schema) {
                panic!("{name}: {fault}");
            }
        }
    }
}
