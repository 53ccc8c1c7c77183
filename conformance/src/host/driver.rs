//! The driver's process: commands go in, lines come out, and its standard error is kept for reports.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::Value;

use super::stage::{Seen, Trouble};

/// How much of its standard error is kept; lines.
const TAIL: usize = 30;
/// The longest line that a driver says; bytes.
const MAX_LINE: u64 = 256 * 1024 * 1024;

/// A driver, in a process group of its own.
#[derive(Debug)]
pub(super) struct Driver {
    child: Child,
    stdin: Option<ChildStdin>,
    tail: Arc<Mutex<VecDeque<String>>>,
}

impl Driver {
    pub(super) fn start(
        command: &plugline_host::process::Command,
        seen: &Sender<(Instant, Seen)>,
    ) -> Result<Self, Trouble> {
        let child = launched(command).map_err(Trouble::NotStarted)?;
        Self::heard(child, seen).map_err(|fault| Trouble::harness("the driver cannot be heard", fault))
    }

    fn heard(mut child: Child, seen: &Sender<(Instant, Seen)>) -> io::Result<Self> {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (stdout, stderr) =
            stdout.zip(stderr).ok_or_else(|| io::Error::other("the driver has no pipes"))?;
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let (kept, seen) = (Arc::clone(&tail), seen.clone());
        std::thread::Builder::new().name("driver".into()).spawn(move || hear(stdout, &seen))?;
        std::thread::Builder::new().name("driver-stderr".into()).spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut tail = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if tail.len() == TAIL {
                    tail.pop_front();
                }
                tail.push_back(line);
            }
        })?;
        Ok(Self { child, stdin, tail })
    }

    pub(super) fn send(&mut self, command: &Value) -> io::Result<()> {
        match &mut self.stdin {
            Some(stdin) => stdin.write_all(format!("{command}\n").as_bytes()),
            None => Err(io::Error::other("its standard input was closed")),
        }
    }

    pub(super) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Signals the driver itself; a wrapper around it is to become it (`exec`).
    pub(super) fn signal(&self, signal: rustix::process::Signal) -> io::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("no such process"))?;
        Ok(rustix::process::kill_process(pid, signal)?)
    }

    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Its last lines on standard error.
    pub(super) fn tail(&self) -> Vec<String> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// However the case ended, nothing of the driver's group stays.
impl Drop for Driver {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let group = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
            // Fails where it is gone already.
            let _gone =
                group.map(|group| rustix::process::kill_process_group(group, rustix::process::Signal::KILL));
        }
        let _reaped = self.child.wait();
    }
}

fn launched(command: &plugline_host::process::Command) -> io::Result<Child> {
    // A path is meant from where the runner stands, wherever the driver is to run.
    let is_path = command.program.components().count() > 1;
    let mut driver = if is_path {
        Command::new(std::path::absolute(&command.program)?)
    } else {
        Command::new(&command.program)
    };
    if let Some(dir) = &command.dir {
        driver.current_dir(dir);
    }
    driver
        .args(&command.args)
        .envs(&command.env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

fn hear(stdout: impl Read, seen: &Sender<(Instant, Seen)>) {
    let mut lines = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        let end = match lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => true,
            Ok(_) => false,
        };
        let what = if end { Seen::DriverEnd } else { Seen::Driver(line) };
        if seen.send((Instant::now(), what)).is_err() || end {
            return;
        }
    }
}
