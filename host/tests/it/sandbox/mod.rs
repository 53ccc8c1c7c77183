//! A plugin that tries to get out of its sandbox (`escape.py`), by all ways that are known here.
//!
//! Each way is taken twice: without a sandbox, where it leads out (or else its failure in the sandbox would prove
//! nothing), and within one. Where the system cannot enforce sandboxes, that is said in place of a start, which is then
//! what is seen here. As root, plugins are tried as another user, and as root without a bound on processes, which the kernel
//! does not count for root: so it is Landlock that is tried, and not the modes of files.

mod files;
mod life;
mod others;
mod resources;

use std::cell::OnceCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use plugline_host::{Error, Kind, Launch, Phase, Plugin, Sandbox, SandboxError};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Processes, TIMEOUTS, python};

/// Whoever runs a plugin when its host is root.
const NOBODY: u32 = 65534;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// An interpreter that every user may start, where there is one; and where the modules of another are.
fn interpreter() -> (PathBuf, Option<PathBuf>) {
    let of_the_system = Path::new("/usr/bin/python3");
    if of_the_system.exists() {
        return (of_the_system.into(), None);
    }
    let asked = Command::new(python()).args(["-c", "import sys; print(sys.base_prefix)"]).output().unwrap();
    let prefix = String::from_utf8(asked.stdout).unwrap();
    (python().into(), Some(prefix.trim().into()))
}

/// The sandboxes that are tried here: the usual one, as far as this user can have it.
fn sandboxes() -> Vec<Sandbox> {
    if is_root() {
        vec![Sandbox::new().user(NOBODY, NOBODY), Sandbox::new().processes(None)]
    } else {
        vec![Sandbox::new()]
    }
}

/// The one that has all of it.
fn usual() -> Sandbox {
    sandboxes().swap_remove(0)
}

/// A directory that all users may enter, with the plugin's package, and files outside of it that all may read and write.
struct Ground {
    // Dropped first: what is in the directory is still there when a process ends.
    free: OnceCell<Plugin>,
    confined: OnceCell<Vec<Plugin>>,
    processes: Processes,
    dir: TempDir,
}

impl Ground {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let (free, confined) = (OnceCell::new(), OnceCell::new());
        let ground = Self { free, confined, processes: Processes::new(), dir };
        ground.folder("package");
        ground.folder("outside");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
        for file in ["escape.py", "speech.py"] {
            fs::copy(source.join(file), ground.at("package").join(file)).unwrap();
            open_to_all(&ground.at("package").join(file));
        }
        ground.file("outside/secret", "hunter2");
        open_to_all(ground.dir.path());
        ground
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn text(&self, path: &str) -> String {
        self.at(path).display().to_string()
    }

    fn folder(&self, path: &str) {
        fs::create_dir_all(self.at(path)).unwrap();
        open_to_all(&self.at(path));
    }

    fn file(&self, path: &str, text: &str) {
        fs::write(self.at(path), text).unwrap();
        open_to_all(&self.at(path));
    }

    fn launch(&self) -> Launch {
        let (python, _) = interpreter();
        Plugin::command(python)
            .arg("-SB")
            .arg(self.at("package/escape.py"))
            .arg(self.processes.file())
            .dir(self.at("package"))
            .timeouts(TIMEOUTS)
    }

    /// The plugin without a sandbox.
    fn free(&self) -> &Plugin {
        self.free.get_or_init(|| self.launch().env("TMPDIR", self.at("outside")).start().unwrap())
    }

    /// The plugin in each of the sandboxes.
    fn each_confined(&self) -> &[Plugin] {
        let start = || sandboxes().into_iter().filter_map(|sandbox| self.confined(sandbox)).collect();
        self.confined.get_or_init(start)
    }

    /// The plugin in that sandbox; nothing, where this system does not enforce it, which the error says then.
    fn confined(&self, mut sandbox: Sandbox) -> Option<Plugin> {
        if let (_, Some(prefix)) = interpreter() {
            sandbox = sandbox.read(prefix);
        }
        let missing: Vec<&str> =
            sandbox.enforcement(&Sandbox::support()).unenforced().map(|measure| measure.name).collect();
        let started = self.launch().sandbox(sandbox).start();
        if missing.is_empty() {
            return Some(started.unwrap_or_else(|fault| panic!("{fault:?}")));
        }
        let fault = started.expect_err("what is missing keeps it from being started");
        assert_eq!((fault.kind(), fault.phase()), (Kind::Unsupported, Phase::Spawn), "{fault}");
        let Error::Sandbox { source: SandboxError::Unenforced(measures), .. } = &fault else {
            panic!("{fault:?}")
        };
        assert_eq!(measures.iter().map(|measure| measure.name).collect::<Vec<_>>(), missing);
        assert!(missing.iter().all(|name| fault.to_string().contains(name)), "{fault}");
        None
    }

    /// It is done without a sandbox, and refused in each with one of these errors.
    #[track_caller]
    fn refused(&self, attempt: &str, params: Value, errors: &[&str]) {
        self.refused_after(attempt, params, errors, |_| {});
    }

    /// The same, where something has to be put in order before each.
    #[track_caller]
    fn refused_after(&self, attempt: &str, params: Value, errors: &[&str], prepare: impl Fn(&Self)) {
        prepare(self);
        let outcome = tried(self.free(), attempt, &params);
        let led_out = outcome.get("did").is_some();
        assert!(led_out, "{attempt} {params} leads nowhere even without a sandbox: {outcome}");
        for plugin in self.each_confined() {
            prepare(self);
            let outcome = tried(plugin, attempt, &params);
            let error =
                outcome["refused"].as_str().unwrap_or_else(|| panic!("{attempt} {params}: {outcome}"));
            assert!(errors.contains(&error), "{attempt} {params}: {error}, with {:?}", plugin.sandbox());
            plugin.ping().unwrap();
        }
    }
}

fn open_to_all(path: &Path) {
    let mode = if path.is_dir() { 0o777 } else { 0o666 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What came of an attempt.
#[track_caller]
fn tried(plugin: &Plugin, attempt: &str, params: &Value) -> Value {
    plugin.call(&format!("t.{attempt}"), params).unwrap_or_else(|fault| panic!("{attempt}: {fault:?}"))
}

/// What it did.
#[track_caller]
fn done(plugin: &Plugin, attempt: &str, params: Value) -> Value {
    let outcome = tried(plugin, attempt, &params);
    outcome.get("did").unwrap_or_else(|| panic!("{attempt} {params}: {outcome}")).clone()
}

/// Why it was refused.
#[track_caller]
fn refusal(plugin: &Plugin, attempt: &str, params: Value) -> String {
    let outcome = tried(plugin, attempt, &params);
    outcome["refused"].as_str().unwrap_or_else(|| panic!("{attempt} {params}: {outcome}")).to_owned()
}

/// Another process, of that user where there is a choice.
struct Victim(Child);

impl Victim {
    fn new(uid: Option<u32>) -> Self {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new("sleep");
        command.arg("1000").stdin(Stdio::null()).env("SECRET", "hunter2");
        if let Some(uid) = uid {
            command.uid(uid).gid(uid);
        }
        Self(command.spawn().unwrap())
    }

    fn id(&self) -> u32 {
        self.0.id()
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).unwrap();
    }
}

/// Without a word of what it is for, these are here.
#[test]
fn each_measure_is_reported() {
    let ground = Ground::new();
    for sandbox in sandboxes() {
        let wanted = sandbox.enforcement(&Sandbox::support());
        let Some(plugin) = ground.confined(sandbox) else { continue };
        let enforcement = plugin.sandbox().unwrap();
        assert_eq!(enforcement.measures(), wanted.measures());
        assert!(enforcement.is_allowed() && enforcement.unenforced().next().is_none());
        assert_eq!(done(&plugin, "who", json!({}))["pid"], json!(plugin.id()));
    }
    assert!(ground.free().sandbox().is_none());
}
