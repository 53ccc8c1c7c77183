//! What a driver means: a built-in, a plugin that was found, a path; and what is said where it means nothing.

use std::os::unix::fs::symlink;

use plugline_host::Kind;
use plugline_host::manager::{Candidate, ManagerError, Prefer, Query};
use serde_json::json;

use super::*;

const COMPONENTS: &str = "components = { \"example.org/ocm\" = \"1.0.0\" }";

/// Asks the same of whatever the word means.
fn same(repository: &dyn Repository) {
    let wanted = Component { component: "example.org/ocm".into(), version: "1.0.0".into() };
    assert_eq!(repository.lookup("example.org/ocm").unwrap(), wanted);
    assert!(matches!(repository.lookup("other"), Err(RepositoryError::NotFound)));
}

#[test]
fn a_word_means_the_built_in_or_the_plugin_and_both_do_the_same() {
    let bench = Bench::new();
    bench.package("plugins/json", "json", "1.2.0", &json!({}));
    bench.write("plugins.toml", format!("[plugins.json]\nconfig = {{ {COMPONENTS} }}"));
    let open = |prefer| {
        let builder = bench.builder().settings_file(bench.at("plugins.toml"));
        builder.builtin("json", RepositoryContract, here).prefer(prefer).open().unwrap()
    };
    let mut pids = Vec::new();
    for prefer in [Prefer::Builtin, Prefer::Plugin] {
        let manager = open(prefer);
        let repository: RepositoryClient = manager.client("json").unwrap();
        same(&repository);
        pids.push(repository.about().unwrap().pid);
        stop(&manager);
    }
    assert_eq!((pids[0], bench.processes.ids()), (std::process::id(), vec![pids[1]]));
}

#[test]
fn a_built_in_is_made_once_and_refuses_a_config_that_is_not_its() {
    let bench = Bench::new();
    let manager = bench
        .with_settings("[plugins.here]\n[plugins.wrong]\ndriver = \"here\"\nconfig = { components = 7 }");
    stop(&manager);
    let manager = bench
        .builder()
        .settings_file(bench.at("plugins.toml"))
        .builtin("here", RepositoryContract, here)
        .open()
        .unwrap();
    manager.client::<RepositoryClient>("here").unwrap();
    let fault = manager.client::<RepositoryClient>("wrong").unwrap_err();
    let said = "the built-in here: its config at components: invalid type: integer, expected a map";
    assert_eq!(fault.to_string(), said);
    let fault = manager.plugin("here").unwrap_err();
    assert!(fault.to_string().contains("it is called through the client of its contract"), "{fault}");
    assert_eq!(bench.started(), 0);
}

#[test]
fn a_path_is_a_program_without_source_or_a_package() {
    let bench = Bench::new();
    let program = bench.program("bin/shelf", "closed", "3.0.0");
    bench.package("package", "open", "4.0.0", &json!({}));
    let manager = bench.manager();
    for (driver, version) in [(program, "3.0.0"), (bench.at("package"), "4.0.0")] {
        let repository: RepositoryClient = manager.client(driver.to_str().unwrap()).unwrap();
        assert_eq!(repository.about().unwrap().version, version);
    }
    assert_eq!(bench.started(), 2);
    stop(&manager);
}

/// A pipe that nobody writes to, and a device that has no end.
#[test]
fn what_is_no_file_in_a_package_keeps_nobody_waiting() {
    let bench = Bench::new();
    let pipe = |at: &str| {
        assert!(std::process::Command::new("mkfifo").arg(bench.at(at)).status().unwrap().success());
    };
    for (name, more) in [
        ("manifest", "command = [\"sh\"]\nmanifest = \"pipe\""),
        ("program", "command = [\"./zeros\"]"),
        ("script", "command = [\"sh\", \"zeros\"]"),
        ("sources", "command = [\"./made\"]\n[build]\ncommand = [\"true\"]\nwatch = [\"links\"]"),
    ] {
        bench.write(&format!("{name}/plugline.toml"), format!("name = \"p\"\nversion = \"1.0.0\"\n{more}\n"));
        pipe(&format!("{name}/pipe"));
        fs::create_dir(bench.at(&format!("{name}/links"))).unwrap();
        for (target, link) in
            [("/dev/zero", "zeros"), ("/dev/zero", "links/zeros"), ("../pipe", "links/pipe")]
        {
            symlink(target, bench.at(&format!("{name}/{link}"))).unwrap();
        }
    }
    fs::create_dir(bench.at("head")).unwrap();
    pipe("head/plugline.toml");
    let manager = bench.with_settings("[defaults]\ntimeouts = { start = \"2s\" }");
    let names = ["manifest", "program", "script", "sources", "head"];
    let (done, heard) = crossbeam_channel::unbounded();
    for name in names {
        let (manager, done) = (manager.clone(), done.clone());
        let driver = bench.at(name).to_str().unwrap().to_owned();
        // Not waited for: where it does not end, that is what is wrong.
        std::thread::spawn(move || {
            let plugin = manager.plugin(&driver).map_err(|fault| fault.to_string());
            let answer = plugin.and_then(|plugin| {
                plugin.call::<Value>("repository.about", &json!({})).map_err(|fault| fault.to_string())
            });
            let _nobody_listens = done.send((name, answer.unwrap_err()));
        });
    }
    let mut said = BTreeMap::new();
    while said.len() < names.len() {
        let (name, fault) = heard.recv_timeout(PATIENCE).expect("each of them is refused");
        said.insert(name, fault);
    }
    assert!(said["manifest"].contains("/pipe: it is no plain file"), "{said:?}");
    assert!(said["sources"].contains("true did not make"), "{said:?}");
    stop(&manager);
}

#[test]
fn types_are_found_without_anything_being_started() {
    let bench = Bench::new();
    bench.package_of("plugins/ocm", "ocm", "1.0.0", &["oci", "ctf"], &json!({}));
    bench.package_of("plugins/s3", "s3", "1.0.0", &["s3"], &json!({}));
    let manager = bench.builder().builtin("memory", RepositoryContract, here).open().unwrap();
    let names =
        |query: &Query| -> Vec<String> { manager.find(query).into_iter().map(|found| found.name).collect() };
    assert_eq!(names(&Query::contract("repository")), ["ocm", "s3"]);
    assert_eq!(names(&Query::contract("repository").of_type("ctf")), ["ocm"]);
    assert_eq!(
        names(&Query::contract("repository").contract_version("^2".parse().unwrap())),
        [] as [&str; 0]
    );
    let clients = ["oci", "ctf", "s3", "memory"]
        .map(|of_type| manager.client_for_type::<RepositoryClient>(of_type).unwrap());
    let fault = manager.client_for_type::<RepositoryClient>("zip").unwrap_err().to_string();
    assert!(fault.contains("a plugin that declares repository for zip: not in "), "{fault}");
    assert_eq!(bench.started(), 0);
    let notes = clients.map(|client| client.about().unwrap().note);
    assert_eq!(notes, ["as it was", "as it was", "as it was", "built in"]);
    stop(&manager);
}

#[test]
fn what_means_nothing_is_told_with_all_that_was_tried() {
    let bench = Bench::new();
    bench.package("plugins/users", "users", "1.0.0", &json!({}));
    bench.write("plugins/broken/plugline.toml", "name = ");
    let manager = bench.builder().builtin("memory", RepositoryContract, here).open().unwrap();
    let plugins = bench.at("plugins").display().to_string();
    for (driver, parts) in [
        (
            "json",
            vec![
                "there is no plugin \"json\": tried a built-in: this host has memory".to_owned(),
                format!("the plugin json: not in {plugins} (of what is there, 1 cannot be used)"),
            ],
        ),
        ("users@^2", vec![format!("users 1.0.0 in {plugins}/users: ^2 is wanted")]),
        ("./no/such", vec!["the path ./no/such: no such file".to_owned()]),
        ("memory@1", vec!["memory has no version, and one is wanted".to_owned()]),
        (
            "http://example.org/x.tgz",
            vec!["the URL http://example.org/x.tgz: what comes that way can be changed".to_owned()],
        ),
        (
            "https://example.org/x.tgz",
            vec!["what is fetched is kept in the store, and there is none".to_owned()],
        ),
        ("example.org/a/b", vec!["what is fetched is kept in the store".to_owned()]),
        (&plugins, vec!["a directory without a plugline.toml".to_owned()]),
    ] {
        let fault = manager.client::<RepositoryClient>(driver).unwrap_err();
        assert_eq!(fault.kind(), Kind::NotFound, "{driver}");
        assert!(matches!(fault, ManagerError::NotFound { .. }));
        for part in parts {
            assert!(fault.to_string().contains(&part), "{driver}: {part}: {fault}");
        }
    }
    let broken: Vec<String> = manager.broken().iter().map(ToString::to_string).collect();
    assert!(broken.len() == 1 && broken[0].contains("broken/plugline.toml"), "{broken:?}");
    assert_eq!(bench.started(), 0);
}

#[test]
fn which_says_what_is_tried_and_what_is_passed_over() {
    let bench = Bench::new();
    for version in ["1.9.0", "1.10.0", "2.0.0-rc.1"] {
        bench.package(&format!("plugins/users-{version}"), "users", version, &json!({}));
    }
    bench.package("plugins/z-again", "users", "1.10.0", &json!({}));
    let manager = bench.manager();
    let resolution = manager.which("users").unwrap();
    let versions: Vec<String> = resolution
        .candidates
        .iter()
        .map(|candidate| match candidate {
            Candidate::Found(found) => found.version.to_string(),
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(versions, ["1.10.0", "1.9.0"]);
    let passed: Vec<String> = resolution.passed_over.iter().map(|tried| tried.why.clone()).collect();
    let wanted = [
        "this host has none",
        "it is no release; name it to have it: NAME@=VERSION",
        "the same version stands earlier in the search paths",
    ];
    assert_eq!(passed, wanted);
    assert_eq!(manager.which("users@=2.0.0-rc.1").unwrap().candidates.len(), 1);
    let refusing = bench.with_settings("conflict = \"refuse\"");
    let fault = refusing.which("users").unwrap_err();
    assert!(matches!(fault, ManagerError::Ambiguous { .. }), "{fault}");
    assert!(fault.to_string().contains("z-again"), "{fault}");
}
