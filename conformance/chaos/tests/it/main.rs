//! That the checks bite: a run in which everything goes wrong that is to be found; and that the figures of the document are
//! those of its report.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use plugline_chaos::document;
use plugline_chaos::report::Report;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(directory: &Path, more: &[&str]) -> (Report, Option<i32>) {
    let file = directory.join("report.json");
    // Two plugins, none of which needs the Python SDK.
    let output = Command::new(env!("CARGO_BIN_EXE_plugline-chaos"))
        .args(["run", "--minutes", "0.05", "--plugins", "2", "--callers", "4", "--seed", "7", "--wait", "4"])
        .arg("--report")
        .arg(&file)
        .args(more)
        .output()
        .unwrap();
    let text = std::fs::read_to_string(&file);
    let text = text.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (serde_json::from_str(&text).unwrap(), output.status.code())
}

#[test]
fn whatever_goes_wrong_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let breaks = "lost,doubled,hung,unexplained,untold,wrong,mark,process,descriptor,thread,file,memory";
    let (report, code) = run(directory.path(), &["--chaos", "settings", "--break", breaks]);
    let found: BTreeSet<String> = report.faults.iter().map(|fault| fault.kind.to_string()).collect();
    assert_eq!(found, breaks.split(',').map(str::to_owned).collect());
    assert_eq!(code, Some(1));
    let said: Vec<&str> = report.faults.iter().map(|fault| &*fault.what).collect();
    for wanted in ["sleep 600", "thread \"left\"", "/left is left", "was handled 2 times", "for no reason"] {
        assert!(said.iter().any(|said| said.contains(wanted)), "{wanted}: {said:#?}");
    }
}

#[test]
fn the_figures_of_the_document_are_those_of_its_report() {
    let report = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("report.json")).unwrap();
    let report: Report = serde_json::from_str(&report).unwrap();
    let text = std::fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    assert_eq!(document::with_figures(&text, &report).unwrap(), text);
    assert_eq!(report.fault_count, 0);
}
