//! What changed between two schemas, seen from a place where values pass: what goes in may become more, what comes out
//! may become less.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::apart;
use super::form::{self, Choice, Form, is_annotation};
use super::level::{Level, Levels};
use super::values::{self, Effect};
use crate::contract::engine;
use crate::contract::schema::{escaped, parts, target};

/// Which way values pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the caller to the implementer.
    In,
    /// From the implementer to the caller.
    Out,
}

/// One thing that changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where in the value; `*` is any item.
    pub(super) path: String,
    pub(super) what: String,
    pub(super) levels: Levels,
}

/// So deep within a value, and no deeper.
const DEEPEST: usize = 150;

/// Schemas with so many values in all are compared, and no more: choices within choices multiply.
const MOST: usize = 200_000;

type Side<'a> = (&'a Value, &'a Map<String, Value>);

/// What changed from one schema to another, each with the shared schemas it points at.
pub(super) fn compare((old, old_shared): Side<'_>, (new, new_shared): Side<'_>, way: Way) -> Vec<Found> {
    let mut comparison = Comparison {
        kept: kept(old_shared, new_shared),
        old: old_shared,
        new: new_shared,
        way,
        open: HashSet::new(),
        left: MOST,
        depth: 0,
        found: Vec::new(),
    };
    comparison.schemas(old, new, "");
    if comparison.left == 0 {
        let what = "the schemas are too intricate to be compared, and count as changed";
        comparison.found = vec![Found { path: String::new(), what: what.into(), levels: Levels::BOTH_MAJOR }];
    }
    comparison.found
}

/// The shared schemas that are the same on both sides, and point only at such.
fn kept(old: &Map<String, Value>, new: &Map<String, Value>) -> HashSet<String> {
    let mut pointing: HashMap<String, Vec<&String>> = HashMap::new();
    for (name, schema) in old {
        targets(schema, &mut |to| pointing.entry(to).or_default().push(name));
    }
    let mut kept: HashSet<String> = old.keys().cloned().collect();
    // Whatever points at one that changed is not what it was; nor is what points at nothing.
    let lost = pointing.keys().filter(|name| !old.contains_key(*name)).cloned();
    let changed =
        old.iter().filter(|(name, schema)| new.get(*name) != Some(schema)).map(|(name, _)| name.clone());
    let mut changed: Vec<String> = changed.chain(lost).collect();
    while let Some(name) = changed.pop() {
        kept.remove(&name);
        for outer in pointing.remove(&name).into_iter().flatten() {
            changed.push(outer.clone());
        }
    }
    kept
}

fn targets(schema: &Value, found: &mut impl FnMut(String)) {
    if let Some(name) = target(schema) {
        found(name);
    }
    for part in parts(schema) {
        targets(part.schema, found);
    }
}

/// How many values a schema consists of.
fn size(schema: &Value) -> usize {
    match schema {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

fn points_only_at(schema: &Value, names: &HashSet<String>) -> bool {
    target(schema).is_none_or(|name| names.contains(&name))
        && parts(schema).iter().all(|part| points_only_at(part.schema, names))
}

struct Comparison<'a> {
    old: &'a Map<String, Value>,
    new: &'a Map<String, Value>,
    way: Way,
    /// The shared schemas that are the same on both sides, and all that they point at.
    kept: HashSet<String>,
    /// The pairs that are being compared: a schema within itself is what it is.
    open: HashSet<(String, String)>,
    left: usize,
    depth: usize,
    found: Vec<Found>,
}

impl Comparison<'_> {
    fn tell(&mut self, path: &str, what: impl Into<String>, levels: Levels) {
        let found = Found { path: path.to_owned(), what: what.into(), levels };
        if !self.found.contains(&found) {
            self.found.push(found);
        }
    }

    /// Tells of what lets through more, or less, or other values than before.
    fn effect(&mut self, path: &str, what: impl Into<String>, effect: Effect) {
        let levels = match (effect, self.way) {
            (Effect::Wider, Way::In) | (Effect::Narrower, Way::Out) => Levels::BREAKS_IMPLEMENTERS,
            (Effect::Narrower, Way::In) | (Effect::Wider, Way::Out) => Levels::BREAKS_CALLERS,
            (Effect::Other, _) => Levels::BOTH_MAJOR,
        };
        self.tell(path, what, levels);
    }

    fn schemas(&mut self, old: &Value, new: &Value, path: &str) {
        if self.left == 0 || (old == new && points_only_at(old, &self.kept)) {
            return;
        }
        self.left = self.left.saturating_sub(size(old) + size(new));
        // By their text, since folding makes schemas that stand nowhere. Only references can lead back.
        let named = |schema: &Value| schema.get("$ref").is_some();
        let pair = (named(old) || named(new)).then(|| (old.to_string(), new.to_string()));
        if let Some(pair) = &pair
            && !self.open.insert(pair.clone())
        {
            return;
        }
        if self.depth == DEEPEST {
            self.left = 0;
            return;
        }
        self.depth += 1;
        let (before, after) = (form::of(old, self.old), form::of(new, self.new));
        self.forms(old, new, &before, &after, path);
        self.depth -= 1;
        if let Some(pair) = pair {
            self.open.remove(&pair);
        }
    }

    fn forms(&mut self, old: &Value, new: &Value, before: &Form, after: &Form, path: &str) {
        let from = self.found.len();
        let beside = match (&before.choice, &after.choice) {
            (None, None) => return self.keywords(&before.keywords, &after.keywords, path),
            (Some(then), Some(now)) => {
                self.choices(&then.branches, &now.branches, path);
                self.exclusion(before, after, from, path);
                return self.keywords(&before.keywords, &after.keywords, path);
            }
            // What was one is one of several now, or the other way round.
            (None, Some(now)) => {
                self.choices(std::slice::from_ref(old), &now.branches, path);
                after
            }
            (Some(then), None) => {
                self.choices(&then.branches, std::slice::from_ref(new), path);
                before
            }
        };
        self.exclusion(before, after, from, path);
        if !beside.keywords.keys().all(|keyword| is_annotation(keyword)) {
            self.effect(path, "what goes for all of its alternatives was changed", Effect::Other);
        }
    }

    /// Where what fits two alternatives is let through by neither, and they may overlap, less of one may be more in all.
    fn exclusion(&mut self, before: &Form, after: &Form, from: usize, path: &str) {
        let exactly_one = |form: &Form| form.choice.as_ref().is_some_and(|choice| choice.exactly_one);
        let is_change = |found: &Found| found.levels != Levels::BOTH_PATCH;
        let is_changed = self.found[from..].iter().any(is_change);
        if !is_changed && exactly_one(before) == exactly_one(after) {
            return;
        }
        let (was, is) = (self.overlap(before, self.old), self.overlap(after, self.new));
        if is_changed && (was || is) {
            for found in self.found[from..].iter_mut().filter(|found| is_change(found)) {
                found.levels = Levels::BOTH_MAJOR;
            }
        }
        match (was, is) {
            (false, true) => {
                self.effect(
                    path,
                    "what fits two of its alternatives is no longer possible",
                    Effect::Narrower,
                );
            }
            (true, false) => {
                self.effect(path, "what fits two of its alternatives is possible", Effect::Wider)
            }
            _ => {}
        }
    }

    /// Whether there may be values that fit two alternatives of which only one may.
    fn overlap(&mut self, form: &Form, shared: &Map<String, Value>) -> bool {
        let Some(Choice { branches, exactly_one: true }) = &form.choice else { return false };
        // Each is held against each.
        self.left = self.left.saturating_sub(branches.len().saturating_mul(branches.len()) / 16);
        self.left == 0 || !apart::are(branches, shared)
    }

    /// Pairs the alternatives that are the same, then those of the same name, and tells of the others.
    fn choices(&mut self, old: &[Value], new: &[Value], path: &str) {
        let mut left: Vec<&Value> = new.iter().collect();
        let mut unpaired = Vec::new();
        for branch in old {
            match left.iter().position(|other| self.is_same(branch, other)) {
                Some(index) => {
                    let other = left.remove(index);
                    // For what is told to people alone.
                    self.schemas(branch, other, path);
                }
                None => unpaired.push(branch),
            }
        }
        for branch in unpaired {
            let name = form::name(branch, self.old);
            match left.iter().position(|other| form::name(other, self.new) == name) {
                Some(index) => {
                    let other = left.remove(index);
                    self.schemas(branch, other, path);
                }
                None => self.effect(path, format!("{name} is no longer possible"), Effect::Narrower),
            }
        }
        for branch in left {
            let name = form::name(branch, self.new);
            self.effect(path, format!("{name} is possible too"), Effect::Wider);
        }
    }

    /// Whether nothing differs but what is told to people.
    fn is_same(&mut self, old: &Value, new: &Value) -> bool {
        let found = std::mem::take(&mut self.found);
        self.schemas(old, new, "");
        let own = std::mem::replace(&mut self.found, found);
        own.iter().all(|found| found.levels == Levels::BOTH_PATCH)
    }

    fn keywords(&mut self, old: &Map<String, Value>, new: &Map<String, Value>, path: &str) {
        for (what, effect) in values::compare(old, new) {
            self.effect(path, what, effect);
        }
        self.members(old, new, path);
        self.additional(old, new, path);
        self.named(old, new, path);
        self.items(old, new, path);
        for keyword in [
            "contains",
            "propertyNames",
            "not",
            "if",
            "then",
            "else",
            "dependencies",
            "additionalItems",
            "allOf",
            // Beside another choice.
            "anyOf",
            "oneOf",
        ] {
            self.whole(keyword, old.get(keyword), new.get(keyword), path);
        }
        self.told(old, new, path);
    }

    /// What is compared as a whole: a reader is told that it changed, not how.
    fn whole(&mut self, keyword: &str, old: Option<&Value>, new: Option<&Value>, path: &str) {
        match (old, new) {
            (Some(old), Some(new)) if old != new => {
                self.effect(path, format!("`{keyword}` was changed"), Effect::Other);
            }
            (None, Some(_)) => self.effect(path, format!("`{keyword}` was added"), Effect::Narrower),
            (Some(_), None) => self.effect(path, format!("`{keyword}` was removed"), Effect::Wider),
            _ => {}
        }
    }

    fn members(&mut self, old: &Map<String, Value>, new: &Map<String, Value>, path: &str) {
        let none = Map::new();
        let of = |schema| -> Map<String, Value> {
            let schema: &Map<String, Value> = schema;
            schema.get("properties").and_then(Value::as_object).unwrap_or(&none).clone()
        };
        let (before, after) = (of(old), of(new));
        let required = |schema: &Map<String, Value>, name: &str| {
            schema
                .get("required")
                .and_then(Value::as_array)
                .is_some_and(|names| names.iter().any(|it| it == name))
        };
        let mut names: Vec<&str> = before.keys().chain(after.keys()).map(String::as_str).collect();
        for schema in [old, new] {
            let listed = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            names.extend(listed.filter_map(Value::as_str));
        }
        names.sort_unstable();
        names.dedup();
        for name in names {
            let path = format!("{path}/{}", escaped(name));
            let (was, is) = (required(old, name), required(new, name));
            match (before.get(name), after.get(name)) {
                (Some(then), Some(now)) => {
                    self.schemas(then, now, &path);
                    self.necessity(&path, was, is);
                }
                (None, Some(now)) => self.member_added(&path, now, is, old.get("additionalProperties")),
                (Some(_), None) => self.member_removed(&path, was, new.get("additionalProperties")),
                (None, None) => self.necessity(&path, was, is),
            }
        }
    }

    fn necessity(&mut self, path: &str, was: bool, is: bool) {
        match (was, is) {
            (true, false) => self.effect(path, "it is optional now", Effect::Wider),
            (false, true) => self.effect(path, "it is required now", Effect::Narrower),
            _ => {}
        }
    }

    /// A member that fell under `others` before.
    fn member_added(&mut self, path: &str, schema: &Value, required: bool, others: Option<&Value>) {
        match (self.way, required) {
            (Way::In, true) => self.tell(path, "it was added, and is required", Levels::BOTH_MAJOR),
            (Way::In, false) => self.tell(path, "it was added, and is optional", Levels::BOTH_MINOR),
            (Way::Out, _) if others == Some(&Value::Bool(false)) => {
                self.tell(path, "it was added where no others were possible", Levels::BREAKS_CALLERS);
            }
            (Way::Out, _) => self.tell(path, "it was added", Levels::BOTH_MINOR),
        }
        if let Some(Value::Object(_)) = others {
            self.one(others, Some(schema), path);
        }
    }

    /// A member that falls under `others` now.
    fn member_removed(&mut self, path: &str, required: bool, others: Option<&Value>) {
        let levels = match (self.way, required) {
            // Who goes on saying it says what is not possible.
            (Way::Out, _) if others == Some(&Value::Bool(false)) => Levels::BOTH_MAJOR,
            // Who counted on it does without.
            (Way::In, true) => Levels::BOTH_MAJOR,
            (Way::In, false) | (Way::Out, _) => Levels::BREAKS_CALLERS,
        };
        self.tell(path, "it was removed", levels);
    }

    fn additional(&mut self, old: &Map<String, Value>, new: &Map<String, Value>, path: &str) {
        let of = |schema: &Map<String, Value>| {
            schema.get("additionalProperties").cloned().unwrap_or(Value::Bool(true))
        };
        let path = format!("{path}/*");
        match (of(old), of(new)) {
            (old, new) if old == new && old.is_boolean() => {}
            (Value::Bool(true), Value::Bool(false)) => {
                self.effect(&path, "other members are no longer taken", Effect::Narrower);
            }
            (Value::Bool(false), Value::Bool(true)) => {
                self.effect(&path, "other members are taken", Effect::Wider);
            }
            (old, new) => self.one(Some(&old), Some(&new), &path),
        }
    }

    fn named(&mut self, old: &Map<String, Value>, new: &Map<String, Value>, path: &str) {
        let of = |schema: &Map<String, Value>| {
            schema.get("patternProperties").and_then(Value::as_object).cloned().unwrap_or_default()
        };
        let (before, after) = (of(old), of(new));
        let mut patterns: Vec<&String> = before.keys().chain(after.keys()).collect();
        patterns.sort();
        patterns.dedup();
        for pattern in patterns {
            let path = format!("{path}/<{}>", escaped(pattern));
            // What it names falls under `additionalProperties` where it is not there, and under what else names it.
            let others = |schema: &Map<String, Value>| schema.get("additionalProperties").cloned();
            let from = self.found.len();
            let (was, is) = (before.get(pattern), after.get(pattern));
            match (was, is) {
                (None, Some(_)) => self.one(others(old).as_ref(), is, &path),
                (Some(_), None) => self.one(was, others(new).as_ref(), &path),
                _ => self.one(was, is, &path),
            }
            if was.is_some() != is.is_some()
                && (before.len() + after.len() > 1 || names_described(pattern, old, new))
            {
                for found in &mut self.found[from..] {
                    found.levels = Levels::BOTH_MAJOR;
                }
                if self.found.len() == from {
                    self.effect(&path, "what is said of these members was changed", Effect::Other);
                }
            }
        }
    }

    fn items(&mut self, old: &Map<String, Value>, new: &Map<String, Value>, path: &str) {
        match (old.get("items"), new.get("items")) {
            (Some(Value::Array(then)), Some(Value::Array(now))) => {
                for (index, (then, now)) in then.iter().zip(now).enumerate() {
                    self.schemas(then, now, &format!("{path}/{index}"));
                }
                if then.len() != now.len() {
                    let what =
                        format!("{} items have schemas of their own, and {} had", now.len(), then.len());
                    self.effect(path, what, Effect::Other);
                }
            }
            (Some(Value::Array(_)), Some(_)) | (Some(_), Some(Value::Array(_))) => {
                self.effect(path, "the schemas of its items were changed", Effect::Other);
            }
            (old, new) => self.one(old, new, &format!("{path}/*")),
        }
    }

    /// A schema that may not be there, which then lets everything through.
    fn one(&mut self, old: Option<&Value>, new: Option<&Value>, path: &str) {
        let anything = |schema: Option<&Value>| {
            schema.is_none_or(|schema| match schema {
                Value::Object(keywords) => keywords.keys().all(|keyword| is_annotation(keyword)),
                schema => *schema == Value::Bool(true),
            })
        };
        match (old, new) {
            (old, new) if anything(old) && anything(new) => {}
            (old, Some(_)) if anything(old) => {
                self.effect(path, "it may no longer be anything", Effect::Narrower);
            }
            (Some(_), new) if anything(new) => self.effect(path, "it may be anything", Effect::Wider),
            (Some(old), Some(new)) if *old == Value::Bool(false) && *new != Value::Bool(false) => {
                self.effect(path, "it is possible now", Effect::Wider);
            }
            (Some(old), Some(new)) if *old != Value::Bool(false) && *new == Value::Bool(false) => {
                self.effect(path, "it is no longer possible", Effect::Narrower);
            }
            (Some(old), Some(new)) => self.schemas(old, new, path),
            _ => {}
        }
    }

    /// What is told to people, and what is taken where nothing is given.
    fn told(&mut self, old: &Map<String, Value>, new: &Map<String, Value>, path: &str) {
        match (old.get("default"), new.get("default")) {
            (Some(old), Some(new)) if old != new && self.way == Way::In => {
                let what = format!("its default is {new} now, and was {old}");
                self.tell(path, what, Levels::new(Level::Major, Level::Major));
            }
            // Who said nothing had it.
            (Some(old), None) if self.way == Way::In => {
                self.tell(
                    path,
                    format!("its default is no longer {old}"),
                    Levels::new(Level::Major, Level::Patch),
                );
            }
            (None, Some(new)) if self.way == Way::In => {
                self.tell(path, format!("its default is {new} now"), Levels::BOTH_MINOR);
            }
            (old, new) if old != new => self.tell(path, "its default was changed", Levels::BOTH_PATCH),
            _ => {}
        }
        let known = |keyword: &str| values::is_known(keyword) || keyword == "default";
        let mut words: Vec<&String> =
            old.keys().chain(new.keys()).filter(|keyword| !known(keyword)).collect();
        words.sort();
        words.dedup();
        if words.into_iter().any(|keyword| old.get(keyword) != new.get(keyword)) {
            self.tell(path, "what it says of itself was changed", Levels::BOTH_PATCH);
        }
    }
}

/// Whether a pattern names members that are described by their names, too.
fn names_described(pattern: &str, old: &Map<String, Value>, new: &Map<String, Value>) -> bool {
    let described = |schema| -> Option<&Map<String, Value>> {
        let schema: &Map<String, Value> = schema;
        schema.get("properties")?.as_object()
    };
    engine::matches_any(pattern, described(old).into_iter().chain(described(new)).flat_map(Map::keys))
}
