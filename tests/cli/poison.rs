//! A plugin that says what would do something to a terminal, in every field that it has, to every command: no character
//! comes out that is not what it looks like, and no line begins as the plugin would like.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use plugline_host::{CallOptions, EventKind, Plugin};
use plugline_protocol::wire::is_unseen;
use serde_json::{Value, json};

use super::PLUGLINE;

/// Clears the screen, sets the title, writes the clipboard; C1; turns text around; is seen by nobody; forges lines.
const POISON: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{1b}]52;c;cm0=\u{7}\u{9b}2J\u{7f}\u{8}\u{202e}txt.exe\u{2066}\u{200b}\u{feff}\
    \u{e0041}\u{ad}\u{2028}\u{85}\r\n[error] forged\nerror: forged\n";

struct Poisoned {
    folder: tempfile::TempDir,
    command: String,
}

impl Poisoned {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text");
        fs::write(&text, POISON).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/poison.py");
        let command = format!("python3 -B '{}' '{}'", script.display(), text.display());
        Self { folder, command }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command, and looks at all that it says.
    #[track_caller]
    fn check(&self, args: &[&str]) -> String {
        let output = Command::new(PLUGLINE)
            .args(args)
            .env("PLUGLINE_STORE", self.at("store"))
            .env("HOME", self.at("home"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(matches!(output.status.code(), Some(0..=3)), "{args:?}: {:?} {said}", output.status);
        assert!(!said.is_empty(), "{args:?} says nothing");
        is_clean(&format!("{args:?}"), &said);
        said
    }
}

#[track_caller]
fn is_clean(what: &str, said: &str) {
    let unseen: Vec<char> = said.chars().filter(|&c| c != '\n' && is_unseen(c)).collect();
    assert!(unseen.is_empty(), "{what} shows {unseen:?}: {said}");
    // A page for a browser has texts of several lines, between its tags.
    if said.to_lowercase().contains("<!doctype html>") {
        return;
    }
    let forged = said.lines().find(|line| line.starts_with("[error] forged") || *line == "error: forged");
    assert!(forged.is_none(), "{what} has a forged line: {said}");
}

#[test]
fn no_command_that_starts_a_plugin_shows_what_it_is_not() {
    let poisoned = Poisoned::new();
    let command = &*poisoned.command;
    for method in ["t.say", "t.fail", "t.wrong", "t.die", "t.none"] {
        let said = poisoned.check(&["call", "--command", command, method]);
        assert!(said.contains("\\u{1b}[2J") || said.contains("\\u001b[2J"), "{method}: {said}");
        poisoned.check(&["--json", "call", "--command", command, method]);
        poisoned.check(&["call", "--no-validate", "--strict", "--command", command, method]);
    }
    let trace = poisoned.at("trace");
    poisoned.check(&["call", "--trace", trace.to_str().unwrap(), "--command", command, "t.say"]);
    is_clean("a trace", &fs::read_to_string(trace).unwrap());
    poisoned.check(&["bench", "--duration", "50ms", "--command", command, "t.say"]);
    poisoned.check(&["--json", "bench", "--duration", "50ms", "--command", command, "t.fail"]);
    for words in [&["doctor"][..], &["describe"], &["contract", "check"]] {
        poisoned.check(&[words, &["--command", command]].concat());
        poisoned.check(&[&["--json"], words, &["--command", command]].concat());
    }
    for format in ["json", "markdown", "html"] {
        poisoned.check(&["describe", "--format", format, "--command", command]);
    }
}

#[test]
fn no_command_that_reads_a_document_or_the_store_does() {
    let poisoned = Poisoned::new();
    let manifest = poisoned.at("manifest.json");
    let output = Command::new(PLUGLINE)
        .args(["describe", "--format", "json", "--command", &poisoned.command])
        .output()
        .unwrap();
    fs::write(&manifest, output.stdout).unwrap();
    // One that keeps the rules, as far as a text may be anything.
    let texts = json!({"type": "string", "description": POISON, "enum": [POISON]});
    let right = json!({
        "openrpc": "1.3.2", "info": {"title": "p", "version": "1.0.0", "description": POISON},
        "methods": [{
            "name": "t.go", "description": POISON, "paramStructure": "by-name",
            "params": [{"name": "a", "required": true, "description": POISON, "schema": texts}],
            "result": {"name": "r", "description": POISON, "schema": texts},
            "x-plugline": {"errors": [{"code": 1, "name": "Failed", "message": POISON}]},
        }],
        "components": {"schemas": {}},
        "x-plugline": {"protocol": [1], "provides": [{"contract": "t", "version": "1.0.0"}], "requires": [],
            "config": {"type": "object"}, "hostMethods": [], "instances": "many"},
    });
    fs::write(poisoned.at("right.json"), right.to_string()).unwrap();
    let mut other = right;
    other["methods"][0]["params"] = json!([]);
    other["methods"][0]["name"] = json!(format!("t.{POISON}"));
    fs::write(poisoned.at("other.json"), other.to_string()).unwrap();
    for file in ["manifest.json", "right.json", "other.json"] {
        for words in [&["contract", "check"][..], &["describe"], &["mock"]] {
            poisoned.check(&[words, &[file]].concat());
        }
        for language in ["rust", "python", "typescript", "go"] {
            poisoned.check(&["contract", "gen", language, file, "--out", "-"]);
        }
        poisoned.check(&["contract", "diff", "right.json", file, "--help"]);
    }
    poisoned.check(&["contract", "diff", "right.json", "other.json"]);
    poisoned.check(&["--json", "contract", "diff", "right.json", "other.json"]);

    // A package whose own words are poison, and one whose path is.
    let named = poisoned.at("named");
    fs::create_dir(&named).unwrap();
    let quoted = serde_json::to_string(POISON).unwrap();
    fs::write(
        named.join("plugline.toml"),
        format!("name = {quoted}\nversion = {quoted}\ncommand = [{quoted}]\n"),
    )
    .unwrap();
    let path = format!("dir-{}", POISON.replace(['/', '\n'], " "));
    let right = poisoned.at(&path);
    fs::create_dir(&right).unwrap();
    fs::write(right.join("plugline.toml"), "name = \"p\"\nversion = \"1.0.0\"\ncommand = [\"true\"]\n")
        .unwrap();
    poisoned.check(&["install", "./named"]);
    poisoned.check(&["install", &format!("./{path}")]);
    poisoned.check(&["--json", "install", &format!("./{path}")]);
    for words in [
        &["list"][..],
        &["which", "p"],
        &["which", POISON],
        &["doctor", "p"],
        &["doctor"],
        &["call", "p", "x.y"],
    ] {
        poisoned.check(words);
        poisoned.check(&[&["--json"], words].concat());
    }
    // Found where plugins are looked for, with its name and its faults.
    let search = poisoned.at("plugins.toml");
    fs::write(&search, "search = [\".\"]\n").unwrap();
    poisoned.check(&["which", "--plugins", "plugins.toml", "nothing"]);
    fs::write(&search, format!("[plugins.p]\ndriver = {quoted}\nconfig = {quoted}\n{quoted} = 1\n")).unwrap();
    poisoned.check(&["which", "--plugins", "plugins.toml", "p"]);
    poisoned.check(&["completions", "bash"]);
}

#[test]
fn no_report_of_the_conformance_suite_does() {
    let poisoned = Poisoned::new();
    let mut args = vec!["conformance", "plugin", "--only", "FR-*"];
    for report in ["report.json", "report.xml", "report.html"] {
        args.extend(["--report", report]);
    }
    let words = shell_words::split(&poisoned.command).unwrap();
    args.push("--");
    args.extend(words.iter().map(String::as_str));
    let said = poisoned.check(&args);
    assert!(said.contains("NOT CONFORMANT"), "{said}");
    for report in ["report.json", "report.xml", "report.html"] {
        is_clean(report, &fs::read_to_string(poisoned.at(report)).unwrap());
    }
}

/// Events and errors of the API, as they go into a log.
#[test]
fn what_is_shown_of_events_and_errors_is_one_line_of_what_it_looks_like() {
    let poisoned = Poisoned::new();
    let words = shell_words::split(&poisoned.command).unwrap();
    let plugin = Plugin::command(&words[0]).args(&words[1..]).start().unwrap();
    let mut seen = 0;
    for method in ["t.say", "t.fail", "t.none", "t.wrong"] {
        let begun = plugin.begin(method, &json!({}), CallOptions::default());
        let called = begun.and_then(|call| call.wait::<u32>());
        let failed = called.unwrap_err();
        one_line(&failed.to_string());
        one_line(&format!("{failed:?}"));
    }
    plugin.stop();
    for event in plugin.events().try_iter() {
        one_line(&event.to_string());
        one_line(&format!("{event:?}"));
        if let EventKind::Log(log) = &event.kind {
            // For programs, it is as it came.
            assert_eq!(log.message, POISON);
            assert_eq!(log.fields[POISON], json!({POISON: [POISON]}));
            seen += 1;
        }
    }
    assert!(seen > 0);
    let result: Value = {
        let plugin = Plugin::command(&words[0]).args(&words[1..]).start().unwrap();
        plugin.call("t.say", &json!({})).unwrap()
    };
    assert_eq!(result[POISON][0], POISON);
    plugline_host::settle(std::time::Duration::from_secs(20));
}

#[track_caller]
fn one_line(text: &str) {
    let unseen: Vec<char> = text.chars().filter(|&c| is_unseen(c)).collect();
    assert!(unseen.is_empty(), "{unseen:?} in {text}");
}
