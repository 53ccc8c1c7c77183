//! Files change, and what is there now takes over: once for a burst, and only where it works.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use plugline_host::Kind;
use plugline_host::manager::Reload;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

use super::*;
use crate::support::is_gone;

const SOURCES: &str = "[plugins.users]\ndriver = \"./src/users\"";
const WATCHED: &str = "[defaults]\nwatch = true\n";

fn reloaded(event: &ManagerEvent) -> Option<String> {
    match &event.kind {
        ManagerEventKind::Reloaded { to } => Some(to.clone()),
        _ => None,
    }
}

fn rewrite(bench: &Bench, at: &str, note: &str) {
    let text = include_str!("shelf.py").replace("as it was", note);
    // As an editor does it: the whole file at once.
    bench.write(&format!("{at}/.new"), text);
    fs::rename(bench.at(&format!("{at}/.new")), bench.at(&format!("{at}/shelf.py"))).unwrap();
}

#[test]
fn a_change_takes_over_and_a_burst_is_one() {
    let bench = Bench::new();
    bench.package("plugins/users", "users", "1.0.0", &json!({}));
    let manager = bench.with_settings(WATCHED);
    let users: RepositoryClient = manager.client("users").unwrap();
    assert_eq!(users.about().unwrap().note, "as it was");
    for number in 0..50 {
        rewrite(&bench, "plugins/users", &format!("number {number}"));
    }
    event(&manager, "it was reloaded", reloaded);
    // Whatever came of the burst, what was written last serves in the end; and far fewer than fifty were started.
    crate::support::eventually("the last serves", || users.about().unwrap().note == "number 49");
    assert!(bench.started() <= 6, "{}", bench.started());
    stop(&manager);
}

#[test]
fn what_is_written_again_as_it_was_changes_nothing_and_what_is_broken_neither() {
    let bench = Bench::new();
    bench.package("plugins/users", "users", "1.0.0", &json!({}));
    let manager = bench.with_settings(WATCHED);
    let users: RepositoryClient = manager.client("users").unwrap();
    let pid = users.about().unwrap().pid;
    rewrite(&bench, "plugins/users", "as it was");
    bench.write("plugins/users/data.txt", "of no interest");
    bench.write("plugins/users/shelf.py", "raise SystemExit('spoilt')");
    let why = event(&manager, "it is told why not", |event| match &event.kind {
        ManagerEventKind::NotReloaded { why } => Some(why.clone()),
        ManagerEventKind::Reloaded { to } => panic!("{to}"),
        _ => None,
    });
    assert!(
        why.contains("exited with status 1; the old one serves on; its last words were: spoilt"),
        "{why}"
    );
    assert_eq!(users.about().unwrap().pid, pid);
    // Mended, it takes over.
    rewrite(&bench, "plugins/users", "mended");
    event(&manager, "it was reloaded", reloaded);
    assert_eq!(users.about().unwrap().note, "mended");
    stop(&manager);
}

#[test]
fn a_newer_version_that_turns_up_takes_over() {
    let bench = Bench::new();
    bench.package("plugins/users-1", "users", "1.0.0", &json!({}));
    let manager = bench.with_settings(WATCHED);
    let users: RepositoryClient = manager.client("users").unwrap();
    assert_eq!(users.about().unwrap().version, "1.0.0");
    bench.package("plugins/users-2", "users", "2.0.0", &json!({}));
    let to = event(&manager, "it was reloaded", reloaded);
    assert!(to.starts_with("users 2.0.0"), "{to}");
    assert_eq!(users.about().unwrap().version, "2.0.0");
    stop(&manager);
}

#[test]
fn a_source_directory_is_compiled_once_watched_and_reloaded() {
    let bench = Bench::new();
    bench.package("src/users", "users", "1.0.0", &json!({}));
    let source = |note: &str| include_str!("shelf.py").replace("as it was", note);
    bench.write("src/users/main.in", source("first"));
    bench.write("src/users/head.in", format!("#!{} -SB\n", python()));
    // A compiler of sorts: of two files it makes a program.
    let make = "set -e\necho made >> made\ngrep -q syntax-error main.in && { echo \"main.in:1: syntax error\" >&2; exit 1; }\n\
                cat head.in main.in > shelf.tmp\nsed -i \"s|Path(__file__).parent|Path('$PWD')|\" shelf.tmp\nchmod +x shelf.tmp\nmv shelf.tmp shelf\n";
    bench.write("src/users/make.sh", make);
    bench.write(
        "src/users/plugline.toml",
        "name = \"users\"\nversion = \"1.0.0\"\nmanifest = \"manifest.json\"\ncommand = [\"./shelf\"]\n\
         [build]\ncommand = [\"sh\", \"make.sh\"]\nwatch = [\"main.in\", \"head.in\", \"make.sh\"]\n",
    );
    let settings = "[plugins.users]\ndriver = \"./src/users\"\nwatch = true";
    let made = || fs::read_to_string(bench.at("src/users/made")).unwrap_or_default().lines().count();
    let manager = bench.with_settings(settings);
    let users: RepositoryClient = manager.client("users").unwrap();
    assert_eq!(made(), 0);
    assert_eq!(users.about().unwrap().note, "first");
    bench.write("src/users/main.in", "syntax-error");
    let why = event(&manager, "the build fails", |event| match &event.kind {
        ManagerEventKind::NotReloaded { why } => Some(why.clone()),
        _ => None,
    });
    assert!(why.contains("sh make.sh failed (exit status: 1):\nmain.in:1: syntax error"), "{why}");
    assert_eq!(users.about().unwrap().note, "first");
    bench.write("src/users/main.in", source("second"));
    event(&manager, "it was reloaded", reloaded);
    assert_eq!(users.about().unwrap().note, "second");
    stop(&manager);
    // Another host finds it built.
    let before = made();
    let manager = bench.with_settings(settings);
    let users: RepositoryClient = manager.client("users").unwrap();
    assert_eq!((users.about().unwrap().note.as_str(), made()), ("second", before));
    stop(&manager);
}

/// A package that is built by `make.sh`: of `main.in` it makes a program.
fn sources(bench: &Bench, make: &str) {
    bench.package("src/users", "users", "1.0.0", &json!({}));
    let shelf = include_str!("shelf.py");
    let shelf = shelf.replace("Path(__file__).parent", &format!("Path({:?})", bench.at("src/users")));
    bench.write("src/users/main.in", format!("#!{} -SB\n{shelf}", python()));
    bench.write("src/users/make.sh", make);
    bench.write(
        "src/users/plugline.toml",
        "name = \"users\"\nversion = \"1.0.0\"\nmanifest = \"manifest.json\"\ncommand = [\"./shelf\"]\n\
         [build]\ncommand = [\"sh\", \"make.sh\"]\nwatch = [\"main.in\", \"make.sh\"]\n",
    );
}

/// While others build newer ones, and each keeps a few.
#[test]
fn what_was_built_stays_while_it_may_be_started_again() {
    let bench = Bench::new();
    sources(&bench, "set -e\ncp main.in shelf.tmp\nchmod +x shelf.tmp\nmv shelf.tmp shelf\n");
    let settings =
        "[plugins.users]\ndriver = \"./src/users\"\nrestart = { backoff = \"1ms\", crashes = 100 }";
    let manager = bench.with_settings(settings);
    let users: RepositoryClient = manager.client("users").unwrap();
    let first = users.about().unwrap();
    let main = fs::read_to_string(bench.at("src/users/main.in")).unwrap();
    for number in 0..8 {
        bench.write("src/users/main.in", main.replace("as it was", &format!("number {number}")));
        let other = bench.with_settings(settings);
        let note = other.client::<RepositoryClient>("users").unwrap().about().unwrap().note;
        assert_eq!(note, format!("number {number}"));
        stop(&other);
    }
    kill_process(Pid::from_raw(first.pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
    let mut again = None;
    eventually("it is started again", || {
        again = users.about().ok();
        again.is_some()
    });
    let again = again.unwrap();
    assert_eq!(again.note, "as it was");
    assert_ne!(again.pid, first.pid);
    stop(&manager);
}

/// Where a build is to begin, for the test that runs itself again to be killed.
const KILLED: &str = "PLUGLINE_TEST_KILLED_BUILD";

/// The host that is killed while it builds.
fn build(root: &Path) {
    let builder = Manager::builder().environment([("", ""); 0]).without_store().cache(root.join("cache"));
    let manager = builder.settings_file(root.join("plugins.toml")).open().unwrap();
    let _never = manager.client::<RepositoryClient>("users").unwrap().about();
}

/// What ends that process, and all of its group, once the host is gone.
fn guard_of(leader: u32) -> Option<Pid> {
    let words = format!("\0plugline-guard\0{leader}\0");
    let ids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let mut guards = ids.filter(|id: &i32| {
        fs::read(format!("/proc/{id}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&words))
    });
    guards.next().and_then(Pid::from_raw)
}

/// Such a host, as a process, while it makes `src/users`; who makes it, as `builder` says; and its guard.
fn builds(bench: &Bench, test: &str) -> (Child, u32, Pid) {
    bench.write("plugins.toml", SOURCES);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&format!("manager::reload::{test}"), "--exact", "--test-threads=1"]);
    command.env(KILLED, bench.dir.path());
    let host = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let builder = bench.at("src/users/builder");
    eventually("it is being built", || builder.exists());
    let builder = fs::read_to_string(builder).unwrap().trim().parse().unwrap();
    let mut guard = None;
    eventually("it is guarded", || {
        guard = guard_of(builder);
        guard.is_some()
    });
    (host, builder, guard.unwrap())
}

#[test]
fn a_build_ends_with_its_host() {
    if let Some(root) = std::env::var_os(KILLED) {
        return build(Path::new(&root));
    }
    let bench = Bench::new();
    sources(&bench, "sleep 600 & echo $! > child\necho $$ > builder.tmp\nmv builder.tmp builder\nwait\n");
    let (mut host, builder, _) = builds(&bench, "a_build_ends_with_its_host");
    let child = fs::read_to_string(bench.at("src/users/child")).unwrap().trim().parse().unwrap();
    host.kill().unwrap();
    host.wait().unwrap();
    eventually("so are the build and its child", || is_gone(builder) && is_gone(child));
}

/// Where that did not happen, the next one waits for it: two builds in one directory would spoil each other.
#[test]
fn a_build_that_outlives_its_host_keeps_its_turn() {
    if let Some(root) = std::env::var_os(KILLED) {
        return build(Path::new(&root));
    }
    let bench = Bench::new();
    // Builds one after another say `in` and `out` in turn.
    let make = "set -e\necho in >> turns\necho $$ > builder.tmp\nmv builder.tmp builder\n\
                until [ -e go -o ! -e make.sh ]; do sleep 0.01; done\n\
                cp main.in shelf.tmp\nchmod +x shelf.tmp\nmv shelf.tmp shelf\necho out >> turns\n";
    sources(&bench, make);
    let turns = || fs::read_to_string(bench.at("src/users/turns")).unwrap_or_default();
    let (mut host, _, guard) = builds(&bench, "a_build_that_outlives_its_host_keeps_its_turn");
    kill_process(guard, Signal::KILL).unwrap();
    host.kill().unwrap();
    host.wait().unwrap();
    let place = fs::read_dir(bench.at("cache/builds")).unwrap().next().unwrap().unwrap().path();
    let lock = fs::File::open(place.join("lock")).unwrap();
    let taken = flock(&lock, FlockOperation::NonBlockingLockExclusive);
    assert_eq!(taken, Err(rustix::io::Errno::WOULDBLOCK));
    let manager = bench.with_settings(SOURCES);
    let users: RepositoryClient = manager.client("users").unwrap();
    let note = thread::scope(|scope| {
        let call = scope.spawn(|| users.about().map(|about| about.note));
        bench.write("src/users/go", "");
        call.join().unwrap()
    });
    assert_eq!(note.unwrap(), "as it was");
    assert_eq!(turns(), "in\nout\nin\nout\n");
    stop(&manager);
}

#[test]
fn a_build_ends_where_all_is_stopped() {
    let bench = Bench::new();
    bench.package("src/users", "users", "1.0.0", &json!({}));
    bench.write(
        "src/users/make.sh",
        "sleep 600 & echo $! > child\necho $$ > builder.tmp\nmv builder.tmp builder\nwait\n",
    );
    bench.write(
        "src/users/plugline.toml",
        "name = \"users\"\nversion = \"1.0.0\"\nmanifest = \"manifest.json\"\ncommand = [\"./shelf\"]\n\
         [build]\ncommand = [\"sh\", \"make.sh\"]\nwatch = [\"make.sh\"]\n",
    );
    let manager = bench.with_settings(SOURCES);
    let users: RepositoryClient = manager.client("users").unwrap();
    thread::scope(|scope| {
        let call = scope.spawn(|| users.about().unwrap_err());
        eventually("it is being built", || bench.at("src/users/builder").exists());
        stop(&manager);
        let process = |name: &str| fs::read_to_string(bench.at(name)).unwrap().trim().parse().unwrap();
        assert!(is_gone(process("src/users/builder")));
        // Killed with it, and reaped by whoever reaps orphans.
        eventually("its child is gone", || is_gone(process("src/users/child")));
        let RepositoryError::Call(failed) = call.join().unwrap() else { panic!() };
        assert_eq!(failed.kind(), Kind::Closed, "{failed}");
    });
}

#[test]
fn without_watching_a_host_reloads_when_it_likes() {
    let bench = Bench::new();
    bench.package("plugins/users", "users", "1.0.0", &json!({}));
    let manager = bench.manager();
    let plugin = manager.plugin("users").unwrap();
    assert_eq!(plugin.reload().unwrap(), Reload::Nothing);
    let first: About = plugin.call("repository.about", &json!({})).unwrap();
    assert_eq!(plugin.reload().unwrap(), Reload::Nothing);
    rewrite(&bench, "plugins/users", "changed");
    assert!(matches!(plugin.reload().unwrap(), Reload::Done { .. }));
    let second: About = plugin.call("repository.about", &json!({})).unwrap();
    assert_eq!((first.note.as_str(), second.note.as_str()), ("as it was", "changed"));
    stop(&manager);
}

#[test]
fn a_directory_in_the_place_of_another_is_watched_as_well() {
    let bench = Bench::new();
    bench.package("plugins/users", "users", "1.0.0", &json!({}));
    let manager = bench.with_settings(WATCHED);
    let users: RepositoryClient = manager.client("users").unwrap();
    users.about().unwrap();
    let fresh = |note: &str| {
        bench.package("fresh", "users", "1.0.0", &json!({}));
        rewrite(&bench, "fresh", note);
        fs::rename(bench.at("fresh"), bench.at("plugins/users")).unwrap();
    };
    fs::rename(bench.at("plugins/users"), bench.at("before")).unwrap();
    fresh("moved");
    eventually("it takes over", || users.about().unwrap().note == "moved");
    event(&manager, "it was reloaded", reloaded);
    rewrite(&bench, "plugins/users", "moved, and changed");
    event(&manager, "it was reloaded", reloaded);
    assert_eq!(users.about().unwrap().note, "moved, and changed");
    // And where there is nothing for a while.
    fs::remove_dir_all(bench.at("plugins/users")).unwrap();
    event(&manager, "it is told that it is gone", |event| {
        matches!(event.kind, ManagerEventKind::NotReloaded { .. }).then_some(())
    });
    fresh("made anew");
    event(&manager, "it was reloaded", reloaded);
    rewrite(&bench, "plugins/users", "made anew, and changed");
    event(&manager, "it was reloaded", reloaded);
    assert_eq!(users.about().unwrap().note, "made anew, and changed");
    stop(&manager);
}

#[test]
fn directories_that_are_new_among_the_sources_are_watched() {
    let bench = Bench::new();
    bench.package("src/users", "users", "1.0.0", &json!({}));
    let source = |note: &str| include_str!("shelf.py").replace("as it was", note);
    bench.write("src/users/main.in", source("first"));
    let make = format!(
        "set -e\n[ ! -e more/fault ]\n{{ echo '#!{} -SB'; cat main.in; }} > out/made\n\
         sed -i \"s|Path(__file__).parent|Path('$PWD')|\" out/made\nchmod +x out/made\n",
        python()
    );
    bench.write("src/users/make.sh", make);
    bench.write(
        "src/users/plugline.toml",
        "name = \"users\"\nversion = \"1.0.0\"\nmanifest = \"manifest.json\"\ncommand = [\"./out/made\"]\n\
         [build]\ncommand = [\"sh\", \"make.sh\"]\n",
    );
    fs::create_dir(bench.at("src/users/out")).unwrap();
    let manager = bench.with_settings("[plugins.users]\ndriver = \"./src/users\"\nwatch = true");
    let users: RepositoryClient = manager.client("users").unwrap();
    assert_eq!(users.about().unwrap().note, "first");
    // Whoever reloads looks once more after that.
    let is_over = || assert_eq!(manager.plugin("users").unwrap().reload().unwrap(), Reload::Nothing);
    // One in which there is nothing yet: what is changed after it shows that it was looked at.
    fs::create_dir(bench.at("src/users/empty")).unwrap();
    bench.write("src/users/main.in", source("second"));
    event(&manager, "it was reloaded", reloaded);
    is_over();
    bench.write("src/users/empty/file", "no longer");
    event(&manager, "it was reloaded", reloaded);
    is_over();
    // One that comes with a fault, which is mended there.
    bench.write("more/fault", "");
    fs::rename(bench.at("more"), bench.at("src/users/more")).unwrap();
    event(&manager, "it does not build", |event| {
        matches!(event.kind, ManagerEventKind::NotReloaded { .. }).then_some(())
    });
    is_over();
    fs::rename(bench.at("src/users/more/fault"), bench.at("src/users/more/mended")).unwrap();
    event(&manager, "it was reloaded", reloaded);
    stop(&manager);
}

#[test]
fn a_search_path_that_is_made_later_is_looked_at() {
    let bench = Bench::new();
    bench.package("plugins/users", "users", "1.0.0", &json!({}));
    let manager = bench.with_settings(&format!("search = [\"far/later\"]\n{WATCHED}"));
    let users: RepositoryClient = manager.client("users").unwrap();
    assert_eq!(users.about().unwrap().version, "1.0.0");
    bench.package("far/later/users", "users", "2.0.0", &json!({}));
    event(&manager, "it was reloaded", reloaded);
    assert_eq!(users.about().unwrap().version, "2.0.0");
    stop(&manager);
}

#[test]
fn a_search_path_may_be_relative() {
    alone(
        "manager::reload::a_search_path_may_be_relative",
        |command| command,
        || {
            let bench = Bench::new();
            std::env::set_current_dir(bench.dir.path()).unwrap();
            bench.write("plugins.toml", format!("search = [\"said\"]\n{WATCHED}"));
            let builder =
                Manager::builder().environment([("", ""); 0]).without_store().cache(bench.at("cache"));
            bench.package("said/users", "users", "1.0.0", &json!({}));
            fs::create_dir(bench.at("hosts")).unwrap();
            let manager = builder.settings_file("plugins.toml").search("hosts").open().unwrap();
            let users: RepositoryClient = manager.client("users").unwrap();
            users.about().unwrap();
            for (at, version) in [("said/newer", "1.1.0"), ("hosts/newest", "1.2.0")] {
                bench.package(at, "users", version, &json!({}));
                event(&manager, "it was reloaded", reloaded);
                assert_eq!(users.about().unwrap().version, version);
            }
            stop(&manager);
        },
    );
}
