//! Newest first, older ones as fallback, and what is no reason to fall back.

use plugline_host::{EventKind, Kind};

use super::*;

fn version(manager: &Manager, driver: &str) -> Result<String, RepositoryError> {
    manager.client::<RepositoryClient>(driver).unwrap().about().map(|about| about.version)
}

fn fell_back(event: &ManagerEvent) -> Option<(String, String, String)> {
    match &event.kind {
        ManagerEventKind::FellBack { from, to, why } => Some((from.clone(), to.clone(), why.clone())),
        _ => None,
    }
}

#[test]
fn the_newest_works_and_a_pin_holds() {
    let bench = Bench::new();
    for version in ["1.9.0", "1.10.0", "2.0.0"] {
        bench.package(&format!("plugins/u{version}"), "users", version, &json!({}));
    }
    let manager = bench.with_settings("[plugins.old]\ndriver = \"users\"\nversion = \"^1\"\n[plugins.pin]\ndriver = \"users\"\nversion = \"=1.9.0\"");
    for (driver, wanted) in
        [("users", "2.0.0"), ("old", "1.10.0"), ("pin", "1.9.0"), ("users@=1.10.0", "1.10.0")]
    {
        assert_eq!(version(&manager, driver).unwrap(), wanted, "{driver}");
    }
    // Side by side.
    assert_eq!(bench.started(), 4);
    stop(&manager);
}

#[test]
fn one_that_declines_and_one_that_does_not_start_give_way_to_older_ones() {
    let bench = Bench::new();
    bench.package("plugins/1", "users", "1.0.0", &json!({}));
    bench.package("plugins/2", "users", "2.0.0", &json!({"decline": "no GPU here"}));
    bench.package("plugins/3", "users", "3.0.0", &json!({}));
    bench.write("plugins/3/shelf.py", "raise SystemExit('no such module')");
    let manager = bench.manager();
    assert_eq!(version(&manager, "users").unwrap(), "1.0.0");
    let (from, to, why) = event(&manager, "the newest does not start", fell_back);
    assert!(from.starts_with("users 3.0.0") && to.starts_with("users 2.0.0"), "{from} {to}");
    assert!(why.ends_with("exited with status 1; its last words were: no such module"), "{why}");
    let (from, to, why) = event(&manager, "the next declines", fell_back);
    assert!(from.starts_with("users 2.0.0") && to.starts_with("users 1.0.0"), "{from} {to}");
    assert!(why.contains("declined"), "{why}");
    stop(&manager);
}

#[test]
fn where_none_works_each_is_named_with_its_reason_and_not_tried_at_once_again() {
    let bench = Bench::new();
    bench.package("plugins/1", "users", "1.0.0", &json!({"decline": "too old"}));
    bench.package("plugins/2", "users", "2.0.0", &json!({"decline": "too new"}));
    let manager = bench.manager();
    let fault = version(&manager, "users").unwrap_err();
    let RepositoryError::Call(failed) = fault else { panic!("{fault}") };
    assert_eq!(failed.kind(), Kind::Declined);
    let said = failed.to_string();
    assert!(said.starts_with("no version of users works; users 2.0.0 in "), "{said}");
    assert!(said.contains("; users 1.0.0 in "), "{said}");
    let before = bench.started();
    for _ in 0..100 {
        version(&manager, "users").unwrap_err();
    }
    // Far less often than it was asked.
    assert!(bench.started() <= before + 20, "{}", bench.started());
    stop(&manager);
}

#[test]
fn a_config_that_is_wrong_is_no_reason_to_fall_back() {
    let bench = Bench::new();
    bench.package("plugins/1", "users", "1.0.0", &json!({}));
    bench.package("plugins/2", "users", "2.0.0", &json!({"refuse": "/token"}));
    let manager = bench.with_settings(
        "[plugins.schema]\ndriver = \"users\"\nconfig = { token = 7 }\n[plugins.plugin]\ndriver = \"users\"",
    );
    let mut kinds = Vec::new();
    for (driver, part, started) in [("schema", "/token", 0), ("plugin", "invalid config", 1)] {
        let RepositoryError::Call(failed) = version(&manager, driver).unwrap_err() else {
            panic!("{driver}")
        };
        kinds.push(failed.kind());
        assert!(failed.to_string().contains(part), "{failed}");
        assert_eq!(bench.started(), started, "{driver}");
    }
    assert_eq!(kinds, [Kind::InvalidConfig, Kind::InvalidConfig]);
    stop(&manager);
}

#[test]
fn one_that_lacks_a_method_of_the_contract_gives_way_to_one_that_has_all() {
    let bench = Bench::new();
    bench.package("plugins/1", "users", "1.0.0", &json!({}));
    bench.package("plugins/2", "users", "2.0.0", &json!({}));
    let manifest = bench.at("plugins/2/manifest.json");
    let mut document: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    document["methods"].as_array_mut().unwrap().retain(|method| method["name"] != "repository.about");
    fs::write(&manifest, document.to_string()).unwrap();
    let manager = bench.manager();
    assert_eq!(version(&manager, "users").unwrap(), "1.0.0");
    let (_, _, why) = event(&manager, "it lacks a method", fell_back);
    assert!(why.contains("it does not declare repository.about"), "{why}");
    // It was known without starting it.
    assert_eq!(bench.started(), 1);
    stop(&manager);
}

#[test]
fn one_that_crashes_again_and_again_gives_way_to_an_older_one() {
    let bench = Bench::new();
    bench.package("plugins/1", "users", "1.0.0", &json!({}));
    bench.package("plugins/2", "users", "2.0.0", &json!({"leave": 3}));
    let manager = bench.with_settings(
        "[plugins.users]\nrestart = { backoff = \"1ms\", backoff_most = \"2ms\", crashes = 3 }",
    );
    let users: RepositoryClient = manager.client("users").unwrap();
    // It shakes hands, so it is chosen; and ends each time that it is asked.
    let mut told = None;
    eventually("an older one takes over", || {
        let _lost = users.about();
        told = manager.events().try_iter().find_map(|event| match event.kind {
            ManagerEventKind::RolledBack { from, to, .. } => Some((from, to)),
            _ => None,
        });
        told.is_some()
    });
    let (from, to) = told.unwrap();
    assert!(from.starts_with("users 2.0.0") && to.starts_with("users 1.0.0"), "{from} {to}");
    // The same handle.
    assert_eq!(users.about().unwrap().version, "1.0.0");
    stop(&manager);
}

#[test]
fn what_a_plugin_tells_is_passed_on() {
    let bench = Bench::new();
    bench.package("plugins/1", "users", "1.0.0", &json!({}));
    let manager = bench.manager();
    let pid = manager.client::<RepositoryClient>("users").unwrap().about().unwrap().pid;
    let started = event(&manager, "it started", |event| match &event.kind {
        ManagerEventKind::Plugin(EventKind::Started { pid }) => Some((event.plugin.clone(), *pid)),
        _ => None,
    });
    assert_eq!(started, ("users".to_owned(), pid));
    stop(&manager);
}
