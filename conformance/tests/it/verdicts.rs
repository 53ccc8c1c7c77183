//! Real processes, right and wrong in one way each, and what the suite says of them.

use std::path::Path;
use std::sync::Arc;

use plugline_conformance::library::Library;
use plugline_conformance::model::Case;
use plugline_conformance::plugin::{Class, Profile, Target, Unprobed, probe};
use plugline_conformance::run::{Conclusion, Report, Retry, Settings, blocked, run};
use plugline_conformance::trial::Trial;
use plugline_conformance::verdict::{Kind, Stop, Verdict};
use plugline_conformance::{expected, report};
use plugline_host::process::Command;
use serde_json::{Value, json};

/// The cases that the rows below choose from.
fn case(id: &str) -> Trial {
    let send = |value: Value| json!({"send": {"jsonrpc": "2.0", "id": 1, "method": "w.echo", "params": {"value": value}}});
    let steps = match id {
        "EN-90" => json!([send(json!("a")), {"expect": {"id": 1, "result": "a"}}, {"alive": true}]),
        "EN-91" => json!([send(json!("a")), {"expect": {"id": 1, "error": {"code": -32602}}}]),
        "EN-92" => json!([{"await": {"method": "rpc.log"}}]),
        "EN-93" => json!([send(json!("a")), {"never": {"id": 1}}]),
        "EN-94" => json!([{"expect": {"id": {"$typ": "integer"}}}, send(json!("a"))]),
        "EN-95" => json!([{"repeat": {"times": 3, "from": 5, "steps": [
                {"send": {"jsonrpc": "2.0", "id": {"$ref": "i"}, "method": "w.echo", "params": {"value": {"$ref": "i"}}}}]}},
            {"any_order": [{"id": 7, "result": 7}, {"id": 5, "result": 5}, {"id": 6, "result": 6}]},
            {"parallel": [[send(json!(1)), {"expect": {"id": 1}, "bind": {"one": "/result"}}], [{"fence": true}]]},
            {"send": {"jsonrpc": "2.0", "id": 8, "method": "w.echo", "params": {"value": {"$ref": "one", "plus": 1}}}},
            {"expect": {"id": 8, "result": 2}},
            {"close_stdin": true}, {"exits": true}]),
        "EN-96" => {
            json!([{"send": {"jsonrpc": "2.0", "id": 8, "method": "w.echo", "params": {"value": {"$fill": "x"}}}, "length": 300_000},
            {"expect": {"id": 8, "result": {"$bytes": {"min": 299_000}}}},
            {"chunks": ["{\"jsonrpc\":\"2.0\",\"id\":9,\"met", "hod\":\"w.echo\",\"params\":{\"value\":1}}\n"]},
            {"expect": {"id": 9, "result": 1}}])
        }
        "EN-97" => {
            json!([send(json!("a")), {"expect": {"$all": [{"id": 1, "result": "a"}]}}, {"fence": true},
            {"never": {}}, {"never": {"method": {"$any": true}}}])
        }
        "EN-86" => {
            json!([{"bytes": "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"w.echo\",\"params\":{\"value\":1}}\n{\"jsonrpc\":"},
            {"expect": {"id": 1}},
            {"bytes": "\"2.0\",\"id\":2,\"method\":\"w.echo\",\"params\":{\"value\":2}}\n"},
            {"expect": {"id": 2, "result": 2}}])
        }
        "EN-98" => {
            json!([send(json!("a")), {"never": {"method": "rpc.ping"}}, {"never": {"method": "rpc.log"}}])
        }
        "EN-99" => json!([send(json!("a")), {"await": {"id": 1, "result": "b"}}]),
        "EN-89" => json!([{"close_stdin": true}, {"exits": true, "within_ms": 1000}]),
        "EN-88" => {
            json!([{"repeat": {"times": {"$ref": "limits.maxInFlight"}, "steps": [send(json!("a"))]}}])
        }
        "EN-87" => json!([{"bytes": [{"repeat": " ", "times": {"$ref": "limits.maxLineBytes"}}, "\n"]}]),
        _ => panic!("{id}"),
    };
    let case: Case = serde_json::from_value(json!({
        "id": id, "title": "the test's own case", "level": "must", "spec": ["MSG-23"], "since": "1.0", "side": "plugin",
        "steps": steps,
    }))
    .unwrap();
    Trial { case: Arc::new(case), variant: None }
}

fn command(fault: &str) -> Command {
    let mut command = Command::new("python3".into());
    command.args = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/wrong.py").into()];
    command.env.insert("FAULT".into(), fault.into());
    command
}

/// Probed without a fault: the fault is for the case to find.
fn target(fault: &str) -> Target {
    let sound = probe(&command(""), None, None).unwrap_or_else(|stop| panic!("{stop:?}"));
    sound.with_env("FAULT", fault)
}

fn settings() -> Settings {
    Settings { only: Vec::new(), expected: Vec::new(), jobs: 4, seed: 1, retry: Retry::Never }
}

fn library() -> Library {
    let mut library = Library::load().unwrap();
    library.requirements.cases.extend((86..=99).map(|number| format!("EN-{number}")));
    library
}

#[track_caller]
fn judged(fault: &str, id: &str) -> Report {
    run(&library(), &target(fault), &[case(id)], &settings())
}

#[test]
fn each_fault_has_its_verdict() {
    let rows = [
        ("other", "EN-90", Kind::WrongMessage, "2 expect", None),
        ("dies", "EN-90", Kind::Ended, "2 expect", None),
        // A crash is no rejection, and a rejection is one.
        ("dies", "EN-91", Kind::Ended, "2 expect", None),
        ("twice", "EN-90", Kind::Output, "3 alive", Some("MSG-23")),
        ("prints", "EN-90", Kind::Output, "2 expect", Some("FRAME-5")),
        // It does not declare progress either, which is seen first.
        ("late", "EN-90", Kind::Output, "3 alive", Some("LIFE-29")),
        ("unasked", "EN-90", Kind::Output, "end", Some("MSG-26")),
        ("status", "EN-90", Kind::Exit, "end", Some("LIFE-45")),
        ("deaf", "EN-90", Kind::NoMessage, "3 alive", None),
        ("unended", "EN-90", Kind::NoMessage, "2 expect", None),
        ("refuses", "EN-90", Kind::Start, "handshake", None),
        ("", "EN-92", Kind::NoMessage, "1 await", None),
        ("", "EN-93", Kind::Forbidden, "2 never", None),
    ];
    std::thread::scope(|scope| {
        for (fault, id, kind, step, rule) in rows {
            scope.spawn(move || {
                let report = judged(fault, id);
                let Verdict::Fail { failure } = &report.outcomes[0].verdict else {
                    panic!("{fault} {id}: {:?}", report.outcomes[0].verdict);
                };
                // Two lines may come in one read, or one after the other.
                let step_is = failure.step == step
                    || (rule.is_some() && failure.step.ends_with("expect"))
                    || failure.step == "end";
                assert!(failure.kind == kind && step_is, "{fault} {id}: {failure:#?}");
                assert_eq!(failure.rule.as_deref(), rule, "{fault} {id}");
                assert_eq!(report.conclusion, Conclusion::NotConformant);
                if fault == "dies" {
                    assert_eq!(failure.stderr, ["I have had enough"]);
                    assert!(failure.got.contains("status 3"), "{}", failure.got);
                }
            });
        }
    });
}

#[test]
fn what_is_right_passes() {
    for (fault, id) in [("", "EN-90"), ("rejects", "EN-91"), ("", "EN-95"), ("", "EN-96")] {
        let report = judged(fault, id);
        assert_eq!(report.outcomes[0].verdict, Verdict::Pass, "{id}");
        assert_eq!(report.conclusion, Conclusion::Conformant);
        assert_eq!(report.counts.must, (1, 1));
    }
}

/// The half of a line that a case writes is not ended by the answer to a ping.
#[test]
fn a_ping_is_answered_between_lines() {
    let report = judged("pings", "EN-86");
    assert_eq!(report.outcomes[0].verdict, Verdict::Pass, "{}", report::text(&report));
}

/// A plugin may ping its host and log at any time: a pattern that names neither is about neither.
#[test]
fn small_talk_is_no_fault() {
    for fault in ["pings", "logs"] {
        let report = judged(fault, "EN-97");
        assert_eq!(report.outcomes[0].verdict, Verdict::Pass, "{fault}");
        let report = judged(fault, "EN-98");
        let Verdict::Fail { failure } = &report.outcomes[0].verdict else { panic!("{fault} is named") };
        assert_eq!(failure.kind, Kind::Forbidden, "{fault}: {failure:#?}");
    }
    let report = judged("late", "EN-97");
    assert_eq!(report.conclusion, Conclusion::NotConformant, "progress is no small talk");
}

#[test]
fn an_await_that_gives_up_says_what_came() {
    let report = judged("", "EN-99");
    let Verdict::Fail { failure } = &report.outcomes[0].verdict else { panic!("nothing answers b") };
    assert_eq!(failure.kind, Kind::NoMessage);
    let (_, came) =
        failure.got.split_once("; of its subject came: ").unwrap_or_else(|| panic!("{}", failure.got));
    assert!(came.contains(r#""result":"a""#), "{came}");
}

/// What is tried all the same ends the suite, or the machine.
#[test]
fn limits_that_cannot_be_reached_are_left_alone() {
    let target = probe(&command("endless"), None, None).unwrap_or_else(|stop| panic!("{stop:?}"));
    for (id, limit) in [("EN-88", "maxInFlight"), ("EN-87", "maxLineBytes")] {
        let report = run(&library(), &target, &[case(id)], &settings());
        let Verdict::Unsupported { missing } = &report.outcomes[0].verdict else {
            panic!("{id}: {:?}", report.outcomes[0].verdict)
        };
        assert!(missing.contains(limit), "{missing}");
        assert!(report::text(&report).contains(missing));
    }
}

/// A busy machine makes a plugin late, and none makes it early: the best of three runs counts.
#[test]
fn a_time_is_not_kept_where_no_run_keeps_it() {
    let report = judged("lingers", "EN-89");
    let Verdict::Fail { failure } = &report.outcomes[0].verdict else { panic!("it takes 1.8 s") };
    assert_eq!((failure.kind, failure.want.as_str()), (Kind::Exit, "the end of the process within 1000 ms"));
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let target = target("lingers-once").with_env("MARK", &mark.display().to_string());
    let report = run(&library(), &target, &[case("EN-89")], &settings());
    assert_eq!(report.outcomes[0].verdict, Verdict::Pass);
    assert!(mark.exists(), "its first run was late");
}

/// Two calls at once are enough to show that the third of something waits.
#[test]
fn a_plugin_with_two_places_can_be_asked_to_wait() {
    let mut command = Command::new("python3".into());
    command.args = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("weird/plugin.py").into()];
    command.env.insert("WEIRD".into(), "two-places".into());
    let target = probe(&command, None, None).unwrap_or_else(|stop| panic!("{stop:?}"));
    let library = Library::load().unwrap();
    let mut trials = library.trials(plugline_conformance::model::Side::Plugin);
    trials.retain(|trial| ["CB-11", "CB-13"].contains(&trial.case.id.as_str()));
    let report = run(&library, &target, &trials, &settings());
    assert_eq!((report.counts.must, report.counts.unsupported), ((2, 2), 0), "{}", report::text(&report));
}

#[test]
fn a_malformed_case_is_never_blamed_on_the_plugin() {
    let trial = {
        // The pattern is looked at when something came.
        let mut case = (*case("EN-94").case).clone();
        case.steps.reverse();
        Trial { case: Arc::new(case), variant: None }
    };
    let report = run(&library(), &target(""), &[trial], &settings());
    assert!(
        matches!(report.outcomes[0].verdict, Verdict::HarnessError { .. }),
        "{:?}",
        report.outcomes[0].verdict
    );
    assert_eq!(report.conclusion, Conclusion::Harness);
}

#[test]
fn a_run_of_nothing_fails() {
    let report = run(&library(), &target(""), &[], &settings());
    assert_eq!(report.conclusion, Conclusion::NotConformant);
}

#[test]
fn expected_failures_are_no_surprise() {
    let entries = "- {case: EN-90, kind: wrong_message, reason: known}";
    let settings = Settings { expected: expected::read(entries, |_, _| true).unwrap(), ..settings() };
    let conclusion = |fault: &str| run(&library(), &target(fault), &[case("EN-90")], &settings).conclusion;
    assert_eq!(conclusion("other"), Conclusion::AsExpected);
    assert_eq!(conclusion("prints"), Conclusion::NotConformant);
    assert_eq!(conclusion(""), Conclusion::NotConformant);
}

#[test]
fn a_plugin_that_cannot_be_probed_blocks_the_rest() {
    let Err(Stop::Failed(failure)) = probe(&command("refuses"), None, None) else { panic!("it refuses") };
    assert_eq!((failure.kind, failure.step.as_str()), (Kind::Start, "handshake"));
    let report = blocked(&library(), &Unprobed(command("refuses")), *failure, &[case("EN-90")], &settings());
    assert_eq!((report.counts.blocked, report.conclusion), (1, Conclusion::NotConformant));
    assert!(
        matches!(probe(&Command::new("./no-such-plugin".into()), None, None), Err(Stop::Failed(failure)) if failure.step == "start")
    );
}

#[test]
fn a_probe_learns_what_is_declared() {
    let target = target("");
    assert_eq!((target.class, target.profile), (Class::Minimal, Profile::BlackBox));
    assert!(!target.name.contains('\u{1b}'), "{:?}", target.name);
    let Err(Stop::Failed(failure)) = probe(&command(""), None, Some(Profile::Fixture)) else {
        panic!("it is none")
    };
    assert_eq!(failure.kind, Kind::Start);
}

/// The forty lines of the specification are conformant.
#[test]
fn the_minimal_plugin_of_the_specification_passes() {
    let specification = include_str!("../../../protocol/SPEC.md");
    let section = &specification[specification.find("## 11. A minimal plugin").unwrap()..];
    let code =
        section.split("```python minimal-plugin\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let file = std::env::temp_dir().join(format!("plugline-minimal-{}.py", std::process::id()));
    std::fs::write(&file, code).unwrap();
    let mut command = Command::new("python3".into());
    command.args = vec![file.clone().into()];
    let target = probe(&command, None, None).unwrap_or_else(|stop| panic!("{stop:?}"));
    let library = Library::load().unwrap();
    let mut trials = library.trials(plugline_conformance::model::Side::Plugin);
    trials.extend(plugline_conformance::contract::trials(target.manifest(), 1));
    // One variant of each case: CI runs all against the examples.
    let mut seen = std::collections::BTreeSet::new();
    trials.retain(|trial| seen.insert(trial.case.id.clone()));
    let report = run(&library, &target, &trials, &settings());
    std::fs::remove_file(file).unwrap();
    assert_eq!(report.conclusion, Conclusion::Conformant, "{}", report::text(&report));
}

#[test]
fn reports_are_what_they_say() {
    let report = run(&library(), &target("other"), &[case("EN-90"), case("EN-93")], &settings());
    let schema: Value = serde_json::from_str(report::SCHEMA).unwrap();
    let json: Value = serde_json::from_str(&report::json(&report)).unwrap();
    let validator = jsonschema::draft7::new(&schema).unwrap();
    let faults: Vec<String> = validator.iter_errors(&json).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(json["outcomes"][0]["failure"]["kind"], "wrong_message");

    let text = report::text(&report);
    for wanted in [
        "FAIL",
        "EN-90  MUST  MSG-23",
        "again ",
        "plugline conformance replay --env FAULT=<value> EN-90 -- python3",
        "fill in what this run was given, which may be secret: --env FAULT=<value>\n",
        "NOT CONFORMANT",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let junit = report::junit(&report).unwrap();
    assert!(junit.contains("<failure") && junit.contains("EN-90"), "{junit}");
    let html = report::html(&[report.clone(), report.clone()]);
    assert!(html.contains("id=\"f1-EN-90\"") && !html.contains("src=\"") && !html.contains("http"), "{html}");
    // What a plugin says is never passed on as it came.
    for page in [&report::json(&report), &junit, &html] {
        assert!(!page.contains('\u{1b}'));
    }
    assert!(!text.contains("other\u{1b}") && text.contains("other\\u001b[31m"), "{text}");
}
