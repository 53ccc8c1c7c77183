//! This machine: the store, and what plugins in other languages need.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use plugline_host::package::Platform;
use plugline_host::store::{Complaint, Store};
use plugline_host::{MeasureState, Sandbox};

use super::Findings;
use crate::failure::Failure;
use crate::storage::StoreOptions;

/// A program that plugins or commands need, how it is asked for its version, and for what it is needed.
const TOOLS: [(&str, &str, &str); 7] = [
    ("git", "--version", "installing from git+https:"),
    ("python3", "--version", "plugins in Python"),
    ("node", "--version", "plugins in JavaScript and TypeScript"),
    ("bash", "--version", "plugins in Bash"),
    ("jq", "--version", "plugins in Bash that read JSON with it"),
    ("cargo", "--version", "building plugins in Rust"),
    ("go", "version", "building plugins in Go"),
];

/// So long may a program take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn examine(options: &StoreOptions, findings: &mut Findings) -> Result<(), Failure> {
    match Platform::here() {
        Some(here) => findings.fine("machine", here.to_string()),
        None => findings.note(
            "machine",
            format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            "packages have no name for it: only those with a `command` run here",
        ),
    }
    sandbox(findings);
    store(&options.open()?, findings);
    for (name, argument, purpose) in TOOLS {
        match find(name) {
            None => findings.note(name, "not on PATH", format!("needed for {purpose}")),
            Some(path) => match version(&path, argument) {
                Some(version) => findings.fine(name, version),
                None => findings.note(
                    name,
                    format!("{} does not say its version", path.display()),
                    format!("needed for {purpose}; run `{name} {argument}` to see why"),
                ),
            },
        }
    }
    Ok(())
}

/// What of the usual sandbox this machine enforces.
fn sandbox(findings: &mut Findings) {
    let support = Sandbox::support();
    findings.fine("sandbox", support.to_string());
    for measure in Sandbox::new().enforcement(&support).unenforced() {
        if let MeasureState::Unenforced { why, remedy } = &measure.state {
            findings.note("sandbox", format!("{}: {why}", measure.name), remedy.clone());
        }
    }
}

fn store(store: &Store, findings: &mut Findings) {
    let root = store.root().display().to_string();
    if !store.root().exists() {
        findings.fine("store", format!("{root} (not there yet: nothing is installed)"));
        return;
    }
    let examination = store.examine();
    for complaint in &examination.complaints {
        match complaint {
            Complaint::Unreadable(fault) => {
                findings.wrong(
                    "store",
                    fault.to_string(),
                    "make it readable, or move it away and install again",
                );
            }
            Complaint::Release { name, version, fault, .. } => findings.wrong(
                "store",
                format!("{name} {version}: {fault}"),
                format!("install it again from where it came, or `plugline remove {name}@{version}`"),
            ),
            Complaint::ReadOnly { directory } => findings.note(
                "store",
                format!("{} cannot be changed by this user", directory.display()),
                "what is in it can be started; to install, choose another with --store or PLUGLINE_STORE",
            ),
            Complaint::OpenToOthers { directory, mode } => findings.wrong(
                "store",
                format!(
                    "others can write to {} (mode {mode:o}) and so have its plugins run anything",
                    directory.display()
                ),
                format!("chmod go-w {}", directory.display()),
            ),
            Complaint::NoExec { directory } => findings.wrong(
                "store",
                format!(
                    "{} is on a file system from which nothing can be started (noexec)",
                    directory.display()
                ),
                "choose another place with PLUGLINE_STORE",
            ),
            Complaint::Locked { holder } => findings.note(
                "store",
                format!("{holder} is changing it"),
                "it is waited for; if it hangs, end it: the lock goes with it",
            ),
            Complaint::Leftover { paths } => findings.note(
                "store",
                format!(
                    "{} left behind by a process that was killed, such as {}",
                    paths.len(),
                    paths[0].display()
                ),
                "the next install or remove deletes it",
            ),
            // What a later version of the store may find.
            other => findings.note("store", format!("{other:?}"), "look into the store"),
        }
    }
    if examination.complaints.is_empty() {
        findings.fine("store", format!("{root}: {} verified", counted(examination.verified)));
    }
}

fn counted(releases: usize) -> String {
    match releases {
        1 => "1 release".into(),
        many => format!("{many} releases"),
    }
}

/// The program of that name on `PATH`.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|path| is_program(path))
}

pub(super) fn is_program(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file()
}

/// The first line of what it says, if it ends well and in time.
fn version(program: &Path, argument: &str) -> Option<String> {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let deadline = Instant::now() + PATIENCE;
    // A version fits into a pipe: it need not be read meanwhile.
    loop {
        match child.try_wait() {
            Ok(Some(_)) => break,
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                // Gone already, or killed: either way it is reaped.
                let _gone = child.kill();
                let _reaped = child.wait();
                return None;
            }
        }
    }
    let output = child.wait_with_output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| !line.trim().is_empty())?.trim().to_owned();
    output.status.success().then_some(line)
}
