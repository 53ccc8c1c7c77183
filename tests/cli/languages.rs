//! The plugins of the `users` contract in other languages: what they answer is what the one in Rust answers.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use plugline_host::{Kind, Plugin};
use serde_json::{Value, json};

use super::{built, example, is_there, plugline, stderr, stdout};

/// Those that are here, as words; those in compiled languages were built just now.
pub(super) fn plugins() -> &'static [Vec<String>] {
    static PLUGINS: OnceLock<Vec<Vec<String>>> = OnceLock::new();
    PLUGINS.get_or_init(|| {
        let build = Command::new(example("build")).output().unwrap();
        assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
        let words = |words: &[&str], file: &str| {
            words.iter().map(ToString::to_string).chain([example(file)]).collect::<Vec<_>>()
        };
        let mut plugins = vec![words(&["python3"], "python/users.py")];
        // Where scripts/test has put the SDK.
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python3");
        if python.exists() {
            plugins.push(words(&[python.to_str().unwrap()], "python-sdk/users.py"));
        } else {
            assert_ne!(
                std::env::var("CI").as_deref(),
                Ok("true"),
                "scripts/test makes .venv, and was not run"
            );
        }
        for (tool, file) in [("jq", "bash/users.sh"), ("cc", "c/users"), ("go", "go/users")] {
            if is_there(tool) && Path::new(&example(file)).exists() {
                plugins.push(words(&[], file));
            }
        }
        if is_there("node") {
            plugins.push(words(&["node"], "node/users.mjs"));
        }
        if is_there("javac") {
            let quick = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"];
            let mut java = words(&quick, "java/classes");
            java.push("Users".into());
            plugins.push(java);
        }
        for (tool, file) in [("perl", "perl/users.pl"), ("ruby", "ruby/users.rb")] {
            // No machine needs to have these.
            if Command::new(tool).arg("--version").output().is_ok() {
                plugins.push(words(&[tool], file));
            }
        }
        plugins
    })
}

fn start(command: &[String], config: Value) -> Plugin {
    let launch = Plugin::command(&command[0]).args(&command[1..]).config(config);
    launch.start().unwrap_or_else(|fault| panic!("{command:?}: {fault}"))
}

/// Asks everything there is to ask, and gives the results and the codes of errors.
fn interview(command: &[String], file: &str) -> Vec<Value> {
    let plugin = start(command, json!({ "file": file }));
    let ask = |method: &str, params: Value| match plugin.call::<Value>(method, &params) {
        Ok(result) => result,
        Err(fault) => match fault.remote() {
            Some(error) => json!({ "code": error.code }),
            None => panic!("{command:?} {method}: {fault}"),
        },
    };
    let id = |opaque_id: &str, idp: &str| json!({ "id": { "opaque_id": opaque_id, "idp": idp } });
    let query = |query: &str| ask("users.find_users", json!({ "query": query }));
    let zoe = id("zoé", "example.org");
    let mut answers = vec![
        query(""),
        query("zoË"),
        query("MÜLLER"),
        query("a.*b"),
        query("\u{0}"),
        ask("users.get_user", zoe.clone()),
        ask("users.get_user_groups", zoe.clone()),
        ask("users.get_user", id("zoé", "elsewhere")),
        ask("users.get_user", json!({ "id": { "opaque_id": "zoé", "idp": "example.org", "more": [1.5] } })),
        ask("users.get_user", json!({ "id": { "opaque_id": "zoé" } })),
        ask("users.get_user", json!({ "id": "zoé" })),
        ask("users.get_user_by_claim", json!({ "claim": "display_name", "value": "Zoë Müller" })),
        ask("users.get_user_by_claim", json!({ "claim": "display_name", "value": "zoë müller" })),
        ask("users.get_user_by_claim", json!({ "claim": "secret", "value": "x" })),
        ask("users.get_user_by_claim", json!({ "claim": "mail" })),
        ask("users.find_users", json!({ "query": "", "more": null })),
        ask("users.find_users", json!({ "query": 5 })),
        ask("users.find_users", json!({})),
        ask("users.delete_user", zoe.clone()),
        ask("users.on_load", json!({ "file": "/nowhere/users.json" })),
        ask("users.on_load", json!({ "file": "" })),
        ask("users.on_load", json!({ "file": example("users.openrpc.json") })),
        ask("users.on_load", json!({ "file": example("bash/users.sh") })),
    ];
    answers.push(query("")); // a file that could not be loaded replaces nothing
    answers.push(ask("users.on_load", json!({ "file": example("data/users.json") })));
    answers.push(query(""));
    answers.push(ask("users.get_user", zoe));
    plugin.stop();
    answers
}

#[test]
fn every_plugin_answers_as_the_one_in_rust_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Zoës Freunde.json");
    let people = json!([
        { "id": { "opaque_id": "zoé", "idp": "example.org" }, "username": "zoe", "mail": "zoe@example.org",
          "display_name": "Zoë Müller", "secret": "hush" },
        { "id": { "opaque_id": "a.*b", "idp": "example.org" }, "username": "\u{1F600}\"\\/\u{7f}\u{2028}",
          "mail": "", "display_name": "\t", "groups": ["a.*b"],
          "opaque": { "map": { "n": { "decoder": "plain", "value": "" } } } },
    ]);
    fs::write(&file, people.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let wanted = interview(&[built("users-json")], file);
    assert_eq!(wanted[0].as_array().map(Vec::len), Some(2), "{wanted:?}");
    for plugin in plugins() {
        for (number, (got, wanted)) in interview(plugin, file).iter().zip(&wanted).enumerate() {
            assert_eq!(got, wanted, "{plugin:?}, question {number}");
        }
    }
}

#[test]
fn every_plugin_refuses_a_config_that_it_cannot_use() {
    for plugin in plugins() {
        for config in [json!({ "file": "/nowhere" }), json!({ "file": 5 }), json!({ "fill": "x" }), json!([])]
        {
            let launch = Plugin::command(&plugin[0]).args(&plugin[1..]).config(config.clone());
            let fault = launch.start().err().unwrap_or_else(|| panic!("{plugin:?} takes {config}"));
            assert_eq!(fault.kind(), Kind::InvalidConfig, "{plugin:?} {config}: {fault}");
        }
        start(plugin, json!({ "file": null })).stop();
    }
}

#[test]
fn every_plugin_finds_einstein_from_the_command_line_and_says_nothing_else() {
    for plugin in plugins() {
        let command = shell_words::join(plugin);
        let call = ["call", "--command", &command, "users.get_user_by_claim", "claim=mail"];
        let output = plugline(&[&call[..], &["value=einstein@cern.ch"]].concat());
        assert_eq!(output.status.code(), Some(0), "{command}: {}", stderr(&output));
        let user: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!((&user["username"], user.get("secret")), (&json!("einstein"), None), "{command}");
        assert_eq!(stderr(&output), "", "{command}");
    }
}
