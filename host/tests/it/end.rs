//! How plugins end: by themselves, and when they are told to.

use std::time::{Duration, Instant};

use plugline_host::{Call, CallOptions, EventKind, Exit, Kind, Rung, RunningCall, Stopped, Timeouts, settle};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{
    HURRIED, PATIENCE, Running, SHORT, TIMEOUTS, alone, cancelling, eventually, is_gone, kind, pid, start,
    start_with,
};

const CLEAN: Exit = Exit { code: Some(0), signal: None };

fn killed_by(signal: Signal) -> Exit {
    Exit { code: None, signal: Some(signal.as_raw()) }
}

fn hold(plugin: &Running) -> RunningCall {
    plugin.begin("t.hold", &json!({}), CallOptions::default()).unwrap()
}

fn exited(plugin: &Running) -> (Exit, bool) {
    plugin.event("exit", |event| match event {
        EventKind::Exited { exit, wanted, .. } => Some((exit, wanted)),
        _ => None,
    })
}

#[test]
fn the_end_of_the_process_ends_all_calls_and_says_how() {
    let rows = [
        (json!({"status": 0}), Exit { code: Some(0), signal: None }, "exited with status 0"),
        (json!({"status": 7}), Exit { code: Some(7), signal: None }, "exited with status 7"),
        (json!({"signal": 9}), killed_by(Signal::KILL), "was killed by SIGKILL"),
        (json!({"signal": 15}), killed_by(Signal::TERM), "was killed by SIGTERM"),
        (json!({"signal": 6}), killed_by(Signal::ABORT), "was killed by SIGABRT"),
    ];
    for (mut how, exit, word) in rows {
        how["words"] = json!("first\nlast \u{1b}[2Jwords");
        let plugin = start("plugin");
        let held: Vec<_> = (0..5).map(|_| hold(&plugin)).collect();
        let error = plugin.call::<Value>("t.leave", &how).unwrap_err();
        assert_eq!(error.kind(), Kind::PluginExited, "{how}: {error:?}");
        assert!(error.to_string().contains(word), "{error}");
        let evidence = error.evidence().unwrap();
        assert_eq!(evidence.exit, Some(exit), "{how}");
        assert_eq!(evidence.stderr_tail, ["first", "last \\u{1b}[2Jwords"], "{how}");
        for call in held {
            assert_eq!(kind(call.wait::<Value>()), Kind::PluginExited, "{how}");
        }
        assert_eq!(kind(plugin.ping()), Kind::PluginExited);
        assert_eq!(exited(&plugin), (exit, false));
        assert_eq!(plugin.stop(), Stopped { exit: Some(exit), rung: Rung::Gone }, "{how}");
        plugin.processes.assert_gone();
    }
}

#[test]
fn a_plugin_killed_from_outside_is_noticed_while_nothing_is_called() {
    let plugin = start("plugin");
    kill_process(pid(plugin.id()), Signal::KILL).unwrap();
    assert_eq!(exited(&plugin), (killed_by(Signal::KILL), false));
    assert_eq!(kind(plugin.ping()), Kind::PluginExited);
}

#[test]
fn a_plugin_that_closes_a_pipe_and_lives_is_stopped() {
    for method in ["t.close_stdout", "t.close_stdin"] {
        let plugin = start_with("plugin", &json!({}), |launch| {
            // Longer than a failed call waits to learn how the process ended.
            launch.timeouts(Timeouts { exit: Duration::from_secs(1), ..TIMEOUTS })
        });
        let held = hold(&plugin);
        let error =
            plugin.call::<Value>(method, &json!({})).and_then(|_| plugin.call::<Value>("t.echo", &json!({})));
        assert_eq!(kind(error), Kind::Closed, "{method}");
        assert_eq!(kind(held.wait::<Value>()), Kind::Closed, "{method}");
        assert_eq!(exited(&plugin), (killed_by(Signal::TERM), false), "{method}");
        plugin.processes.assert_gone();
    }
}

#[test]
fn each_rung_of_the_ladder() {
    let exit = Duration::from_millis(300);
    let rows = [
        ("plugin", TIMEOUTS, CLEAN, Rung::Asked),
        ("ignores_shutdown", Timeouts { grace: SHORT, ..TIMEOUTS }, CLEAN, Rung::Asked),
        (
            "ignores_end_of_file",
            Timeouts { grace: SHORT, exit, ..TIMEOUTS },
            killed_by(Signal::TERM),
            Rung::Terminated,
        ),
        ("ignores_everything", HURRIED, killed_by(Signal::KILL), Rung::Killed),
    ];
    for (scenario, timeouts, exit, rung) in rows {
        let plugin = start_with(scenario, &json!({}), |launch| launch.timeouts(timeouts));
        let started = Instant::now();
        let stopped = plugin.stop();
        assert_eq!(stopped, Stopped { exit: Some(exit), rung }, "{scenario}");
        assert!(started.elapsed() < PATIENCE, "{scenario}");
        assert!(is_gone(plugin.id()), "{scenario}: reaped when stop returns");
        assert_eq!(exited(&plugin), (exit, true), "{scenario}");
        assert_eq!(plugin.stop(), stopped, "{scenario}: a second time");
        assert_eq!(kind(plugin.ping()), Kind::Closed, "{scenario}");
    }
}

#[test]
fn many_may_stop_the_same_plugin() {
    let plugin = start("plugin");
    let wanted = Stopped { exit: Some(CLEAN), rung: Rung::Asked };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(plugin.stop(), wanted));
        }
    });
}

#[test]
fn calls_in_flight_at_the_end_fail_with_closed() {
    let plugin = start("plugin");
    let held = hold(&plugin);
    plugin.stop();
    assert_eq!(kind(held.wait::<Value>()), Kind::Closed);

    let Running { plugin, processes } = start("plugin");
    let held = plugin.begin("t.hold", &json!({}), CallOptions::default()).unwrap();
    drop(plugin);
    assert_eq!(kind(held.wait::<Value>()), Kind::Closed);
    processes.assert_gone();
}

#[test]
fn dropping_the_last_handle_stops_in_the_background_and_settle_waits() {
    alone(
        "end::dropping_the_last_handle_stops_in_the_background_and_settle_waits",
        |host| host,
        || {
            let Running { plugin, processes } = start_with("ignores_everything", &json!({}), |launch| {
                launch.timeouts(Timeouts { exit: Duration::from_secs(1), ..HURRIED })
            });
            let (id, events) = (plugin.id(), plugin.events());
            let other = plugin.clone();
            drop(plugin);
            other.ping().unwrap();
            let started = Instant::now();
            drop(other);
            assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
            assert!(!settle(Duration::ZERO));
            assert!(!is_gone(id));
            assert!(settle(PATIENCE));
            assert!(is_gone(id));
            drop(processes);
            let exit = events.iter().find_map(|event| match event.kind {
                EventKind::Exited { exit, wanted, .. } => Some((exit, wanted)),
                _ => None,
            });
            assert_eq!(exit, Some((killed_by(Signal::KILL), true)));
            assert!(settle(Duration::MAX));
        },
    );
}

#[test]
fn what_is_left_of_the_group_is_killed_with_its_leader() {
    for end in ["stop", "exit", "kill"] {
        let plugin = start("plugin");
        let grandchild: u32 = plugin.call("t.grandchild", &json!({"own_session": false})).unwrap();
        plugin.event("the grandchild runs", |event| {
            matches!(event, EventKind::Stderr(line) if line == "asleep").then_some(())
        });
        assert!(!is_gone(grandchild));
        let wanted = match end {
            "stop" => {
                plugin.stop();
                CLEAN
            }
            "exit" => {
                assert_eq!(kind(plugin.call::<Value>("t.leave", &json!({}))), Kind::PluginExited);
                CLEAN
            }
            _ => {
                kill_process(pid(plugin.id()), Signal::KILL).unwrap();
                killed_by(Signal::KILL)
            }
        };
        assert_eq!(exited(&plugin).0, wanted, "{end}");
        eventually("the grandchild is killed", || is_gone(grandchild));
    }
}

#[test]
fn a_descendant_that_left_the_group_and_holds_the_pipes_delays_nothing() {
    for end in ["stop", "exit", "drop"] {
        let Running { plugin, processes } = start("plugin");
        let grandchild: u32 = plugin.call("t.grandchild", &json!({"own_session": true})).unwrap();
        crate::support::event(&plugin, "the grandchild runs", |event| {
            matches!(event, EventKind::Stderr(line) if line == "asleep").then_some(())
        });
        let (id, events) = (plugin.id(), plugin.events());
        let started = Instant::now();
        match end {
            "stop" => {
                let stopped = plugin.stop();
                assert_eq!(stopped, Stopped { exit: Some(CLEAN), rung: Rung::Asked });
                drop(plugin);
            }
            "exit" => {
                assert_eq!(kind(plugin.call::<Value>("t.leave", &json!({}))), Kind::PluginExited);
                drop(plugin);
            }
            _ => drop(plugin),
        }
        let exit = events.recv_deadline(started + PATIENCE).map(|event| event.kind);
        assert!(matches!(exit, Ok(EventKind::Exited { exit: CLEAN, .. })), "{end}: {exit:?}");
        assert!(started.elapsed() < TIMEOUTS.exit, "{end}: {:?}", started.elapsed());
        assert!(is_gone(id) && !is_gone(grandchild), "{end}");
        kill_process(pid(grandchild), Signal::KILL).unwrap();
        drop(processes);
    }
}

#[test]
fn timeouts_may_be_endless() {
    let max = Duration::MAX;
    let endless =
        Timeouts { start: Some(max), call: Some(max), grace: max, exit: max, term: max, unanswered: max };
    let (entered, enter) = std::sync::mpsc::channel();
    let plugin = start_with("plugin", &cancelling(), |launch| {
        launch.timeouts(endless).callback("host.wait", move |_: Value, call: &Call| {
            entered.send(()).unwrap();
            call.sleep(max)
        })
    });
    let callback = json!({"method": "host.wait"});
    let waiting = plugin.begin("t.call_back", &callback, CallOptions::timeout(max)).unwrap();
    enter.recv_timeout(PATIENCE).unwrap();
    waiting.canceller().cancel(None);
    assert_eq!(kind(waiting.wait::<Value>()), Kind::Cancelled);
    let late = plugin.begin("t.hold", &json!({}), CallOptions::timeout(SHORT)).unwrap();
    assert_eq!(kind(late.wait::<Value>()), Kind::Timeout);
    assert_eq!(plugin.stop(), Stopped { exit: Some(CLEAN), rung: Rung::Asked });
}
