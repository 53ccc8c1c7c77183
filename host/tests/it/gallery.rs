//! One contract, which uses all that contracts may have: the same questions to an implementation in this process, to a
//! client of it, and to a plugin in a process of its own.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use plugline_host::{CallOptions, Error, EventKind, Kind, Launch, Mismatch, Phase, Plugin};
use plugline_sdk::{Big, CallFailed, Client as _, Context, Items, contract};
use serde_json::{Map, Value, json};

use crate::support::{PATIENCE, SHORT, TIMEOUTS, event, kind, start};
use contract::{
    Curator, CuratorContract, CuratorError, Failing, Frame, Gallery, GalleryClient, GalleryContract,
    GalleryError, Medium, Paint, Picture, Point, Shape, Weave,
};
use memory::Memory;

#[path = "../../examples/gallery/contract.rs"]
mod contract;
#[path = "../../examples/gallery/memory.rs"]
mod memory;

fn program() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let program = this.ancestors().nth(2).unwrap().join("examples/gallery");
    assert!(program.exists(), "{} is not there: cargo build --examples makes it", program.display());
    program
}

fn launch() -> Launch {
    Plugin::command(program()).timeouts(TIMEOUTS)
}

/// Asks the same of an implementation here, of a client of it, and of a plugin.
fn each(ask: impl Fn(&dyn Gallery)) {
    ask(&Memory::default());
    ask(&GalleryClient::of(Arc::new(Memory::default())));
    let plugin = launch().start().unwrap();
    ask(&plugin.client::<GalleryClient>().unwrap());
    plugin.stop();
}

fn numbers<const N: usize>(numbers: [i64; N]) -> Items<i64, CallFailed> {
    Items::all(numbers)
}

fn point(x: f64, y: f64) -> Point {
    Point { x, y }
}

fn picture() -> Picture {
    let circle = Shape::Circle { centre: point(0.5, -0.0), radius: f64::MIN_POSITIVE };
    let polygon = Shape::Polygon { points: vec![point(1e300, 0.1), point(-1.0, 2.0)] };
    let group = Shape::Group { shapes: vec![circle.clone(), Shape::Nothing], name: Some("inner".into()) };
    Picture {
        title: "Entwurf \u{2028} \"🦀\"".into(),
        shape: Shape::Group { shapes: vec![circle, polygon, group], name: None },
        paint: Paint::Layers(vec![
            Paint::None,
            Paint::Solid(u32::MAX),
            Paint::Layers(vec![Paint::Gradient { from: 0, to: 7 }]),
        ]),
        medium: Medium::Mixed(
            Box::new(Medium::Paper),
            Box::new(Medium::Mixed(Box::new(Medium::Canvas(Weave::Linen)), Box::new(Medium::Paper))),
        ),
        pixels: (0..=255).collect::<Vec<u8>>().into(),
        number: Big(u128::MAX),
        balance: Big(i64::MIN),
        painted: SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789),
        took: Duration::from_nanos(1_500_000_001),
        prices: BTreeMap::from([("EUR".to_owned(), 12.5), (String::new(), -0.25)]),
        rooms: BTreeMap::from([(7, vec![point(1.0, 1.0)]), (65_535, Vec::new())]),
        sketch: None,
        tags: vec!["a".into(), "b/~".into()],
        corners: (point(0.0, 0.0), point(1.0, 1.0)),
        signature: Some('ß'),
        checksum: [0, 1, 254, 255],
        frame: Frame { width: 0.1, gilded: true },
    }
}

#[test]
fn structures_of_every_kind_pass_as_they_are() {
    let inner = picture();
    let outer = Picture { sketch: Some(Box::new(inner)), signature: None, paint: Paint::None, ..picture() };
    each(|gallery| assert_eq!(gallery.echo(&outer).unwrap(), outer));
}

#[test]
fn params_pass_in_every_way() {
    each(|gallery| {
        let shapes = [Shape::Nothing];
        let tags = ["one".to_owned()];
        let centre = point(3.0, 4.0);
        let passed = gallery
            .pass(&shapes, 7, "t", "oil".into(), &centre, Some(1), Some("n"), Some(&centre), Some(&tags))
            .unwrap();
        assert_eq!(
            (passed.shapes, passed.kind, passed.tags),
            (shapes.to_vec(), "oil".into(), Some(tags.to_vec()))
        );
        assert_eq!((passed.frame, passed.note, passed.centre), (Some(1), Some("n".into()), Some(centre)));
        let passed = gallery.pass(&[], 0, "", String::new(), &centre, None, None, None, None).unwrap();
        assert_eq!((passed.frame, passed.note, passed.centre, passed.tags), (None, None, None, None));
        gallery.nothing().unwrap();
    });
}

#[test]
fn params_are_closed_but_for_meta() {
    let (seen, sees) = channel();
    let see = move |_, line: &[u8]| seen.send(String::from_utf8_lossy(line).into_owned()).unwrap();
    let plugin = launch().transcript(see).start().unwrap();
    plugin.client::<GalleryClient>().unwrap().nothing().unwrap();
    let line = sees.iter().find(|line| line.contains(r#""method":"gallery.nothing""#)).unwrap();
    assert!(line.contains("_meta"), "{line}");
    for (method, params, path) in [
        ("gallery.nothing", json!({"more": 1}), "/more"),
        ("gallery.count", json!({"end": 1, "fail_at": null, "more": 1}), "/more"),
        ("gallery.count", json!({}), "/end"),
        ("gallery.fail", json!({"how": {"Full": "seven"}}), "/how/Full"),
    ] {
        let error = plugin.call::<Value>(method, &params).unwrap_err();
        let remote = error.remote().unwrap();
        assert_eq!(remote.code.code(), -32602, "{error}");
        assert_eq!(remote.data.as_ref().unwrap()["errors"][0]["path"], path, "{error}");
    }
}

#[test]
fn errors_come_with_their_data() {
    each(|gallery| {
        assert!(matches!(gallery.fail(&Failing::Missing), Err(GalleryError::Missing)));
        assert!(matches!(gallery.fail(&Failing::Full(7)), Err(GalleryError::Full(7))));
        let taken = gallery.fail(&Failing::Taken { by: "ada".into() });
        assert!(matches!(taken, Err(GalleryError::Taken { ref by, paid: None }) if by == "ada"), "{taken:?}");
        let Err(GalleryError::Call(failed)) = gallery.fail(&Failing::Other) else { panic!() };
        assert!(failed.to_string().contains("another plugin ended"), "{failed}");
    });
    let plugin = launch().start().unwrap();
    let gallery: GalleryClient = plugin.client().unwrap();
    let Err(GalleryError::Call(failed)) = gallery.fail(&Failing::Panic) else { panic!() };
    assert_eq!((failed.kind(), failed.code()), (Kind::RemoteError, Some(-32603)), "{failed}");
    let source = failed.source().and_then(|source| source.downcast_ref::<Error>()).unwrap();
    assert_eq!(source.remote().unwrap().code.code(), -32603);
    let remote = plugin.call::<Value>("gallery.fail", &json!({"how": {"Full": 7}})).unwrap_err();
    let remote = remote.remote().unwrap();
    assert_eq!((remote.code.code(), remote.data.as_ref()), (-7, Some(&json!(7))));
    assert_eq!(remote.message, "there is no room for more than 7");
}

#[test]
fn notifications_are_heard_in_order() {
    each(|gallery| {
        gallery.note("one");
        gallery.note_surely("two".into()).unwrap();
        gallery.note("three");
        assert_eq!(gallery.notes().unwrap(), ["one", "two", "three"]);
    });
    let plugin = launch().start().unwrap();
    let gallery: GalleryClient = plugin.client().unwrap();
    plugin.stop();
    assert_eq!(gallery.note_surely("late".into()).unwrap_err().kind(), Kind::Closed);
    gallery.note("lost");
    event(&plugin, "the loss", |kind| match kind {
        EventKind::Ignored(what) => what.contains("gallery.note was not sent").then_some(()),
        _ => None,
    });
}

#[test]
fn progress_reaches_the_caller() {
    each(|gallery| {
        let told = Arc::new(Mutex::new(Vec::new()));
        let hear = Arc::clone(&told);
        let context = Context::new().on_progress(move |report| hear.lock().unwrap().push(report));
        assert_eq!(gallery.work(&context, 3).unwrap(), 3);
        let told = told.lock().unwrap();
        let steps: Vec<(f64, Option<f64>)> =
            told.iter().map(|report| (report.progress, report.total)).collect();
        assert_eq!(steps, [(1.0, Some(3.0)), (2.0, Some(3.0)), (3.0, Some(3.0))]);
    });
}

#[test]
fn a_call_is_cancelled_from_another_thread() {
    each(|gallery| {
        let (began, begins) = channel();
        let context = Context::new().on_progress(move |report| began.send(report.message).unwrap());
        std::thread::scope(|scope| {
            let cancelling = scope.spawn({
                let context = context.clone();
                move || {
                    let message = begins.recv_timeout(PATIENCE).unwrap();
                    assert_eq!(message.as_deref(), Some("it waits"));
                    context.cancel(Some("enough"));
                }
            });
            let Err(GalleryError::Call(failed)) = gallery.wait(&context) else { panic!() };
            assert_eq!(failed.kind(), Kind::Cancelled, "{failed}");
            cancelling.join().unwrap();
        });
        // It is cancelled for good.
        let Err(GalleryError::Call(failed)) = gallery.work(&context, 1) else { panic!() };
        assert_eq!(failed.kind(), Kind::Cancelled, "{failed}");
    });
}

#[test]
fn a_call_ends_by_its_deadline() {
    each(|gallery| {
        let Err(GalleryError::Call(failed)) = gallery.wait(&Context::new().timeout(SHORT)) else { panic!() };
        assert_eq!(failed.kind(), Kind::Timeout, "{failed}");
        let Err(GalleryError::Call(failed)) = gallery.work(&Context::new().timeout(Duration::ZERO), 1) else {
            panic!()
        };
        assert_eq!(failed.kind(), Kind::Timeout, "{failed}");
        assert_eq!(gallery.work(&Context::new().no_timeout(), 1).unwrap(), 1);
    });
}

#[test]
fn output_comes_item_by_item_and_then_its_summary() {
    each(|gallery| {
        let mut items = gallery.count(1000, None).unwrap();
        let all: Vec<u64> = items.by_ref().map(Result::unwrap).collect();
        assert_eq!(all, (0..1000).collect::<Vec<u64>>());
        assert_eq!(items.finish().unwrap(), "1000 numbers");
        assert_eq!(gallery.count(3, None).unwrap().finish().unwrap(), "3 numbers");

        let mut items = gallery.count(5, Some(2)).unwrap();
        assert_eq!(items.by_ref().take(2).map(Result::unwrap).collect::<Vec<_>>(), [0, 1]);
        assert!(matches!(items.next(), Some(Err(GalleryError::Full(2)))));
        assert!(items.next().is_none());

        // Whether at once or as its first item, it says that there is nothing.
        let nothing = gallery.count(0, None).and_then(|mut items| items.next().unwrap());
        assert!(matches!(nothing, Err(GalleryError::Missing)), "{nothing:?}");
    });
}

#[test]
fn output_that_is_not_wanted_any_more_is_stopped() {
    each(|gallery| {
        let items = gallery.forever(&Context::new()).unwrap();
        assert_eq!(items.take(3).map(Result::unwrap).collect::<Vec<_>>(), [0, 1, 2]);

        let context = Context::new();
        let mut items = gallery.forever(&context).unwrap();
        assert_eq!(items.next().unwrap().unwrap(), 0);
        context.cancel(None);
        let failed = items.find_map(Result::err).unwrap();
        assert!(
            matches!(failed, GalleryError::Call(ref failed) if failed.kind() == Kind::Cancelled),
            "{failed}"
        );
    });
    // Also the plugin has stopped, or it would not end in peace.
    let plugin = launch().start().unwrap();
    drop(plugin.client::<GalleryClient>().unwrap().forever(&Context::new()).unwrap());
    assert_eq!(plugin.stop().rung, plugline_host::Rung::Asked);
}

#[test]
fn input_is_sent_item_by_item() {
    each(|gallery| {
        assert_eq!(gallery.sum(numbers([40, 2])).unwrap(), 42);
        assert_eq!(gallery.sum(vec![1; 10_000].into()).unwrap(), 10_000);
        // The method has enough: what makes the input is asked no further than it was sent.
        let asked = Arc::new(AtomicUsize::new(0));
        let ask = Arc::clone(&asked);
        let endless = Items::all((0..).inspect(move |_| {
            ask.fetch_add(1, Ordering::Relaxed);
        }));
        assert_eq!(gallery.first(10, endless).unwrap(), Some(10));
        assert!(asked.load(Ordering::Relaxed) >= 10);

        let broken = Items::new([Ok(1), Err(CallFailed::new(Kind::NotFound, "the source ran dry"))]);
        let Err(GalleryError::Call(failed)) = gallery.sum(broken) else { panic!() };
        assert_eq!((failed.kind(), failed.to_string().as_str()), (Kind::NotFound, "the source ran dry"));
    });
    let plugin = launch().start().unwrap();
    let gallery: GalleryClient = plugin.client().unwrap();
    let panicking = Items::all((0..).inspect(|number| assert!(*number < 3, "on purpose")));
    let Err(GalleryError::Call(failed)) = gallery.sum(panicking) else { panic!() };
    assert!(failed.to_string().contains("panicked"), "{failed}");
}

#[test]
fn the_answer_does_not_wait_for_input_that_does_not_come() {
    let plugin = launch().start().unwrap();
    let gallery: GalleryClient = plugin.client().unwrap();
    let (sender, receiver) = channel();
    sender.send(10).unwrap();
    // The sender lives: the channel says nothing more, and does not end.
    assert_eq!(gallery.first(10, Items::all(receiver)).unwrap(), Some(10));
    drop(sender);
}

#[test]
fn both_streams_at_once() {
    each(|gallery| {
        let (sender, receiver) = channel();
        let mut doubled = gallery.double(Items::all(receiver)).unwrap();
        // One after the other: each item is there before the next is sent.
        for number in 0..100 {
            sender.send(number).unwrap();
            assert_eq!(doubled.next().unwrap().unwrap(), 2 * number);
        }
        drop(sender);
        assert!(doubled.next().is_none());
        doubled.finish().unwrap();

        let broken = Items::new([Ok(1), Err(CallFailed::new(Kind::NotFound, "the source ran dry"))]);
        let fault = gallery.double(broken).unwrap().find_map(Result::err).unwrap();
        assert!(fault.to_string().contains("the source ran dry"), "{fault}");
    });
}

/// Answers by what it was asked; to "more", by what the gallery answers to "less".
#[derive(Default)]
struct Questioned {
    heard: Arc<Mutex<Vec<String>>>,
    /// The gallery, where it is in this process; otherwise it is the one that asks.
    here: Option<Arc<dyn Gallery>>,
}

impl Curator for Questioned {
    fn answer(&self, context: &Context, question: &str) -> Result<String, CuratorError> {
        match question {
            "why" => Err(CuratorError::Rude { question: question.into() }),
            "more" => {
                let gallery = match &self.here {
                    Some(gallery) => GalleryClient::of(Arc::clone(gallery)),
                    None => context.client::<GalleryClient>()?,
                };
                let less = gallery.ask(context, "less").map_err(|fault| match fault {
                    GalleryError::Call(failed) => failed,
                    other => CallFailed::new(Kind::RemoteError, other.to_string()),
                })?;
                Ok(format!("more than {less}"))
            }
            "wait" => {
                context.progress(0.0, None, Some("it waits"));
                context.sleep(Duration::from_secs(3600))?;
                Ok("nobody waits so long".into())
            }
            question => Ok(format!("{question}?")),
        }
    }

    fn asked(&self, question: &str) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(question.into());
    }
}

fn question(gallery: &dyn Gallery, context: &Context, heard: &Arc<Mutex<Vec<String>>>) {
    assert_eq!(gallery.ask(context, "who").unwrap(), "who?");
    assert_eq!(gallery.ask(context, "more").unwrap(), "more than less?");
    assert!(matches!(gallery.ask(context, "why"), Err(GalleryError::Taken { ref by, .. }) if by == "why"));
    assert_eq!(*heard.lock().unwrap(), ["who", "more", "less", "why"]);
}

#[test]
fn the_caller_is_called_back() {
    let curator = Questioned::default();
    let heard = Arc::clone(&curator.heard);
    let plugin = launch().serve_callbacks(CuratorContract, curator).start().unwrap();
    let gallery: GalleryClient = plugin.client().unwrap();
    question(&gallery, &Context::new(), &heard);

    // And is cancelled with its call.
    let (answered, answers) = channel();
    let context = Context::new();
    let asking = std::thread::spawn({
        let (context, gallery) = (context.clone(), gallery.clone());
        move || answered.send(gallery.ask(&context, "wait")).unwrap()
    });
    crate::support::eventually("it is asked to wait", || heard.lock().unwrap().last().unwrap() == "wait");
    context.cancel(None);
    let outcome = answers.recv_timeout(PATIENCE).unwrap();
    assert!(
        matches!(outcome, Err(GalleryError::Call(ref failed)) if failed.kind() == Kind::Cancelled),
        "{outcome:?}"
    );
    asking.join().unwrap();
    plugin.stop();
}

#[test]
fn so_is_the_caller_within_one_process() {
    let gallery: Arc<dyn Gallery> = Arc::new(Memory::default());
    let curator = Questioned { here: Some(Arc::clone(&gallery)), ..Questioned::default() };
    let heard = Arc::clone(&curator.heard);
    question(&*gallery, &Context::new().serve(CuratorContract, Arc::new(curator)), &heard);
    let Err(GalleryError::Call(failed)) = gallery.ask(&Context::new(), "who") else { panic!() };
    assert_eq!(failed.kind(), Kind::Unsupported);
    assert!(failed.to_string().contains("nobody serves curator"), "{failed}");
}

#[test]
fn a_caller_that_does_not_serve_what_is_required_is_named() {
    let plugin = launch().start().unwrap();
    let gallery: GalleryClient = plugin.client().unwrap();
    let Err(GalleryError::Call(failed)) = gallery.ask(&Context::new(), "who") else { panic!() };
    assert!(failed.to_string().contains("the host does not serve curator.answer"), "{failed}");
}

#[test]
fn logs_reach_the_caller() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&told);
    let context = Context::new().on_log(move |log| hear.lock().unwrap().push(log.message.clone()));
    Memory::default().log(&context, "here").unwrap();
    assert_eq!(*told.lock().unwrap(), ["here"]);

    let plugin = launch().start().unwrap();
    plugin.client::<GalleryClient>().unwrap().log(&Context::new(), "there").unwrap();
    event(&plugin, "the log", |kind| match kind {
        EventKind::Log(log) => (log.message == "there").then_some(()),
        _ => None,
    });
}

#[test]
fn the_end_of_a_plugin_is_told_with_all_that_is_known() {
    let plugin = launch().start().unwrap();
    let gallery: GalleryClient = plugin.client().unwrap();
    let id = rustix::process::Pid::from_raw(i32::try_from(plugin.id()).unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
    let failed = loop {
        match gallery.nothing() {
            Ok(()) => {}
            Err(GalleryError::Call(failed)) => break failed,
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(failed.kind(), Kind::PluginExited, "{failed}");
    let error = failed.downcast::<Error>().unwrap();
    assert!(error.evidence().unwrap().exit.is_some(), "{error:?}");
}

/// The same contract, as somebody else has it: newer, with a method more, and params and results that differ.
mod other {
    use super::{CallFailed, contract};

    #[contract(name = "gallery", version = "1.1.0")]
    pub(super) trait Older: Send + Sync {
        fn nothing(&self) -> Result<(), CallFailed>;
    }

    #[contract(name = "gallery", version = "1.3.0")]
    pub(super) trait Newer: Send + Sync {
        fn nothing(&self) -> Result<(), CallFailed>;
    }

    #[contract(name = "gallery", version = "1.2.0")]
    pub(super) trait Differing: Send + Sync {
        fn nothing(&self, at_all: bool) -> Result<(), CallFailed>;
        fn fail(&self) -> Result<(), CallFailed>;
        fn notes(&self) -> Result<Vec<u8>, CallFailed>;
        fn sum(&self, numbers: Vec<i64>) -> Result<i64, CallFailed>;
        fn paint(&self) -> Result<(), CallFailed>;
    }

    #[contract(name = "museum", version = "1.0.0")]
    pub(super) trait Museum: Send + Sync {
        fn nothing(&self) -> Result<(), CallFailed>;
    }
}

#[test]
fn a_plugin_that_does_not_fit_is_found_at_connect() {
    use other::{DifferingClient, MuseumClient, NewerClient, Older as _, OlderClient};

    let plugin = launch().start().unwrap();
    plugin.client::<OlderClient>().unwrap().nothing().unwrap();

    let error = plugin.client::<NewerClient>().unwrap_err();
    assert_eq!((error.kind(), error.phase()), (Kind::VersionMismatch, Phase::Contract));
    assert!(error.to_string().contains("it provides gallery 1.2.0, and ^1.3.0 is wanted"), "{error}");

    let error = plugin.client::<MuseumClient>().unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(error.to_string().contains("it does not provide museum; it provides gallery 1.2.0"), "{error}");

    let Err(Error::Contract { mismatches, .. }) = plugin.client::<DifferingClient>() else { panic!() };
    let mismatches: Vec<String> = mismatches.iter().map(Mismatch::to_string).collect();
    assert_eq!(
        mismatches,
        [
            "gallery.nothing: the param \"at_all\": the plugin does not take it",
            "gallery.fail: the param \"how\": the plugin requires it, and the caller does not know it",
            "gallery.notes: the result: at /*: string is sent where integer is taken",
            "gallery.sum: the param \"numbers\": the plugin does not take it",
            "gallery.sum: the input: the plugin waits for one, and the caller sends none",
            "it does not declare gallery.paint",
        ]
    );

    // One that has no manifest at all.
    let faulty = start("plugin");
    assert_eq!(kind(faulty.client::<GalleryClient>().map(drop)), Kind::RemoteError);
}

fn document() -> Value {
    serde_json::to_value(GalleryContract::document()).unwrap()
}

/// Every example of the document: method, name, params, and the whole.
fn examples(document: &Value) -> Vec<(Value, String, Map<String, Value>, Value)> {
    let mut found = Vec::new();
    for method in document["methods"].as_array().unwrap() {
        for example in method["examples"].as_array().into_iter().flatten() {
            let named = |value: &Value| (value["name"].as_str().unwrap().to_owned(), value["value"].clone());
            let params = example["params"].as_array().unwrap().iter().map(named).collect();
            let whole = json!({"result": example["result"]["value"]});
            found.push((method.clone(), example["name"].to_string(), params, whole));
        }
        for example in method["x-plugline"]["examples"].as_array().into_iter().flatten() {
            let params = example["params"].as_object().unwrap().clone();
            found.push((method.clone(), example["name"].to_string(), params, example.clone()));
        }
    }
    assert!(found.len() >= 6, "{}", found.len());
    found
}

#[test]
fn examples_fit_the_schemas_of_their_document() {
    let document = document();
    let check = |schema: &Value, value: &Value| {
        let mut schema = match schema {
            Value::Object(members) => members.clone(),
            other => Map::from_iter([("allOf".to_owned(), json!([other]))]),
        };
        if let Some(target) = schema.remove("$ref") {
            schema.insert("allOf".into(), json!([{ "$ref": target }]));
        }
        schema.insert("components".into(), document["components"].clone());
        let validator = jsonschema::draft7::new(&Value::Object(schema)).unwrap();
        let faults: Vec<String> = validator.iter_errors(value).map(|fault| fault.to_string()).collect();
        assert_eq!(faults, Vec::<String>::new(), "{value}");
    };
    for (method, name, params, whole) in examples(&document) {
        let declared = method["params"].as_array().unwrap();
        for (param, value) in &params {
            let declared = declared.iter().find(|declared| declared["name"] == *param);
            check(&declared.unwrap_or_else(|| panic!("{name}: {param}"))["schema"], value);
        }
        if let Some(result) = whole.get("result") {
            check(&method["result"]["schema"], result);
        }
        for stream in ["input", "output"] {
            for item in whole.get(stream).and_then(Value::as_array).into_iter().flatten() {
                check(&method["x-plugline"][stream], item);
            }
        }
        if let Some(error) = whole.get("error") {
            let declared = method["x-plugline"]["errors"].as_array().unwrap();
            assert!(declared.iter().any(|declared| declared["code"] == error["code"]), "{name}: {error}");
        }
    }
    // And a picture, with all that it holds.
    let echo = document["methods"].as_array().unwrap().iter().find(|m| m["name"] == "gallery.echo").unwrap();
    let value = serde_json::to_value(picture()).unwrap();
    check(&echo["params"][0]["schema"], &value);
    check(&echo["result"]["schema"], &value);
}

#[test]
fn examples_are_true() {
    for (method, name, params, whole) in examples(&document()) {
        // Each holds in a fresh process.
        let plugin = launch().start().unwrap();
        let method = method["name"].as_str().unwrap();
        let (input, stream) = plugin
            .stream_with_input::<Value, Value, Value>(method, &params, CallOptions::timeout(PATIENCE))
            .unwrap();
        let mut stream = stream;
        let has_input = whole.get("input").is_some();
        if has_input {
            input.send_all(whole["input"].as_array().unwrap()).unwrap();
            input.finish().unwrap();
        } else {
            input.finish().unwrap();
        }
        let items: Result<Vec<Value>, Error> = stream.by_ref().collect();
        let outcome = items.and_then(|items| Ok((items, stream.finish()?)));
        match (outcome, whole.get("error")) {
            (Ok((items, result)), None) => {
                assert_eq!(Some(&result), whole.get("result"), "{name}");
                assert_eq!(json!(items), whole.get("output").cloned().unwrap_or(json!([])), "{name}");
            }
            (Err(error), Some(wanted)) => {
                assert_eq!(error.remote().unwrap().code.code(), wanted["code"], "{name}");
            }
            (outcome, wanted) => panic!("{name}: {outcome:?} {wanted:?}"),
        }
    }
}

#[test]
fn the_document_says_what_the_trait_says() {
    let document = document();
    assert_eq!(
        document["info"],
        json!({"title": "gallery", "version": "1.2.0", "description": "Keeps pictures."})
    );
    assert_eq!(document["x-plugline"]["provides"], json!([{"contract": "gallery", "version": "1.2.0"}]));
    let method = |name: &str| {
        document["methods"].as_array().unwrap().iter().find(|m| m["name"] == name).unwrap().clone()
    };
    let pass = method("gallery.pass");
    let names: Vec<&str> =
        pass["params"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["shapes", "size", "title", "type", "point", "frame", "note", "centre", "tags"]);
    assert_eq!(pass["params"][3]["description"], "What it is painted with.");
    assert_eq!(pass["x-plugline"]["idempotent"], true);
    assert!(pass["description"].as_str().unwrap().contains("\n- required and optional."));
    let wait = method("gallery.wait");
    assert_eq!(wait["params"], json!([]), "a context is no param");
    assert_eq!(wait["result"]["schema"], json!({"type": "null"}));
    assert!(method("gallery.note").get("result").is_none());
    let count = method("gallery.count");
    assert_eq!(count["x-plugline"]["output"]["type"], "integer");
    assert_eq!(count["result"]["schema"]["type"], "string");
    assert_eq!(method("gallery.sum")["x-plugline"]["input"]["type"], "integer");
    let errors = json!([
        {"code": 1, "name": "Missing", "message": "there is nothing of that"},
        {"code": -7, "name": "Full", "message": "there is no room for more than",
         "data": {"type": "integer", "format": "uint32", "minimum": 0}},
        {"code": 3, "name": "Taken", "message": "it was taken by", "data": {
            "type": "object", "required": ["by", "paid"],
            "properties": {"by": {"type": "string", "description": "Who has it."},
                           "paid": {"type": ["string", "null"], "pattern": "^-?[0-9]+$"}}}}
    ]);
    assert_eq!(count["x-plugline"]["errors"], errors);
    let plugin = launch().discover().unwrap();
    assert_eq!(serde_json::to_value(&plugin.methods).unwrap()[0], document["methods"][0]);
    let host_methods: Vec<&str> = plugin.plugline.host_methods.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(host_methods, ["curator.answer", "curator.asked"]);
    assert_eq!(plugin.plugline.requires[0].contract, "curator");
}
