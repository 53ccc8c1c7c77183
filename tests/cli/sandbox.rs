//! `--sandbox`: what it keeps a plugin from, and whom it keeps from nothing that they need.

use std::fs;
use std::path::Path;
use std::process::Command;

use plugline_host::Sandbox;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::languages::plugins;
use super::{STUBBORN, Script, built, example, failure, nothing_stays, plugline, stderr, stdout};

/// What root's sandbox needs to be one: processes of root are not counted.
fn options() -> Vec<&'static str> {
    let root = rustix::process::geteuid().is_root();
    [&["--sandbox"][..], if root { &["--sandbox-processes", "none"] } else { &[] }].concat()
}

/// What is missing of that sandbox on this system.
fn missing() -> Vec<&'static str> {
    let sandbox = match options().len() {
        1 => Sandbox::new(),
        _ => Sandbox::new().processes(None),
    };
    sandbox.enforcement(&Sandbox::support()).unenforced().map(|measure| measure.name).collect()
}

/// Where a kernel has no sandbox, that is said, and seen here.
fn is_refused(args: &[&str]) -> bool {
    let missing = missing();
    if !missing.is_empty() {
        let error = failure(3, args);
        assert_eq!((&error["kind"], &error["phase"]), (&json!("unsupported"), &json!("spawn")), "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(missing.iter().all(|name| message.contains(name)), "{message}");
    }
    !missing.is_empty()
}

fn result(args: &[&str]) -> Value {
    let output = plugline(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

#[test]
fn whatever_ends_a_command_nothing_of_a_plugin_in_a_sandbox_stays() {
    let plugin = Script::new(STUBBORN);
    let folder = Path::new(plugin.path()).parent().unwrap().to_str().unwrap();
    let words = [&["call", plugin.path(), "a.b", "--sandbox-write", folder], &options()[..]].concat();
    if !is_refused(&words) {
        nothing_stays(Signal::TERM, &words, &plugin);
    }
}

/// Each of the examples works with no more than the files that it names itself: its manifest, its data, Java's classes.
#[test]
fn each_language_works_within_it() {
    let data = example("data/users.json");
    let config = json!({"file": data}).to_string();
    let mut grants = vec![example("users.openrpc.json"), data, example("java/classes")];
    // Other modules of the same plugin.
    grants.push(example("python-sdk"));
    if !Path::new("/usr/bin/python3").exists() {
        grants.push(prefix_of("python3"));
    }
    let mut plugins = plugins().to_vec();
    plugins.push(vec![built("users-json")]);
    let call = [
        "users.find_users",
        "query=einstein",
        "--config",
        &config,
        "--start-timeout",
        "60s",
        "--timeout",
        "60s",
    ];
    for words in plugins {
        let command = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        let plain = [&["call", "--command", &command][..], &call].concat();
        let without = result(&plain);
        assert_eq!(without[0]["username"], "einstein", "{command}: {without}");
        let mut within = [&plain[..], &options()].concat();
        within.extend(grants.iter().flat_map(|path| ["--sandbox-read", path]));
        // An environment of Python's is where its interpreter says that it is.
        let environment = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv").display().to_string();
        let base = words[0].starts_with(&environment).then(|| prefix_of(&words[0]));
        if let Some(base) = &base {
            within.extend(["--sandbox-read", &environment, "--sandbox-read", base]);
        }
        if !is_refused(&within) {
            assert_eq!(result(&within), without, "{command}");
        }
    }
}

/// Where that Python has its modules.
fn prefix_of(python: &str) -> String {
    let asked = Command::new(python).args(["-c", "import sys; print(sys.base_prefix)"]).output().unwrap();
    String::from_utf8(asked.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_file_that_is_not_the_plugins_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.json");
    fs::copy(example("data/users.json"), &file).unwrap();
    let config = json!({"file": file}).to_string();
    let users = built("users-json");
    let plain = ["call", &users, "users.find_users", "query=einstein", "--config", &config];
    let without = result(&plain);
    let options = options();
    let within = [&plain[..], &options].concat();
    if is_refused(&within) {
        return;
    }
    let error = failure(3, &within);
    assert!(error["message"].as_str().unwrap().contains("ermission denied"), "{error}");
    let granted = [&within[..], &["--sandbox-read", file.to_str().unwrap()]].concat();
    assert_eq!(result(&granted), without);
}

#[test]
fn the_settings_of_a_plugin_put_it_into_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::copy(example("data/users.json"), at("users.json")).unwrap();
    let users = built("users-json");
    let settings = |sandbox: &str| {
        let text = format!(
            "[plugins.users]\ndriver = {users:?}\nconfig = {{ file = {:?} }}\n{sandbox}",
            at("users.json")
        );
        fs::write(at("plugins.toml"), text).unwrap();
    };
    let file = at("plugins.toml").display().to_string();
    let call = ["call", "users", "users.find_users", "query=einstein", "--plugins", &file];
    settings("");
    let without = result(&call);
    let lifted = if rustix::process::geteuid().is_root() { "processes = \"none\"" } else { "" };
    settings(&format!("[plugins.users.sandbox]\n{lifted}\n"));
    if is_refused(&call) {
        return;
    }
    failure(3, &call);
    settings(&format!("[plugins.users.sandbox]\nread = [\"users.json\"]\n{lifted}\n"));
    assert_eq!(result(&call), without);
    settings("sandbox = false\n[defaults]\nsandbox = true\n");
    assert_eq!(result(&call), without);
}

#[test]
fn what_is_missing_is_an_error_or_a_warning() {
    let users = built("users-json");
    let doctor = plugline(&["doctor", &users, "--sandbox", "--sandbox-unenforced", "warn", "--config", "{}"]);
    let support = Sandbox::support();
    let machine = stdout(&plugline(&["doctor"]));
    assert!(machine.contains(&support.to_string()), "{machine}");
    let missing: Vec<&str> =
        Sandbox::new().enforcement(&support).unenforced().map(|measure| measure.name).collect();
    for name in &missing {
        assert!(machine.contains(&format!("{name}: ")), "{machine}");
        let warning = format!("the sandbox does not hold for {name}: ");
        assert!(stderr(&doctor).contains(&warning), "{}", stderr(&doctor));
    }
    assert!(missing.is_empty() != stderr(&doctor).contains("the sandbox does not hold"));
    // What has no sandbox to be part of.
    for option in [&["--sandbox-network"][..], &["--sandbox-memory", "1G"], &["--sandbox-read", "/"]] {
        assert_eq!(
            plugline(&[&["call", &users, "users.find_users", "query=einstein"], option].concat())
                .status
                .code(),
            Some(2)
        );
    }
    for option in
        [&["--sandbox-memory", "lots"][..], &["--sandbox-user", "nobody"], &["--sandbox-processes", "0"]]
    {
        let args = [&["call", &users, "users.find_users", "query=einstein", "--sandbox"], option].concat();
        assert_eq!(plugline(&args).status.code(), Some(2), "{option:?}");
    }
}
