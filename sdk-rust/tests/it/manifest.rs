//! What a plugin declares of itself.

use std::collections::BTreeSet;
use std::path::Path;

use plugline_sdk::{Call, Error, Method, Plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::process::Process;

const DEFINITIONS: &str = "#/components/schemas/";

/// Where each `$ref` within points.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str().filter(|_| name == "$ref") {
                    Some(target) => {
                        let name = target.strip_prefix(DEFINITIONS);
                        found.insert(name.unwrap_or_else(|| panic!("{target} is elsewhere")).to_owned());
                    }
                    None => references(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// Checks what the specification says of every manifest.
fn check(manifest: &Value) {
    assert_eq!(manifest["openrpc"], "1.3.2");
    let mut found = BTreeSet::new();
    references(manifest, &mut found);
    let definitions = manifest["components"]["schemas"].as_object().unwrap();
    assert_eq!(found, definitions.keys().cloned().collect(), "each is pointed at, and there");
    let text = manifest.to_string();
    for newer in ["prefixItems", "$defs", "\"$schema\"", "unevaluatedProperties"] {
        assert!(!text.contains(newer), "{newer} is not of draft-07");
    }
    let extension = &manifest["x-plugline"];
    let members: Vec<&str> = extension.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["config", "hostMethods", "instances", "protocol", "provides", "requires"]);
    assert_eq!(extension["protocol"], json!([1]));
    let methods = manifest["methods"].as_array().unwrap().iter();
    for method in methods.chain(extension["hostMethods"].as_array().unwrap()) {
        check_method(method);
    }
}

fn check_method(method: &Value) {
    let name = &method["name"];
    assert_eq!(method["paramStructure"], "by-name", "{name}");
    let params = method["params"].as_array().unwrap();
    let required: Vec<bool> = params.iter().map(|param| param["required"] == true).collect();
    assert!(required.is_sorted_by(|a, b| a >= b), "{name}: the required ones come first");
    let listed = |errors: &Value| {
        let errors = errors.as_array().into_iter().flatten();
        errors.map(|error| (error["code"].clone(), error["message"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(listed(&method["errors"]), listed(&method["x-plugline"]["errors"]), "{name}");
    let names: Vec<&Value> = params.iter().map(|param| &param["name"]).collect();
    for example in method["examples"].as_array().into_iter().flatten() {
        let values: Vec<&Value> =
            example["params"].as_array().unwrap().iter().map(|value| &value["name"]).collect();
        assert_eq!(values, names, "{name}");
        assert!(example.get("result").is_some(), "{name}");
    }
}

fn method<'a>(manifest: &'a Value, name: &str) -> &'a Value {
    manifest["methods"].as_array().unwrap().iter().find(|method| method["name"] == name).expect(name)
}

#[test]
fn the_manifest_of_rough_is_the_one_in_the_file() {
    let mut rough = Process::start("rough");
    let manifest = rough.result("rpc.discover", &json!({}));
    check(&manifest);
    let text = serde_json::to_string_pretty(&manifest).unwrap() + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/rough.openrpc.json");
    if std::env::var_os("PLUGLINE_UPDATE").is_some() {
        std::fs::write(&file, text).unwrap();
    } else {
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text, "PLUGLINE_UPDATE=1 cargo test writes it");
    }
}

#[test]
fn examples_are_true() {
    let mut rough = Process::rough();
    let manifest = rough.result("rpc.discover", &json!({}));
    for method in manifest["methods"].as_array().unwrap() {
        for example in method["examples"].as_array().into_iter().flatten() {
            let values = example["params"].as_array().unwrap().iter();
            let params: Value = values
                .map(|value| (value["name"].as_str().unwrap().to_owned(), value["value"].clone()))
                .collect();
            let result = rough.result(method["name"].as_str().unwrap(), &params);
            assert_eq!(result, example["result"]["value"], "{}", example["name"]);
        }
    }
}

/// One type, written otherwise than it is read.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Leaf {
    #[serde(rename(serialize = "written", deserialize = "read"))]
    value: u8,
    #[serde(default)]
    more: Vec<u8>,
}

/// Differs by what it holds alone.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Branch {
    leaf: Leaf,
}

/// The same both ways.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Stone {
    weight: u8,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Tree {
    /// Optional, and first by name.
    #[serde(default)]
    aa: Option<Box<Tree>>,
    branch: Branch,
    stone: Stone,
}

fn nature() -> Plugin {
    Plugin::new("nature", "0.1.0")
        .provides("nature", "1.0.0")
        .host_method::<Tree, Branch>("nature.plant")
        .method(Method::new("nature.grow", |(): &(), tree: Tree, _: &Call| Ok::<_, Error>(tree)))
        .method(Method::new("nature.pair", |(): &(), (): (), _: &Call| {
            Ok::<_, Error>((1_u8, "x".to_owned()))
        }))
        .method(Method::new("nature.nothing", |(): &(), (): (), _: &Call| Ok::<_, Error>(())))
}

#[test]
fn a_type_that_is_written_otherwise_than_read_has_two_schemas() {
    let manifest = serde_json::to_value(nature().manifest()).unwrap();
    check(&manifest);
    let schemas = &manifest["components"]["schemas"];
    let names: Vec<&String> = schemas.as_object().unwrap().keys().collect();
    assert_eq!(names, ["Branch", "BranchOut", "Leaf", "LeafOut", "Stone", "Tree", "TreeOut"]);
    for (name, member, target) in [
        ("Branch", "leaf", "Leaf"),
        ("BranchOut", "leaf", "LeafOut"),
        ("Tree", "branch", "Branch"),
        ("TreeOut", "branch", "BranchOut"),
        ("TreeOut", "stone", "Stone"),
    ] {
        let schema = &schemas[name]["properties"][member]["$ref"];
        assert_eq!(*schema, format!("{DEFINITIONS}{target}"), "{name}");
    }
    assert_eq!(schemas["Leaf"]["required"], json!(["read"]));
    assert_eq!(schemas["LeafOut"]["required"], json!(["written", "more"]));

    let grow = method(&manifest, "nature.grow");
    let params: Vec<&Value> = grow["params"].as_array().unwrap().iter().map(|param| &param["name"]).collect();
    assert_eq!(params, ["branch", "stone", "aa"]);
    assert_eq!(grow["result"]["schema"]["$ref"], format!("{DEFINITIONS}TreeOut"));
    // What the plugin gives is a callback's params; what it takes, its result.
    let plant = &manifest["x-plugline"]["hostMethods"][0];
    assert_eq!(plant["params"][1]["schema"]["$ref"], format!("{DEFINITIONS}BranchOut"));
    assert_eq!(plant["result"]["schema"]["$ref"], format!("{DEFINITIONS}Branch"));
    assert_eq!(method(&manifest, "nature.nothing")["result"]["schema"]["type"], "null");
    let pair = &method(&manifest, "nature.pair")["result"]["schema"];
    assert_eq!(pair["items"].as_array().map(Vec::len), Some(2), "{pair}");
}

#[test]
fn a_name_that_is_taken_is_not_given_twice() {
    #[derive(Serialize, Deserialize, JsonSchema)]
    struct LeafOut {
        mine: bool,
    }
    let plugin = nature().method(Method::new("nature.out", |(): &(), (): (), _: &Call| {
        Ok::<_, Error>(LeafOut { mine: true })
    }));
    let manifest = serde_json::to_value(plugin.manifest()).unwrap();
    check(&manifest);
    let out = &method(&manifest, "nature.out")["result"]["schema"]["$ref"];
    assert_eq!(*out, format!("{DEFINITIONS}LeafOut"));
    let schemas = &manifest["components"]["schemas"];
    assert!(schemas["LeafOut"]["properties"].get("mine").is_some());
    assert_eq!(schemas["BranchOut"]["properties"]["leaf"]["$ref"], format!("{DEFINITIONS}LeafOutOut"));
}

#[test]
fn a_taken_or_reserved_name_is_refused() {
    let method = |name: &str| Method::new(name, |(): &(), (): (), _: &Call| Ok::<_, Error>(()));
    for names in [["a.b", "a.b"], ["a.b", "rpc.ping"]] {
        let registered = std::panic::catch_unwind(|| {
            names.into_iter().fold(Plugin::new("n", "0.1.0"), |plugin, name| plugin.method(method(name)))
        });
        assert!(registered.is_err(), "{names:?}");
    }
}
