//! What ends is started again, and who calls notices no more than that.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use plugline_host::{
    Backoff, Breaker, CallOptions, Decision, Error, Health, Jitter, Kind, PingWhen, PlaceState, Restart,
    Supervision,
};
use plugline_sdk::{CallFailed, Context};
use rustix::process::Signal;
use serde_json::json;

use super::contract::{Mortal, MortalClient};
use super::{Traces, decision, eager, hurried, kill, running, signal};
use crate::support::{PATIENCE, SHORT, eventually, kind};

const CALLERS: u64 = 16;

/// The host's own error.
fn error(failed: CallFailed) -> Error {
    *failed.downcast::<Error>().unwrap()
}

#[test]
fn killed_under_load_calls_in_flight_fail_with_the_reason_and_later_ones_succeed() {
    let traces = Traces::new();
    let killed = traces.launch().timeouts(hurried()).supervise(eager());
    let other = traces.supervise(eager());
    let (client, bystander): (MortalClient, MortalClient) =
        (killed.client().unwrap(), other.client().unwrap());
    let over = AtomicBool::new(false);
    let (succeeded, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let fates: Mutex<Vec<(Instant, Error)>> = Mutex::default();
    let mut kills = Vec::new();
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (client, over, succeeded, failed, fates) = (&client, &over, &succeeded, &failed, &fates);
            scope.spawn(move || {
                for n in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    // Every other caller holds one that is in flight when the plugin is killed.
                    let begun = Instant::now();
                    let outcome = if caller % 2 == 0 {
                        client.count(n).map(|answer| assert_eq!(answer, n))
                    } else {
                        let context = Context::new().timeout(PATIENCE);
                        client.hold(&context, "/never").map(|_| unreachable!("there is no such file"))
                    };
                    match outcome {
                        Ok(()) => drop(succeeded.fetch_add(1, Ordering::Relaxed)),
                        Err(_) if over.load(Ordering::Relaxed) => break,
                        Err(fault) => {
                            assert!(begun.elapsed() < PATIENCE / 2, "it failed of its own deadline");
                            failed.fetch_add(1, Ordering::Relaxed);
                            fates.lock().unwrap().push((Instant::now(), error(fault)));
                        }
                    }
                }
            });
        }
        let watched = scope.spawn(|| {
            let mut calls = 0_u64;
            while !over.load(Ordering::Relaxed) {
                assert_eq!(bystander.count(calls).unwrap(), calls, "a plugin that nobody killed");
                calls += 1;
            }
            calls
        });
        for round in 0..5 {
            eventually("those that wait are in flight", || killed.in_flight() >= CALLERS / 2);
            let before = succeeded.load(Ordering::Relaxed);
            let pid = running(&killed)[0];
            // Before: a call may have failed by the time that this thread goes on.
            kills.push(Instant::now());
            kill(pid);
            eventually("calls in flight fail", || {
                failed.load(Ordering::Relaxed) >= (round + 1) * CALLERS / 2
            });
            eventually("later ones succeed", || succeeded.load(Ordering::Relaxed) > before + 100);
        }
        over.store(true, Ordering::Relaxed);
        killed.stop();
        assert!(watched.join().unwrap() > 0);
    });
    let fates = fates.into_inner().unwrap();
    let mut slowest = Duration::ZERO;
    for (at, fault) in &fates {
        assert_eq!(fault.kind(), Kind::PluginExited, "{fault:?}");
        assert_eq!(fault.evidence().unwrap().exit.unwrap().signal, Some(9), "{fault:?}");
        let killed = kills.iter().rev().find(|killed| *killed <= at).unwrap();
        slowest = slowest.max(at.duration_since(*killed));
    }
    eprintln!("{} calls failed, the last {slowest:?} after its plugin was killed", fates.len());
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
}

/// It waits for a place at one instance, and is sent to the next: all in the time that it was given.
#[test]
fn a_call_that_was_not_sent_has_what_is_left_of_its_time_at_the_next_instance() {
    /// No less than it takes to start the next instance, so that time that is counted anew is seen.
    const WAITS: Duration = Duration::from_millis(500);
    let traces = Traces::new();
    let plugin = traces.launch().env("MORTAL_IN_FLIGHT", "1").supervise(eager());
    let client: MortalClient = plugin.client().unwrap();
    let context = || Context::new().timeout(PATIENCE);
    let options = CallOptions::timeout(PATIENCE);
    let named = || plugin.call_with("mortal.left", &json!({}), options).unwrap();
    let begun = || plugin.begin("mortal.left", &json!({}), options).unwrap().wait().unwrap();
    let awaited = || {
        let call = plugin.call_async("mortal.left", &json!({}), options).on_progress(drop);
        super::block_on(call).unwrap()
    };
    let ways: [&(dyn Fn() -> Option<u64> + Sync); 5] =
        [&named, &begun, &awaited, &|| client.left(&Context::new()).unwrap(), &|| {
            client.left(&context()).unwrap()
        }];
    for left in ways {
        std::thread::scope(|scope| {
            let holds = scope.spawn(|| client.hold(&context(), "/never"));
            eventually("one call has the place", || plugin.in_flight() == 1);
            let waits = scope.spawn(left);
            eventually("another waits for it", || plugin.in_flight() == 2);
            let asked = Instant::now();
            std::thread::sleep(WAITS);
            let waited = asked.elapsed();
            kill(running(&plugin)[0]);
            assert_eq!(error(holds.join().unwrap().unwrap_err()).kind(), Kind::PluginExited);
            let left = Duration::from_millis(waits.join().unwrap().expect("it has a deadline"));
            assert!(left <= PATIENCE - waited, "{left:?} after {waited:?}");
        });
    }
}

#[test]
fn what_is_idempotent_is_made_once_more_where_nothing_was_seen_of_it() {
    let traces = Traces::new();
    let plugin = traces.supervise(eager());
    let client: MortalClient = plugin.client().unwrap();
    let times = |name: &str| std::fs::read_to_string(traces.file(name)).unwrap().lines().count();

    // Through a client and by name, waited for at once or later, and as a stream.
    assert_eq!(client.leave_once(&traces.file("typed")).unwrap(), "the second time");
    let file = |name: &str| json!({"file": traces.file(name)});
    assert_eq!(plugin.call::<String>("mortal.leave_once", &file("named")).unwrap(), "the second time");
    let call = plugin.begin("mortal.leave_once", &file("begun"), CallOptions::default()).unwrap();
    let raw = call.wait_with_progress(|_| ()).unwrap();
    assert_eq!(raw.get(), r#""the second time""#);
    let params = json!({"file": traces.file("unseen"), "items": 0});
    let items =
        plugin.stream::<u64, ()>("mortal.items_and_leave_once", &params, CallOptions::default()).unwrap();
    assert_eq!(items.collect::<Result<Vec<_>, _>>().unwrap(), [1, 2, 3]);
    let awaited = plugin.call_async::<String>("mortal.leave_once", &file("awaited"), CallOptions::default());
    assert_eq!(super::block_on(awaited.on_progress(|_| ())).unwrap(), "the second time");
    // And where it waited for the start.
    let cold = traces.supervise(eager());
    let awaited = cold.call_async::<String>("mortal.leave_once", &file("cold"), CallOptions::default());
    assert_eq!(super::block_on(awaited.on_progress(|_| ())).unwrap(), "the second time");
    for name in ["typed", "named", "begun", "unseen", "awaited", "cold"] {
        assert_eq!(times(name), 2, "{name}");
    }
    let repeated = || {
        decision(&plugin, "it is made once more", |decision| match decision {
            Decision::Repeated { method } => Some(method.clone()),
            _ => None,
        })
    };
    let methods: Vec<String> = (0..5).map(|_| repeated()).collect();
    let (once, items) = ("mortal.leave_once", "mortal.items_and_leave_once");
    assert_eq!(methods, [once, once, once, items, once]);
}

#[test]
fn what_is_not_idempotent_or_was_seen_is_not_made_once_more() {
    let traces = Traces::new();
    let plugin = traces.supervise(eager());
    let client: MortalClient = plugin.client().unwrap();
    let times = |name: &str| std::fs::read_to_string(traces.file(name)).unwrap().lines().count();
    let is_exit = |fault: Error| {
        assert_eq!(fault.kind(), Kind::PluginExited, "{fault:?}");
        assert_eq!(fault.evidence().unwrap().exit.unwrap().code, Some(4));
        assert_eq!(fault.evidence().unwrap().stderr_tail, ["the first time"]);
    };

    is_exit(error(client.leave_once_only(&traces.file("only")).unwrap_err()));
    is_exit(error(client.call_and_leave_once(&Context::new(), &traces.file("called")).unwrap_err()));
    let file = json!({"file": traces.file("named")});
    is_exit(plugin.call::<String>("mortal.call_and_leave_once", &file).unwrap_err());
    let file = json!({"file": traces.file("awaited")});
    let awaited = plugin.call_async::<String>("mortal.call_and_leave_once", &file, CallOptions::default());
    is_exit(super::block_on(awaited).unwrap_err());
    let params = json!({"file": traces.file("items"), "items": 2});
    let mut items =
        plugin.stream::<u64, ()>("mortal.items_and_leave_once", &params, CallOptions::default()).unwrap();
    assert_eq!(items.next().unwrap().unwrap(), 1);
    traces.touch("items.seen");
    assert_eq!(items.next().unwrap().unwrap(), 2);
    is_exit(items.next().unwrap().unwrap_err());
    for name in ["only", "called", "named", "awaited", "items"] {
        assert_eq!(times(name), 1, "{name}");
    }
    // Those that wait for the next one are made for the first time.
    assert_eq!(client.count(5).unwrap(), 5);
}

#[test]
fn a_repeated_call_has_what_is_left_of_its_time() {
    let traces = Traces::new();
    // Longer than the call may take.
    let backoff = Backoff { first: 4 * PATIENCE, ..eager().backoff };
    let plugin = traces.supervise(Supervision { backoff, ..eager() });
    let file = json!({"file": traces.file("once")});
    plugin.start().unwrap();
    let begun = Instant::now();
    let options = CallOptions::timeout(PATIENCE);
    let fault = plugin.call_with::<String>("mortal.leave_once", &file, options).unwrap_err();
    assert_eq!(fault.kind(), Kind::PluginExited, "{fault:?}");
    assert!(begun.elapsed() < PATIENCE / 2, "it is known at once that there will be none in time");
    // So it is for calls that come meanwhile.
    let fault = plugin.call_with::<u64>("mortal.look", &json!({"n": 1}), options).unwrap_err();
    assert_eq!(fault.kind(), Kind::PluginExited, "{fault:?}");
    assert_eq!(fault.evidence().unwrap().exit.unwrap().code, Some(4));
    assert!(matches!(plugin.places()[..], [PlaceState::Resting(left)] if left > PATIENCE));
    plugin.reset();
    assert_eq!(plugin.call::<u64>("mortal.look", &json!({"n": 1})).unwrap(), 1);
}

#[test]
fn delays_are_those_of_the_policy_and_the_jitter_is_the_users() {
    let traces = Traces::new();
    let jitter = Jitter::by(|most| most / 4);
    let backoff = Backoff { first: Duration::from_millis(8), most: Duration::from_millis(12), jitter };
    let plugin = traces.supervise(Supervision { backoff, ..eager() });
    let wanted = [(1, 2), (2, 3), (3, 3)];
    for (attempt, millis) in wanted {
        plugin.call::<u64>("mortal.look", &json!({"n": 1})).unwrap();
        let left = kind(plugin.call::<()>("mortal.leave", &json!({"status": 6, "words": "enough"})));
        assert_eq!(left, Kind::PluginExited);
        let told = decision(&plugin, "it is started again", |decision| match decision {
            Decision::Restarting { attempt, after, reason } => Some((*attempt, *after, reason.clone())),
            _ => None,
        });
        assert_eq!(told, (attempt, Duration::from_millis(millis), "the plugin exited with status 6".into()));
        let (pid, of) = decision(&plugin, "it was started again", |decision| match decision {
            Decision::Restarted { pid, attempt } => Some((*pid, *attempt)),
            _ => None,
        });
        assert_eq!((pid, of), (*traces.pids().last().unwrap(), attempt));
    }
}

#[test]
fn a_crash_loop_is_told_and_not_fed_until_it_is_reset() {
    let traces = Traces::new();
    let breaker = Breaker { failures: 3, within: 10 * PATIENCE, rest: None };
    let plugin = traces.supervise(Supervision { breaker, ..eager() });
    for _ in 0..3 {
        let left = plugin.call::<()>("mortal.leave", &json!({"status": 5, "words": "a brief life"}));
        assert_eq!(kind(left), Kind::PluginExited);
    }
    let failures = decision(&plugin, "it is given up", |decision| match decision {
        Decision::CrashLoop { failures, again: None } => Some(failures.clone()),
        _ => None,
    });
    assert_eq!(failures.len(), 3);
    for failure in &failures {
        assert_eq!(failure.reason, "the plugin exited with status 5");
        assert_eq!(failure.evidence.exit.unwrap().code, Some(5));
        assert_eq!(failure.evidence.stderr_tail, ["a brief life"]);
    }
    let fault = plugin.call::<u64>("mortal.look", &json!({"n": 1})).unwrap_err();
    assert_eq!(fault.kind(), Kind::CrashLoop);
    assert_eq!(
        fault.to_string(),
        "the plugin failed 3 times, so it is not started any more until its supervisor is reset; the last time: the \
         plugin exited with status 5"
    );
    assert!(matches!(&plugin.places()[..], [PlaceState::CrashLoop(told)] if *told == failures));
    assert_eq!(traces.pids().len(), 3);
    plugin.reset();
    assert_eq!(plugin.call::<u64>("mortal.look", &json!({"n": 1})).unwrap(), 1);
}

#[test]
fn after_its_rest_a_crash_loop_is_tried_once() {
    let traces = Traces::new();
    traces.touch("fail");
    let breaker = Breaker { failures: 2, within: 10 * PATIENCE, rest: Some(Duration::from_millis(1)) };
    let launch = traces.launch().env("MORTAL_FAIL", traces.file("fail"));
    let backoff = Backoff { first: Duration::ZERO, ..eager().backoff };
    let plugin = launch.supervise(Supervision { breaker, backoff, ..eager() });
    for tries in 1..=4 {
        // While it rests, and until the one before is gone, there is no try: it is told what the last one came to.
        eventually("it is tried", || {
            let fault = plugin.start().unwrap_err();
            let tried = traces.pids().len() == tries;
            assert!(tried || traces.pids().len() == tries - 1, "once: {:?}", traces.pids());
            assert!(!tried || fault.kind() == Kind::PluginExited, "what the try came to: {fault:?}");
            tried
        });
    }
    traces.remove("fail");
    eventually("it is tried, and starts", || plugin.start().is_ok());
    assert_eq!(traces.pids().len(), 5);
}

#[test]
fn where_it_is_set_so_it_is_started_again_by_the_next_use() {
    let traces = Traces::new();
    let plugin = traces.supervise(Supervision { restart: Restart::OnUse, ..eager() });
    plugin.start().unwrap();
    kill(running(&plugin)[0]);
    eventually("it rests", || matches!(plugin.places()[..], [PlaceState::Resting(_)]));
    std::thread::sleep(SHORT);
    assert_eq!(traces.pids().len(), 1);
    assert_eq!(plugin.call::<u64>("mortal.look", &json!({"n": 1})).unwrap(), 1);
    assert_eq!(traces.pids().len(), 2);
}

#[test]
fn what_does_not_answer_pings_is_replaced() {
    let traces = Traces::new();
    let health = Health {
        interval: Duration::from_millis(20),
        timeout: 4 * SHORT,
        failures: 2,
        when: PingWhen::Always,
    };
    let launch = traces.launch().timeouts(hurried());
    let plugin = launch.supervise(Supervision { health: Some(health), ..eager() });
    plugin.start().unwrap();
    let stopped = running(&plugin)[0];
    signal(stopped, Signal::STOP);
    let reason = decision(&plugin, "it is replaced", |decision| match decision {
        Decision::Replaced { reason } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(reason, "2 answers to rpc.ping in a row are missing");
    assert_eq!(plugin.call::<u64>("mortal.look", &json!({"n": 1})).unwrap(), 1);
    assert_ne!(running(&plugin), [stopped]);
}

#[test]
fn a_call_that_stays_unanswered_has_its_instance_replaced() {
    let traces = Traces::new();
    let timeouts = plugline_host::Timeouts { unanswered: SHORT, ..hurried() };
    let plugin = traces.launch().timeouts(timeouts).supervise(Supervision { health: None, ..eager() });
    plugin.start().unwrap();
    let stopped = running(&plugin)[0];
    signal(stopped, Signal::STOP);
    let look = |options| plugin.call_with::<u64>("mortal.look", &json!({"n": 1}), options);
    assert_eq!(kind(look(CallOptions::timeout(SHORT))), Kind::Timeout);
    let reason = decision(&plugin, "it is replaced", |decision| match decision {
        Decision::Replaced { reason } => Some(reason.clone()),
        _ => None,
    });
    assert!(reason.contains("mortal.look"), "{reason}");
    assert_eq!(look(CallOptions::timeout(PATIENCE)).unwrap(), 1);
    assert_ne!(running(&plugin), [stopped]);
}

#[test]
fn an_idle_plugin_is_not_asked_whether_it_is_well() {
    let traces = Traces::new();
    let pings = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&pings);
    let launch = traces.launch().transcript(move |_, line| {
        seen.fetch_add(u64::from(String::from_utf8_lossy(line).contains("rpc.ping")), Ordering::Relaxed);
    });
    let health = Health { interval: Duration::from_millis(5), ..Health::default() };
    let plugin = launch.supervise(Supervision { health: Some(health), ..eager() });
    for round in 1..=3 {
        plugin.call::<u64>("mortal.look", &json!({"n": 1})).unwrap();
        eventually("it is asked, as it was used", || pings.load(Ordering::Relaxed) >= round);
    }
    // A look that was due already may come late; after it there is none for as long as thirty of them take.
    eventually("it is not asked any more", || {
        let asked = pings.load(Ordering::Relaxed);
        std::thread::sleep(SHORT);
        pings.load(Ordering::Relaxed) == asked
    });
}
