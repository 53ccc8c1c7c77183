//! What a schema lets through, in a few words.

use plugline_protocol::contract::shared_schema;
use serde_json::{Map, Value};

use super::safe;
use crate::output;

/// A part of a type as it is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// The name of a shared schema.
    Name(String),
}

/// A type as text, escaped.
pub(super) fn type_of(schema: &Value) -> String {
    let text = |piece| match piece {
        Piece::Text(text) | Piece::Name(text) => safe(&text),
    };
    pieces(schema).into_iter().map(text).collect()
}

/// A type in pieces, as they came.
pub(super) fn pieces(schema: &Value) -> Vec<Piece> {
    let mut pieces = Vec::new();
    add(schema, &mut pieces);
    pieces
}

/// The members of an object, each with whether it is required.
pub(super) fn members(schema: &Value) -> Vec<(&str, &Value, bool)> {
    let required = schema.get("required").and_then(Value::as_array);
    let required = |name: &str| required.is_some_and(|names| names.iter().any(|it| it == name));
    let members = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    members.map(|(name, member)| (name.as_str(), member, required(name))).collect()
}

fn add(schema: &Value, pieces: &mut Vec<Piece>) {
    if schema == &Value::Bool(false) {
        return text("never", pieces);
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        match shared_schema(target) {
            Some(name) => pieces.push(Piece::Name(name)),
            None => text(target, pieces),
        }
        return;
    }
    for (combiner, between) in [("allOf", " & "), ("oneOf", " | "), ("anyOf", " | ")] {
        if let Some(parts) = schema.get(combiner).and_then(Value::as_array) {
            return joined(parts, between, pieces);
        }
    }
    if let Some(value) = schema.get("const") {
        return text(&constant(value), pieces);
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return text(&values.iter().map(constant).collect::<Vec<_>>().join(" | "), pieces);
    }
    match schema.get("type") {
        Some(Value::String(name)) => of_type(name, schema, pieces),
        Some(Value::Array(names)) => {
            // One that stands there again says no more, and what is within would be shown as often, at every depth.
            let is_first = |index: usize, name: &&Value| !names[..index].contains(name);
            let names = names.iter().enumerate().filter(|(index, name)| is_first(*index, name));
            for (index, name) in names.filter_map(|(_, name)| name.as_str()).enumerate() {
                if index > 0 {
                    text(" | ", pieces);
                }
                of_type(name, schema, pieces);
            }
        }
        _ if ["properties", "patternProperties"].iter().any(|it| schema.get(it).is_some()) => {
            of_type("object", schema, pieces)
        }
        _ => text("any", pieces),
    }
}

fn of_type(name: &str, schema: &Value, pieces: &mut Vec<Piece>) {
    match name {
        "array" => array(schema, pieces),
        "object" => object(schema, pieces),
        _ => text(name, pieces),
    }
}

/// `[a]` has any number of them, `[a, b]` is one of each, `[a, b, …c]` any number of the last.
fn array(schema: &Value, pieces: &mut Vec<Piece>) {
    text("[", pieces);
    match schema.get("items") {
        Some(Value::Array(items)) => {
            joined(items, ", ", pieces);
            if let Some(more) = schema.get("additionalItems").filter(|more| more.is_object()) {
                text(", …", pieces);
                add(more, pieces);
            }
        }
        Some(items) => add(items, pieces),
        None => text("any", pieces),
    }
    text("]", pieces);
}

fn object(schema: &Value, pieces: &mut Vec<Piece>) {
    let members = members(schema);
    let named = members.into_iter().map(|(name, member, required)| {
        let optional = if required { "" } else { "?" };
        (format!("{name}{optional}"), member)
    });
    let patterns = schema.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
    let patterns = patterns.map(|(pattern, member)| (format!("/{pattern}/"), member));
    let others = schema.get("additionalProperties").filter(|others| others.is_object());
    let others = others.map(|others| ("string".to_owned(), others));
    let all: Vec<(String, &Value)> = named.chain(patterns).chain(others).collect();
    if all.is_empty() {
        return text("object", pieces);
    }
    for (index, (name, member)) in all.into_iter().enumerate() {
        text(if index > 0 { ", " } else { "{" }, pieces);
        text(&format!("{name}: "), pieces);
        add(member, pieces);
    }
    text("}", pieces);
}

fn joined(parts: &[Value], between: &str, pieces: &mut Vec<Piece>) {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            text(between, pieces);
        }
        add(part, pieces);
    }
}

fn text(text: &str, pieces: &mut Vec<Piece>) {
    pieces.push(Piece::Text(text.to_owned()));
}

pub(super) fn description(schema: &Value) -> Option<&str> {
    schema.get("description").and_then(Value::as_str)
}

/// A value as JSON.
pub(super) fn constant(value: &Value) -> String {
    output::escape_json(&value.to_string())
}

/// What else a schema demands, in words: bounds, patterns, formats, what it may not be.
pub(super) fn demands(schema: &Value) -> Vec<String> {
    let Some(schema) = schema.as_object() else { return Vec::new() };
    let mut all = own_demands(schema);
    if let Some(items) = schema.get("items").and_then(Value::as_object) {
        all.extend(own_demands(items).iter().map(|demand| format!("each {demand}")));
    }
    // Last: it is often the longest.
    all.extend(schema.get("default").map(|value| format!("default {}", constant(value))));
    all
}

fn own_demands(schema: &Map<String, Value>) -> Vec<String> {
    let demand = |(keyword, words): (&str, &str)| {
        let value = schema.get(keyword)?;
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Some(format!("{words} {value}"))
    };
    let keywords = [
        ("format", "format"),
        ("pattern", "pattern"),
        ("minimum", "≥"),
        ("exclusiveMinimum", ">"),
        ("maximum", "≤"),
        ("exclusiveMaximum", "<"),
        ("multipleOf", "multiple of"),
        ("minLength", "characters: at least"),
        ("maxLength", "characters: at most"),
        ("minItems", "items: at least"),
        ("maxItems", "items: at most"),
        ("minProperties", "members: at least"),
        ("maxProperties", "members: at most"),
        ("contentEncoding", "encoding"),
    ];
    let flags = [("uniqueItems", "no item twice"), ("writeOnly", "secret"), ("deprecated", "deprecated")];
    let is_set = |keyword: &str| schema.get(keyword) == Some(&Value::Bool(true));
    let flags = flags.into_iter().filter(|(keyword, _)| is_set(keyword)).map(|(_, words)| words.to_owned());
    let not = schema.get("not").map(|not| {
        let except = [vec![type_of(not)], demands(not)].concat();
        format!("not {}", except.join(" "))
    });
    keywords.into_iter().filter_map(demand).chain(not).chain(flags).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_in_words() {
        for (schema, words) in [
            (json!({"$ref": "#/components/schemas/User"}), "User"),
            (json!({"$ref": "#/components/schemas/Gr%C3%BC%C3%9Fe~1n"}), "Grüße/n"),
            (json!({"type": "array", "items": {"$ref": "#/components/schemas/User"}}), "[User]"),
            (json!({"anyOf": [{"type": "string"}, {"type": "null"}]}), "string | null"),
            (json!({"oneOf": [{"const": "a"}, {"const": 1}]}), "\"a\" | 1"),
            (json!({"type": ["string", "null"]}), "string | null"),
            (json!({"type": "object", "additionalProperties": {"type": "integer"}}), "{string: integer}"),
            (json!({"allOf": [{"type": "boolean"}], "description": "d"}), "boolean"),
            (json!({}), "any"),
            (json!(true), "any"),
            (json!(false), "never"),
            (json!({"type": "array"}), "[any]"),
            (json!({"type": "array", "items": [{"type": "integer"}, {}]}), "[integer, any]"),
            (
                json!({"type": "array", "items": [true], "additionalItems": {"type": "integer"}}),
                "[any, …integer]",
            ),
            (
                json!({"type": ["object", "null"], "properties": {"a": {"type": "integer"}, "b": false}, "required": ["a"]}),
                "{a: integer, b?: never} | null",
            ),
            (json!({"type": "object", "properties": {}}), "object"),
            (
                json!({"patternProperties": {"^x-": {"type": "string"}}, "additionalProperties": {"type": "null"}}),
                "{/^x-/: string, string: null}",
            ),
            (json!({"type": ["object", "object"], "properties": {"a": true}}), "{a?: any}"),
            (
                json!({"allOf": [{"$ref": "#/components/schemas/A"}, {"properties": {"b": {}}}]}),
                "A & {b?: any}",
            ),
            (json!({"type": "\u{1b}[2J"}), "\\u{1b}[2J"),
        ] {
            assert_eq!(type_of(&schema), words, "{schema}");
        }
    }

    #[test]
    fn demands_in_words() {
        for (schema, words) in [
            (json!(false), &[][..]),
            (
                json!({"type": "integer", "default": 0, "minimum": 0, "maximum": 9}),
                &["≥ 0", "≤ 9", "default 0"],
            ),
            (json!({"type": "string", "default": "", "writeOnly": true}), &["secret", "default \"\""]),
            (json!({"items": {"pattern": "x"}, "uniqueItems": true}), &["no item twice", "each pattern x"]),
            (json!({"maxProperties": 2, "deprecated": true}), &["members: at most 2", "deprecated"]),
            (json!({"not": {"const": 0}}), &["not 0"]),
            (json!({"not": {"type": "string", "minLength": 3}}), &["not string characters: at least 3"]),
        ] {
            assert_eq!(demands(&schema), words, "{schema}");
        }
    }
}
