//! How a plugin ends: shutdown, end of file, signals, a host that is gone.

use std::io::Read as _;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::process::{Gate, Process};

const HOUR: u64 = 3_600_000;
/// What a call in flight has to end in, at the end of the file.
const GRACE: Duration = Duration::from_millis(1500);
const STARTED: &str = "printed before it served";

/// A call that sleeps and one that blocks have begun, with the ids 1 and 2.
fn busy(gate: &Gate) -> Process {
    let mut rough = Process::rough();
    rough.request(1, "rough.sleep", &json!({ "ms": HOUR }));
    rough.expect_begun(1);
    rough.request(2, "rough.block", &gate.params());
    rough.expect_begun(2);
    rough
}

fn codes(lines: &[Value]) -> Vec<(u64, i64)> {
    let mut codes: Vec<_> = lines
        .iter()
        .map(|line| (line["id"].as_u64().unwrap(), line["error"]["code"].as_i64().unwrap_or(0)))
        .collect();
    codes.sort_unstable();
    codes
}

#[test]
fn after_shutdown_only_ping_is_served() {
    let mut rough = Process::rough();
    assert_eq!(rough.result("rpc.shutdown", &json!({})), Value::Null);
    let requests = [
        ("rough.echo", json!({"value": 1})),
        ("rough.unknown", json!({})),
        ("rpc.initialize", json!({"protocolVersions": [1]})),
        ("rpc.discover", json!({})),
        ("rpc.shutdown", json!({})),
    ];
    for (method, params) in requests {
        rough.error(method, &params, -32003);
    }
    rough.ping();
    rough.end().expect_silent();
}

#[test]
fn shutdown_comes_at_any_time_but_in_its_form() {
    let mut rough = Process::start("rough");
    rough.error("rpc.shutdown", &json!({"graceMs": "soon"}), -32602);
    rough.error("rpc.shutdown", &json!([]), -32602);
    rough.result("rpc.discover", &json!({}));
    assert_eq!(rough.result("rpc.shutdown", &json!({"graceMs": 0, "more": 1})), Value::Null);
    rough.error("rpc.initialize", &json!({"protocolVersions": [1]}), -32003);
    rough.end().expect_silent();
}

#[test]
fn shutdown_lets_a_call_in_flight_end() {
    let gate = Gate::new();
    let mut rough = Process::rough();
    rough.request(1, "rough.block", &gate.params());
    rough.expect_begun(1);
    rough.request(2, "rpc.shutdown", &json!({ "graceMs": HOUR }));
    rough.error("rough.echo", &json!({"value": 1}), -32003);
    rough.ping();
    gate.open(1);
    rough.expect_result(1, &Value::Null);
    rough.expect_result(2, &Value::Null);
    rough.end().expect_silent();
}

#[test]
fn shutdown_cancels_what_is_left_after_the_grace() {
    let gate = Gate::new();
    let mut rough = busy(&gate);
    rough.request(3, "rpc.shutdown", &json!({"graceMs": 0}));
    rough.expect_error(&json!(1), -32004);
    // This one does not heed it, and is answered for.
    rough.expect_error(&json!(2), -32004);
    rough.expect_result(3, &Value::Null);
    gate.open(1);
    rough.ping();
    rough.end().expect_silent();
}

#[test]
fn at_the_end_of_the_file_what_is_in_flight_is_finished() {
    let gate = Gate::new();
    let mut rough = Process::rough();
    rough.request(1, "rough.block", &gate.params());
    rough.expect_begun(1);
    rough.notify("rough.note", &json!({"text": "last"}));
    rough.request(2, "rough.notes", &json!({}));
    rough.send_bytes(br#"{"jsonrpc":"2.0","id":3,"method":"rpc.ping"}"#);
    rough.close_stdin();
    gate.open(1);
    let exit = rough.exit().expect_success();
    assert_eq!(codes(&exit.lines), [(1, 0), (2, 0)], "an unterminated line is none");
}

#[test]
fn at_the_end_of_the_file_a_long_answer_is_flushed() {
    let mut rough = Process::rough();
    let long = "x".repeat(200_000);
    for id in 0..20 {
        rough.request(id, "rough.echo", &json!({ "value": long }));
    }
    let exit = rough.end().expect_success();
    assert_eq!(exit.lines.len(), 20);
    assert!(exit.lines.iter().all(|line| line["result"] == *long));
}

#[test]
fn at_the_end_of_the_file_nothing_blocks_for_ever() {
    let gate = Gate::new();
    let rough = busy(&gate);
    let closed = Instant::now();
    let exit = rough.end().expect_success();
    // 2 s by the specification; a busy machine may take some more to start and reap.
    assert!(closed.elapsed().as_millis() < 4_000, "{:?}", closed.elapsed());
    assert_eq!(codes(&exit.lines), [(1, -32004), (2, -32004)]);
}

#[test]
fn at_the_end_of_the_file_a_shutdown_in_flight_is_answered_last() {
    let gate = Gate::new();
    let mut rough = busy(&gate);
    rough.request(3, "rpc.shutdown", &json!({ "graceMs": HOUR }));
    let exit = rough.end().expect_success();
    assert_eq!(codes(&exit.lines), [(1, -32004), (2, -32004), (3, 0)]);
    assert_eq!(exit.lines.last().unwrap()["id"], 3);
}

#[test]
fn at_the_end_of_the_file_callbacks_fail_at_once() {
    let gate = Gate::new();
    let mut rough = Process::rough();
    rough.request(1, "rough.callback", &json!({"method": "asker.ask"}));
    assert_eq!(rough.line()["method"], "asker.ask");
    rough.request(2, "rough.block", &gate.params());
    rough.expect_begun(2);
    rough.close_stdin();
    // The other call still runs: nothing was cancelled yet.
    rough.expect_error(&json!(1), -32603);
    gate.open(1);
    rough.expect_result(2, &Value::Null);
    rough.exit().expect_silent();
}

#[test]
fn sigterm_is_a_shutdown() {
    let gate = Gate::new();
    let mut rough = busy(&gate);
    rough.signal(Signal::TERM);
    // Standard input stays open.
    rough.wait_shutting_down();
    gate.open(1);
    rough.expect_result(2, &Value::Null);
    rough.expect_error(&json!(1), -32004);
    rough.exit().expect_silent();
}

#[test]
fn sigterm_ends_an_idle_plugin_and_a_stuck_one() {
    let idle = Process::start("rough");
    idle.expect_stderr(STARTED);
    idle.signal(Signal::TERM);
    let _signal_may_come_before_its_handler = idle.exit();

    let gate = Gate::new();
    let stuck = busy(&gate);
    stuck.signal(Signal::TERM);
    let exit = stuck.exit().expect_success();
    assert_eq!(codes(&exit.lines), [(1, -32004), (2, -32004)]);
}

#[test]
fn sigint_is_heeded_by_children_alone() {
    let mut rough = Process::rough();
    rough.signal(Signal::INT);
    rough.ping();
    let ended = rough.result("rough.spawn", &json!({"script": "kill -INT $$; echo it was ignored"}));
    assert_eq!(ended, json!({"code": null, "signal": 2}));
    rough.signal(Signal::INT);
    rough.ping();
    rough.end().expect_silent();
}

#[test]
fn it_exits_quietly_where_nobody_reads() {
    let (reader, writer) = os_pipe::pipe().unwrap();
    drop(reader);
    let mut rough = Process::with_stdout("rough", writer.into());
    rough.expect_stderr(STARTED);
    rough.request(0, "rpc.ping", &json!({}));
    assert_eq!(rough.exit().expect_success().stderr, [""; 0]);
}

#[test]
fn it_does_not_wait_for_a_host_that_never_reads() {
    let (_reader, writer) = os_pipe::pipe().unwrap();
    let mut rough = Process::with_stdout("rough", writer.into());
    rough.request(0, "rpc.initialize", &json!({"protocolVersions": [1]}));
    // More than the pipe holds.
    for id in 1..=40 {
        rough.request(id, "rpc.discover", &json!({}));
    }
    let exit = rough.end().expect_success();
    assert!(exit.stderr.last().is_some_and(|line| line.contains("does not read")), "{exit:#?}");
}

/// All of the two seconds is for that, however soon the last answer was there.
#[test]
fn it_waits_for_a_host_that_reads_late() {
    let (mut reader, writer) = os_pipe::pipe().unwrap();
    let mut rough = Process::with_stdout("rough", writer.into());
    rough.request(0, "rpc.initialize", &json!({"protocolVersions": [1]}));
    for id in 1..=40 {
        rough.request(id, "rpc.discover", &json!({}));
    }
    rough.close_stdin();
    std::thread::sleep(Duration::from_millis(800));
    let mut lines = String::new();
    reader.read_to_string(&mut lines).unwrap();
    assert_eq!(lines.lines().count(), 41);
    assert_eq!(rough.exit().expect_success().stderr, [STARTED]);
}

#[test]
fn it_exits_at_once_where_nobody_reads_any_more() {
    let gate = Gate::new();
    let mut rough = busy(&gate);
    rough.stop_reading();
    let stopped = Instant::now();
    rough.request(3, "rpc.ping", &json!({}));
    let exit = rough.exit().expect_success();
    assert!(stopped.elapsed() < GRACE, "{:?}", stopped.elapsed());
    assert_eq!(exit.stderr, [STARTED]);
}

#[test]
fn it_exits_at_once_where_the_host_is_gone() {
    let gate = Gate::new();
    let mut rough = busy(&gate);
    rough.request(3, "rough.callback", &json!({"method": "asker.ask"}));
    assert_eq!(rough.line()["method"], "asker.ask");
    rough.stop_reading();
    let stopped = Instant::now();
    // The callback fails, and nobody hears of that.
    let exit = rough.end().expect_success();
    assert!(stopped.elapsed() < GRACE, "{:?}", stopped.elapsed());
    assert_eq!(exit.stderr, [STARTED]);
}
