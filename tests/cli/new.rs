//! `plugline new`: what it makes is what its README says, command by command, and passes the suite.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{PLUGLINE, is_there, stderr, stdout};

/// No command of a README takes longer, a build on a busy machine included.
const PATIENCE: Duration = Duration::from_secs(240);

/// What of the suite depends on the project: the rest depends on the SDK, or on the protocol's half, which is word for
/// word that of an example; both are judged whole elsewhere.
const OWN: &str = "--only 'CT-*' --only 'LI-*'";
/// In Bash the protocol's half is that of no example, but for what reads JSON and long lines.
const MOST: &str = "--only 'CT-*' --only 'LI-*' --only 'EN-*' --only 'FR-*'";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder in which projects are made.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn plugline_new(&self, args: &[&str]) -> std::process::Output {
        let mut command = Command::new(PLUGLINE);
        command.arg("new").args(args).current_dir(self.0.path()).stdin(Stdio::null()).output().unwrap()
    }

    fn make(&self, language: &str, name: &str) -> PathBuf {
        let output = self.plugline_new(&[language, name]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let told = stdout(&output);
        assert!(told.contains(&format!("  cd {name}\n")) && told.contains("plugline call "), "{told}");
        self.0.path().join(name)
    }
}

/// The commands in the blocks of a README.
fn commands(folder: &Path) -> Vec<String> {
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let blocks = readme.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

/// Runs a command as somebody in that folder would, with this `plugline`; it must go well. What it prints.
fn run(folder: &Path, command: &str) -> String {
    // As they are everywhere: built where the rest is, in the same way, so that what is there already serves.
    let target = Path::new(PLUGLINE).parent().unwrap().parent().unwrap();
    let command = command.replace("cargo build --release", "cargo build --quiet --offline");
    let command = command.replace("cargo test", "cargo test --quiet --offline");
    let command = command.replace("target/release/", &format!("{}/debug/", target.display()));
    let first = [Path::new(PLUGLINE).parent().unwrap().to_owned(), root().join(".venv/bin")];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(first.into_iter().chain(std::env::split_paths(&path))).unwrap();
    let printed = tempfile::NamedTempFile::new().unwrap();
    let mut child = Command::new("bash")
        .args(["-euc", &command])
        .current_dir(folder)
        .env("PATH", path)
        .env("CARGO_TARGET_DIR", target)
        .stdin(Stdio::null())
        .stdout(printed.reopen().unwrap())
        .stderr(File::options().append(true).open(printed.path()).unwrap())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let mut text = String::new();
    printed.reopen().unwrap().read_to_string(&mut text).unwrap();
    assert!(status.is_some_and(|status| status.success()), "{command}: {status:?}\n{text}");
    text
}

/// Makes a project, and does all that its README says.
fn follow(language: &str, cases: &str, words: &[&str]) {
    let desk = Desk::new();
    let folder = desk.make(language, "hello-world2");
    if language == "rust" {
        fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    }
    let document = fs::read_to_string(folder.join("contract.openrpc.json")).unwrap();
    let mut seen = String::new();
    let mut called = None;
    for command in commands(&folder) {
        // Needs a registry; scripts/test has done the same.
        if command.starts_with("python3 -m pip install") {
            continue;
        }
        if let Some((_, call)) = command.split_once("plugline call ") {
            let plugin = call.split(" hello_world2.hello").next().unwrap();
            called = Some(plugin.to_owned());
        }
        let command = command.replace("conformance plugin", &format!("conformance plugin {cases}"));
        seen += &run(&folder, &command);
    }
    let described =
        run(&folder, &format!("plugline describe {}", called.expect("a README calls its plugin")));
    assert!(described.contains("hello_world2.hello(name: string) → string"), "{described}");
    for text in [&["\"Hello, Ada!\"\n", "\nCONFORMANT\n"], words].concat() {
        assert!(seen.contains(text), "{text}: {seen}");
    }
    assert!(!seen.contains("WARN") || cases == MOST, "{seen}");
    let after = fs::read_to_string(folder.join("contract.openrpc.json")).unwrap();
    assert_eq!(after, document, "the document is what the plugin says");
    let check = format!("plugline contract check {}/contract.openrpc.json", folder.display());
    run(&folder, &check);
    let toml = fs::read_to_string(folder.join("plugline.toml")).unwrap();
    assert!(toml.starts_with("name = \"hello-world2\"\nversion = \"0.1.0\"\nmanifest = "), "{toml}");
    for entry in walk(&folder) {
        let text = fs::read_to_string(&entry).unwrap_or_default();
        for left in ["my-plugin", "my_plugin", "@SDK@"] {
            assert!(!text.contains(left), "{}: {left}", entry.display());
        }
    }
}

/// All files of a project, but what was built.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_plugin_in_rust() {
    follow("rust", OWN, &["3 passed"]);
}

#[test]
fn a_plugin_in_python() {
    let python = root().join(".venv/bin/python3");
    if python.exists() {
        follow("python", OWN, &["Ran 4 tests", "\nOK\n"]);
    } else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "scripts/test makes .venv, and was not run");
        eprintln!("skipped: scripts/test makes .venv, and was not run");
    }
}

#[test]
fn a_plugin_in_node() {
    if is_there("npm") {
        follow("node", OWN, &["pass 3", "nothing is wrong"]);
    }
}

#[test]
fn a_plugin_in_go() {
    if is_there("go") {
        follow("go", OWN, &["ok  \thello-world2", "nothing is wrong"]);
    }
}

#[test]
fn a_plugin_in_c() {
    if is_there("cc") && is_there("pkg-config") {
        follow("c", OWN, &["nothing is wrong"]);
    }
}

#[test]
fn a_plugin_in_bash() {
    if is_there("jq") {
        follow("bash", MOST, &["ok: it greets as its config says", "nothing is wrong"]);
    }
}

#[test]
fn nothing_is_overwritten_and_no_other_name_is_taken() {
    let desk = Desk::new();
    let folder = desk.make("bash", "mine");
    fs::write(folder.join("plugin.sh"), "precious").unwrap();
    for (args, said) in [
        (&["node", "mine"][..], "is there already"),
        (&["node", "../escape"], "a name is"),
        (&["node", "Mine"], "a name is"),
        (&["rust", "fn"], "means something else"),
        (&["cobol", "yours"], "invalid value"),
        (&["node", "yours", "--sdk", "."], "has no SDK"),
        (&["rust", "yours", "--sdk", "."], "has no Cargo.toml"),
    ] {
        let output = desk.plugline_new(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(said), "{args:?}: {}", stderr(&output));
    }
    assert_eq!(fs::read_to_string(folder.join("plugin.sh")).unwrap(), "precious");
    assert_eq!(fs::read_dir(desk.0.path()).unwrap().count(), 1, "nothing else was begun");
}

#[test]
fn an_sdk_elsewhere_is_named_by_its_whole_path() {
    let desk = Desk::new();
    let sdk = root().join("sdk-rust");
    std::os::unix::fs::symlink(&sdk, desk.0.path().join("sdk")).unwrap();
    let output = desk.plugline_new(&["rust", "mine", "--sdk", "sdk"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let manifest = fs::read_to_string(desk.0.path().join("mine/Cargo.toml")).unwrap();
    let wanted =
        format!("plugline-sdk = {{ path = {:?}, version = \"0.1.0\" }}", sdk.canonicalize().unwrap());
    assert!(manifest.contains(&wanted), "{manifest}");
}
