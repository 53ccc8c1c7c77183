//! Values made from schemas, for mocks and for trying a plugin out: the same seed makes the same value, and what is made
//! has been checked against its schema.

mod random;
mod text;

use serde_json::{Map, Number, Value, json};

use self::random::Random;
use super::schema::{number_format, target};

/// So many values are made before it is given up: what `not`, `if` or a pattern beside a length demand is only found by
/// trying.
const ATTEMPTS: u64 = 24;

/// Deeper than this only what must be there is made.
const DEPTH: usize = 4;

/// No value has more parts than this.
const PARTS: usize = 2_000;

/// A value that `is_right` accepts, made from a schema; `None` where none is found.
pub(crate) fn value(
    schema: &Value,
    shared: &Map<String, Value>,
    seed: u64,
    is_right: impl Fn(&Value) -> bool,
) -> Option<Value> {
    (0..ATTEMPTS).find_map(|attempt| {
        let mut maker = Maker { shared, random: Random::new(seed.wrapping_add(attempt << 32)), left: PARTS };
        maker.value(schema, 0).filter(&is_right)
    })
}

/// A seed from text: what is asked decides what is answered.
pub fn seed_of(text: &str) -> u64 {
    // FNV-1a: stable, where the standard library's hash may change.
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

struct Maker<'a> {
    shared: &'a Map<String, Value>,
    random: Random,
    left: usize,
}

impl Maker<'_> {
    /// `None` where the schema lets nothing through, or it is too much.
    fn value(&mut self, schema: &Value, depth: usize) -> Option<Value> {
        self.left = self.left.checked_sub(1)?;
        if depth > 60 {
            return None;
        }
        let members = match schema {
            Value::Bool(true) => return Some(json!({})),
            Value::Object(members) => members,
            _ => return None,
        };
        if let Some(name) = target(schema) {
            return self.value(self.shared.get(&name)?, depth + 1);
        }
        if let Some(constant) = members.get("const") {
            return Some(constant.clone());
        }
        if let Some(values) = members.get("enum").and_then(Value::as_array) {
            return self.random.one_of(values).cloned();
        }
        if let Some(examples) =
            members.get("examples").and_then(Value::as_array).filter(|list| !list.is_empty())
        {
            return self.random.one_of(examples).cloned();
        }
        if let Some(parts) = members.get("allOf").and_then(Value::as_array) {
            return self.all_of(members, parts, depth);
        }
        for choice in ["oneOf", "anyOf"] {
            if let Some(branches) = members.get(choice).and_then(Value::as_array) {
                return self.one_of(members, choice, branches, depth);
            }
        }
        self.typed(members, depth)
    }

    /// One schema of all of them: the later say more of what the earlier said.
    fn all_of(&mut self, members: &Map<String, Value>, parts: &[Value], depth: usize) -> Option<Value> {
        let mut whole = members.clone();
        whole.remove("allOf");
        for part in parts {
            let mut part = part;
            while let Some(name) = target(part) {
                part = self.shared.get(&name)?;
            }
            for (keyword, value) in part.as_object()? {
                match (whole.get_mut(keyword), value) {
                    (Some(Value::Object(held)), Value::Object(more)) => {
                        held.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
                    }
                    (Some(Value::Array(held)), Value::Array(more))
                        if keyword == "required" || keyword == "allOf" =>
                    {
                        held.extend(more.iter().cloned());
                    }
                    (_, value) => drop(whole.insert(keyword.clone(), value.clone())),
                }
            }
        }
        self.value(&Value::Object(whole), depth + 1)
    }

    fn one_of(
        &mut self,
        members: &Map<String, Value>,
        choice: &str,
        branches: &[Value],
        depth: usize,
    ) -> Option<Value> {
        // Deep down, whatever ends soonest: what points nowhere.
        let ends = |branch: &&Value| !branch.to_string().contains("\"$ref\"");
        let ending: Vec<&Value> = branches.iter().filter(ends).collect();
        let branch = if depth >= DEPTH && !ending.is_empty() {
            *self.random.one_of(&ending)?
        } else {
            self.random.one_of(branches)?
        };
        let mut rest = members.clone();
        rest.remove(choice);
        let says_more = ["type", "properties", "required", "items", "oneOf", "anyOf"];
        if rest.keys().any(|keyword| says_more.contains(&keyword.as_str())) {
            return self.all_of(&rest, std::slice::from_ref(branch), depth);
        }
        self.value(branch, depth + 1)
    }

    fn typed(&mut self, members: &Map<String, Value>, depth: usize) -> Option<Value> {
        let named = match members.get("type") {
            Some(Value::String(name)) => name.clone(),
            Some(Value::Array(names)) => {
                // A value rather than none, where there is a choice.
                let some: Vec<&Value> = names.iter().filter(|name| *name != "null").collect();
                self.random.one_of(&some).and_then(|name| name.as_str()).unwrap_or("null").to_owned()
            }
            _ => implied(members).to_owned(),
        };
        Some(match named.as_str() {
            "null" => Value::Null,
            "boolean" => Value::Bool(self.random.below(2) == 0),
            "integer" => self.integer(members)?,
            "number" => self.number(members)?,
            "string" => Value::String(text::make(members, &mut self.random)?),
            "array" => self.array(members, depth)?,
            _ => self.object(members, depth)?,
        })
    }

    /// The least and the greatest; what is neither has to be so far from a bound that is not in it.
    fn bounds(&self, members: &Map<String, Value>, step: f64) -> (Option<f64>, Option<f64>) {
        let of = |keyword: &str| members.get(keyword).and_then(Value::as_f64);
        let least = |one: Option<f64>, other: Option<f64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.max(other)),
            (one, other) => one.or(other),
        };
        let low = least(of("minimum"), of("exclusiveMinimum").map(|bound| bound + step));
        let negated = |bound: Option<f64>| bound.map(|bound| -bound);
        let high = least(negated(of("maximum")), negated(of("exclusiveMaximum").map(|bound| bound - step)));
        (low, negated(high))
    }

    fn integer(&mut self, members: &Map<String, Value>) -> Option<Value> {
        let step = members.get("multipleOf").and_then(Value::as_f64).unwrap_or(1.0).max(1.0);
        let (low, high) = self.bounds(members, 1.0);
        let most = members.get("format").and_then(Value::as_str).and_then(number_format);
        let most = most.map(|(_, bits)| 2.0_f64.powi(bits) - 1.0);
        let high = most.map_or(high, |most| Some(high.unwrap_or(most).min(most)));
        let low = low.unwrap_or_else(|| high.map_or(0.0, |high| high.min(1.0) - 1.0));
        let first = (low / step).ceil();
        let last = high.map_or(first + 100.0, |high| (high / step).floor()).min(first + 100.0);
        if last < first {
            return None;
        }
        let offset = self.random.below((last - first) as u64 + 1) as f64;
        let chosen = (first + offset) * step;
        // Exact where JSON is (`JSON-1`).
        (chosen.abs() <= 9_007_199_254_740_991.0).then(|| Value::from(chosen as i64))
    }

    fn number(&mut self, members: &Map<String, Value>) -> Option<Value> {
        let step = members.get("multipleOf").and_then(Value::as_f64);
        let (least, most) = self.bounds(members, 0.0);
        let apart = least.zip(most).map_or(0.125, |(least, most)| ((most - least) / 8.0).min(0.125));
        let (low, high) = self.bounds(members, step.unwrap_or(apart));
        let low = low.unwrap_or_else(|| high.map_or(0.0, |high| high.min(1.0) - 1.0));
        let high = high.unwrap_or(low + 100.0);
        let share = self.random.below(101) as f64 / 100.0;
        let chosen = low + (high - low) * share;
        let chosen = step.map_or(chosen, |step| (chosen / step).ceil() * step);
        Number::from_f64(chosen).map(Value::Number)
    }

    fn array(&mut self, members: &Map<String, Value>, depth: usize) -> Option<Value> {
        let count = |keyword: &str| members.get(keyword).and_then(Value::as_u64);
        let least = count("minItems").unwrap_or(0);
        let some = if depth < DEPTH { least.max(1) + self.random.below(2) } else { least };
        let length = some.min(count("maxItems").unwrap_or(u64::MAX)).min(PARTS as u64);
        let unique = members.get("uniqueItems") == Some(&Value::Bool(true));
        let mut items: Vec<Value> = Vec::new();
        if let Some(Value::Array(schemas)) = members.get("items") {
            for schema in schemas {
                items.push(self.value(schema, depth + 1)?);
            }
            return Some(Value::Array(items));
        }
        let anything = json!({"type": "string"});
        let schema = members.get("items").or_else(|| members.get("contains")).unwrap_or(&anything);
        let mut attempts = 0;
        while (items.len() as u64) < length && attempts < length * 8 {
            attempts += 1;
            let item = match self.value(schema, depth + 1) {
                Some(item) => item,
                // Nothing fits, so an empty list has to do.
                None if least == 0 => break,
                None => return None,
            };
            if !unique || !items.contains(&item) {
                items.push(item);
            }
        }
        Some(Value::Array(items))
    }

    fn object(&mut self, members: &Map<String, Value>, depth: usize) -> Option<Value> {
        let mut object = Map::new();
        let required: Vec<&str> = members
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for (name, schema) in members.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let needed = required.contains(&name.as_str());
            if needed || (depth < DEPTH && self.random.below(4) > 0) {
                match self.value(schema, depth + 1) {
                    Some(value) => drop(object.insert(name.clone(), value)),
                    None if needed => return None,
                    None => {}
                }
            }
        }
        let more = members.get("additionalProperties").filter(|schema| schema.is_object());
        for name in required {
            if !object.contains_key(name) {
                let value = match more {
                    Some(schema) => self.value(schema, depth + 1)?,
                    None => Value::String("text".to_owned()),
                };
                object.insert(name.to_owned(), value);
            }
        }
        let least = members.get("minProperties").and_then(Value::as_u64).unwrap_or(0).min(PARTS as u64);
        let wanted = if more.is_some() && depth < DEPTH { least.max(1) } else { least };
        for number in 1_u64.. {
            if object.len() as u64 >= wanted || number > wanted {
                break;
            }
            let value = match more {
                Some(schema) => self.value(schema, depth + 1)?,
                None => Value::String("text".to_owned()),
            };
            object.insert(format!("key{number}"), value);
        }
        Some(Value::Object(object))
    }
}

/// The type that the other keywords speak of.
fn implied(members: &Map<String, Value>) -> &'static str {
    let speaks = |keywords: &[&str]| keywords.iter().any(|keyword| members.contains_key(*keyword));
    if speaks(&["properties", "required", "additionalProperties", "patternProperties", "minProperties"]) {
        "object"
    } else if speaks(&["items", "minItems", "maxItems", "contains", "uniqueItems"]) {
        "array"
    } else if speaks(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) {
        "number"
    } else if speaks(&["minLength", "maxLength", "pattern", "format", "contentEncoding"]) {
        "string"
    } else {
        "object"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(schema: &Value, shared: &Value, seed: u64) -> Value {
        let document = json!({"components": {"schemas": shared}, "definitions": {"it": schema}});
        let schemas = crate::contract::engine::Schemas::new(document).unwrap();
        let formats = crate::contract::engine::Formats::Checked;
        let validator = schemas.compile("/definitions/it", formats).unwrap();
        value(schema, shared.as_object().unwrap(), seed, |value| validator.is_valid(value))
            .unwrap_or_else(|| panic!("nothing is made for {schema}"))
    }

    #[test]
    fn values_are_made_for_whatever_can_be_satisfied() {
        let shared = json!({
            "Tree": {"type": "object", "required": ["left", "right"], "properties": {
                "left": {"anyOf": [{"$ref": "#/components/schemas/Tree"}, {"type": "null"}]},
                "right": {"anyOf": [{"$ref": "#/components/schemas/Tree"}, {"type": "integer"}]}}},
            "List": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/List"}}}
        });
        for schema in [
            json!(true),
            json!({}),
            json!({"type": "null"}),
            json!({"const": [1]}),
            json!({"enum": ["a", 2]}),
            json!({"type": ["string", "null"], "minLength": 40}),
            json!({"type": "integer", "minimum": -5, "maximum": -3}),
            json!({"type": "integer", "maximum": -300}),
            json!({"type": "integer", "exclusiveMinimum": 10, "multipleOf": 7}),
            json!({"type": "number", "minimum": 0.25, "maximum": 0.5}),
            json!({"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.5}),
            json!({"type": "number", "exclusiveMinimum": 0, "maximum": 0.1}),
            json!({"type": "number", "minimum": 1, "exclusiveMinimum": 2, "exclusiveMaximum": 2.01}),
            json!({"type": "number", "exclusiveMaximum": -3}),
            json!({"type": "string", "pattern": "^[a-z]{3}-\\d+(x|y)?$"}),
            json!({"type": "string", "maxLength": 2}),
            json!({"type": "string", "format": "date-time"}),
            json!({"type": "string", "format": "date"}),
            json!({"type": "string", "format": "time"}),
            json!({"type": "string", "format": "email"}),
            json!({"type": "string", "format": "uri"}),
            json!({"type": "string", "format": "uri-reference"}),
            json!({"type": "string", "format": "hostname"}),
            json!({"type": "string", "format": "ipv4"}),
            json!({"type": "string", "format": "ipv6"}),
            json!({"type": "string", "format": "uuid"}),
            json!({"type": "string", "format": "json-pointer"}),
            json!({"type": "string", "format": "regex"}),
            json!({"type": "string", "contentEncoding": "base64"}),
            json!({"type": "array", "minItems": 3, "maxItems": 3, "items": {"type": "boolean"}}),
            json!({"type": "array", "minItems": 5, "uniqueItems": true, "items": {"type": "integer"}}),
            json!({"type": "array", "items": [{"type": "integer"}, {"type": "string"}]}),
            json!({"contains": {"const": 7}, "minItems": 1}),
            json!({"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "integer"}}}),
            json!({"type": "object", "minProperties": 3, "additionalProperties": {"type": "integer"}}),
            json!({"allOf": [{"required": ["a"]}, {"required": ["b"], "properties": {"b": {"type": "null"}}}]}),
            json!({"required": ["k"], "oneOf": [{"properties": {"k": {"const": 1}}}, {"properties": {"k": {"const": 2}}}]}),
            json!({"type": "integer", "minimum": 0, "maximum": 9, "not": {"const": 3}}),
            json!({"$ref": "#/components/schemas/Tree"}),
            json!({"$ref": "#/components/schemas/List"}),
        ] {
            for seed in 0..20 {
                let value = make(&schema, &shared, seed);
                assert_eq!(value, make(&schema, &shared, seed), "{schema}");
            }
        }
    }

    #[test]
    fn number_formats_bound_numbers_and_texts() {
        for seed in 0..50 {
            let byte = make(&json!({"type": "integer", "format": "uint8", "minimum": 250}), &json!({}), seed);
            assert!((250..=255).contains(&byte.as_u64().unwrap()), "{byte}");
            for format in ["int64", "uint64", "int128", "uint128", "integer"] {
                let text = make(&json!({"type": "string", "format": format}), &json!({}), seed);
                assert!(text.as_str().unwrap().parse::<u64>().is_ok(), "{text}");
            }
        }
    }

    #[test]
    fn seeds_make_different_values() {
        let schema = json!({"type": "array", "minItems": 4, "items": {"type": "integer"}});
        let made: Vec<Value> = (0..10).map(|seed| make(&schema, &json!({}), seed)).collect();
        assert!(made.iter().any(|value| *value != made[0]), "{made:?}");
    }

    #[test]
    fn where_nothing_can_be_made_that_is_said() {
        let none = Map::new();
        assert_eq!(value(&json!(false), &none, 0, |_| true), None);
        let endless = json!({"A": {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#/components/schemas/A"}}}});
        assert_eq!(
            value(&json!({"$ref": "#/components/schemas/A"}), endless.as_object().unwrap(), 0, |_| true),
            None
        );
    }
}
