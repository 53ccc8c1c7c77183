//! The keywords that bound a value by itself: types, constants, bounds, patterns, formats.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::contract::schema::{number_format, type_of};

/// What a change does to the values that are let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// There are more.
    Wider,
    /// There are fewer.
    Narrower,
    /// There are others.
    Other,
}

/// Lower is wider.
const LOWER: [&str; 5] = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];
/// Higher is wider.
const UPPER: [&str; 5] = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];
/// A value has this, or it has not.
const FIXED: [&str; 4] = ["pattern", "format", "contentEncoding", "contentMediaType"];
/// The keywords that other files compare.
const ELSEWHERE: [&str; 16] = [
    "properties",
    "required",
    "additionalProperties",
    "patternProperties",
    "items",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "dependencies",
    "additionalItems",
    "allOf",
    "anyOf",
    "oneOf",
];

const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

/// Whether a change of that keyword changes what is let through.
pub(super) fn is_known(keyword: &str) -> bool {
    let own = ["type", "enum", "const", "multipleOf", "uniqueItems"];
    [&LOWER[..], &UPPER, &FIXED, &ELSEWHERE, &own].iter().any(|known| known.contains(&keyword))
}

/// What changed, in words, and what that does.
pub(super) fn compare(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<(String, Effect)> {
    let mut found = Vec::new();
    types(old, new, &mut found);
    constants(old, new, &mut found);
    for (keywords, higher) in [(LOWER, Effect::Narrower), (UPPER, Effect::Wider)] {
        for keyword in keywords {
            bound(keyword, old, new, higher, &mut found);
        }
    }
    for keyword in FIXED {
        fixed(keyword, old, new, &mut found);
    }
    multiple(old, new, &mut found);
    let unique = |schema: &Map<String, Value>| schema.get("uniqueItems") == Some(&Value::Bool(true));
    match (unique(old), unique(new)) {
        (false, true) => found.push(("its items have to differ now".into(), Effect::Narrower)),
        (true, false) => found.push(("its items may be equal now".into(), Effect::Wider)),
        _ => {}
    }
    found
}

type List = Vec<(String, Effect)>;

fn types(old: &Map<String, Value>, new: &Map<String, Value>, found: &mut List) {
    // What is an enumeration has the types of its values.
    if old.contains_key("enum") || new.contains_key("enum") {
        return;
    }
    let (before, after) = (types_of(old), types_of(new));
    let listed = |types: &BTreeSet<&str>| match types.len() {
        7 => "anything".to_owned(),
        _ => types
            .iter()
            .filter(|it| **it != "integer" || !types.contains("number"))
            .copied()
            .collect::<Vec<_>>()
            .join(" or "),
    };
    if before.is_disjoint(&after) {
        found.push((format!("it is {} now, and was {}", listed(&after), listed(&before)), Effect::Other));
        return;
    }
    let what = format!("it may be {} now, and could be {}", listed(&after), listed(&before));
    match (before.is_subset(&after), after.is_subset(&before)) {
        (true, true) => {}
        (true, false) => found.push((what, Effect::Wider)),
        (false, true) => found.push((what, Effect::Narrower)),
        (false, false) => found.push((what, Effect::Other)),
    }
}

/// The types that a schema lets through. A number may be an integer.
pub(super) fn types_of(schema: &Map<String, Value>) -> BTreeSet<&'static str> {
    let names: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => TYPES.to_vec(),
    };
    let is_let_through =
        |kind: &str| names.contains(&kind) || (kind == "integer" && names.contains(&"number"));
    TYPES.into_iter().filter(|kind| is_let_through(kind)).collect()
}

/// Whether a value may be of one of those types: 1.0 is an integer, too.
pub(super) fn may_be(value: &Value, types: &BTreeSet<&str>) -> bool {
    types.contains(type_of(value))
        || (types.contains("integer") && value.as_f64().is_some_and(|number| number.fract() == 0.0))
}

fn constants(old: &Map<String, Value>, new: &Map<String, Value>, found: &mut List) {
    let of = |schema: &Map<String, Value>| schema.get("enum").and_then(Value::as_array).cloned();
    let fit = |values: &[Value], other| values.iter().all(|value| surely_fits(value, other));
    match (of(old), of(new)) {
        (None, None) => {}
        (None, Some(values)) => {
            let effect = if fit(&values, old) { Effect::Narrower } else { Effect::Other };
            found.push(("only some values are possible now".into(), effect));
        }
        (Some(values), None) => {
            let effect = if fit(&values, new) { Effect::Wider } else { Effect::Other };
            found.push(("it is not bound to some values any more".into(), effect));
        }
        (Some(before), Some(after)) => {
            for value in before.iter().filter(|value| !after.contains(value)) {
                found.push((format!("{value} is no longer possible"), Effect::Narrower));
            }
            for value in after.iter().filter(|value| !before.contains(value)) {
                found.push((format!("{value} is possible too"), Effect::Wider));
            }
        }
    }
}

/// Whether a value that was listed is of a schema that lists none, as far as no other difference tells of it. That a member
/// is described now is none where members may be added, but a listed value has it already.
fn surely_fits(value: &Value, schema: &Map<String, Value>) -> bool {
    let part = |keyword: &str| schema.get(keyword).and_then(Value::as_object);
    types_of(schema).contains(type_of(value))
        && match value {
            Value::Object(members) => {
                let described = part("properties");
                members.keys().all(|name| described.is_none_or(|described| !described.contains_key(name)))
            }
            Value::Array(items) => {
                part("items").is_none_or(|each| items.iter().all(|item| surely_fits(item, each)))
            }
            _ => true,
        }
}

fn bound(
    keyword: &str,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    higher: Effect,
    found: &mut List,
) {
    // No length and no count is below nothing, so that a least of 0 is none.
    let nothing =
        |value: &f64| *value == 0.0 && matches!(keyword, "minLength" | "minItems" | "minProperties");
    let of = |schema: &Map<String, Value>| {
        schema.get(keyword).and_then(Value::as_f64).filter(|value| !nothing(value))
    };
    // Where both are integers, as such: as floats, large ones are alike.
    let exactly = |schema: &Map<String, Value>| {
        let number = schema.get(keyword)?;
        number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
    };
    let (before, after) = match (of(old), of(new)) {
        (None, Some(after)) => {
            return found.push((format!("its {keyword} is {after} now"), Effect::Narrower));
        }
        (Some(_), None) => return found.push((format!("it has no {keyword} any more"), Effect::Wider)),
        (Some(before), Some(after)) => (before, after),
        (None, None) => return,
    };
    let (order, before, after) = match (exactly(old), exactly(new)) {
        (Some(before), Some(after)) => (before.cmp(&after), before.to_string(), after.to_string()),
        // JSON has no NaN, and -0.0 is 0.
        _ => (before.partial_cmp(&after).unwrap_or(Ordering::Equal), before.to_string(), after.to_string()),
    };
    let lower = if higher == Effect::Wider { Effect::Narrower } else { Effect::Wider };
    let what = format!("its {keyword} is {after} now, and was {before}");
    match order {
        Ordering::Less => found.push((what, higher)),
        Ordering::Greater => found.push((what, lower)),
        Ordering::Equal => {}
    }
}

fn fixed(keyword: &str, old: &Map<String, Value>, new: &Map<String, Value>, found: &mut List) {
    match (old.get(keyword), new.get(keyword)) {
        (None, Some(value)) => found.push((format!("its {keyword} is {value} now"), Effect::Narrower)),
        (Some(_), None) => found.push((format!("it has no {keyword} any more"), Effect::Wider)),
        (Some(before), Some(after)) if before != after => {
            let what = format!("its {keyword} is {after} now, and was {before}");
            let effect =
                match (before.as_str().and_then(number_format), after.as_str().and_then(number_format)) {
                    (Some((low, high)), Some((lower, higher))) if keyword == "format" => {
                        match (lower <= low && high <= higher, low <= lower && higher <= high) {
                            (true, _) => Effect::Wider,
                            (false, true) => Effect::Narrower,
                            (false, false) => Effect::Other,
                        }
                    }
                    _ => Effect::Other,
                };
            found.push((what, effect));
        }
        _ => {}
    }
}

fn multiple(old: &Map<String, Value>, new: &Map<String, Value>, found: &mut List) {
    let of = |schema: &Map<String, Value>| schema.get("multipleOf").and_then(Value::as_f64);
    match (of(old), of(new)) {
        (None, Some(step)) => found.push((format!("it is a multiple of {step} now"), Effect::Narrower)),
        (Some(step), None) => {
            found.push((format!("it need not be a multiple of {step} any more"), Effect::Wider))
        }
        (Some(before), Some(after)) if before != after => {
            let effect = if after % before == 0.0 {
                Effect::Narrower
            } else if before % after == 0.0 {
                Effect::Wider
            } else {
                Effect::Other
            };
            found.push((format!("it is a multiple of {after} now, and was one of {before}"), effect));
        }
        _ => {}
    }
}
