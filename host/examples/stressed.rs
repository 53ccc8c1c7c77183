//! What the stress tests call: fast and slow, small and large, nested, with progress and streams.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plugline_sdk::{Call, CallError, Error, Input, Method, Notification, Output, Plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Work that takes so long is slept, what takes less is worked.
const SLEPT: Duration = Duration::from_micros(200);

#[derive(Deserialize, JsonSchema)]
struct Add {
    a: u64,
    b: u64,
    /// How long it takes; microseconds.
    us: u64,
    /// What the request weighs.
    #[serde(default)]
    text: String,
    /// What the answer is to weigh.
    #[serde(default)]
    weight: usize,
}

#[derive(Serialize, JsonSchema)]
struct Sum {
    sum: u64,
    /// How much text there was.
    length: usize,
    text: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Nest {
    /// How many more calls there are to be, back and forth.
    depth: u32,
    n: u64,
}

#[derive(Deserialize, JsonSchema)]
struct Steps {
    n: u32,
    /// How long each takes; microseconds.
    us: u64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Note {
    n: u64,
}

fn main() -> ExitCode {
    Plugin::configured("stressed", "0.1.0", |_: Value| Ok::<_, String>(AtomicU64::new(0)))
        .provides("stress", "1.0.0")
        .requires("host", "1.0.0")
        .host_method::<Nest, u64>("host.nest")
        .method(Method::new("stress.add", add))
        .method(Method::new("stress.nest", nest).any_error())
        .method(Method::new("stress.steps", steps))
        .method(Method::new("stress.chatter", chatter).any_error())
        .method(Method::with_output("stress.count", count))
        .method(Method::with_input("stress.sum", sum))
        .method(Method::with_input_and_output("stress.double", double))
        .method(Method::new("stress.noted", |noted: &AtomicU64, (): (), _: &Call| {
            Ok::<_, Error>(noted.load(Ordering::Relaxed))
        }))
        .notification(Notification::new("stress.note", |noted: &AtomicU64, note: Note| {
            noted.fetch_add(note.n, Ordering::Relaxed);
        }))
        .serve()
}

fn take(us: u64, call: &Call) -> Result<(), Error> {
    let time = Duration::from_micros(us);
    if time > SLEPT {
        return call.sleep(time);
    }
    let since = Instant::now();
    while since.elapsed() < time {
        std::hint::spin_loop();
    }
    Ok(())
}

fn add(_: &AtomicU64, add: Add, call: &Call) -> Result<Sum, Error> {
    take(add.us, call)?;
    Ok(Sum { sum: add.a + add.b, length: add.text.len(), text: "y".repeat(add.weight) })
}

fn nest(_: &AtomicU64, Nest { depth, n }: Nest, call: &Call) -> Result<u64, CallError> {
    match depth.checked_sub(1) {
        None => Ok(n),
        Some(depth) => call.call("host.nest", &Nest { depth, n: n + 1 }),
    }
}

fn steps(_: &AtomicU64, Steps { n, us }: Steps, call: &Call) -> Result<u32, Error> {
    for step in 1..=n {
        take(us, call)?;
        call.progress(step.into(), Some(n.into()), None);
    }
    Ok(n)
}

fn chatter(_: &AtomicU64, Steps { n, us }: Steps, call: &Call) -> Result<u32, CallError> {
    for _ in 0..n {
        call.notify("host.note", &Note { n: 1 })?;
    }
    take(us, call).map_err(CallError::Remote)?;
    Ok(n)
}

fn count(_: &AtomicU64, Steps { n, us }: Steps, call: &Call, output: Output<'_, u32>) -> Result<u32, Error> {
    (1..=n).try_for_each(|step| take(us, call).and_then(|()| output.send(&step)))?;
    Ok(n)
}

fn sum(_: &AtomicU64, (): (), _: &Call, input: Input<'_, u64>) -> Result<u64, Error> {
    input.sum()
}

fn double(
    _: &AtomicU64,
    (): (),
    _: &Call,
    input: Input<'_, u64>,
    output: Output<'_, u64>,
) -> Result<(), Error> {
    input.into_iter().try_for_each(|item| output.send(&(2 * item?)))
}
