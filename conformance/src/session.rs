//! The implementation's process and its pipes, byte by byte: one loop that writes, reads and waits, so that neither
//! side's full pipe stops the other.
//!
//! Knows lines and the end of file; nothing of messages.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use plugline_host::escape;
use plugline_host::process::{Command, Exit, Process, Signal, SpawnError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl, fstat};

use crate::verdict::{Passed, Way};

/// How much of a line a transcript keeps; bytes.
const KEPT_OF_A_LINE: usize = 1000;
/// How many lines a transcript keeps: the first and the last.
const KEPT_LINES: usize = 200;
/// Without a line's end by then, no line is looked for: the judge has seen enough.
const LONGEST_LINE: usize = 80 << 20;
/// How long an end that has no descriptor to wait on is waited for at a time.
const GLANCE: Duration = Duration::from_millis(2);

/// Held for reading while a process is started: until it becomes another program, it has a copy of every descriptor.
static STARTING: RwLock<()> = RwLock::new(());

/// A line that came, without its LF.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) bytes: Vec<u8>,
}

/// Whether its standard output is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    On,
    Paused,
}

/// A running implementation.
pub(crate) struct Session {
    process: Arc<Process>,
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    reading: Reading,
    /// What is to be written. `written` of `queued` bytes have been.
    outbox: VecDeque<u8>,
    partial: Vec<u8>,
    lines: VecDeque<Line>,
    started: Instant,
    transcript: Transcript,
    /// The plugin stopped reading for good: writing failed.
    refuses: bool,
    /// How many bytes passed, both ways.
    passed: u64,
    /// At which age the last of what we sent went.
    moved_at: Duration,
    ear: Ear,
}

/// Our end of its standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ear {
    Open,
    /// We closed it: that nothing comes says nothing.
    Closed,
}

impl Session {
    /// Starts it.
    pub(crate) fn start(command: &Command) -> Result<Self, SpawnError> {
        let started = Instant::now();
        let starting = STARTING.read().unwrap_or_else(PoisonError::into_inner);
        let (process, pipes) = command.spawn(|_| {}, |_| {})?;
        drop(starting);
        // Ours alone: a pipe's two ends are two file descriptions.
        let flags = fcntl_getfl(&pipes.read).map_err(io::Error::from)?;
        fcntl_setfl(&pipes.read, flags | OFlags::NONBLOCK).map_err(io::Error::from)?;
        Ok(Self {
            process,
            stdin: Some(pipes.write),
            stdout: Some(pipes.read),
            reading: Reading::On,
            outbox: VecDeque::new(),
            partial: Vec::new(),
            lines: VecDeque::new(),
            started,
            transcript: Transcript::new(started),
            refuses: false,
            passed: 0,
            moved_at: Duration::ZERO,
            ear: Ear::Open,
        })
    }

    /// Queues bytes to be written.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.transcript.sent(bytes);
        self.outbox.extend(bytes);
    }

    /// Whether all that was queued is written, or cannot be any more.
    pub(crate) fn is_written(&self) -> bool {
        let gone = self.is_deaf() && self.exit().is_some();
        self.outbox.is_empty() || self.stdin.is_none() || self.refuses || gone
    }

    /// Whether all that was written has been read, where that can be told.
    pub(crate) fn is_read(&self) -> bool {
        match &self.stdin {
            Some(stdin) if self.is_written() && !self.refuses => {
                rustix::io::ioctl_fionread(stdin).is_ok_and(|left| left == 0)
            }
            Some(_) => self.refuses,
            None => true,
        }
    }

    /// The next line that came.
    pub(crate) fn line(&mut self) -> Option<Line> {
        self.lines.pop_front()
    }

    /// What came after the last LF.
    pub(crate) fn partial(&self) -> &[u8] {
        &self.partial
    }

    /// Whether nothing more will come, which is the plugin's own doing or the end of the process.
    pub(crate) fn is_at_end(&self) -> bool {
        let closed = match self.ear {
            Ear::Open => self.stdout.is_none(),
            Ear::Closed => self.exit().is_some(),
        };
        closed && self.lines.is_empty()
    }

    /// Whether we closed our end of its standard output.
    pub(crate) fn is_deaf(&self) -> bool {
        self.ear == Ear::Closed
    }

    /// At which age the last of what we sent went.
    pub(crate) fn moved_at(&self) -> Duration {
        self.moved_at
    }

    /// How many bytes passed, both ways.
    pub(crate) fn passed(&self) -> u64 {
        self.passed
    }

    /// How it ended, if it did.
    pub(crate) fn exit(&self) -> Option<Exit> {
        self.process.exit()
    }

    pub(crate) fn close_stdin(&mut self) {
        if self.stdin.take().is_some() {
            self.transcript.event("standard input closed");
        }
        self.outbox.clear();
    }

    pub(crate) fn has_stdin(&self) -> bool {
        self.stdin.is_some()
    }

    pub(crate) fn close_stdout(&mut self) {
        self.ear = Ear::Closed;
        let Some(stdout) = self.stdout.take() else { return };
        let pipe = fstat(&stdout).map(|stat| stat.st_ino);
        drop(stdout);
        // Whatever was just being started had a copy, until it became another program …
        drop(STARTING.write().unwrap_or_else(PoisonError::into_inner));
        // … which it may be said to be a moment before its last copies are closed.
        if let Ok(pipe) = pipe {
            wait_until_unread(self.process.id(), pipe);
        }
        self.transcript.event("our end of its standard output closed");
    }

    pub(crate) fn set_reading(&mut self, reading: Reading) {
        self.reading = reading;
        self.transcript.event(match reading {
            Reading::On => "reading again",
            Reading::Paused => "reading no more",
        });
    }

    pub(crate) fn reading(&self) -> Reading {
        self.reading
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        self.transcript.event(match signal {
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
            Signal::Kill => "SIGKILL",
        });
        self.process.signal(signal);
    }

    /// Ends it, whatever it does, and waits for that.
    pub(crate) fn kill(&mut self, at_most: Duration) -> Option<Exit> {
        self.stdin = None;
        self.process.signal(Signal::Kill);
        self.process.wait(at_most)
    }

    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn transcript(&mut self) -> &mut Transcript {
        &mut self.transcript
    }

    pub(crate) fn stderr(&self) -> Vec<String> {
        self.process.stderr_tail()
    }

    /// Writes and reads what can be, and waits for that at most so long. Returns at once when a line is there.
    pub(crate) fn pump(&mut self, at_most: Duration) -> io::Result<()> {
        let deadline = Instant::now() + at_most;
        loop {
            let (writes, reads) = self.wait_ready(deadline)?;
            if writes {
                self.write()?;
            }
            if reads && self.read()? {
                return Ok(());
            }
            if writes || (reads && self.stdout.is_none()) || Instant::now() >= deadline {
                return Ok(());
            }
            if self.stdout.is_none() || self.reading == Reading::Paused {
                return Ok(());
            }
            if self.process.exit().is_some() && !reads {
                // A process that it left holds the pipe: what is in there has been read.
                self.stdout = None;
                return Ok(());
            }
        }
    }

    /// Waits until something can be written or read; whether it can.
    fn wait_ready(&self, deadline: Instant) -> io::Result<(bool, bool)> {
        let wants_write = !self.outbox.is_empty() && !self.refuses;
        let stdin = self.stdin.as_ref().filter(|_| wants_write);
        let stdout = self.stdout.as_ref().filter(|_| self.reading == Reading::On);
        let mut fds = Vec::with_capacity(2);
        fds.extend(stdin.map(|fd| PollFd::new(fd, PollFlags::OUT)));
        fds.extend(stdout.map(|fd| PollFd::new(fd, PollFlags::IN)));
        let mut wait = deadline.saturating_duration_since(Instant::now());
        if stdout.is_none() || self.process.exit().is_some() {
            // The end of the process, or of what a step waits for, has no descriptor among these.
            wait = wait.min(GLANCE);
        } else {
            wait = wait.min(Duration::from_millis(100));
        }
        let wait = Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: i64::from(wait.subsec_nanos()) };
        match poll(&mut fds, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(fault) => return Err(fault.into()),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let writes = stdin.is_some() && ready[0];
        let reads = stdout.is_some() && ready[ready.len() - 1];
        Ok((writes, reads))
    }

    fn write(&mut self) -> io::Result<()> {
        let Some(stdin) = &self.stdin else { return Ok(()) };
        let (front, _) = self.outbox.as_slices();
        match rustix::io::write(stdin, front) {
            Ok(count) => {
                self.outbox.drain(..count);
                self.passed += count as u64;
                self.moved_at = self.started.elapsed();
                Ok(())
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(()),
            Err(rustix::io::Errno::PIPE) => {
                self.refuses = true;
                self.outbox.clear();
                self.transcript.event("it closed its standard input");
                Ok(())
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// Reads once; whether a line is there now.
    fn read(&mut self) -> io::Result<bool> {
        let Some(stdout) = &self.stdout else { return Ok(false) };
        let mut chunk = vec![0; 64 * 1024];
        match rustix::io::read(stdout, &mut chunk[..]) {
            Ok(0) => {
                self.transcript.event("end of its standard output");
                self.stdout = None;
            }
            Ok(count) => {
                self.passed += count as u64;
                for piece in chunk[..count].split_inclusive(|b| *b == b'\n') {
                    self.partial.extend_from_slice(piece);
                    if self.partial.last() == Some(&b'\n') {
                        self.partial.pop();
                        let bytes = std::mem::take(&mut self.partial);
                        self.transcript.received(&bytes);
                        self.lines.push_back(Line { bytes });
                    }
                }
                if self.partial.len() > LONGEST_LINE {
                    let bytes = std::mem::take(&mut self.partial);
                    self.lines.push_back(Line { bytes });
                }
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(fault) => return Err(fault.into()),
        }
        Ok(!self.lines.is_empty())
    }
}

/// Nothing outlives its case.
impl Drop for Session {
    fn drop(&mut self) {
        self.process.signal(Signal::Kill);
    }
}

/// Waits until nobody has the reading end of a pipe that this process has the writing end of, where the system tells.
fn wait_until_unread(pid: u32, pipe: u64) {
    const PATIENCE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return };
    let is_it = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|found| found.ino() == pipe);
    let Some(path) = descriptors.flatten().map(|entry| entry.path()).find(is_it) else { return };
    if let Ok(end) = OpenOptions::new().write(true).open(path) {
        // Nothing is asked for, so what it waits for is the error that a pipe without a reader has. Where that does not
        // come in time, the case says what came of it.
        let _waited = poll(&mut [PollFd::new(&end, PollFlags::empty())], Some(&PATIENCE));
    }
}

/// What passed: the first lines and the last ones.
pub(crate) struct Transcript {
    started: Instant,
    first: Vec<Passed>,
    last: VecDeque<Passed>,
    left_out: usize,
    last_sent: Option<String>,
}

impl Transcript {
    pub(crate) fn new(started: Instant) -> Self {
        Self { started, first: Vec::new(), last: VecDeque::new(), left_out: 0, last_sent: None }
    }

    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        let text = quoted(bytes.strip_suffix(b"\n").unwrap_or(bytes));
        let text = if bytes.ends_with(b"\n") { text } else { format!("{text} (no LF)") };
        self.last_sent = Some(text.clone());
        self.push(Way::Sent, text, bytes.len());
    }

    pub(crate) fn received(&mut self, bytes: &[u8]) {
        self.push(Way::Received, quoted(bytes), bytes.len());
    }

    pub(crate) fn event(&mut self, text: &str) {
        self.push(Way::Event, text.to_owned(), 0);
    }

    fn push(&mut self, way: Way, text: String, bytes: usize) {
        let at_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let passed = Passed { at_us, way, text, bytes };
        if self.first.len() < KEPT_LINES / 2 {
            self.first.push(passed);
            return;
        }
        self.last.push_back(passed);
        if self.last.len() > KEPT_LINES / 2 {
            self.last.pop_front();
            self.left_out += 1;
        }
    }

    pub(crate) fn last_sent(&self) -> Option<String> {
        self.last_sent.clone()
    }

    pub(crate) fn entries(&self) -> Vec<Passed> {
        let mut entries = self.first.clone();
        if self.left_out > 0 {
            let text = format!("… {} lines left out", self.left_out);
            let at_us = self.last.front().map_or(0, |passed| passed.at_us);
            entries.push(Passed { at_us, way: Way::Event, text, bytes: 0 });
        }
        entries.extend(self.last.iter().cloned());
        entries
    }
}

/// Escaped, and cut.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let mut text = escape(&bytes[..bytes.len().min(KEPT_OF_A_LINE)]);
    if bytes.len() > KEPT_OF_A_LINE {
        text.push_str(&format!("… ({} bytes)", bytes.len()));
    }
    text
}
