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

#[test]
fn cases_are_listed_and_explained() {
    let list = plugline(&["conformance", "list"]);
    assert_eq!(list.status.code(), Some(0));
    assert!(stdout(&list).contains("\nCX-01  MUST"), "{}", stdout(&list));
    let explained = stdout(&plugline(&["conformance", "explain", "CX-01"]));
    assert!(explained.contains("CALL-3") && explained.contains("steps:"), "{explained}");
    assert!(stdout(&plugline(&["conformance", "explain", "CT-53"])).contains("MSG-38"));
}
