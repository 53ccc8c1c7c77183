//! Whether a document is OpenRPC 1.3.2 (`CONTRACT-1`), by OpenRPC's own meta-schema.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{items, text, unique};
use crate::contract::OPENRPC_VERSION;
use crate::contract::engine::{self, Formats, Schemas};
use crate::contract::fault::Fault;

/// From `@open-rpc/meta-schema` 1.14.9 as it was published; Apache-2.0, `schema/openrpc/LICENSE`.
const META: &str = include_str!("../../../schema/openrpc/openrpc.schema.json");
/// What it takes for a JSON Schema: `@json-schema-tools/meta-schema` 1.8.0; Apache-2.0.
const JSON_SCHEMA: &str = include_str!("../../../schema/openrpc/json-schema.schema.json");

/// A schema that is part of this crate, without the name of its dialect: it is read as draft-07, of which it is a form.
pub(super) fn shipped(text: &str) -> Value {
    let mut schema: Value = serde_json::from_str(text).expect("the file is JSON");
    if let Some(members) = schema.as_object_mut() {
        members.remove("$schema");
    }
    schema
}

/// This schema, beside the two meta-schemas.
pub(super) fn beside_meta(schema: Value) -> Schemas {
    let (openrpc, json_schema) = (shipped(META), shipped(JSON_SCHEMA));
    let others = [
        ("https://meta.open-rpc.org/", &openrpc),
        // It is pointed at with and without the slash, which URIs tell apart.
        ("https://meta.json-schema.tools/", &json_schema),
        ("https://meta.json-schema.tools", &json_schema),
    ];
    Schemas::with(schema, &others).expect("the references of what is shipped resolve")
}

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let schemas = beside_meta(json!({ "$ref": "https://meta.open-rpc.org/" }));
    schemas.compile("", Formats::Told).expect("the meta-schema can be compiled")
});

pub(super) fn check(document: &Value, faults: &mut Vec<Fault>) {
    for fault in engine::faults(&VALIDATOR, document) {
        let remedy = "give it the form that https://spec.open-rpc.org/ describes";
        faults.push(Fault::new(fault.path, "CONTRACT-1", fault.message, remedy));
    }
    if let Some(version) = text(document, "openrpc").filter(|version| *version != OPENRPC_VERSION) {
        let what = format!("the document is OpenRPC {version}, and manifests are OpenRPC {OPENRPC_VERSION}");
        faults.push(Fault::new("/openrpc", "CONTRACT-1", what, format!("say {OPENRPC_VERSION:?}")));
    }
    // OpenRPC says these in words, not in its schema.
    let names =
        |list| items(document, list).filter_map(|(at, it)| Some((format!("{at}/name"), text(it, "name")?)));
    unique(names("/methods").chain(names("/x-plugline/hostMethods")), |at, name| {
        let what = format!("there are two methods {name:?}");
        faults.push(Fault::new(at, "CONTRACT-1", what, "give one of them another name"));
    });
    for (at, method) in items(document, "/methods").chain(items(document, "/x-plugline/hostMethods")) {
        let params = items(method, "/params")
            .filter_map(|(param, it)| Some((format!("{at}{param}"), text(it, "name")?)));
        unique(params, |at, name| {
            let what = format!("there are two params {name:?}");
            faults.push(Fault::new(at, "CONTRACT-1", what, "give one of them another name"));
        });
        let codes = items(method, "/errors")
            .filter_map(|(error, it)| Some((format!("{at}{error}"), it.get("code")?.to_string())));
        unique(codes, |at, code| {
            let what = format!("there are two errors of code {code}");
            faults.push(Fault::new(at, "CONTRACT-1", what, "give one of them another code"));
        });
    }
}
