//! The first use starts it, once.

use std::num::NonZeroUsize;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use plugline_host::{Backoff, CallOptions, Kind, Starts, Supervised, Supervision, Timeouts, settle};
use serde_json::json;

use super::contract::{Mortal, MortalClient};
use super::{Traces, block_on, eager, kill, running};
use crate::support::{PATIENCE, SHORT, TIMEOUTS, eventually, kind};

const CALLERS: usize = 16;

/// What so many threads get that all begin at once.
fn all_at_once<R: Send>(call: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let barrier = Barrier::new(CALLERS);
    std::thread::scope(|scope| {
        let (barrier, call) = (&barrier, &call);
        let threads: Vec<_> = (0..CALLERS)
            .map(|caller| {
                scope.spawn(move || {
                    barrier.wait();
                    call(caller)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn it_starts_once_however_many_threads_ask() {
    let traces = Traces::new();
    let plugin = traces.supervise(Supervision::default());
    assert!(traces.pids().is_empty() && running(&plugin).is_empty());
    let answers = all_at_once(|caller| plugin.call::<usize>("mortal.look", &json!({"n": caller})).unwrap());
    assert_eq!(answers, (0..CALLERS).collect::<Vec<_>>());
    assert_eq!(traces.pids(), running(&plugin));
    assert_eq!(traces.pids().len(), 1);
}

#[test]
fn all_who_wait_for_a_start_get_the_same_error() {
    let traces = Traces::new();
    traces.touch("fail");
    let launch =
        traces.launch().env("MORTAL_FAIL", traces.file("fail")).env("MORTAL_WAIT", traces.file("go"));
    let backoff = Backoff { first: 4 * PATIENCE, ..eager().backoff };
    let plugin = launch.supervise(Supervision { backoff, ..Supervision::default() });
    let faults = std::thread::scope(|scope| {
        let callers = scope.spawn(|| all_at_once(|_| plugin.start().unwrap_err()));
        eventually("it is started", || traces.pids().len() == 1);
        traces.touch("go");
        callers.join().unwrap()
    });
    for fault in &faults {
        assert_eq!(fault.kind(), Kind::PluginExited, "{fault:?}");
        let evidence = fault.evidence().unwrap();
        assert_eq!(evidence.exit.unwrap().code, Some(3));
        assert_eq!(evidence.stderr_tail, ["it cannot start"]);
        assert_eq!(fault.to_string(), faults[0].to_string());
    }
    // Until the backoff has passed, it is not asked again.
    assert_eq!(kind(plugin.call::<u64>("mortal.look", &json!({"n": 1}))), Kind::PluginExited);
    assert_eq!(traces.pids().len(), 1);
    traces.remove("fail");
    plugin.reset();
    assert_eq!(plugin.call::<u64>("mortal.look", &json!({"n": 1})).unwrap(), 1);
}

#[test]
fn a_call_waits_for_a_start_no_longer_than_it_may() {
    let traces = Traces::new();
    let plugin = traces.launch().env("MORTAL_WAIT", traces.file("go")).supervise(Supervision::default());
    let look = |options| plugin.call_with::<u64>("mortal.look", &json!({"n": 2}), options);
    assert_eq!(kind(look(CallOptions::timeout(SHORT))), Kind::Timeout);
    let future = plugin.call_async::<u64>("mortal.look", &json!({"n": 2}), CallOptions::timeout(SHORT));
    assert_eq!(kind(block_on(future)), Kind::Timeout);
    // The start goes on all the same.
    traces.touch("go");
    assert_eq!(look(CallOptions::default()).unwrap(), 2);
    assert_eq!(traces.pids().len(), 1);
}

#[test]
fn a_task_starts_it_without_blocking() {
    let traces = Traces::new();
    let plugin = traces.launch().env("MORTAL_WAIT", traces.file("go")).supervise(eager());
    let call = |n: u64| plugin.call_async::<u64>("mortal.look", &json!({"n": n}), CallOptions::default());
    let calls: Vec<_> = (0..20).map(call).collect();
    // One that nobody awaits any more is of no harm.
    drop(call(99));
    eventually("it is started", || traces.pids().len() == 1);
    traces.touch("go");
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(block_on(call).unwrap(), n as u64);
    }
    // Over the next instance, too.
    kill(running(&plugin)[0]);
    eventually("the end is seen", || running(&plugin) != traces.pids()[..1]);
    assert_eq!(block_on(call(7)).unwrap(), 7);
}

#[test]
fn what_it_refuses_is_what_callers_are_told() {
    let traces = Traces::new();
    let plugin = traces.launch().env("MORTAL_REFUSE", "not here").supervise(eager());
    for _ in 0..3 {
        let fault = plugin.start().unwrap_err();
        assert_eq!(fault.kind(), Kind::Declined, "{fault:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
    let missing = plugline_host::Plugin::command("/nowhere/plugin").supervise(eager());
    assert_eq!(kind(missing.start()), Kind::SpawnFailed);
    drop(plugin);
    assert!(settle(PATIENCE));
}

#[test]
fn no_more_start_at_once_than_may() {
    let traces = Traces::new();
    let starts = Starts::at_most(NonZeroUsize::new(2).unwrap());
    let launch = traces.launch().env("MORTAL_WAIT", traces.file("go"));
    let settings = Supervision { starts, ..Supervision::default() };
    let plugins: Vec<Supervised> = (0..6).map(|_| launch.clone().supervise(settings.clone())).collect();
    std::thread::scope(|scope| {
        let starting: Vec<_> = plugins.iter().map(|plugin| scope.spawn(move || plugin.start())).collect();
        eventually("two are started", || traces.pids().len() == 2);
        std::thread::sleep(SHORT);
        assert_eq!(traces.pids().len(), 2);
        traces.touch("go");
        starting.into_iter().for_each(|start| start.join().unwrap().unwrap());
    });
    assert_eq!(traces.pids().len(), 6);
}

#[test]
fn of_many_only_those_run_that_are_used() {
    let traces = Traces::new();
    let plugins: Vec<Supervised> = (0..200).map(|_| traces.supervise(Supervision::default())).collect();
    for plugin in [&plugins[3], &plugins[77], &plugins[199]] {
        plugin.call::<u64>("mortal.look", &json!({"n": 1})).unwrap();
    }
    assert_eq!(traces.pids().len(), 3);
}

#[test]
fn a_client_of_what_is_known_starts_nothing_and_lives_as_long_as_it_is_held() {
    let traces = Traces::new();
    let manifest = traces.launch().discover().unwrap();
    assert_eq!(traces.pids().len(), 1);
    let launch = traces.launch().manifest(Arc::new(manifest));
    let client: MortalClient = launch.supervise(Supervision::default()).client().unwrap();
    assert_eq!(traces.pids().len(), 1);
    assert_eq!(client.look(3).unwrap(), 3);
    assert_eq!(client.pid().unwrap(), traces.pids()[1]);
}

#[test]
fn one_that_did_not_start_is_gone_before_the_next_begins() {
    let traces = Traces::new();
    // It has a while to go, and whoever does not get the lock ends with status 9.
    let timeouts = Timeouts { start: Some(Duration::from_millis(500)), ..TIMEOUTS };
    let slow = traces.launch().env("MORTAL_LOCK", traces.file("lock")).env("MORTAL_WAIT", traces.file("go"));
    let plugin = slow.timeouts(timeouts).supervise(eager());
    let fault = plugin.start().unwrap_err();
    assert_eq!(fault.kind(), Kind::HandshakeTimeout, "{fault}");
    let began = Instant::now();
    while began.elapsed() < SHORT {
        assert_eq!(plugin.start().unwrap_err().to_string(), fault.to_string());
    }
    assert_eq!(traces.pids().len(), 1);
    traces.touch("go");
    eventually("another is started", || match plugin.start() {
        Ok(()) => true,
        Err(fault) => {
            assert_eq!(fault.kind(), Kind::HandshakeTimeout, "{fault}");
            false
        }
    });
}
