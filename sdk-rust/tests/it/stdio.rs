//! Whatever user code and its children do with standard input and output, the wire is not touched.

use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::process::{Process, example};

fn spawn(rough: &mut Process, script: &str) -> serde_json::Value {
    rough.result("rough.spawn", &json!({ "script": script }))
}

#[test]
fn what_is_printed_before_serving_goes_to_standard_error() {
    let rough = Process::start("rough");
    rough.expect_stderr("printed before it served");
    rough.end().expect_silent();
}

#[test]
fn what_is_printed_goes_to_standard_error() {
    let mut rough = Process::rough();
    // The result is how much could be read from standard input: nothing.
    assert_eq!(rough.result("rough.print", &json!({"text": "spoilt"})), 0);
    rough.ping();
    rough.expect_stderr("spoilt");
    let exit = rough.end().expect_silent();
    // What had no end of line is flushed at the exit.
    assert_eq!(exit.stderr, [r#"{"jsonrpc":"2.0","method":"spoilt"}"#]);
}

#[test]
fn what_children_write_goes_to_standard_error() {
    let mut rough = Process::rough();
    let scripts = [
        ("echo from a child", "from a child"),
        ("echo by number >&1", "by number"),
        ("echo from a grandchild | cat", "from a grandchild"),
        ("(echo left behind)&", "left behind"),
        #[cfg(target_os = "linux")]
        ("echo by path >/proc/self/fd/1", "by path"),
    ];
    for (script, text) in scripts {
        assert_eq!(spawn(&mut rough, script), json!({"code": 0, "signal": null}), "{script}");
        rough.expect_stderr(text);
    }
    rough.end().expect_silent();
}

#[test]
fn children_read_the_end_of_the_file() {
    let mut rough = Process::rough();
    // The next request stands in the pipe while the child reads.
    rough.request(1, "rough.spawn", &json!({"script": "cat; echo read it all"}));
    rough.request(2, "rpc.ping", &json!({}));
    let mut answered = [rough.line()["id"].take(), rough.line()["id"].take()];
    answered.sort_by_key(serde_json::Value::as_u64);
    assert_eq!(answered, [1, 2]);
    assert_eq!(
        rough.expect_stderr("read it all").len(),
        2,
        "what was printed at the start, and the last line"
    );
    rough.end().expect_silent();
}

#[cfg(target_os = "linux")]
#[test]
fn children_do_not_inherit_the_wire() {
    let mut rough = Process::rough();
    spawn(&mut rough, "for fd in /proc/$$/fd/*; do readlink $fd; done; echo listed");
    let descriptors = rough.expect_stderr("listed");
    assert!(descriptors.iter().any(|line| line == "/dev/null"), "{descriptors:?}");
    for pipe in rough.wire() {
        assert!(!descriptors.contains(&pipe), "{pipe} is among {descriptors:?}");
    }
}

#[test]
fn on_a_terminal_it_explains_itself() {
    use std::os::unix::ffi::OsStrExt as _;
    use std::process::{Command, Stdio};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    for (name, words) in [
        ("rough", ["rough 0.1.0", "Misbehaves.", "rough.sleep(ms)", "plugline call"]),
        ("io_handler", ["calculator 0.1.0", "math 1.0.0", "math.divide", "plugline call"]),
    ] {
        let host = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&host).unwrap();
        unlockpt(&host).unwrap();
        let path = ptsname(&host, Vec::new()).unwrap();
        let terminal = std::fs::File::options()
            .read(true)
            .write(true)
            .open(std::ffi::OsStr::from_bytes(path.to_bytes()))
            .unwrap();
        let mut command = Command::new(crate::process::example(name));
        let exit = crate::process::Process::run(command.stdin(terminal).stdout(Stdio::piped()));
        assert_eq!((exit.status.code(), exit.lines.len()), (Some(64), 0), "{exit:#?}");
        let help = exit.stderr.join("\n");
        for word in words {
            assert!(help.contains(word), "{word:?} is not in {help:?}");
        }
    }
}

#[test]
fn a_standard_error_that_takes_nothing_costs_nothing() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut child = Command::new(example("greeter"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(full)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"rough.nobody\"}\n").unwrap();
    stdin.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc.ping\"}\n").unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n");
}

#[test]
fn a_process_serves_one_plugin() {
    let mut twice = Process::start("twice");
    twice.ping();
    twice.close_stdin();
    twice.expect_stderr("this process serves a plugin already");
    assert_eq!(twice.exit().status.code(), Some(1));
}
