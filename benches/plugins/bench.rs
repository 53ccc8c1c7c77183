//! The workload as a Plugline plugin, and what only the engine itself is measured with.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use plugline_benches::params::{ByClaim, ById, Chunks, Find, OnLoad, Size, Span, Times};
use plugline_benches_driver::{Fault, Manager, User, UserList};
use plugline_sdk::{Bytes, Call, Error, Instances, Level, Limits, Method, Output, Plugin, error};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// Messages of 16 MiB and their envelopes.
const LINE: usize = 32 * 1024 * 1024;

fn main() -> ExitCode {
    let users = |_: Value| Ok::<_, String>(UserList::default());
    Plugin::configured("bench", env!("CARGO_PKG_VERSION"), users)
        .provides("users", "1.0.0")
        .provides("bench", "1.0.0")
        .instances(Instances::Many)
        .limits(Limits { max_line_bytes: LINE, ..Limits::default() })
        .method(Method::new("users.on_load", |users: &UserList, p: OnLoad<'static>, _: &Call| {
            users.on_load(&p.file).map_err(failed)
        }))
        .method(Method::new("users.get_user", |users: &UserList, p: ById<'static>, _: &Call| {
            users.get_user(&p.id).map_err(failed)
        }))
        .method(Method::new("users.get_user_by_claim", |users: &UserList, p: ByClaim<'static>, _: &Call| {
            users.get_user_by_claim(&p.claim, &p.value).map_err(failed)
        }))
        .method(Method::new("users.get_user_groups", |users: &UserList, p: ById<'static>, _: &Call| {
            users.get_user_groups(&p.id).map_err(failed)
        }))
        .method(Method::new("users.find_users", |users: &UserList, p: Find<'static>, _: &Call| {
            users.find_users(&p.query).map_err(failed)
        }))
        .method(Method::new("bench.spin", |_: &UserList, p: Span, _: &Call| {
            spin(Duration::from_micros(p.micros));
            Ok::<_, Error>(())
        }))
        .method(Method::new("bench.sleep", |_: &UserList, p: Span, _: &Call| {
            thread::sleep(Duration::from_micros(p.micros));
            Ok::<_, Error>(())
        }))
        .method(Method::with_output(
            "bench.stream",
            |_: &UserList, p: Chunks, _: &Call, output: Output<'_, Bytes>| {
                let mut data = Bytes(vec![b'x'; p.chunk]);
                for sent in (0..p.bytes).step_by(p.chunk.max(1)) {
                    data.0.truncate(p.bytes - sent);
                    output.send(&data)?;
                }
                Ok::<_, Error>(())
            },
        ))
        .host_method::<ById<'static>, User>("bench.echo")
        .method(Method::new("bench.nested", |_: &UserList, p: Times, call: &Call| nested(p.count, call)))
        .method(Method::new("bench.blob", |_: &UserList, p: Size, _: &Call| {
            Ok::<_, Error>("x".repeat(p.size))
        }))
        .method(Method::new("bench.flood", |_: &UserList, p: Times, call: &Call| {
            (0..p.count).for_each(|n| call.log(Level::Info, format!("line {n} of a flood of them")));
            Ok::<_, Error>(())
        }))
        .serve()
}

fn failed(fault: Fault) -> Error {
    error(1, fault.to_string(), None)
}

/// Uses that much CPU time, however long other threads keep it waiting.
fn spin(span: Duration) {
    let used = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
    let start = used();
    while used().saturating_sub(start) < span {
        std::hint::spin_loop();
    }
}

/// Calls the host back so many times, with the params and the result of `GetUser`, and asserts each.
fn nested(count: usize, call: &Call) -> Result<(), Error> {
    let einstein = plugline_benches_driver::einstein();
    for _ in 0..count {
        let user: User = call.call("bench.echo", &json!({ "id": einstein.id }))?;
        if user != einstein {
            return Err(error(2, "the callback's result is wrong", None));
        }
    }
    Ok(())
}
