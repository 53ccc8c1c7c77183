//! The host is killed: no plugin stays, whatever it heeds.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Processes, eventually, is_gone, python, script};

#[path = "../../examples/hold.rs"]
#[expect(dead_code, reason = "its main is the example's")]
mod hold;

const WORDS: &str = "PLUGLINE_TEST_HOLD";

/// Run again by the tests below, with words in its environment, it is the host that they kill.
#[test]
fn host() {
    let words: Vec<String> =
        std::env::var(WORDS).map(|words| serde_json::from_str(&words).unwrap()).unwrap_or_default();
    let held = hold::hold(words.into_iter().map(Into::into)).unwrap();
    assert_eq!(held, ExitCode::from(2), "without a plugin there is nothing to hold");
}

fn gone_after(scenario: &str, options: &[&str]) -> Duration {
    let processes = Processes::new();
    let (script, pids) = (script(), processes.file());
    let plugin = [python(), "-SB", script.to_str().unwrap(), scenario, "{}", pids.to_str().unwrap()];
    let words: Vec<&str> = options.iter().copied().chain(plugin).collect();
    let mut host = Command::new(std::env::current_exe().unwrap())
        .args(["host_death::host", "--exact", "--nocapture", "--test-threads=1"])
        .env(WORDS, serde_json::to_string(&words).unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(host.stdout.take().unwrap()).lines().map(Result::unwrap);
    let plugin: u32 =
        lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).next().expect("the plugin's id");
    assert!(!is_gone(plugin));
    assert_eq!(processes.ids(), [plugin]);
    host.kill().unwrap();
    host.wait().unwrap();
    let killed = Instant::now();
    eventually(&format!("{scenario} {options:?} ends"), || is_gone(plugin));
    killed.elapsed()
}

#[test]
fn one_that_heeds_the_end_of_its_input() {
    gone_after("heeds_end_of_file_only", &[]);
}

#[test]
fn one_that_heeds_sigterm_only() {
    gone_after("ignores_end_of_file", &[]);
}

#[test]
fn one_that_heeds_nothing_but_is_guarded() {
    assert!(gone_after("ignores_everything", &["--guarded"]) >= Duration::from_secs(4));
    gone_after("plugin", &["--guarded"]);
}

/// Other privileges and another namespace change nothing of that.
#[test]
fn one_in_a_sandbox() {
    gone_after("heeds_end_of_file_only", &["--sandbox"]);
    gone_after("ignores_end_of_file", &["--sandbox"]);
    gone_after("ignores_everything", &["--guarded", "--sandbox"]);
}
