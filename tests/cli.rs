//! The command line as a user has it: real plugins, whole lines, exit codes.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/conformance.rs"]
mod conformance;
#[path = "cli/contract.rs"]
mod contract;
#[path = "cli/describe.rs"]
mod describe;
#[path = "cli/https.rs"]
mod https;
#[path = "cli/languages.rs"]
mod languages;
#[path = "cli/new.rs"]
mod new;
#[path = "cli/poison.rs"]
mod poison;
#[cfg(target_os = "linux")]
#[path = "cli/sandbox.rs"]
mod sandbox;
#[path = "cli/store.rs"]
mod store;
#[path = "cli/which.rs"]
mod which;

const PLUGLINE: &str = env!("CARGO_BIN_EXE_plugline");

fn plugline(args: &[&str]) -> Output {
    Command::new(PLUGLINE).args(args).stdin(Stdio::null()).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs it, wants this exit code, and gives the error that it reports for programs.
fn failure(code: i32, args: &[&str]) -> Value {
    let output = plugline(&[&["--json"], args].concat());
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
    assert_eq!(stdout(&output), "", "{args:?}");
    let report = stderr(&output);
    let last = report.lines().last().unwrap_or_default();
    let report: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{args:?}: {report}"));
    report["error"].clone()
}

/// The folder in which cargo puts what it builds.
fn built(name: &str) -> String {
    Path::new(PLUGLINE).with_file_name(name).display().to_string()
}

fn example(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/users").join(path).display().to_string()
}

/// Whether an optional tool is on this machine. In CI it must be.
fn is_there(tool: &str) -> bool {
    let there = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(tool).is_file());
    assert!(there || std::env::var("CI").as_deref() != Ok("true"), "{tool} is not on this machine");
    if !there {
        eprintln!("skipped: {tool} is not on this machine");
    }
    there
}

/// A plugin that is a shell script: answers the handshake, then does what it is told.
struct Script {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Script {
    fn new(body: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plugin");
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { _folder: folder, path }
    }

    fn after_handshake(body: &str) -> Self {
        let hello = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":1,"plugin":{"name":"s","version":"1.0.0"},"provides":[]}}"#;
        Self::new(&format!("read -r line\necho '{hello}'\nread -r line\n{body}"))
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

/// A plugin with streams, which has no SDK.
fn demo() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol/tests/spec/plugin.py");
    format!("python3 -B '{}'", script.display())
}

#[test]
fn json_without_end_is_not_read_without_end() {
    let plugin = built("users-json");
    let demo = demo();
    let without_end = |args: &[&str], place: &str| {
        let output = Command::new(PLUGLINE)
            .args(args)
            .stdin(fs::File::open("/dev/zero").unwrap())
            .stdout(Stdio::null())
            .output()
            .unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(&format!("error: {place}: longer than 67108864 bytes")), "{args:?}: {said}");
    };
    let call = ["call", &plugin, "users.find_users"];
    without_end(&[&call[..], &["-"]].concat(), "standard input");
    without_end(&[&call[..], &["@/dev/zero"]].concat(), "params: /dev/zero");
    without_end(&[&call[..], &["--config", "@/dev/zero"]].concat(), "--config: /dev/zero");
    let call = ["call", "--command", &demo, "demo.sum"];
    without_end(&[&call[..], &["--input", "-"]].concat(), "standard input, line 1");
    without_end(&[&call[..], &["--input", "/dev/zero"]].concat(), "/dev/zero, line 1");
    for document in ["-", "/dev/zero"] {
        let gen_go = ["--json", "contract", "gen", "go", document, "--out", "-"];
        let zeros = fs::File::open("/dev/zero").unwrap();
        let output = Command::new(PLUGLINE).args(gen_go).stdin(zeros).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    }
}

/// Calls a method of that plugin with this on standard input.
fn with_input(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(PLUGLINE)
        .args([&["--json", "call", "--command", &demo()], args].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it has read all of it.
    let _broken = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn params_come_in_every_form() {
    let plugin = built("users-json");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("params.json");
    fs::write(&file, r#"{"query": "marie"}"#).unwrap();
    let from_file = format!("@{}", file.display());
    for params in [r#"{"query":"marie"}"#, "query=marie", "query:=\"marie\"", from_file.as_str()] {
        let output = plugline(&["call", &plugin, "users.find_users", params]);
        let users: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(users[0]["username"], "marie", "{params}");
    }
    let mut child = Command::new(PLUGLINE)
        .args(["call", &plugin, "users.find_users", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(br#"{"query":"marie"}"#).unwrap();
    assert!(stdout(&child.wait_with_output().unwrap()).contains("radium-lovers"));
}

#[test]
fn a_command_line_takes_the_place_of_a_plugin() {
    let command = format!("python3 '{}'", example("python/users.py"));
    let output = plugline(&["call", "--command", &command, "users.find_users", "query=richard"]);
    assert!(stdout(&output).contains("superfluidity") || stdout(&output).contains("richard@example.org"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn errors_of_a_method_exit_with_one() {
    let plugin = built("users-json");
    let error = failure(1, &["call", &plugin, "users.get_user_by_claim", "claim=mail", "value=nobody"]);
    assert_eq!((error["kind"].as_str(), error["code"].as_i64()), (Some("remote_error"), Some(1)));
    assert_eq!(error["message"], "no such user");
    let error =
        failure(1, &["call", "--no-validate", &plugin, "users.get_user_by_claim", "claim=shoe", "value=45"]);
    assert_eq!(error["code"], -32602);
    assert_eq!(error["data"]["errors"][0]["path"], "/claim");
    assert_eq!(failure(1, &["call", &plugin, "users.nothing"])["code"], -32601);
}

#[test]
fn wrong_usage_exits_with_two() {
    let plugin = built("users-json");
    for args in [
        &["call", &plugin] as &[&str],
        &["call", &plugin, "users.find_users", "query"],
        &["call", &plugin, "users.find_users", "[1]"],
        &["call", &plugin, "users.find_users", "@/nowhere"],
        &["call", &plugin, "users.find_users", "--config", "{"],
        &["call", "--command", "'", "m"],
        &["describe", &plugin, "more"],
    ] {
        assert_eq!(failure(2, args)["kind"], "invalid_request", "{args:?}");
    }
    assert_eq!(failure(2, &["call"])["kind"], "invalid_request");
    assert_eq!(failure(2, &["nonsense"])["kind"], "invalid_request");
    assert_eq!(plugline(&["call", "--no-such-option"]).status.code(), Some(2));
    assert_eq!(plugline(&[]).status.code(), Some(2));
}

#[test]
fn failures_of_the_plugin_exit_with_three_and_say_what_happened() {
    let kind = |args: &[&str]| failure(3, args)["kind"].as_str().unwrap().to_owned();
    assert_eq!(kind(&["call", "nobody", "m"]), "not_found");
    assert_eq!(kind(&["call", "./nobody", "m"]), "not_found");
    assert_eq!(kind(&["call", "/", "m"]), "not_found");
    assert_eq!(kind(&["call", "--command", "/nowhere/at/all", "m"]), "spawn_failed");
    assert_eq!(kind(&["call", "./Cargo.toml", "m"]), "spawn_failed");

    let dies = Script::new("echo 'no luck' >&2; exit 3");
    let error = failure(3, &["call", dies.path(), "a.b"]);
    assert_eq!(error["kind"], "plugin_exited");
    assert_eq!(error["phase"], "handshake");
    assert_eq!(error["exit_code"], 3);
    assert_eq!(error["stderr_tail"][0], "no luck");

    let quits = Script::after_handshake("exec >&-; while read -r line; do :; done");
    assert_eq!(kind(&["call", "--no-validate", quits.path(), "a.b"]), "closed");
    let silent = Script::new("while read -r line; do :; done");
    assert_eq!(kind(&["call", silent.path(), "a.b", "--start-timeout", "200ms"]), "handshake_timeout");
    let mute = Script::after_handshake("while read -r line; do :; done");
    assert_eq!(kind(&["call", "--no-validate", mute.path(), "a.b", "--timeout", "200ms"]), "timeout");
    let liar =
        Script::after_handshake("echo '{\"jsonrpc\":\"2.0\",\"id\":1}'; while read -r line; do :; done");
    assert_eq!(kind(&["call", "--no-validate", liar.path(), "a.b"]), "protocol_violation");
    let killed = Script::after_handshake("kill -9 $$");
    let error = failure(3, &["call", "--no-validate", killed.path(), "a.b"]);
    assert_eq!((error["kind"].as_str(), error["signal"].as_i64()), (Some("plugin_exited"), Some(9)));
    let plugin = built("users-json");
    let config = r#"{"file":"/nowhere"}"#;
    assert_eq!(kind(&["call", &plugin, "users.find_users", "query=", "--config", config]), "invalid_config");
}

#[test]
fn a_person_reads_what_happened_and_what_to_try() {
    let output = plugline(&["call", "nobody", "m"]);
    let text = stderr(&output);
    assert!(text.starts_with("error: there is no plugin \"nobody\" [not_found]\n"), "{text}");
    assert!(text.contains("tried"), "{text}");
    let dies = Script::new("printf '\\033[31mred\\n' >&2; echo stray; exit 3");
    let text = stderr(&plugline(&["call", dies.path(), "a.b"]));
    assert!(text.contains("the plugin exited with status 3"), "{text}");
    assert!(text.contains("\\u{1b}[31mred"), "{text}");
    assert!(text.contains("stray"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn after_the_result_the_code_is_zero_whatever_the_plugin_does() {
    let plugin =
        Script::after_handshake("echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"\\u001b[2J\"}'; exit 7");
    let output = plugline(&["call", "--no-validate", plugin.path(), "a.b"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "\"\\u001b[2J\"\n");
    assert!(stderr(&output).contains("warning: after its answer the plugin exited with status 7"));
}

#[test]
fn a_manifest_is_shown_without_a_handshake() {
    let plugin = built("users-json");
    let text = stdout(&plugline(&["describe", &plugin]));
    assert!(text.contains("users.get_user(id: UserId) → User"), "{text}");
    let markdown = stdout(&plugline(&["describe", &plugin, "--format", "markdown"]));
    assert!(markdown.contains("### `users.get_user(id: UserId) → User`"), "{markdown}");
    let json = stdout(&plugline(&["describe", &plugin, "--format", "json"]));
    let shipped = fs::read_to_string(example("users.openrpc.json")).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&json).unwrap(),
        serde_json::from_str::<Value>(&shipped).unwrap()
    );
}

#[test]
fn a_trace_has_every_line_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let file = trace.to_str().unwrap();
    plugline(&["call", &built("users-json"), "users.find_users", "query=marie", "--trace", file]);
    let text = fs::read_to_string(&trace).unwrap();
    let messages: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line.splitn(3, ' ').nth(2).unwrap()).unwrap()).collect();
    let sent: Vec<&str> = messages.iter().filter_map(|message| message["method"].as_str()).collect();
    assert_eq!(sent, ["rpc.discover", "rpc.initialize", "users.find_users", "rpc.shutdown"]);
    assert_eq!(messages.len(), 8, "{text}");
}

#[test]
fn a_plugin_does_not_outlive_a_killed_command() {
    // It never answers the handshake, and ends with its input only.
    let plugin = Script::new("trap '' TERM\nwhile read -r line; do :; done");
    let mut child = Command::new(PLUGLINE)
        .args(["call", plugin.path(), "a.b"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let pid = loop {
        if let Some(pid) = child_of(child.id()) {
            break pid;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "no plugin was started");
        std::thread::yield_now();
    };
    child.kill().unwrap();
    child.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while Path::new(&format!("/proc/{pid}/stat")).exists() {
        assert!(Instant::now() < deadline, "process {pid} is still there");
        std::thread::yield_now();
    }
}

/// Neither the end of its input nor a signal ends it, nor its child. Once it hears of its host, its guard is there, too.
const STUBBORN: &str = "trap '' HUP INT TERM\nexec 3>\"$0.there\"\nread -r line\nsleep 600 &\necho >&3\nwait";
/// It ends with SIGTERM, and its child does not.
const HEEDLESS_CHILD: &str =
    "exec 3>\"$0.there\"\nread -r line\n(trap '' TERM; echo >&3; exec sleep 600) &\nwhile :; do wait; done";

/// Ends a command with that signal once its plugin, which is such a script, is there; wants nothing of the plugin to stay.
fn nothing_stays(signal: Signal, words: &[&str], plugin: &Script) {
    let pipe = format!("{}.there", plugin.path());
    mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
    let mut child = Command::new(PLUGLINE)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // All of the plugin's processes have the pipe: it ends with the last of them.
    let (told, seen) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut pipe = fs::File::open(pipe).unwrap();
        pipe.read_exact(&mut [0]).unwrap();
        told.send("there").unwrap();
        assert_eq!(pipe.read(&mut [0]).unwrap(), 0);
        told.send("gone").unwrap();
    });
    let within = Duration::from_secs(30);
    assert_eq!(seen.recv_timeout(within), Ok("there"), "{words:?}");
    kill_process(Pid::from_child(&child), signal).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(signal.as_raw()), "{words:?}");
    assert_eq!(seen.recv_timeout(within), Ok("gone"), "{signal:?} {words:?}");
}

#[test]
fn whatever_ends_a_command_nothing_of_its_plugin_stays() {
    std::thread::scope(|scope| {
        let calls =
            [Signal::INT, Signal::TERM, Signal::HUP, Signal::KILL].map(|signal| (signal, &["call"][..]));
        let others = [&["describe"][..], &["contract", "check"], &["bench"], &["doctor"]];
        for (signal, command) in calls.into_iter().chain(others.map(|command| (Signal::TERM, command))) {
            for body in [STUBBORN, HEEDLESS_CHILD] {
                scope.spawn(move || {
                    let plugin = Script::new(body);
                    let method = if matches!(command, ["call" | "bench"]) { &["a.b"][..] } else { &[] };
                    nothing_stays(signal, &[command, &[plugin.path()], method].concat(), &plugin);
                });
            }
        }
    });
}

/// The first child of a process.
fn child_of(pid: u32) -> Option<u32> {
    fs::read_dir(format!("/proc/{pid}/task")).ok()?.find_map(|task| {
        let children = fs::read_to_string(task.ok()?.path().join("children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    })
}

#[test]
fn the_demo_compares_all_of_them() {
    // Where scripts/test has put the Python SDK.
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(venv).chain(std::env::split_paths(&path))).unwrap();
    let output = Command::new(PLUGLINE).arg("demo").stdin(Stdio::null()).env("PATH", path).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let names = ["in-process", "users-json", "users.py", "users.mjs", "users.go", "users.c", "Users.java"];
    for name in names.into_iter().chain(["users.pl", "users.sh", "users-passwd", "Albert Einstein"]) {
        assert!(text.contains(name), "{name}: {text}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_printed_is_told() {
    for args in
        [&["--help"][..], &["help", "call"], &["call", "-h"], &["--version"], &["completions", "bash"]]
    {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(PLUGLINE).args(args).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).starts_with("error: cannot print: No space left"), "{}", stderr(&output));
    }
    // A reader that has gone is no error.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(PLUGLINE).arg("--help").stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn completions_are_printed() {
    assert!(stdout(&plugline(&["completions", "bash"])).contains("complete -F _plugline"));
}

#[test]
fn a_standard_error_that_takes_nothing_changes_no_exit_code() {
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    let code = |args: &[&str]| {
        Command::new(PLUGLINE).args(args).stdin(Stdio::null()).stderr(full()).status().unwrap().code()
    };
    assert_eq!(code(&["call", "nosuch", "a.b"]), Some(3));
    assert_eq!(code(&["--json", "call", "nosuch", "a.b"]), Some(3));
    assert_eq!(code(&["describe", "--start-timeout", "bad"]), Some(2));
}

#[test]
fn a_plugin_that_does_not_answer_describe_in_time_is_given_longer_by_its_own_option() {
    let output = plugline(&["describe", "--command", "sleep 100", "--start-timeout", "100ms"]);
    assert_eq!(output.status.code(), Some(3));
    let said = stderr(&output);
    assert!(said.contains("--start-timeout") && !said.contains(" --timeout"), "{said}");
}

#[test]
fn a_notification_is_sent_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let plain = folder.path().join("plain.json");
    let manifest = serde_json::json!({
        "openrpc": "1.3.2", "info": {"title": "plain", "version": "1.0.0"},
        "methods": [{"name": "demo.note", "paramStructure": "by-name",
                     "params": [{"name": "text", "required": true, "schema": {"type": "string"}}]}],
        "components": {"schemas": {}},
        "x-plugline": {"protocol": [1], "provides": [{"contract": "demo", "version": "1.0.0"}], "requires": [],
                       "config": {"type": "object"}, "hostMethods": [], "instances": "many"},
    });
    fs::write(&plain, manifest.to_string()).unwrap();
    // One with streams, and one without.
    for command in [demo(), format!("'{PLUGLINE}' mock '{}'", plain.display())] {
        let words =
            ["call", "--command", &command, "--trace", trace.to_str().unwrap(), "demo.note", "text=hello"];
        for (options, printed) in [(&[][..], ""), (&["--json"], "null\n")] {
            let output = plugline(&[options, &words].concat());
            let said = stderr(&output);
            assert_eq!(
                (output.status.code(), stdout(&output).as_str()),
                (Some(0), printed),
                "{command}: {said}"
            );
            assert!(said.contains("demo.note is a notification"), "{command}: {said}");
            let lines = fs::read_to_string(&trace).unwrap();
            let sent =
                lines.lines().filter(|line| line.contains("\"demo.note\"") && !line.contains("\"id\""));
            assert!(sent.filter(|line| line.contains("hello")).count() >= 1, "{command}: {lines}");
        }
        assert_eq!(
            failure(3, &["call", "--command", &command, "demo.note", "text:=7"])["kind"],
            "invalid_request"
        );
        assert_eq!(failure(1, &["call", "--command", &command, "demo.none"])["code"], -32601);
    }
}

#[test]
fn streams_are_json_lines() {
    let call = |args: &[&str]| {
        let output = plugline(&[&["call", "--command", &demo()], args].concat());
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
        stdout(&output)
    };
    assert_eq!(call(&["demo.count", "n:=3"]), "0\n1\n2\n");
    assert_eq!(call(&["demo.count", "n:=0"]), "", "no items and no summary");
    assert_eq!(call(&["demo.fill", "lines:=2", "width:=3"]), "\"xxx\"\n\"xxx\"\n");
    assert_eq!(call(&["demo.notes"]), "[]\n", "without streams the result is all");
    assert_eq!(call(&["demo.sleep", "ms:=0"]), "null\n");
}

#[test]
fn input_is_json_lines() {
    let output = with_input(&["demo.sum", "--input", "-"], "1\n\n  2\r\n39");
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "42\n"), "{}", stderr(&output));
    let output = with_input(&["demo.double", "--input=-"], "1\n21\n");
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "2\n42\n"), "{}", stderr(&output));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("numbers").display().to_string();
    let numbers: String = (0..50_000).map(|number| format!("{number}\n")).collect();
    fs::write(&file, numbers).unwrap();
    let output = plugline(&["call", "--command", &demo(), "demo.sum", "--input", &file]);
    assert_eq!(stdout(&output), format!("{}\n", (0..50_000_u64).sum::<u64>()), "{}", stderr(&output));
}

#[test]
fn input_that_is_wrong_is_told() {
    let told = |code: i32, args: &[&str], input: &str| {
        let output = with_input(args, input);
        let report = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {report}");
        let report: Value = serde_json::from_str(report.lines().last().unwrap()).unwrap();
        report["error"]["message"].as_str().unwrap().to_owned()
    };
    let message = told(2, &["demo.sum", "--input", "-"], "1\n2\nthree\n4\n");
    assert!(message.starts_with("standard input, line 3: not JSON"), "{message}");
    let message = told(2, &["demo.sum"], "");
    assert_eq!(message, "demo.sum wants --input FILE, or - for standard input");
    let message = told(2, &["demo.add", "a:=1", "b:=2", "--input", "-"], "");
    assert_eq!(message, "demo.add takes no --input");
    let message = told(2, &["demo.sum", "--input", "/nowhere/at all"], "");
    assert!(message.starts_with("--input /nowhere/at all: "), "{message}");
    told(2, &["demo.sum", "-", "--input", "-"], "");
    // What the method says to it.
    assert_eq!(told(1, &["demo.sum", "--no-validate", "--input", "-"], "\"x\"\n"), "invalid params");
    // A plugin without streams.
    let plugin = built("users-json");
    let error = failure(3, &["call", &plugin, "users.find_users", "query=x", "--input", file!()]);
    assert_eq!(error["kind"], "unsupported");
}

#[test]
fn a_stream_ends_when_nobody_reads_it_any_more() {
    let mut child = Command::new(PLUGLINE)
        .args(["call", "--command", &demo(), "demo.fill", "lines:=1000000", "width:=1000", "--timeout=none"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    drop(stdout);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
