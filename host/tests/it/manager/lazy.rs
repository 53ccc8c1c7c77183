//! Nothing is started before it is called, and then once.

use std::sync::Barrier;
use std::thread;

use plugline_host::Kind;
use plugline_host::manager::Query;

use super::*;

#[test]
fn of_two_hundred_plugins_those_that_are_used_are_started() {
    let bench = Bench::new();
    for number in 0..200 {
        bench.package(&format!("plugins/p{number}"), &format!("p{number}"), "1.0.0", &json!({}));
    }
    let cold = Instant::now();
    drop(bench.manager());
    let cold = cold.elapsed();
    let warm = Instant::now();
    let manager = bench.manager();
    let warm = warm.elapsed();
    // What it takes is for `cargo test -- --nocapture`; that nothing is parsed again is for certain.
    eprintln!("a manager of 200 plugins opens in {cold:?} with a cold cache, {warm:?} with a warm one");
    assert_eq!(manager.rescan().parsed, 0);
    assert_eq!(manager.find(&Query::all()).len(), 200);
    let clients: Vec<RepositoryClient> =
        (0..200).map(|number| manager.client(&format!("p{number}")).unwrap()).collect();
    assert_eq!(bench.started(), 0);
    for number in [3, 77, 199] {
        clients[number].about().unwrap();
    }
    assert_eq!(bench.started(), 3);
    stop(&manager);
}

#[test]
fn many_threads_that_ask_first_start_one_process() {
    let bench = Bench::new();
    bench.package("plugins/users", "users", "1.0.0", &json!({}));
    let manager = bench.manager();
    let barrier = Barrier::new(16);
    let pids: Vec<u32> = thread::scope(|scope| {
        let ask = || {
            let users: RepositoryClient = manager.client("users").unwrap();
            barrier.wait();
            users.about().unwrap().pid
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
    assert_eq!(bench.started(), 1);
    stop(&manager);
}

#[test]
fn a_caller_waits_no_longer_than_it_would_and_the_start_goes_on() {
    let bench = Bench::new();
    bench.package("plugins/users", "users", "1.0.0", &json!({}));
    let wait = bench.at("go");
    let script = format!("import os, time\nwhile not os.path.exists({:?}): time.sleep(0.01)\n", wait);
    bench.write(
        "plugins/users/shelf.py",
        script + include_str!("shelf.py").split_once("from __future__ import annotations").unwrap().1,
    );
    let manager = bench.with_settings("[plugins.users.timeouts]\ncall = \"100ms\"");
    let users: RepositoryClient = manager.client("users").unwrap();
    let RepositoryError::Call(failed) = users.about().unwrap_err() else { panic!() };
    assert_eq!(failed.kind(), Kind::Timeout);
    assert!(failed.to_string().contains("users is not ready after"), "{failed}");
    let plugin = manager.plugin("users").unwrap();
    // The same for a call by the name of its method.
    let failed = plugin.call::<Value>("repository.about", &json!({})).unwrap_err();
    assert!(failed.to_string().contains("users is not ready after"), "{failed}");
    fs::write(wait, "").unwrap();
    plugin.supervised().unwrap();
    eventually("it answers", || users.about().is_ok());
    assert_eq!(bench.started(), 1);
    stop(&manager);
}

#[test]
fn a_call_that_waited_for_the_start_has_what_is_left_of_its_time() {
    /// No less than anything but the start takes, so that time that is counted anew is seen.
    const WAITS: Duration = Duration::from_millis(500);
    const TIME: Duration = Duration::from_secs(15);
    let bench = Bench::new();
    let go = bench.at("go");
    bench.package("plugins/users", "users", "1.0.0", &json!({"wait": go, "left": true}));
    let settings = "[plugins.users.timeouts]\ncall = \"15s\"";
    let typed = |manager: &Manager| {
        let users: RepositoryClient = manager.client("users").unwrap();
        users.about().unwrap().note
    };
    let named = |manager: &Manager| {
        let plugin = manager.plugin("users").unwrap();
        plugin.call::<About>("repository.about", &json!({})).unwrap().note
    };
    let ways: [&(dyn Fn(&Manager) -> String + Sync); 2] = [&typed, &named];
    for (way, ask) in ways.into_iter().enumerate() {
        let manager = bench.with_settings(settings);
        thread::scope(|scope| {
            let call = scope.spawn(|| ask(&manager));
            eventually("it starts", || bench.started() == way + 1);
            let asked = Instant::now();
            thread::sleep(WAITS);
            let waited = asked.elapsed();
            fs::write(&go, "").unwrap();
            let left = Duration::from_millis(call.join().unwrap().parse().unwrap());
            assert!(left <= TIME - waited, "{left:?} after {waited:?}");
        });
        stop(&manager);
        fs::remove_file(&go).unwrap();
    }
}

#[test]
fn after_all_was_stopped_nothing_starts() {
    let bench = Bench::new();
    bench.package("plugins/users", "users", "1.0.0", &json!({}));
    bench.package("plugins/other", "other", "1.0.0", &json!({}));
    let manager = bench.manager();
    let users: RepositoryClient = manager.client("users").unwrap();
    let other: RepositoryClient = manager.client("other").unwrap();
    users.about().unwrap();
    let stopped = manager.stop_all(PATIENCE);
    assert_eq!(
        stopped.iter().map(|(name, how)| (name.as_str(), how.len())).collect::<Vec<_>>(),
        [("users", 1)]
    );
    bench.processes.assert_gone();
    for client in [&users, &other] {
        let RepositoryError::Call(failed) = client.about().unwrap_err() else { panic!() };
        assert_eq!(failed.kind(), Kind::Closed, "{failed}");
    }
    assert!(manager.client::<RepositoryClient>("users").is_err());
    assert_eq!(bench.started(), 1);
}

#[test]
fn a_pool_of_several_and_an_idle_stop_are_settings() {
    let bench = Bench::new();
    bench.package("plugins/users", "users", "1.0.0", &json!({}));
    let manager = bench.with_settings("[plugins.users]\npool = 3");
    let users: RepositoryClient = manager.client("users").unwrap();
    users.about().unwrap();
    crate::support::eventually("three serve", || bench.started() == 3);
    stop(&manager);
    let manager = bench.with_settings("[plugins.users]\nidle = \"50ms\"");
    let users: RepositoryClient = manager.client("users").unwrap();
    let first = users.about().unwrap().pid;
    crate::support::eventually("it is stopped", || crate::support::is_gone(first));
    assert_ne!(users.about().unwrap().pid, first);
    stop(&manager);
}

/// A host may make a client for each thing that it does.
#[test]
fn clients_that_are_gone_hold_nothing() {
    const MANY: usize = 2_000;
    const MOST: u64 = 4 * 1024; // KiB; each of those that stayed would hold a document
    alone(
        "manager::lazy::clients_that_are_gone_hold_nothing",
        |command| command,
        || {
            let bench = Bench::new();
            bench.package("plugins/users", "users", "1.0.0", &json!({}));
            let manager = bench.manager();
            let make = |count: usize| {
                for _ in 0..count {
                    drop(manager.client::<RepositoryClient>("users").unwrap());
                }
            };
            manager.client::<RepositoryClient>("users").unwrap().about().unwrap();
            make(MANY / 10);
            let before = status("VmRSS");
            make(MANY);
            let grown = status("VmRSS").saturating_sub(before);
            assert!(grown < MOST, "{grown} KiB");
            stop(&manager);
        },
    );
}

/// What the plugin does not have.
#[contract(name = "shop", version = "1.0.0")]
trait Shop: Send + Sync {
    /// Sells a component.
    fn sell(&self, component: &str) -> Result<u64, CallFailed>;
}

#[test]
fn a_client_that_is_made_while_a_plugin_starts_is_relied_on() {
    let bench = Bench::new();
    let go = bench.at("go");
    bench.package("users", "users", "1.0.0", &json!({"wait": go}));
    // Without a manifest it is not known what it has before it runs.
    let package = fs::read_to_string(bench.at("users/plugline.toml")).unwrap();
    bench.write("users/plugline.toml", package.replace("manifest = \"manifest.json\"\n", ""));
    let manager = bench.manager();
    let driver = bench.at("users").to_str().unwrap().to_owned();
    let users: RepositoryClient = manager.client(&driver).unwrap();
    thread::scope(|scope| {
        let call = scope.spawn(|| users.about());
        eventually("it starts", || bench.started() == 1);
        let shop: ShopClient = manager.client(&driver).unwrap();
        fs::write(&go, "").unwrap();
        assert_eq!(shop.sell("bolt").unwrap_err().kind(), Kind::Unsupported);
        // As if the other client had been made before.
        let Err(RepositoryError::Call(failed)) = call.join().unwrap() else { panic!("it serves") };
        assert_eq!(failed.kind(), Kind::Unsupported);
    });
    stop(&manager);
}

#[test]
fn what_has_started_and_does_not_serve_yet_is_stopped_with_the_rest() {
    let bench = Bench::new();
    bench.package("plugins/users", "users", "1.0.0", &json!({}));
    // It takes a while to read: once before it starts, and once more before it serves.
    let big = bench.at("plugins/users/big");
    fs::File::create(&big).unwrap().set_len(128 << 20).unwrap();
    let package = fs::read_to_string(bench.at("plugins/users/plugline.toml")).unwrap();
    bench.write("plugins/users/plugline.toml", package.replace("\"shelf.py\"", "\"shelf.py\",\"big\""));
    let manager = bench.with_settings("[defaults]\nwatch = true\n");
    let users: RepositoryClient = manager.client("users").unwrap();
    thread::scope(|scope| {
        let call = scope.spawn(|| users.about());
        eventually("it has started, and is read again", || {
            let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
            bench.started() == 1 && open.flat_map(|file| fs::read_link(file.path())).any(|file| file == big)
        });
        manager.stop_all(crate::support::SHORT);
        assert!(crate::support::is_gone(bench.processes.ids()[0]), "all are stopped, and it lives");
        assert!(call.join().unwrap().is_err());
    });
}
