//! The calls: each of some kind, with what is to come of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plugline_host::{CallOptions, Error, Kind, Plugin};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::open::{Open, Opened};
use super::random::Random;
use crate::support::PATIENCE;

/// How heavy a request or an answer may be; bytes.
const HEAVY: u64 = 1024 * 1024;
/// How long a handler may take; microseconds.
const SLOW: u64 = 20_000;

#[derive(Debug, Deserialize)]
pub(super) struct Sum {
    pub(super) sum: u64,
    length: u64,
    text: String,
}

/// A call of `stress.add`, and what its answer is to be.
#[derive(Debug, Serialize)]
pub(super) struct Add {
    a: u64,
    b: u64,
    us: u64,
    text: String,
    weight: usize,
}

impl Add {
    pub(super) fn new(random: &mut Random, heavy: u64) -> Self {
        let mut weight = || usize::try_from(random.skewed(heavy)).unwrap();
        let (text, weight) = ("x".repeat(weight()), weight());
        let us = random.skewed(SLOW);
        Self { a: random.below(1 << 50), b: random.below(1 << 50), us, text, weight }
    }

    #[track_caller]
    pub(super) fn check(&self, sum: &Sum) {
        assert_eq!(sum.sum, self.a + self.b);
        assert_eq!((sum.length, sum.text.len()), (self.text.len() as u64, self.weight));
    }
}

/// What all threads of a scenario share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) open: Open,
    /// Plugins are killed, so that any call may fail of that.
    pub(super) killed: bool,
    /// What the notes that were sent sum up to, and how many were asked for.
    pub(super) noted: AtomicU64,
    pub(super) chattered: AtomicU64,
}

impl Shared {
    /// Counts how a call ended; one that has no result has to have a reason that may be.
    #[track_caller]
    pub(super) fn end<T>(
        &self,
        call: Opened<'_>,
        within: Duration,
        outcome: Result<T, Error>,
        may: &[Kind],
    ) -> Option<T> {
        match outcome {
            Ok(result) => {
                call.end("ok", within);
                Some(result)
            }
            Err(fault) => {
                let kind = fault.kind();
                let killed = self.killed && kind == Kind::PluginExited;
                assert!(killed || may.contains(&kind), "{fault:?}");
                call.end(kind.as_str(), within);
                None
            }
        }
    }
}

/// One call of any kind, from this thread.
pub(super) fn any(shared: &Shared, plugin: &Plugin, random: &mut Random) {
    match random.below(16) {
        0..=3 => add(shared, plugin, random),
        4 => heavy(shared, plugin, random),
        5 => cancelled(shared, plugin, random),
        6 => dropped(shared, plugin, random),
        7 => hurried(shared, plugin, random),
        8 => nested(shared, plugin, random),
        9 => many(shared, plugin, random),
        10 => steps(shared, plugin, random),
        11 => count(shared, plugin, random),
        12 => sum(shared, plugin, random),
        13 => double(shared, plugin, random),
        14 => chatter(shared, plugin, random),
        _ => note(shared, plugin, random),
    }
}

fn add(shared: &Shared, plugin: &Plugin, random: &mut Random) {
    let add = Add::new(random, 200);
    let call = shared.open.begin("add");
    let outcome = plugin.call("stress.add", &add);
    if let Some(sum) = shared.end(call, PATIENCE, outcome, &[]) {
        add.check(&sum);
    }
}

fn heavy(shared: &Shared, plugin: &Plugin, random: &mut Random) {
    let add = Add::new(random, HEAVY);
    let call = shared.open.begin("heavy");
    let outcome = plugin.call("stress.add", &add);
    if let Some(sum) = shared.end(call, PATIENCE, outcome, &[]) {
        add.check(&sum);
    }
}

fn cancelled(shared: &Shared, plugin: &Plugin, random: &mut Random) {
    let add = Add::new(random, 200);
    let after = Duration::from_micros(random.skewed(SLOW));
    let call = shared.open.begin("cancelled");
    let outcome = plugin.begin("stress.add", &add, CallOptions::default()).and_then(|running| {
        let canceller = running.canceller();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(after);
                canceller.cancel(None);
            });
            running.wait()
        })
    });
    if let Some(sum) = shared.end(call, PATIENCE, outcome, &[Kind::Cancelled]) {
        add.check(&sum);
    }
}

fn dropped(shared: &Shared, plugin: &Plugin, random: &mut Random) {
    let add = Add::new(random, 200);
    let call = shared.open.begin("dropped");
    let outcome = plugin.begin("stress.add", &add, CallOptions::default()).map(drop);
    shared.end(call, PATIENCE, outcome, &[]);
}

fn hurried(shared: &Shared, plugin: &Plugin, random: &mut Random) {
    let add = Add::new(random, 2000);
    let deadline = Duration::from_micros(random.skewed(SLOW));
    let call = shared.open.begin("hurried");
    let outcome = plugin
        .begin("stress.add", &add, CallOptions::timeout(deadline))
        .and_then(plugline_host::RunningCall::wait);
    if let Some(sum) = shared.end(call, deadline, outcome, &[Kind::Timeout]) {
        add.check(&sum);
    }
}

fn nested(shared: &Shared, plugin: &Plugin, random: &mut Random) {
    let (depth, n) = (random.below(9), random.below(1 << 50));
    let call = shared.open.begin("nested");
    let outcome = plugin.call::<u64>("stress.nest", &json!({"depth": depth, "n": n}));
    if let Some(result) = shared.end(call, PATIENCE, outcome, &[]) {
        assert_eq!(result, n + depth);
    }
}

fn many(shared: &Shared, plugin: &Plugin, random: &mut Random) {
    let adds: Vec<Add> = (0..random.skewed(200)).map(|_| Add::new(random, 200)).collect();
    let taken = if random.one_in(4) { adds.len() / 2 } else { adds.len() };
    let outcomes = plugin.call_many::<Sum, _>("stress.add", adds.iter(), CallOptions::default());
    let call = shared.open.begin("many");
    let Some(mut outcomes) = shared.end(call, PATIENCE, outcomes, &[]) else { return };
    for add in &adds[..taken] {
        let call = shared.open.begin("one of many");
        let outcome = match outcomes.next() {
            Some(outcome) => outcome,
            None => {
                assert!(shared.killed, "one has no outcome");
                return call.end("none", PATIENCE);
            }
        };
        if let Some(sum) = shared.end(call, PATIENCE, outcome, &[]) {
            add.check(&sum);
        }
    }
    assert!(taken < adds.len() || outcomes.next().is_none());
}

fn steps(shared: &Shared, plugin: &Plugin, random: &mut Random) {
    let n = random.skewed(100);
    let params = json!({"n": n, "us": random.skewed(500)});
    let call = shared.open.begin("steps");
    let mut last = 0.0;
    let outcome = plugin.begin("stress.steps", &params, CallOptions::default()).and_then(|running| {
        running.wait_with_progress(|report| {
            assert!(last < report.progress && Some(report.progress) <= report.total, "{report:?}");
            last = report.progress;
        })
    });
    if let Some(result) = shared.end(call, PATIENCE, outcome, &[]) {
        assert_eq!(result.get(), n.to_string());
    }
}

fn count(shared: &Shared, plugin: &Plugin, random: &mut Random) {
    let n = random.skewed(3000);
    let taken = if random.one_in(4) { random.below(n + 1) } else { n };
    let call = shared.open.begin("count");
    let options = CallOptions::default();
    let outcome = plugin.stream::<u64, u64>("stress.count", &json!({"n": n, "us": 0}), options).and_then(
        |mut stream| {
            for item in 1..=taken {
                match stream.next() {
                    Some(next) => assert_eq!(next?, item),
                    None => return stream.finish().map(|_| panic!("no item {item} of {n}")),
                }
            }
            if taken == n { stream.finish() } else { Ok(n) }
        },
    );
    if let Some(result) = shared.end(call, PATIENCE, outcome, &[]) {
        assert_eq!(result, n);
    }
}

fn sum(shared: &Shared, plugin: &Plugin, random: &mut Random) {
    let items: Vec<u64> = (0..random.skewed(20_000)).collect();
    let call = shared.open.begin("sum");
    let outcome = plugin.begin_with_input::<u64>("stress.sum", &(), CallOptions::default()).and_then(
        |(input, call)| {
            // Where it could not be sent, the call says why.
            let _sent = input.send_all(&items).and_then(|()| input.finish());
            call.wait::<u64>()
        },
    );
    if let Some(result) = shared.end(call, PATIENCE, outcome, &[]) {
        assert_eq!(result, items.iter().sum::<u64>());
    }
}

fn double(shared: &Shared, plugin: &Plugin, random: &mut Random) {
    let n = random.skewed(20_000);
    let call = shared.open.begin("double");
    let both = plugin.stream_with_input::<u64, u64, ()>("stress.double", &(), CallOptions::default());
    let outcome = both.and_then(|(input, mut stream)| {
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let _sent = (0..n).try_for_each(|item| input.send(&item)).and_then(|()| input.finish());
            });
            for item in 0..n {
                match stream.next() {
                    Some(next) => assert_eq!(next?, 2 * item),
                    None => return stream.finish().map(|()| panic!("no item {item} of {n}")),
                }
            }
            stream.finish()
        })
    });
    shared.end(call, PATIENCE, outcome, &[]);
}

fn chatter(shared: &Shared, plugin: &Plugin, random: &mut Random) {
    let n = random.skewed(100);
    let call = shared.open.begin("chatter");
    let outcome = plugin.call::<Value>("stress.chatter", &json!({"n": n, "us": random.skewed(500)}));
    if let Some(result) = shared.end(call, PATIENCE, outcome, &[]) {
        assert_eq!(result, n);
        shared.chattered.fetch_add(n, Ordering::Relaxed);
    }
}

fn note(shared: &Shared, plugin: &Plugin, random: &mut Random) {
    let n = random.below(1000);
    let call = shared.open.begin("note");
    if shared.end(call, PATIENCE, plugin.notify("stress.note", &json!({"n": n})), &[]).is_some() {
        shared.noted.fetch_add(n, Ordering::Relaxed);
    }
}
