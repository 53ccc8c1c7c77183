//! What changed in methods: which there are, what passes in and out, streams, errors.

use std::collections::BTreeMap;

use schemars::Schema;
use serde_json::Value;

use super::level::{Level, Levels};
use super::schema::{self, Way};
use super::{Changes, Owner};
use crate::contract::document::{DEPRECATED, DeclaredError, Document, ErrorSet, Method};
use crate::contract::values::params_schema;

/// Who serves a method.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Served {
    ByPlugin,
    ByHost,
}

pub(super) fn compare(old: &Document, new: &Document, changes: &mut Changes) {
    let lists = [
        (Served::ByPlugin, &old.methods, &new.methods),
        (Served::ByHost, &old.plugline.host_methods, &new.plugline.host_methods),
    ];
    for (served, before, after) in lists {
        let named = |methods| -> BTreeMap<String, Method> {
            let methods: &Vec<Method> = methods;
            methods.iter().map(|method| (method.name.clone(), method.clone())).collect()
        };
        let (before, after) = (named(before), named(after));
        let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let Some(owner) = owner(old, new, name) else { continue };
            let mut compared = Compared { old, new, served, owner, name, changes };
            match (before.get(name), after.get(name)) {
                (Some(before), Some(after)) => compared.method(before, after),
                (Some(_), None) => compared.add("", "the method was removed", Levels::BOTH_MAJOR),
                (None, _) => compared.add("", "the method was added", Levels::BOTH_MINOR),
            }
        }
    }
}

/// The contract that a method belongs to, if both sides have it: one that is new, or gone, is the plugin's change.
fn owner(old: &Document, new: &Document, method: &str) -> Option<Owner> {
    let contract = |document: &Document| {
        let provides = document.plugline.provides.iter().map(|it| &it.contract);
        let all = provides.chain(document.plugline.requires.iter().map(|it| &it.contract));
        let mine =
            all.filter(|it| method.strip_prefix(it.as_str()).is_some_and(|rest| rest.starts_with('.')));
        mine.max_by_key(|it| it.len()).cloned()
    };
    match (contract(old), contract(new)) {
        (Some(old), Some(new)) if old == new => Some(Owner::Contract(old)),
        _ => None,
    }
}

struct Compared<'a> {
    old: &'a Document,
    new: &'a Document,
    served: Served,
    owner: Owner,
    name: &'a str,
    changes: &'a mut Changes,
}

impl Compared<'_> {
    fn add(&mut self, part: &str, what: impl AsRef<str>, levels: Levels) {
        let levels = if self.served == Served::ByHost { levels.exchanged() } else { levels };
        let place = if part.is_empty() { self.name.to_owned() } else { format!("{} {part}", self.name) };
        self.changes.add(&self.owner, &place, what, levels);
    }

    fn schemas(&mut self, part: &str, before: &Value, after: &Value, way: Way) {
        let (old, new) = (self.old, self.new);
        let (old, new) = ((before, &old.components.schemas), (after, &new.components.schemas));
        for found in schema::compare(old, new, way) {
            let part = if found.path.is_empty() { part.to_owned() } else { format!("{part} {}", found.path) };
            self.add(&part, found.what, found.levels);
        }
    }

    fn method(&mut self, before: &Method, after: &Method) {
        self.schemas("params", &params_schema(before), &params_schema(after), Way::In);
        match (&before.result, &after.result) {
            (Some(before), Some(after)) => {
                self.schemas("result", before.schema.as_value(), after.schema.as_value(), Way::Out);
            }
            (Some(_), None) => self.add("", "it is a notification now", Levels::BOTH_MAJOR),
            (None, Some(_)) => self.add("", "it is no notification any more", Levels::BOTH_MAJOR),
            (None, None) => {}
        }
        let (then, now) = (&before.plugline, &after.plugline);
        self.stream("output", then.output.as_ref(), now.output.as_ref(), Way::Out);
        self.stream("input", then.input.as_ref(), now.input.as_ref(), Way::In);
        self.errors(&then.errors, &now.errors);
        match (then.idempotent, now.idempotent) {
            (true, false) => {
                let levels = Levels::new(Level::Major, Level::Patch);
                self.add("", "a call is no longer said to be safe to repeat", levels);
            }
            (false, true) => self.add("", "a call is said to be safe to repeat", Levels::BREAKS_IMPLEMENTERS),
            _ => {}
        }
        match (before.is_deprecated(), after.is_deprecated()) {
            (false, true) => self.add("", "it is deprecated", Levels::BOTH_MINOR),
            (true, false) => self.add("", "it is deprecated no longer", Levels::BOTH_MINOR),
            _ => {}
        }
        if is_told_otherwise(before, after) {
            self.add("", "what it says of itself was changed", Levels::BOTH_PATCH);
        }
    }

    fn stream(&mut self, way: &str, before: Option<&Schema>, after: Option<&Schema>, direction: Way) {
        match (before, after) {
            (Some(before), Some(after)) => {
                self.schemas(way, before.as_value(), after.as_value(), direction);
            }
            (Some(_), None) => self.add(way, "the stream was removed", Levels::BOTH_MAJOR),
            (None, Some(_)) => self.add(way, "the stream was added", Levels::BOTH_MAJOR),
            (None, None) => {}
        }
    }

    fn errors(&mut self, before: &ErrorSet, after: &ErrorSet) {
        let (before, after) = match (before, after) {
            (ErrorSet::Declared(before), ErrorSet::Declared(after)) => (before, after),
            (ErrorSet::Declared(_), ErrorSet::Any(_)) => {
                return self.add("errors", "any error may be answered", Levels::BREAKS_CALLERS);
            }
            (ErrorSet::Any(_), ErrorSet::Declared(_)) => {
                return self.add(
                    "errors",
                    "only declared errors may be answered",
                    Levels::BREAKS_IMPLEMENTERS,
                );
            }
            (ErrorSet::Any(_), ErrorSet::Any(_)) => return,
        };
        let find = |list: &[DeclaredError], code| list.iter().find(|error| error.code == code).cloned();
        for error in before {
            let part = format!("error {}", error.code);
            let Some(other) = find(after, error.code) else {
                self.add(&part, format!("{} was removed", error.name), Levels::BREAKS_IMPLEMENTERS);
                continue;
            };
            if error.name != other.name {
                let what = format!("its name is {} now, and was {}", other.name, error.name);
                self.add(&part, what, Levels::BOTH_MAJOR);
            }
            if error.message != other.message {
                self.add(&part, "its message was changed", Levels::BOTH_PATCH);
            }
            match (&error.data, &other.data) {
                (Some(before), Some(after)) => {
                    self.schemas(&format!("{part} data"), before.as_value(), after.as_value(), Way::Out);
                }
                (Some(_), None) => self.add(&part, "its data was removed", Levels::BREAKS_CALLERS),
                (None, Some(_)) => self.add(&part, "data was added", Levels::BOTH_MINOR),
                (None, None) => {}
            }
        }
        for error in after.iter().filter(|error| find(before, error.code).is_none()) {
            let part = format!("error {}", error.code);
            self.add(&part, format!("{} was added", error.name), Levels::BREAKS_CALLERS);
        }
    }
}

/// Whether it says something else for people alone. What it says of a param that only one of the two has is told with the
/// param.
fn is_told_otherwise(before: &Method, after: &Method) -> bool {
    let of_params = before.params.iter().any(|param| {
        let other = after.params.iter().find(|other| other.name == param.name);
        other.is_some_and(|other| other.description != param.description)
    });
    let of_result = |method: &Method| method.result.as_ref().and_then(|result| result.description.clone());
    before.description != after.description
        || of_params
        || of_result(before) != of_result(after)
        || beside_deprecated(before) != beside_deprecated(after)
}

/// Its other members; that it is deprecated is a change of its own.
fn beside_deprecated(method: &Method) -> BTreeMap<&String, &Value> {
    method.other.iter().filter(|(name, _)| *name != DEPRECATED).collect()
}
