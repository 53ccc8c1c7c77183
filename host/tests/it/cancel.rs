//! Calls that end before they are answered: by deadline, by hand, by being dropped.

use std::time::Duration;

use plugline_host::{CallOptions, EventKind, Kind, Timeouts};
use serde_json::{Value, json};

use crate::support::{PATIENCE, Running, SHORT, TIMEOUTS, cancelling, eventually, kind, start, start_with};

fn cancels_of(plugin: &Running, held: usize) -> Vec<Value> {
    let seen = plugin.seen();
    let ids: Vec<&Value> =
        seen.iter().filter(|message| message["method"] == "t.hold").map(|message| &message["id"]).collect();
    assert_eq!(ids.len(), held, "{seen:?}");
    let cancels = seen.iter().filter(|message| message["method"] == "rpc.cancel");
    let cancels: Vec<Value> = cancels.map(|message| message["params"].clone()).collect();
    assert!(cancels.iter().all(|cancel| ids.contains(&&cancel["id"])), "{seen:?}");
    cancels
}

#[test]
fn a_deadline_cancels_at_a_plugin_that_heeds_it() {
    let plugin = start_with("plugin", &cancelling(), |launch| launch);
    let call = plugin.begin("t.hold", &json!({}), CallOptions::timeout(SHORT)).unwrap();
    assert_eq!(kind(call.wait::<Value>()), Kind::Timeout);
    eventually("the answer to the cancel frees the place", || plugin.in_flight() == 0);
    let cancels = cancels_of(&plugin, 1);
    assert_eq!(cancels.len(), 1);
    assert!(cancels[0]["reason"].as_str().unwrap().contains("deadline"), "{cancels:?}");
}

#[test]
fn a_deadline_tells_nothing_to_a_plugin_that_does_not_heed_cancel() {
    let plugin = start_with("plugin", &json!({}), |launch| {
        launch.timeouts(Timeouts { unanswered: SHORT, ..TIMEOUTS })
    });
    let call = plugin.begin("t.hold", &json!({}), CallOptions::timeout(SHORT)).unwrap();
    assert_eq!(kind(call.wait::<Value>()), Kind::Timeout);
    assert_eq!(plugin.in_flight(), 1, "the place is held");
    plugin.event("unhealthy", |event| matches!(event, EventKind::Unhealthy { .. }).then_some(()));
    assert_eq!(cancels_of(&plugin, 1), [] as [Value; 0]);
    plugin.call::<()>("t.release", &json!({})).unwrap();
    assert_eq!(plugin.in_flight(), 0);
    plugin.assert_alive();
}

#[test]
fn a_cancelled_call_ends_with_what_the_plugin_answers() {
    let plugin = start_with("plugin", &cancelling(), |launch| launch);
    let call = plugin.begin("t.hold", &json!({}), CallOptions::default()).unwrap();
    call.canceller().cancel(Some("enough"));
    assert_eq!(kind(call.wait::<Value>()), Kind::Cancelled);

    let call = plugin.begin("t.hold", &json!({"done": true}), CallOptions::default()).unwrap();
    let canceller = call.canceller();
    canceller.cancel(None);
    assert_eq!(call.wait::<String>().unwrap(), "done");
    // Late, and twice: nobody is disturbed.
    canceller.cancel(None);

    let cancels = cancels_of(&plugin, 2);
    assert_eq!((cancels.len(), &cancels[0]["reason"]), (2, &json!("enough")));
    assert_eq!(plugin.in_flight(), 0);
}

#[test]
fn a_cancel_that_is_not_answered_ends_the_call_all_the_same() {
    let plugin = start_with("deaf_to_cancel", &cancelling(), |launch| {
        launch.timeouts(Timeouts { unanswered: SHORT, ..TIMEOUTS })
    });
    let call = plugin.begin("t.hold", &json!({}), CallOptions::timeout(PATIENCE)).unwrap();
    call.canceller().cancel(None);
    assert_eq!(kind(call.wait::<Value>()), Kind::Cancelled);
    plugin.event("unhealthy", |event| matches!(event, EventKind::Unhealthy { .. }).then_some(()));
    assert_eq!(plugin.in_flight(), 1);
}

/// The plugin has its time to answer also where it was not told.
#[test]
fn a_plugin_that_does_not_heed_cancel_is_not_unhealthy_at_once() {
    let plugin = start("plugin");
    let call = plugin.begin("t.hold", &json!({}), CallOptions::default()).unwrap();
    call.canceller().cancel(None);
    assert_eq!(kind(call.wait::<Value>()), Kind::Cancelled);
    let unhealthy = |event: &plugline_host::Event| matches!(event.kind, EventKind::Unhealthy { .. });
    let deadline = std::time::Instant::now() + SHORT;
    while let Ok(event) = plugin.events().recv_deadline(deadline) {
        assert!(!unhealthy(&event), "after {SHORT:?} of {:?}", TIMEOUTS.unanswered);
    }
    plugin.call::<()>("t.release", &json!({})).unwrap();
    assert_eq!(plugin.in_flight(), 0);
}

#[test]
fn a_dropped_call_is_cancelled() {
    let plugin = start_with("plugin", &cancelling(), |launch| launch);
    drop(plugin.begin("t.hold", &json!({}), CallOptions::default()).unwrap());
    eventually("the answer to the cancel frees the place", || plugin.in_flight() == 0);
    assert_eq!(cancels_of(&plugin, 1).len(), 1);
}

#[test]
fn an_answer_after_the_deadline_disturbs_nobody() {
    let plugin = start("plugin");
    for number in 0..20 {
        let call = plugin.begin("t.hold", &json!({}), CallOptions::timeout(Duration::from_millis(1)));
        assert_eq!(kind(call.and_then(|call| call.wait::<Value>())), Kind::Timeout);
        assert_eq!(plugin.call::<Value>("t.echo", &json!({"n": number})).unwrap(), json!({"n": number}));
        plugin.call::<()>("t.release", &json!({})).unwrap();
    }
    assert_eq!(plugin.in_flight(), 0);
    assert!(!plugin.events().try_iter().any(|event| matches!(event.kind, EventKind::Ignored(_))));
}
