//! What nobody uses is stopped, and nothing that is used.

use std::time::Duration;

use plugline_host::{CallOptions, Decision, Supervision};
use plugline_sdk::Context;
use serde_json::json;

use super::contract::{Mortal, MortalClient, MortalHostContract};
use super::{Counting, Traces, decision, eager, running};
use crate::support::{eventually, is_gone};

const IDLE: Duration = Duration::from_millis(40);

fn brief() -> Supervision {
    Supervision { idle: Some(IDLE), ..eager() }
}

#[test]
fn it_stops_when_idle_and_starts_with_the_next_use() {
    let traces = Traces::new();
    // Long enough that nobody who waits for it to start comes too late.
    let idle = 10 * IDLE;
    let plugin = traces.supervise(Supervision { idle: Some(idle), ..eager() });
    for life in 1..=3 {
        assert_eq!(plugin.call::<u64>("mortal.look", &json!({"n": 1})).unwrap(), 1);
        let told = decision(&plugin, "it is idle", |decision| match decision {
            Decision::StoppedIdle { idle } => Some(*idle),
            Decision::Restarting { .. } => panic!("that is no failure"),
            _ => None,
        });
        assert_eq!(told, idle);
        eventually("its process is gone", || is_gone(traces.pids()[life - 1]));
        assert_eq!(traces.pids().len(), life);
    }
}

#[test]
fn it_does_not_stop_while_a_call_a_stream_or_a_callback_is_under_way() {
    let traces = Traces::new();
    let host = Counting::default();
    let launch = traces.launch().serve_callbacks(MortalHostContract, host.clone());
    let plugin = launch.supervise(brief());
    let client: MortalClient = plugin.client().unwrap();
    let stays = |what: &str| {
        std::thread::sleep(6 * IDLE);
        assert_eq!(running(&plugin), traces.pids(), "{what}");
        assert_eq!(traces.pids().len(), 1, "{what}");
    };

    let held = plugin.begin("mortal.hold", &json!({"file": traces.file("go")}), CallOptions::default());
    stays("a call is in flight");
    // An item that nobody takes.
    let params = json!({"file": traces.file("second"), "items": 0});
    std::fs::write(traces.file("second"), "here\n").unwrap();
    let mut items = client.items_and_leave_once(&traces.file("second"), 0).unwrap();
    assert_eq!(items.next().unwrap().unwrap(), 1);
    traces.touch("go");
    held.unwrap().wait::<u32>().unwrap();
    stays("a stream is open");
    let mut untyped =
        plugin.stream::<u64, ()>("mortal.items_and_leave_once", &params, CallOptions::default());
    assert_eq!(untyped.as_mut().unwrap().next().unwrap().unwrap(), 1);
    drop(items);
    stays("another is");

    host.shut();
    client.call_later(&Context::new()).unwrap();
    eventually("it calls back", || host.inside() == 1);
    drop(untyped);
    stays("it calls back");
    host.open();
    eventually("it stops", || running(&plugin).is_empty());
}
