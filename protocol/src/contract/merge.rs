//! Several contracts in one manifest.

use serde_json::Value;

use super::document::Document;
use super::fault::{Fault, Faults};
use super::places;
use super::schema::{COMPONENTS, target};

/// Adds contracts to a manifest, which keeps its own info, config and `instances`.
///
/// A schema that two of them call by one name is kept once where it is the same; otherwise that of the later one gets
/// the name of its contract in front: `UsersEntry`.
///
/// # Errors
/// Methods and contracts that two of them declare differently.
pub fn merge(manifest: Document, contracts: impl IntoIterator<Item = Document>) -> Result<Document, Faults> {
    let mut merged = manifest;
    let mut faults = Vec::new();
    for contract in contracts {
        add(&mut merged, contract, &mut faults);
    }
    Faults::none_or(faults)?;
    Ok(merged)
}

fn add(merged: &mut Document, contract: Document, faults: &mut Vec<Fault>) {
    let contract = with_own_names(contract, merged);
    for (name, schema) in contract.components.schemas {
        merged.components.schemas.entry(name).or_insert(schema);
    }
    for (list, ours, theirs) in [
        ("/methods", &mut merged.methods, contract.methods),
        ("/x-plugline/hostMethods", &mut merged.plugline.host_methods, contract.plugline.host_methods),
    ] {
        for method in theirs {
            match ours.iter().position(|other| other.name == method.name) {
                None => ours.push(method),
                Some(index) if ours[index] == method => {}
                Some(index) => {
                    let what = format!("two contracts declare {:?}, and differently", method.name);
                    let remedy = "let one contract declare it, or both the same";
                    faults.push(Fault::new(format!("{list}/{index}"), "CONTRACT-1", what, remedy));
                }
            }
        }
    }
    for provided in contract.plugline.provides {
        let ours = &mut merged.plugline.provides;
        match ours.iter().position(|other| other.contract == provided.contract) {
            None => ours.push(provided),
            Some(index) if ours[index] == provided => {}
            Some(index) => {
                let what = format!("contract {:?} is provided in two forms", provided.contract);
                let remedy = "provide it in one version, with all its types";
                faults.push(Fault::new(format!("/x-plugline/provides/{index}"), "CONTRACT-13", what, remedy));
            }
        }
    }
    for required in contract.plugline.requires {
        let ours = &mut merged.plugline.requires;
        match ours.iter().position(|other| other.contract == required.contract) {
            None => ours.push(required),
            Some(index) if ours[index] == required => {}
            Some(index) => {
                let what = format!("contract {:?} is required in two versions", required.contract);
                let at = format!("/x-plugline/requires/{index}");
                faults.push(Fault::new(at, "CONTRACT-13", what, "require it in one version"));
            }
        }
    }
}

/// The contract with new names for the schemas whose names mean something else in the manifest, or hold one that does.
fn with_own_names(contract: Document, merged: &Document) -> Document {
    let ours = &merged.components.schemas;
    let theirs = &contract.components.schemas;
    let mut differing: Vec<String> = theirs
        .iter()
        .filter(|(name, schema)| ours.get(*name).is_some_and(|it| it != *schema))
        .map(|(name, _)| name.clone())
        .collect();
    // What holds a schema that gets another name is itself not what it was.
    loop {
        let holds = |name: &String| {
            let schema = serde_json::json!({"components": {"schemas": {"it": theirs[name]}}});
            places::all_schemas(&schema)
                .iter()
                .any(|(_, it)| target(it).is_some_and(|to| differing.contains(&to)))
        };
        let known = |name: &&String| ours.contains_key(*name) && !differing.contains(*name);
        let more: Vec<String> = theirs.keys().filter(known).filter(|name| holds(name)).cloned().collect();
        if more.is_empty() {
            break;
        }
        differing.extend(more);
    }
    if differing.is_empty() {
        return contract;
    }
    let prefix: String = contract
        .plugline
        .provides
        .first()
        .map_or("Other", |provided| provided.contract.as_str())
        .split(['.', '_'])
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters)
        })
        .collect();
    let mut renamed = Vec::new();
    for name in differing {
        let mut new = format!("{prefix}{name}");
        while ours.contains_key(&new) || theirs.contains_key(&new) {
            new.push('_');
        }
        renamed.push((name, new));
    }
    let value = serde_json::to_value(&contract).expect("a document is plain JSON");
    let document = with_names(value, &renamed);
    serde_json::from_value(document).expect("only names were changed")
}

/// The document with its shared schemas under other names.
fn with_names(mut document: Value, renamed: &[(String, String)]) -> Value {
    let new = |name: &str| renamed.iter().find(|(old, _)| old == name).map(|(_, new)| new.as_str());
    let pointing: Vec<(String, String)> = places::all_schemas(&document)
        .into_iter()
        .filter_map(|(at, schema)| Some((at, new(&target(schema)?)?.to_owned())))
        .collect();
    for (at, new) in pointing {
        if let Some(reference) = document.pointer_mut(&format!("{at}/$ref")) {
            *reference = Value::String(format!("{COMPONENTS}{}", super::schema::escaped(&new)));
        }
    }
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        for (old, new) in renamed {
            if let Some(schema) = schemas.remove(old) {
                schemas.insert(new.clone(), schema);
            }
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn contract(name: &str, entry: &Value) -> Document {
        serde_json::from_value(json!({
            "openrpc": "1.3.2", "info": {"title": name, "version": "1.0.0"},
            "methods": [{"name": format!("{name}.get"), "paramStructure": "by-name", "params": [],
                         "result": {"name": "result", "schema": {"$ref": "#/components/schemas/List"}}}],
            "components": {"schemas": {
                "List": {"type": "array", "items": {"$ref": "#/components/schemas/Entry"}}, "Entry": entry, "Same": {}}},
            "x-plugline": {"protocol": [1], "provides": [{"contract": name, "version": "1.0.0"}], "requires": [],
                           "config": {"properties": {"name": {"const": name}}}, "hostMethods": []}
        }))
        .unwrap()
    }

    #[test]
    fn names_that_mean_different_things_are_told_apart() {
        let merged = merge(
            contract("files", &json!({"type": "string"})),
            [
                contract("users.v1", &json!({"type": "integer"})),
                contract("groups", &json!({"type": "string"})),
            ],
        )
        .unwrap();
        let merged = serde_json::to_value(merged).unwrap();
        let names: Vec<&String> = merged["components"]["schemas"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["Entry", "List", "Same", "UsersV1Entry", "UsersV1List"]);
        let results =
            merged["methods"].as_array().unwrap().iter().map(|method| &method["result"]["schema"]["$ref"]);
        assert_eq!(
            results.collect::<Vec<_>>(),
            ["#/components/schemas/List", "#/components/schemas/UsersV1List", "#/components/schemas/List"]
        );
        assert_eq!(
            merged["components"]["schemas"]["UsersV1List"]["items"]["$ref"],
            "#/components/schemas/UsersV1Entry"
        );
        assert_eq!(merged["x-plugline"]["provides"].as_array().unwrap().len(), 3);
        assert_eq!(merged["x-plugline"]["config"]["properties"]["name"]["const"], "files");
    }

    #[test]
    fn what_two_declare_differently_is_refused() {
        let mut other = contract("users", &json!({}));
        other.methods[0].description = Some("other".into());
        other.plugline.provides[0].version = "2.0.0".into();
        let faults = merge(contract("users", &json!({})), [other]).unwrap_err();
        let places: Vec<&str> = faults.as_slice().iter().map(|fault| fault.at.as_str()).collect();
        assert_eq!(places, ["/methods/0", "/x-plugline/provides/0"]);
        let same = merge(contract("users", &json!({})), [contract("users", &json!({}))]).unwrap();
        assert_eq!(same, contract("users", &json!({})));
    }
}
