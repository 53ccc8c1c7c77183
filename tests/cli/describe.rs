//! `plugline describe`: what a manifest says, for people.

use std::fs;

use serde_json::{Value, json};

use super::{built, example, plugline, stderr, stdout};

fn described(manifest: &Value, format: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m.json");
    fs::write(&file, manifest.to_string()).unwrap();
    let output = plugline(&["describe", file.to_str().unwrap(), "--format", format]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn a_file_is_shown_as_its_plugin_is() {
    for format in ["text", "markdown", "json", "html"] {
        let of = |source: &str| stdout(&plugline(&["describe", source, "--format", format]));
        let page = of(&example("users.openrpc.json"));
        assert!(page.contains("users.get_user_by_claim"), "{format}: {page}");
        assert_eq!(page, of(&built("users-json")), "{format}");
    }
}

#[test]
fn the_page_has_all_that_a_manifest_says_and_needs_nothing_else() {
    let page = stdout(&plugline(&["describe", &example("users.openrpc.json"), "--format", "html"]));
    for part in [
        "<title>users-json 0.1.0</title>",
        "Users in a JSON file.",
        "users 1.0.0",
        "id=\"method-users.get_user\"",
        "<a href=\"#schema-UserId\">UserId</a>",
        "id=\"schema-UserId\"",
        "no such user",
        "claim=mail value=einstein@cern.ch",
        "Albert Einstein",
        "The file to load; the users that ship with the plugin unless said.",
        "prefers-color-scheme: dark",
        "name=\"viewport\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for other in ["http://", "https://", "<script", "<link", "<img", "url(", "@import"] {
        assert!(!page.contains(other), "{other}");
    }
    // Every link leads somewhere.
    for target in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
    }
}

/// A contract of one method, which the function changes.
fn one_method(change: impl FnOnce(&mut Value)) -> Value {
    let mut manifest = json!({
        "openrpc": "1.3.2", "info": {"title": "one", "version": "1.0.0"},
        "methods": [{"name": "one.go", "paramStructure": "by-name", "params": [],
                     "result": {"name": "result", "schema": {"type": "null"}}}],
        "x-plugline": {"provides": [{"contract": "one", "version": "1.0.0"}], "instances": "many"},
    });
    change(&mut manifest);
    manifest
}

#[test]
fn a_text_of_several_lines_has_them() {
    const ABOUT: &str = "Short.\r\n\n    code\n# \u{1b}[2J\n";
    let manifest = one_method(|it| {
        it["info"]["description"] = json!(ABOUT);
        it["methods"][0]["description"] = json!(ABOUT);
        it["methods"][0]["params"] =
            json!([{"name": "a", "required": true, "description": ABOUT, "schema": {"type": "integer"}}]);
        it["methods"][0]["errors"] = json!([{"code": 1, "message": ABOUT}]);
        it["methods"][0]["x-plugline"]["errors"] = json!([{"code": 1, "name": "No", "message": ABOUT}]);
        it["x-plugline"]["config"] = json!({"properties": {"c": {"type": "string", "description": ABOUT}}});
    });
    for (format, paragraphs) in [
        ("text", "\n  Short.\n\n      code\n  # \\u{1b}[2J\n"),
        ("text", "\n      Short.\n\n          code\n      # \\u{1b}[2J\n"),
        ("markdown", "\n> Short.\n>\n>     code\n> # \\u{1b}[2J\n"),
    ] {
        let page = described(&manifest, format);
        assert!(page.contains(paragraphs), "{format}: {page}");
        assert!(!page.contains("u{a}") && !page.contains("u{d}"), "{format}: {page}");
        assert_eq!(page.matches("Short. code # \\u{1b}[2J").count(), 3, "{format}: {page}");
    }
}

/// A contract of everything that a manifest says.
fn everything() -> Value {
    one_method(|it| {
        it["methods"][0] = json!({
            "name": "one.go", "paramStructure": "by-name", "deprecated": true,
            "params": [
                {"name": "mood", "required": true, "schema": {"$ref": "#/components/schemas/Mood"}},
                {"name": "times", "schema": {"type": "integer", "minimum": 1, "maximum": 9, "default": 2}},
                {"name": "none", "schema": false, "deprecated": true},
                {"name": "old", "schema": true, "deprecated": true},
                {"name": "pair", "schema": {"type": "array", "items": [{"type": "integer"}, {"type": "string"}]}},
            ],
            "result": {"name": "result", "description": "How it went.", "schema": {"type": "boolean"}},
            "errors": [{"code": 1, "message": "no"}],
            "examples": [{"name": "short", "params": [{"name": "mood", "value": "glad"}],
                          "result": {"name": "result", "value": true}}],
            "x-plugline": {
                "idempotent": true, "input": {"type": "string"}, "output": {"type": "integer", "minimum": 0},
                "errors": [{"code": 1, "name": "No", "message": "no",
                            "data": {"type": "object", "properties": {"left": {"type": "integer"}}}}],
                "examples": [
                    {"name": "streams", "params": {}, "input": ["a"], "output": [1, 2], "result": false},
                    {"name": "fails", "params": {}, "input": [], "output": [], "error": {"code": 1}},
                ],
            },
        });
        it["components"] = json!({"schemas": {
            "Greeting": {"type": "object", "required": ["text"], "properties": {
                "text": {"type": "string", "description": "What is said.", "minLength": 1}, "at": {"type": "string"}}},
            "Mood": {"description": "How one is.", "oneOf": [{"const": "glad", "description": "Fine."}, {"const": "sad"}]},
        }});
        it["x-plugline"]["provides"][0]["types"] = json!(["short", "long"]);
        it["x-plugline"]["requires"] = json!([{"contract": "other", "version": "1.2.0"}]);
        it["x-plugline"]["config"] = json!({"required": ["token"], "properties": {
            "token": {"type": "string", "writeOnly": true}, "depth": {"type": "integer", "default": 3}}});
    })
}

#[test]
fn text_and_markdown_have_all_that_a_manifest_says() {
    for (format, parts) in [
        (
            "text",
            &[
                "\n  requires other 1.2.0\n  several processes at once\n",
                "\nprovides one 1.0.0 (short, long)\n",
                "  one.go(mood: Mood, times?: integer, none?: never, old?: any, pair?: [integer, string]) → boolean\n",
                "\n      times  (≥ 1, ≤ 9, default 2)\n",
                "\n      old  (deprecated)\n",
                "\n      returns  How it went.\n",
                "\n      output: stream of integer  (≥ 0)\n      idempotent\n      deprecated\n",
                "\n      error 1 No: no; data: {left?: integer}\n",
                "\n      example short: mood=glad → true\n",
                "\n      example streams: ← \"a\" → 1 2, then false\n",
                "\n      example fails: ← no items → no items, then error 1\n",
                "\nconfig\n      depth?: integer  (default 3)\n      token: string  (secret)\n",
                "\n  Greeting\n      at?: string\n      text: string  What is said. (characters: at least 1)\n",
                "\n  Mood: \"glad\" | \"sad\"\n      How one is.\n      \"glad\"  Fine.\n",
            ][..],
        ),
        (
            "markdown",
            &[
                "\n- requires other 1.2.0\n- several processes at once\n",
                "\n- `times`  (`≥ 1`, `≤ 9`, `default 2`)\n",
                "\n- error 1 No: no; data: `{left?: integer}`\n",
                "\n- example streams: `← \"a\" → 1 2, then false`\n",
                "\n## config\n\n- `depth?: integer`  (`default 3`)\n",
                "\n### `Mood: \"glad\" | \"sad\"`\n> How one is.\n\n- `\"glad\"`  Fine.\n",
            ],
        ),
        (
            "html",
            &[
                "data: <code>{left?: integer}</code>",
                "<code>never</code>",
                "<code>[integer, string]</code>",
                "<code>any</code><span class=\"demand\">deprecated</span>",
                "<span class=\"tag\">deprecated</span>",
            ],
        ),
    ] {
        let page = described(&everything(), format);
        for part in parts {
            assert!(page.contains(part), "{format}: {part}\n{page}");
        }
    }
}

#[test]
fn code_in_markdown_ends_where_it_ends() {
    let manifest = one_method(|it| {
        it["methods"][0]["params"] =
            json!([{"name": "`a`", "description": "d", "schema": {"enum": ["x``y"]}}]);
    });
    let page = described(&manifest, "markdown");
    assert!(page.contains("### ```one.go(`a`?: \"x``y\") → null```\n"), "{page}");
    assert!(page.contains("- `` `a` ``  d\n"), "{page}");
}

/// Replaces every text of a manifest by one that is markup.
fn hostile(value: &mut Value) {
    const MARKUP: &str = "</style></script><script>alert(1)</script><img src=x onerror=alert(2)>\" onload='x' \u{202e}\u{1b}[2J&lt;";
    match value {
        Value::String(text) => *text = format!("{text}{MARKUP}"),
        Value::Array(items) => items.iter_mut().for_each(hostile),
        Value::Object(members) => {
            *members = std::mem::take(members)
                .into_iter()
                .map(|(name, mut value)| {
                    // What the page's own code looks for has to stay; the rest of the names are the plugin's.
                    let kept = matches!(&*name, "openrpc" | "paramStructure" | "instances" | "$ref");
                    if !kept {
                        hostile(&mut value);
                    }
                    (name, value)
                })
                .collect();
            for at in ["schemas", "properties"] {
                if let Some(Value::Object(named)) = members.get_mut(at) {
                    *named =
                        std::mem::take(named).into_iter().map(|(name, it)| (name + MARKUP, it)).collect();
                }
            }
        }
        _ => {}
    }
}

#[test]
fn what_a_plugin_writes_is_never_markup() {
    let text = fs::read_to_string(example("users.openrpc.json")).unwrap();
    let mut manifest: Value = serde_json::from_str(&text).unwrap();
    manifest["methods"][0]["x-plugline"]["output"] = json!({"type": "string", "pattern": "x"});
    manifest["x-plugline"]["requires"] = json!([{"contract": "c", "version": "1.0.0"}]);
    let tags = |page: &str| {
        let mut tags: Vec<String> =
            page.split('<').skip(1).map(|rest| rest.split([' ', '>']).next().unwrap().to_owned()).collect();
        tags.sort();
        tags.dedup();
        tags
    };
    let plain = described(&manifest, "html");
    hostile(&mut manifest);
    let page = described(&manifest, "html");
    assert!(page.contains("&lt;script&gt;alert(1)"), "what was written is shown");
    assert!(!tags(&page).iter().any(|tag| !tags(&plain).contains(tag)), "{:?}", tags(&page));
    for bad in ["<script", "<img", "\u{202e}", "\u{1b}", "\" onload"] {
        assert!(!page.contains(bad), "{bad:?}");
    }
    for format in ["text", "markdown"] {
        let page = described(&manifest, format);
        assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}'), "{format}");
    }
}
