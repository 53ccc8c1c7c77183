//! Several instances, each call with the one that has the least to do.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use plugline_host::{
    Backoff, Breaker, CallOptions, Decision, Document, Jitter, Kind, Old, PlaceState, Restart, Supervised,
    Supervision,
};
use plugline_sdk::{Context, Instances};
use serde_json::json;

use super::contract::{Mortal, MortalClient};
use super::{Traces, decision, kill, pool, running};
use crate::support::{PATIENCE, eventually, kind};

fn full(traces: &Traces, settings: Supervision) -> Supervised {
    let instances = settings.instances.get();
    let plugin = traces.launch().env("MORTAL_INSTANCES", "many").supervise(settings);
    plugin.start().unwrap();
    eventually("all are there", || running(&plugin).len() == instances);
    plugin
}

#[test]
fn each_call_goes_to_the_instance_with_the_fewest_in_flight() {
    let traces = Traces::new();
    let plugin = full(&traces, pool(3));
    let hold =
        || plugin.begin("mortal.hold", &json!({"file": traces.file("go")}), CallOptions::default()).unwrap();
    let held: Vec<_> = (0..6).map(|_| hold()).collect();
    let loads: Vec<u64> = plugin
        .places()
        .into_iter()
        .map(|place| match place {
            PlaceState::Running { in_flight, .. } => in_flight,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(loads, [2, 2, 2]);
    traces.touch("go");
    let answered: Vec<u32> = held.into_iter().map(|call| call.wait().unwrap()).collect();
    let pids: BTreeSet<u32> = running(&plugin).into_iter().collect();
    for pid in &pids {
        assert_eq!(answered.iter().filter(|answered| *answered == pid).count(), 2);
    }
}

#[test]
fn one_that_dies_costs_its_own_calls_alone() {
    let traces = Traces::new();
    let plugin = full(&traces, pool(3));
    let client: MortalClient = plugin.client().unwrap();
    std::thread::scope(|scope| {
        let hold = || {
            let context = Context::new();
            client.hold(&context, &traces.file("go"))
        };
        let held: Vec<_> = (0..3).map(|_| scope.spawn(hold)).collect();
        eventually("all hold one", || plugin.in_flight() == 3);
        let victim = running(&plugin)[1];
        kill(victim);
        // The others are not asked to wait for the one that is started in its place.
        for n in 0..50 {
            assert_eq!(client.count(n).unwrap(), n);
        }
        let is_replaced = || running(&plugin).len() == 3 && !running(&plugin).contains(&victim);
        eventually("another is there", is_replaced);
        traces.touch("go");
        let outcomes: Vec<_> = held.into_iter().map(|call| call.join().unwrap()).collect();
        let failed: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
        assert_eq!(failed.len(), 1, "{outcomes:?}");
        assert_eq!(failed[0].kind(), Kind::PluginExited);
    });
    assert_eq!(traces.pids().len(), 4);
}

/// Two, the second of which ends as it starts while there is a file that the first has locked; and uses it until both
/// serve.
fn filled_by_use(settings: Supervision, is_told: impl FnMut(&Decision) -> Option<()>) {
    let traces = Traces::new();
    let launch = traces.launch().env("MORTAL_INSTANCES", "many").env("MORTAL_LOCK", traces.file("lock"));
    let plugin = launch.supervise(settings);
    plugin.start().unwrap();
    decision(&plugin, "the second does not start", is_told);
    let first = running(&plugin);
    assert_eq!(first.len(), 1);
    // From here on, whoever comes locks another file.
    traces.remove("lock");
    eventually("both serve", || {
        assert_eq!(plugin.call::<u64>("mortal.look", &json!({"n": 3})).unwrap(), 3);
        running(&plugin).len() == 2
    });
    assert!(running(&plugin).contains(&first[0]), "the first was left alone");
}

#[test]
fn one_that_did_not_start_is_tried_again_by_use_while_others_serve() {
    filled_by_use(pool(2), |decision| matches!(decision, Decision::StartFailed { .. }).then_some(()));
}

#[test]
fn one_that_looped_is_tried_again_by_use_while_others_serve() {
    let breaker = Breaker { failures: 1, rest: Some(Duration::from_millis(1)), ..Breaker::default() };
    let is_told = |decision: &Decision| matches!(decision, Decision::CrashLoop { .. }).then_some(());
    filled_by_use(Supervision { breaker, ..pool(2) }, is_told);
}

#[test]
fn one_that_looped_for_good_is_tried_again_by_use_after_a_reset() {
    let traces = Traces::new();
    let launch = traces.launch().env("MORTAL_INSTANCES", "many").env("MORTAL_LOCK", traces.file("lock"));
    let breaker = Breaker { failures: 1, rest: None, ..Breaker::default() };
    let plugin = launch.supervise(Supervision { breaker, ..pool(2) });
    plugin.start().unwrap();
    decision(&plugin, "the second loops", |decision| {
        matches!(decision, Decision::CrashLoop { .. }).then_some(())
    });
    traces.remove("lock");
    plugin.reset();
    eventually("both serve", || {
        assert_eq!(plugin.call::<u64>("mortal.look", &json!({"n": 3})).unwrap(), 3);
        running(&plugin).len() == 2
    });
}

#[test]
fn one_that_ended_is_started_by_use_while_others_serve_where_that_is_set() {
    let traces = Traces::new();
    let settings = Supervision { restart: Restart::OnUse, ..pool(2) };
    let plugin = full(&traces, settings);
    kill(running(&plugin)[0]);
    let is_resting = |place: &PlaceState| matches!(place, PlaceState::Resting(_));
    eventually("one rests", || plugin.places().iter().any(is_resting));
    assert_eq!(traces.pids().len(), 2);
    eventually("both serve", || {
        assert_eq!(plugin.call::<u64>("mortal.look", &json!({"n": 3})).unwrap(), 3);
        running(&plugin).len() == 2
    });
    assert_eq!(traces.pids().len(), 3);
}

#[test]
fn a_place_that_becomes_free_while_the_only_other_starts_is_taken_by_use_after_that() {
    let traces = Traces::new();
    // The first that ends rests for a while, the second not at all.
    let ended = AtomicUsize::new(0);
    let jitter = Jitter::by(
        move |most| if ended.fetch_add(1, Ordering::Relaxed) == 0 { most } else { Duration::ZERO },
    );
    let backoff = Backoff { first: Duration::from_millis(300), jitter, ..Backoff::default() };
    let settings = Supervision { restart: Restart::OnUse, backoff, ..pool(2) };
    traces.touch("go");
    let launch = traces.launch().env("MORTAL_INSTANCES", "many").env("MORTAL_WAIT", traces.file("go"));
    let plugin = launch.supervise(settings);
    plugin.start().unwrap();
    eventually("both are there", || running(&plugin).len() == 2);
    traces.remove("go");
    let resting = |plugin: &Supervised, is: fn(Duration) -> bool| {
        let places = plugin.places();
        places.into_iter().filter(|place| matches!(place, PlaceState::Resting(left) if is(*left))).count()
    };
    for (count, pid) in running(&plugin).into_iter().enumerate() {
        kill(pid);
        eventually("it rests", || resting(&plugin, |_| true) == count + 1);
    }
    let look =
        |timeout| plugin.call_with::<u64>("mortal.look", &json!({"n": 3}), CallOptions::timeout(timeout));
    let soon = Duration::from_millis(20);
    assert_eq!(kind(look(soon)), Kind::Timeout, "one starts, and waits");
    eventually("the other may", || resting(&plugin, |left| left.is_zero()) == 1);
    for _ in 0..2 {
        assert_eq!(kind(look(soon)), Kind::Timeout, "of whoever wants one now, it is remembered");
    }
    traces.touch("go");
    eventually("both serve", || {
        assert_eq!(look(PATIENCE).unwrap(), 3);
        running(&plugin).len() == 2
    });
}

#[test]
fn others_are_started_by_use_after_a_swap_that_started_one() {
    let traces = Traces::new();
    let launch = || traces.launch().env("MORTAL_INSTANCES", "many");
    let plugin = launch().supervise(pool(3));
    // Nobody has used it, so one is all that takes over.
    plugin.swap(launch()).unwrap();
    assert_eq!(running(&plugin).len(), 1);
    eventually("all serve", || {
        assert_eq!(plugin.call::<u64>("mortal.look", &json!({"n": 3})).unwrap(), 3);
        running(&plugin).len() == 3
    });
    assert_eq!(traces.pids().len(), 3);
}

#[test]
fn one_of_which_only_one_may_serve_does_not_take_over_and_the_others_go_on() {
    let traces = Traces::new();
    let plugin = full(&traces, Supervision { restart: Restart::OnUse, ..pool(2) });
    let before = running(&plugin);
    let mut manifest = Document::clone(&plugin.manifest().unwrap());
    manifest.plugline.instances = Instances::One;
    // Whether that is found out by asking it, or known.
    for launch in [traces.launch(), traces.launch().manifest(Arc::new(manifest))] {
        let fault = plugin.swap(launch).unwrap_err();
        assert_eq!(fault.cause.kind(), Kind::Unsupported, "{fault}");
        assert!(matches!(fault.old, Old::Serves), "{fault}");
        assert_eq!(running(&plugin), before);
    }
    // They are still many where they are started again.
    before.iter().copied().for_each(kill);
    eventually("both are gone", || running(&plugin).is_empty());
    eventually("two others serve", || {
        assert_eq!(plugin.call::<u64>("mortal.look", &json!({"n": 3})).unwrap(), 3);
        running(&plugin).len() == 2
    });
}

#[test]
fn a_plugin_that_is_to_be_one_is_not_made_many() {
    let traces = Traces::new();
    let plugin = traces.supervise(pool(2));
    let fault = plugin.start().unwrap_err();
    assert_eq!(fault.kind(), Kind::Unsupported);
    assert_eq!(
        fault.to_string(),
        "the plugin's manifest does not say `\"instances\": \"many\"`, so one of its processes serves at a time, and 2 \
         were asked for"
    );
    // It is known by now, so nothing is started for the next.
    assert_eq!(kind(plugin.start()), Kind::Unsupported);
    assert_eq!(traces.pids().len(), 1);
}
