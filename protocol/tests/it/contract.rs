//! Reading contracts: each fault with its place, its requirement and what to do, and all of them at once.

use plugline_protocol::contract::{Document, Fault, Faults, Manifest};
use serde_json::{Value, json};

const USERS: &str = include_str!("contracts/users.json");

fn users() -> Value {
    serde_json::from_str(USERS).unwrap()
}

/// Sets what stands at a JSON Pointer; its parent is there, and `-` is the end of a list.
fn set(document: &mut Value, at: &str, value: Value) {
    let (parent, name) = at.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent).unwrap_or_else(|| panic!("{parent} is not there")) {
        Value::Object(members) => drop(members.insert(name, value)),
        Value::Array(items) if name == "-" => items.push(value),
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        other => panic!("{parent} is {other}"),
    }
}

fn remove(document: &mut Value, at: &str) {
    let (parent, name) = at.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
}

fn faults(document: Value) -> Vec<Fault> {
    Manifest::check(document).err().as_ref().map(Faults::as_slice).unwrap_or_default().to_vec()
}

fn rules(document: Value) -> Vec<(String, &'static str)> {
    faults(document).into_iter().map(|fault| (fault.at, fault.rule)).collect()
}

/// The document with one thing changed has exactly this fault.
fn check(at: &str, value: Value, fault_at: &str, rule: &str) {
    let mut document = users();
    set(&mut document, at, value);
    let seen = faults(document);
    let found: Vec<(&str, &str)> = seen.iter().map(|fault| (fault.at.as_str(), fault.rule)).collect();
    assert_eq!(found, [(fault_at, rule)], "{seen:#?}");
    assert!(!seen[0].what.is_empty() && !seen[0].remedy.is_empty());
}

#[test]
fn the_shape_of_section_7_is_a_manifest() {
    let manifest = Manifest::read(USERS.as_bytes()).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(manifest.document().info.title, "json-users");
    let again = Manifest::of(manifest.document()).unwrap();
    assert_eq!(again.document(), manifest.document());
}

const METHOD: &str = "/methods/0";

#[test]
fn each_rule_has_its_fault() {
    let m = |rest: &str| format!("{METHOD}{rest}");
    check("/openrpc", json!("1.2.6"), "/openrpc", "CONTRACT-1");
    check("/foo", json!(1), "/foo", "CONTRACT-1");
    check("/methods/0/foo", json!(1), &m("/foo"), "CONTRACT-1");
    check(&m("/params/0/schema"), json!({"type": "text"}), &m("/params/0/schema/type"), "CONTRACT-1");
    check(&m("/paramStructure"), json!("either"), &m("/paramStructure"), "CONTRACT-2");
    check("/components/schemas/User/$defs", json!({}), "/components/schemas/User/$defs", "CONTRACT-3");
    check(
        "/components/schemas/More",
        json!({"$schema": "https://json-schema.org/draft/2020-12/schema"}),
        "/components/schemas/More/$schema",
        "CONTRACT-3",
    );
    check(
        "/components/schemas/More",
        json!({"pattern": "(?=a)"}),
        "/components/schemas/More/pattern",
        "CONTRACT-3",
    );
    check(
        "/components/schemas/More",
        json!({"pattern": "a{1000}{1000}{1000}"}),
        "/components/schemas/More/pattern",
        "CONTRACT-3",
    );
    check(
        "/components/schemas/More",
        json!({"$ref": "#/components/schemas/None"}),
        "/components/schemas/More/$ref",
        "CONTRACT-4",
    );
    check(
        "/components/schemas/More",
        json!({"$ref": "https://example.com/x.json"}),
        "/components/schemas/More/$ref",
        "CONTRACT-4",
    );
    check(
        "/components/schemas/More",
        json!({"$ref": "#/components/schemas/More"}),
        "/components/schemas/More",
        "CONTRACT-4",
    );
    check(
        "/components/schemas/More",
        json!({"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/More"}]}),
        "/components/schemas/More",
        "CONTRACT-4",
    );
    check(
        "/components/schemas/More",
        json!({"$id": "https://example.com/"}),
        "/components/schemas/More/$id",
        "CONTRACT-4",
    );
    check(
        &m("/params"),
        json!([{"name": "hint", "schema": {}}, {"name": "id", "required": true, "schema": {}}]),
        &m("/params/1"),
        "CONTRACT-5",
    );
    check(
        &m("/examples/0/params/-"),
        json!({"name": "user", "value": 1}),
        &m("/examples/0/params/1/name"),
        "CONTRACT-7",
    );
    check(
        &m("/examples/0/params/-"),
        json!({"name": "id", "value": "marie"}),
        &m("/examples/0/params/1/name"),
        "CONTRACT-7",
    );
    check(&m("/examples/0/params/0/value"), json!(7), &m("/examples/0/params/0/value"), "CONTRACT-9");
    check(
        &m("/examples/0/result/value/username"),
        json!(7),
        &m("/examples/0/result/value/username"),
        "CONTRACT-9",
    );
    check("/info/title", json!(""), "/info/title", "CONTRACT-10");
    check("/x-plugline/instances", json!("two"), "/x-plugline/instances", "CONTRACT-13");
    check("/x-plugline/config", json!({"type": 7}), "/x-plugline/config/type", "CONTRACT-13");
    check("/x-plugline/provides/0/version", json!("1.0"), "/x-plugline/provides/0/version", "CONTRACT-14");
    check(
        "/x-plugline/provides/-",
        json!({"contract": "users", "version": "2.0.0"}),
        "/x-plugline/provides/1",
        "CONTRACT-13",
    );
    let host = json!({"name": "audit.note", "paramStructure": "by-name", "params": []});
    check("/x-plugline/hostMethods/-", host, "/x-plugline/hostMethods/0/name", "CONTRACT-15");
    let host = json!({"name": "users.note", "paramStructure": "by-name", "params": [],
                      "result": {"name": "r", "schema": {}}, "x-plugline": {"output": {}}});
    check("/x-plugline/hostMethods/-", host, "/x-plugline/hostMethods/0/x-plugline/output", "CALL-16");
    check(&m("/x-plugline/idempotent"), json!("yes"), &m("/x-plugline/idempotent"), "CONTRACT-19");
    check(&m("/x-plugline/errors/0/code"), json!(-32001), &m("/x-plugline/errors/0/code"), "ERR-6");
    check(&m("/x-plugline/errors"), json!("none"), &m("/x-plugline/errors"), "CONTRACT-19");
    check(
        &m("/x-plugline/errors/-"),
        json!({"code": 2, "name": "Full", "message": "full"}),
        &m("/x-plugline/errors/1"),
        "CONTRACT-21",
    );
    check(&m("/errors/0/message"), json!("nobody"), &m("/x-plugline/errors/0/message"), "CONTRACT-21");
    check(
        &m("/x-plugline/examples/0/error/code"),
        json!(2),
        &m("/x-plugline/examples/0/error"),
        "CONTRACT-9",
    );
    check(&m("/x-plugline/examples/0/result"), json!({}), &m("/x-plugline/examples/0"), "CONTRACT-20");
    check(&m("/x-plugline/examples/0/params"), json!([]), &m("/x-plugline/examples/0/params"), "CONTRACT-20");
    check(&m("/name"), json!("get_user"), &m("/name"), "MSG-35");
    check(&m("/name"), json!("people.get_user"), &m("/name"), "MSG-35");
    check(&m("/name"), json!("rpc.get_user"), &m("/name"), "MSG-36");
}

#[test]
fn a_member_that_is_missing_is_named() {
    for (at, rule) in [
        ("/x-plugline", "CONTRACT-13"),
        ("/x-plugline/config", "CONTRACT-13"),
        ("/methods/0/params", "CONTRACT-1"),
        ("/methods/0/paramStructure", "CONTRACT-2"),
        ("/methods/0/x-plugline/errors/0/name", "CONTRACT-19"),
        ("/methods/0/x-plugline/examples/0/params", "CONTRACT-20"),
    ] {
        let mut document = users();
        remove(&mut document, at);
        assert!(rules(document.clone()).contains(&(at.to_owned(), rule)), "{at}: {:#?}", faults(document));
    }
    let mut document = users();
    remove(&mut document, "/methods/0/examples/0/result");
    assert_eq!(rules(document), [("/methods/0/examples/0".to_owned(), "CONTRACT-8")]);
}

#[test]
fn a_notification_has_no_answer() {
    let mut document = users();
    remove(&mut document, "/methods/0/result");
    remove(&mut document, "/methods/0/x-plugline/examples");
    let seen = rules(document);
    for at in ["/methods/0/errors", "/methods/0/x-plugline/errors", "/methods/0/x-plugline/idempotent"] {
        assert!(seen.contains(&(at.to_owned(), "CONTRACT-6")), "{at}: {seen:?}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let mut document = users();
    set(&mut document, "/openrpc", json!("2.0"));
    set(&mut document, "/methods/0/paramStructure", json!("by-position"));
    set(&mut document, "/methods/0/name", json!("get"));
    set(&mut document, "/components/schemas/User/properties/username", json!({"$ref": "#/nowhere"}));
    set(&mut document, "/x-plugline/provides/0/version", json!("one"));
    let seen = rules(document);
    for expected in [
        ("/openrpc", "CONTRACT-1"),
        ("/methods/0/paramStructure", "CONTRACT-2"),
        ("/methods/0/name", "MSG-35"),
        ("/components/schemas/User/properties/username/$ref", "CONTRACT-3"),
        ("/x-plugline/provides/0/version", "CONTRACT-14"),
    ] {
        assert!(seen.contains(&(expected.0.to_owned(), expected.1)), "{expected:?}: {seen:?}");
    }
}

#[test]
fn references_to_other_components_are_followed() {
    let mut document = users();
    let id = document["methods"][0]["params"][0].take();
    set(&mut document, "/components/contentDescriptors", json!({ "Id": id }));
    set(&mut document, "/methods/0/params/0", json!({"$ref": "#/components/contentDescriptors/Id"}));
    let manifest = Manifest::check(document.clone()).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(manifest.document().methods[0].params[0].name, "id");
    set(&mut document, "/methods/0/params/0", json!({"$ref": "#/components/contentDescriptors/No"}));
    assert!(rules(document).contains(&("/methods/0/params/0".to_owned(), "CONTRACT-4")));
}

#[test]
fn a_hostile_document_is_refused_in_bearable_time() {
    let mut deep = json!({});
    for _ in 0..120 {
        deep = json!({ "items": deep });
    }
    check("/components/schemas/Deep", json!({"allOf": [{"allOf": [deep]}]}), "", "JSON-6");

    let mut document = users();
    for level in 0..40 {
        let next = json!({"$ref": format!("#/components/schemas/L{}", level + 1)});
        set(&mut document, &format!("/components/schemas/L{level}"), json!({"anyOf": [next, next]}));
    }
    set(&mut document, "/components/schemas/L40", json!({"type": "string"}));
    set(&mut document, "/methods/0/params/0/schema", json!({"$ref": "#/components/schemas/L0"}));
    let seen = rules(document);
    assert!(seen.contains(&("/components/schemas/L0".to_owned(), "CONTRACT-3")), "{seen:?}");

    let mut document = users();
    set(&mut document, "/info/description", json!("long ".repeat(300_000)));
    assert_eq!(rules(document), [(String::new(), "FRAME-12")]);

    let mut document = users();
    let many: Vec<Value> = (0..5000).map(|_| json!({"name": 7})).collect();
    set(&mut document, "/methods", json!(many));
    assert!(faults(document).len() <= Faults::MOST);
}

#[test]
fn a_document_quotes_nothing_that_a_terminal_would_obey() {
    let mut document = users();
    set(&mut document, "/methods/0/name", json!("users.\u{1b}[2J\u{202e}"));
    let told = Manifest::check(document).unwrap_err().to_string();
    assert!(!told.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')), "{told:?}");
}

#[test]
fn values_are_checked_with_their_places() {
    let mut document = users();
    let data = json!({"type": "object", "required": ["until"]});
    set(&mut document, "/methods/0/x-plugline/errors/0/data", data);
    set(&mut document, "/methods/0/x-plugline/output", json!({"type": "integer"}));
    remove(&mut document, "/methods/0/x-plugline/examples");
    set(
        &mut document,
        "/x-plugline/config",
        json!({"type": "object", "properties": {"a/b": {"type": "integer", "maximum": 3}}}),
    );
    let manifest = Manifest::check(document).unwrap_or_else(|faults| panic!("{faults}"));
    let validators = manifest.validators();
    let method = "users.get_user";
    let paths = |seen: Result<(), Vec<plugline_protocol::wire::ParamFault>>| {
        seen.err().unwrap_or_default().into_iter().map(|fault| fault.path).collect::<Vec<_>>()
    };
    assert_eq!(paths(validators.params(method, &json!({"id": "a", "_meta": {"deadlineMs": 1}}))), [""; 0]);
    assert_eq!(paths(validators.params(method, &json!({"id": 1}))), ["/id"]);
    assert_eq!(paths(validators.params(method, &json!({"ids": 1}))), ["/ids", "/id"]);
    assert_eq!(paths(validators.params("users.no", &json!({}))), [""]);
    assert_eq!(paths(validators.result(method, &json!({"username": []}))), ["/username"]);
    assert_eq!(paths(validators.output(method, &json!("1"))), [""]);
    assert_eq!(paths(validators.input(method, &json!(1))), [""]);
    assert_eq!(paths(validators.error(method, 1, Some(&json!({})))), ["/until"]);
    assert_eq!(paths(validators.error(method, 1, None)), [""]);
    assert_eq!(paths(validators.error(method, 2, None)), [""]);
    assert_eq!(paths(validators.error(method, -32603, None)), [""; 0]);
    assert_eq!(paths(validators.config(&json!({"a/b": 4}))), ["/a~1b"]);
}

#[test]
fn what_a_value_holds_is_not_quoted() {
    let manifest = Manifest::read(USERS.as_bytes()).unwrap();
    let faults =
        manifest.validators().result("users.get_user", &json!({"username": ["hunter2"]})).unwrap_err();
    assert!(!faults[0].message.contains("hunter2"), "{faults:?}");
}

#[test]
fn in_a_choice_the_branch_that_was_meant_is_told() {
    let mut document = users();
    let shape = |tag: &str, member: &str| {
        json!({"type": "object", "required": ["kind", member],
               "properties": {"kind": {"const": tag}, member: {"type": "integer"}}})
    };
    set(
        &mut document,
        "/components/schemas/User",
        json!({"oneOf": [
        {"type": "null"},
        {"type": "object", "required": ["username"], "properties": {"username": {"type": "string"}}}]}),
    );
    set(
        &mut document,
        "/components/schemas/Shape",
        json!({"oneOf": [shape("circle", "r"), shape("square", "a")]}),
    );
    set(&mut document, "/methods/0/x-plugline/output", json!({"$ref": "#/components/schemas/Shape"}));
    remove(&mut document, "/methods/0/x-plugline/examples");
    let manifest = Manifest::check(document).unwrap_or_else(|faults| panic!("{faults}"));
    let validators = manifest.validators();
    let faults = validators.result("users.get_user", &json!({"username": 7})).unwrap_err();
    assert_eq!(faults[0].path, "/username", "{faults:?}");
    let faults = validators.output("users.get_user", &json!({"kind": "circle", "r": "1"})).unwrap_err();
    assert_eq!(faults[0].path, "/r", "{faults:?}");
}

#[test]
fn a_value_that_would_take_for_ever_is_refused() {
    let mut document = users();
    let again = json!({"properties": {"next": {"$ref": "#/components/schemas/User"}}});
    set(&mut document, "/components/schemas/User", json!({"anyOf": [again, again]}));
    let manifest = Manifest::check(document).unwrap_or_else(|faults| panic!("{faults}"));
    let mut value = json!({"next": 1});
    for _ in 0..80 {
        value = json!({ "next": value });
    }
    let faults = manifest.validators().result("users.get_user", &value).unwrap_err();
    assert!(faults[0].message.contains("too long"), "{faults:?}");
}

#[test]
fn what_the_sdk_and_the_examples_declare_is_read() {
    let text = include_str!("../../../examples/users/users.openrpc.json");
    let manifest = Manifest::read(text.as_bytes()).unwrap_or_else(|faults| panic!("{faults}"));
    let document: Document = serde_json::from_str(text).unwrap();
    assert_eq!(*manifest.document(), document);
}

#[test]
fn long_ways_through_schemas_do_not_exhaust_the_stack() {
    let chain = |length: usize, link: fn(Value) -> Value| {
        let mut document = users();
        for level in 0..length {
            let next = json!({"$ref": format!("#/components/schemas/L{}", level + 1)});
            set(&mut document, &format!("/components/schemas/L{level}"), link(next));
        }
        set(&mut document, &format!("/components/schemas/L{length}"), json!({"type": "string"}));
        set(&mut document, "/methods/0/x-plugline/output", json!({"$ref": "#/components/schemas/L0"}));
        document
    };
    let in_place = rules(chain(9_000, |next| next));
    assert!(in_place.contains(&("/components/schemas/L0".to_owned(), "CONTRACT-3")), "{in_place:?}");
    assert_eq!(rules(chain(6_000, |next| json!({"properties": {"a": next}}))), []);
    let within = |next: Value| json!({"properties": {"a": {"items": {"items": {"items": next}}}}});
    assert_eq!(rules(chain(5_000, within)), []);

    // As long a way as is let through, at every level of a value as deep as a message may be.
    let mut document = chain(27, |next| next);
    set(
        &mut document,
        "/components/schemas/L27",
        json!({"type": "object", "properties": {"a": {"$ref": "#/components/schemas/L0"}}}),
    );
    let manifest = Manifest::check(document).unwrap_or_else(|faults| panic!("{faults}"));
    let mut value = json!({});
    for _ in 0..95 {
        value = json!({ "a": value });
    }
    assert_eq!(manifest.validators().output("users.get_user", &value), Ok(()));
    let mut wrong = json!(1);
    for _ in 0..95 {
        wrong = json!({ "a": wrong });
    }
    assert_eq!(manifest.validators().output("users.get_user", &wrong).unwrap_err()[0].path, "/a".repeat(95));
}
