//! After however many lives, the process has what it had before.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use plugline_host::{Call, CallOptions, Kind, Timeouts, WireError, settle};
use serde_json::{Value, json};

use crate::support::{
    HURRIED, PATIENCE, Running, SHORT, alone, cancelling, kind, small_lines, start, start_fails, start_with,
    status,
};

/// How many lives: `PLUGLINE_CYCLES`.
fn cycles() -> usize {
    std::env::var("PLUGLINE_CYCLES").map_or(30, |text| text.parse().expect("PLUGLINE_CYCLES is a number"))
}

fn entries(dir: &str) -> BTreeMap<String, PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        Some((name, std::fs::read_link(&path).unwrap_or_default()))
    };
    entries.filter_map(named).filter(|(_, target)| !target.ends_with("fd")).collect()
}

/// The threads that start once and stay.
const LIFELONG: [&str; 3] = ["plugline-spawner", "plugline-timer", "plugline-watch"];

/// Descriptors, threads by their names, and children.
#[derive(Debug, PartialEq)]
pub(crate) struct Holdings {
    descriptors: BTreeMap<String, PathBuf>,
    threads: Vec<String>,
    children: Vec<String>,
}

impl Holdings {
    fn now() -> Self {
        let tasks: Vec<String> = entries("/proc/self/task").into_keys().collect();
        let read = |file: &str| -> Vec<String> {
            let texts =
                tasks.iter().map(|task| std::fs::read_to_string(format!("/proc/self/task/{task}/{file}")));
            let mut words: Vec<String> = texts
                .flatten()
                .flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
                .collect();
            words.sort();
            words
        };
        Self { descriptors: entries("/proc/self/fd"), threads: read("comm"), children: read("children") }
    }

    /// Only the threads that live as long as the process are left of the crate's.
    fn is_at_rest(&self) -> bool {
        let mut own = self.threads.iter().filter(|name| name.starts_with("plugline-"));
        own.all(|name| LIFELONG.iter().any(|lifelong| lifelong.starts_with(name.as_str())))
    }

    /// What there is when the threads that were told to end, or have nothing to do, have ended.
    pub(crate) fn at_rest() -> Self {
        assert!(settle(PATIENCE));
        let mut now = Self::now();
        let deadline = Instant::now() + PATIENCE;
        while !now.is_at_rest() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
            now = Self::now();
        }
        now
    }
}

/// One life of each kind.
fn live(life: usize) {
    match life % 8 {
        0 => {
            let plugin = start_with("plugin", &json!({}), |launch| {
                launch.callback("host.echo", |params: Value, _: &Call| Ok::<_, WireError>(params))
            });
            let call = json!({"method": "host.echo", "params": {"life": life}});
            assert_eq!(plugin.call::<Value>("t.call_back", &call).unwrap(), json!({"life": life}));
            plugin.stop();
        }
        1 => drop(start("plugin")),
        2 => {
            let plugin = start("plugin");
            assert_eq!(kind(plugin.call::<Value>("t.leave", &json!({"signal": 9}))), Kind::PluginExited);
        }
        3 => {
            let plugin = start_with("plugin", &json!({}), |launch| launch.limits(small_lines()));
            assert_eq!(kind(plugin.call::<Value>("t.sized", &json!({"size": 70_000}))), Kind::TooLarge);
        }
        4 => assert_eq!(start_fails("exits_at_once", &json!({}), |launch| launch).kind(), Kind::PluginExited),
        5 => {
            let broken = start_fails("plugin", &json!({"plugin": 3}), |launch| launch);
            assert_eq!(broken.kind(), Kind::HandshakeInvalid);
        }
        6 => {
            let plugin = start_with("plugin", &cancelling(), |launch| launch.guarded());
            let call = plugin.begin("t.hold", &json!({}), CallOptions::timeout(SHORT)).unwrap();
            assert_eq!(kind(call.wait::<Value>()), Kind::Timeout);
            assert_eq!(kind(plugin.say::<Value>("[\"jsonrpc\"]\n")), Kind::ProtocolViolation);
        }
        _ => {
            let Running { plugin, processes } = start_with("never_reads", &json!({}), |launch| {
                launch.timeouts(Timeouts { exit: SHORT / 10, grace: SHORT / 10, ..HURRIED })
            });
            let params = json!({"text": "x".repeat(1 << 20)});
            let call = plugin.begin("t.echo", &params, CallOptions::timeout(SHORT / 10)).unwrap();
            assert_eq!(kind(call.wait::<Value>()), Kind::Timeout);
            drop((plugin, processes));
        }
    }
}

#[test]
fn nothing_is_left_of_any_life() {
    alone(
        "leaks::nothing_is_left_of_any_life",
        |host| host,
        || {
            // The threads that live as long as the process start with the first lives.
            for life in 0..8 {
                live(life);
            }
            let before = Holdings::at_rest();
            assert!(before.is_at_rest() && before.children.is_empty(), "{before:?}");
            let memory = status("VmRSS");
            for life in 0..cycles() {
                live(life);
            }
            assert_eq!(Holdings::at_rest(), before, "after {} lives", cycles());
            let grown = status("VmRSS").saturating_sub(memory);
            eprintln!("{} lives: resident memory grew by {grown} KiB", cycles());
            assert!(grown < 6 * 1024, "{grown} KiB after {} lives", cycles());
        },
    );
}

#[test]
fn no_child_is_left_to_an_application_that_reaps_by_itself() {
    alone(
        "leaks::no_child_is_left_to_an_application_that_reaps_by_itself",
        |_| {
            let mut host = std::process::Command::new(crate::support::python());
            let ignore = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN)";
            host.args(["-S", "-c", &format!("{ignore}; os.execv(sys.argv[1], sys.argv[1:])")]);
            host
        },
        || {
            let plugin = start("plugin");
            plugin.assert_alive();
            let stopped = plugin.stop();
            assert_eq!(stopped.rung, plugline_host::Rung::Asked);
            plugin.processes.assert_gone();
            let plugin = start("plugin");
            assert_eq!(kind(plugin.call::<Value>("t.leave", &json!({"status": 3}))), Kind::PluginExited);
        },
    );
}
