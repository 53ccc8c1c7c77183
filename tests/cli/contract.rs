//! `plugline contract`, `plugline mock` and what `plugline call` checks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{PLUGLINE, built, demo, example, failure, is_there, plugline, stderr, stdout, with_input};

fn users() -> Value {
    serde_json::from_str(&fs::read_to_string(example("users.openrpc.json")).unwrap()).unwrap()
}

/// A folder with documents in it.
struct Documents(TempDir);

impl Documents {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self, name: &str, document: &Value) -> String {
        let path: PathBuf = self.0.path().join(name);
        fs::write(&path, document.to_string()).unwrap();
        path.display().to_string()
    }
}

/// Runs it, wants this exit code, and gives the report that it prints as JSON.
fn report(code: i32, args: &[&str]) -> Value {
    let output = plugline(&[&["--json"], args].concat());
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap_or_else(|_| panic!("{args:?}: {}", stdout(&output)))
}

#[test]
fn every_example_plugin_does_what_its_manifest_says() {
    let manifest = example("users.openrpc.json");
    let output = plugline(&["contract", "check", &manifest]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let mut plugins =
        vec![(built("users-json"), 7), (example("python/users.py"), 7), (built("users-passwd"), 3)];
    if is_there("jq") {
        plugins.push((example("bash/users.sh"), 7));
    }
    for (plugin, examples) in plugins {
        let report = report(0, &["contract", "check", &plugin]);
        assert_eq!((&report["faults"], &report["examples"]), (&json!([]), &json!(examples)), "{plugin}");
        assert!(report["refusals"].as_u64().unwrap() > 5, "{report}");
    }
    let report = report(0, &["contract", "check", "--command", &demo(), "--generate", "2"]);
    assert!(report["generated"].as_u64().unwrap() > 5, "{report}");
    let output = plugline(&["contract", "check", &built("users-json"), "--against", &manifest]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn what_is_wrong_with_a_document_is_told_all_at_once() {
    let documents = Documents::new();
    let mut document = users();
    document["openrpc"] = json!("1.2.6");
    document["methods"][0]["paramStructure"] = json!("either");
    document["methods"][1]["examples"][0]["result"]["value"]["mail"] = json!("\u{1b}[2J");
    let file = documents.file("m.json", &document);
    let seen = report(1, &["contract", "check", &file]);
    let places: Vec<&str> =
        seen["faults"].as_array().unwrap().iter().map(|fault| fault["at"].as_str().unwrap()).collect();
    assert_eq!(places, ["/openrpc", "/methods/0/paramStructure"]);
    let output = plugline(&["contract", "check", &file]);
    let text = stdout(&output);
    assert!(
        text.contains("/methods/0/paramStructure: params travel by name") && text.contains("[CONTRACT-2]"),
        "{text}"
    );
    assert!(text.contains("say \"by-name\""), "{text}");
    assert!(stderr(&output).starts_with("error: 2 faults [verdict]"), "{}", stderr(&output));
    fs::write(&file, "{\"openrpc\": ").unwrap();
    assert_eq!(report(1, &["contract", "check", &file])["faults"][0]["at"], "");
    assert_eq!(failure(2, &["contract", "check", &file, "more"])["kind"], "invalid_request");
    assert_eq!(failure(3, &["contract", "check", "./nowhere.json"])["kind"], "not_found");
}

#[test]
fn a_file_is_read_as_a_document_whatever_it_begins_with() {
    let folder = Documents::new();
    let file = |name: &str, text: &[u8]| {
        let path = folder.0.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let good = example("users.openrpc.json");
    for (name, text) in [
        ("empty.json", &b""[..]),
        ("list.json", b"[1]"),
        ("comment.json", b"// a contract\n{}"),
        ("latin.json", b"\xe9"),
        ("utf16.json", &utf16),
        ("notes", b"openrpc: 1.3.2"),
    ] {
        let file = file(name, text);
        let fault = &report(1, &["contract", "check", &file])["faults"][0];
        assert_eq!((&fault["at"], &fault["rule"]), (&json!(""), &json!("CONTRACT-1")), "{name}: {fault}");
        let said = failure(1, &["contract", "gen", "go", &file, "--out", "-"]);
        assert_eq!(fault["what"], said["data"]["faults"][0]["what"], "{name}");
        assert_eq!(failure(1, &["contract", "diff", &good, &file])["kind"], "invalid_document", "{name}");
        assert_eq!(failure(2, &["describe", &file])["kind"], "invalid_request", "{name}");
    }
    // Where it stands, it needs no slash.
    let output = Command::new(PLUGLINE)
        .args(["contract", "check", "list.json"])
        .current_dir(folder.0.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
}

#[test]
fn what_is_a_plugin_is_not_read_as_a_document() {
    let folder = Documents::new();
    let script = format!("#!/bin/sh\nexec '{PLUGLINE}' mock '{}'\n", example("users.openrpc.json"));
    for name in ["plugin", "plugin.json"] {
        let path = folder.0.path().join(name);
        fs::write(&path, &script).unwrap();
        let path = path.to_str().unwrap();
        let error = failure(3, &["describe", path]);
        assert_eq!(error["kind"], "spawn_failed", "it only has to be made executable: {error}");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(plugline(&["describe", path]).status.code(), Some(0), "{name}");
    }
    // A word means a plugin, though a file is called so.
    fs::write(folder.0.path().join("users"), "[1]").unwrap();
    let output = Command::new(PLUGLINE)
        .args(["--json", "contract", "check", "users"])
        .current_dir(folder.0.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("a path has a slash: ./users"), "{}", stderr(&output));
}

#[test]
fn a_plugin_that_does_something_else_is_found_out() {
    let documents = Documents::new();
    // A mock answers its own contract, which says more than the real one.
    let mut document = users();
    document["methods"][4]["examples"][0]["result"]["value"] = json!([]);
    let liar = documents.file("liar.json", &document);
    let command = |file: &str| format!("'{PLUGLINE}' mock '{file}'");
    let seen = report(0, &["contract", "check", "--command", &command(&liar)]);
    assert_eq!(seen["examples"], 7);
    // The real plugin, held to that.
    let seen = report(1, &["contract", "check", &built("users-json"), "--against", &liar]);
    assert_eq!(seen["faults"][0]["rule"], "CONTRACT-11", "{seen}");
    // A plugin whose examples and answers differ.
    let script = documents.0.path().join("liar.py");
    let mut document = users();
    document["info"] = json!({"title": "liar", "version": "1.0.0"});
    document["methods"] = json!([
        {"name": "users.tell", "paramStructure": "by-name", "params": [{"name": "x", "required": true, "schema": {}}],
         "result": {"name": "result", "schema": {"type": "integer"}},
         "examples": [{"name": "one", "params": [{"name": "x", "value": 1}], "result": {"name": "result", "value": 2}}]}]);
    document["components"]["schemas"] = json!({});
    document["x-plugline"]["config"] = json!({});
    let body = r#"
import json, sys
MANIFEST = json.loads(sys.argv[1])
for line in sys.stdin:
    message = json.loads(line)
    method = message["method"]
    result = "text"
    if method == "rpc.discover":
        result = MANIFEST
    elif method == "rpc.initialize":
        result = {"protocolVersion": 1, "plugin": {"name": "liar", "version": "2.0.0"}, "provides": []}
    elif method == "rpc.shutdown":
        result = None
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"#;
    fs::write(&script, body).unwrap();
    let command = format!("python3 -B '{}' '{document}'", script.display());
    let seen = report(1, &["contract", "check", "--command", &command, "--generate", "1"]);
    let faults = seen["faults"].as_array().unwrap();
    let rule = |at: &str, rule: &str| faults.iter().any(|fault| fault["at"] == at && fault["rule"] == rule);
    for (at, broken) in [
        ("/info/version", "CONTRACT-11"),
        ("/x-plugline/provides", "CONTRACT-11"),
        ("/methods/0/examples/0", "CONTRACT-9"),
        ("/methods/0/examples/0", "CONTRACT-11"),
        ("/methods/0", "MSG-38"),
        ("/methods/0", "CONTRACT-11"),
    ] {
        assert!(rule(at, broken), "{at} {broken}: {seen:#}");
    }
}

/// OpenRPC lets a reference stand for a param, a result, an error, an example.
#[test]
fn who_reads_a_document_follows_its_references() {
    let documents = Documents::new();
    // The minimal plugin of the specification, its param in another place.
    let specification = include_str!("../../protocol/SPEC.md");
    let (_, rest) = specification.split_once("```python minimal-plugin\nimport itertools").unwrap();
    let (plain, _) = rest.split_once("```").unwrap();
    let param = r#"{"name": "name", "required": True, "schema": {"type": "string"}}"#;
    let components =
        format!(r#""components": {{"contentDescriptors": {{"Name": {param}}}}}, "methods": [HELLO]"#);
    let pointing = format!("import itertools{plain}")
        .replacen(param, r##"{"$ref": "#/components/contentDescriptors/Name"}"##, 1)
        .replacen(r#""methods": [HELLO]"#, &components, 1);
    assert_eq!(pointing.matches("contentDescriptors").count(), 2, "{pointing}");
    let plugin = documents.0.path().join("plugin.py");
    fs::write(&plugin, pointing).unwrap();
    let command = format!("python3 {}", plugin.display());
    let document = json!({
        "openrpc": "1.3.2", "info": {"title": "t", "version": "1.0.0"},
        "methods": [{"name": "greet.hello", "paramStructure": "by-name",
                     "params": [{"$ref": "#/components/contentDescriptors/Name"}],
                     "result": {"name": "text", "schema": {"type": "string"}}}],
        "components": {"contentDescriptors": {"Name": {"name": "name", "required": true, "schema": {"type": "string"}}}},
        "x-plugline": {"protocol": [1], "provides": [{"contract": "greet", "version": "1.0.0"}], "requires": [],
                       "config": {}, "hostMethods": []}
    });
    let file = documents.file("document.json", &document);
    for source in [vec!["--command", &*command], vec![&*file]] {
        let output = plugline(&[&["describe"], &source[..]].concat());
        assert!(
            stdout(&output).contains("greet.hello(name: string)"),
            "{}{}",
            stdout(&output),
            stderr(&output)
        );
        let checked = plugline(&[&["contract", "check"], &source[..]].concat());
        assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
    }
}

#[test]
fn a_plugin_whose_handlers_fail_at_made_up_params_is_found_out() {
    let documents = Documents::new();
    let script = documents.0.path().join("fails.py");
    let method = |name: &str, errors: Value| {
        json!({"name": name, "paramStructure": "by-name",
               "params": [{"name": "x", "required": true, "schema": {"type": "integer"}}],
               "result": {"name": "result", "schema": {"type": "null"}}, "x-plugline": {"errors": errors}})
    };
    // What relays may be answered so by what it calls.
    let document = json!({
        "openrpc": "1.3.2", "info": {"title": "fails", "version": "1.0.0"},
        "methods": [method("f.fail", json!([])), method("f.relay", json!("any"))],
        "x-plugline": {"protocol": [1], "provides": [{"contract": "f", "version": "1.0.0"}], "requires": [],
                       "config": {}, "hostMethods": [], "instances": "many"},
    });
    let body = r#"
import json, sys
MANIFEST = json.loads(sys.argv[1])
HELLO = {"protocolVersion": 1, "plugin": {"name": "fails", "version": "1.0.0"},
         "provides": MANIFEST["x-plugline"]["provides"]}
RPC = {"rpc.discover": MANIFEST, "rpc.initialize": HELLO, "rpc.ping": {}, "rpc.shutdown": None}
for line in sys.stdin:
    message = json.loads(line)
    method = message["method"]
    answer = {"jsonrpc": "2.0", "id": message["id"]}
    if method in RPC:
        answer["result"] = RPC[method]
    elif message["params"].keys() - {"_meta"} != {"x"}:
        answer["error"] = {"code": -32602, "message": "params", "data": {"errors": []}}
    else:
        answer["error"] = {"code": -32603, "message": "it panicked"}
    print(json.dumps(answer), flush=True)
"#;
    fs::write(&script, body).unwrap();
    let command = format!("python3 -B '{}' '{document}'", script.display());
    let check = ["contract", "check", "--command", &command];
    assert_eq!(report(0, &check)["faults"], json!([]));
    let seen = report(1, &[&check[..], &["--generate", "2"]].concat());
    assert_eq!(seen["generated"], 4, "{seen}");
    let found = |fault: &Value| fault["at"] == "/methods/0" && fault["rule"] == "ERR-4";
    let faults = seen["faults"].as_array().unwrap();
    assert!(faults.len() == 2 && faults.iter().all(found), "{seen:#}");
    assert!(faults[0]["what"].as_str().unwrap().contains("it panicked"), "{seen:#}");
}

#[test]
fn a_version_that_does_not_tell_of_its_changes_exits_with_one() {
    let documents = Documents::new();
    let old = documents.file("old.json", &users());
    assert_eq!(plugline(&["contract", "diff", &old, &old]).status.code(), Some(0));
    let mut document = users();
    document["components"]["schemas"]["User"]["properties"].as_object_mut().unwrap().remove("opaque");
    let new = documents.file("new.json", &document);
    let output = plugline(&["contract", "diff", &old, &new]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(
        text.contains("users 1.0.0 → 1.0.0: the changes are major, so it has to be 2.0.0 or higher"),
        "{text}"
    );
    assert!(text.contains("major    minor         users.get_user result /opaque: it was removed"), "{text}");
    document["x-plugline"]["provides"][0]["version"] = json!("2.0.0");
    document["info"]["version"] = json!("2.0.0");
    let new = documents.file("new.json", &document);
    let seen = report(0, &["contract", "diff", &old, &new]);
    assert_eq!(seen["versions"][0]["told"], true);
    assert_eq!(seen["changes"][0]["callers"], "major");
    // A plugin does as well as a file.
    assert_eq!(plugline(&["contract", "diff", &old, &built("users-json")]).status.code(), Some(0));
    let broken = documents.file("broken.json", &json!({"openrpc": "1.3.2"}));
    let error = failure(1, &["contract", "diff", &old, &broken]);
    assert_eq!(
        (&error["kind"], &error["data"]["faults"][0]["rule"]),
        (&json!("invalid_document"), &json!("CONTRACT-1"))
    );
}

#[test]
fn a_mock_answers_a_contract() {
    let command = format!("'{PLUGLINE}' mock '{}'", example("users.openrpc.json"));
    let call = |args: &[&str]| {
        let output = plugline(&[&["call", "--command", &command], args].concat());
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
        serde_json::from_str::<Value>(&stdout(&output)).unwrap()
    };
    let einstein = call(&["users.get_user_by_claim", "claim=mail", "value=einstein@cern.ch"]);
    assert_eq!(einstein["username"], "einstein");
    let made = call(&["users.get_user_by_claim", "claim=mail", "value=marie@cern.ch"]);
    assert!(made["username"].is_string(), "{made}");
    assert_eq!(call(&["users.get_user_by_claim", "claim=mail", "value=marie@cern.ch"]), made);
    let wrong = ["call", "--no-validate", "--command", &command, "users.get_user", "id=7"];
    let error = failure(1, &wrong);
    assert_eq!((&error["code"], &error["data"]["errors"][0]["path"]), (&json!(-32602), &json!("/id")));
    assert_eq!(failure(2, &["mock", "/nowhere.json"])["kind"], "invalid_request");
    let broken = Documents::new();
    let broken = broken.file("broken.json", &json!({"openrpc": "1.3.2"}));
    assert_eq!(failure(1, &["mock", &broken])["kind"], "invalid_document");
}

#[test]
fn a_call_is_checked_before_it_is_sent() {
    let plugin = built("users-json");
    let error = failure(3, &["call", &plugin, "users.get_user", "id=7", "more=1"]);
    assert_eq!((&error["kind"], &error["phase"]), (&json!("invalid_request"), &json!("call")));
    let places: Vec<&Value> =
        error["data"]["errors"].as_array().unwrap().iter().map(|it| &it["path"]).collect();
    assert_eq!(places, ["/id", "/more"]);
    let error = failure(3, &["call", &plugin, "users.get_user_by_claim", "claim=shoe", "value=45"]);
    let fault = &error["data"]["errors"][0];
    assert_eq!(fault["message"], r#"it is none of "mail", "username", "display_name""#, "{error}");
    let error = failure(3, &["call", &plugin, "users.find_users", "query=", "--config", "{\"file\": 7}"]);
    assert_eq!(
        (&error["kind"], &error["data"]["errors"][0]["path"]),
        (&json!("invalid_config"), &json!("/file"))
    );
    let error = failure(1, &["call", "--no-validate", &plugin, "users.get_user", "id=7"]);
    assert_eq!(error["code"], -32602);
    // What is not declared, the plugin itself does not know.
    assert_eq!(failure(1, &["call", &plugin, "users.none"])["code"], -32601);
    let output = with_input(&["demo.sum", "--input", "-"], "1\n\"x\"\n");
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("an item of the input is not what the manifest says"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn what_is_to_be_tried_is_the_help_of_the_command_that_failed() {
    for (words, help) in [
        (&["contract", "gen", "go", "/nowhere.json"][..], "contract gen"),
        (&["mock", "/nowhere.json"], "mock"),
        (&["call", "--command", "x", "a.b", "=:="], "call"),
    ] {
        let output = plugline(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", stderr(&output));
        let said = stderr(&output);
        assert!(said.ends_with(&format!("`plugline help {help}`\n")), "{words:?}: {said}");
        let shown = plugline(&[&["help"], &help.split(' ').collect::<Vec<_>>()[..]].concat());
        assert_eq!(shown.status.code(), Some(0), "{}", stderr(&shown));
    }
}
