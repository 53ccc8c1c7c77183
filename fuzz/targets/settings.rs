//! Text → `plugline.toml`, and `plugins.toml` with environment variables over it. What is wrong is said in words that are
//! safe to show; what is right stays within its package, and names something to start.
#![no_main]

use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;
use plugline_fuzz::assert_harmless;
use plugline_host::manager::Settings;
use plugline_host::package::{Package, Platform, Run};

fuzz_target!(|text: &str| {
    check_package(text);
    check_settings(text);
});

fn check_package(text: &str) {
    let package = match Package::parse(text, Path::new("p/plugline.toml")) {
        Ok(package) => package,
        Err(fault) => {
            let said = fault.to_string();
            assert_harmless(&said);
            assert!(said.starts_with("p/plugline.toml"), "{said}");
            return;
        }
    };
    let root = Path::new("/package");
    if let Some(manifest) = &package.manifest {
        assert_within(root, &manifest.within(root));
    }
    match &package.run {
        Run::Command(words) => assert!(words.first().is_some_and(|word| !word.is_empty())),
        Run::Artifacts(artifacts) => {
            assert!(!artifacts.is_empty());
            for artifact in artifacts {
                assert_within(root, &artifact.path.within(root));
                package.program(artifact.platform).expect("it was declared");
            }
        }
    }
    if let Some(here) = Platform::here()
        && let Ok(program) = package.program(here)
        && let Some(inner) = program.inner()
    {
        assert_within(root, &program.path(root));
        assert_within(root, &inner.within(root));
    }
}

fn assert_within(root: &Path, path: &Path) {
    let inner = path.strip_prefix(root).unwrap_or_else(|_| panic!("{path:?} is outside"));
    assert!(inner.components().all(|part| matches!(part, Component::Normal(_))), "{path:?} leads elsewhere");
}

fn check_settings(text: &str) {
    let file = Path::new("plugins.toml");
    // The file, and below a line of its own the variables over it.
    let (text, variables) = text.split_once("\n===\n").unwrap_or((text, ""));
    let variables = variables.lines().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        Some((format!("PLUGLINE_PLUGINS__{name}"), value.to_owned()))
    });
    for read in [Settings::parse(text, file), Settings::overridden(text, file, variables)] {
        match read {
            Ok(settings) => assert_eq!(settings, settings.clone()),
            Err(fault) => assert_harmless(&fault.to_string()),
        }
    }
}
