//! The transcripts of `SPEC.md` and its minimal plugin, run for real.

use std::path::Path;
use std::process::Command;

#[test]
fn every_transcript_of_the_specification_holds() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec/run.py");
    let output = Command::new("python3").arg(script).output().expect("python3 is on PATH");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.trim_end().ends_with(" passed, 0 failed"), "{said}");
}

/// Requirement ids that the code and its documentation cite are in the specification.
#[test]
fn cited_requirements_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let specification = std::fs::read_to_string(root.join("protocol/SPEC.md")).unwrap();
    let mut cited = 0;
    for folder in ["protocol/src", "host/src", "sdk-rust/src"] {
        visit(&root.join(folder), &mut |path, text| {
            for (at, _) in text.match_indices('`') {
                let id: String = text[at + 1..].chars().take_while(|c| *c != '`').collect();
                let is_id = id.split_once('-').is_some_and(|(area, number)| {
                    ["FRAME", "JSON", "MSG", "ERR", "LIFE", "HOST", "CALL", "STREAM", "CONTRACT", "PKG"]
                        .contains(&area)
                        && number.parse::<u32>().is_ok()
                });
                if is_id {
                    cited += 1;
                    assert!(specification.contains(&format!("**{id}**")), "{}: {id}", path.display());
                }
            }
        });
    }
    assert!(cited >= 5, "only {cited} requirements are cited");
}

fn visit(folder: &Path, see: &mut dyn FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, see);
        } else {
            see(&path, &std::fs::read_to_string(&path).unwrap());
        }
    }
}
