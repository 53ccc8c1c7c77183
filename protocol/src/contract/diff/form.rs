//! One form for schemas that say the same in different words, so that only what differs is found to differ:
//! references followed, `allOf` folded, a choice among constants as an `enum`, and one among types, or of `null` beside
//! another, as a type.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::apart;
use super::values::{may_be, types_of};
use crate::contract::equality::same;
use crate::contract::schema::{resolved, target};

/// What is told to people, and lets through neither more nor less.
pub(super) const ANNOTATIONS: [&str; 8] =
    ["title", "description", "examples", "$comment", "readOnly", "writeOnly", "deprecated", "default"];

/// A schema as it is compared.
pub(super) struct Form {
    /// Its keywords, but for a choice.
    pub(super) keywords: Map<String, Value>,
    pub(super) choice: Option<Choice>,
}

/// A choice among schemas.
pub(super) struct Choice {
    /// The alternatives.
    pub(super) branches: Vec<Value>,
    /// What fits two of them is not let through.
    pub(super) exactly_one: bool,
}

pub(super) fn is_annotation(keyword: &str) -> bool {
    ANNOTATIONS.contains(&keyword)
}

/// The form of a schema. `false` lets through what is `not` anything.
pub(super) fn of(schema: &Value, shared: &Map<String, Value>) -> Form {
    let mut keywords = folded(schema, shared);
    let mut choice = None;
    for keyword in ["oneOf", "anyOf"] {
        let Some(Value::Array(branches)) = keywords.get(keyword) else { continue };
        let exactly_one = keyword == "oneOf";
        let values =
            constants(branches, shared).filter(|values| !exactly_one || apart::are_constants(values));
        if let Some(values) = values {
            keywords.remove(keyword);
            keywords.insert("enum".to_owned(), Value::Array(values));
        } else if let Some(one) = as_types(&keywords, branches, shared) {
            keywords = one;
        } else if choice.is_none() {
            choice = Some(Choice { branches: branches.clone(), exactly_one });
            keywords.remove(keyword);
        }
    }
    if let Some(constant) = keywords.remove("const") {
        let listed = keywords.get("enum").and_then(Value::as_array);
        let is_listed = listed.is_none_or(|values| values.iter().any(|value| same(value, &constant)));
        let possible = if is_listed { vec![constant] } else { Vec::new() };
        keywords.insert("enum".to_owned(), Value::Array(possible));
    }
    if let Some(Value::Array(mut values)) = keywords.remove("enum") {
        keep_possible(&mut values, &keywords);
        keywords.insert("enum".to_owned(), Value::Array(values));
        // It says nothing more that they do not.
        keywords.remove("type");
    }
    let length = |keyword: &str| keywords.get(keyword).and_then(Value::as_u64);
    let said = keywords.get("items").and_then(Value::as_array).map(|items| items.len() as u64);
    // There are none, or `items` is for all of them.
    if said.is_none_or(|said| length("maxItems").is_some_and(|most| most <= said)) {
        keywords.remove("additionalItems");
    }
    Form { keywords, choice }
}

/// The keywords of a choice that is nothing but types, or one schema with a type and else `null`, of which no other keyword
/// says anything.
fn as_types(
    outer: &Map<String, Value>,
    branches: &[Value],
    shared: &Map<String, Value>,
) -> Option<Map<String, Value>> {
    const SAYS_OF_NULL: [&str; 8] = ["enum", "const", "not", "if", "allOf", "anyOf", "oneOf", "$ref"];
    let is_choice = |keyword: &str| matches!(keyword, "anyOf" | "oneOf");
    let mut beside = outer.keys().filter(|keyword| !is_annotation(keyword));
    if !(beside.next().is_some_and(|keyword| is_choice(keyword)) && beside.next().is_none()) {
        return None;
    }
    let mut types = BTreeSet::new();
    let mut others_are_null = true;
    let mut says_more: Option<Map<String, Value>> = None;
    for branch in branches {
        let keywords = folded(branch, shared);
        keywords.get("type")?;
        let own = types_of(&keywords);
        if !types.is_disjoint(&own) {
            return None;
        }
        types.extend(&own);
        if keywords.keys().all(|keyword| keyword == "type" || is_annotation(keyword)) {
            others_are_null &= own.iter().eq(["null"].iter());
        } else if says_more.is_some() || keywords.keys().any(|it| SAYS_OF_NULL.contains(&it.as_str())) {
            return None;
        } else {
            says_more = Some(keywords);
        }
    }
    if says_more.is_some() && !others_are_null {
        return None;
    }
    let mut keywords = says_more.unwrap_or_default();
    // What stands outside is said of this use.
    keywords
        .extend(outer.iter().filter(|(name, _)| is_annotation(name)).map(|(k, v)| (k.clone(), v.clone())));
    keywords.insert("type".to_owned(), json!(types));
    Some(keywords)
}

/// Drops the listed values that the type beside them does not let through.
fn keep_possible(values: &mut Vec<Value>, keywords: &Map<String, Value>) {
    let types = types_of(keywords);
    values.retain(|value| may_be(value, &types));
}

/// The keywords of a schema with its references followed and its `allOf` folded in, where the parts do not speak of the
/// same thing.
fn folded(schema: &Value, shared: &Map<String, Value>) -> Map<String, Value> {
    let schema = resolved(schema, shared).unwrap_or(schema);
    let Some(members) = schema.as_object() else {
        return match schema {
            Value::Bool(false) => Map::from_iter([("not".to_owned(), json!({}))]),
            _ => Map::new(),
        };
    };
    let mut keywords = members.clone();
    let Some(Value::Array(parts)) = members.get("allOf") else { return keywords };
    keywords.remove("allOf");
    for part in parts {
        for (keyword, value) in folded(part, shared) {
            match keywords.get_mut(&keyword) {
                None => drop(keywords.insert(keyword, value)),
                Some(held) if *held == value => {}
                // What stands outside is said of this use.
                Some(_) if is_annotation(&keyword) => {}
                Some(held) => {
                    if !joined(&keyword, held, value) {
                        // They speak of the same thing: it stays as it was.
                        return members.clone();
                    }
                }
            }
        }
    }
    keywords
}

fn joined(keyword: &str, held: &mut Value, value: Value) -> bool {
    match (keyword, held, value) {
        ("properties", Value::Object(held), Value::Object(more)) => more
            .into_iter()
            .all(|(name, schema)| held.entry(name).or_insert_with(|| schema.clone()) == &schema),
        ("required", Value::Array(held), Value::Array(more)) => {
            for name in more {
                if !held.contains(&name) {
                    held.push(name);
                }
            }
            true
        }
        _ => false,
    }
}

fn is_null(keywords: &Map<String, Value>) -> bool {
    keywords.get("type").is_some_and(|kind| kind == "null")
        && keywords.keys().all(|keyword| keyword == "type" || is_annotation(keyword))
}

/// The values of a choice whose alternatives are nothing but constants, of which `null` is one by its type alone.
fn constants(branches: &[Value], shared: &Map<String, Value>) -> Option<Vec<Value>> {
    let mut all = Vec::new();
    let mut is_listed = false;
    for branch in branches {
        let keywords = resolved(branch, shared)?.as_object()?;
        if is_null(keywords) {
            all.push(Value::Null);
            continue;
        }
        let plain = |keyword: &String| {
            matches!(keyword.as_str(), "const" | "enum" | "type") || is_annotation(keyword)
        };
        if !keywords.keys().all(plain) {
            return None;
        }
        let mut values = match (keywords.get("const"), keywords.get("enum").and_then(Value::as_array)) {
            (Some(value), None) => vec![value.clone()],
            (None, Some(several)) => several.clone(),
            _ => return None,
        };
        keep_possible(&mut values, keywords);
        all.append(&mut values);
        is_listed = true;
    }
    is_listed.then_some(all)
}

/// A name by which one alternative of a choice can be told from the others: that of its shared schema, its title, its
/// tag (a member with one constant value), its only member, or its type.
pub(super) fn name(branch: &Value, shared: &Map<String, Value>) -> String {
    let keywords = folded(branch, shared);
    let properties = keywords.get("properties").and_then(Value::as_object);
    let tag = properties.into_iter().flatten().find_map(|(member, schema)| {
        let constant = schema.get("const").or_else(|| match schema.get("enum")?.as_array()?.as_slice() {
            [only] => Some(only),
            _ => None,
        })?;
        Some(format!("the one whose {member} is {constant}"))
    });
    let only_member = || {
        let mut required = keywords.get("required")?.as_array()?.iter();
        let first = required.next()?.as_str()?;
        required.next().is_none().then(|| format!("the one with {first}"))
    };
    let kind = || Some(keywords.get("type")?.as_str()?.to_owned()).filter(|kind| kind != "object");
    let titled = || Some(keywords.get("title")?.as_str()?.to_owned());
    let constant = || Some(keywords.get("const")?.to_string());
    tag.or_else(constant)
        .or_else(kind)
        .or_else(|| target(branch))
        .or_else(titled)
        .or_else(only_member)
        .unwrap_or_else(|| "an alternative".to_owned())
}
