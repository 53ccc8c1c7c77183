//! Packages from git, by the program of that name.
//!
//! `git+https:` is all that a user can write; here git is told, as its own configuration has it, to look for that
//! address in a directory of this machine. What is not tested is how git itself speaks https.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use plugline_host::store::{InstallOptions, Source, Store};

use super::pack::{Shop, directory};
use crate::support::{PATIENCE, SHORT, eventually, is_gone};

/// What the process does that has such an address: store, source, for how many milliseconds and how many bytes.
const WORDS: &str = "PLUGLINE_TEST_GIT";

/// Run again by the tests below, with words in its environment and a git that finds the address.
#[test]
fn installer() {
    let Ok(words) = std::env::var(WORDS) else { return };
    let [store, source, patience, bytes]: [String; 4] = serde_json::from_str(&words).unwrap();
    let source: Source = source.parse().unwrap();
    let mut options = InstallOptions::default();
    options.limits.fetch_time = Duration::from_millis(patience.parse().unwrap());
    options.limits.archive_bytes = bytes.parse().unwrap();
    match Store::at(store).unwrap().install(&source, &options, &mut |_| {}) {
        Ok(_) => println!("said: done"),
        Err(fault) => println!("said: {fault}"),
    }
}

fn git(at: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(at)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn repository(shop: &Shop) -> PathBuf {
    let at = directory(&shop.at("repository"), "1.0.0", "");
    git(&at, &["init", "--quiet"]);
    git(&at, &["add", "."]);
    git(&at, &["commit", "--quiet", "--message", "first"]);
    git(&at, &["tag", "v1"]);
    at
}

/// What is said of installing that, where `https://example.org/users` is that repository.
fn install(shop: &Shop, source: &str, environment: &[(&str, &str)]) -> String {
    install_within((PATIENCE, 1 << 30), shop, source, environment)
}

fn install_within(
    (patience, bytes): (Duration, u64),
    shop: &Shop,
    source: &str,
    environment: &[(&str, &str)],
) -> String {
    let (patience, bytes) = (patience.as_millis().to_string(), bytes.to_string());
    let words = [shop.store.root().to_str().unwrap(), source, &patience, &bytes];
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["store::repositories::installer", "--exact", "--nocapture", "--test-threads=1"])
        .env(WORDS, serde_json::to_string(&words).unwrap())
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", format!("url.{}.insteadOf", shop.at("repository").display()))
        .env("GIT_CONFIG_VALUE_0", "https://example.org/owner/users")
        .env("GIT_ALLOW_PROTOCOL", "file")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = text.lines().find_map(|line| Some(line.split_once("said: ")?.1));
    said.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr))).to_owned()
}

#[test]
fn a_commit_by_branch_tag_and_default() {
    let shop = Shop::new();
    let at = repository(&shop);
    let first = git(&at, &["rev-parse", "HEAD"]);
    assert_eq!(install(&shop, "git+https://example.org/owner/users", &[]), "done");
    let release = shop.users().current().clone();
    assert_eq!((release.version.to_string(), release.origin.commit), ("1.0.0".into(), Some(first.clone())));
    assert_eq!(release.origin.source, "git+https://example.org/owner/users");

    directory(&at, "2.0.0", "");
    git(&at, &["commit", "--quiet", "--all", "--message", "second"]);
    let second = git(&at, &["rev-parse", "HEAD"]);
    assert_eq!(install(&shop, "git+https://example.org/owner/users#main", &[]), "done");
    assert_eq!(shop.users().current().origin.commit, Some(second));
    assert_eq!(install(&shop, "example.org/owner/users#v1", &[]), "done");
    assert_eq!(shop.users().current().version.to_string(), "1.0.0");
    assert_eq!(install(&shop, &format!("git+https://example.org/owner/users#{first}"), &[]), "done");
    shop.assert_sound();
}

#[test]
fn what_git_says_is_said() {
    let shop = Shop::new();
    let at = repository(&shop);
    let said = install(&shop, "git+https://example.org/owner/users#nothing", &[]);
    assert!(said.starts_with("cannot fetch git+https://example.org/owner/users#nothing: git: "), "{said}");
    assert!(said.contains("couldn't find remote ref nothing"), "{said}");
    // Without the test's own leave only https is spoken, whatever an address turns out to be.
    let said = install(&shop, "git+https://example.org/owner/users", &[("GIT_ALLOW_PROTOCOL", "https")]);
    assert!(said.contains("transport 'file' not allowed"), "{said}");
    let said = install(&shop, "git+https://example.org/owner/users", &[("PATH", "/nonexistent")]);
    assert!(said.contains("the program git is not on this machine"), "{said}");
    // A commit with a link in it is refused as an archive would be.
    std::os::unix::fs::symlink("/etc", at.join("out")).unwrap();
    git(&at, &["add", "."]);
    git(&at, &["commit", "--quiet", "--message", "link"]);
    let said = install(&shop, "git+https://example.org/owner/users", &[]);
    assert!(said.starts_with("out: a link (to /etc)"), "{said}");
    assert!(shop.store.list().unwrap().plugins.is_empty());
    assert!(shop.names("staging").is_empty());
}

/// A program of that name, and the `PATH` by which it is found.
fn instead_of_git(shop: &Shop, script: &str) -> String {
    let bin = shop.at("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::write(bin.join("git"), format!("#!/bin/sh\n{script}")).unwrap();
    std::fs::set_permissions(bin.join("git"), std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}

#[test]
fn git_fetches_no_more_than_it_may() {
    let shop = Shop::new();
    let at = repository(&shop);
    // It does not compress.
    let mut random = vec![0; 64 * 1024];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut random).unwrap();
    std::fs::write(at.join("random"), random).unwrap();
    git(&at, &["add", "."]);
    git(&at, &["commit", "--quiet", "--message", "more"]);
    let source = "git+https://example.org/owner/users";
    let said = install_within((PATIENCE, 64 * 1024), &shop, source, &[]);
    assert!(said.contains("archive_bytes") && said.contains(source), "{said}");
    assert!(shop.store.list().unwrap().plugins.is_empty());
    assert_eq!(install_within((PATIENCE, 128 * 1024), &shop, source, &[]), "done");
    shop.assert_sound();
}

/// Nor does it go on until it has all.
#[test]
fn a_git_that_fetches_too_much_is_ended() {
    let shop = Shop::new();
    let path = instead_of_git(
        &shop,
        "case \"$*\" in *\" fetch \"*) head -c 70000 /dev/zero >\"$2/objects/pack/tmp_pack\"; exec sleep 600;; esac\n\
         PATH=${PATH#*:}; exec git \"$@\"\n",
    );
    let source = "git+https://example.org/owner/users";
    let before = Instant::now();
    let said = install_within((PATIENCE, 64 * 1024), &shop, source, &[("PATH", &path)]);
    assert!(said.contains("archive_bytes"), "{said}");
    // It was not waited for.
    assert!(before.elapsed() < PATIENCE);
    assert!(shop.names("staging").is_empty());
}

/// Nor does what it started stay.
#[test]
fn a_git_that_hangs_is_ended() {
    let shop = Shop::new();
    let pids = shop.at("pids");
    let path = instead_of_git(&shop, &format!("sleep 600 &\necho $$ $! > {}\nwait\n", pids.display()));
    let source = "git+https://example.org/owner/users";
    let said = install_within((SHORT * 4, 1 << 30), &shop, source, &[("PATH", &path)]);
    assert!(said.contains("it takes too long (the limit fetch_time)"), "{said}");
    // On a machine that is busy it may have been ended before it had begun.
    let ids = std::fs::read_to_string(pids).unwrap_or_default();
    for id in ids.split_whitespace().map(|id| id.parse().unwrap()) {
        eventually(&format!("process {id} ends"), || is_gone(id));
    }
}
