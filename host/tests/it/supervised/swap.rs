//! Others take over, and who calls notices nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plugline_host::{Decision, Error, Kind, Launch, Old, PlaceState, Supervised, Supervision, stop_all};
use plugline_sdk::{Context, contract};
use serde_json::json;

use super::contract::{Mortal, MortalClient};
use super::{Traces, decision, eager, kill, pool, running};
use crate::support::{SHORT, eventually, is_gone, kind};

const CALLERS: u64 = 16;

/// How many swaps: `PLUGLINE_SWAPS`.
fn swaps(usual: u64) -> u64 {
    std::env::var("PLUGLINE_SWAPS").map_or(usual, |text| text.parse().expect("PLUGLINE_SWAPS is a number"))
}

fn named(traces: &Traces, version: &str) -> Launch {
    traces.launch().env("MORTAL_NAME", version).env("MORTAL_COUNTS", traces.file("counts"))
}

fn many(traces: &Traces, version: &str) -> Launch {
    named(traces, version).env("MORTAL_INSTANCES", "many")
}

/// Swaps that often while 16 call; each call is answered, with its own answer, and was done once.
fn under_load(traces: &Traces, plugin: &Supervised, swaps: u64, next: impl Fn(&str) -> Launch) {
    let client: MortalClient = plugin.client().unwrap();
    let (over, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (client, over, calls) = (&client, &over, &calls);
            scope.spawn(move || {
                // To the end also where a test fails: the others are to see it.
                for number in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let n = caller << 32 | number;
                    let outcome = if caller % 2 == 0 {
                        client.count(n)
                    } else {
                        plugin
                            .call::<u64>("mortal.count", &json!({"n": n}))
                            .map_err(|fault| plugline_sdk::CallFailed::new(fault.kind(), fault.to_string()))
                    };
                    assert_eq!(outcome.unwrap_or_else(|fault| panic!("call {n}: {fault}")), n);
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let swapped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for swap in 1..=swaps {
                let version = format!("1.0.{swap}");
                let swapped = plugin.swap(next(&version)).unwrap();
                assert_eq!((swapped.plugin.version.as_str(), swapped.cut_off), (version.as_str(), 0));
                assert_eq!(plugin.hello().unwrap().plugin.version, version);
            }
        }));
        over.store(true, Ordering::Relaxed);
        swapped.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    let took = began.elapsed();
    plugin.stop();
    let calls = calls.into_inner();
    eprintln!("{swaps} swaps under {calls} calls in {took:?}");
    let done: u64 = traces.numbers::<u64>("counts").into_iter().sum();
    assert_eq!(done, calls, "each call was done once");
    assert!(calls > swaps);
}

#[test]
fn no_call_is_lost_or_done_twice_where_others_take_over() {
    let traces = Traces::new();
    let plugin = many(&traces, "1.0.0").supervise(eager());
    plugin.start().unwrap();
    under_load(&traces, &plugin, swaps(40), |version| many(&traces, version));
    assert_eq!(traces.pids().len() as u64, swaps(40) + 1);
}

#[test]
fn no_call_is_lost_or_done_twice_where_a_pool_is_swapped() {
    let traces = Traces::new();
    let plugin = many(&traces, "1.0.0").supervise(pool(3));
    plugin.start().unwrap();
    eventually("all are there", || running(&plugin).len() == 3);
    under_load(&traces, &plugin, swaps(40).div_ceil(4), |version| many(&traces, version));
}

#[test]
fn of_one_that_is_to_be_one_there_are_never_two() {
    let traces = Traces::new();
    // Whoever does not get the lock ends with status 9.
    let next = |version: &str| named(&traces, version).env("MORTAL_LOCK", traces.file("lock"));
    let plugin = next("1.0.0").supervise(eager());
    plugin.start().unwrap();
    under_load(&traces, &plugin, swaps(40).div_ceil(2), next);
}

#[test]
fn calls_in_flight_end_where_they_began() {
    let traces = Traces::new();
    for launch in [named, many] {
        let plugin = launch(&traces, "1.0.0").supervise(eager());
        let client: MortalClient = plugin.client().unwrap();
        let old = client.pid().unwrap();
        std::thread::scope(|scope| {
            let held = scope.spawn(|| client.hold(&Context::new(), &traces.file("go")));
            eventually("it is in flight", || plugin.in_flight() == 1);
            let swap = scope.spawn(|| plugin.swap(launch(&traces, "2.0.0")));
            eventually("the old one takes no more", || running(&plugin) != [old]);
            traces.touch("go");
            assert_eq!(held.join().unwrap().unwrap(), old);
            assert_eq!(swap.join().unwrap().unwrap().cut_off, 0);
        });
        traces.remove("go");
        assert_eq!(client.name().unwrap(), "2.0.0");
    }
}

#[test]
fn what_takes_longer_than_it_may_is_cut_off() {
    let traces = Traces::new();
    let settings = Supervision { drain: Duration::from_millis(20), ..eager() };
    let timeouts = plugline_host::Timeouts { grace: Duration::from_millis(20), ..crate::support::TIMEOUTS };
    let plugin = many(&traces, "1.0.0").timeouts(timeouts).supervise(settings);
    let client: MortalClient = plugin.client().unwrap();
    std::thread::scope(|scope| {
        let held = scope.spawn(|| client.hold(&Context::new(), "/never"));
        eventually("it is in flight", || plugin.in_flight() == 1);
        assert_eq!(plugin.swap(many(&traces, "2.0.0")).unwrap().cut_off, 1);
        let fault = held.join().unwrap().unwrap_err();
        assert!(matches!(fault.kind(), Kind::RemoteError | Kind::Closed | Kind::Cancelled), "{fault:?}");
    });
}

/// What an older client was made for.
#[contract(name = "mortal", version = "1.0.0")]
trait Younger: Send + Sync {
    /// A method that no such plugin has.
    fn grow(&self) -> Result<u64, plugline_sdk::CallFailed>;
}

#[test]
fn where_the_new_one_is_not_fit_the_old_one_serves_on() {
    let traces = Traces::new();
    let plugin = many(&traces, "1.0.0").supervise(eager());
    let client: MortalClient = plugin.client().unwrap();
    let old = client.pid().unwrap();

    traces.touch("fail");
    let fault = plugin.swap(many(&traces, "2.0.0").env("MORTAL_FAIL", traces.file("fail"))).unwrap_err();
    assert_eq!(fault.cause.kind(), Kind::PluginExited);
    assert!(matches!(fault.old, Old::Serves), "{fault:?}");
    let reason = decision(&plugin, "it fails", |decision| match decision {
        Decision::SwapFailed { reason } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(reason, fault.to_string());
    assert!(reason.contains("exited with status 3") && reason.contains("the old one serves on"), "{reason}");

    let refused = plugin.swap(many(&traces, "2.0.0").env("MORTAL_REFUSE", "too new")).unwrap_err();
    assert_eq!(refused.cause.kind(), Kind::Declined);
    assert_eq!(kind_of_missing(&plugin), Kind::SpawnFailed);

    // One that shakes hands, but lacks what a client was made for.
    let other = plugline_host::Plugin::command(super::mortal().with_file_name("stressed"));
    let unfit = plugin.swap(other.serve_callbacks(super::MortalHostContract, super::Counting::default()));
    let unfit = unfit.unwrap_err();
    assert!(matches!(unfit.cause, Error::Contract { .. }), "{unfit:?}");
    assert_eq!((client.pid().unwrap(), running(&plugin)), (old, vec![old]));
    assert_eq!(kind(plugin.client::<YoungerClient>()), Kind::VersionMismatch);
}

fn kind_of_missing(plugin: &Supervised) -> Kind {
    plugin.swap(plugline_host::Plugin::command("/nowhere/plugin")).unwrap_err().cause.kind()
}

#[test]
fn of_one_that_is_to_be_one_the_old_is_put_back() {
    let traces = Traces::new();
    let launch = |version| named(&traces, version).env("MORTAL_LOCK", traces.file("lock"));
    let plugin = launch("1.0.0").supervise(eager());
    let client: MortalClient = plugin.client().unwrap();
    let old = client.pid().unwrap();
    traces.touch("fail");
    let fault = plugin.swap(launch("2.0.0").env("MORTAL_FAIL", traces.file("fail"))).unwrap_err();
    assert!(matches!(fault.old, Old::PutBack), "{fault:?}");
    assert_eq!(fault.cause.kind(), Kind::PluginExited);
    assert_eq!(client.name().unwrap(), "1.0.0");
    assert_ne!(client.pid().unwrap(), old);
    // Its life goes on as any other's.
    kill(client.pid().unwrap());
    eventually("it is started again", || client.name().is_ok_and(|name| name == "1.0.0"));
}

#[test]
fn one_that_says_only_now_that_it_is_to_be_one_takes_the_place_of_the_old() {
    let traces = Traces::new();
    let plugin = many(&traces, "1.0.0").supervise(eager());
    plugin.start().unwrap();
    assert_eq!(plugin.swap(named(&traces, "2.0.0")).unwrap().plugin.version, "2.0.0");
    assert_eq!(running(&plugin).len(), 1);
    assert_eq!(plugin.call::<String>("mortal.name", &()).unwrap(), "2.0.0");
}

#[test]
fn what_does_not_run_is_swapped_too() {
    let traces = Traces::new();
    traces.touch("fail");
    let plugin = named(&traces, "1.0.0").env("MORTAL_FAIL", traces.file("fail")).supervise(eager());
    // Never used; then in a crash loop, which the new one is the cure of.
    let other = named(&traces, "1.0.0").supervise(eager());
    assert_eq!(other.swap(named(&traces, "2.0.0")).unwrap().plugin.version, "2.0.0");
    assert_eq!(other.call::<String>("mortal.name", &()).unwrap(), "2.0.0");
    assert_eq!(kind(plugin.start()), Kind::PluginExited);
    assert_eq!(plugin.swap(named(&traces, "2.0.0")).unwrap().stopped, []);
    assert_eq!(plugin.call::<String>("mortal.name", &()).unwrap(), "2.0.0");
}

#[test]
fn what_is_called_for_the_first_time_while_it_is_swapped_is_the_new_one() {
    let traces = Traces::new();
    let plugin = named(&traces, "1.0.0").supervise(eager());
    std::thread::scope(|scope| {
        let new = named(&traces, "2.0.0").env("MORTAL_WAIT", traces.file("go"));
        let swap = scope.spawn(|| plugin.swap(new));
        eventually("the new one is started", || traces.pids().len() == 1);
        let call = scope.spawn(|| plugin.call::<String>("mortal.name", &()));
        traces.touch("go");
        assert_eq!(call.join().unwrap().unwrap(), "2.0.0");
        swap.join().unwrap().unwrap();
    });
    assert_eq!(traces.pids().len(), 1);
    // And where the new one does not start, it is as if nothing had been.
    let other = named(&traces, "1.0.0").supervise(eager());
    let fault = other.swap(named(&traces, "2.0.0").env("MORTAL_REFUSE", "no")).unwrap_err();
    assert!(matches!(fault.old, Old::Serves), "{fault:?}");
    assert_eq!(other.call::<String>("mortal.name", &()).unwrap(), "1.0.0");
}

#[test]
fn one_that_is_stopped_is_not_swapped() {
    let traces = Traces::new();
    let plugin = Arc::new(named(&traces, "1.0.0").supervise(eager()));
    plugin.start().unwrap();
    std::thread::scope(|scope| {
        let swap = scope.spawn(|| plugin.swap(named(&traces, "2.0.0").env("MORTAL_WAIT", traces.file("go"))));
        eventually("the new one is started", || traces.pids().len() == 2);
        let stopping = scope.spawn(|| plugin.stop());
        let fault = swap.join().unwrap().unwrap_err();
        assert!(matches!(fault.old, Old::Stopped), "{fault:?}");
        stopping.join().unwrap();
    });
    let fault = plugin.swap(named(&traces, "3.0.0")).unwrap_err();
    assert!(matches!(fault.old, Old::Stopped), "{fault:?}");
    assert_eq!(fault.cause.kind(), Kind::Closed);
}

#[test]
fn what_drains_is_stopped_with_the_rest() {
    let traces = Traces::new();
    for launch in [named, many] {
        let plugin = launch(&traces, "1.0.0").timeouts(super::hurried()).supervise(eager());
        let client: MortalClient = plugin.client().unwrap();
        let old = client.pid().unwrap();
        std::thread::scope(|scope| {
            let held = scope.spawn(|| client.hold(&Context::new(), "/never"));
            eventually("it is in flight", || plugin.in_flight() == 1);
            let swap = scope.spawn(|| plugin.swap(launch(&traces, "2.0.0").timeouts(super::hurried())));
            eventually("the old one takes no more", || running(&plugin) != [old]);
            stop_all([&plugin], Duration::ZERO);
            assert!(is_gone(old), "all are stopped, and it lives");
            assert!(held.join().unwrap().is_err());
            // Whether it took over before that or not.
            let _either = swap.join().unwrap();
        });
    }
}

#[test]
fn what_starts_as_another_takes_over_is_gone_before_that() {
    let traces = Traces::new();
    let next = |version: &str| named(&traces, version).env("MORTAL_LOCK", traces.file("lock"));
    let slow = next("1.0.0").env("MORTAL_WAIT", traces.file("go")).env("MORTAL_LEAVE", traces.file("leave"));
    let plugin = slow.supervise(eager());
    std::thread::scope(|scope| {
        let start = scope.spawn(|| plugin.start());
        eventually("it is started", || traces.pids().len() == 1);
        let swap = scope.spawn(|| plugin.swap(next("2.0.0")));
        eventually("another is about to take over", || {
            plugin.places().iter().all(|place| matches!(place, PlaceState::Idle))
        });
        traces.touch("go");
        eventually("it is told to go", || std::path::Path::new(&traces.file("leave.awaited")).exists());
        std::thread::sleep(SHORT);
        assert_eq!(traces.pids().len(), 1, "there are two");
        traces.touch("leave");
        assert_eq!(swap.join().unwrap().unwrap().plugin.version, "2.0.0");
        start.join().unwrap().unwrap();
    });
}

#[test]
fn the_old_is_put_back_when_the_new_one_is_gone() {
    let traces = Traces::new();
    let launch = |version| named(&traces, version).env("MORTAL_LOCK", traces.file("lock"));
    let plugin = launch("1.0.0").supervise(eager());
    let client: MortalClient = plugin.client().unwrap();
    assert_eq!(client.name().unwrap(), "1.0.0");
    // It says nothing, and has to be made to go.
    let timeouts = plugline_host::Timeouts { start: Some(SHORT), ..super::hurried() };
    let deaf = launch("2.0.0").env("MORTAL_WAIT", traces.file("never")).timeouts(timeouts);
    let fault = plugin.swap(deaf).unwrap_err();
    assert!(matches!(fault.old, Old::PutBack), "{fault}");
    assert_eq!(client.name().unwrap(), "1.0.0");
}
