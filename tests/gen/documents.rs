//! Documents that nothing can be made of, and documents that mean harm.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::workshop::{PLUGLINE, RICH, root, told};

fn document(change: impl FnOnce(&mut Value)) -> Value {
    let mut document = json!({
        "openrpc": "1.3.2", "info": {"title": "t", "version": "1.0.0"},
        "methods": [{"name": "t.m", "paramStructure": "by-name", "params": [],
                     "result": {"name": "result", "schema": {"$ref": "#/components/schemas/A"}}}],
        "components": {"schemas": {"A": {"type": "string"}}},
        "x-plugline": {"protocol": [1], "provides": [{"contract": "t", "version": "1.0.0"}], "requires": [],
                       "config": {}, "hostMethods": []}
    });
    change(&mut document);
    document
}

/// What is said of a document, in all languages the same.
fn refused(document: &Value) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contract.json");
    fs::write(&path, document.to_string()).unwrap();
    let mut said: Vec<String> = ["rust", "python", "typescript", "go"]
        .iter()
        .map(|language| {
            let output = Command::new(PLUGLINE)
                .args(["contract", "gen", language, path.to_str().unwrap(), "--out", "-"])
                .output()
                .unwrap();
            assert_ne!(output.status.code(), Some(0), "{document}: {}", told(&output));
            assert!(output.stdout.is_empty());
            String::from_utf8(output.stderr).unwrap()
        })
        .collect();
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    said.remove(0)
}

#[test]
fn what_cannot_be_generated_says_where_and_what_to_do() {
    type Change = Box<dyn FnOnce(&mut Value)>;
    let rows: [(&str, Change, &[&str]); 9] = [
        (
            "no contract",
            Box::new(|d| {
                d["x-plugline"]["provides"] = json!([]);
                d["methods"] = json!([]);
            }),
            &["/x-plugline/provides", "add"],
        ),
        ("a stranger", Box::new(|d| d["methods"][0]["name"] = json!("u.m")), &["/methods/0/name", "\"u\""]),
        (
            "no such schema",
            Box::new(|d| d["components"]["schemas"] = json!({})),
            &["/methods/0/result/schema/$ref", "#/components/schemas/A", "add it there"],
        ),
        (
            "a reference elsewhere",
            Box::new(|d| d["components"]["schemas"]["A"] = json!({"$ref": "https://example.invalid/a"})),
            &["/components/schemas/A/$ref"],
        ),
        (
            "nothing but itself",
            Box::new(|d| d["components"]["schemas"]["A"] = json!({"$ref": "#/components/schemas/A"})),
            &["/components/schemas/A", "it stands for itself"],
        ),
        (
            "no type",
            Box::new(|d| d["components"]["schemas"]["A"] = json!({"type": "text"})),
            &["/components/schemas/A/type", "CONTRACT-1"],
        ),
        (
            "required, and not there",
            Box::new(|d| {
                d["components"]["schemas"]["A"] =
                    json!({"type": "object", "properties": {"x": {}}, "required": ["y"]});
            }),
            &["/components/schemas/A/required", "\"y\""],
        ),
        (
            "a code of the protocol",
            Box::new(|d| {
                d["methods"][0]["x-plugline"] =
                    json!({"errors": [{"code": -32001, "name": "N", "message": "m"}]});
            }),
            &["/methods/0/x-plugline/errors/0", "-32001"],
        ),
        (
            "a name that no language has",
            Box::new(|d| d["methods"][0]["params"] = json!([{"name": "a\"b", "schema": {}}])),
            &["/methods/0/params/0/name"],
        ),
    ];
    for (name, change, wanted) in rows {
        let said = refused(&document(change));
        for part in wanted {
            assert!(said.contains(part), "{name}: {part:?} is not in {said}");
        }
    }
}

/// The text of the rich contract ends every kind of comment and string, if it can. That it compiles is tested with the
/// languages; here, that what it wants to run stands in comments alone.
#[test]
fn no_description_becomes_code() {
    for (language, comment) in [("rust", "///"), ("typescript", "*"), ("go", "//"), ("python", "")] {
        let output = Command::new(PLUGLINE)
            .args(["contract", "gen", language, RICH, "--out", "-"])
            .current_dir(root())
            .output()
            .unwrap();
        let code = String::from_utf8(output.stdout).unwrap();
        let mut found = 0;
        let mut within = false;
        for line in code.lines() {
            // The document itself is one string, on one line.
            if line.contains("\\\"openrpc\\\"") || line.contains("\"openrpc\"") {
                continue;
            }
            for wish in ["compile_error!", "export const broken", "os._exit", "go:build"] {
                if line.contains(wish) {
                    found += 1;
                    let line = line.trim_start();
                    assert!(
                        within || line.starts_with(comment) && !comment.is_empty() || line.starts_with("# "),
                        "{line}"
                    );
                }
            }
            let line = line.trim();
            let ends = [line.starts_with("\"\"\""), line.len() > 3 && line.ends_with("\"\"\"")];
            if language == "python" && ends.iter().filter(|end| **end).count() == 1 {
                within = !within;
            }
        }
        assert!(found > 0, "{language} has no comments");
        assert!(!code.contains(['\u{202e}', '\u{2028}', '\0']), "{language}");
    }
}

/// Names of every kind, in every place that a name can stand.
#[test]
fn every_name_becomes_a_name_of_the_language() {
    let names = [
        "type",
        "class",
        "self",
        "Self",
        "crate",
        "fn",
        "def",
        "func",
        "function",
        "None",
        "null",
        "nil",
        "await",
        "yield",
        "default",
        "match",
        "int",
        "str",
        "string",
        "any",
        "error",
        "Error",
        "Option",
        "Vec",
        "Promise",
        "Record",
        "map",
        "list",
        "dict",
        "context",
        "json",
        "time",
        "msgspec",
        "method",
        "notification",
        "contract",
        "a-b",
        "a_b",
        "aB",
        "A.B",
        "3d",
        "*",
        "日本",
        "constructor",
        "prototype",
        "main",
        "init",
        "package",
        "import",
        "Call",
        "Plugin",
        "Stream",
    ];
    // A reference is a URI, which has no such signs but by their bytes.
    let part = |byte: u8| match byte.is_ascii() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    let reference = |at: usize| {
        let name: String = names[at].bytes().map(part).collect();
        json!({"$ref": format!("#/components/schemas/{name}")})
    };
    let members: serde_json::Map<String, Value> =
        names.iter().enumerate().map(|(at, name)| ((*name).to_owned(), reference(at))).collect();
    let schemas: serde_json::Map<String, Value> = names
        .iter()
        .map(|name| {
            let choices: Vec<&str> = names.to_vec();
            let schema = match name.len() % 3 {
                0 => json!({"type": "object", "properties": {"value": {"type": "integer"}}}),
                1 => json!({"type": "string", "enum": choices}),
                _ => json!({"type": "string", "minLength": 1}),
            };
            ((*name).to_owned(), schema)
        })
        .collect();
    let method = |name: &str| {
        let params: Vec<Value> =
            names.iter().map(|name| json!({"name": name, "schema": {"type": "string"}})).collect();
        json!({"name": format!("names.{name}"), "paramStructure": "by-name", "params": params,
               "result": {"name": "r", "schema": {"$ref": "#/components/schemas/all"}},
               "errors": [{"code": 1, "message": "m"}, {"code": 2, "message": "m"}],
               "x-plugline": {"errors": [{"code": 1, "name": "type", "message": "m"}, {"code": 2, "name": "Error", "message": "m"}]}})
    };
    let wire = |name: &&&str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    let mut document = document(|_| ());
    document["methods"] = names.iter().filter(wire).map(|name| method(name)).collect();
    document["components"]["schemas"] = Value::Object(schemas);
    document["components"]["schemas"]["all"] = json!({"type": "object", "properties": members});
    document["x-plugline"]["provides"] = json!([{"contract": "names", "version": "1.0.0"}]);
    crate::workshop::compile(&document);
}

/// Where who calls it learns that: from the compiler, or the editor.
#[test]
fn what_is_deprecated_is_so_in_every_language() {
    let folder = tempfile::tempdir().unwrap();
    let generated = |language: &str, told: Option<&str>| {
        let path = folder.path().join("contract.json");
        let written = document(|document| {
            document["methods"][0]["deprecated"] = json!(true);
            if let Some(told) = told {
                document["methods"][0]["description"] = json!(told);
            }
        });
        fs::write(&path, written.to_string()).unwrap();
        let output = Command::new(PLUGLINE)
            .args(["contract", "gen", language, path.to_str().unwrap(), "--out", "-"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", self::told(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    for (language, mark) in [
        ("rust", "    #[deprecated]\n    fn m("),
        ("python", "    @method(deprecated=True)\n    def m("),
        ("typescript", "  /** @deprecated */\n"),
        ("go", "// Deprecated: it is on its way out.\nfunc "),
    ] {
        let code = generated(language, None);
        assert!(code.contains(mark), "{code}");
    }
    let code = generated("typescript", Some("Says it."));
    assert!(code.contains("   * Says it.\n   * @deprecated\n"), "{code}");
    let code = generated("go", Some("Says it."));
    assert!(code.contains("// M: Says it.\n//\n// Deprecated: it is on its way out.\nfunc "), "{code}");
    // What says why stands alone.
    let code = generated("go", Some("Says it.\n\nDeprecated: use `n`"));
    assert!(code.contains("// M: Says it.\n//\n// Deprecated: use `n`\nfunc "), "{code}");
}

/// A contract without methods; and one with 500, beside another whose types are called the same, and names of any script.
#[test]
fn odd_documents_become_code() {
    let mut empty = document(|_| ());
    empty["methods"] = json!([]);
    empty["components"] = json!({"schemas": {}});
    empty["x-plugline"]["provides"] = json!([{"contract": "names", "version": "1.0.0"}]);
    crate::workshop::compile(&empty);

    let inline =
        |name: &str| json!({"type": "object", "properties": {name: {"type": "string"}}, "required": [name]});
    let method = |name: String, least: usize, result: Value| {
        json!({"name": name, "paramStructure": "by-name", "params": [
                  {"name": "it", "required": true, "schema": inline(&format!("{name} {least}"))},
                  {"name": "naïve", "schema": {"type": "integer", "minimum": least}}],
               "result": {"name": "result", "schema": result}})
    };
    let mut methods: Vec<Value> = (0..500)
        .map(|at| {
            method(
                format!("names.method{at}"),
                at,
                json!({"$ref": "#/components/schemas/%E6%97%A5%E6%9C%AC"}),
            )
        })
        .collect();
    for contract in ["names", "other", "other.deep"] {
        methods.push(method(format!("{contract}.get"), 0, inline(contract)));
    }
    methods[0]["deprecated"] = json!(true);
    let mut odd = document(|_| ());
    odd["methods"] = Value::Array(methods);
    odd["components"]["schemas"] = json!({
        "GetIt": inline("taken"), "Names": {"type": "string", "enum": ["ü", "ö", "日本", "🎈"]},
        "日本": {"type": "array", "items": {"$ref": "#/components/schemas/Gr%C3%BC%C3%9Fe"}}, "Grüße": inline("ä"),
    });
    odd["x-plugline"]["provides"] = json!([
        {"contract": "names", "version": "1.0.0"}, {"contract": "other", "version": "1.0.0"},
        {"contract": "other.deep", "version": "0.3.0"}, {"contract": "silent", "version": "1.0.0"}]);
    crate::workshop::compile(&odd);
}
