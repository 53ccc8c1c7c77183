//! What a generated plugin says of itself, and what it lets through: both are what stands in the document that it was
//! generated from, with its examples and bounds, in each language. And what a client finds out before it calls.

use std::fs;
use std::process::Command;

use plugline_host::Plugin;
use plugline_protocol::contract::same;
use serde_json::{Value, json};

use crate::languages::plugins;
use crate::workshop::{Go, KEYWORDS, PLUGLINE, Python, RICH, TypeScript, built, root, run, told};

fn rich() -> Value {
    serde_json::from_str(&fs::read_to_string(root().join(RICH)).unwrap()).unwrap()
}

#[test]
fn what_is_declared_is_what_stands_in_the_document() {
    let folder = tempfile::tempdir().unwrap();
    for plugin in plugins() {
        let command = shell_words::join(&plugin);
        let mut describe = Command::new(PLUGLINE);
        describe.args(["describe", "--format", "json", "--command", &command]).current_dir(root());
        let mut declared: Value = serde_json::from_str(&run(&mut describe)).unwrap();
        // Its name and version are its own; all else is the document's.
        declared["info"] = rich()["info"].clone();
        let path = folder.path().join("declared.json");
        fs::write(&path, declared.to_string()).unwrap();
        let mut diff = Command::new(PLUGLINE);
        diff.args(["--json", "contract", "diff", RICH]).arg(&path).current_dir(root());
        let report: Value = serde_json::from_str(&run(&mut diff)).unwrap();
        assert_eq!(report["changes"], json!([]), "{command}");
        assert_eq!(declared["x-plugline"], rich()["x-plugline"], "{command}");
        let find = |document: &Value| {
            let methods = document["methods"].as_array().unwrap().clone();
            methods.into_iter().find(|method| method["name"] == "catalog.find").unwrap()
        };
        assert_eq!(find(&declared), find(&rich()), "{command}");
        // The examples run, and what does not fit is refused.
        let mut check = Command::new(PLUGLINE);
        check.args(["--json", "contract", "check", "--command", &command]).current_dir(root());
        let report: Value = serde_json::from_str(&run(&mut check)).unwrap();
        assert_eq!((&report["faults"], &report["examples"]), (&json!([]), &json!(4)), "{command}");
    }
}

#[test]
fn what_the_document_forbids_is_refused_with_every_place() {
    let everything = |entry: Value| {
        let mut params = json!({"everything": {
            "entry": {"id": "a", "title": "t", "size": 0, "ratio": 0.5, "status": "draft", "owner": null, "tags": [],
                      "labels": {}, "history": [], "created": "2024-01-01T00:00:00Z", "content": "", "serial": "0"},
            "shape": "Point", "amounts": [], "tree": {}, "big": "0", "moment": "2024-01-01T00:00:00Z"
        }});
        for (name, value) in entry.as_object().unwrap() {
            params["everything"]["entry"][name] = value.clone();
        }
        params
    };
    let tags: Vec<&str> = vec!["x"; 17];
    let rows = [
        ("catalog.wait", json!({"ms": -1}), "/ms"),
        ("catalog.find", json!({"id": "abc", "limit": 101}), "/limit"),
        ("catalog.find", json!({"id": "abc", "limit": 0}), "/limit"),
        ("catalog.find", json!({"id": "UPPER"}), "/id"),
        ("catalog.find", json!({"id": ""}), "/id"),
        ("catalog.find", json!({"id": "abc", "after": "no spaces"}), "/after"),
        ("catalog.count", json!({"n": 1_000_001}), "/n"),
        ("catalog.blobs", json!({"sizes": [1, 100_001]}), "/sizes/1"),
        ("catalog.fail", json!({"how": "otherwise"}), "/how"),
        ("catalog.echo", everything(json!({"title": ""})), "/everything/entry/title"),
        ("catalog.echo", everything(json!({"title": "t".repeat(81)})), "/everything/entry/title"),
        ("catalog.echo", everything(json!({"ratio": 1.1e300})), "/everything/entry/ratio"),
        ("catalog.echo", everything(json!({"ratio": -1e300})), "/everything/entry/ratio"),
        ("catalog.echo", everything(json!({"tags": tags})), "/everything/entry/tags"),
        ("catalog.echo", everything(json!({"tags": ["a", ""]})), "/everything/entry/tags/1"),
        ("catalog.echo", everything(json!({"created": "yesterday"})), "/everything/entry/created"),
        ("catalog.echo", everything(json!({"place": {"x": 1, "y": 2, "z": 3}})), "/everything/entry/place"),
    ];
    for plugin in plugins() {
        let command = shell_words::join(&plugin);
        for (method, params, place) in &rows {
            let output = Command::new(PLUGLINE)
                .args(["--json", "call", "--no-validate", "--command", &command, method, &params.to_string()])
                .current_dir(root())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{command}: {method} {params}: {}", told(&output));
            let error: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
            assert_eq!(error["error"]["code"], -32602, "{command}: {method} {params}: {said}");
            let faults = error["error"]["data"]["errors"].as_array().unwrap_or_else(|| panic!("{said}"));
            let places: Vec<&str> = faults.iter().map(|fault| fault["path"].as_str().unwrap()).collect();
            assert!(
                places.iter().any(|found| found.starts_with(place)),
                "{command}: {method} {params}: {place} is not in {places:?}"
            );
        }
    }
}

/// What clients in TypeScript and Go say of a plugin whose manifest is another.
#[test]
fn a_client_looks_at_connect_and_names_what_differs() {
    type Change = fn(&mut Value);
    fn method<'d>(document: &'d mut Value, name: &str) -> &'d mut Value {
        let mut methods = document["methods"].as_array_mut().unwrap().iter_mut();
        methods.find(|method| method["name"] == name).unwrap()
    }
    /// Has the params and the results stand where OpenRPC lets references point at.
    fn pointing(document: &mut Value) {
        let mut components = serde_json::Map::new();
        for method in document["methods"].as_array_mut().unwrap() {
            let name = method["name"].as_str().unwrap().to_owned();
            let mut moved = |part: &mut Value, of: &str| {
                let key = format!("{name}/{of}");
                let to = format!("#/components/contentDescriptors/{}", key.replace('/', "~1"));
                components.insert(key, std::mem::replace(part, json!({ "$ref": to })));
            };
            for (index, param) in method["params"].as_array_mut().unwrap().iter_mut().enumerate() {
                moved(param, &index.to_string());
            }
            if let Some(result) = method.get_mut("result") {
                moved(result, "result");
            }
        }
        document["components"]["contentDescriptors"] = Value::Object(components);
    }
    let rows: [(Change, &str); 12] = [
        (|_| (), "it fits"),
        (pointing, "it fits"),
        (
            |d| {
                method(d, "catalog.find")["params"][0]["schema"] = json!({"type": "integer"});
                pointing(d);
            },
            "version_mismatch: the plugin does not fit catalog 1.2.0: catalog.find: the param \"id\": ",
        ),
        (|d| d["x-plugline"]["provides"][0]["version"] = json!("1.3.0"), "it fits"),
        (|d| method(d, "catalog.find")["params"][1]["schema"]["maximum"] = json!(7), "it fits"),
        (
            |d| d["x-plugline"]["provides"][0]["version"] = json!("1.1.0"),
            "version_mismatch: the plugin does not fit catalog 1.2.0: it provides catalog 1.1.0, and ^1.2.0 is wanted",
        ),
        (
            |d| method(d, "catalog.find")["params"][0]["schema"] = json!({"type": "integer"}),
            "version_mismatch: the plugin does not fit catalog 1.2.0: catalog.find: the param \"id\": ",
        ),
        (
            |d| method(d, "catalog.find")["params"][2]["name"] = json!("before"),
            "version_mismatch: the plugin does not fit catalog 1.2.0: catalog.find: the param \"after\": the plugin does \
             not take it",
        ),
        (
            |d| method(d, "catalog.find")["params"][1]["required"] = json!(true),
            "version_mismatch: the plugin does not fit catalog 1.2.0: catalog.find: the param \"limit\": the plugin \
             requires it",
        ),
        (
            |d| method(d, "catalog.wait")["result"]["schema"] = json!({"type": "array"}),
            "version_mismatch: the plugin does not fit catalog 1.2.0: catalog.wait: the result: ",
        ),
        (
            |d| drop(method(d, "catalog.count")["x-plugline"].as_object_mut().unwrap().remove("output")),
            "version_mismatch: the plugin does not fit catalog 1.2.0: catalog.count: only one side has an output stream",
        ),
        (
            |d| method(d, "catalog.notes")["name"] = json!("catalog.papers"),
            "version_mismatch: the plugin does not fit catalog 1.2.0: it does not declare catalog.notes",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut hosts = Vec::new();
    hosts.extend(TypeScript::get().map(|made| made.command("connects")));
    hosts.extend(Go::get().map(|made| made.command("connects")));
    for (change, said) in rows {
        let mut document = rich();
        for method in document["methods"].as_array_mut().unwrap() {
            method.as_object_mut().unwrap().remove("examples");
            if let Some(own) = method.get_mut("x-plugline") {
                own.as_object_mut().unwrap().remove("examples");
            }
        }
        change(&mut document);
        let path = folder.path().join("other.json");
        fs::write(&path, document.to_string()).unwrap();
        for host in &hosts {
            let plugin = ["python3", "-B", "tests/contracts/declares.py", path.to_str().unwrap()];
            let found = run(Command::new(&host[0]).args(&host[1..]).args(plugin).current_dir(root()));
            assert!(found.starts_with(said), "{host:?}: {found:?}, not {said:?}");
        }
    }
}

/// The ladder, and what breaks: what hosts in TypeScript and Go make of a plugin that keeps to nothing.
#[test]
fn a_plugin_that_breaks_the_rules_is_survived_and_ended() {
    let mut hosts = Vec::new();
    hosts.extend(TypeScript::get().map(|made| made.command("faults")));
    hosts.extend(Go::get().map(|made| made.command("faults")));
    for host in hosts {
        let plugin = ["python3", "-B", "tests/contracts/faulty.py"];
        let found = run(Command::new(&host[0]).args(&host[1..]).args(plugin).current_dir(root()));
        assert_eq!(found, "ok\n", "{host:?}");
    }
}

/// What the conformance suite does not look at: each fault that was there once.
#[test]
fn the_typescript_run_time_holds_at_its_edges() {
    if let Some(made) = TypeScript::get() {
        let edges = made.command("edges");
        assert_eq!(run(Command::new(&edges[0]).args(&edges[1..])), "ok\n");
    }
}

/// For each keyword of JSON Schema: what it lets through comes back, and what it does not is refused, in each language.
#[test]
fn every_keyword_holds_in_every_language() {
    let rows = [
        ("minLength", json!(["ab"]), json!(["a"])),
        ("maxLength", json!(["ab", "🎈🎈"]), json!(["abc"])),
        ("pattern", json!(["aa"]), json!(["b"])),
        ("format", json!(["2024-01-01T00:00:00Z"]), json!(["2024-01-01"])),
        ("const", json!([7]), json!([8, "7"])),
        ("constText", json!(["x"]), json!(["y"])),
        ("enumN", json!([1, "x"]), json!([3, "y"])),
        ("multiple", json!([1.5]), json!([1.25])),
        ("multI", json!([9]), json!([10])),
        ("min", json!([3]), json!([2])),
        ("max", json!([3.0]), json!([3.5])),
        ("xmin", json!([4]), json!([3])),
        ("xmax", json!([2.5]), json!([3])),
        ("int32", json!([-2_147_483_648_i64]), json!([2_147_483_648_i64])),
        ("uint8", json!([255]), json!([256, -1])),
        ("minItems", json!([[1]]), json!([[]])),
        ("maxItems", json!([[1]]), json!([[1, 2]])),
        ("unique", json!([[1, 2]]), json!([[1, 2, 1]])),
        ("contains", json!([[2, 1]]), json!([[2]])),
        ("tuple", json!([[1, "a"]]), json!([[1, "a", 2], [1], ["a", 1]])),
        ("minProps", json!([{"a": 1}]), json!([{}])),
        ("maxProps", json!([{"a": 1}]), json!([{"a": 1, "b": 2}])),
        ("propNames", json!([{"ab": 1}]), json!([{"b": 1}])),
        ("patProps", json!([{"ab": 1}]), json!([{"b": 1}, {"ab": "x"}])),
        ("depends", json!([{"a": 1, "b": 2}, {"b": 2}]), json!([{"a": 1}])),
        ("not", json!([4]), json!([3])),
        ("ifThen", json!([{"a": 1, "b": 2}, {"a": 2}]), json!([{"a": 1}, {"a": 2, "b": 2}])),
        ("allOf", json!([1, 5]), json!([0, 6])),
        ("anyOf", json!([5, "a"]), json!([4, true])),
        ("oneOf", json!([2, 3]), json!([6, 5])),
        ("bytes", json!(["AAE="]), json!(["!"])),
        ("big", json!(["18446744073709551615"]), json!(["18446744073709551616", "x"])),
        ("closed", json!([{"a": 1}]), json!([{"b": 1}])),
        ("required", json!([{"a": 1}]), json!([{}])),
        ("named", json!([3]), json!([2])),
    ];
    let document: Value = serde_json::from_str(&fs::read_to_string(root().join(KEYWORDS)).unwrap()).unwrap();
    let members = document["components"]["schemas"]["One"]["properties"].as_object().unwrap();
    assert_eq!(members.len(), rows.len(), "each has a row");
    let mut plugins = vec![vec![built("keywords-plugin")]];
    plugins.extend(TypeScript::get().map(|made| made.command("keywords-plugin")));
    plugins.extend(Go::get().map(|made| made.command("keywords-plugin")));
    plugins.extend(Python::get().map(|made| made.command("keywords_plugin")));
    for command in plugins {
        let plugin = Plugin::command(&command[0]).args(&command[1..]).start().unwrap();
        let mut wrong = Vec::new();
        for (name, good, bad) in &rows {
            for value in good.as_array().unwrap() {
                let one = json!({"one": {*name: value}});
                match plugin.call::<Value>("keywords.echo", &one) {
                    Ok(back) if same(&back, &one["one"]) => {}
                    other => wrong.push(format!("{one}: {other:?}")),
                }
            }
            for value in bad.as_array().unwrap() {
                let one = json!({"one": {*name: value}});
                let fault = plugin.call::<Value>("keywords.echo", &one);
                let error = fault.as_ref().err().and_then(|fault| fault.remote());
                let path = error.and_then(|error| error.data.as_ref()?.pointer("/errors/0/path")?.as_str());
                let is_told = error.is_some_and(|error| error.code.code() == -32602)
                    && path.is_some_and(|path| path.starts_with(&format!("/one/{name}")));
                if !is_told {
                    wrong.push(format!("{one}: {fault:?}"));
                }
            }
        }
        assert_eq!(wrong, [""; 0], "{command:?}");
        plugin.stop();
    }
}
