//! The schemas that stand under `components.schemas`: which are used, and what they are called.
//!
//! A schema generator describes what is read or what is written, not both; so params and results have one
//! each. Where both define the same name differently, the result's is called `<Name>Out`.

use std::collections::BTreeSet;

use schemars::Schema;
use serde_json::{Map, Value};

use super::schema::COMPONENTS;

/// The definitions that something points at: params types themselves are taken apart into params.
pub(super) fn reachable(root: &Value, mut definitions: Map<String, Value>) -> Map<String, Value> {
    let mut reached = Map::new();
    let mut found = vec![root.clone()];
    while let Some(schema) = found.pop() {
        let mut targets = Vec::new();
        collect_targets(&schema, &mut targets);
        for target in targets {
            if let Some(definition) = definitions.remove(&target) {
                found.push(definition.clone());
                reached.insert(target, definition);
            }
        }
    }
    reached
}

fn collect_targets(schema: &Value, targets: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(target) if name == "$ref" => {
                        targets.extend(target.strip_prefix(COMPONENTS).map(str::to_owned));
                    }
                    member => collect_targets(member, targets),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_targets(item, targets)),
        _ => {}
    }
}

/// Adds the definitions of results to those of params; says which got another name.
pub(super) fn merge(
    definitions: &mut Map<String, Value>,
    results: Map<String, Value>,
) -> Vec<(String, String)> {
    let mut differing: BTreeSet<&String> = BTreeSet::new();
    loop {
        let known = differing.len();
        for (name, schema) in &results {
            let mut held = Vec::new();
            collect_targets(schema, &mut held);
            // What holds one that gets another name is itself not what it was.
            let differs = |other: &Value| other != schema || held.iter().any(|name| differing.contains(name));
            if definitions.get(name).is_some_and(differs) {
                differing.insert(name);
            }
        }
        if differing.len() == known {
            break;
        }
    }
    let mut clashes: Vec<(String, String)> = Vec::new();
    for name in differing {
        let mut new = format!("{name}Out");
        while definitions.contains_key(&new)
            || results.contains_key(&new)
            || clashes.iter().any(|(_, taken)| *taken == new)
        {
            new.push_str("Out");
        }
        clashes.push((name.clone(), new));
    }
    for (name, mut schema) in results {
        rename(&mut schema, &clashes);
        let name = clashes.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new.clone());
        definitions.insert(name, schema);
    }
    clashes
}

/// Points at what got another name.
pub(super) fn renamed(schema: &Schema, clashes: &[(String, String)]) -> Schema {
    let mut value = schema.clone().to_value();
    rename(&mut value, clashes);
    Schema::try_from(value).expect("it was a schema, and no more than a name in it changed")
}

fn rename(schema: &mut Value, renamed: &[(String, String)]) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(target) if name == "$ref" => {
                        let new = target
                            .strip_prefix(COMPONENTS)
                            .and_then(|old| renamed.iter().find(|(name, _)| name == old));
                        if let Some((_, new)) = new {
                            *target = format!("{COMPONENTS}{new}");
                        }
                    }
                    member => rename(member, renamed),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, renamed)),
        _ => {}
    }
}
