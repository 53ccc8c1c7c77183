//! Documents made of choices: mostly ones that keep the rules, with names and texts that do not want to.

use arbitrary::{Arbitrary, Result, Unstructured};
use serde_json::{Map, Value, json};

/// Stands behind every character of a free text; no identifier has it.
const MARK: char = '§';

/// What would end a comment or a string, or begin one.
const BREAKING: &[&str] = &[
    "*/",
    "/*",
    "//",
    "\"\"\"",
    "'''",
    "\"",
    "'",
    "`",
    "\\",
    "\n",
    "\r",
    "\u{2028}",
    "\u{85}",
    "${",
    "{{",
    "#",
    "\0",
    "\u{202e}",
    "-->",
    "\\u000a",
    "\\x27",
    "{",
    "}",
    "(",
    ")",
    "%s",
    "go:",
    "@ts-ignore",
    "#[",
    "//go:build",
];

/// What some language takes for its own.
const NAMES: &[&str] = &[
    "a",
    "b",
    "id",
    "type",
    "self",
    "Self",
    "class",
    "None",
    "nil",
    "default",
    "constructor",
    "__proto__",
    "await",
    "match",
    "import",
    "string",
    "int",
    "error",
    "Error",
    "value",
    "Value",
    "call",
    "context",
    "config",
    "2fa",
    "user-id",
    "userId",
    "user_id",
    "UserId",
    "*/x",
    "a\"b",
    "a'b",
    "a`b",
    "a\\b",
    "a\nb",
    "über",
    "日本",
    "",
    "_",
    "__init__",
    "a.b",
    "$ref",
    "items",
    "T",
    "E",
];

/// A text for people, each character of which would be seen outside a comment or a string.
pub fn text(u: &mut Unstructured<'_>) -> Result<String> {
    let mut text = String::from(MARK);
    for _ in 0..u.int_in_range(0..=4)? {
        if u.ratio(3_u8, 4_u8)? {
            text.push_str(u.choose(BREAKING)?);
        } else {
            text.extend(char::arbitrary(u));
        }
        text.push(MARK);
    }
    Ok(text)
}

/// A name of a member, a component, a value.
pub fn name(u: &mut Unstructured<'_>) -> Result<String> {
    if u.ratio(7_u8, 8_u8)? {
        return Ok((*u.choose(NAMES)?).to_owned());
    }
    Ok(<&str>::arbitrary(u)?.chars().take(20).collect())
}

/// A schema; it refers to components by their names.
pub fn schema(u: &mut Unstructured<'_>, components: &[String], depth: u8) -> Result<Value> {
    if u.is_empty() {
        return Ok(json!({}));
    }
    let mut schema = match u.int_in_range(0..=if depth == 0 { 7 } else { 13 })? {
        0 => json!(*u.choose(&[true, true, true, false])?),
        1 => string(u)?,
        2 => number(u, "integer")?,
        3 => number(u, "number")?,
        4 => json!({"type": *u.choose(&["boolean", "null"])?}),
        5 => {
            let values: Vec<Value> = some(u, 1..=4, |u| Ok(json!(name(u)?)))?;
            json!({ "type": "string", "enum": values })
        }
        6 if !components.is_empty() => {
            return Ok(json!({ "$ref": format!("#/components/schemas/{}", u.choose(components)?) }));
        }
        6 | 7 => json!({ "const": constant(u)? }),
        8 => {
            let mut array = json!({ "type": "array", "items": self::schema(u, components, depth - 1)? });
            for bound in ["minItems", "maxItems"] {
                if u.ratio(1_u8, 4_u8)? {
                    array[bound] = json!(u.int_in_range(0..=5)?);
                }
            }
            if u.ratio(1_u8, 6_u8)? {
                array["uniqueItems"] = json!(true);
            }
            array
        }
        9 | 10 => object(u, components, depth)?,
        11 => {
            let word = *u.choose(&["oneOf", "anyOf", "allOf"])?;
            json!({ word: some(u, 1..=3, |u| self::schema(u, components, depth - 1))? })
        }
        12 => {
            // Told apart by a member.
            let tag = name(u)?;
            let choices = some(u, 1..=3, |u| {
                let mut object = object(u, components, depth - 1)?;
                object["properties"][&tag] = json!({ "const": name(u)? });
                object["required"] = json!([tag]);
                Ok(object)
            })?;
            json!({ "oneOf": choices })
        }
        _ => json!({ "type": [*u.choose(&["string", "integer", "object", "array"])?, "null"] }),
    };
    if let Value::Object(schema) = &mut schema {
        for annotation in ["title", "description"] {
            if u.ratio(1_u8, 4_u8)? {
                schema.insert(annotation.into(), json!(text(u)?));
            }
        }
        if u.ratio(1_u8, 12_u8)? {
            schema.insert("default".into(), constant(u)?);
        }
        if u.ratio(1_u8, 16_u8)? {
            schema.insert("not".into(), json!({ "const": constant(u)? }));
        }
        if u.ratio(1_u8, 16_u8)? {
            schema.insert("writeOnly".into(), json!(true));
        }
    }
    Ok(schema)
}

fn some<T>(
    u: &mut Unstructured<'_>,
    range: std::ops::RangeInclusive<usize>,
    mut one: impl FnMut(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    (0..u.int_in_range(range)?).map(|_| one(u)).collect()
}

fn string(u: &mut Unstructured<'_>) -> Result<Value> {
    let mut schema = json!({ "type": "string" });
    if u.ratio(1_u8, 3_u8)? {
        let (keyword, value) = match u.int_in_range(0..=4)? {
            0 => ("minLength", json!(u.int_in_range(0..=5)?)),
            1 => ("maxLength", json!(u.int_in_range(0..=5)?)),
            2 => (
                "pattern",
                json!(*u.choose(&["^a+$", "[0-9]{2,4}", "^(a|b)*c", "\\d", "(", "^\\p{L}$", "^(?=a)"])?),
            ),
            3 => ("format", json!(*u.choose(&["date-time", "uri", "email", "uuid", "ipv4", "date", "x"])?)),
            _ => ("contentEncoding", json!("base64")),
        };
        schema[keyword] = value;
    }
    Ok(schema)
}

fn number(u: &mut Unstructured<'_>, kind: &str) -> Result<Value> {
    let mut schema = json!({ "type": kind });
    for bound in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"] {
        if u.ratio(1_u8, 6_u8)? {
            schema[bound] = match u.int_in_range(0..=3)? {
                0 => json!(i8::arbitrary(u)?),
                1 => json!(i64::arbitrary(u)?),
                2 => json!(f64::from(i16::arbitrary(u)?) / 8.0),
                _ => json!(*u.choose(&[0_i64, 1, 255, 65535, 4_294_967_295, 9_007_199_254_740_991])?),
            };
        }
    }
    Ok(schema)
}

fn constant(u: &mut Unstructured<'_>) -> Result<Value> {
    Ok(match u.int_in_range(0..=5)? {
        0 => Value::Null,
        1 => json!(bool::arbitrary(u)?),
        2 => json!(i16::arbitrary(u)?),
        3 => json!(text(u)?),
        4 => json!({ name(u)?: 1 }),
        _ => json!(name(u)?),
    })
}

fn object(u: &mut Unstructured<'_>, components: &[String], depth: u8) -> Result<Value> {
    let mut properties = Map::new();
    for _ in 0..u.int_in_range(0..=4)? {
        properties.insert(name(u)?, schema(u, components, depth.saturating_sub(1))?);
    }
    let mut required = Vec::new();
    for name in properties.keys() {
        if u.ratio(1_u8, 2_u8)? {
            required.push(json!(name));
        }
    }
    let mut object = json!({ "type": "object", "properties": properties, "required": required });
    match u.int_in_range(0..=5)? {
        0 => object["additionalProperties"] = json!(false),
        1 => object["additionalProperties"] = schema(u, components, depth.saturating_sub(1))?,
        2 => object["minProperties"] = json!(u.int_in_range(0..=2)?),
        _ => {}
    }
    Ok(object)
}

/// A whole document.
pub fn document(u: &mut Unstructured<'_>) -> Result<Value> {
    let mut names = some(u, 0..=3, component_name)?;
    names.sort();
    names.dedup();
    let mut components = Map::new();
    for name in &names {
        components.insert(name.clone(), schema(u, &names, 3)?);
    }
    let contract = *u.choose(&["users", "a", "rpc2", "class", "a_b.c"])?;
    let mut methods = Vec::new();
    for at in 0..u.int_in_range(1..=3)? {
        let called = *u.choose(&["get_user", "class", "close", "call", "constructor", "a1", "x"])?;
        methods.push(method(u, format!("{contract}.{called}{}", ["", "_2", "_3"][at]), &names)?);
    }
    let mut host_methods = Vec::new();
    if u.ratio(1_u8, 3_u8)? {
        let mut method = method(u, format!("{contract}.asks"), &names)?;
        for stream in ["output", "input"] {
            method["x-plugline"].as_object_mut().expect("an object").remove(stream);
        }
        host_methods.push(method);
    }
    Ok(json!({
        "openrpc": "1.3.2",
        "info": { "title": *u.choose(&["users", "x-y"])?, "version": "1.2.3", "description": text(u)? },
        "methods": methods,
        "components": { "schemas": components },
        "x-plugline": {
            "protocol": [1],
            "provides": [{ "contract": contract, "version": *u.choose(&["1.0.0", "1.1.0", "2.0.0-rc.1"])? }],
            "requires": [],
            "config": { "type": "object", "properties": { name(u)?: schema(u, &names, 2)? } },
            "hostMethods": host_methods,
            "instances": *u.choose(&["one", "many"])?,
        }
    }))
}

fn component_name(u: &mut Unstructured<'_>) -> Result<String> {
    Ok((*u.choose(&["User", "user", "Error", "Type", "a.b", "x-y", "Self", "N1", "_"])?).to_owned())
}

fn method(u: &mut Unstructured<'_>, name: String, components: &[String]) -> Result<Value> {
    let mut params: Vec<Value> = Vec::new();
    let mut required = true;
    for _ in 0..u.int_in_range(0..=3)? {
        let param = self::name(u)?;
        required = required && u.ratio(2_u8, 3_u8)?;
        if !params.iter().any(|other| other["name"] == json!(param)) {
            params.push(json!({
                "name": param, "required": required, "description": text(u)?, "schema": schema(u, components, 2)?
            }));
        }
    }
    let mut method = json!({
        "name": name, "description": text(u)?, "paramStructure": "by-name", "params": params, "x-plugline": {}
    });
    if u.ratio(7_u8, 8_u8)? {
        method["result"] = json!({ "name": "result", "schema": schema(u, components, 3)? });
        for stream in ["output", "input"] {
            if u.ratio(1_u8, 5_u8)? {
                method["x-plugline"][stream] = schema(u, components, 2)?;
            }
        }
        if u.ratio(1_u8, 3_u8)? {
            let mut errors: Vec<Value> = Vec::new();
            for code in 1..=u.int_in_range(1..=3)? {
                let data = schema(u, components, 1)?;
                errors
                    .push(json!({ "code": code, "name": self::name(u)?, "message": text(u)?, "data": data }));
            }
            let plain = |error: &Value| json!({ "code": error["code"], "message": error["message"] });
            method["errors"] = errors.iter().map(plain).collect();
            method["x-plugline"]["errors"] = errors.into();
        }
    }
    Ok(method)
}
