//! Drivers on the command line: words, paths and URLs, and what they are said to mean.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{PLUGLINE, built, example, stderr, stdout};

/// A user with a store, plugins and settings of their own.
struct User(tempfile::TempDir);

impl User {
    fn new() -> Self {
        let user = Self(tempfile::tempdir().unwrap());
        for (version, program) in [("1.0.0", "one"), ("1.10.0", "ten"), ("1.9.0", "nine")] {
            user.package(version, program);
        }
        user
    }

    /// A package of a plugin that is there already, as another version.
    fn package(&self, version: &str, at: &str) {
        let dir = self.0.path().join("plugins").join(at);
        ["data", "python"].iter().for_each(|it| fs::create_dir_all(dir.join(it)).unwrap());
        let script = fs::read_to_string(example("python/users.py")).unwrap();
        fs::write(dir.join("python/users.py"), script).unwrap();
        fs::write(dir.join("data/users.json"), plugline_example_users::DATA).unwrap();
        let manifest = fs::read_to_string(example("users.openrpc.json")).unwrap();
        let mut manifest: Value = serde_json::from_str(&manifest).unwrap();
        manifest["info"] = json!({"title": "people", "version": version});
        fs::write(dir.join("users.openrpc.json"), manifest.to_string()).unwrap();
        let package = format!(
            "name = \"people\"\nversion = \"{version}\"\nmanifest = \"users.openrpc.json\"\ncommand = [\"python3\", \"python/users.py\"]\n"
        );
        fs::write(dir.join("plugline.toml"), package).unwrap();
    }

    fn path(&self, at: &str) -> String {
        self.0.path().join(at).display().to_string()
    }

    fn run(&self, args: &[&str]) -> std::process::Output {
        let mut command = Command::new(PLUGLINE);
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        command.env("HOME", self.0.path()).env_remove("XDG_CACHE_HOME").env_remove("XDG_DATA_HOME");
        command.env_remove("PLUGLINE_STORE").env("PLUGLINE_PATH", self.0.path().join("plugins"));
        command.output().unwrap()
    }

    fn which(&self, args: &[&str]) -> Value {
        let output = self.run(&[&["--json", "which"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
        serde_json::from_str(&stdout(&output)).unwrap()
    }
}

fn versions(report: &Value) -> Vec<&str> {
    report["candidates"].as_array().unwrap().iter().map(|it| it["version"].as_str().unwrap()).collect()
}

#[test]
fn which_says_what_a_word_means_and_why() {
    let user = User::new();
    let report = user.which(&["people"]);
    assert_eq!(versions(&report), ["1.10.0", "1.9.0", "1.0.0"]);
    assert_eq!(report["candidates"][0]["kind"], "package");
    assert_eq!(report["candidates"][0]["path"], user.path("plugins/ten"));
    assert_eq!(report["candidates"][0]["provides"][0]["contract"], "users");
    let report = user.which(&["people@<1.10"]);
    assert_eq!(versions(&report), ["1.9.0", "1.0.0"]);
    let passed = report["passed_over"].as_array().unwrap();
    let wanted =
        json!({"what": format!("people 1.10.0 in {}", user.path("plugins/ten")), "why": "<1.10 is wanted"});
    assert!(passed.contains(&wanted), "{passed:?}");
    let output = user.run(&["which", "people"]);
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], format!("people 1.10.0 in {}", user.path("plugins/ten")));
    assert_eq!(lines[1], format!("or else people 1.9.0 in {}", user.path("plugins/nine")));
    assert_eq!(lines[3], "not a built-in: this host has none");
}

#[test]
fn a_path_and_a_name_of_the_settings_are_drivers_too() {
    let user = User::new();
    let program = built("users-json");
    assert_eq!(user.which(&[&program])["candidates"], json!([{"kind": "program", "path": program}]));
    assert_eq!(versions(&user.which(&["./plugins/nine"])), ["1.9.0"]);
    let settings = user.path("plugins.toml");
    fs::write(&settings, "[plugins.mine]\ndriver = \"people\"\nversion = \"=1.0.0\"\n").unwrap();
    let report = user.which(&["mine", "--plugins", &settings]);
    assert_eq!((report["name"].as_str(), versions(&report)), (Some("mine"), vec!["1.0.0"]));
}

#[test]
fn what_means_nothing_and_settings_that_are_wrong_have_their_exit_codes() {
    let user = User::new();
    let output = user.run(&["--json", "which", "nobody"]);
    assert_eq!(output.status.code(), Some(3));
    let report: Value = serde_json::from_str(stderr(&output).lines().last().unwrap()).unwrap();
    assert_eq!(report["error"]["kind"], "not_found");
    let tried = report["error"]["tried"].to_string();
    assert!(
        tried.contains("the plugin nobody: not in ") && tried.contains("/plugins, the store "),
        "{tried}"
    );
    let settings = user.path("plugins.toml");
    fs::write(&settings, "[plugins.mine]\npool = 0\n").unwrap();
    let output = user.run(&["which", "mine", "--plugins", &settings]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("plugins.mine.pool: 1 to 1024"), "{}", stderr(&output));
}

#[test]
fn a_word_is_called_like_a_path() {
    let user = User::new();
    let call = ["call", "people", "users.get_user_by_claim", "claim=username", "value=einstein"];
    let output = user.run(&call);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let found: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(found["mail"], "einstein@cern.ch");
}

#[test]
fn where_the_newest_does_not_start_the_command_line_falls_back_and_says_so() {
    let user = User::new();
    fs::write(Path::new(&user.path("plugins/ten/python/users.py")), "raise SystemExit('spoilt')").unwrap();
    let output = user.run(&["call", "people", "users.find_users", "query=marie"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(
        said.contains("people 1.10.0 in ") && said.contains(" does not work, people 1.9.0 in "),
        "{said}"
    );
    assert!(said.contains("its last words were: spoilt"), "{said}");
}

#[test]
fn what_is_installed_is_called_by_its_name() {
    let user = User::new();
    let output = user.run(&["install", "./plugins/nine"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    fs::remove_dir_all(user.path("plugins")).unwrap();
    let report = user.which(&["people"]);
    assert_eq!(
        (report["candidates"][0]["kind"].as_str(), versions(&report)),
        (Some("installed"), vec!["1.9.0"])
    );
    let output = user.run(&["call", "people", "users.find_users", "query=marie"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}
