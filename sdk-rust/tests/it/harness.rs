//! A plugin within this process.

use std::sync::Mutex;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use plugline_protocol::peer::HandshakeError;
use plugline_sdk::testing::{Harness, StartError};
use plugline_sdk::{Call, CallError, Error, Level, Method, Notification, Plugin};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::process::PATIENCE;

#[derive(Deserialize, JsonSchema)]
struct Settings {
    /// Where it begins to count.
    start: i64,
}

struct Counter {
    count: Mutex<i64>,
    /// Closed with the last thread that can still reach the plugin.
    _alive: Sender<()>,
}

#[derive(Deserialize, JsonSchema)]
struct Add {
    amount: i64,
}

fn counter(alive: Sender<()>) -> Plugin<Counter> {
    Plugin::configured("counter", "0.1.0", move |settings: Settings| {
        if settings.start < 0 {
            return Err("starts below zero");
        }
        Ok(Counter { count: Mutex::new(settings.start), _alive: alive.clone() })
    })
    .provides("counter", "1.0.0")
    .notification(Notification::new("counter.add", |counter: &Counter, add: Add| {
        *counter.count.lock().unwrap() += add.amount;
    }))
    .method(Method::new("counter.get", |counter: &Counter, (): (), call: &Call| {
        call.log(Level::Info, "counted");
        Ok::<_, Error>(*counter.count.lock().unwrap())
    }))
    .method(Method::new("counter.ask", |_: &Counter, (): (), call: &Call| {
        call.call::<String>("asker.ask", &json!({"question": "how many"}))
    }))
    .method(Method::new("counter.wait", |_: &Counter, (): (), call: &Call| call.sleep(PATIENCE)))
}

#[test]
fn a_plugin_is_called_and_calls() {
    let (alive, gone) = bounded(0);
    let running = Harness::new()
        .config(json!({"start": 40}))
        .callback("asker.ask", |params: Value, _: &Call| {
            Ok::<_, Error>(format!("{}?", params["question"].as_str().unwrap()))
        })
        .start(counter(alive))
        .unwrap();
    assert_eq!(running.hello().plugin.name, "counter");
    running.notify("counter.add", &json!({"amount": 2})).unwrap();
    assert_eq!(running.call::<i64>("counter.get", &()).unwrap(), 42);
    assert_eq!(running.call::<String>("counter.ask", &()).unwrap(), "how many?");
    let log = running.logs().recv_timeout(PATIENCE).unwrap();
    assert_eq!((log.level, log.message.as_str()), (Level::Info, "counted"));
    let code = |failed: CallError| match failed {
        CallError::Remote(error) => error.code.code(),
        other => panic!("{other}"),
    };
    assert_eq!(code(running.call::<Value>("counter.reset", &()).unwrap_err()), -32601);
    assert!(matches!(running.call::<String>("counter.get", &()), Err(CallError::Undecodable(_))));
    running.shut_down(Duration::ZERO).unwrap();
    assert_eq!(code(running.call::<i64>("counter.get", &()).unwrap_err()), -32003);
    drop(running);
    assert!(gone.recv_timeout(PATIENCE).unwrap_err().is_disconnected(), "nothing holds the plugin any more");
}

#[test]
fn a_shutdown_cancels_what_is_left() {
    let (alive, _) = bounded(0);
    let running = Harness::new().config(json!({"start": 0})).start(counter(alive)).unwrap();
    let waiting = running.connection().request("counter.wait", &(), Default::default()).unwrap();
    running.shut_down(Duration::ZERO).unwrap();
    let CallError::Remote(error) = waiting.wait().unwrap_err() else { panic!("it was answered") };
    assert_eq!(error.code.code(), -32004);
}

#[test]
fn dropping_it_leaves_nothing_behind() {
    let (alive, gone) = bounded(0);
    let running = Harness::new().config(json!({"start": 0})).start(counter(alive)).unwrap();
    let waiting = running.connection().request("counter.wait", &(), Default::default()).unwrap();
    drop(running);
    assert!(matches!(waiting.wait(), Err(CallError::Closed(_))));
    assert!(gone.recv_timeout(PATIENCE).unwrap_err().is_disconnected());
}

#[test]
fn a_refused_handshake_is_told() {
    for (config, path) in [(json!({"start": -1}), ""), (json!({"start": "x"}), "/start"), (json!({}), "")] {
        let (alive, gone) = bounded(0);
        let refused = Harness::new().config(config).start(counter(alive)).err().expect("it is refused");
        let StartError::Handshake(HandshakeError::Call(CallError::Remote(error))) = refused else {
            panic!("{refused}")
        };
        assert_eq!(error.code.code(), -32002);
        assert_eq!(error.data.unwrap()["errors"][0]["path"], path);
        assert!(gone.recv_timeout(PATIENCE).unwrap_err().is_disconnected());
    }
}
