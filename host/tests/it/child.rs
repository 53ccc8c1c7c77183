//! What the child inherits from its host, and what it does not.

use std::collections::BTreeMap;
use std::io::Write;

use plugline_host::{Kind, Plugin};
use rustix::io::{FdFlags, fcntl_setfd};
use serde::Deserialize;
use serde_json::json;

use crate::support::{TIMEOUTS, alone, start_with};

const INHERITED: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR"];

#[derive(Deserialize)]
struct Facts {
    pid: i32,
    session: i32,
    group: i32,
    dir: String,
    environment: BTreeMap<String, String>,
    descriptors: Vec<i32>,
}

#[test]
fn environment_descriptors_and_session_are_its_own() {
    alone(
        "child::environment_descriptors_and_session_are_its_own",
        |mut host| {
            host.envs([("TOKEN", "of the host"), ("LD_PRELOAD_NOT", "x"), ("LC_TIME", "C"), ("TZ", "UTC")]);
            host.envs([("LANG", "C.UTF-8"), ("PLUGLINE_PROTOCOL", "77")]);
            host
        },
        || {
            // What a library of the host may leave open.
            let (leaked, mut writer) = os_pipe::pipe().unwrap();
            fcntl_setfd(&leaked, FdFlags::empty()).unwrap();
            fcntl_setfd(&writer, FdFlags::empty()).unwrap();
            writer.write_all(b"x").unwrap();

            let dir = tempfile::tempdir().unwrap();
            let plugin = start_with("plugin", &json!({}), |launch| {
                launch.env("LANG", "C").env("GREETING", "hello").dir(dir.path())
            });
            let facts: Facts = plugin.call("t.facts", &json!({})).unwrap();

            assert_eq!(facts.descriptors, [0, 1, 2]);
            assert_eq!(facts.pid, i32::try_from(plugin.id()).unwrap());
            assert_eq!((facts.session, facts.group), (facts.pid, facts.pid));
            assert_eq!(std::path::Path::new(&facts.dir), dir.path().canonicalize().unwrap());

            let set = |name: &str| facts.environment.get(name).map(String::as_str);
            assert_eq!(set("PLUGLINE_PROTOCOL"), Some("1"));
            assert_eq!(set("LANG"), Some("C"));
            assert_eq!(set("GREETING"), Some("hello"));
            assert_eq!((set("LC_TIME"), set("TZ")), (Some("C"), Some("UTC")));
            for name in facts.environment.keys() {
                let told = ["PLUGLINE_PROTOCOL", "GREETING"].contains(&name.as_str());
                let allowed = INHERITED.contains(&name.as_str()) || name.starts_with("LC_");
                assert!(told || allowed, "{name} reached the plugin");
            }
        },
    );
}

#[test]
fn signals_are_at_their_default_and_none_is_blocked() {
    alone(
        "child::signals_are_at_their_default_and_none_is_blocked",
        |_| {
            let mut host = std::process::Command::new(crate::support::python());
            host.args([
                "-S",
                "-c",
                "import os, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD, signal.SIGRTMIN + 1):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGTERM, signal.SIGRTMIN + 2])
os.execv(sys.argv[1], sys.argv[1:])",
            ]);
            host
        },
        || {
            // Not a shell: one may empty its own mask, and tells nothing of what it was given.
            let error = Plugin::command("sed")
                .args([
                    "-n",
                    "-e",
                    "/^SigBlk/w /dev/stderr",
                    "-e",
                    "/^SigIgn/w /dev/stderr",
                    "/proc/self/status",
                ])
                .timeouts(TIMEOUTS)
                .start()
                .unwrap_err();
            assert_eq!(error.kind(), Kind::PluginExited, "{error:?}");
            // The C library keeps 32 and 33 to itself, and lets nobody set them.
            let of_the_library = 0b11 << 31;
            let masks = error.evidence().unwrap().stderr_tail.iter().map(|line| {
                let (name, mask) = line.split_once(":\t").unwrap();
                (name, u64::from_str_radix(mask, 16).unwrap() & !of_the_library)
            });
            assert_eq!(masks.collect::<Vec<_>>(), [("SigBlk", 0), ("SigIgn", 0)]);
        },
    );
}

#[test]
fn a_relative_program_is_found_from_where_the_host_stands() {
    alone(
        "child::a_relative_program_is_found_from_where_the_host_stands",
        |mut host| {
            host.current_dir("/");
            host
        },
        || {
            let error = Plugin::command("bin/sh")
                .args(["-c", "pwd >&2"])
                .dir("/tmp")
                .timeouts(TIMEOUTS)
                .start()
                .unwrap_err();
            assert_eq!(error.evidence().unwrap().stderr_tail, ["/tmp"], "{error:?}");
        },
    );
}
