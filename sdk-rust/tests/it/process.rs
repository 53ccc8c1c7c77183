//! An example as a process: whole lines in and out, and no wait without an end.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded, unbounded};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// No wait takes this long unless something is stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The program of an example, which `cargo test` builds before it runs tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let path = this.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is not there: cargo build --examples makes it", path.display());
    path
}

/// A plugin as a process. Dropping it kills it.
pub(crate) struct Process {
    child: Option<Child>,
    stdin: Option<ChildStdin>,
    lines: Option<Receiver<String>>,
    reader: Option<JoinHandle<()>>,
    stderr: Receiver<String>,
    pid: Pid,
    wire: [u64; 2],
    next_id: u64,
}

impl Process {
    pub(crate) fn start(name: &str) -> Self {
        Self::with_stdout(name, Stdio::piped())
    }

    /// It writes to that, which is for the test to read.
    pub(crate) fn with_stdout(name: &str, stdout: Stdio) -> Self {
        Self::spawn(Command::new(example(name)).stdin(Stdio::piped()).stdout(stdout))
    }

    /// Runs a command to its end.
    pub(crate) fn run(command: &mut Command) -> Exit {
        Self::spawn(command).exit()
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let inode = |fd: BorrowedFd<'_>| rustix::fs::fstat(fd).unwrap().st_ino;
        let ends = [stdin.as_ref().map(AsFd::as_fd), stdout.as_ref().map(AsFd::as_fd)];
        let wire = ends.map(|end| end.map_or(0, inode));
        let (lines, reader) = stdout.map(read_lines).unzip();
        Self {
            wire,
            stdin,
            lines,
            reader,
            stderr: read_lines(child.stderr.take().unwrap()).0,
            pid: Pid::from_child(&child),
            child: Some(child),
            next_id: 1000,
        }
    }

    /// The example `rough`, with which hands were shaken by a host that can do everything.
    pub(crate) fn rough() -> Self {
        Self::rough_with(&json!({}), &all_capabilities())
    }

    pub(crate) fn rough_with(limits: &Value, capabilities: &Value) -> Self {
        let mut rough = Self::start("rough");
        let params = json!({"protocolVersions": [1], "limits": limits, "capabilities": capabilities});
        rough.result("rpc.initialize", &params);
        rough
    }

    /// The names under which the kernel lists its two pipes.
    pub(crate) fn wire(&self) -> [String; 2] {
        self.wire.map(|inode| format!("pipe:[{inode}]"))
    }

    #[track_caller]
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().expect("stdin is open").write_all(bytes).unwrap();
    }

    #[track_caller]
    pub(crate) fn send(&mut self, message: &Value) {
        self.send_bytes(format!("{message}\n").as_bytes());
    }

    #[track_caller]
    pub(crate) fn request(&mut self, id: u64, method: &str, params: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
    }

    #[track_caller]
    pub(crate) fn notify(&mut self, method: &str, params: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    #[track_caller]
    pub(crate) fn answer(&mut self, id: &Value, result: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "id": id, "result": result}));
    }

    #[track_caller]
    pub(crate) fn line(&self) -> Value {
        let lines = self.lines.as_ref().expect("its output is read");
        let line = lines.recv_timeout(PATIENCE).expect("a line comes");
        serde_json::from_str(&line).unwrap_or_else(|fault| panic!("{line:?} is no message: {fault}"))
    }

    /// Calls, and takes the very next line as the answer.
    #[track_caller]
    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        self.request(id, method, params);
        let line = self.line();
        assert_eq!(line["id"], id, "{line}");
        line
    }

    #[track_caller]
    pub(crate) fn result(&mut self, method: &str, params: &Value) -> Value {
        let mut line = self.call(method, params);
        assert_eq!(line.get("error"), None);
        line["result"].take()
    }

    /// The error's data.
    #[track_caller]
    pub(crate) fn error(&mut self, method: &str, params: &Value, code: i64) -> Value {
        let mut line = self.call(method, params);
        assert_eq!(line["error"]["code"], code, "{line}");
        line["error"]["data"].take()
    }

    /// Asks until it says that it is shutting down.
    #[track_caller]
    pub(crate) fn wait_shutting_down(&mut self) {
        while self.call("rpc.discover", &json!({}))["error"]["code"] != -32003 {}
    }

    #[track_caller]
    pub(crate) fn ping(&mut self) {
        assert_eq!(self.result("rpc.ping", &json!({})), json!({}));
    }

    #[track_caller]
    pub(crate) fn expect_result(&self, id: u64, result: &Value) {
        assert_eq!(self.line(), json!({"jsonrpc": "2.0", "id": id, "result": result}));
    }

    /// The error's data.
    #[track_caller]
    pub(crate) fn expect_error(&self, id: &Value, code: i64) -> Value {
        let mut line = self.line();
        assert_eq!((&line["id"], &line["error"]["code"]), (id, &json!(code)), "{line}");
        line["error"]["data"].take()
    }

    /// A handler of that call has begun.
    #[track_caller]
    pub(crate) fn expect_begun(&self, id: u64) {
        assert_eq!(self.line()["params"], json!({"id": id, "progress": 0}));
    }

    /// The next line on standard error that has this in it, and all lines before it.
    #[track_caller]
    pub(crate) fn expect_stderr(&self, text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            match self.stderr.recv_timeout(PATIENCE) {
                Ok(line) => seen.push(line),
                Err(end) => panic!("{text:?} is not in {seen:#?} ({end})"),
            }
            if seen.last().is_some_and(|line| line.contains(text)) {
                return seen;
            }
        }
    }

    /// The most memory that it ever had; KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid.as_raw_nonzero())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// Says no more.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Closes the pipe that it writes to.
    pub(crate) fn stop_reading(&mut self) {
        self.lines = None;
        // The reader finds with one more line that nobody wants it.
        self.request(0, "rpc.ping", &json!({}));
        self.reader.take().expect("its output is read").join().unwrap();
    }

    /// Waits for the end.
    pub(crate) fn exit(mut self) -> Exit {
        let lines = self.lines.take().map(|lines| {
            rest(&lines).iter().map(|line| serde_json::from_str(line).expect("a message")).collect()
        });
        let mut child = self.child.take().expect("it was not waited for");
        let (sender, status) = bounded(1);
        thread::spawn(move || sender.send(child.wait()));
        let Ok(status) = status.recv_timeout(PATIENCE) else {
            self.signal(Signal::KILL);
            panic!("it does not exit");
        };
        Exit { status: status.unwrap(), lines: lines.unwrap_or_default(), stderr: rest(&self.stderr) }
    }

    /// Says no more, and waits for the end.
    pub(crate) fn end(mut self) -> Exit {
        self.close_stdin();
        self.exit()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have exited by itself.
            let _exited = child.kill();
            let _reaped = child.wait();
        }
    }
}

/// How a process ended, and what it still said.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) status: ExitStatus,
    pub(crate) lines: Vec<Value>,
    pub(crate) stderr: Vec<String>,
}

impl Exit {
    /// With 0.
    #[track_caller]
    pub(crate) fn expect_success(self) -> Self {
        assert_eq!(self.status.code(), Some(0), "{self:#?}");
        self
    }

    /// With 0, and having said nothing more.
    #[track_caller]
    pub(crate) fn expect_silent(self) -> Self {
        assert_eq!((self.status.code(), self.lines.len()), (Some(0), 0), "{self:#?}");
        self
    }
}

pub(crate) fn all_capabilities() -> Value {
    json!({"progress": {}, "log": {}, "streams": {}, "callbacks": {"methods": ["asker.ask"]}})
}

fn read_lines(pipe: impl Read + Send + 'static) -> (Receiver<String>, JoinHandle<()>) {
    let (sender, lines) = unbounded();
    let reader = thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n') {
            let line = line.map(|line| String::from_utf8(line).expect("only UTF-8 is written"));
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    (lines, reader)
}

#[track_caller]
fn rest(lines: &Receiver<String>) -> Vec<String> {
    let mut rest = Vec::new();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => rest.push(line),
            Err(RecvTimeoutError::Disconnected) => return rest,
            Err(RecvTimeoutError::Timeout) => panic!("the pipe stays open after {rest:#?}"),
        }
    }
}

/// A named pipe that holds up whoever reads from it until it is opened, or dropped.
pub(crate) struct Gate {
    directory: tempfile::TempDir,
    /// Open for both, so that nobody waits for the other end.
    pipe: File,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gate");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
            .unwrap();
        let pipe = File::options().read(true).write(true).open(path).unwrap();
        Self { directory, pipe }
    }

    pub(crate) fn path(&self) -> PathBuf {
        Path::join(self.directory.path(), "gate")
    }

    /// The params of a method that waits here.
    pub(crate) fn params(&self) -> Value {
        json!({ "path": self.path() })
    }

    /// Lets so many through.
    pub(crate) fn open(&self, times: usize) {
        (&self.pipe).write_all(&vec![b'\n'; times]).unwrap();
    }
}
