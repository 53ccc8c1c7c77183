//! Installing, listing, starting, going back and removing.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use plugline_host::package::{Package, Sha256};
use plugline_host::store::{Change, Existing, InstallOptions, Release, Store, StoreError};
use semver::Version;
use serde_json::json;

use super::pack::{Pack, Shop, directory, toml, users};
use crate::support::TIMEOUTS;

#[path = "../../../examples/install.rs"]
#[expect(dead_code, reason = "its main is the example's")]
mod example;

#[test]
fn the_example() {
    let shop = Shop::new();
    let archive = Pack::of("1.2.3", "").write(&shop.at("users.tar.gz"));
    let said = example::install(&shop.store, archive.to_str().unwrap(), "users.version").unwrap();
    assert_eq!(said, "1.2.3");
}

/// What the plugin of that release says of its version.
fn says(shop: &Shop, release: &Release) -> String {
    let opened = shop.store.open(release).unwrap();
    let plugin = opened.launch().unwrap().timeouts(TIMEOUTS).start().unwrap();
    let version = plugin.call("users.version", &json!({})).unwrap();
    plugin.stop();
    version
}

#[test]
fn from_a_directory_and_from_archives() {
    let shop = Shop::new();
    let installed = shop.install(&directory(&shop.at("source"), "1.0.0", "")).unwrap();
    assert_eq!(installed.change, Change::New);
    assert_eq!(says(&shop, installed.plugin.current()), "1.0.0");
    let hash = installed.plugin.current.clone();

    // The same files are the same release, however they come.
    let plain = Pack::of("1.0.0", "").write(&shop.at("plain.tar.gz"));
    assert_eq!(shop.install(&plain).unwrap().change, Change::Nothing);
    let mut pack = Pack::empty().directory("./").directory("./users-1.0.0/");
    for (path, mode, contents) in super::pack::files("1.0.0", "") {
        pack = pack.file(&format!("./users-1.0.0/{path}"), mode, &contents);
    }
    let within = pack.write(&shop.at("within.tar.gz"));
    let installed = shop.install(&within).unwrap();
    assert_eq!((installed.change, installed.plugin.current), (Change::Nothing, hash));
    assert_eq!(shop.names("content").len(), 1);

    let newer = Pack::of("1.10.0", "").write(&shop.at("newer.tar.gz"));
    let installed = shop.install(&newer).unwrap().plugin;
    let current = installed.current();
    assert_eq!((current.version.to_string().as_str(), installed.releases.len()), ("1.10.0", 2));
    assert_eq!(current.origin.source, newer.to_str().unwrap());
    assert_eq!(current.origin.archive, Some(Sha256::of(&fs::read(&newer).unwrap())));
    assert_eq!(says(&shop, current), "1.10.0");
    assert_eq!(says(&shop, installed.previous().unwrap()), "1.0.0");
    shop.assert_sound();
}

/// The installed files are nobody's to write; what was a program stays one.
#[test]
fn installed_files_are_closed() {
    let shop = Shop::new();
    let release = shop.install(&directory(&shop.at("source"), "1.0.0", "")).unwrap().plugin.current().clone();
    let mode = |path: &str| fs::metadata(release.directory.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(["plugin.py", "words.py", "data", ""].map(mode), [0o555, 0o444, 0o555, 0o555]);
    assert_eq!(fs::metadata(shop.store.root()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn the_artifact_of_this_machine() {
    let shop = Shop::new();
    let script = b"#!/bin/sh\nexit 0\n";
    let head = "name = \"users\"\nversion = \"1.0.0\"\n";
    let artifact = |os: &str, path: &str, sha256: &Sha256| {
        let arch = std::env::consts::ARCH;
        format!("[[artifact]]\nos = \"{os}\"\narch = \"{arch}\"\npath = \"{path}\"\nsha256 = \"{sha256}\"\n")
    };
    let (here, elsewhere) = (std::env::consts::OS, "openbsd");
    let right = Sha256::of(script);
    let install = |text: String, files: &[&str]| {
        let pack = Pack::empty().file("plugline.toml", 0o644, text.as_bytes());
        let pack = files.iter().fold(pack, |pack, path| pack.file(path, 0o644, script));
        let options = InstallOptions { existing: Existing::Replace, ..InstallOptions::default() };
        shop.unpack(&pack.gzip(), &options)
    };
    let both =
        format!("{head}{}{}", artifact(elsewhere, "bin/else", &right), artifact(here, "bin/here", &right));
    let installed = install(both.clone(), &["bin/here", "bin/else"]).unwrap();
    let release = installed.plugin.current().clone();
    let opened = shop.store.open(&release).unwrap();
    assert_eq!(opened.package, Package::read(&release.directory).unwrap());
    // It was no program in the archive.
    let mode = fs::metadata(release.directory.join("bin/here")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o555);
    // What is for other machines need not be there.
    install(both.clone(), &["bin/here"]).unwrap();

    let said = |text: String, files: &[&str]| install(text, files).unwrap_err().to_string();
    assert!(
        said(both.clone(), &["bin/else"])
            .contains("bin/here: it is to be started, and is not in the package")
    );
    let only = format!("{head}{}", artifact(elsewhere, "bin/else", &right));
    assert!(said(only, &["bin/else"]).contains("there is no artifact for linux"));
    let wrong = both.replacen(right.as_str(), Sha256::of(b"").as_str(), 1);
    let wrong = said(wrong, &["bin/here", "bin/else"]);
    assert!(wrong.starts_with("bin/else: it has the SHA-256"), "{wrong}");
}

#[test]
fn what_a_package_says_must_be_there() {
    let shop = Shop::new();
    let said = |text: &str| {
        let pack = Pack::empty().file("plugline.toml", 0o644, text.as_bytes()).file("run", 0o644, b"");
        shop.unpack(&pack.gzip(), &InstallOptions::default()).unwrap_err().to_string()
    };
    let head = "name = \"users\"\nversion = \"1.0.0\"\n";
    assert!(said(&format!("{head}command = [\"./gone\"]")).starts_with("gone: it is to be started"));
    assert!(
        said(&format!("{head}command = [\"./run\"]"))
            .contains("run: it is to be started, and is not executable")
    );
    let manifest = said(&format!("{head}command = [\"sh\"]\nmanifest = \"gone.json\""));
    assert!(manifest.starts_with("gone.json: it is to be the manifest"), "{manifest}");
    assert!(said(&format!("{head}comand = [\"sh\"]")).contains("plugline.toml:3:1: unknown field `comand`"));
    // Nothing is built in the store.
    let build = "[build]\ncommand = [\"make\"]";
    let gone = said(&format!("{head}command = [\"target/gone\"]\n{build}"));
    assert!(
        gone.starts_with("target/gone: it is to be started, and is not in the package: build it"),
        "{gone}"
    );
    let gone = said(&format!("{head}command = [\"sh\"]\nmanifest = \"gone.json\"\n{build}"));
    assert!(gone.starts_with("gone.json: it is to be the manifest"), "{gone}");
    // What was built before is there.
    let built = format!("{head}command = [\"./run\"]\n{build}");
    let pack =
        Pack::empty().file("plugline.toml", 0o644, built.as_bytes()).file("run", 0o755, b"#!/bin/sh\n");
    shop.unpack(&pack.gzip(), &InstallOptions::default()).unwrap();
}

#[test]
fn directories_with_what_packages_do_not_have() {
    let shop = Shop::new();
    let check = |wanted: &str, spoil: &dyn Fn(&std::path::Path)| {
        let source = directory(&shop.at("source"), "1.0.0", "");
        spoil(&source);
        let said = shop.install(&source).unwrap_err().to_string();
        assert!(said.contains(wanted), "{said}");
        fs::remove_dir_all(source).unwrap();
    };
    check("data/out: a link (to /etc)", &|at| symlink("/etc", at.join("data/out")).unwrap());
    check("pipe: a device, a pipe or a socket", &|at| {
        assert!(std::process::Command::new("mkfifo").arg(at.join("pipe")).status().unwrap().success());
    });
    check("words.py: has the mode 4755", &|at| {
        fs::set_permissions(at.join("words.py"), fs::Permissions::from_mode(0o4755)).unwrap();
    });
    check("there is no such file", &|at| fs::remove_file(at.join("plugline.toml")).unwrap());
    // The history of a source is no part of it.
    let source = directory(&shop.at("source"), "1.0.0", "");
    fs::create_dir(source.join(".git")).unwrap();
    symlink("/etc", source.join(".git/x")).unwrap();
    shop.install(&source).unwrap();
}

#[test]
fn a_store_within_the_directory_is_refused_before_anything_is_made() {
    let shop = Shop::new();
    let source = directory(&shop.at("source"), "1.0.0", "");
    symlink(&source, shop.at("link")).unwrap();
    fs::create_dir(source.join("there")).unwrap();
    let install = |source: &str, store: &str| {
        let store = Store::at(shop.at(store)).unwrap();
        store.install(
            &shop.at(source).to_str().unwrap().parse().unwrap(),
            &InstallOptions::default(),
            &mut |_| {},
        )
    };
    for from in ["source", "link"] {
        for within in ["source", "source/a/b", "source/there", "link/a", "link"] {
            match install(from, within) {
                Err(StoreError::StoreWithin { source: named, store }) => {
                    assert_eq!((named, store), (source.canonicalize().unwrap(), shop.at(within)));
                }
                other => panic!("{from} {within}: {other:?}"),
            }
        }
    }
    assert_eq!(fs::read_dir(source.join("there")).unwrap().count(), 0);
    assert!(!source.join("a").exists() && !source.join("names").exists());
    // Beside it, a name that begins so is another.
    install("link", "source-of-others").unwrap();
}

#[test]
fn a_version_is_replaced_only_where_that_was_asked_for() {
    let shop = Shop::new();
    let first = shop.install(&directory(&shop.at("first"), "1.0.0", "first")).unwrap().plugin;
    let second = directory(&shop.at("second"), "1.0.0", "second");
    let said = shop.install(&second).unwrap_err();
    assert!(matches!(said, StoreError::VersionTaken { .. }), "{said}");
    assert_eq!(shop.users(), first);
    let options = InstallOptions { existing: Existing::Replace, ..InstallOptions::default() };
    let replaced = shop.install_with(&second, &options).unwrap();
    assert_eq!(replaced.change, Change::Replaced);
    assert_eq!(replaced.plugin.previous, Some(first.current.clone()));
    // A third one: what a rollback led to is not kept for ever.
    let third = directory(&shop.at("third"), "1.0.0", "third");
    let third = shop.install_with(&third, &options).unwrap().plugin;
    assert_eq!(third.previous, Some(replaced.plugin.current));
    assert_eq!((third.releases.len(), shop.names("content").len()), (2, 2));
    shop.assert_sound();
}

#[test]
fn going_back_and_forth() {
    let shop = Shop::new();
    let said = shop.store.rollback(&users(), &mut |_| {}).unwrap_err();
    assert!(matches!(said, StoreError::NotInstalled { .. }), "{said}");
    assert!(!shop.store.root().exists());
    shop.install(&directory(&shop.at("first"), "1.0.0", "")).unwrap();
    let said = shop.store.rollback(&users(), &mut |_| {}).unwrap_err();
    assert!(matches!(said, StoreError::NoPrevious { .. }), "{said}");
    shop.install(&directory(&shop.at("second"), "2.0.0", "")).unwrap();
    let rollback = || shop.store.rollback(&users(), &mut |_| {}).unwrap().current().version.to_string();
    assert_eq!([rollback(), rollback(), rollback()], ["1.0.0", "2.0.0", "1.0.0"]);
    assert_eq!(says(&shop, shop.users().current()), "1.0.0");
    // Only to what is as it was.
    let words = shop.users().previous().unwrap().directory.join("words.py");
    fs::set_permissions(&words, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&words, "VERSION = 'evil'").unwrap();
    let said = shop.store.rollback(&users(), &mut |_| {}).unwrap_err();
    assert!(matches!(said, StoreError::Changed { .. }), "{said}");
    assert_eq!(shop.users().current().version, Version::new(1, 0, 0));
}

#[test]
fn removing_a_version_and_all() {
    let shop = Shop::new();
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        shop.install(&directory(&shop.at(version), version, "")).unwrap();
    }
    let remove = |version: Option<Version>| shop.store.remove(&users(), version.as_ref(), &mut |_| {});
    let said = remove(Some(Version::new(4, 0, 0))).unwrap_err().to_string();
    assert_eq!(said, "users 4.0.0 is not installed; there is 3.0.0, 2.0.0, 1.0.0");
    // Not the current one: it stays so.
    let left = remove(Some(Version::new(1, 0, 0))).unwrap().left.unwrap();
    assert_eq!((left.current().version.major, left.previous().unwrap().version.major), (3, 2));
    let left = remove(Some(Version::new(3, 0, 0))).unwrap().left.unwrap();
    assert_eq!((left.current().version.major, left.previous), (2, None));
    assert_eq!(shop.names("content").len(), 1);
    let removed = remove(None).unwrap();
    assert_eq!((removed.releases.len(), removed.left), (1, None));
    assert_eq!((shop.names("content").len(), shop.names("names").len()), (0, 0));
    assert!(matches!(remove(None), Err(StoreError::NotInstalled { .. })));
}

/// What runs keeps its files; they go with the first change after it has ended.
#[test]
fn what_is_in_use_stays() {
    let shop = Shop::new();
    let release = shop.install(&directory(&shop.at("first"), "1.0.0", "")).unwrap().plugin.current().clone();
    let opened = shop.store.open(&release).unwrap();
    let removed = shop.store.remove(&users(), None, &mut |_| {}).unwrap();
    assert_eq!(removed.in_use, 1);
    assert!(opened.directory.join("plugin.py").exists());
    // It can come back meanwhile.
    shop.install(&directory(&shop.at("first"), "1.0.0", "")).unwrap();
    assert_eq!(shop.store.remove(&users(), None, &mut |_| {}).unwrap().in_use, 1);
    drop(opened);
    shop.install(&directory(&shop.at("second"), "2.0.0", "")).unwrap();
    assert_eq!(shop.names("content").len(), 1);
    assert!(matches!(shop.store.open(&release), Err(StoreError::Gone { .. })));
}

#[test]
fn what_was_changed_does_not_start_and_is_mended_by_an_install() {
    let shop = Shop::new();
    let source = directory(&shop.at("source"), "1.0.0", "");
    let release = shop.install(&source).unwrap().plugin.current().clone();
    let package = &release.directory;
    fs::set_permissions(package, fs::Permissions::from_mode(0o755)).unwrap();
    // A module that the plugin would import in place of another.
    fs::write(package.join("json.py"), "import os").unwrap();
    let said = shop.store.open(&release).unwrap_err().to_string();
    assert!(said.contains("json.py was not installed; install it again"), "{said}");
    assert_eq!(shop.store.examine().complaints.len(), 1);
    assert_eq!(shop.install(&source).unwrap().change, Change::Nothing);
    assert_eq!(says(&shop, &release), "1.0.0");
    shop.assert_sound();

    fs::write(release.directory.with_file_name("files"), "").unwrap();
    let said = shop.store.open(&release).unwrap_err().to_string();
    assert!(said.contains("the list of its files was changed"), "{said}");
}

/// What it wrote beside itself is no reason to take its files away.
#[test]
fn what_was_changed_and_runs_keeps_its_files_until_it_has_ended() {
    let shop = Shop::new();
    let source = directory(&shop.at("source"), "1.0.0", "");
    let release = shop.install(&source).unwrap().plugin.current().clone();
    let launch = shop.store.open(&release).unwrap().launch().unwrap();
    let plugin = launch.timeouts(TIMEOUTS).start().unwrap();
    fs::set_permissions(&release.directory, fs::Permissions::from_mode(0o755)).unwrap();
    let note = release.directory.join("note");
    fs::write(&note, "what the plugin wrote").unwrap();
    let said = shop.install(&source).unwrap_err();
    assert!(matches!(said, StoreError::InUse { .. }), "{said}");
    assert!(note.exists());
    assert_eq!(plugin.call::<String>("users.version", &json!({})).unwrap(), "1.0.0");
    plugin.stop();
    drop(plugin);
    shop.install(&source).unwrap();
    assert!(!note.exists());
    shop.assert_sound();
}

#[test]
fn one_broken_record_hides_no_other_and_costs_no_files() {
    let shop = Shop::new();
    shop.install(&directory(&shop.at("first"), "1.0.0", "")).unwrap();
    let other = directory(&shop.at("other"), "1.0.0", "other");
    fs::write(other.join("plugline.toml"), toml("1.0.0").replace("users", "other")).unwrap();
    shop.install(&other).unwrap();
    fs::write(shop.store.root().join("names/users.json"), "{").unwrap();
    fs::write(shop.store.root().join("names/notes.txt"), "").unwrap();
    let listing = shop.store.list().unwrap();
    assert_eq!(listing.plugins.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["other"]);
    assert_eq!(listing.faults.len(), 2);
    // Its files are there still: who knows what the record named.
    fs::write(other.join("words.py"), "").unwrap();
    fs::write(other.join("plugline.toml"), toml("2.0.0").replace("users", "other")).unwrap();
    shop.install(&other).unwrap();
    assert_eq!(shop.names("content").len(), 3);
}

/// A store that another user made can be read and run, and not changed; one that is not there is empty.
#[test]
fn reading_makes_nothing() {
    let shop = Shop::new();
    assert!(shop.store.list().unwrap().plugins.is_empty());
    assert_eq!(shop.store.plugin(&users()).unwrap(), None);
    shop.assert_sound();
    assert!(!shop.store.root().exists());
    let relative = Store::at("relative").unwrap();
    assert!(relative.root().is_absolute());
}

/// So many that they are written out to the disk at once, and deep.
#[test]
fn many_files() {
    let shop = Shop::new();
    let many =
        |pack: Pack, at: usize| pack.file(&format!("many/{}/{at}", at % 7), 0o644, at.to_string().as_bytes());
    let archive = (0..300).fold(Pack::of("1.0.0", ""), many).write(&shop.at("many.tar.gz"));
    let release = shop.install(&archive).unwrap().plugin.current().clone();
    assert_eq!(
        fs::read_to_string(release.directory.join("many/4/299")).unwrap_err().kind(),
        std::io::ErrorKind::NotFound
    );
    assert_eq!(fs::read_to_string(release.directory.join("many/5/299")).unwrap(), "299");
    shop.assert_sound();
}
