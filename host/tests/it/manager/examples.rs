//! The examples do what they say.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::support::PATIENCE;

fn check(name: &str, wanted: &[&str]) {
    let this = std::env::current_exe().unwrap();
    let program = this.ancestors().nth(2).unwrap().join("examples/manager");
    assert!(program.exists(), "{} is not there: cargo build --examples makes it", program.display());
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command.arg(name).arg(dir.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It says less than a pipe holds.
    let deadline = Instant::now() + 2 * PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            panic!("{name} does not end: {}", String::from_utf8_lossy(&output.stdout));
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().collect::<Vec<_>>(), wanted, "{name}");
}

#[test]
fn one_word_for_a_built_in_and_a_plugin() {
    check("builtin", &["Hello, Ada! (built in)", "Hello, Ada! (polite 1.0.0)"]);
}

#[test]
fn discovery_starts_nothing() {
    let broken = "plugins/spoilt/plugline.toml cannot be used, and hides nothing";
    check("discovery", &["one 1.2.0", "two 2.0.0", broken]);
}

#[test]
fn the_newest_that_works() {
    let why = "the handshake failed: the plugin exited with status 1; its last words were: no such library";
    check("versions", &["Hello, Ada! (greeter 1.10.0)", "Hello, Ada! (greeter 1.9.0)", why]);
}

#[test]
fn a_handle_survives() {
    check("supervise", &["Hello, Ada! (greeter 1.0.0)", "Hello, Ada! (greeter 1.0.0)"]);
}

#[test]
fn what_changes_takes_over() {
    let wanted =
        ["Hello, Ada! (greeter 1.0.0)", "Hello, Bob! (greeter 1.0.0)", "Hello, Eve! (greeter 2.0.0)"];
    check("reload", &wanted);
}

#[test]
fn a_url_is_installed_and_run() {
    check("install", &["Hello, Ada! (greeter 1.0.0)", "Hello, Bob! (greeter 1.0.0)"]);
}

#[test]
fn settings_and_a_secret() {
    check("secrets", &["Come in, Ada! (greeter 1.0.0, who knows the token)"]);
}
