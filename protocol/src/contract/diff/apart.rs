//! Whether the alternatives of a `oneOf` keep apart. Where two may fit one value at once, that value is let through by
//! neither, so that an alternative which goes, or lets through less, may have more let through in all.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::form;
use super::values::{may_be, types_of};
use crate::contract::equality::same;

/// Members within members are looked at to this depth.
const DEEPEST: usize = 3;

type Keywords = Map<String, Value>;

/// Whether it is sure that no value fits two of them.
pub(super) fn are(branches: &[Value], shared: &Keywords) -> bool {
    let forms: Vec<Keywords> = branches.iter().map(|branch| form::of(branch, shared).keywords).collect();
    forms.iter().enumerate().all(|(index, one)| {
        forms[index + 1..].iter().all(|other| exclude_each_other(one, other, shared, DEEPEST))
    })
}

/// Whether no constant is there twice.
pub(super) fn are_constants(values: &[Value]) -> bool {
    let text = |value: &Value| match value.as_f64() {
        // 1 and 1.0 are one number.
        Some(number) => number.to_string(),
        None => value.to_string(),
    };
    let mut seen = HashSet::new();
    values.iter().all(|value| seen.insert(text(value)))
}

fn exclude_each_other(one: &Keywords, other: &Keywords, shared: &Keywords, depth: usize) -> bool {
    let lets_nothing_through =
        |keywords: &Keywords| keywords.get("not").and_then(Value::as_object).is_some_and(Map::is_empty);
    let values = |keywords: &Keywords| keywords.get("enum").and_then(Value::as_array).cloned();
    if lets_nothing_through(one) || lets_nothing_through(other) {
        return true;
    }
    let (types, others) = (types_of(one), types_of(other));
    let is_apart = match (values(one), values(other)) {
        (Some(ones), Some(others)) => !ones.iter().any(|value| others.iter().any(|other| same(value, other))),
        (Some(values), None) => values.iter().all(|value| !may_be(value, &others)),
        (None, Some(values)) => values.iter().all(|value| !may_be(value, &types)),
        (None, None) => types.is_disjoint(&others),
    };
    let is_object = [&types, &others].iter().any(|types| types.iter().eq(["object"].iter()));
    is_apart
        || (is_object
            && depth > 0
            && (told_by_a_member(one, other, shared, depth)
                || has_what_is_not_taken(one, other)
                || has_what_is_not_taken(other, one)))
}

fn member<'a>(keywords: &'a Keywords, name: &str) -> Option<&'a Value> {
    keywords.get("properties")?.as_object()?.get(name)
}

fn required(keywords: &Keywords) -> impl Iterator<Item = &str> {
    keywords.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// One member has to be there, and no value of it fits both.
fn told_by_a_member(one: &Keywords, other: &Keywords, shared: &Keywords, depth: usize) -> bool {
    required(one).chain(required(other)).any(|name| {
        let (Some(one), Some(other)) = (member(one, name), member(other, name)) else { return false };
        let (one, other) = (form::of(one, shared).keywords, form::of(other, shared).keywords);
        exclude_each_other(&one, &other, shared, depth - 1)
    })
}

/// A member has to be there that the other does not take.
fn has_what_is_not_taken(one: &Keywords, other: &Keywords) -> bool {
    other.get("additionalProperties") == Some(&Value::Bool(false))
        && !other.contains_key("patternProperties")
        && required(one).any(|name| member(other, name).is_none())
}
