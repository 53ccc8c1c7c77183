//! Which parts of a value are `writeOnly` by their schema (JSON Schema validation, draft-07, section 10.3): what is given
//! and never shown again, such as a password. In doubt, a part is one: what may be secret is not shown.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};

use super::schema::{escaped, target};

/// So many steps find what is hidden in any value that somebody wrote. A value for which they are not enough is hidden as
/// a whole.
const STEPS: usize = 100_000;

/// Whether a schema says it anywhere. Most never do.
pub(super) fn is_said(schema: &Value) -> bool {
    let mut rest = vec![schema];
    while let Some(value) = rest.pop() {
        match value {
            Value::Object(members) if members.get("writeOnly") == Some(&Value::Bool(true)) => return true,
            Value::Object(members) => rest.extend(members.values()),
            Value::Array(items) => rest.extend(items),
            _ => {}
        }
    }
    false
}

/// Where in a value it is hidden: JSON Pointers, none within another.
pub(super) fn places(schema: &Value, value: &Value, shared: &Map<String, Value>) -> BTreeSet<String> {
    let mut search = Search { shared, hidden: BTreeSet::new(), seen: HashSet::new(), steps: STEPS };
    // The library that checks values goes as deep; a list in place of the stack goes as deep as it likes.
    let mut rest = vec![(schema, value, String::new())];
    while let Some((schema, value, at)) = rest.pop() {
        if search.steps == 0 {
            return BTreeSet::from([String::new()]);
        }
        search.steps -= 1;
        search.step(schema, value, at, &mut rest);
    }
    let Search { hidden, .. } = search;
    let is_within = |place: &String| place.match_indices('/').any(|(end, _)| hidden.contains(&place[..end]));
    hidden.iter().filter(|place| !is_within(place)).cloned().collect()
}

struct Search<'a> {
    shared: &'a Map<String, Value>,
    hidden: BTreeSet<String>,
    /// References that were followed, each at its place: those in a circle end here.
    seen: HashSet<(String, String)>,
    steps: usize,
}

impl<'a> Search<'a> {
    fn step(
        &mut self,
        schema: &'a Value,
        value: &'a Value,
        at: String,
        rest: &mut Vec<(&'a Value, &'a Value, String)>,
    ) {
        let Some(members) = schema.as_object() else { return };
        if members.get("writeOnly") == Some(&Value::Bool(true)) {
            self.hidden.insert(at);
            return;
        }
        if let Some(name) = target(schema)
            && let Some(shared) = self.shared.get(&name)
            && self.seen.insert((name, at.clone()))
        {
            rest.push((shared, value, at.clone()));
        }
        // Whichever alternative it is: what one of them hides is hidden.
        for keyword in ["allOf", "anyOf", "oneOf"] {
            let alternatives = members.get(keyword).and_then(Value::as_array).into_iter().flatten();
            rest.extend(alternatives.map(|schema| (schema, value, at.clone())));
        }
        for keyword in ["if", "then", "else"] {
            rest.extend(members.get(keyword).map(|schema| (schema, value, at.clone())));
        }
        let dependent = members.get("dependencies").and_then(Value::as_object).into_iter().flatten();
        rest.extend(dependent.map(|(_, schema)| (schema, value, at.clone())));
        match value {
            Value::Object(object) => self.members(members, object, &at, rest),
            Value::Array(items) => Self::items(members, items, &at, rest),
            _ => {}
        }
    }

    fn members(
        &self,
        schema: &'a Map<String, Value>,
        object: &'a Map<String, Value>,
        at: &str,
        rest: &mut Vec<(&'a Value, &'a Value, String)>,
    ) {
        let properties = schema.get("properties").and_then(Value::as_object);
        // Patterns are not looked at: what any of them hides is hidden wherever one could match.
        let patterns: Vec<&Value> = schema
            .get("patternProperties")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Map::values)
            .collect();
        for (name, member) in object {
            let named = properties.and_then(|properties| properties.get(name));
            let others = if named.is_none() { schema.get("additionalProperties") } else { None };
            let schemas = named.into_iter().chain(others).chain(patterns.iter().copied());
            rest.extend(schemas.map(|schema| (schema, member, format!("{at}/{}", escaped(name)))));
        }
    }

    fn items(
        schema: &'a Map<String, Value>,
        items: &'a [Value],
        at: &str,
        rest: &mut Vec<(&'a Value, &'a Value, String)>,
    ) {
        let of_all = schema.get("items");
        for (index, item) in items.iter().enumerate() {
            let own = match of_all {
                Some(Value::Array(tuple)) => tuple.get(index).or_else(|| schema.get("additionalItems")),
                of_all => of_all,
            };
            let schemas = own.into_iter().chain(schema.get("contains"));
            rest.extend(schemas.map(|schema| (schema, item, format!("{at}/{index}"))));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value, value: &Value, wanted: &[&str]) {
        let shared = json!({
            "Password": {"type": "string", "writeOnly": true},
            "Login": {"properties": {"user": {}, "password": {"$ref": "#/components/schemas/Password"}}},
            "Tree": {"properties": {
                "key": {"$ref": "#/components/schemas/Password"},
                "left": {"$ref": "#/components/schemas/Tree"}}},
            "Loop": {"$ref": "#/components/schemas/Loop"},
        });
        let found = places(schema, value, shared.as_object().unwrap());
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), wanted, "{schema} {value}");
    }

    #[test]
    fn what_may_be_secret_is_found_wherever_a_schema_says_so() {
        let secret = json!({"writeOnly": true});
        let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
        check(&secret, &json!("x"), &[""]);
        check(&json!({"writeOnly": false}), &json!("x"), &[]);
        check(&json!(true), &json!("x"), &[]);
        check(&reference("Login"), &json!({"user": "a", "password": "b"}), &["/password"]);
        let tree = json!({"key": 1, "left": {"key": 2, "left": {}}});
        check(&reference("Tree"), &tree, &["/key", "/left/key"]);
        check(&reference("Loop"), &tree, &[]);
        check(&reference("Nowhere"), &tree, &[]);
        for keyword in ["allOf", "anyOf", "oneOf"] {
            check(
                &json!({keyword: [{}, {"properties": {"a/b": secret}}]}),
                &json!({"a/b": {"c": 1}}),
                &["/a~1b"],
            );
        }
        for keyword in ["if", "then", "else"] {
            check(&json!({keyword: secret}), &json!(1), &[""]);
        }
        check(
            &json!({"dependencies": {"a": {"properties": {"b": secret}}}}),
            &json!({"a": 1, "b": 2}),
            &["/b"],
        );
        check(
            &json!({"additionalProperties": secret, "properties": {"a": {}}}),
            &json!({"a": 1, "b": 2}),
            &["/b"],
        );
        check(&json!({"patternProperties": {"^b": secret}}), &json!({"a": 1, "b": 2}), &["/a", "/b"]);
        check(&json!({"items": secret}), &json!([1, 2]), &["/0", "/1"]);
        check(&json!({"items": [{}, secret]}), &json!([1, 2, 3]), &["/1"]);
        check(&json!({"items": [{}], "additionalItems": secret}), &json!([1, 2]), &["/1"]);
        // One within another is one.
        check(
            &json!({"properties": {"a": {"writeOnly": true}}, "anyOf": [{"properties": {"a": {"items": secret}}}]}),
            &json!({"a": [1]}),
            &["/a"],
        );
    }

    #[test]
    fn a_search_that_would_take_too_long_hides_all() {
        let mut schema = json!({"items": {}});
        for _ in 0..17 {
            schema = json!({"anyOf": [schema.clone(), schema]});
        }
        let found = places(&schema, &json!([1]), &Map::new());
        assert_eq!(found, BTreeSet::from([String::new()]));
        // As deep as a value can be.
        let (mut deep, mut value) = (json!({"writeOnly": true}), json!(1));
        let mut at = String::new();
        for _ in 0..100 {
            (deep, value) = (json!({"items": deep}), json!([value]));
            at += "/0";
        }
        assert_eq!(places(&deep, &value, &Map::new()), BTreeSet::from([at]));
    }

    #[test]
    fn whether_anything_is_hidden_is_known_beforehand() {
        assert!(is_said(&json!({"a": [{"b": {"writeOnly": true}}]})));
        assert!(!is_said(&json!({"a": [{"b": {"writeOnly": false}}], "x": "writeOnly"})));
    }
}
