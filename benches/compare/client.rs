//! A client under way: a process that measures one system when told.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use plugline_benches_driver::{Fault, Method, Request, Response};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::mode::Mode;
use crate::peers::{Peer, Places, SPINNING, named};

/// No operation takes longer, on however slow a machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// A client under way. It is stopped when dropped.
pub(crate) struct Client {
    name: &'static str,
    child: Child,
    /// Taken to end it.
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Client {
    /// Starts the client of a peer.
    pub(crate) fn start(places: &Places, peer: &Peer) -> Result<Self, Fault> {
        Self::spawn(places, peer, None, None)
    }

    /// Starts the client of that peer on one core only.
    pub(crate) fn start_on_core(
        places: &Places,
        peer: &str,
        mode: Option<Mode>,
        core: usize,
    ) -> Result<Self, Fault> {
        Self::spawn(places, named(peer).ok_or("no such peer")?, mode, Some(core))
    }

    /// Starts the client of Plugline, polling or not.
    pub(crate) fn plugline(places: &Places, mode: Mode) -> Result<Self, Fault> {
        Self::spawn(places, named("plugline").ok_or("no such peer")?, Some(mode), None)
    }

    /// Keeps a core busy until it is dropped.
    pub(crate) fn start_spinning(places: &Places, core: usize) -> Result<Self, Fault> {
        Self::spawn(places, &SPINNING, None, Some(core))
    }

    fn spawn(places: &Places, peer: &Peer, mode: Option<Mode>, core: Option<usize>) -> Result<Self, Fault> {
        let (program, args) = places.client(peer);
        let mut command = Command::new(program);
        command.args(args).env_remove("PLUGLINE_POLL");
        if let Some(core) = core {
            command.args(["--core", &core.to_string()]);
        }
        command.args(places.plugin(peer));
        command.envs(mode.and_then(Mode::environment));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|fault| format!("{}: {fault}", peer.name))?;
        let from = child.stdout.take().ok_or("no pipe")?;
        Ok(Self { name: peer.name, to: child.stdin.take(), from: BufReader::new(from), child })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Has an operation done.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Response, Fault> {
        let failed = |why: &dyn std::fmt::Display| format!("{}, {}: {why}", self.name, request.op);
        let to = self.to.as_mut().ok_or_else(|| failed(&"it was stopped"))?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        to.write_all(&line).map_err(|fault| failed(&fault))?;
        if !self.answers()? {
            // It would keep its plugins for ever.
            self.child.kill()?;
            return Err(failed(&format!("no answer within {} s", PATIENCE.as_secs())).into());
        }
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            return Err(failed(&"the client ended").into());
        }
        let response: Response = serde_json::from_str(&line).map_err(|fault| failed(&fault))?;
        match response.error {
            Some(why) => Err(failed(&why).into()),
            None => Ok(response),
        }
    }

    /// Waits for an answer to begin.
    fn answers(&self) -> Result<bool, Fault> {
        let patience = Timespec::try_from(PATIENCE)?;
        Ok(poll(&mut [PollFd::new(self.from.get_ref(), PollFlags::IN)], Some(&patience))? > 0)
    }

    /// Starts so many plugins; says how long the last took to its first result, and which processes all are.
    pub(crate) fn start_plugins(&mut self, count: usize) -> Result<Response, Fault> {
        // One at a time: not every client takes a count.
        let mut started = Response::default();
        for _ in 0..count {
            started = self.ask(&Request { op: "start".into(), ..Request::default() })?;
        }
        Ok(started)
    }

    /// Stops all plugins.
    pub(crate) fn stop_plugins(&mut self) -> Result<(), Fault> {
        self.ask(&Request { op: "stop".into(), ..Request::default() }).map(drop)
    }

    /// Calls one after another for that long, after some that are not counted.
    pub(crate) fn sequential(
        &mut self,
        method: Method,
        span: std::time::Duration,
    ) -> Result<Response, Fault> {
        let millis = u64::try_from(span.as_millis())?;
        let request = Request { op: "sequential".into(), method: Some(method), ..Request::default() };
        self.ask(&Request { millis: millis / 5 + 1, ..request.clone() })?;
        self.ask(&Request { millis, ..request })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The end of its input is its end; it stops its plugins.
        drop(self.to.take());
        let _exit = self.child.wait();
    }
}
