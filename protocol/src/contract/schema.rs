//! JSON Schema draft-07 as a tree: which members of a schema are schemas themselves, and where references point.
//! Knows nothing of methods.

use serde_json::Value;

/// Where shared schemas stand, and the one place at which a `$ref` may point (`CONTRACT-3`, `CONTRACT-4`).
pub(crate) const COMPONENTS: &str = "#/components/schemas/";

/// What a schema within a schema is applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    /// To the same value.
    InPlace,
    /// To a part of it, or to nothing until something points there.
    Within,
}

/// The keywords whose value is one schema.
const ONE: [(&str, Applied); 9] = [
    ("not", Applied::InPlace),
    ("if", Applied::InPlace),
    ("then", Applied::InPlace),
    ("else", Applied::InPlace),
    ("items", Applied::Within),
    ("additionalItems", Applied::Within),
    ("contains", Applied::Within),
    ("additionalProperties", Applied::Within),
    ("propertyNames", Applied::Within),
];

/// The keywords whose value is a list of schemas; `items` may be one too.
const LISTS: [(&str, Applied); 4] = [
    ("allOf", Applied::InPlace),
    ("anyOf", Applied::InPlace),
    ("oneOf", Applied::InPlace),
    ("items", Applied::Within),
];

/// The keywords whose value maps names to schemas.
const MAPS: [(&str, Applied); 4] = [
    ("properties", Applied::Within),
    ("patternProperties", Applied::Within),
    ("dependencies", Applied::InPlace),
    ("definitions", Applied::Within),
];

/// A schema within another.
pub(crate) struct Part<'a> {
    /// From the outer schema, as a JSON Pointer.
    pub(crate) at: String,
    #[cfg_attr(
        not(feature = "validate"),
        expect(dead_code, reason = "only checks ask what it is applied to")
    )]
    pub(crate) applied: Applied,
    pub(crate) schema: &'a Value,
}

/// The schemas directly within a schema. Beside a `$ref` there are none: draft-07 ignores what stands there.
pub(crate) fn parts(schema: &Value) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let Some(members) = schema.as_object().filter(|members| !members.contains_key("$ref")) else {
        return parts;
    };
    let is_schema = |value: &Value| value.is_object() || value.is_boolean();
    for (keyword, applied) in ONE {
        if let Some(schema) = members.get(keyword).filter(|value| is_schema(value)) {
            parts.push(Part { at: format!("/{keyword}"), applied, schema });
        }
    }
    for (keyword, applied) in LISTS {
        for (index, schema) in
            members.get(keyword).and_then(Value::as_array).into_iter().flatten().enumerate()
        {
            parts.push(Part { at: format!("/{keyword}/{index}"), applied, schema });
        }
    }
    for (keyword, applied) in MAPS {
        for (name, schema) in members.get(keyword).and_then(Value::as_object).into_iter().flatten() {
            if is_schema(schema) {
                parts.push(Part { at: format!("/{keyword}/{}", escaped(name)), applied, schema });
            }
        }
    }
    parts
}

/// The name of the shared schema that this one points at.
pub(crate) fn target(schema: &Value) -> Option<String> {
    schema.get("$ref").and_then(Value::as_str).and_then(target_name)
}

/// The name of the shared schema at which a reference points: `#/components/schemas/NAME`, in the escapes of a JSON
/// Pointer and of a URI.
pub fn target_name(reference: &str) -> Option<String> {
    let name = reference.strip_prefix(COMPONENTS)?;
    let name = percent_decoded(name)?;
    (!name.is_empty() && !name.contains('/')).then(|| name.replace("~1", "/").replace("~0", "~"))
}

/// A fragment is part of a URI, so a name in it may be percent-encoded.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let code = digit()? * 16 + digit()?;
            bytes.push(u8::try_from(code).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The schema that is meant: what a chain of references ends at. `None` where it leads nowhere or in a circle.
#[cfg(feature = "validate")]
pub(crate) fn resolved<'a>(
    schema: &'a Value,
    shared: &'a serde_json::Map<String, Value>,
) -> Option<&'a Value> {
    let mut schema = schema;
    for _ in 0..=shared.len() {
        match schema.get("$ref") {
            None => return Some(schema),
            Some(_) => schema = shared.get(&target(schema)?)?,
        }
    }
    None
}

/// The type of a value. A number with a fraction or an exponent is no integer, as it is written.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What a format for numbers lets through, in powers of two.
#[cfg(feature = "validate")]
pub(crate) fn number_format(format: &str) -> Option<(i32, i32)> {
    Some(match format {
        "int8" => (-7, 7),
        "int16" => (-15, 15),
        "int32" => (-31, 31),
        "int64" | "int" => (-63, 63),
        "int128" => (-127, 127),
        "uint8" => (0, 8),
        "uint16" => (0, 16),
        "uint32" => (0, 32),
        "uint64" | "uint" => (0, 64),
        "uint128" => (0, 128),
        "float" => (-1000, 1000),
        "double" => (-2000, 2000),
        _ => return None,
    })
}

/// A segment of a JSON Pointer (RFC 6901).
pub(crate) fn escaped(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_name_shared_schemas() {
        for (reference, name) in [
            ("#/components/schemas/User", Some("User")),
            ("#/components/schemas/a~1b", Some("a/b")),
            ("#/components/schemas/Map%3Cstring%3E", Some("Map<string>")),
            ("#/components/schemas/", None),
            ("#/components/schemas/User/properties/id", None),
            ("#/components/schemas/%f", None),
            ("#/definitions/User", None),
            ("https://example.com/#/components/schemas/User", None),
        ] {
            assert_eq!(target_name(reference).as_deref(), name, "{reference}");
        }
    }

    #[cfg(feature = "validate")]
    #[test]
    fn a_circle_of_references_resolves_to_nothing() {
        let shared = serde_json::json!({"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}});
        let shared = shared.as_object().unwrap();
        assert_eq!(resolved(&shared["A"], shared), None);
    }
}
