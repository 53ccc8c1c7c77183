//! A process that changes the store is killed, at each of its steps: the store is as before, or as after, and the next
//! change succeeds and cleans up.
//!
//! No hook of the store is needed: a step is told to whoever watches for a progress bar, and here whoever watches kills
//! the process that it is in. What this cannot show is what the disk has when the power goes.

use std::cell::LazyCell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use plugline_host::store::{Existing, InstallOptions, Source, Step, Store};
use rustix::process::{Signal, getpid, kill_process};
use semver::Version;

use super::pack::{Pack, Shop, directory, users};

/// What the process does, to which store, with which package, and before which step it dies.
const WORDS: &str = "PLUGLINE_TEST_KILL";

/// Run again by the tests below, with words in its environment, it is the process that dies.
#[test]
fn victim() {
    let Ok(words) = std::env::var(WORDS) else { return };
    let [action, store, package, step]: [String; 4] = serde_json::from_str(&words).unwrap();
    let store = Store::at(store).unwrap();
    let mut left: usize = step.parse().unwrap();
    let mut steps = Vec::new();
    let mut watch = |step: Step<'_>| {
        if left == 0 {
            kill_process(getpid(), Signal::KILL).unwrap();
            unreachable!("this process is dead");
        }
        left -= 1;
        steps.push(format!("{step:?}"));
    };
    let options = InstallOptions { existing: Existing::Replace, ..InstallOptions::default() };
    match action.as_str() {
        "install" => drop(store.install(&Source::Path(package.into()), &options, &mut watch).unwrap()),
        "remove" => drop(store.remove(&users(), None, &mut watch).unwrap()),
        "remove-current" => drop(store.remove(&users(), Some(&Version::new(2, 0, 0)), &mut watch).unwrap()),
        "rollback" => drop(store.rollback(&users(), &mut watch).unwrap()),
        other => panic!("{other}"),
    }
    // How far it came; the test wants to know that it was all the way.
    println!("steps: {}", steps.join(" "));
}

/// Whether the process came to its end before that step.
fn run(action: &str, store: &Store, package: &Path, step: usize) -> Option<String> {
    let words = [action, store.root().to_str().unwrap(), package.to_str().unwrap(), &step.to_string()];
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["store::kills::victim", "--exact", "--nocapture", "--test-threads=1"])
        .env(WORDS, serde_json::to_string(&words).unwrap())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Some(text.lines().find_map(|line| line.split_once("steps: ")).unwrap().1.to_owned());
    }
    assert_eq!(output.status.signal(), Some(9), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    None
}

/// The versions, the current one first; which files it has is verified.
fn state(store: &Store) -> Vec<String> {
    let listing = store.list().unwrap();
    assert!(listing.faults.is_empty(), "{:?}", listing.faults);
    let Some(plugin) = listing.plugins.first() else { return Vec::new() };
    for release in &plugin.releases {
        store.open(release).unwrap();
    }
    let mut state = vec![plugin.current().version.to_string()];
    state.extend(plugin.releases.iter().map(|it| format!("{} {}", it.version, it.hash)));
    state
}

/// Kills the process before its first step, its second, and so on until it comes to its end; which steps must be
/// among them.
fn at_every_step(action: &str, must: &[&str], prepare: impl Fn(&Shop)) {
    let begin = || {
        let shop = Shop::in_memory();
        let package = Pack::of("2.0.0", "new").write(&shop.at("new.tar.gz"));
        prepare(&shop);
        (shop, package)
    };
    let undisturbed = LazyCell::new(|| {
        let (shop, package) = begin();
        run(action, &shop.store, &package, usize::MAX).unwrap();
        state(&shop.store)
    });
    for step in 0.. {
        let (shop, package) = begin();
        let before = state(&shop.store);
        let end = run(action, &shop.store, &package, step);
        let after = state(&shop.store);
        if let Some(steps) = end {
            assert_ne!(after, before);
            for wanted in must {
                assert!(steps.contains(wanted), "{wanted} is no step of {steps}");
            }
            assert!(step >= must.len(), "{steps}");
            shop.assert_sound();
            return;
        }
        // Before or after, and nothing else.
        assert!(after == before || after == *undisturbed, "killed before step {step}: {after:?}");
        // The same again, and then something else.
        if after == before {
            run(action, &shop.store, &package, usize::MAX).unwrap();
        }
        shop.install(&directory(&shop.at("next"), "9.0.0", "")).unwrap();
        assert_eq!(shop.users().current().version, Version::new(9, 0, 0));
        shop.assert_sound();
    }
}

const INSTALL: [&str; 10] = [
    "Locked",
    "Staged",
    "Fetching",
    "Checked",
    "Unpacked { path: \"plugin.py\"",
    "Written",
    "Placed",
    "Recorded",
    "Switched",
    "path: \"data/deep/numbers.json\"",
];

#[test]
fn the_first_install() {
    at_every_step("install", &INSTALL, |_| {});
}

#[test]
fn an_upgrade() {
    at_every_step("install", &INSTALL, |shop| {
        shop.install(&directory(&shop.at("first"), "1.0.0", "")).unwrap();
    });
}

/// The version is there with other contents, and so is one that is replaced for good.
#[test]
fn a_replacement() {
    let must = [&INSTALL[..], &["Sweeping", "Discarded", "Deleted"]].concat();
    at_every_step("install", &must, |shop| {
        let options = InstallOptions { existing: Existing::Replace, ..InstallOptions::default() };
        for mark in ["one", "two"] {
            shop.install_with(&directory(&shop.at(mark), "2.0.0", mark), &options).unwrap();
        }
    });
}

#[test]
fn a_removal() {
    at_every_step("remove", &["Locked", "Switched", "Sweeping", "Discarded", "Deleted"], |shop| {
        for version in ["1.0.0", "2.0.0"] {
            shop.install(&directory(&shop.at(version), version, "")).unwrap();
        }
    });
}

#[test]
fn the_removal_of_a_version() {
    at_every_step("remove-current", &["Staged", "Recorded", "Switched", "Discarded", "Deleted"], |shop| {
        for version in ["1.0.0", "2.0.0"] {
            shop.install(&directory(&shop.at(version), version, "")).unwrap();
        }
    });
}

#[test]
fn a_rollback() {
    at_every_step("rollback", &["Locked", "Staged", "Recorded", "Switched"], |shop| {
        for version in ["1.0.0", "2.0.0"] {
            shop.install(&directory(&shop.at(version), version, "")).unwrap();
        }
    });
}

/// A release that was changed since, and is being mended, is broken or right, and can be mended again.
#[test]
fn a_mending() {
    for step in 0.. {
        let shop = Shop::in_memory();
        let package = Pack::of("2.0.0", "new").write(&shop.at("new.tar.gz"));
        let release = shop.install(&package).unwrap().plugin.current().clone();
        let words = release.directory.join("words.py");
        fs::set_permissions(&words, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&words, "changed").unwrap();
        let end = run("install", &shop.store, &package, step);
        let mended = shop.store.open(&release).is_ok();
        if let Some(steps) = end {
            assert!(mended && steps.contains("Discarded"), "{steps}");
            return;
        }
        assert!(shop.store.list().unwrap().faults.is_empty());
        run("install", &shop.store, &package, usize::MAX).unwrap();
        shop.store.open(&release).unwrap();
        shop.assert_sound();
    }
}
