//! A contract that was a document before it was a trait: what is declared is what stands there, and all that passes is
//! held to it, on both sides.

use plugline_sdk::testing::{Harness, Running, StartError};
use plugline_sdk::{Call, CallFailed, ContractError, Error, Example, Items, Kind, Method, Plugin, contract};
use serde::Deserialize;
use serde_json::{Value, json};

const DOCUMENT: &str = r##"{
    "openrpc": "1.3.2", "info": {"title": "scales", "version": "1.0.0"},
    "methods": [
        {"name": "scale.double", "summary": "twice", "paramStructure": "by-name",
         "params": [{"name": "n", "required": true, "schema": {"$ref": "#/components/schemas/Small"}}],
         "result": {"name": "doubled", "schema": {"type": "integer", "not": {"const": 6}}},
         "errors": [{"code": 1, "message": "odd"}],
         "examples": [{"name": "two", "params": [{"name": "n", "value": 2}], "result": {"name": "doubled", "value": 4}}],
         "x-plugline": {"errors": [{"code": 1, "name": "Odd", "message": "odd", "data": {"type": "integer", "maximum": 5}}],
                        "examples": [{"name": "odd", "params": {"n": 5}, "error": {"code": 1}}]}},
        {"name": "scale.sum", "paramStructure": "by-name", "params": [],
         "result": {"name": "sum", "schema": {"type": "integer"}},
         "x-plugline": {"input": {"$ref": "#/components/schemas/Small"}}},
        {"name": "scale.count", "paramStructure": "by-name",
         "params": [{"name": "to", "required": true, "schema": {"type": "integer"}}],
         "result": {"name": "none", "schema": {"type": "null"}},
         "x-plugline": {"output": {"$ref": "#/components/schemas/Small"}}},
        {"name": "scale.note", "paramStructure": "by-name",
         "params": [{"name": "text", "required": true, "schema": {"type": "string", "pattern": "^[a-z]+$"}}]},
        {"name": "other.unused", "paramStructure": "by-name", "params": [],
         "result": {"name": "none", "schema": {"type": "null"}}}
    ],
    "components": {"schemas": {"Small": {"type": "integer", "minimum": 1, "maximum": 9}}},
    "x-plugline": {
        "protocol": [1], "provides": [{"contract": "scale", "version": "1.1.0", "types": ["fine"]},
                                      {"contract": "other", "version": "2.0.0"}],
        "requires": [{"contract": "watch", "version": "1.0.0"}],
        "config": {"type": "object", "properties": {"limit": {"type": "integer", "maximum": 5}}},
        "hostMethods": [{"name": "watch.seen", "paramStructure": "by-name",
                         "params": [{"name": "n", "required": true, "schema": {"$ref": "#/components/schemas/Small"}}]}],
        "instances": "many"
    }
}"##;

#[contract(name = "scale", version = "1.1.0", document = DOCUMENT)]
trait Scale: Send + Sync {
    fn double(&self, n: i64) -> Result<i64, ScaleError>;
    fn sum(&self, numbers: Items<i64, CallFailed>) -> Result<i64, CallFailed>;
    fn count(&self, to: i64) -> Result<Items<i64, CallFailed>, CallFailed>;
    #[notification]
    fn note(&self, text: &str) -> Result<(), CallFailed>;
}

#[contract(name = "watch", version = "1.0.0", document = DOCUMENT)]
trait Watch: Send + Sync {
    #[notification]
    fn seen(&self, n: i64);
}

#[derive(Debug, thiserror::Error, ContractError)]
enum ScaleError {
    #[error("odd")]
    #[code(1)]
    Odd(i64),
    #[error(transparent)]
    Call(#[from] CallFailed),
}

struct Scales;

impl Scale for Scales {
    fn double(&self, n: i64) -> Result<i64, ScaleError> {
        if n % 2 == 1 && n != 3 { Err(ScaleError::Odd(n)) } else { Ok(2 * n) }
    }

    fn sum(&self, numbers: Items<i64, CallFailed>) -> Result<i64, CallFailed> {
        numbers.sum()
    }

    fn count(&self, to: i64) -> Result<Items<i64, CallFailed>, CallFailed> {
        Ok(Items::all(1..=to))
    }

    fn note(&self, _: &str) -> Result<(), CallFailed> {
        Ok(())
    }
}

fn plugin() -> Plugin<Scales> {
    Plugin::configured("scales", "1.0.0", |_: Value| Ok::<_, String>(Scales)).contract(ScaleContract)
}

/// The same contract as its types alone say it, which let more through.
fn loose() -> Plugin {
    #[derive(Deserialize, schemars::JsonSchema)]
    struct Of {
        n: i64,
    }
    #[derive(Deserialize, schemars::JsonSchema)]
    struct To {
        to: i64,
    }
    #[derive(Deserialize, schemars::JsonSchema)]
    struct Note {
        #[expect(dead_code, reason = "it is only decoded")]
        text: String,
    }
    Plugin::new("loose", "1.0.0")
        .provides("scale", "1.1.0")
        .method(Method::new("scale.double", |(), of: Of, _: &Call| Ok::<_, Error>(of.n * 2)))
        .method(Method::with_input("scale.sum", |(), (), _: &Call, input: plugline_sdk::Input<'_, i64>| {
            input.sum::<Result<i64, Error>>()
        }))
        .method(Method::with_output(
            "scale.count",
            |(), to: To, _: &Call, output: plugline_sdk::Output<'_, i64>| {
                (1..=to.to).try_for_each(|n| output.send(&n))
            },
        ))
        .notification(plugline_sdk::Notification::new("scale.note", |(), _: Note| ()))
}

fn start<S: Send + Sync + 'static>(plugin: Plugin<S>) -> Running {
    Harness::new().unchecked().start(plugin).unwrap()
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, plugline_sdk::CallError>) -> (i64, Value) {
    match outcome {
        Err(plugline_sdk::CallError::Remote(error)) => {
            (error.code.code(), error.data.map_or(Value::Null, |data| data["errors"].clone()))
        }
        other => panic!("it was not refused: {other:?}"),
    }
}

#[test]
fn what_stands_in_the_document_is_declared() {
    let wanted: Value = serde_json::from_str(DOCUMENT).unwrap();
    let declared = serde_json::to_value(plugin().manifest()).unwrap();
    for index in 0..4 {
        assert_eq!(declared["methods"][index], wanted["methods"][index]);
    }
    assert_eq!(declared["methods"].as_array().unwrap().len(), 4, "the other contract is not provided");
    assert_eq!(declared["components"], wanted["components"]);
    let own = &declared["x-plugline"];
    assert_eq!(own["provides"], json!([wanted["x-plugline"]["provides"][0]]));
    for member in ["config", "requires", "hostMethods", "instances"] {
        assert_eq!(own[member], wanted["x-plugline"][member], "{member}");
    }
    let running = start(plugin());
    assert_eq!(running.hello().provides[0].types, ["fine"]);
    // What an author requires is what is there already, and what an author adds is added.
    let plugin = plugin()
        .requires_contract(WatchContract)
        .example("scale.double", Example::new("four", json!({"n": 4})).returns(json!(8)));
    let more = serde_json::to_value(plugin.manifest()).unwrap();
    assert_eq!(more["x-plugline"], declared["x-plugline"]);
    let examples = more["methods"][0]["examples"].as_array().unwrap();
    assert_eq!(examples[1]["result"], json!({"name": "doubled", "value": 8}));
    let alone = serde_json::to_value(WatchContract::document()).unwrap();
    assert_eq!(alone["methods"], wanted["x-plugline"]["hostMethods"]);
}

#[test]
fn it_stands_beside_contracts_that_were_traits_first() {
    #[contract(name = "plain", version = "1.0.0")]
    trait Plain: Send + Sync {
        fn small(&self, small: Small) -> Result<Small, CallFailed>;
    }
    /// Called as a schema of the document, and another.
    #[derive(serde::Serialize, Deserialize, schemars::JsonSchema)]
    struct Small {
        size: u32,
    }
    impl Plain for Scales {
        fn small(&self, small: Small) -> Result<Small, CallFailed> {
            Ok(small)
        }
    }
    // Held to the manifest that is made of both.
    let running = Harness::new().start(plugin().contract(PlainContract)).unwrap();
    assert_eq!(running.client::<PlainClient>().small(Small { size: 100 }).unwrap().size, 100);
    assert_eq!(running.client::<ScaleClient>().double(2).unwrap(), 4);
}

#[test]
fn a_plugin_takes_and_gives_what_the_document_lets_through() {
    let running = start(plugin());
    let double = |params: Value| running.call::<i64>("scale.double", &params);
    assert_eq!(double(json!({"n": 4})).unwrap(), 8);
    let (code, faults) = refused(double(json!({"n": 10})));
    assert_eq!((code, &faults[0]["path"]), (-32602, &json!("/n")));
    let (code, faults) = refused(double(json!({"n": 0, "m": 1})));
    assert_eq!((code, faults.as_array().unwrap().len()), (-32602, 2), "{faults}");
    // What the handler answers.
    assert_eq!(refused(double(json!({"n": 5}))).0, 1);
    assert_eq!(refused(double(json!({"n": 7}))).0, -32603, "the data of its error is above 5");
    assert_eq!(refused(double(json!({"n": 3}))).0, -32603, "the result must not be 6");
    // Streams.
    assert_eq!(running.collect::<i64, ()>("scale.count", &json!({"to": 9})).unwrap().0.len(), 9);
    let (code, faults) = refused(running.collect::<i64, ()>("scale.count", &json!({"to": 10})));
    assert_eq!((code, &faults[0]["path"]), (-32603, &json!("")));
    assert_eq!(running.feed::<(), i64>("scale.sum", &json!({}), &[1, 2]).unwrap().1, 3);
    let (code, faults) = refused(running.feed::<(), i64>("scale.sum", &json!({}), &[1, 12]));
    assert_eq!(code, -32602, "{faults}");
    // The config.
    match Harness::new().config(json!({"limit": 6})).start(plugin()) {
        Err(StartError::Handshake(plugline_protocol::peer::HandshakeError::Call(
            plugline_sdk::CallError::Remote(error),
        ))) => assert_eq!(error.code.code(), -32002),
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn a_client_sends_and_takes_what_the_document_lets_through() {
    let running = start(loose());
    let scale = running.client::<ScaleClient>();
    assert_eq!(scale.double(4).unwrap(), 8);
    let kind = |failed: ScaleError| match failed {
        ScaleError::Call(failed) => (failed.kind(), failed.to_string()),
        ScaleError::Odd(_) => panic!("nobody said so"),
    };
    let (of, told) = kind(scale.double(10).unwrap_err());
    assert_eq!(of, Kind::InvalidRequest, "{told}");
    assert!(told.contains("the params are not what the contract says: /n: "), "{told}");
    let (of, told) = kind(scale.double(3).unwrap_err());
    assert_eq!(of, Kind::ProtocolViolation, "{told}");
    assert!(told.contains("the result is not what the contract says"), "{told}");
    assert_eq!(scale.note("UPPER").unwrap_err().kind(), Kind::InvalidRequest);
    scale.note("lower").unwrap();
    let (taken, failed): (Vec<_>, Vec<_>) = scale.count(10).unwrap().partition(Result::is_ok);
    assert_eq!(taken.len(), 9);
    assert_eq!(failed[0].as_ref().unwrap_err().kind(), Kind::ProtocolViolation);
    assert_eq!(scale.sum(Items::all([1, 2])).unwrap(), 3);
    assert_eq!(scale.sum(Items::all([1, 12])).unwrap_err().kind(), Kind::InvalidRequest);
}
