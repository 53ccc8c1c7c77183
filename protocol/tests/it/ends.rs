//! The two ends of a connection within one process: connections with a service made of closures, and raw
//! lines.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded as channel};
use plugline_protocol::lifecycle::Limits;
use plugline_protocol::peer::{
    CallError, CloseReason, Connection, Direction, Handler, Kind, Listener, Pipes, Remote, Report,
    RequestOptions, Route, Service, Setup, Side, Wake, pair,
};
use plugline_protocol::wire::{Error, Params, error};
use serde_json::{Value, json};

/// No wait takes this long unless something is stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What a connection reported, owned.
#[derive(Debug, PartialEq)]
pub(crate) enum Seen {
    Ignored(String),
    Unanswered(String),
    Closed(Kind),
    Other(String),
}

/// A service from closures.
struct Desk {
    handlers: HashMap<&'static str, Handler>,
    listeners: HashMap<&'static str, Listener>,
    reports: Sender<Seen>,
}

impl Service for Desk {
    fn route(&self, _: &Connection, method: &str, _: Params<'_>) -> Result<Route, Error> {
        let handler = self.handlers.get(method).ok_or_else(|| error::method_not_found(method))?;
        Ok(Route::Run(handler.clone()))
    }

    fn listener(&self, method: &str) -> Option<Listener> {
        self.listeners.get(method).cloned()
    }

    fn report(&self, report: Report<'_>) {
        // The test may be over.
        let _unheard = self.reports.send(match report {
            Report::Ignored(what) => Seen::Ignored(what),
            Report::Unanswered { method, .. } => Seen::Unanswered(method),
            Report::Closed(reason) => Seen::Closed(reason.kind()),
            other => Seen::Other(format!("{other:?}")),
        });
    }
}

type Transcript = Box<dyn Fn(Direction, &[u8]) + Send + Sync>;

/// What is to stand at one end.
pub(crate) struct End {
    side: Side,
    limits: Limits,
    /// None before the handshake.
    remote: Option<Remote>,
    handlers: HashMap<&'static str, Handler>,
    listeners: HashMap<&'static str, Listener>,
    unanswered: Duration,
    transcript: Option<Transcript>,
    ended: Arc<Wake>,
}

impl End {
    pub(crate) fn new(side: Side) -> Self {
        Self {
            side,
            limits: Limits::default(),
            remote: Some(remote(Limits::default())),
            handlers: HashMap::new(),
            listeners: HashMap::new(),
            unanswered: Duration::from_secs(5),
            transcript: None,
            ended: Arc::new(Wake::new().unwrap()),
        }
    }

    pub(crate) fn host() -> Self {
        Self::new(Side::Host)
    }

    pub(crate) fn plugin() -> Self {
        Self::new(Side::Plugin)
    }

    /// What this end accepts.
    pub(crate) fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What this end was told that the other accepts.
    pub(crate) fn remote(mut self, limits: Limits) -> Self {
        self.remote = Some(remote(limits));
        self
    }

    /// Nothing was agreed yet.
    pub(crate) fn before_handshake(mut self) -> Self {
        self.remote = None;
        self
    }

    pub(crate) fn unanswered(mut self, after: Duration) -> Self {
        self.unanswered = after;
        self
    }

    pub(crate) fn transcript(mut self, sees: impl Fn(Direction, &[u8]) + Send + Sync + 'static) -> Self {
        self.transcript = Some(Box::new(sees));
        self
    }

    /// What is raised when the process at the other end is gone.
    pub(crate) fn ended(&self) -> Arc<Wake> {
        Arc::clone(&self.ended)
    }

    pub(crate) fn on(mut self, method: &'static str, handler: Handler) -> Self {
        self.handlers.insert(method, handler);
        self
    }

    pub(crate) fn hear(mut self, method: &'static str, listener: Listener) -> Self {
        self.listeners.insert(method, listener);
        self
    }

    pub(crate) fn open(self, pipes: Pipes) -> Opened {
        let (reports, seen) = channel();
        let service = Desk { handlers: self.handlers, listeners: self.listeners, reports };
        let setup = Setup {
            side: self.side,
            limits: self.limits,
            strict: false,
            service: Arc::new(service),
            transcript: self.transcript,
            ended: self.ended,
            unanswered: self.unanswered,
        };
        let connection = Connection::open(pipes, setup).unwrap();
        if let Some(remote) = self.remote {
            connection.agree(remote);
        }
        Opened { connection, seen }
    }

    /// Opens it against raw lines.
    pub(crate) fn against_raw(self) -> (Opened, Raw) {
        let (host, plugin) = pair().unwrap();
        let (ours, theirs) = match self.side {
            Side::Host => (host, plugin),
            Side::Plugin => (plugin, host),
        };
        (self.open(ours), Raw::new(theirs))
    }
}

pub(crate) fn both(host: End, plugin: End) -> (Opened, Opened) {
    let (host_pipes, plugin_pipes) = pair().unwrap();
    (host.open(host_pipes), plugin.open(plugin_pipes))
}

pub(crate) fn remote(limits: Limits) -> Remote {
    Remote { limits, cancel: true, streams: true, progress: true, log: true, methods: None }
}

pub(crate) fn in_flight(max_in_flight: u32) -> Limits {
    Limits { max_in_flight, ..Limits::default() }
}

/// An open connection; dropping it closes it.
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    seen: Receiver<Seen>,
}

impl Opened {
    pub(crate) fn call(&self, method: &str, params: &Value) -> Result<Value, CallError> {
        self.connection.call(method, params, patient())
    }

    /// The next report that the function wants.
    pub(crate) fn report(&self, mut wanted: impl FnMut(&Seen) -> bool) -> Seen {
        loop {
            let seen = self.seen.recv_timeout(PATIENCE).expect("a report comes");
            if wanted(&seen) {
                return seen;
            }
        }
    }

    pub(crate) fn end(&self) -> &CloseReason {
        self.report(|seen| matches!(seen, Seen::Closed(_)));
        self.connection.closed().expect("it was reported")
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.connection.shut();
    }
}

pub(crate) fn patient() -> RequestOptions {
    RequestOptions::timeout(PATIENCE)
}

/// The other end of a connection, line by line.
pub(crate) struct Raw {
    pub(crate) write: File,
    pub(crate) lines: Receiver<String>,
}

impl Raw {
    pub(crate) fn new(pipes: Pipes) -> Self {
        let (sender, lines) = channel();
        let read = BufReader::new(File::from(pipes.read));
        thread::spawn(move || {
            for line in read.lines() {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { write: File::from(pipes.write), lines }
    }

    pub(crate) fn send(&mut self, line: &Value) {
        self.send_bytes(format!("{line}\n").as_bytes());
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.write.write_all(bytes).unwrap();
    }

    pub(crate) fn request(&mut self, id: u64, method: &str, params: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
    }

    pub(crate) fn notify(&mut self, method: &str, params: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    pub(crate) fn answer(&mut self, id: &Value, result: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "id": id, "result": result}));
    }

    pub(crate) fn line(&self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("a line comes");
        serde_json::from_str(&line).unwrap()
    }

    #[track_caller]
    pub(crate) fn expect_result(&self, id: u64, result: &Value) {
        assert_eq!(self.line(), json!({"jsonrpc": "2.0", "id": id, "result": result}));
    }

    #[track_caller]
    pub(crate) fn expect_error(&self, id: &Value, code: i64) -> Value {
        let line = self.line();
        assert_eq!((&line["id"], &line["error"]["code"]), (id, &json!(code)), "{line}");
        line["error"]["data"].clone()
    }
}
