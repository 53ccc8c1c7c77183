//! The ways to call a plugin, one function each.

use std::sync::PoisonError;
use std::time::Duration;

use plugline_host::{CallOptions, Error, OutputStream, RunningCall, Supervised};
use serde_json::{Value, json};

use super::desk::{Begun, Desk, PATIENCE};
use super::tasks;
use crate::contract::{Answer, Chaos as _, ChaosError};
use crate::explain::Intent;
use crate::faults::Kind;
use crate::fleet::{Make, Member, Shape};
use crate::marks::Declared;
use crate::random::Random;

/// How heavy a call may be; bytes. Less than a line may have.
const HEAVY: u64 = 400_000;
/// How long a call takes at most where it says nothing itself, by the settings.
const USUAL: Duration = Duration::from_secs(15);
/// How long one that is to misbehave may take for it.
const FAULT: Duration = Duration::from_secs(4);
/// How long a handler may take; microseconds.
const SLOW: u64 = 8000;

/// A call of any kind.
pub(super) fn any(desk: &Desk, member: &Member, random: &mut Random) {
    if random.one_in(10) {
        return typed(desk, member, random);
    }
    if random.one_in(150) && member.plugin().is_some() && member.kind.shape != Shape::One {
        return once(desk, member);
    }
    if random.one_in(12) && member.plugin().is_some() {
        return through_the_manager(desk, member, random);
    }
    let Some(plugin) = desk.handle(member) else { return };
    let common: [fn(&Desk, &Member, &Supervised, &mut Random); 10] =
        [echo, echo, begun, heavy, mark, remark, fail, hurried, many, tasks::run];
    let feats: [fn(&Desk, &Member, &Supervised, &mut Random); 9] =
        [nest, cancelled, dropped, steps, count, count, sum, double, note];
    let way = if member.has_feats() && random.one_in(2) { random.pick(&feats) } else { random.pick(&common) };
    if let Some(way) = way {
        way(desk, member, &plugin, random);
    }
}

/// A text of random length, and how long the handler takes.
pub(super) fn load(random: &mut Random, most: u64) -> (String, u64) {
    let length = usize::try_from(random.skewed(most)).unwrap_or(0);
    ("x".repeat(length), random.skewed(SLOW))
}

fn options() -> CallOptions {
    CallOptions::timeout(PATIENCE)
}

/// By the plugin's name alone; it is chosen and started within the call's time, if need be.
fn through_the_manager(desk: &Desk, member: &Member, random: &mut Random) {
    let Some(plugin) = member.plugin() else { return };
    let (text, us) = load(random, 2000);
    let call = desk.begin("call through the manager", member, Intent::Result, USUAL);
    let params = json!({"id": call.id, "text": text, "us": us});
    call.answered(plugin.call("chaos.echo", &params), &text);
}

fn echo(desk: &Desk, member: &Member, plugin: &Supervised, random: &mut Random) {
    let (text, us) = load(random, 2000);
    let call = desk.begin("call", member, Intent::Result, PATIENCE);
    let params = json!({"id": call.id, "text": text, "us": us});
    call.answered(plugin.call_with("chaos.echo", &params, options()), &text);
}

fn begun(desk: &Desk, member: &Member, plugin: &Supervised, random: &mut Random) {
    let (text, us) = load(random, 2000);
    let call = desk.begin("begin and wait", member, Intent::Result, PATIENCE);
    let params = json!({"id": call.id, "text": text, "us": us});
    let outcome = plugin.begin("chaos.echo", &params, options()).and_then(RunningCall::wait);
    call.answered(outcome, &text);
}

fn heavy(desk: &Desk, member: &Member, plugin: &Supervised, random: &mut Random) {
    let (text, us) = load(random, HEAVY);
    let call = desk.begin("heavy call", member, Intent::Result, PATIENCE);
    let params = json!({"id": call.id, "text": text, "us": us});
    call.answered(plugin.call_with("chaos.echo", &params, options()), &text);
}

fn mark(desk: &Desk, member: &Member, plugin: &Supervised, random: &mut Random) {
    leave(desk, member, plugin, random, Declared::Nothing);
}

fn remark(desk: &Desk, member: &Member, plugin: &Supervised, random: &mut Random) {
    leave(desk, member, plugin, random, Declared::Idempotent);
}

fn leave(desk: &Desk, member: &Member, plugin: &Supervised, random: &mut Random, declared: Declared) {
    let (way, method) = match declared {
        Declared::Nothing => ("call with an effect", "chaos.mark"),
        Declared::Idempotent => ("idempotent call with an effect", "chaos.remark"),
    };
    let call = desk.begin(way, member, Intent::Result, PATIENCE);
    let id = call.id;
    desk.marks.begin(id, declared);
    let params = json!({"id": id, "us": random.skewed(SLOW)});
    let outcome: Result<Answer, Error> = plugin.call_with(method, &params, options());
    if outcome.is_ok() {
        desk.marks.answered(id);
    }
    call.answered(outcome, "");
}

fn fail(desk: &Desk, member: &Member, plugin: &Supervised, _: &mut Random) {
    let call = desk.begin("call that is to fail", member, Intent::Result, PATIENCE);
    let id = call.id;
    let outcome = plugin.call_with("chaos.fail", &json!({"id": id}), options());
    call.was_to_fail(outcome, |fault: &Error| {
        let answer = fault.remote();
        answer.is_some_and(|answer| answer.code.code() == 1 && answer.data == Some(json!({"id": id})))
    });
}

fn hurried(desk: &Desk, member: &Member, plugin: &Supervised, random: &mut Random) {
    let (text, us) = load(random, 2000);
    let within = Duration::from_micros(random.skewed(2 * SLOW));
    let call = desk.begin("call in a hurry", member, Intent::Hurried, within);
    let params = json!({"id": call.id, "text": text, "us": us});
    let outcome = plugin.call_with("chaos.echo", &params, CallOptions::timeout(within));
    call.answered(outcome, &text);
}

fn many(desk: &Desk, member: &Member, plugin: &Supervised, random: &mut Random) {
    let loads: Vec<(String, u64)> = (0..1 + random.skewed(40)).map(|_| load(random, 1000)).collect();
    // The time of each counts from when it is sent, which may be when those before it have ended.
    let all = PATIENCE * (1 + u32::try_from(loads.len()).unwrap_or(u32::MAX));
    let begin = |_: &(String, u64)| desk.begin("one of many", member, Intent::Result, all);
    let mut calls: Vec<_> = loads.iter().map(begin).collect();
    let params: Vec<Value> = calls
        .iter()
        .zip(&loads)
        .map(|(call, (text, us))| json!({"id": call.id, "text": text, "us": us / 10}))
        .collect();
    let taken = if random.one_in(4) { calls.len() / 2 } else { calls.len() };
    let left = calls.split_off(taken);
    match plugin.call_many::<Answer, _>("chaos.echo", params.iter(), options()) {
        Ok(mut outcomes) => {
            for (call, (text, _)) in calls.into_iter().zip(&loads) {
                desk.ledger.give(call.id, PATIENCE);
                // One that is missing stays open, and is found so.
                if let Some(outcome) = outcomes.next() {
                    call.answered(outcome, text);
                }
            }
            if left.is_empty() && outcomes.next().is_some() {
                desk.faults.found(Kind::Doubled, member.name(), "call_many has more outcomes than calls");
            }
            left.into_iter().for_each(Begun::dropped);
        }
        Err(fault) => {
            calls.into_iter().chain(left).for_each(|call| call.failed(&fault));
        }
    }
}

fn typed(desk: &Desk, member: &Member, random: &mut Random) {
    let (text, us) = load(random, 2000);
    // It may have to be started, and asked what it provides.
    let call = desk.begin("typed call", member, Intent::Result, 4 * PATIENCE);
    let id = call.id;
    let client = match member.typed(&desk.fleet.manager) {
        Ok(client) => client,
        Err(fault) => return call.failed(&fault),
    };
    match random.below(3) {
        0 => call.answered(client.echo(id, &text, us), &text),
        1 => {
            desk.marks.begin(id, Declared::Nothing);
            let outcome = client.mark(id, us);
            if outcome.is_ok() {
                desk.marks.answered(id);
            }
            call.answered(outcome, "");
        }
        _ => {
            let planned = |fault: &ChaosError| matches!(fault, ChaosError::Planned { id: of } if *of == id);
            call.was_to_fail(client.fail(id), planned);
        }
    }
}

/// One instance that nobody supervises, for one call.
fn once(desk: &Desk, member: &Member) {
    let call = desk.begin("one instance for one call", member, Intent::Result, 4 * PATIENCE);
    let started = desk.fleet.manager.start(member.name(), |launch| launch);
    let plugin = match started {
        Ok(plugin) => plugin,
        Err(fault) => return call.failed(&fault),
    };
    let params = json!({"id": call.id, "text": "", "us": 0});
    let id = call.id;
    let outcome: Result<Answer, Error> =
        plugin.begin("chaos.echo", &params, options()).and_then(RunningCall::wait);
    // It is no process of those that are kept alive.
    if let Some(answer) = call.ended(outcome)
        && answer.id != id
    {
        desk.faults.found(Kind::Wrong, member.name(), format!("the result is of call {}", answer.id));
    }
    if id.is_multiple_of(2) {
        plugin.stop();
    }
}

fn nest(desk: &Desk, member: &Member, plugin: &Supervised, random: &mut Random) {
    let depth = random.below(7);
    let call = desk.begin("nested callbacks", member, Intent::Result, PATIENCE);
    let wanted = call.id + depth;
    let outcome = plugin.call_with("feats.nest", &json!({"id": call.id, "depth": depth}), options());
    call.is(outcome, &wanted);
}

fn cancelled(desk: &Desk, member: &Member, plugin: &Supervised, random: &mut Random) {
    let call = desk.begin("cancelled call", member, Intent::Cancel, PATIENCE);
    let params = json!({"id": call.id, "ms": random.below(100)});
    let outcome = plugin.begin("feats.wait", &params, options()).and_then(|running| {
        let canceller = running.canceller();
        let after = Duration::from_millis(random.below(50));
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(after);
                canceller.cancel(Some("nobody wants it any more"));
            });
            running.wait()
        })
    });
    call.answered(outcome, "");
}

fn dropped(desk: &Desk, member: &Member, plugin: &Supervised, random: &mut Random) {
    let call = desk.begin("dropped call", member, Intent::Cancel, PATIENCE);
    let params = json!({"id": call.id, "ms": random.below(100)});
    match plugin.begin("feats.wait", &params, options()) {
        Ok(running) => {
            drop(running);
            call.dropped();
        }
        Err(fault) => call.failed(&fault),
    }
}

fn steps(desk: &Desk, member: &Member, plugin: &Supervised, random: &mut Random) {
    let n = random.skewed(200);
    let call = desk.begin("call with progress", member, Intent::Result, PATIENCE);
    let last = std::sync::Mutex::new(0.0);
    let outcome = plugin.begin("feats.steps", &json!({"n": n}), options()).and_then(|running| {
        running.wait_with_progress(|report| {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            // A second instance begins anew.
            if report.progress < *last {
                desk.faults.found(Kind::Wrong, member.name(), format!("{report:?} after {last}"));
            }
            *last = report.progress;
        })
    });
    call.is(outcome.map(|result| result.get().to_owned()), &n.to_string());
}

fn count(desk: &Desk, member: &Member, plugin: &Supervised, random: &mut Random) {
    let n = random.skewed(3000);
    let taken = if random.one_in(4) { random.below(n + 1) } else { n };
    let call = desk.begin("output stream", member, Intent::Result, PATIENCE);
    let id = call.id;
    let stream = plugin.stream::<u64, Value>("feats.count", &json!({"id": id, "n": n}), options());
    let counted = stream.and_then(|mut stream| {
        let is_right = expect(&mut stream, (id..).take(usize::try_from(taken).unwrap_or(0)))?;
        if taken == n { stream.finish().map(|_| Some(is_right)) } else { Ok(None) }
    });
    match counted {
        Ok(None) => call.dropped(),
        Ok(Some(is_right)) => call.is(Ok::<_, Error>(is_right), &true),
        Err(fault) => call.failed(&fault),
    }
}

/// Whether these are the next items.
fn expect(
    stream: &mut OutputStream<u64, Value>,
    mut items: impl Iterator<Item = u64>,
) -> Result<bool, Error> {
    items.try_fold(true, |is_right, item| match stream.next() {
        Some(next) => next.map(|next| is_right && next == item),
        None => Ok(false),
    })
}

fn sum(desk: &Desk, member: &Member, plugin: &Supervised, random: &mut Random) {
    let items: Vec<u64> = (0..random.skewed(5000)).collect();
    let call = desk.begin("input stream", member, Intent::Result, PATIENCE);
    let outcome =
        plugin.begin_with_input::<u64>("feats.sum", &json!({}), options()).and_then(|(input, call)| {
            // Where it could not be sent, the call says why.
            let _sent = input.send_all(&items).and_then(|()| input.finish());
            call.wait::<u64>()
        });
    call.is(outcome, &items.iter().sum());
}

fn double(desk: &Desk, member: &Member, plugin: &Supervised, random: &mut Random) {
    let n = random.skewed(2000);
    let call = desk.begin("streams both ways", member, Intent::Result, PATIENCE);
    let both = plugin.stream_with_input::<u64, u64, Value>("feats.double", &json!({}), options());
    let outcome = both.and_then(|(input, mut stream)| {
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let _sent = (0..n).try_for_each(|item| input.send(&item)).and_then(|()| input.finish());
            });
            let is_right = expect(&mut stream, (0..n).map(|item| 2 * item))?;
            stream.finish().map(|_| is_right)
        })
    });
    call.is(outcome, &true);
}

fn note(desk: &Desk, member: &Member, plugin: &Supervised, _: &mut Random) {
    let call = desk.begin("notification", member, Intent::Result, PATIENCE);
    let params = json!({"id": call.id});
    call.ended(plugin.notify("feats.note", &params));
}

/// Has a plugin misbehave.
pub fn fault(desk: &Desk, member: &Member, what: &str, n: u64) {
    let Some(plugin) = desk.handle(member) else { return };
    let call = desk.begin("call to misbehave", member, Intent::Fault, FAULT);
    let params = json!({"what": what, "n": n});
    call.ended(plugin.call_with::<Value>("chaos.fault", &params, CallOptions::timeout(FAULT)));
}

/// Whether such a plugin can misbehave in that way.
#[must_use]
pub fn can(make: Make, what: &str) -> bool {
    let own = match make {
        Make::Rust => &["panic"][..],
        Make::Sdk => &["panic", "log"],
        Make::Plain | Make::Wild => &[
            "garbage",
            "half",
            "wrong_id",
            "twice",
            "oversize",
            "spoilt",
            "noise",
            "close_stdout",
            "close_stdin",
            "deaf",
            "stubborn",
        ],
    };
    own.contains(&what)
        || ["exit", "abort", "segv", "stderr", "stray", "slow", "spin", "child"].contains(&what)
}

/// Which version serves.
pub fn who_serves(desk: &Desk, member: &Member) -> Option<String> {
    let plugin = desk.handle(member)?;
    let call = desk.begin("call that asks who serves", member, Intent::Result, PATIENCE);
    let params = json!({"id": call.id, "text": "", "us": 0});
    let outcome: Result<Answer, Error> = plugin.call_with("chaos.echo", &params, options());
    let version = outcome.as_ref().ok().map(|answer| answer.version.clone());
    call.answered(outcome, "");
    version
}
