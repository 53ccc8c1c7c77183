//! The host is killed: no plugin stays, whatever it heeds.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Processes, eventually, is_gone, python, script};

/// The example `hold`, built by `cargo test` beside this program.
fn hold() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let hold = tests.parent().unwrap().parent().unwrap().join("examples/hold");
    assert!(hold.exists(), "cargo build -p plugline-host --example hold");
    hold
}

fn gone_after(scenario: &str, options: &[&str]) -> Duration {
    let processes = Processes::new();
    let mut host = Command::new(hold())
        .args(options)
        .arg(python())
        .arg("-SB")
        .arg(script())
        .args([scenario, "{}", processes.file().to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(host.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let plugin: u32 = line.trim().parse().unwrap();
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
#[cfg(target_os = "linux")]
fn one_that_heeds_sigterm_only() {
    gone_after("ignores_end_of_file", &[]);
}

#[test]
fn one_that_heeds_nothing_but_is_guarded() {
    assert!(gone_after("ignores_everything", &["--guarded"]) >= Duration::from_secs(4));
    gone_after("plugin", &["--guarded"]);
}
