//! What passes is checked against the manifest: the config before the plugin sees it, params before they are sent,
//! results and items before they are given on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugline_host::{CallOptions, Error, EventKind, Kind, Launch, Manifest, Plugin, Subject, Validation};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{TIMEOUTS, python};

fn manifest() -> Value {
    let number = json!({"type": "integer", "maximum": 9});
    json!({
        "openrpc": "1.3.2", "info": {"title": "told", "version": "1.0.0"},
        "methods": [
            {"name": "t.give", "paramStructure": "by-name", "params": [{"name": "give", "required": true, "schema": {}}],
             "result": {"name": "result", "schema": number}},
            {"name": "t.list", "paramStructure": "by-name", "params": [{"name": "items", "required": true, "schema": {}}],
             "result": {"name": "result", "schema": {"type": "null"}}, "x-plugline": {"output": number}},
            {"name": "t.take", "paramStructure": "by-name", "params": [],
             "result": {"name": "result", "schema": {"type": "array"}}, "x-plugline": {"input": number}},
            {"name": "t.hear", "paramStructure": "by-name",
             "params": [{"name": "deep", "required": true, "schema": {"properties": {"a": {"type": "array", "items": number}}}}]}],
        "components": {"schemas": {}},
        "x-plugline": {"protocol": [1], "provides": [{"contract": "t", "version": "1.0.0"}], "requires": [],
                       "config": {"type": "object", "required": ["file"], "properties": {"file": {"type": "string"}}},
                       "hostMethods": []}
    })
}

/// A plugin that is about to be started, and the methods that it will have been asked for.
struct Told {
    folder: TempDir,
}

impl Told {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("seen")
    }

    fn seen(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.file()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn launch(&self, manifest: &str) -> Launch {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/told.py");
        let launch = Plugin::command(python()).arg("-B").arg(script).arg(manifest).arg(self.file());
        launch.config(json!({"file": "f"})).timeouts(TIMEOUTS)
    }

    fn start(&self) -> Plugin {
        self.launch(&manifest().to_string()).validate(Validation::Required).start().unwrap()
    }
}

fn invalid<T>(outcome: Result<T, Error>) -> (Kind, Subject, Vec<String>) {
    let Err(error) = outcome else { panic!("it was let through") };
    match &error {
        Error::Invalid { subject, faults, .. } => {
            (error.kind(), *subject, faults.iter().map(|fault| fault.path.clone()).collect())
        }
        other => panic!("{other}"),
    }
}

fn paths(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

#[test]
fn a_config_that_does_not_fit_is_not_shown_to_the_plugin() {
    let told = Told::new();
    let launch =
        told.launch(&manifest().to_string()).config(json!({"file": 7})).validate(Validation::Required);
    assert_eq!(invalid(launch.start()), (Kind::InvalidConfig, Subject::Config, paths(&["/file"])));
    let seen = told.seen();
    assert!(
        seen.contains(&"rpc.discover".to_owned()) && !seen.contains(&"rpc.initialize".to_owned()),
        "{seen:?}"
    );
    // Against a manifest that is known already, it is not even started.
    let told = Told::new();
    let validators = Arc::clone(Manifest::check(manifest()).unwrap().validators());
    let launch = told.launch("-").config(json!({})).validate(Validation::By(validators));
    assert_eq!(invalid(launch.start()), (Kind::InvalidConfig, Subject::Config, paths(&["/file"])));
    assert_eq!(told.seen(), [""; 0]);
}

#[test]
fn params_that_do_not_fit_are_not_sent() {
    let told = Told::new();
    let plugin = told.start();
    let options = CallOptions::default();
    let (wrong, missing) = (json!({"give": 1, "more": 2}), json!({}));
    let expected = (Kind::InvalidRequest, Subject::Params, paths(&["/more"]));
    assert_eq!(invalid(plugin.call::<Value>("t.give", &wrong)), expected);
    assert_eq!(invalid(plugin.stream::<Value, Value>("t.list", &missing, options)).2, ["/items"]);
    assert_eq!(invalid(plugin.begin_with_input::<Value>("t.take", &wrong, options)).2, ["/give", "/more"]);
    assert_eq!(invalid(plugin.notify("t.hear", &json!({"deep": {"a": [1, 10]}}))).2, ["/deep/a/1"]);
    assert_eq!(invalid(futures(plugin.call_async::<Value>("t.give", &wrong, options))).2, ["/more"]);
    assert_eq!(invalid(plugin.call_many::<Value, _>("t.give", [missing], options).map(drop)).2, ["/give"]);
    assert_eq!(told.seen(), ["rpc.discover", "rpc.initialize"]);
    let error = plugin.call::<Value>("t.give", &wrong).unwrap_err().to_string();
    assert_eq!(
        error,
        "t.give failed: the params are not what the manifest says: /more: no such member is known here"
    );
}

fn futures<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
        std::thread::yield_now();
    }
}

#[test]
fn results_and_items_that_do_not_fit_are_not_given_on() {
    let told = Told::new();
    let plugin = told.start();
    let options = CallOptions::default();
    let give = |value: i32| json!({ "give": value });
    assert_eq!(plugin.call::<u8>("t.give", &give(9)).unwrap(), 9);
    let expected = (Kind::ProtocolViolation, Subject::Result, paths(&[""]));
    assert_eq!(invalid(plugin.call::<u8>("t.give", &give(10))), expected);
    let call = plugin.begin("t.give", &give(10), options).unwrap();
    assert_eq!(invalid(call.wait_with_progress(|_| ())), expected);
    assert_eq!(invalid(futures(plugin.call_async::<u8>("t.give", &give(10), options))), expected);
    let many: Vec<_> = plugin.call_many::<u8, _>("t.give", [give(1), give(10)], options).unwrap().collect();
    let mut many = many.into_iter();
    assert_eq!(many.next().unwrap().unwrap(), 1);
    assert_eq!(invalid(many.next().unwrap()), expected);
    let mut items = plugin.stream::<u8, ()>("t.list", &json!({"items": [1, 10, 2]}), options).unwrap();
    assert_eq!(items.next().unwrap().unwrap(), 1);
    assert_eq!(invalid(items.next().unwrap()), (Kind::ProtocolViolation, Subject::Output, paths(&[""])));
    assert_eq!(items.next().unwrap().unwrap(), 2);
    items.finish().unwrap();
    let (input, call) = plugin.begin_with_input::<u8>("t.take", &json!({}), options).unwrap();
    input.send(&1).unwrap();
    assert_eq!(invalid(input.send(&10)), (Kind::InvalidRequest, Subject::Input, paths(&[""])));
    assert_eq!(invalid(input.send_all(&[2, 11])).2, [""]);
    input.finish().unwrap();
    assert_eq!(call.wait::<Vec<u8>>().unwrap(), [1]);
    assert_eq!(plugin.stop().exit.unwrap().code, Some(0));
}

#[test]
fn where_there_is_no_manifest_the_host_is_told_or_does_not_start() {
    let mut broken = manifest();
    broken["openrpc"] = json!("1.0.0");
    for text in ["-".to_owned(), broken.to_string()] {
        let told = Told::new();
        let plugin = told.launch(&text).validate(Validation::Offered).start().unwrap();
        assert_eq!(plugin.call::<u8>("t.give", &json!({"give": 10})).unwrap(), 10);
        let why = plugin.events().try_iter().find_map(|event| match event.kind {
            EventKind::Unchecked(why) => Some(why),
            _ => None,
        });
        let why = why.expect("it is said that nothing is checked");
        assert!(why.contains("-32601") || why.contains("/openrpc"), "{why}");
    }
    let fault = Told::new().launch(&broken.to_string()).validate(Validation::Required).start().unwrap_err();
    assert!(matches!(fault, Error::Manifest { .. }), "{fault}");
    assert_eq!(fault.kind(), Kind::HandshakeInvalid);
}
