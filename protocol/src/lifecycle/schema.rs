//! The protocol described by itself: JSON Schema of every message, and an OpenRPC document of the `rpc.*`
//! methods, made from the types that this crate reads and writes. `protocol/schema/` holds what these
//! functions return; a test keeps the two equal.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::messages::{Cancel, Credit, InputEnd, Items, Log, Ping, Progress, Shutdown};
use super::{InitializeParams, InitializeResult, methods};
use crate::wire::{Meta, RequestId};

/// Who sends a message.
struct Row {
    method: &'static str,
    summary: &'static str,
    sender: &'static str,
    params: Schema,
    result: Option<Schema>,
}

fn rows(schemas: &mut SchemaGenerator) -> Vec<Row> {
    fn object<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
        schemas.subschema_for::<T>()
    }
    let manifest = schemars::json_schema!({
        "description": "An OpenRPC 1.3.2 document: the plugin's manifest.",
        "type": "object"
    });
    let nothing = schemars::json_schema!({ "type": "null" });
    let row = |method, summary, sender, params, result| Row { method, summary, sender, params, result };
    vec![
        row(
            methods::INITIALIZE,
            "The handshake.",
            "host",
            object::<InitializeParams>(schemas),
            Some(object::<InitializeResult>(schemas)),
        ),
        row(methods::DISCOVER, "The manifest.", "host", object::<Ping>(schemas), Some(manifest)),
        row(
            methods::PING,
            "Answered at any time.",
            "either",
            object::<Ping>(schemas),
            Some(object::<Ping>(schemas)),
        ),
        row(
            methods::SHUTDOWN,
            "Finish what is in flight, then answer.",
            "host",
            object::<Shutdown>(schemas),
            Some(nothing),
        ),
        row(methods::CANCEL, "The answer is no longer wanted.", "caller", object::<Cancel>(schemas), None),
        row(methods::PROGRESS, "How far a call has come.", "callee", object::<Progress>(schemas), None),
        row(methods::LOG, "A line for the log.", "plugin", object::<Log>(schemas), None),
        row(methods::OUTPUT, "Items of an output stream.", "callee", object::<Items>(schemas), None),
        row(methods::INPUT, "Items of an input stream.", "caller", object::<Items>(schemas), None),
        row(methods::INPUT_END, "The input stream ends.", "caller", object::<InputEnd>(schemas), None),
        row(methods::OUTPUT_CREDIT, "Room for more output.", "caller", object::<Credit>(schemas), None),
        row(methods::INPUT_CREDIT, "Room for more input.", "callee", object::<Credit>(schemas), None),
    ]
}

/// JSON Schema (draft-07) of every line that may be sent.
pub fn messages() -> Value {
    let mut schemas = SchemaGenerator::new(settings());
    let mut kinds = Vec::new();
    let mut names = Vec::new();
    let mut define = |name: String, schema: Value| {
        kinds.push(json!({ "$ref": format!("#/definitions/{name}") }));
        names.push((name, schema));
    };
    for row in rows(&mut schemas) {
        let title = title_of(row.method);
        // What makes a message of another kind of it is refused; other members are ignored.
        let mut envelope = json!({
            "description": format!("`{}`, sent by the {}. {}", row.method, sender_of(row.sender), row.summary),
            "type": "object",
            "properties": {
                "jsonrpc": { "const": "2.0" },
                "method": { "const": row.method },
                "params": row.params,
                "result": false,
                "error": false
            },
            "required": ["jsonrpc", "method"]
        });
        let mut require = |name: &str| {
            envelope["required"].as_array_mut().expect("written above").push(json!(name));
        };
        let params = definition(schemas.definitions(), &row.params, "#/definitions/");
        if params.is_some_and(|params| params.get("required").is_some()) {
            require("params");
        }
        match row.result {
            Some(result) => {
                require("id");
                envelope["properties"]["id"] = json!({ "$ref": "#/definitions/RequestId" });
                define(format!("{title}Request"), envelope);
                define(
                    format!("{title}Response"),
                    json!({
                        "description": format!("The answer to `{}`.", row.method),
                        "type": "object",
                        "properties": {
                            "jsonrpc": { "const": "2.0" },
                            "id": { "$ref": "#/definitions/RequestId" },
                            "method": false,
                            "result": result,
                            "error": false
                        },
                        "required": ["jsonrpc", "id", "result"]
                    }),
                );
            }
            None => {
                envelope["properties"]["id"] = json!(false);
                define(format!("{title}Notification"), envelope);
            }
        }
    }
    define(
        "ErrorResponse".to_owned(),
        json!({
            "description": "Any request that failed. The id is null where the request's could not be told.",
            "type": "object",
            "properties": {
                "jsonrpc": { "const": "2.0" },
                "id": { "oneOf": [{ "$ref": "#/definitions/RequestId" }, { "type": "null" }] },
                "method": false,
                "result": false,
                "error": {
                    "type": "object",
                    "properties": { "code": { "type": "integer" }, "message": { "type": "string" }, "data": {} },
                    "required": ["code", "message"]
                }
            },
            "required": ["jsonrpc", "id", "error"]
        }),
    );
    schemas.subschema_for::<RequestId>();
    schemas.subschema_for::<Meta>();
    let mut definitions: Map<String, Value> = schemas.take_definitions(true);
    definitions.extend(names);
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Plugline protocol, version 1: the messages of the protocol itself",
        "description": "Calls of a contract have the same envelopes; their params and results are what the contract's manifest declares.",
        "anyOf": kinds,
        "definitions": definitions
    })
}

/// An OpenRPC 1.3.2 document of the `rpc.*` methods.
pub fn openrpc() -> Value {
    let settings = settings().with(|s| s.definitions_path = "/components/schemas".into());
    let mut schemas = SchemaGenerator::new(settings);
    let rows = rows(&mut schemas);
    let definitions = schemas.take_definitions(true);
    let methods: Vec<Value> = rows
        .into_iter()
        .map(|row| {
            let params = definition(&definitions, &row.params, "#/components/schemas/");
            let mut method = json!({
                "name": row.method,
                "description": format!("{} Sent by the {}.", row.summary, sender_of(row.sender)),
                "paramStructure": "by-name",
                "params": params.map(params_of).unwrap_or_default()
            });
            if let Some(result) = row.result {
                method["result"] = json!({ "name": "result", "schema": result });
            }
            method
        })
        .collect();
    json!({
        "openrpc": crate::contract::OPENRPC_VERSION,
        "info": { "title": "plugline-protocol", "version": "1.0.0" },
        "methods": methods,
        "components": { "schemas": definitions }
    })
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft07().with_transform(RecursiveTransform(absent_is_not_null))
}

/// To the types an optional member may be null; on the wire it is absent.
fn absent_is_not_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &mut types[..] {
            let only = only.take();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| *choice != json!({ "type": "null" }));
        if choices.len() == 1 {
            let only = schema.remove("anyOf").expect("it is there");
            schema.insert("allOf".to_owned(), only);
        }
    }
}

/// What a reference names.
fn definition<'a>(definitions: &'a Map<String, Value>, reference: &Schema, at: &str) -> Option<&'a Value> {
    let name = reference.get("$ref")?.as_str()?.strip_prefix(at)?;
    definitions.get(name)
}

/// One content descriptor a property, the required ones first.
fn params_of(object: &Value) -> Vec<Value> {
    let required: Vec<&str> =
        object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut params: Vec<Value> = object["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, schema)| json!({ "name": name, "required": required.contains(&name.as_str()), "schema": schema }))
        .collect();
    params.sort_by_key(|param| param["required"] != json!(true));
    params
}

/// `rpc.inputEnd` → `InputEnd`.
fn title_of(method: &str) -> String {
    let name = method.trim_start_matches(methods::PREFIX);
    name[..1].to_uppercase() + &name[1..]
}

fn sender_of(sender: &str) -> &str {
    if sender == "either" { "host or the plugin" } else { sender }
}
