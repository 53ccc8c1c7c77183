//! `install`, `list`, `remove`, `rollback` and `doctor`, as a user has them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{PLUGLINE, Script, failure, stderr, stdout};

/// A plugin that answers all it must.
const PLUGIN: &str = r#"#!/usr/bin/env python3
import json, sys

for line in sys.stdin:
    request = json.loads(line)
    result = None
    if request["method"] == "rpc.initialize":
        result = {"protocolVersion": 1, "plugin": {"name": "users", "version": "VERSION"}, "provides": []}
    if "id" in request:
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)
"#;

/// Writes a package into that directory.
fn package(at: &Path, version: &str) -> PathBuf {
    fs::create_dir_all(at).unwrap();
    let toml = format!("name = \"users\"\nversion = \"{version}\"\ncommand = [\"./users.py\"]\n");
    fs::write(at.join("plugline.toml"), toml).unwrap();
    fs::write(at.join("users.py"), PLUGIN.replace("VERSION", version)).unwrap();
    fs::set_permissions(at.join("users.py"), fs::Permissions::from_mode(0o755)).unwrap();
    at.to_owned()
}

/// Packs one as docs/packages.md says.
pub(crate) fn archive(at: &Path, version: &str) {
    let folder = TempDir::new().unwrap();
    package(folder.path(), version);
    let packed = Command::new("tar").arg("-czf").arg(at).arg("-C").arg(folder.path()).arg(".").status();
    assert!(packed.unwrap().success());
}

/// A store, and a folder for what is installed into it.
pub(crate) struct Shop(TempDir);

impl Shop {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub(crate) fn store(&self) -> String {
        self.at("store").display().to_string()
    }

    fn package(&self, version: &str) -> String {
        package(&self.at(version), version).display().to_string()
    }

    /// Runs it with that store, by the environment.
    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(PLUGLINE);
        command.args(args).env("PLUGLINE_STORE", self.store()).stdin(Stdio::null());
        command.output().unwrap()
    }

    #[track_caller]
    fn done(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
        stdout(&output)
    }

    #[track_caller]
    fn report(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[&["--json"], args].concat())).unwrap()
    }

    /// The versions that are installed, the newest first.
    pub(crate) fn versions(&self) -> Vec<String> {
        let list = self.report(&["list"]);
        let releases = list["plugins"][0]["releases"].as_array().cloned().unwrap_or_default();
        releases.iter().map(|it| it["version"].as_str().unwrap().to_owned()).collect()
    }

    fn findings(&self, code: i32, args: &[&str]) -> Vec<(String, String, String)> {
        let output = self.run(&[&["--json", "doctor"], args].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}{}", stdout(&output), stderr(&output));
        let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
        let text = |it: &Value, member: &str| it[member].as_str().unwrap_or_default().to_owned();
        let found = report["findings"].as_array().unwrap().iter();
        found
            .map(|it| (text(it, "state"), text(it, "subject"), text(it, "what") + "; " + &text(it, "remedy")))
            .collect()
    }
}

#[track_caller]
fn has(findings: &[(String, String, String)], state: &str, subject: &str, what: &str) {
    let there = findings.iter().any(|(s, o, w)| s == state && o == subject && w.contains(what));
    assert!(there, "{state} {subject} {what}: {findings:#?}");
}

#[test]
fn the_life_of_a_plugin() {
    let shop = Shop::new();
    assert!(shop.done(&["list"]).starts_with("nothing is installed in "));
    let first = shop.package("1.0.0");
    assert_eq!(shop.done(&["install", &first]), "users 1.0.0 installed\n");
    assert_eq!(shop.done(&["install", &first]), "users 1.0.0 was installed already, and is current\n");
    archive(&shop.at("users.tar.gz"), "1.10.0");
    let second = shop.at("users.tar.gz").display().to_string();
    let said = shop.done(&["install", &format!("file://{second}")]);
    assert_eq!(said, "users 1.10.0 installed\n`plugline rollback users` goes back to 1.0.0\n");
    assert_eq!(shop.versions(), ["1.10.0", "1.0.0"]);
    let table = shop.done(&["list"]);
    let rows = table.lines().filter(|line| line.contains(char::is_alphanumeric));
    let rows: Vec<Vec<&str>> = rows.map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["plugin", "version", "installed", "from"], "{table}");
    assert_eq!(rows[1][..3], ["users", "1.10.0", "current"], "{table}");
    assert_eq!(rows[2][..2], ["1.0.0", "previous"], "{table}");
    assert!(table.contains(&second));

    assert_eq!(shop.done(&["rollback", "users"]), "users 1.0.0 is current, in place of 1.10.0\n");
    let list = shop.report(&["list"]);
    let old = &list["plugins"][0]["releases"][1];
    assert_eq!((&old["current"], &old["version"]), (&true.into(), &"1.0.0".into()));
    assert!(Path::new(old["directory"].as_str().unwrap()).join("users.py").exists());
    assert_eq!(shop.done(&["remove", "users@1.0.0"]), "users 1.0.0 removed\n1.10.0 is current\n");
    assert_eq!(shop.report(&["remove", "users"])["removed"], serde_json::json!(["1.10.0"]));
    assert_eq!(shop.report(&["list"])["plugins"], serde_json::json!([]));
}

#[test]
fn what_is_refused() {
    let shop = Shop::new();
    let store = shop.store();
    let first = shop.package("1.0.0");
    let fails = |code, args: &[&str]| {
        let error = failure(code, &[args, &["--store", &store]].concat());
        (error["kind"].as_str().unwrap().to_owned(), error["message"].as_str().unwrap().to_owned())
    };
    let refused = |code, kind: &str, args: &[&str], wanted: &str| {
        let (found, message) = fails(code, args);
        assert!(found == kind && message.contains(wanted), "{args:?}: {found}: {message}");
    };
    refused(
        2,
        "invalid_request",
        &["install", "./nothing"],
        "there is no such file or directory; those are a directory",
    );
    refused(2, "invalid_request", &["install", "http://h.org/p.tar.gz"], "https is wanted");
    refused(
        2,
        "invalid_request",
        &["install", &first, "--sha256", &"0".repeat(64)],
        "only an archive has one",
    );
    refused(2, "invalid_request", &["install", &first, "--sha256", "abc"], "64 hexadecimal digits");
    refused(
        2,
        "invalid_request",
        &["install", &first, "--require-signature", "abc"],
        "no public key of minisign",
    );
    refused(2, "invalid_request", &["remove", "Users"], "no name of a package");
    let within = format!("{first}/store");
    let error = failure(2, &["install", &first, "--store", &within]);
    let said = format!("the store {within} is within {first}, which would be copied into itself");
    assert_eq!(error["message"], said, "{error}");
    assert!(!Path::new(&within).exists());
    refused(3, "not_found", &["remove", "users"], "users is not installed");
    refused(3, "not_found", &["rollback", "users"], "users is not installed");
    shop.done(&["install", &first]);
    refused(3, "not_found", &["rollback", "users"], "no release of users to go back to");
    refused(3, "not_found", &["remove", "users@2.0.0"], "users 2.0.0 is not installed; there is 1.0.0");
    fs::write(shop.at("1.0.0/more"), "").unwrap();
    refused(
        3,
        "refused_package",
        &["install", &first],
        "users 1.0.0 is installed with other contents; --force",
    );
    assert!(shop.done(&["install", &first, "--force"]).starts_with("users 1.0.0 installed, in place of"));
    fs::write(shop.at("1.0.0/plugline.toml"), "name = 1\n").unwrap();
    let place = format!("{first}/plugline.toml:1:8: invalid type: integer");
    refused(3, "refused_package", &["install", &first], &place);
    fs::write(shop.at("none.tar.gz"), "none").unwrap();
    let none = shop.at("none.tar.gz").display().to_string();
    refused(3, "refused_package", &["install", &none], "the archive cannot be read");
    // Without HOME and all that, nothing says where the store is.
    let output = Command::new(PLUGLINE).arg("list").env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("set PLUGLINE_STORE"), "{}", stderr(&output));
}

#[test]
fn the_doctor_looks_at_the_machine() {
    let shop = Shop::new();
    has(&shop.findings(0, &[]), "fine", "store", "not there yet");
    shop.done(&["install", &shop.package("1.0.0")]);
    let found = shop.findings(0, &[]);
    has(&found, "fine", "store", "1 release verified");
    has(&found, "fine", "machine", std::env::consts::ARCH);
    has(&found, "fine", "python3", "Python 3");
    fs::create_dir(shop.at("store/staging/1-0-dead")).unwrap();
    has(&shop.findings(0, &[]), "note", "store", "left behind by a process that was killed");
    fs::set_permissions(shop.at("store"), fs::Permissions::from_mode(0o777)).unwrap();
    has(&shop.findings(1, &[]), "wrong", "store", "chmod go-w");
    fs::set_permissions(shop.at("store"), fs::Permissions::from_mode(0o700)).unwrap();
    let list = shop.report(&["list"]);
    let directory = PathBuf::from(list["plugins"][0]["releases"][0]["directory"].as_str().unwrap());
    fs::set_permissions(directory.join("users.py"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(directory.join("users.py"), "changed").unwrap();
    has(&shop.findings(1, &[]), "wrong", "store", "users 1.0.0: ");
    has(&shop.findings(1, &["users"]), "wrong", "files", "users.py has other permissions");
    // Before it reads further, a person reads it.
    let output = shop.run(&["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("wrong  store"), "{}", stdout(&output));
    assert!(stderr(&output).contains("one thing is wrong"), "{}", stderr(&output));
}

#[test]
fn the_doctor_looks_at_a_plugin() {
    let shop = Shop::new();
    let first = shop.package("1.0.0");
    shop.done(&["install", &first]);
    for plugin in ["users", &first] {
        let found = shop.findings(0, &[plugin]);
        for subject in ["program", "interpreter", "start", "ping", "end"] {
            has(&found, "fine", subject, "");
        }
    }
    has(&shop.findings(0, &["users"]), "fine", "files", "as they were installed");
    let built = super::built("users-json");
    has(&shop.findings(0, &[&built]), "fine", "manifest", "methods");
    has(&shop.findings(1, &["--config", "{\"file\": 7}", &built]), "wrong", "start", "file");

    let script = Script::after_handshake("exit 3");
    has(&shop.findings(1, &[script.path()]), "wrong", "ping", "");
    let spoilt = |contents: &[u8], mode: u32, subject: &str, what: &str| {
        let at = shop.at("spoilt");
        fs::write(&at, contents).unwrap();
        fs::set_permissions(&at, fs::Permissions::from_mode(mode)).unwrap();
        let found = shop.findings(1, &[at.to_str().unwrap()]);
        has(&found, "wrong", subject, what);
        has(&found, "wrong", "start", "");
        fs::remove_file(&at).unwrap();
    };
    let mut elsewhere = fs::read(PLUGLINE).unwrap();
    elsewhere[18..20].copy_from_slice(&[0xf7, 0x00]);
    spoilt(b"#!/bin/sh\nexit 0\n", 0o644, "program", "chmod +x");
    spoilt(b"#!/nonexistent/python\n", 0o755, "interpreter", "/nonexistent/python");
    spoilt(b"#!/usr/bin/env nothing-of-that-name\n", 0o755, "interpreter", "is not on PATH");
    spoilt(b"#!/bin/sh\r\nexit 0\r\n", 0o755, "interpreter", "CR LF");
    spoilt(b"echo hello\n", 0o755, "program", "without #!");
    spoilt(b"", 0o755, "program", "is empty");
    spoilt(b"MZ\x90\x00", 0o755, "program", "for Windows");
    spoilt(&elsewhere, 0o755, "program", "another architecture");
    spoilt(b"#!/bin/sh\necho hello; read -r line; exit 4\n", 0o755, "start", "stdout: hello");
}

/// Its commands run as they stand there.
#[test]
fn the_guide() {
    let guide = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/packages.md")).unwrap();
    let (_, rest) = guide.split_once("<!-- run -->\n```sh\n").unwrap();
    let (commands, _) = rest.split_once("```\n<!-- end -->").unwrap();
    let shop = Shop::new();
    let folder = Path::new(PLUGLINE).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths([folder].into_iter().chain(std::env::split_paths(&path))).unwrap();
    let output = Command::new("sh")
        .args(["-euc", commands])
        .env("PATH", path)
        .env("PLUGLINE_STORE", shop.store())
        .current_dir(shop.folder())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let said = stdout(&output);
    for wanted in [
        "greeter 0.1.0 installed\n",
        "greeter 0.1.0 was installed already, and is current\n",
        "exited with status 0 when it was told to",
        "greeter 0.2.0 installed\n`plugline rollback greeter` goes back to 0.1.0\n",
        "greeter 0.1.0 is current, in place of 0.2.0\n",
        "greeter 0.2.0 removed\n0.1.0 is current\n",
        "greeter 0.1.0 removed\n",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert!(shop.versions().is_empty());
}
