//! What a schema lets through, in a few words.

use plugline_protocol::contract::shared_schema;
use serde_json::Value;

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

fn add(schema: &Value, pieces: &mut Vec<Piece>) {
    let text = |text: String| Piece::Text(text);
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        pieces.push(shared_schema(target).map_or_else(|| text(target.to_owned()), Piece::Name));
        return;
    }
    if let Some([only]) = schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
        return add(only, pieces);
    }
    for combiner in ["oneOf", "anyOf"] {
        if let Some(choices) = schema.get(combiner).and_then(Value::as_array) {
            for (index, choice) in choices.iter().enumerate() {
                if index > 0 {
                    pieces.push(text(" | ".to_owned()));
                }
                add(choice, pieces);
            }
            return;
        }
    }
    let listed = |values: &[Value]| values.iter().map(constant).collect::<Vec<_>>().join(" | ");
    if let Some(value) = schema.get("const") {
        return pieces.push(text(constant(value)));
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return pieces.push(text(listed(values)));
    }
    match schema.get("type") {
        Some(Value::String(name)) if name == "array" => {
            pieces.push(text("[".to_owned()));
            match schema.get("items") {
                Some(items) => add(items, pieces),
                None => pieces.push(text("any".to_owned())),
            }
            pieces.push(text("]".to_owned()));
        }
        Some(Value::String(name)) => {
            let values = schema.get("additionalProperties").filter(|values| values.is_object());
            match values.filter(|_| name == "object" && schema.get("properties").is_none()) {
                Some(values) => {
                    pieces.push(text("{string: ".to_owned()));
                    add(values, pieces);
                    pieces.push(text("}".to_owned()));
                }
                None => pieces.push(text(name.clone())),
            }
        }
        Some(Value::Array(names)) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            pieces.push(text(names.join(" | ")));
        }
        _ => pieces.push(text("any".to_owned())),
    }
}

fn constant(value: &Value) -> String {
    output::escape_json(&value.to_string())
}

/// What else a schema demands, in words: bounds, patterns, formats.
pub(super) fn demands(schema: &Value) -> Vec<String> {
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
        ("minLength", "at least, in characters,"),
        ("maxLength", "at most, in characters,"),
        ("minItems", "items: at least"),
        ("maxItems", "items: at most"),
        ("contentEncoding", "encoding"),
        ("default", "default"),
    ];
    keywords.into_iter().filter_map(demand).collect()
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
            (json!({"type": "\u{1b}[2J"}), "\\u{1b}[2J"),
        ] {
            assert_eq!(type_of(&schema), words, "{schema}");
        }
    }
}
