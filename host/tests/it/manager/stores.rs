//! Plugins of the store: installed beside each other, chosen, taken back.

use std::io::Cursor;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use minisign::KeyPair;
use plugline_host::manager::Query;
use plugline_host::package::{PackageName, Sha256};
use plugline_host::store::{InstallOptions, Source, Store};
use plugline_host::{Decision, EventKind};

use super::*;

fn install(bench: &Bench, store: &Store, version: &str, more: &Value) {
    let at = format!("made/{version}");
    bench.package(&at, "users", version, more);
    store.install(&Source::Path(bench.at(&at)), &InstallOptions::default(), &mut |_| {}).unwrap();
}

fn open(bench: &Bench, store: &Store, settings: &str) -> Manager {
    bench.write("plugins.toml", settings);
    bench.builder().store(store.clone()).settings_file(bench.at("plugins.toml")).open().unwrap()
}

fn current(store: &Store) -> String {
    let plugin = store.plugin(&PackageName::new("users").unwrap()).unwrap().unwrap();
    plugin.current().version.to_string()
}

fn version(manager: &Manager, driver: &str) -> String {
    manager.client::<RepositoryClient>(driver).unwrap().about().unwrap().version
}

#[test]
fn the_newest_that_is_installed_is_used_until_it_is_rolled_back() {
    let bench = Bench::new();
    let store = Store::at(bench.at("store")).unwrap();
    install(&bench, &store, "1.0.0", &json!({}));
    install(&bench, &store, "2.0.0", &json!({}));
    let manager = open(&bench, &store, "");
    assert_eq!((version(&manager, "users"), version(&manager, "users@^1")), ("2.0.0".into(), "1.0.0".into()));
    stop(&manager);
    store.rollback(&PackageName::new("users").unwrap(), &mut |_| {}).unwrap();
    let manager = open(&bench, &store, "");
    assert_eq!(
        (version(&manager, "users"), version(&manager, "users@=2.0.0")),
        ("1.0.0".into(), "2.0.0".into())
    );
    stop(&manager);
}

#[test]
fn a_fresh_release_that_crashes_is_taken_back_in_the_store_too() {
    let bench = Bench::new();
    let store = Store::at(bench.at("store")).unwrap();
    install(&bench, &store, "1.0.0", &json!({}));
    install(&bench, &store, "2.0.0", &json!({"leave": 3}));
    let manager = open(
        &bench,
        &store,
        "[plugins.users]\nrestart = { backoff = \"1ms\", backoff_most = \"2ms\", crashes = 3 }",
    );
    let users: RepositoryClient = manager.client("users").unwrap();
    eventually("it is rolled back", || {
        let _lost = users.about();
        manager.events().try_iter().any(|event| matches!(event.kind, ManagerEventKind::RolledBack { .. }))
    });
    assert_eq!((users.about().unwrap().version.as_str(), current(&store)), ("1.0.0", "1.0.0".to_owned()));
    stop(&manager);
}

#[test]
fn what_is_installed_while_it_is_used_takes_over() {
    let bench = Bench::new();
    let store = Store::at(bench.at("store")).unwrap();
    install(&bench, &store, "1.0.0", &json!({}));
    let manager = open(&bench, &store, "[plugins.users]\nwatch = true");
    let users: RepositoryClient = manager.client("users").unwrap();
    assert_eq!(users.about().unwrap().version, "1.0.0");
    install(&bench, &store, "1.1.0", &json!({}));
    event(&manager, "it is reloaded", |event| {
        matches!(event.kind, ManagerEventKind::Reloaded { .. }).then_some(())
    });
    assert_eq!(users.about().unwrap().version, "1.1.0");
    stop(&manager);
}

#[test]
fn a_url_of_a_file_is_installed_and_run() {
    let bench = Bench::new();
    let store = Store::at(bench.at("store")).unwrap();
    bench.package("made", "users", "1.0.0", &json!({}));
    let driver = format!("file://{}", bench.at("made").display());
    let manager = open(&bench, &store, &format!("[plugins.users]\ndriver = {driver:?}"));
    assert_eq!((version(&manager, "users"), current(&store)), ("1.0.0".to_owned(), "1.0.0".to_owned()));
    // What runs is the copy.
    fs::remove_dir_all(bench.at("made")).unwrap();
    assert_eq!(version(&manager, "users"), "1.0.0");
    stop(&manager);
}

/// Packs `made` as an archive.
fn pack(bench: &Bench) -> PathBuf {
    let archive = bench.at("users.tar.gz");
    let mut tar = std::process::Command::new("tar");
    let packed = tar.arg("-czf").arg(&archive).arg("-C").arg(bench.at("made")).arg(".").status().unwrap();
    assert!(packed.success());
    archive
}

#[test]
fn an_archive_that_is_gone_is_found_in_the_store_however_it_is_named() {
    let bench = Bench::new();
    let store = Store::at(bench.at("store")).unwrap();
    bench.package("made", "users", "1.0.0", &json!({}));
    let archive = pack(&bench);
    let drivers = ["file:./users.tar.gz".to_owned(), format!("file://{}", archive.display())];
    for driver in &drivers {
        pack(&bench);
        for _ in 0..2 {
            let manager = open(&bench, &store, &format!("[plugins.users]\ndriver = {driver:?}"));
            assert_eq!(version(&manager, "users"), "1.0.0", "{driver}");
            stop(&manager);
            let _gone_the_second_time = fs::remove_file(&archive);
        }
    }
}

/// Also where nothing has to be fetched any more.
#[test]
fn what_was_installed_without_a_key_is_not_run_where_one_is_wanted() {
    let bench = Bench::new();
    let store = Store::at(bench.at("store")).unwrap();
    bench.package("made", "users", "1.0.0", &json!({}));
    let archive = pack(&bench);
    let bytes = fs::read(&archive).unwrap();
    let driver = format!("file://{}", archive.display());
    let [author, other] = [(); 2].map(|()| KeyPair::generate_unencrypted_keypair().unwrap());
    let run = |options: &InstallOptions| {
        let builder = bench.builder().store(store.clone()).install_options(options.clone());
        let manager = builder.open().unwrap();
        let client = manager.client::<RepositoryClient>(&driver);
        let ran = client.map(|it| it.about().unwrap().version).map_err(|fault| fault.to_string());
        stop(&manager);
        ran
    };
    let wanting = |pair: &KeyPair| InstallOptions {
        keys: vec![pair.pk.to_base64().parse().unwrap()],
        ..InstallOptions::default()
    };
    let hashing = |sha256| InstallOptions { sha256: Some(sha256), ..InstallOptions::default() };
    let any = InstallOptions::default();
    let gone = || fs::remove_file(&archive).unwrap();

    assert_eq!(run(&any), Ok("1.0.0".into()));
    gone();
    assert_eq!(run(&any), Ok("1.0.0".into()));
    assert_eq!(run(&hashing(Sha256::of(&bytes))), Ok("1.0.0".into()));
    let ran = bench.started();
    run(&hashing(Sha256::of(b""))).unwrap_err();
    run(&wanting(&author)).unwrap_err();
    assert_eq!(bench.started(), ran);

    // Looked at once, it stays known who signed it, whoever installs it after that.
    fs::write(&archive, &bytes).unwrap();
    let signature = minisign::sign(Some(&author.pk), &author.sk, Cursor::new(&bytes), None, None).unwrap();
    fs::write(bench.at("users.tar.gz.minisig"), signature.into_string()).unwrap();
    assert_eq!(run(&wanting(&author)), Ok("1.0.0".into()));
    assert_eq!(run(&any), Ok("1.0.0".into()));
    gone();
    assert_eq!(run(&wanting(&author)), Ok("1.0.0".into()));
    run(&wanting(&other)).unwrap_err();
}

/// However it was started, and no longer: a manager that starts one after another holds nothing of those that have ended.
#[test]
fn what_runs_keeps_its_files_and_what_has_ended_does_not() {
    let bench = Bench::new();
    let store = Store::at(bench.at("store")).unwrap();
    let manager = open(&bench, &store, "");
    let installed = || {
        install(&bench, &store, "1.0.0", &json!({}));
        manager.rescan();
    };
    let in_use = || store.remove(&PackageName::new("users").unwrap(), None, &mut |_| {}).unwrap().in_use;

    installed();
    let plugin = manager.start("users", |launch| launch).unwrap();
    assert_eq!(in_use(), 1);
    plugin.stop();
    installed();
    assert_eq!(in_use(), 0);

    installed();
    let launch = manager.launch("users").unwrap();
    assert_eq!(in_use(), 1);
    drop(launch);
    installed();
    assert_eq!(in_use(), 0);

    installed();
    let users: RepositoryClient = manager.client("users").unwrap();
    users.about().unwrap();
    assert_eq!(in_use(), 1);
    stop(&manager);
    installed();
    assert_eq!(in_use(), 0);
}

#[test]
fn a_crash_loop_of_what_a_file_says_is_not_begun_anew() {
    let bench = Bench::new();
    let store = Store::at(bench.at("store")).unwrap();
    bench.package("made", "users", "1.0.0", &json!({"leave": 3}));
    let made = bench.at("made");
    let driver = format!(
        "[plugins.users]\ndriver = \"file://{}\"\n\
         restart = {{ backoff = \"1ms\", backoff_most = \"2ms\", crashes = 3, rest = \"1h\" }}",
        made.display()
    );
    let manager = open(&bench, &store, &driver);
    let users: RepositoryClient = manager.client("users").unwrap();
    eventually("it loops", || {
        let _lost = users.about();
        manager.events().try_iter().any(|event| {
            let kind = event.kind;
            matches!(kind, ManagerEventKind::Plugin(EventKind::Supervision(Decision::CrashLoop { .. })))
        })
    });
    eventually("it was looked for something else", || rolling_back() == 0);
    let is_rollback = |event: ManagerEvent| matches!(event.kind, ManagerEventKind::RolledBack { .. });
    assert!(!manager.events().try_iter().any(is_rollback));
    assert_eq!(bench.started(), 3);
    stop(&manager);
}

/// How many threads look for something else than what crashes.
fn rolling_back() -> usize {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = threads.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
    names.filter(|name| name.starts_with("plugline-rollba")).count()
}

#[test]
fn of_two_hosts_that_find_a_release_crash_one_takes_it_back() {
    alone(
        "manager::stores::of_two_hosts_that_find_a_release_crash_one_takes_it_back",
        |command| command,
        || {
            let bench = Bench::new();
            let store = Store::at(bench.at("store")).unwrap();
            install(&bench, &store, "1.0.0", &json!({}));
            install(&bench, &store, "2.0.0", &json!({"leave": 3}));
            let settings =
                "[plugins.users]\nrestart = { backoff = \"1ms\", backoff_most = \"2ms\", crashes = 3 }";
            let managers = [open(&bench, &store, settings), open(&bench, &store, settings)];
            // Somebody changes the store meanwhile.
            let lock = fs::File::open(bench.at("store/lock")).unwrap();
            rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
            let all: Vec<RepositoryClient> =
                managers.iter().map(|manager| manager.client("users").unwrap()).collect();
            eventually("both are about to take it back", || {
                all.iter().for_each(|users| drop(users.about()));
                rolling_back() == 2
            });
            // Long enough to have looked what is current, and to wait for the lock.
            std::thread::sleep(crate::support::SHORT);
            drop(lock);
            for manager in &managers {
                event(manager, "another takes over", |event| {
                    matches!(event.kind, ManagerEventKind::RolledBack { .. }).then_some(())
                });
            }
            assert_eq!(current(&store), "1.0.0");
            managers.iter().for_each(stop);
        },
    );
}

/// A pipe, which is read as a file: who reads it waits.
fn make_pipe(at: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(at).status().unwrap().success());
}

/// Once somebody reads the pipe: what they wait for, and no longer where it is dropped.
fn awaited(pipe: &Path) -> fs::File {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut found = None;
    eventually("somebody reads it", || {
        if fs::metadata(pipe).is_ok_and(|there| there.file_type().is_fifo()) {
            found = fs::OpenOptions::new().write(true).custom_flags(flags).open(pipe).ok();
        }
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn a_store_that_is_made_later_is_looked_at() {
    let bench = Bench::new();
    bench.package("plugins/users", "users", "1.0.0", &json!({}));
    let manager = open(&bench, &Store::at(bench.at("later/store")).unwrap(), "[plugins.users]\nwatch = true");
    let users: RepositoryClient = manager.client("users").unwrap();
    assert_eq!(users.about().unwrap().version, "1.0.0");
    install(&bench, &Store::at(bench.at("later/store")).unwrap(), "1.1.0", &json!({}));
    event(&manager, "it is reloaded", |event| {
        matches!(event.kind, ManagerEventKind::Reloaded { .. }).then_some(())
    });
    assert_eq!(users.about().unwrap().version, "1.1.0");
    stop(&manager);
}

#[test]
fn who_looks_last_which_plugins_there_are_has_the_last_word() {
    let bench = Bench::new();
    let store = Store::at(bench.at("store")).unwrap();
    install(&bench, &store, "1.0.0", &json!({}));
    let manager = open(&bench, &store, "");
    let pipe = bench.at("store/names/slow.json");
    make_pipe(&pipe);
    std::thread::scope(|scope| {
        let earlier = scope.spawn(|| manager.rescan());
        // It has looked at the search paths, and comes to the store.
        let reads = awaited(&pipe);
        fs::remove_file(&pipe).unwrap();
        bench.package("plugins/new", "new", "1.0.0", &json!({}));
        let later = scope.spawn(|| manager.rescan());
        let began = Instant::now();
        while !later.is_finished() && began.elapsed() < crate::support::SHORT {
            std::thread::yield_now();
        }
        drop(reads);
        earlier.join().unwrap();
        later.join().unwrap();
    });
    assert_eq!(manager.find(&Query::name("new")).len(), 1);
}
