//! The cases fit their schema, cite what exists, and leave no MUST out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use plugline_conformance::contract::GENERATED;
use plugline_conformance::library::Library;
use plugline_conformance::model::Side;
use plugline_conformance::mutants;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn case_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join("cases")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "yaml") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn every_case_fits_the_schema() {
    let schema: Value =
        serde_json::from_slice(&std::fs::read(root().join("cases/case.schema.json")).unwrap()).unwrap();
    let validator = jsonschema::draft7::new(&schema).unwrap();
    let files = case_files();
    for file in &files {
        let case: Value = serde_saphyr::from_str_with_options(
            &std::fs::read_to_string(file).unwrap(),
            serde_saphyr::options! { strict_booleans: true },
        )
        .unwrap_or_else(|fault| panic!("{}: {fault}", file.display()));
        let faults: Vec<String> = validator
            .iter_errors(&case)
            .map(|fault| format!("{}: {}", fault.instance_path(), fault.masked()))
            .collect();
        assert!(faults.is_empty(), "{}: {faults:#?}", file.display());
    }
    let library = Library::load().unwrap();
    assert_eq!(library.cases.len(), files.len());
    let variants = library.trials(Side::Plugin).len() + library.trials(Side::Host).len();
    assert!(variants >= 230, "{variants} variants");
}

/// `requirements/1.0.yaml` says what the specification says, and which cases count.
#[test]
fn the_requirements_are_those_of_the_specification() {
    let specification = std::fs::read_to_string(root().join("../protocol/SPEC.md")).unwrap();
    let library = Library::load().unwrap();
    let mut wanted = String::from(
        "# What counts for \"conformant, requirements 1.0\": made from protocol/SPEC.md and cases/ by\n\
         # `PLUGLINE_UPDATE=1 cargo test -p plugline-conformance` until 1.0 is released, and frozen from then on.\n\
         version: \"1.0\"\nrequirements:\n",
    );
    for line in specification.lines() {
        let Some(rest) = line.strip_prefix("- **") else { continue };
        let Some((id, rest)) = rest.split_once("** (") else { continue };
        let Some((binds, text)) = rest.split_once(") ") else { continue };
        // A requirement without any such word binds as much as one with MUST.
        let strength = match (text.contains("MUST"), text.contains("SHOULD"), text.contains("MAY")) {
            (false, true, _) => "should",
            (false, false, true) => "may",
            _ => "must",
        };
        let dagger = if binds.contains('†') { ", dagger: true" } else { "" };
        let binds = binds.trim_end_matches(['†', ' ']);
        writeln!(wanted, "  {id}: {{binds: {binds}, strength: {strength}{dagger}}}").unwrap();
    }
    wanted.push_str("cases:\n");
    let ids: BTreeSet<&str> = library
        .cases
        .values()
        .filter(|case| case.since == "1.0")
        .map(|case| case.id.as_str())
        .chain(GENERATED.iter().map(|(id, _, _)| *id))
        .collect();
    for id in ids {
        writeln!(wanted, "  - {id}").unwrap();
    }
    wanted.push_str("# What no run can judge, and why.\nbeyond:\n");
    for (id, why) in &library.requirements.beyond {
        writeln!(wanted, "  {id}: {}", Value::String(why.clone())).unwrap();
    }
    let file = root().join("requirements/1.0.yaml");
    if std::env::var_os("PLUGLINE_UPDATE").is_some() {
        std::fs::write(&file, &wanted).unwrap();
    }
    let same = std::fs::read_to_string(&file).unwrap() == wanted;
    assert!(same, "{} is not what it would be: PLUGLINE_UPDATE=1 writes it", file.display());
}

#[test]
fn every_case_cites_requirements_that_exist() {
    let library = Library::load().unwrap();
    for case in library.cases.values() {
        let own = case.variants.values().filter_map(|variant| variant.spec.as_ref()).flatten();
        for id in case.spec.iter().chain(own) {
            assert!(library.requirements.requirements.contains_key(id), "{}: {id}", case.id);
        }
    }
}

/// Every MUST has a case; what no run can judge says why.
#[test]
fn every_must_has_a_case() {
    let library = Library::load().unwrap();
    let mut cited: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for case in library.cases.values() {
        let own = case.variants.values().filter_map(|variant| variant.spec.as_ref()).flatten();
        for id in case.spec.iter().chain(own) {
            cited.entry(id).or_default().push(&case.id);
        }
    }
    for (case, _, spec) in GENERATED {
        cited.entry(spec).or_default().push(case);
    }
    let requirements = &library.requirements;
    let musts = requirements.requirements.iter().filter(|(_, requirement)| requirement.strength == "must");
    let bare: Vec<&str> = musts
        .map(|(id, _)| id.as_str())
        .filter(|id| !cited.contains_key(id) && !requirements.beyond.contains_key(*id))
        .collect();
    assert!(bare.is_empty(), "no case: {bare:?}");
    let both: Vec<&String> =
        requirements.beyond.keys().filter(|id| cited.contains_key(id.as_str())).collect();
    assert!(both.is_empty(), "they have cases, though none could judge them: {both:?}");
}

/// Every case of a MUST finds a mutant, every mutant is found by a case, and no case names one that is not there.
#[test]
fn cases_and_mutants_know_each_other() {
    let library = Library::load().unwrap();
    for side in [Side::Plugin, Side::Host] {
        let cases: Vec<_> = library.cases.values().filter(|case| case.side == side).collect();
        if cases.is_empty() {
            continue;
        }
        let mutants = mutants::list(side).unwrap();
        let names: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.name.as_str()).collect();
        let mut found = BTreeSet::new();
        for case in &cases {
            let own: Vec<&String> = case.variants.values().flat_map(|variant| &variant.kills).collect();
            assert!(!case.kills.is_empty() || !own.is_empty(), "{}: it kills nothing", case.id);
            for name in case.kills.iter().chain(own) {
                assert!(names.contains(name.as_str()), "{}: {name}: no such mutant", case.id);
                found.insert(name.as_str());
            }
        }
        let missed: Vec<&str> = mutants
            .iter()
            .filter(|mutant| !mutant.is_control() && !found.contains(mutant.name.as_str()))
            .map(|mutant| mutant.name.as_str())
            .collect();
        assert!(missed.is_empty(), "no case claims to find {missed:?}");
    }
}
