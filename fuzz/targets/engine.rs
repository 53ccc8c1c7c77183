//! The engine, fed with arbitrary interleavings: two connections, or one against lines that keep the rules or do not,
//! over real pipes, with calls, cancels, deadlines, streams and callbacks. Every call has one outcome, and soon; of a
//! connection that nobody broke, every request is answered once; a call that nobody disturbed has its own result; and at
//! the end nothing is pending, and both sides have come to rest.
#![no_main]

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use plugline_protocol::lifecycle::{Limits, methods};
use plugline_protocol::peer::{
    Call, CallError, Connection, Handler, Listener, PendingCall, Pipes, Remote, Report, RequestOptions,
    Route, Service, Setup, Side, Wake, pair,
};
use plugline_protocol::wire::{Error, Params, error};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Arbitrary)]
enum Input<'a> {
    Both { host: Ends, plugin: Ends, steps: Vec<Step> },
    Raw { is_host: bool, ends: Ends, steps: Vec<Raw<'a>> },
}

/// What a side accepts, and whether the handshake is done.
#[derive(Debug, Arbitrary)]
struct Ends {
    in_flight: u8,
    depth: u8,
    has_features: bool,
    agreed: bool,
}

#[derive(Debug, Arbitrary)]
enum Step {
    Call { from_host: bool, what: What, number: u16, deadline: Option<u8>, takes_output: bool },
    Feed { items: u8, is_finished: bool },
    Cancel(u8),
    Drop(u8),
    Wait(u8),
    Take(u8),
    Notify { from_host: bool, number: u16 },
    Log,
    Shut { host: bool },
}

#[derive(Debug, Arbitrary, Clone, Copy, PartialEq)]
enum What {
    Echo,
    Wait,
    Fill,
    Sum,
    Back,
    Progress,
    Fail,
    Ping,
    Missing,
    Positional,
}

#[derive(Debug, Arbitrary)]
enum Raw<'a> {
    Request { id: u8, what: What, number: u16, parent: Option<u8>, deadline: Option<u8> },
    Answer { id: u8, result: bool },
    Cancel { id: u8 },
    Stream { method: Streamed, id: u8, count: u8 },
    Notify(u16),
    Half { id: u8, at: u8 },
    Text(&'a str),
    Bytes(&'a [u8]),
    Long(u8),
    Call { what: What, number: u16, deadline: Option<u8>, takes_output: bool },
    Wait(u8),
    Drop(u8),
    CloseWrite,
}

#[derive(Debug, Arbitrary, Clone, Copy)]
enum Streamed {
    Output,
    Input,
    InputEnd,
    OutputCredit,
    InputCredit,
    Progress,
}

/// No call has no deadline here, and none takes this long but for a fault.
const PATIENCE: Duration = Duration::from_secs(8);

impl What {
    fn method(self) -> &'static str {
        match self {
            Self::Echo => "a.echo",
            Self::Wait => "a.wait",
            Self::Fill => "a.fill",
            Self::Sum => "a.sum",
            Self::Back => "a.back",
            Self::Progress => "a.progress",
            Self::Fail => "a.fail",
            Self::Ping => methods::PING,
            Self::Missing => "a.missing",
            Self::Positional => "a.echo",
        }
    }

    fn params(self, number: u16) -> Value {
        match self {
            Self::Sum | Self::Ping => json!({}),
            Self::Positional => json!([number]),
            _ => json!({ "n": number }),
        }
    }
}

#[derive(Deserialize)]
struct Number {
    n: u16,
}

struct Desk {
    handlers: HashMap<&'static str, Handler>,
    closed: AtomicUsize,
}

impl Service for Desk {
    fn route(&self, _: &Connection, method: &str, _: Params<'_>) -> Result<Route, Error> {
        let handler = self.handlers.get(method).ok_or_else(|| error::method_not_found(method))?;
        Ok(Route::Run(handler.clone()))
    }

    fn listener(&self, method: &str) -> Option<Listener> {
        (method == "a.note").then(|| Listener::new(|_: Number| ()))
    }

    fn report(&self, report: Report<'_>) {
        if let Report::Closed(_) = report {
            assert_eq!(self.closed.fetch_add(1, Ordering::SeqCst), 0, "the end is reported once");
        }
    }
}

fn handlers() -> HashMap<&'static str, Handler> {
    HashMap::from([
        ("a.echo", Handler::new(|number: Number, _: &Call| Ok::<_, Error>(number.n))),
        // Until it is cancelled, or a few milliseconds.
        (
            "a.wait",
            Handler::new(|number: Number, call: &Call| {
                call.sleep(Duration::from_millis((number.n % 8).into())).map(|()| number.n)
            }),
        ),
        (
            "a.fill",
            Handler::new(|number: Number, call: &Call| {
                let output = call.output().expect("declared below");
                for item in 0..number.n % 64 {
                    output.send(&(item, "x".repeat((number.n / 8).into())))?;
                }
                Ok::<_, Error>(number.n)
            })
            .with_output(),
        ),
        (
            "a.sum",
            Handler::new(|(), call: &Call| {
                call.input::<i64>()
                    .expect("declared below")
                    .try_fold(0_i64, |sum, item| Ok::<_, Error>(sum.wrapping_add(item?)))
            })
            .with_input(),
        ),
        // Calls whoever called, and so on, until it is too deep.
        (
            "a.back",
            Handler::new(|number: Number, call: &Call| match number.n {
                0 => Ok(0),
                n => call
                    .call::<u16>("a.back", &json!({ "n": n % 6 - u16::from(n % 6 > 0) }))
                    .map_err(CallError::into_error),
            }),
        ),
        (
            "a.progress",
            Handler::new(|number: Number, call: &Call| {
                for step in 0..number.n % 16 {
                    call.progress(step.into(), None, None);
                }
                Ok::<_, Error>(number.n)
            }),
        ),
        (
            "a.fail",
            Handler::new(|number: Number, _: &Call| {
                Err::<(), _>(error::application(number.n.into(), "no", None))
            }),
        ),
    ])
}

struct End {
    connection: Connection,
    desk: Arc<Desk>,
}

fn limits(ends: &Ends) -> Limits {
    Limits {
        max_line_bytes: 64 * 1024,
        max_in_flight: u32::from(ends.in_flight % 4) + 1,
        max_depth: u32::from(ends.depth % 4) + 1,
        stream_window_bytes: 64 * 1024,
    }
}

fn open(side: Side, pipes: Pipes, ours: &Ends, theirs: &Ends) -> End {
    let desk = Arc::new(Desk { handlers: handlers(), closed: AtomicUsize::new(0) });
    let setup = Setup {
        side,
        limits: limits(ours),
        strict: ours.depth & 0x80 != 0,
        service: Arc::clone(&desk) as Arc<dyn Service>,
        transcript: None,
        ended: Arc::new(Wake::new().expect("there are descriptors")),
        unanswered: Duration::from_millis(20),
    };
    let connection = Connection::open(pipes, setup).expect("there are descriptors and threads");
    if ours.agreed {
        let has = theirs.has_features;
        connection.agree(Remote {
            limits: limits(theirs),
            cancel: has,
            streams: has,
            progress: has,
            log: has,
            methods: None,
        });
    }
    End { connection, desk }
}

impl End {
    /// It comes to rest, and nothing is left.
    fn assert_over(&self) {
        self.connection.join();
        assert_eq!(self.connection.unanswered(), 0, "a call is pending after the end");
        let until = Instant::now() + PATIENCE;
        while self.connection.handling() > 0 {
            assert!(Instant::now() < until, "a request is being handled for ever");
            thread::yield_now();
        }
        assert!(self.connection.closed().is_some());
        assert_eq!(self.desk.closed.load(Ordering::SeqCst), 1, "the end was not reported");
    }
}

/// A call that is being made.
struct Made {
    call: PendingCall,
    what: What,
    number: u16,
    is_disturbed: bool,
}

fn options(deadline: Option<u8>, takes_output: bool) -> RequestOptions {
    let timeout = deadline.map_or(PATIENCE / 4, |deadline| Duration::from_millis((deadline % 32).into()));
    let options = RequestOptions::timeout(timeout);
    if takes_output { options.output() } else { options }
}

fn begin(
    connection: &Connection,
    what: What,
    number: u16,
    deadline: Option<u8>,
    takes_output: bool,
) -> Option<Made> {
    let before = Instant::now();
    let begun = connection.request(what.method(), &what.params(number), options(deadline, takes_output));
    assert!(before.elapsed() < PATIENCE, "a call was not begun by its deadline");
    let is_disturbed = deadline.is_some();
    begun.ok().map(|call| Made { call, what, number, is_disturbed })
}

fn end(made: Made) {
    let before = Instant::now();
    let outcome = made.call.wait();
    assert!(before.elapsed() < PATIENCE, "a call hung beyond its deadline");
    match outcome {
        // Whatever else happened, a result is that of this call.
        Ok(result) if matches!(made.what, What::Echo | What::Wait | What::Fill | What::Progress) => {
            assert_eq!(result.get(), made.number.to_string(), "somebody else's result");
        }
        Ok(result) if made.what == What::Ping => assert_eq!(result.get(), "{}"),
        Ok(_) => assert!(matches!(made.what, What::Sum | What::Back), "{:?} has no result", made.what),
        Err(CallError::Remote(error))
            if made.what == What::Fail && !made.is_disturbed && error.code.code() >= 0 =>
        {
            assert_eq!(error.code.code(), i64::from(made.number));
        }
        Err(fault) => drop((fault.kind(), fault.to_string())),
    }
}

fuzz_target!(|input: Input<'_>| {
    match input {
        Input::Both { host, plugin, steps } => both(&host, &plugin, &steps),
        Input::Raw { is_host, ends, steps } => {
            raw(if is_host { Side::Host } else { Side::Plugin }, &ends, &steps)
        }
    }
});

fn both(host_ends: &Ends, plugin_ends: &Ends, steps: &[Step]) {
    let (host_pipes, plugin_pipes) = pair().expect("there are descriptors");
    let host = open(Side::Host, host_pipes, host_ends, plugin_ends);
    let plugin = open(Side::Plugin, plugin_pipes, plugin_ends, host_ends);
    let side = |is_host: bool| if is_host { &host.connection } else { &plugin.connection };
    let mut calls: Vec<Made> = Vec::new();
    for step in steps.iter().take(64) {
        let at = |number: &u8| usize::from(*number).checked_rem(calls.len());
        match step {
            Step::Call { from_host, what, number, deadline, takes_output } => {
                // A call for which there is no place waits for one; here nobody else would make one free.
                let deadline = if calls.is_empty() { *deadline } else { Some(deadline.unwrap_or(8)) };
                calls.extend(begin(side(*from_host), *what, *number, deadline, *takes_output));
            }
            Step::Feed { items, is_finished } => {
                let begun = host.connection.request_with_input("a.sum", &json!({}), options(Some(30), false));
                if let Ok((call, input)) = begun {
                    for item in 0..*items {
                        let _over = input.send(&item);
                    }
                    if *is_finished {
                        let _over = input.finish();
                    } else {
                        drop(input);
                    }
                    calls.push(Made { call, what: What::Sum, number: 0, is_disturbed: true });
                }
            }
            Step::Cancel(number) => {
                if let Some(at) = at(number) {
                    calls[at].is_disturbed = true;
                    calls[at].call.canceller().cancel(Some("fuzz"));
                }
            }
            Step::Drop(number) => {
                if let Some(at) = at(number) {
                    drop(calls.swap_remove(at));
                }
            }
            Step::Wait(number) => {
                if let Some(at) = at(number) {
                    end(calls.swap_remove(at));
                }
            }
            Step::Take(number) => {
                if let Some(at) = at(number) {
                    let item = calls[at].call.next_item::<Value>();
                    assert!(
                        item.is_none()
                            || item.is_some_and(|item| item.is_err() || calls[at].what == What::Fill)
                    );
                }
            }
            Step::Notify { from_host, number } => {
                let _closed = side(*from_host).notify("a.note", &json!({ "n": number }), Some(PATIENCE));
            }
            Step::Log => {
                let log =
                    serde_json::from_value(json!({ "level": "info", "message": "m" })).expect("a log record");
                plugin.connection.log(&log);
            }
            Step::Shut { host } => side(*host).shut(),
        }
    }
    calls.into_iter().for_each(end);
    host.connection.shut();
    plugin.connection.shut();
    host.assert_over();
    plugin.assert_over();
}

fn raw(side: Side, ends: &Ends, steps: &[Raw<'_>]) {
    let (host, plugin) = pair().expect("there are descriptors");
    let (ours, theirs) = match side {
        Side::Host => (host, plugin),
        Side::Plugin => (plugin, host),
    };
    let end_of = open(side, ours, ends, ends);
    let mut read = File::from(theirs.read);
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        read.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    });
    // The other end may have closed it; what is sent then is lost.
    let mut write = Some(File::from(theirs.write));
    let mut send = |bytes: &[u8]| {
        let _closed = write.as_mut().map(|write| write.write_all(bytes));
    };
    let mut calls: Vec<Made> = Vec::new();
    // Requests in good order, by id; whether that is all there were of lines that are answered.
    let (mut asked, mut is_orderly) = (HashMap::<u8, usize>::new(), true);
    // Where the id may be in flight still, a host ends the connection.
    let ask = |asked: &mut HashMap<u8, usize>, id: u8| {
        let times = asked.entry(id).or_default();
        *times += 1;
        *times == 1 || side == Side::Plugin
    };
    for step in steps.iter().take(64) {
        match step {
            Raw::Request { id, what, number, parent, deadline } => {
                let mut params = what.params(*number);
                if let Value::Object(params) = &mut params {
                    params.insert(
                        "_meta".into(),
                        json!({ "parent": parent, "deadlineMs": deadline.map(|it| it % 32) }),
                    );
                }
                send(
                    line(&json!({ "jsonrpc": "2.0", "id": id, "method": what.method(), "params": params }))
                        .as_bytes(),
                );
                is_orderly = ask(&mut asked, *id) && is_orderly;
            }
            Raw::Answer { id, result } => {
                let id = id % 8;
                is_orderly = is_orderly && side == Side::Plugin;
                send(
                    line(&if *result {
                        json!({ "jsonrpc": "2.0", "id": id, "result": 1 })
                    } else {
                        json!({ "jsonrpc": "2.0", "id": id, "error": { "code": 1, "message": "m" } })
                    })
                    .as_bytes(),
                );
            }
            Raw::Cancel { id } => {
                send(
                    line(&json!({ "jsonrpc": "2.0", "method": "rpc.cancel", "params": { "id": id } }))
                        .as_bytes(),
                );
            }
            Raw::Stream { method, id, count } => {
                // It may break the rules of the stream, and with them the connection.
                is_orderly = false;
                let items = vec!["x".repeat(usize::from(*count)); usize::from(count / 8)];
                let (method, params) = match method {
                    Streamed::Output => (methods::OUTPUT, json!({ "id": id, "items": items })),
                    Streamed::Input => (methods::INPUT, json!({ "id": id, "items": items })),
                    Streamed::InputEnd => (methods::INPUT_END, json!({ "id": id })),
                    Streamed::OutputCredit => {
                        (methods::OUTPUT_CREDIT, json!({ "id": id, "bytes": u64::from(*count) << 46 }))
                    }
                    Streamed::InputCredit => (methods::INPUT_CREDIT, json!({ "id": id, "bytes": count })),
                    Streamed::Progress => (methods::PROGRESS, json!({ "id": id, "progress": count })),
                };
                send(line(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).as_bytes());
            }
            Raw::Notify(number) => {
                send(
                    line(&json!({ "jsonrpc": "2.0", "method": "a.note", "params": { "n": number } }))
                        .as_bytes(),
                );
            }
            Raw::Half { id, at } => {
                let line =
                    line(&json!({ "jsonrpc": "2.0", "id": id, "method": "a.echo", "params": { "n": 1 } }));
                let (one, other) = line.split_at(usize::from(*at) % line.len());
                send(one.as_bytes());
                thread::yield_now();
                send(other.as_bytes());
                is_orderly = ask(&mut asked, *id) && is_orderly;
            }
            Raw::Text(text) => {
                is_orderly = false;
                send(text.as_bytes());
                send(b"\n");
            }
            Raw::Bytes(bytes) => {
                is_orderly = false;
                send(bytes);
            }
            Raw::Long(kilobytes) => {
                is_orderly = false;
                for _ in 0..*kilobytes {
                    send(&[b' '; 1024]);
                }
                send(b"\n");
            }
            Raw::Call { what, number, deadline, takes_output } => {
                calls.extend(begin(
                    &end_of.connection,
                    *what,
                    *number,
                    Some(deadline.unwrap_or(8)),
                    *takes_output,
                ));
            }
            Raw::Wait(number) => {
                if let Some(at) = usize::from(*number).checked_rem(calls.len()) {
                    // What answers it is anything.
                    let before = Instant::now();
                    let _outcome = calls.swap_remove(at).call.wait();
                    assert!(before.elapsed() < PATIENCE, "a call hung beyond its deadline");
                }
            }
            Raw::Drop(number) => {
                if let Some(at) = usize::from(*number).checked_rem(calls.len()) {
                    drop(calls.swap_remove(at));
                }
            }
            // What comes after it would not be sent.
            Raw::CloseWrite => break,
        }
    }
    // The other end is done: what is in flight is answered, and then there is an end.
    drop(write);
    for made in calls {
        let before = Instant::now();
        let _outcome = made.call.wait();
        assert!(before.elapsed() < PATIENCE, "a call hung beyond its deadline");
    }
    let until = Instant::now() + PATIENCE;
    while end_of.connection.closed().is_none() || end_of.connection.handling() > 0 {
        assert!(Instant::now() < until, "no end after the end of file");
        thread::yield_now();
    }
    end_of.connection.shut();
    end_of.assert_over();
    drop(end_of);
    let mut bytes = reader.join().expect("it only reads");
    let rest = bytes.split_off(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1));
    // Of a connection that was broken, what is being written is cut off.
    assert!(rest.is_empty() || !is_orderly, "half a line: {rest:?}");
    let text = String::from_utf8(bytes).expect("what is sent is UTF-8");
    let lines: Vec<&str> = text.lines().collect();
    answers(side, &lines, &asked, is_orderly);
}

/// Every request has one answer, by its id or, where that was in flight, by none.
fn answers(side: Side, lines: &[&str], asked: &HashMap<u8, usize>, is_orderly: bool) {
    let mut answered: HashMap<u8, usize> = HashMap::new();
    let (mut unaddressed, mut own) = (0, HashSet::new());
    for line in lines {
        let message: Value = serde_json::from_str(line).expect("what is sent is JSON");
        assert_eq!(message["jsonrpc"], "2.0");
        if message.get("method").is_some() {
            if let Some(id) = message.get("id") {
                assert!(own.insert(id.to_string()), "the id {id} is used twice");
            }
            continue;
        }
        match message["id"].as_u64() {
            Some(id) => *answered.entry(u8::try_from(id).expect("an id that was asked")).or_default() += 1,
            None => unaddressed += 1,
        }
        if side == Side::Host {
            assert!(!message["id"].is_null(), "a host answers no broken line");
        }
    }
    for (id, count) in &answered {
        assert!(*count <= asked.get(id).copied().unwrap_or(0), "{id} was answered {count} times");
    }
    if is_orderly && side == Side::Plugin {
        let (all_asked, all_answered): (usize, usize) = (asked.values().sum(), answered.values().sum());
        assert_eq!(all_asked, all_answered + unaddressed, "a request has no answer: {lines:?}");
    }
}

fn line(message: &Value) -> String {
    format!("{message}\n")
}
