//! The driver of the example within this process, called by its own type or as a host has it, through
//! `Arc<dyn Users>`. It has only one method, `GetUser`: the same code twice, but for that call.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use plugline_benches_driver::{Fault, Method, Request, Response, cpu_time, einstein, serve};
use plugline_example_users::{User, Users, json_users};

use crate::nanos;

/// How many calls make one latency: one is too short for a clock.
const BATCH: usize = 100;

/// Calls the driver's own type.
pub(crate) fn by_type(file: &str) -> Result<(), Fault> {
    run(file, || Arc::new(json_users()))
}

/// Calls through the trait object; what is behind it, the compiler is not to know.
pub(crate) fn by_object(file: &str) -> Result<(), Fault> {
    run::<dyn Users>(file, || black_box(Arc::new(json_users())))
}

fn run<U: Users + ?Sized>(file: &str, driver: impl Fn() -> Arc<U>) -> Result<(), Fault> {
    // The workload's user, as the contract has users.
    let about: User = serde_json::from_value(serde_json::to_value(einstein())?)?;
    let mut running = None;
    Ok(serve(|request| match (request.op.as_str(), request.method) {
        ("start", _) => {
            let began = Instant::now();
            let users = driver();
            users.on_load(file)?;
            let got = users.get_user(&about.id)?;
            let wall = began.elapsed();
            expect(&about, &got)?;
            running = Some(users);
            Ok(Response { wall_ns: nanos(wall), ..Response::default() })
        }
        ("stop", _) => {
            running = None;
            Ok(Response::default())
        }
        ("sequential", Some(Method::GetUser)) => {
            sequential(&**running.as_ref().ok_or("nothing was started")?, &about, request)
        }
        _ => request.unsupported(),
    })?)
}

fn sequential<U: Users + ?Sized>(users: &U, about: &User, request: &Request) -> Result<Response, Fault> {
    let mut latencies = Vec::with_capacity(1 << 16);
    let mut answers = Vec::with_capacity(BATCH);
    let (cpu, began) = (cpu_time(&[])?, Instant::now());
    while began.elapsed() < request.span() {
        let start = Instant::now();
        for _ in 0..BATCH {
            answers.push(users.get_user(&about.id)?);
        }
        latencies.push(nanos(start.elapsed()) / BATCH as u64);
        answers.drain(..).try_for_each(|answer| expect(about, &answer))?;
    }
    let (wall, cpu) = (began.elapsed(), cpu_time(&[])?.saturating_sub(cpu));
    Ok(Response {
        wall_ns: nanos(wall),
        cpu_ns: nanos(cpu),
        calls: latencies.len() * BATCH,
        batch: BATCH,
        latencies_ns: latencies,
        ..Response::default()
    })
}

fn expect(about: &User, got: &User) -> Result<(), Fault> {
    if got == about { Ok(()) } else { Err(format!("GetUser: the result is wrong: {got:?}").into()) }
}
