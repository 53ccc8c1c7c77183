//! Fetching from git, by the program of that name: one commit, without its history, and without a working tree. What is
//! in it comes as an archive and is unpacked as any other.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::archive::unpack_tar;
use super::draft::Draft;
use super::error::StoreError;
use super::limits::PackageLimits;
use super::step::Step;
use crate::process::{Command, Process, Signal, SpawnError};

/// What git may know of this process's environment, beside what a plugin may: how it reaches the network, and how a user
/// has set it up. Not which repository this process is in.
const PASSED_ON: [&str; 16] = [
    "ALL_PROXY",
    "CURL_CA_BUNDLE",
    "GIT_ALLOW_PROTOCOL",
    "GIT_ASKPASS",
    "GIT_EXEC_PATH",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSH_ASKPASS",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "all_proxy",
    "https_proxy",
    "no_proxy",
    "DBUS_SESSION_BUS_ADDRESS",
];
const PASSED_ON_PREFIXES: [&str; 3] = ["GIT_CONFIG", "GIT_SSL", "GIT_PROXY_SSL"];

/// Short answers are no longer than this; bytes.
const ANSWER_BYTES: u64 = 64 * 1024;

/// How often it is looked how much git has fetched by now.
const LOOK: Duration = Duration::from_millis(50);

/// A repository with one commit.
#[derive(Debug)]
pub(super) struct Repository<'a> {
    directory: &'a Path,
    source: String,
    deadline: Instant,
    /// How much git may fetch; bytes.
    allowed: u64,
    /// The commit.
    pub(super) commit: String,
}

/// A git that runs; it does not outlive this, nor its time, and fetches no more than it may.
struct Running {
    process: Arc<Process>,
    fetched_too_much: Arc<AtomicBool>,
    watchdog: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where it has ended, there is nobody to signal.
        self.process.signal(Signal::Kill);
        self.join();
    }
}

impl Running {
    /// Waits for the watchdog, which ends with the process.
    fn join(&mut self) {
        if let Some(watchdog) = self.watchdog.take() {
            // It cannot panic.
            let _ended = watchdog.join();
        }
    }
}

/// How many bytes git has fetched into that repository, its index of them included.
fn fetched(repository: &Path) -> u64 {
    // Before the first byte there is no directory; and what it renames meanwhile is counted the next time.
    let Ok(entries) = std::fs::read_dir(repository.join("objects/pack")) else { return 0 };
    let files = entries.flatten().filter_map(|entry| entry.metadata().ok());
    // A file may be there by two names while it gets another.
    let sizes: HashMap<u64, u64> = files.map(|file| (file.ino(), file.len())).collect();
    sizes.values().sum()
}

impl<'a> Repository<'a> {
    /// Fetches a commit into that directory, which must not be there.
    pub(super) fn fetch(
        address: &str,
        reference: Option<&str>,
        source: String,
        directory: &'a Path,
        limits: &PackageLimits,
        watch: &mut dyn FnMut(Step<'_>),
    ) -> Result<Self, StoreError> {
        let deadline = Instant::now() + limits.fetch_time;
        let allowed = limits.archive_bytes;
        let mut this = Self { directory, source, deadline, allowed, commit: String::new() };
        this.ask(["init".into(), "--quiet".into(), "--bare".into(), "--template=".into(), directory.into()])?;
        watch(Step::Fetching { done: 0, total: None });
        let reference = reference.unwrap_or("HEAD");
        this.ask_here(&["fetch", "--quiet", "--depth=1", "--no-tags", "--", address, reference])?;
        let commit = this.ask_here(&["rev-parse", "--verify", "FETCH_HEAD^{commit}"])?;
        this.commit = commit.trim().to_owned();
        let is_id = |text: &str| text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_id(&this.commit) || (is_id(reference) && !reference.eq_ignore_ascii_case(&this.commit)) {
            return Err(this.failed(format!("it gave the commit {:?} for {reference}", this.commit)));
        }
        Ok(this)
    }

    /// Unpacks the commit.
    pub(super) fn unpack(
        &self,
        draft: &mut Draft<'_>,
        limits: &PackageLimits,
        watch: &mut dyn FnMut(Step<'_>),
    ) -> Result<(), StoreError> {
        let (mut running, stdout) = self.start(self.here(&["archive", "--format=tar", &self.commit]))?;
        unpack_tar(stdout, draft, limits, watch)?;
        self.ended(&mut running)
    }

    fn failed(&self, why: String) -> StoreError {
        StoreError::Fetch { source: self.source.clone(), why }
    }

    fn here(&self, args: &[&str]) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["--git-dir".into(), self.directory.into()];
        // Files as they were committed, by whoever asks; what comes is what its id says, and stays in the file that it comes in.
        for setting in [
            "core.autocrlf=false",
            "fetch.fsckObjects=true",
            "fetch.unpackLimit=1",
            "gc.auto=0",
            "maintenance.auto=false",
        ] {
            words.extend(["-c".into(), setting.into()]);
        }
        words.extend(args.iter().map(Into::into));
        words
    }

    fn ask_here(&self, args: &[&str]) -> Result<String, StoreError> {
        self.ask(self.here(args))
    }

    fn ask(&self, args: impl IntoIterator<Item = OsString>) -> Result<String, StoreError> {
        let (mut running, stdout) = self.start(args)?;
        let mut answer = Vec::new();
        let read = stdout.take(ANSWER_BYTES).read_to_end(&mut answer);
        self.ended(&mut running)?;
        read.map_err(|fault| self.failed(format!("git: {fault}")))?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn start(&self, args: impl IntoIterator<Item = OsString>) -> Result<(Running, File), StoreError> {
        let mut command = Command::new("git".into());
        command.args = args.into_iter().collect();
        let passed_on = |name: &str| {
            PASSED_ON.contains(&name) || PASSED_ON_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        };
        command.env = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(passed_on)).collect();
        // What a user allows is allowed; otherwise a redirection, too, leads to https only.
        command.env.entry("GIT_ALLOW_PROTOCOL".into()).or_insert_with(|| "https".into());
        // There is nobody to answer.
        command.env.insert("GIT_TERMINAL_PROMPT".into(), "0".into());
        let (process, pipes) = command.spawn(|_| {}, |_| {}).map_err(|fault| match fault {
            SpawnError::Program(fault) if fault.kind() == io::ErrorKind::NotFound => {
                self.failed("the program git is not on this machine".into())
            }
            fault => self.failed(format!("cannot start git: {fault}")),
        })?;
        let fetched_too_much = Arc::new(AtomicBool::new(false));
        let (watched, too_much) = (Arc::clone(&process), Arc::clone(&fetched_too_much));
        let (deadline, allowed, directory) = (self.deadline, self.allowed, self.directory.to_owned());
        let watchdog = std::thread::Builder::new().name("plugline-git".into()).spawn(move || {
            loop {
                let has_ended = watched.wait(LOOK).is_some();
                // Also of one that was fast.
                too_much.fetch_or(fetched(&directory) > allowed, Ordering::Release);
                if has_ended {
                    return;
                }
                if too_much.load(Ordering::Acquire) || Instant::now() >= deadline {
                    return watched.signal(Signal::Kill);
                }
            }
        });
        let mut running = Running { process, fetched_too_much, watchdog: None };
        running.watchdog = Some(watchdog.map_err(|fault| self.failed(format!("cannot watch git: {fault}")))?);
        Ok((running, File::from(pipes.read)))
    }

    fn ended(&self, running: &mut Running) -> Result<(), StoreError> {
        // It has closed its output, or does not get rid of it any more.
        let left = self.deadline.saturating_duration_since(Instant::now()) + Duration::from_secs(1);
        let exit = running.process.wait(left);
        if exit.is_some() {
            running.join();
        }
        match exit {
            _ if running.fetched_too_much.load(Ordering::Acquire) => Err(StoreError::Limit {
                limit: "archive_bytes",
                allowed: self.allowed,
                entry: self.source.clone(),
            }),
            Some(exit) if exit.code == Some(0) => Ok(()),
            _ if Instant::now() >= self.deadline => {
                Err(self.failed("it takes too long (the limit fetch_time)".into()))
            }
            Some(exit) => {
                let said = running.process.stderr_tail().join("; ");
                Err(self.failed(if said.is_empty() { format!("git {exit}") } else { format!("git: {said}") }))
            }
            None => Err(self.failed("git does not end".into())),
        }
    }
}
