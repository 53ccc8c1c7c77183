//! Documents and values that are short and would cost their reader minutes or gigabytes: each is refused beforehand, by
//! what is counted in it. No test here looks at a clock; one that hangs has found a bomb.

use plugline_protocol::contract::{Fault, Faults, Manifest};
use serde_json::{Map, Value, json};

/// A plugin of so many methods, whose results are all of one shared schema.
fn document(methods: usize, shared: &Value) -> Value {
    let method = |number: usize| {
        json!({
            "name": format!("b.m{number}"), "paramStructure": "by-name", "params": [],
            "result": {"name": "r", "schema": {"$ref": "#/components/schemas/S"}},
        })
    };
    let methods: Vec<Value> = (0..methods).map(method).collect();
    json!({
        "openrpc": "1.3.2", "info": {"title": "bomb", "version": "1.0.0"}, "methods": methods,
        "components": {"schemas": {"S": shared}},
        "x-plugline": {"protocol": [1], "provides": [{"contract": "b", "version": "1.0.0"}], "requires": [],
                       "config": {}, "hostMethods": [], "instances": "many"},
    })
}

/// The same with examples of the first method, which return these.
fn with_examples(shared: &Value, results: impl Iterator<Item = Value>) -> Value {
    let mut document = document(1, shared);
    let example = |(number, result)| json!({"name": format!("e{number}"), "params": {}, "result": result});
    let examples: Vec<Value> = results.enumerate().map(example).collect();
    document["methods"][0]["x-plugline"] = json!({"errors": [], "examples": examples});
    document
}

/// An object of so many members, each of that schema.
fn members(count: usize, schema: impl Fn(usize) -> Value) -> Value {
    let properties: Map<String, Value> =
        (0..count).map(|number| (format!("p{number}"), schema(number))).collect();
    json!({ "properties": properties })
}

fn faults(document: Value) -> Vec<Fault> {
    Manifest::check(document).err().as_ref().map(Faults::as_slice).unwrap_or_default().to_vec()
}

#[track_caller]
fn refused(document: Value, what: &str) {
    let seen = faults(document);
    assert!(seen.iter().any(|fault| fault.what.contains(what)), "{seen:?}");
}

/// Two ways to go on at every level.
fn doubling() -> Value {
    let next = json!({"type": "object", "properties": {"next": {"$ref": "#/components/schemas/S"}}});
    json!({ "anyOf": [next, next] })
}

/// So many objects within each other; the innermost has what no schema lets through.
fn nested(depth: usize) -> Value {
    (0..depth).fold(json!({"next": 1}), |value, _| json!({ "next": value }))
}

#[test]
fn patterns_that_grow_when_they_are_compiled() {
    // Each has 8100 states, of which 4 count as a schema: 148 of them stay below 300,000.
    let pattern = |number| json!({"type": "string", "pattern": format!("(a{{90}}){{90}}{number}")});
    assert_eq!(faults(document(0, &members(30, pattern))), []);
    refused(document(0, &members(150, pattern)), "more than 300000 schemas are to be compiled");
    // One that is large by itself is refused by itself.
    refused(document(1, &json!({"pattern": "(a{900}){900}"})), "cannot be compiled");
    refused(document(1, &json!({"pattern": "((a{1000}){1000}){1000}"})), "cannot be compiled");
    let told =
        Manifest::check(document(1, &json!({"pattern": "(".repeat(500_000)}))).unwrap_err().to_string();
    assert!(told.len() < 10_000, "{}", told.len());
    // Nor does an escape that only ECMAScript has hide what is large.
    let hidden = |number| json!({"type": "string", "pattern": format!(r"(a{{90}}){{90}}{number}\cA")});
    refused(document(0, &members(50, hidden)), "300000");
}

#[test]
fn methods_that_all_lead_to_all_schemas() {
    let strings = members(599, |_| json!({"type": "string"}));
    // Each method has 601 schemas: its own, the shared one, and what is in that; the shared ones are looked at once more,
    // and so is the config.
    let most = (300_000 - 600 - 1) / 601;
    assert_eq!(faults(document(most, &strings)), []);
    refused(document(most + 1, &strings), "more than 300000 schemas are to be compiled");
}

#[test]
fn examples_that_take_for_ever() {
    // Right ones, each of which is eight times 2^16 steps in the worst case: nine of them stay below 5,000,000, …
    let right = (0..16).fold(json!({}), |value, _| json!({ "next": value }));
    let of = |count| with_examples(&doubling(), (0..count).map(|_| right.clone()));
    assert_eq!(faults(of(9)), []);
    refused(of(10), "to check the examples of this document would take too long");
    // … and wrong ones, of which it takes far longer to say what is wrong with them.
    let wrong = with_examples(&doubling(), (0..100).map(|_| nested(12)));
    let seen = faults(wrong);
    assert!(!seen.is_empty() && seen.len() < 100, "{}", seen.len());
    assert!(seen.iter().all(|fault| fault.rule == "CONTRACT-9"), "{seen:?}");
}

#[test]
fn references_that_multiply() {
    let mut bomb = document(1, &json!({}));
    bomb["components"]["contentDescriptors"] =
        json!({"D": {"name": "d", "description": "x".repeat(500_000), "schema": {}}});
    bomb["methods"][0]["params"] = json!(vec![json!({"$ref": "#/components/contentDescriptors/D"}); 10_000]);
    refused(bomb, "all references followed");
    // Of examples, at two levels.
    let mut bomb = document(1, &json!({}));
    let pairing = json!({"name": "p", "params": vec![json!({"$ref": "#/components/examples/V"}); 1000],
                         "result": {"name": "r", "value": 1}});
    bomb["components"]["examples"] = json!({"V": {"name": "v", "value": "x".repeat(1000)}});
    bomb["components"]["examplePairings"] = json!({ "P": pairing });
    bomb["methods"][0]["examples"] = json!(vec![json!({"$ref": "#/components/examplePairings/P"}); 1000]);
    refused(bomb, "all references followed");
}

#[test]
fn lists_as_long_as_a_document() {
    let many = document(3000, &json!({}));
    assert_eq!(faults(many), []);
    let mut twice = document(1, &json!({}));
    let params: Vec<Value> =
        (0..10_000).map(|number| json!({"name": number.to_string(), "schema": {}})).collect();
    twice["methods"][0]["params"] = json!(params);
    assert_eq!(faults(twice.clone()), []);
    twice["methods"][0]["params"][9_999]["name"] = json!("0");
    assert_eq!(faults(twice)[0].what, "there are two params \"0\"");
}

#[test]
fn a_long_text_against_a_large_pattern() {
    let schema = json!({"pattern": "^(a|b)*a(a|b){500}$"});
    let manifest = Manifest::check(document(1, &schema)).unwrap_or_else(|faults| panic!("{faults}"));
    let check = |length: usize| manifest.validators().result("b.m0", &json!("ab".repeat(length / 2)));
    let said = check(1000).unwrap_err().remove(0).message;
    assert!(said.contains("does not match"), "{said}");
    let said = check(1_000_000).unwrap_err().remove(0).message;
    assert!(said.contains("too large for so long a text"), "{said}");
}

#[test]
fn what_is_wrong_with_a_large_value_is_said_in_short() {
    let manifest = Manifest::check(document(1, &doubling())).unwrap_or_else(|faults| panic!("{faults}"));
    let check = |depth| manifest.validators().result("b.m0", &nested(depth)).unwrap_err();
    assert_eq!(check(4)[0].path, "", "{:?}", check(4));
    assert!(check(4)[0].message.contains("none of what its schema"), "{:?}", check(4));
    // 3 · 2^16 steps and some: no more is said, and further on it is not even begun.
    assert!(check(16)[0].message.contains("to say where would take too long"), "{:?}", check(16));
    assert!(check(22)[0].message.contains("would take too long: the schema"), "{:?}", check(22));
}

#[test]
fn a_document_as_long_and_as_deep_as_may_be() {
    let padded = |length: usize| {
        let mut document = document(1, &json!({}));
        document["info"]["description"] = json!("");
        let left = length - document.to_string().len();
        document["info"]["description"] = json!("x".repeat(left));
        document
    };
    let longest = (1 << 20) - 512;
    assert_eq!(faults(padded(longest)), []);
    let [fault] = &faults(padded(longest + 1))[..] else { panic!("one fault") };
    assert_eq!((fault.rule, fault.at.as_str()), ("FRAME-12", ""));

    // Under /components/schemas/S, which are three levels besides the document's own.
    let deep = |levels: usize| {
        let value = (0..levels - 5).fold(json!(1), |value, _| json!([value]));
        document(1, &json!({ "default": value }))
    };
    assert_eq!(faults(deep(98)), []);
    assert_eq!(faults(deep(99)).iter().map(|fault| fault.rule).collect::<Vec<_>>(), ["JSON-6"]);
}

#[test]
fn a_file_as_long_as_may_be() {
    let text = document(1, &json!({})).to_string();
    let padded = |length: usize| format!("{text}{}", " ".repeat(length - text.len()));
    assert!(Manifest::read(padded(16 << 20).as_bytes()).is_ok());
    let said = Manifest::read(padded((16 << 20) + 1).as_bytes()).unwrap_err().to_string();
    assert!(said.contains("the text has 16777217 bytes, and 16777216 are read"), "{said}");
}

#[test]
fn as_many_schemas_as_may_be() {
    // The result, the config, the shared schema itself and the one within it are four.
    let many = |count: usize| document(1, &json!({"allOf": [{"items": vec![true; count - 4]}]}));
    assert_eq!(faults(many(30_000)), []);
    refused(many(30_001), "it has 30001 schemas, those within others counted, and 30000 are read");
}

#[test]
fn a_chain_as_long_as_may_be() {
    let chain = |links: usize| {
        let mut document = document(1, &json!({}));
        let shared = document["components"]["schemas"].as_object_mut().unwrap();
        for link in 0..links {
            let next = json!({"$ref": format!("#/components/schemas/L{}", link + 1)});
            shared.insert(format!("L{link}"), next);
        }
        shared.insert(format!("L{links}"), json!({"type": "string"}));
        document
    };
    assert_eq!(faults(chain(32)), []);
    refused(chain(33), "a chain of more than 32 schemas and references");
}

#[test]
fn as_many_alternatives_as_may_be() {
    // Itself is one of them.
    let choice = |count: usize| document(1, &json!({ "anyOf": vec![json!({"type": "string"}); count - 1] }));
    assert_eq!(faults(choice(10_000)), []);
    refused(choice(10_001), "it stands for more than 10000 alternatives of one value");
}
