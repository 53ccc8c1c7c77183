//! All of them stop, by a deadline.

use std::time::{Duration, Instant};

use plugline_host::{Kind, Rung, Supervised, Supervision, settle, stop_all};
use rustix::process::Signal;
use serde_json::json;

use super::{Traces, eager, hurried, pool, running, signal};
use crate::support::{PATIENCE, eventually, is_gone, kind};

#[test]
fn what_is_stopped_stays_so() {
    let traces = Traces::new();
    let plugin = traces.supervise(eager());
    plugin.start().unwrap();
    let stopped = plugin.stop();
    assert_eq!(stopped.len(), 1);
    assert_eq!((stopped[0].rung, stopped[0].exit.unwrap().code), (Rung::Asked, Some(0)));
    assert_eq!(plugin.stop(), stopped);
    assert_eq!(kind(plugin.call::<u64>("mortal.look", &json!({"n": 1}))), Kind::Closed);
    assert_eq!(kind(plugin.start()), Kind::Closed);
    plugin.reset();
    assert_eq!(traces.pids().len(), 1);
    // One that never ran.
    let other = traces.supervise(eager());
    assert_eq!(other.stop(), []);
    assert_eq!(kind(other.start()), Kind::Closed);
}

#[test]
fn what_starts_is_stopped_too() {
    let traces = Traces::new();
    let launch = traces.launch().env("MORTAL_WAIT", traces.file("never")).timeouts(hurried());
    let plugin = launch.supervise(eager());
    std::thread::scope(|scope| {
        let start = scope.spawn(|| plugin.start());
        eventually("it is started", || traces.pids().len() == 1);
        plugin.stop();
        assert_eq!(kind(start.join().unwrap()), Kind::Closed);
    });
    eventually("it is gone", || is_gone(traces.pids()[0]));
}

#[test]
fn many_stop_at_once_and_what_does_not_is_killed_at_the_deadline() {
    let traces = Traces::new();
    let plugins: Vec<Supervised> = (0..24).map(|_| traces.supervise(Supervision::default())).collect();
    std::thread::scope(|scope| {
        let starts: Vec<_> = plugins.iter().map(|plugin| scope.spawn(|| plugin.start())).collect();
        starts.into_iter().for_each(|start| start.join().unwrap().unwrap());
    });
    let deaf: Vec<u32> = [3, 17].iter().map(|plugin| running(&plugins[*plugin])[0]).collect();
    for pid in &deaf {
        signal(*pid, Signal::STOP);
    }
    let began = Instant::now();
    // The ladder alone would take half a minute for those that heed nothing.
    let stopped = stop_all(&plugins, Duration::from_secs(2));
    let took = began.elapsed();
    assert!(took < PATIENCE, "{took:?}");
    eprintln!("24 plugins stopped in {took:?}");
    assert_eq!(stopped.len(), plugins.len());
    let killed = |number: usize| stopped[number][0].exit.unwrap().signal == Some(9);
    assert!((0..stopped.len()).all(|number| killed(number) == [3, 17].contains(&number)), "{stopped:?}");
    for pid in traces.pids() {
        assert!(is_gone(pid));
    }
}

#[test]
fn when_the_last_handle_is_dropped_all_go() {
    let traces = Traces::new();
    let plugin = traces.launch().env("MORTAL_INSTANCES", "many").supervise(pool(3));
    plugin.start().unwrap();
    eventually("all are there", || running(&plugin).len() == 3);
    let call = plugin.begin("mortal.hold", &json!({"file": "/never"}), Default::default()).unwrap();
    drop(plugin.clone());
    assert_eq!(running(&plugin).len(), 3);
    drop(plugin);
    assert_eq!(kind(call.wait::<u32>()), Kind::Closed);
    assert!(settle(PATIENCE));
    for pid in traces.pids() {
        eventually("it is gone", || is_gone(pid));
    }
}
