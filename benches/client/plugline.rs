//! The Plugline Rust host with the bench plugin or another, and the operations that only the former has.

use std::borrow::Cow;
use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use plugline_benches::params::{ByClaim, ById, Chunks, Find, OnLoad, Size, Span, Times};
use plugline_benches_driver::{
    Fault, Instance, Manager, Method, Request, Response, Session, System, User, UserId, einstein, expect,
};
use plugline_host::{Bytes, Call, CallOptions, Limits, Plugin, WireError, callback_error};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{PluginCommand, nanos};

/// Whether waits poll before they block; of the host and, by its environment, of the plugin.
const POLL: &str = "PLUGLINE_POLL";
/// Messages of 16 MiB and their envelopes.
const LINE: usize = 32 * 1024 * 1024;

pub(crate) struct Plugline(pub(crate) PluginCommand);

pub(crate) struct Running(Plugin);

type Measured = Result<Response, Fault>;

impl System for Plugline {
    type Instance = Running;

    fn start(&self) -> Result<Running, Fault> {
        let mut launch = Plugin::command(&self.0.program)
            .args(&self.0.args)
            .host("compare", env!("CARGO_PKG_VERSION"))
            .limits(Limits { max_line_bytes: LINE, ..Limits::default() })
            .callback("bench.echo", echo);
        if let Some(poll) = env::var_os(POLL) {
            launch = launch.env(POLL, poll);
        }
        Ok(Running(launch.start()?))
    }
}

/// What a plugin calls back: `GetUser` of this side.
fn echo(p: ById<'static>, _: &Call) -> Result<User, WireError> {
    let user = einstein();
    if *p.id == user.id { Ok(user) } else { Err(callback_error(1, "no such user", None)) }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Instance for Running {
    fn manager(&self) -> &dyn Manager {
        self
    }

    fn pid(&self) -> Option<u32> {
        Some(self.0.id())
    }

    fn stream(&self, chunk: usize, bytes: usize) -> Result<usize, Fault> {
        let (params, options) = (Chunks { chunk, bytes }, CallOptions::no_timeout());
        let mut chunks = self.0.stream::<Bytes, ()>("bench.stream", &params, options)?;
        let mut received = 0;
        for chunk in &mut chunks {
            received += chunk?.0.len();
        }
        chunks.finish()?;
        Ok(received)
    }
}

impl Running {
    fn call<R: DeserializeOwned>(&self, method: &str, params: &impl Serialize) -> Result<R, Fault> {
        Ok(self.0.call(method, params)?)
    }

    /// Without a deadline: for what may take long.
    fn call_patiently<R: DeserializeOwned>(&self, method: &str, params: &impl Serialize) -> Result<R, Fault> {
        Ok(self.0.begin(method, params, CallOptions::no_timeout())?.wait()?)
    }
}

impl Manager for Running {
    fn on_load(&self, file: &str) -> Result<(), Fault> {
        self.call("users.on_load", &OnLoad { file: file.into() })
    }

    fn get_user(&self, id: &UserId) -> Result<User, Fault> {
        self.call("users.get_user", &ById { id: Cow::Borrowed(id) })
    }

    fn get_user_by_claim(&self, claim: &str, value: &str) -> Result<User, Fault> {
        self.call("users.get_user_by_claim", &ByClaim { claim: claim.into(), value: value.into() })
    }

    fn get_user_groups(&self, id: &UserId) -> Result<Vec<String>, Fault> {
        self.call("users.get_user_groups", &ById { id: Cow::Borrowed(id) })
    }

    fn find_users(&self, query: &str) -> Result<Vec<User>, Fault> {
        self.call("users.find_users", &Find { query: query.into() })
    }
}

/// The operations of every system, and Plugline's own.
pub(crate) fn operate(session: &mut Session<Plugline>, request: &Request) -> Measured {
    match request.op.as_str() {
        "pipelined" => session.measure(|session| pipelined(session.first()?, request.calls)),
        "spin" => session.measure(|session| spin(session.first()?, request)),
        "sleep" => session.measure(|session| {
            let params = Span { micros: request.micros };
            repeat(request.calls, || session.first()?.call("bench.sleep", &params))
        }),
        "nested" => session.measure(|session| {
            let params = Times { count: request.count };
            repeat(request.calls, || session.first()?.call_patiently("bench.nested", &params))
        }),
        "blob" => session.measure(|session| blob(session.first()?, request)),
        "flood" => session.measure(|session| flood(session.first()?, request)),
        _ => session.operate(request),
    }
}

/// So many calls of `GetUser` from one thread, as many at once as the plugin takes.
fn pipelined(plugin: &Running, calls: usize) -> Measured {
    let einstein = einstein();
    let params = (0..calls).map(|_| ById { id: Cow::Borrowed(&einstein.id) });
    for user in plugin.0.call_many::<User, _>("users.get_user", params, CallOptions::default())? {
        if user? != einstein {
            return Err("the result is wrong".into());
        }
    }
    Ok(Response { calls, ..Response::default() })
}

/// All calls at once, of a handler that uses that much CPU time.
fn spin(plugin: &Running, request: &Request) -> Measured {
    let params = Span { micros: request.micros };
    let begin = || plugin.0.begin("bench.spin", &params, CallOptions::no_timeout());
    let calls: Vec<_> = (0..request.calls).map(|_| begin()).collect::<Result<_, _>>()?;
    for call in calls {
        call.wait::<()>()?;
    }
    Ok(Response { calls: request.calls, ..Response::default() })
}

fn repeat(calls: usize, mut call: impl FnMut() -> Result<(), Fault>) -> Measured {
    let mut latencies_ns = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        call()?;
        latencies_ns.push(nanos(start.elapsed()));
    }
    Ok(Response { calls, batch: 1, latencies_ns, ..Response::default() })
}

/// Calls whose result is a text of that size.
fn blob(plugin: &Running, request: &Request) -> Measured {
    let params = Size { size: request.bytes };
    let measured = repeat(request.calls, || {
        let text: String = plugin.call_patiently("bench.blob", &params)?;
        if text.len() == request.bytes { Ok(()) } else { Err(format!("{} bytes came", text.len()).into()) }
    })?;
    Ok(Response { bytes: request.calls * request.bytes, ..measured })
}

/// Calls one after another while the plugin logs so many lines.
fn flood(plugin: &Running, request: &Request) -> Measured {
    let (over, einstein) = (AtomicBool::new(false), einstein());
    thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let logged: Result<(), Fault> =
                plugin.call_patiently("bench.flood", &Times { count: request.count });
            over.store(true, Ordering::Relaxed);
            logged
        });
        let mut latencies_ns = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let start = Instant::now();
            let answer = Method::GetUser.call(plugin, &einstein, "")?;
            latencies_ns.push(nanos(start.elapsed()));
            expect(Method::GetUser, &einstein, &answer)?;
        }
        flood.join().map_err(|_| "the flood panicked")??;
        Ok(Response { calls: latencies_ns.len(), batch: 1, latencies_ns, ..Response::default() })
    })
}
