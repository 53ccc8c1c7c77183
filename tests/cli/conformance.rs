//! `plugline conformance`: what it prints, writes and exits with. What it judges is tested where the suite is.

use super::*;

/// A plugin that answers everything with the same line.
fn parrot(answer: &str) -> [String; 3] {
    ["sh".into(), "-c".into(), format!("while read -r line; do echo '{answer}'; done")]
}

fn conformance(args: &[&str], command: &[String]) -> Output {
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    plugline(&[&["conformance"], args, &["--"], &command].concat())
}

#[test]
fn a_plugin_that_is_none_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (json, xml, html) = (file("r.json"), file("r.xml"), file("r.html"));
    let args = ["plugin", "--only", "FR-*", "--report", &json, "--report", &xml, "--report", &html];
    let output = conformance(&args, &parrot("hello"));
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}{}", stderr(&output));
    assert!(
        text.contains("FAIL  probe") && text.contains("FRAME-5") && text.ends_with("NOT CONFORMANT\n"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "no colours but on a terminal");
    let report: Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert_eq!(report["conclusion"], "not_conformant");
    assert!(report["counts"]["blocked"].as_u64().unwrap() > 0);
    assert!(fs::read_to_string(xml).unwrap().contains("<testsuite"));
    assert!(fs::read_to_string(html).unwrap().starts_with("<!DOCTYPE html>"));
}

#[test]
fn what_cannot_be_asked_is_refused_before_anything_runs() {
    let plugin = parrot("{}");
    for args in [
        &["plugin", "--report", "r.pdf"][..],
        &["plugin", "--only", "XX-99"],
        &["plugin", "--expect", "/no/such/file"],
        &["plugin", "--config", "{"],
        &["plugin", "--env", "x"],
        &["explain", "XX-99"],
        &["run", "/no/such/file"],
    ] {
        let output = match args[0] {
            "plugin" => conformance(args, &plugin),
            _ => plugline(&[&["conformance"], args].concat()),
        };
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
    }
}

#[test]
fn a_program_that_is_not_there_is_the_command_lines_fault() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.yaml").display().to_string();
    for args in [
        &["plugin"][..],
        &["host"],
        &["replay", "CX-01"],
        &["replay", "--host", "HP-17"],
        &["mutants", "plugin"],
        &["mutants", "host"],
    ] {
        for program in ["./no-such-program", "no-such-program", "./Cargo.toml"] {
            let output = conformance(args, &[program.into()]);
            assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
            let said = stderr(&output);
            assert!(said.starts_with(&format!("error: {program}: ")), "{args:?}: {said}");
        }
    }
    for side in ["plugin", "host"] {
        fs::write(&list, format!("[{{name: none, side: {side}, command: [./no-such-program]}}]")).unwrap();
        let output = plugline(&["conformance", "run", &list]);
        assert_eq!(output.status.code(), Some(2), "{side}: {}", stderr(&output));
        assert!(stderr(&output).contains("no-such-program: "), "{side}: {}", stderr(&output));
    }
}

#[test]
fn a_run_that_left_out_everything_is_not_conformant() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.yaml");
    let entry = "command: [./plugin], needs: [no-such-program]";
    fs::write(&list, format!("[{{name: one, {entry}}}, {{name: two, {entry}}}]")).unwrap();
    let output = Command::new(PLUGLINE)
        .args(["conformance", "run"])
        .arg(&list)
        .env_remove("CI")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("── two: no-such-program is not on this machine"),
        "{}",
        stdout(&output)
    );
    assert!(stderr(&output).contains("nothing was judged: put a program"), "{}", stderr(&output));
}

/// A driver that knows `hello`, and answers `launch` with these lines of the shell.
fn driver(launch: &str) -> [String; 3] {
    let hello = r#"{"seq":1,"ok":{"driver":"d 1","features":[]}}"#;
    let script = format!(
        "while read -r line; do case $line in *hello*) echo '{hello}';; *launch*) {launch};; esac; done"
    );
    ["sh".into(), "-c".into(), script]
}

/// One case, which begins with a launch; the puppet is never started.
fn host(puppet: &str, driver: &[String]) -> Output {
    Command::new(PLUGLINE)
        .args(["conformance", "host", "--only", "HW-29", "--"])
        .args(driver)
        .env("PLUGLINE_PUPPET", puppet)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn what_a_driver_writes_is_its_own_fault() {
    let long = "printf 'x%04000d\\n' 7";
    for (launch, wanted) in [
        ("printf 'a \\033[31mlibrary\\n'", "what is not JSON"),
        (r#"echo '{"seq":1,"ok":{"plugin":NaN}}'"#, "NaN"),
        (long, "… ("),
    ] {
        let output = host("/bin/sh", &driver(launch));
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(1), "{text}{}", stderr(&output));
        assert!(text.contains("FAIL  HW-29") && text.contains(wanted) && text.len() < 2000, "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}

#[test]
fn a_launch_that_fails_is_not_waited_for() {
    let output =
        host("/bin/sh", &driver(r#"echo '{"seq":1,"err":{"kind":"spawn","message":"no such file"}}'"#));
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}{}", stderr(&output));
    assert!(text.contains(r#"the driver's answer to `launch`: {"seq":1,"err":{"kind":"spawn""#), "{text}");
}

#[test]
fn a_puppet_that_is_not_there_is_no_fault_of_the_host() {
    for puppet in ["/nowhere", "/", "/dev/null"] {
        let output = host(puppet, &driver("exit"));
        assert_eq!(output.status.code(), Some(3), "{puppet}: {}{}", stdout(&output), stderr(&output));
        assert!(stderr(&output).contains(&format!("PLUGLINE_PUPPET: {puppet}")), "{}", stderr(&output));
    }
}

#[test]
fn an_implementation_without_any_of_the_chosen_cases_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.yaml").display().to_string();
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/tests/it/wrong.py");
    let host = "{name: a host, side: host, command: [./no-such-program]}";
    let entries = format!("[{host}, {{name: a plugin, command: [python3, {}]}}]", plugin.display());
    fs::write(&list, entries).unwrap();
    let output = plugline(&["conformance", "run", &list, "--only", "LI-01"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    assert!(text.contains("── a host: none of the chosen cases is for it, so it is left out"), "{text}");
    assert!(text.contains("── a plugin\n") && text.contains("MUST 1/1"), "{text}");
    for only in ["XX-*", "CT-51/no.such.method"] {
        let output = plugline(&["conformance", "run", &list, "--only", only]);
        assert_eq!(output.status.code(), Some(1), "{only}: {}{}", stdout(&output), stderr(&output));
        let said = stderr(&output);
        assert!(said.contains("nothing was judged: none of the chosen cases"), "{only}: {said}");
    }
}

#[test]
fn cases_are_listed_and_explained() {
    let list = plugline(&["conformance", "list"]);
    assert_eq!(list.status.code(), Some(0));
    assert!(stdout(&list).contains("\nCX-01  MUST"), "{}", stdout(&list));
    let explained = stdout(&plugline(&["conformance", "explain", "CX-01"]));
    assert!(explained.contains("CALL-3") && explained.contains("steps:"), "{explained}");
    assert!(stdout(&plugline(&["conformance", "explain", "CT-53"])).contains("MSG-38"));
}
