//! `plugline bench`.

use super::*;

/// Answers nothing more, and goes when it is asked to.
const MUTE: &str = "while read -r line; do case $line in *rpc.shutdown*) exit;; esac; done";

/// Answers each line with the next id, once a step is done.
fn answering(step: &str) -> Script {
    let answer = r#"{\"jsonrpc\":\"2.0\",\"id\":$n,\"result\":null}"#;
    Script::after_handshake(&format!(
        "n=1\nwhile :; do {step}\necho \"{answer}\"; n=$((n+1)); read -r line || exit 0; done"
    ))
}

/// What it measures, as JSON.
fn measured(args: &[&str]) -> Value {
    let output = plugline(&[&["--json", "bench"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    let text = stdout(&output);
    assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn all_that_was_measured_stands_in_one_line() {
    let plugin = built("users-json");
    let report = measured(&[&plugin, "users.find_users", "query=marie", "--duration", "200ms"]);
    let members: Vec<&String> = report.as_object().unwrap().keys().collect();
    assert_eq!(members, ["calls", "calls_per_s", "max_ns", "p50_ns", "p90_ns", "p999_ns", "p99_ns"]);
    let nanos =
        ["p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns"].map(|name| report[name].as_u64().unwrap());
    assert!(nanos[0] > 0 && nanos.is_sorted(), "{report}");
    let (calls, rate) = (report["calls"].as_u64().unwrap(), report["calls_per_s"].as_f64().unwrap());
    assert!(calls > 1, "{report}");
    // They began within the duration, and took no longer than the longest beyond it.
    let seconds = calls as f64 / rate;
    assert!((0.1..=0.2 + nanos[4] as f64 / 1e9 + 1.0).contains(&seconds), "{report}");
}

#[test]
fn as_many_calls_are_made_as_are_asked_for() {
    let plugin = built("users-json");
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let file = trace.to_str().unwrap();
    for how in [
        &[] as &[&str],
        &["--concurrency", "4"],
        &["--concurrency", "40"],
        &["--pipelined", "8"],
        &["--pipelined", "200"],
        &["--think", "1ms", "--concurrency", "2"],
    ] {
        let args =
            [&plugin, "users.find_users", "query=marie", "--calls", "31", "--warmup", "0", "--trace", file];
        assert_eq!(measured(&[&args, how].concat())["calls"], 31, "{how:?}");
        let made = fs::read_to_string(&trace).unwrap().matches("\"users.find_users\"").count();
        assert_eq!(made, 31, "{how:?}");
    }
}

#[test]
fn what_warms_up_does_not_count() {
    let plugin = answering("[ $n -gt 1 ] || sleep 0.3");
    let report = measured(&[plugin.path(), "a.b", "--calls", "2", "--warmup", "1ms"]);
    assert_eq!(report["calls"], 2);
    assert!(report["max_ns"].as_u64().unwrap() < 300_000_000, "{report}");
}

#[test]
fn a_call_that_outlasts_the_duration_is_waited_for() {
    for (how, calls) in [(["--concurrency", "1"], 1), (["--concurrency", "3"], 3), (["--pipelined", "2"], 2)]
    {
        let plugin = answering("sleep 0.2");
        let args = [plugin.path(), "a.b", "--duration", "10ms", "--warmup", "0"];
        let report = measured(&[&args, &how as &[&str]].concat());
        assert_eq!(report["calls"], calls, "{how:?}");
        assert!(report["p50_ns"].as_u64().unwrap() >= 200_000_000, "{report}");
    }
}

#[test]
fn thinking_is_no_part_of_a_call() {
    let plugin = built("users-json");
    let args = [&plugin, "users.find_users", "query=marie", "--calls", "5", "--think", "50ms"];
    let report = measured(&args);
    assert!(report["calls_per_s"].as_f64().unwrap() <= 5.0 / (4.0 * 0.05), "{report}");
    assert!(report["p50_ns"].as_u64().unwrap() < 50_000_000, "{report}");
    // It ends with the duration, not with the thought.
    let started = Instant::now();
    measured(&[&plugin, "users.find_users", "query=marie", "--duration", "100ms", "--think", "1m"]);
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn people_see_the_numbers_and_a_picture() {
    let output =
        plugline(&["bench", &built("users-json"), "users.find_users", "query=marie", "--calls", "200"]);
    assert_eq!(stderr(&output), "");
    let text = stdout(&output);
    let version = env!("CARGO_PKG_VERSION");
    assert!(text.starts_with(&format!("users-json {version}  users.find_users  1 caller\n\n")), "{text}");
    let sections: Vec<&str> = text.split("\n\n").collect();
    let [_, numbers, picture] = sections[..] else { panic!("{text}") };
    let names: Vec<_> = numbers.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["calls", "in", "calls/s", "p50", "p90", "p99", "p99.9", "max", "mean"], "{text}");
    assert!(numbers.lines().next().unwrap().ends_with(" 200"), "{text}");
    for mark in ["p50", "p90", "p99", "p99.9", "max"] {
        assert_eq!(picture.split_whitespace().filter(|word| *word == mark).count(), 1, "{mark}: {text}");
    }
    assert!(picture.contains('█') && picture.contains('%'), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn the_first_failure_ends_it_as_it_ends_a_call() {
    let plugin = built("users-json");
    let by_claim = ["bench", &plugin, "users.get_user_by_claim", "claim=mail", "value=nobody"];
    for how in [&[] as &[&str], &["--concurrency", "4"], &["--pipelined", "4"], &["--warmup", "0"]] {
        let error = failure(1, &[&by_claim, how].concat());
        assert_eq!(
            (error["kind"].as_str(), error["code"].as_i64()),
            (Some("remote_error"), Some(1)),
            "{how:?}"
        );
    }
    let kind = |args: &[&str]| failure(3, &[&["bench"], args].concat())["kind"].as_str().unwrap().to_owned();
    assert_eq!(kind(&["nobody", "m"]), "not_found");
    let dies = answering("[ $n -lt 5 ] || exit 3");
    for how in [&[] as &[&str], &["--concurrency", "4"], &["--pipelined", "4"]] {
        assert_eq!(kind(&[&[dies.path(), "a.b"], how].concat()), "plugin_exited", "{how:?}");
    }
    let started = Instant::now();
    let mute = answering(&format!("[ $n -lt 5 ] || {MUTE}"));
    for how in [["--concurrency", "4"], ["--pipelined", "4"]] {
        let args = [mute.path(), "a.b", "--timeout", "200ms", "--warmup", "0"];
        assert_eq!(kind(&[&args, &how as &[&str]].concat()), "timeout", "{how:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn nobody_waits_for_what_is_under_way_when_a_call_has_failed() {
    // The first call is refused, the others are never answered.
    let refused = r#"{"jsonrpc":"2.0","id":1,"error":{"code":7,"message":"no"}}"#;
    let plugin = Script::after_handshake(&format!("echo '{refused}'; {MUTE}"));
    let started = Instant::now();
    let args = ["bench", plugin.path(), "a.b", "--concurrency", "4", "--no-timeouts", "--warmup", "0"];
    assert_eq!(failure(1, &args)["code"], 7);
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn wrong_usage_of_it_exits_with_two() {
    let plugin = built("users-json");
    for how in [
        &["--calls", "0"] as &[&str],
        &["--calls", "5", "--duration", "1s"],
        &["--concurrency", "0"],
        &["--concurrency", "2", "--pipelined", "2"],
        &["--pipelined", "0"],
        &["--pipelined", "2", "--think", "1ms"],
        &["--duration", "none"],
        &["--duration", "5h"],
        &["--think", "-1s"],
        &["--warmup", "soon"],
        &["--input", "-"],
        &["query"],
    ] {
        let args = ["bench", &plugin, "users.find_users", "query=marie"];
        assert_eq!(failure(2, &[&args, how].concat())["kind"], "invalid_request", "{how:?}");
    }
    assert_eq!(failure(2, &["bench", &plugin])["kind"], "invalid_request");
    assert_eq!(failure(2, &["bench"])["kind"], "invalid_request");
}

#[test]
fn a_call_with_output_lasts_to_its_summary() {
    // More than the plugin may send while nobody takes it.
    let fill =
        ["--command", &demo(), "demo.fill", "lines:=40", "width:=10000", "--calls", "4", "--warmup", "0"];
    for how in [["--concurrency", "2"], ["--pipelined", "2"]] {
        let report = measured(&[&fill, &how as &[&str]].concat());
        assert_eq!(report["calls"], 4, "{how:?}: {report}");
    }
    let error = failure(2, &["bench", "--command", &demo(), "demo.sum"]);
    assert!(error["message"].as_str().unwrap().starts_with("demo.sum wants input"), "{error}");
}
