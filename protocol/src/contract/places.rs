//! The places of a document at which schemas stand.

use serde_json::Value;

use super::schema::{escaped, parts};

/// Every schema of a document that is not part of another, with its JSON Pointer; the shared ones included.
pub(crate) fn schemas(document: &Value) -> Vec<(String, &Value)> {
    let mut roots: Vec<(String, Option<&Value>)> = Vec::new();
    let mut add = |at, schema| roots.push((at, schema));
    for list in ["/methods", "/x-plugline/hostMethods"] {
        for (at, method) in items(document, list) {
            for (param, descriptor) in items(method, "/params") {
                add(format!("{at}{param}/schema"), descriptor.get("schema"));
            }
            add(format!("{at}/result/schema"), method.pointer("/result/schema"));
            for way in ["output", "input"] {
                let place = format!("/x-plugline/{way}");
                add(format!("{at}{place}"), method.pointer(&place));
            }
            for (error, declared) in items(method, "/x-plugline/errors") {
                add(format!("{at}{error}/data"), declared.get("data"));
            }
        }
    }
    add("/x-plugline/config".to_owned(), document.pointer("/x-plugline/config"));
    let shared = document.pointer("/components/schemas").and_then(Value::as_object);
    for (name, schema) in shared.into_iter().flatten() {
        add(format!("/components/schemas/{}", escaped(name)), Some(schema));
    }
    roots.into_iter().filter_map(|(at, schema)| Some((at, schema?))).collect()
}

/// The same, and every schema within them.
pub(crate) fn all_schemas(document: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    let mut open = schemas(document);
    open.reverse();
    while let Some((at, schema)) = open.pop() {
        open.extend(parts(schema).into_iter().map(|part| (format!("{at}{}", part.at), part.schema)));
        found.push((at, schema));
    }
    found
}

/// The items of a list at that place, with their own; nothing where there is no list.
pub(crate) fn items<'a>(document: &'a Value, at: &'a str) -> impl Iterator<Item = (String, &'a Value)> {
    let list = document.pointer(at).and_then(Value::as_array);
    list.into_iter().flatten().enumerate().map(move |(index, item)| (format!("{at}/{index}"), item))
}
