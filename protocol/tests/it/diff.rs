//! What changed between two contracts: each rule of the table in `docs/contracts.md`, from both sides.

use plugline_protocol::contract::{Diff, Level, Manifest, Owner};
use serde_json::{Value, json};

use Level::{Major, Minor, Patch};

/// A contract with one method that takes `x` of that schema and returns that schema.
fn manifest(params: Value, result: &Value, shared: &Value) -> Value {
    json!({
        "openrpc": "1.3.2", "info": {"title": "t", "version": "1.0.0"},
        "methods": [{"name": "c.m", "paramStructure": "by-name", "params": params,
                     "result": {"name": "result", "schema": result}, "x-plugline": {}}],
        "components": {"schemas": shared},
        "x-plugline": {"protocol": [1], "provides": [{"contract": "c", "version": "1.0.0"}],
                       "requires": [], "config": {"type": "object"}, "hostMethods": []}
    })
}

fn diff(old: &Value, new: &Value) -> Diff {
    let read =
        |document: &Value| Manifest::check(document.clone()).unwrap_or_else(|faults| panic!("{faults}"));
    Diff::between(&read(old), &read(new))
}

/// The worst that a change means, to callers and to implementers.
fn worst(diff: &Diff) -> Option<(Level, Level)> {
    let callers = diff.changes.iter().map(|change| change.callers).max()?;
    Some((callers, diff.changes.iter().map(|change| change.implementers).max()?))
}

fn with(schema: &Value, way: Way, shared: &Value) -> Value {
    match way {
        Way::In => manifest(
            json!([{"name": "x", "required": true, "schema": schema}]),
            &json!({"type": "null"}),
            shared,
        ),
        Way::Out => manifest(json!([]), schema, shared),
    }
}

#[derive(Clone, Copy)]
enum Way {
    In,
    Out,
}

/// What lets through more than before: callers may send more, and may get more.
fn wider(old: Value, new: Value) {
    let none = json!({});
    for (old, new, expected) in [
        (with(&old, Way::In, &none), with(&new, Way::In, &none), (Minor, Major)),
        (with(&old, Way::Out, &none), with(&new, Way::Out, &none), (Major, Minor)),
        (with(&new, Way::In, &none), with(&old, Way::In, &none), (Major, Minor)),
        (with(&new, Way::Out, &none), with(&old, Way::Out, &none), (Minor, Major)),
    ] {
        let seen = diff(&old, &new);
        assert_eq!(worst(&seen), Some(expected), "{old:#} → {new:#}: {seen:#?}");
    }
}

/// What lets through other values than before.
fn other(old: Value, new: Value) {
    let none = json!({});
    for way in [Way::In, Way::Out] {
        let seen = diff(&with(&old, way, &none), &with(&new, way, &none));
        assert_eq!(worst(&seen), Some((Major, Major)), "{old} → {new}: {seen:#?}");
    }
}

/// What lets through the same.
fn same(old: Value, new: Value, shared: (Value, Value)) {
    for way in [Way::In, Way::Out] {
        let seen = diff(&with(&old, way, &shared.0), &with(&new, way, &shared.1));
        assert_eq!(seen.changes, [], "{old} → {new}");
        let back = diff(&with(&new, way, &shared.1), &with(&old, way, &shared.0));
        assert_eq!(back.changes, [], "{new} → {old}");
    }
}

#[test]
fn what_lets_through_more() {
    wider(json!({"enum": ["a"]}), json!({"enum": ["a", "b"]}));
    wider(json!({"enum": ["a"]}), json!({"type": "string"}));
    wider(json!({"const": "a"}), json!({"oneOf": [{"const": "a"}, {"const": "b", "description": "B"}]}));
    wider(json!({"type": "string"}), json!({"type": ["string", "null"]}));
    wider(json!({"type": "integer"}), json!({"type": "number"}));
    wider(json!({"type": "string"}), json!({"anyOf": [{"type": "string"}, {"type": "null"}]}));
    wider(json!({"type": "string"}), json!({}));
    wider(json!({"minimum": 2}), json!({"minimum": 1}));
    wider(json!({"exclusiveMaximum": 2}), json!({"exclusiveMaximum": 3}));
    wider(json!({"maxLength": 2}), json!({}));
    wider(json!({"minItems": 1}), json!({"minItems": 0}));
    wider(json!({"pattern": "^a"}), json!({}));
    wider(json!({"format": "uuid"}), json!({}));
    wider(json!({"format": "int32"}), json!({"format": "int64"}));
    wider(json!({"multipleOf": 4}), json!({"multipleOf": 2}));
    wider(json!({"uniqueItems": true}), json!({}));
    wider(json!({"items": {"type": "integer"}}), json!({"items": {"type": "number"}}));
    wider(json!({"items": {"type": "integer"}}), json!({}));
    wider(json!({"properties": {"a": {}}, "required": ["a"]}), json!({"properties": {"a": {}}}));
    wider(json!({"properties": {"a": {"maximum": 1}}}), json!({"properties": {"a": {"maximum": 2}}}));
    wider(json!({"additionalProperties": false}), json!({}));
    wider(json!({"additionalProperties": {"type": "string"}}), json!({"additionalProperties": true}));
    wider(json!({"patternProperties": {"^a": {"type": "string"}}}), json!({}));
    wider(json!({"not": {"type": "string"}}), json!({}));
    let (a, b) = (tagged("a"), tagged("b"));
    wider(json!({"oneOf": [a]}), json!({"oneOf": [a, b]}));
    wider(a.clone(), json!({"oneOf": [a, b]}));
    wider(json!({"anyOf": [{"minimum": 2}, b]}), json!({"anyOf": [{"minimum": 1}, b]}));
    let (x, y) = (wrapped("x"), wrapped("y"));
    wider(json!({"oneOf": [x]}), json!({"oneOf": [x, y]}));
    wider(json!({"oneOf": [{"type": "string"}]}), json!({"oneOf": [{"type": "string"}, {"const": 1}, a]}));
    // Those that overlap keep out what is of both.
    let (short, word) =
        (json!({"type": "string", "maxLength": 3}), json!({"type": "string", "pattern": "^a"}));
    wider(json!({"oneOf": [short, word]}), json!({"anyOf": [short, word]}));
}

/// One of a choice that a member tells apart.
fn tagged(tag: &str) -> Value {
    json!({"type": "object", "properties": {"k": {"const": tag}}, "required": ["k"]})
}

/// One of a choice that is told by its only member.
fn wrapped(name: &str) -> Value {
    json!({"type": "object", "properties": {name: {}}, "required": [name], "additionalProperties": false})
}

#[test]
fn alternatives_that_overlap_let_through_others() {
    let loose = |tag: &str| json!({"properties": {"k": {"const": tag}}});
    other(json!({"oneOf": [loose("a")]}), json!({"oneOf": [loose("a"), loose("b")]}));
    other(json!({"oneOf": [{}, {"const": 1}]}), json!({"oneOf": [{}]}));
    other(
        json!({"oneOf": [{"type": "integer"}]}),
        json!({"oneOf": [{"type": "integer"}, {"type": "number"}]}),
    );
    other(
        json!({"oneOf": [{"type": "integer"}, {"minimum": 3}]}),
        json!({"oneOf": [{"type": "integer"}, {"minimum": 2}]}),
    );
    other(json!({"oneOf": [{"const": 1}, {"const": 1}]}), json!({"oneOf": [{"const": 1}]}));
    other(json!({"oneOf": [{"const": 1}, {"const": 1.0}]}), json!({"const": 1}));
}

/// A member that is described anew was whatever it liked; a value that was listed has one of its own.
#[test]
fn listed_values_with_members_that_are_described_now_need_not_fit() {
    let listed = |kind: &str, value: Value| json!({"type": kind, "enum": [value]});
    let described = json!({"type": "object", "properties": {"a": {"type": "object"}}});
    other(listed("object", json!({"a": 1})), described.clone());
    other(listed("array", json!([{"a": 1}])), json!({"type": "array", "items": described}));
    wider(listed("object", json!({"b": 1})), json!({"type": "object"}));
    wider(listed("array", json!([1])), json!({"type": "array"}));
}

#[test]
fn listed_values_of_another_type_were_never_possible() {
    wider(json!({"type": "number", "const": "a"}), json!({"const": "a"}));
    wider(json!({"type": "number", "enum": ["a", 1]}), json!({"enum": ["a", 1]}));
    wider(json!({"allOf": [{"type": "number"}, {"const": "a"}]}), json!({"const": "a"}));
    wider(json!({"oneOf": [{"type": "number", "const": "a"}, {"const": 1}]}), json!({"enum": ["a", 1]}));
    wider(json!({"type": "number", "oneOf": [{"const": "a"}, {"const": 1}]}), json!({"enum": ["a", 1]}));
    same(json!({"type": "integer", "enum": [1.0, "a"]}), json!({"enum": [1.0]}), (json!({}), json!({})));
    // 2.0 fits both, so neither lets it through.
    other(
        json!({"oneOf": [{"const": 2.0}, {"type": "integer"}]}),
        json!({"oneOf": [{"const": "a"}, {"type": "integer"}]}),
    );
}

#[test]
fn null_beside_another_is_a_type() {
    let none = || (json!({}), json!({}));
    let same_both = |old: Value, new: Value| same(old, new, none());
    let described = |kind: Value| json!({"type": kind, "minLength": 3, "description": "d"});
    same_both(
        described(json!(["string", "null"])),
        json!({"anyOf": [described(json!("string")), {"type": "null"}]}),
    );
    same_both(
        described(json!(["string", "null"])),
        json!({"oneOf": [{"type": "null"}, described(json!("string"))]}),
    );
    same_both(
        json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        json!({"type": ["integer", "string"]}),
    );
    same_both(json!({"anyOf": [{"const": "a"}, {"type": "null"}]}), json!({"enum": ["a", null]}));
    same_both(
        json!({"title": "t", "anyOf": [{"type": "string"}, {"type": "null"}]}),
        json!({"title": "t", "type": ["string", "null"]}),
    );
    wider(json!({"type": "string"}), json!({"anyOf": [{"type": "string"}, {"type": "null"}]}));
    wider(json!({"enum": ["a", "b"]}), json!({"anyOf": [{"const": "a"}, {"const": "b"}, {"type": "null"}]}));
    // What is said of the text would be said of the number, too.
    wider(json!({"type": ["string", "integer"], "minimum": 3}), json!({"type": ["string", "integer"]}));
    wider(
        json!({"oneOf": [{"type": "number"}, {"type": "integer"}]}),
        json!({"anyOf": [{"type": "number"}, {"type": "integer"}]}),
    );
}

#[test]
fn the_same_tuple_in_other_words() {
    let tuple = |more: Value| {
        let mut schema = json!({"type": "array", "items": [{"type": "string"}, {"type": "integer"}],
                                "minItems": 2, "maxItems": 2});
        schema.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        schema
    };
    same(tuple(json!({})), tuple(json!({"additionalItems": false})), (json!({}), json!({})));
    same(json!({"items": {}, "additionalItems": false}), json!({"items": {}}), (json!({}), json!({})));
    other(
        json!({"items": [{"type": "string"}], "additionalItems": {"type": "string"}}),
        json!({"items": [{"type": "string"}], "additionalItems": {"type": "integer"}}),
    );
}

#[test]
fn members_by_pattern_fall_under_others_where_there_is_none() {
    let with = |patterns: Value, others: Value| json!({"type": "object", "properties": {"a": {}}, "patternProperties": patterns, "additionalProperties": others});
    let text = json!({"^x-": {"type": "string"}});
    wider(with(json!({}), json!(false)), with(text.clone(), json!(false)));
    wider(with(json!({}), json!(false)), with(json!({"^x-": {}}), json!(false)));
    wider(with(text.clone(), json!(true)), with(json!({}), json!(true)));
    wider(
        with(json!({}), json!({"type": "integer"})),
        with(json!({"^x-": {"type": "number"}}), json!({"type": "integer"})),
    );
    // It says more of what is described, too.
    other(with(json!({}), json!(false)), with(json!({"^a": {"type": "string"}}), json!(false)));
    other(
        with(text.clone(), json!(false)),
        with(json!({"^x-": {"type": "string"}, "^x": {"type": "string"}}), json!(false)),
    );
}

#[test]
fn numbers_and_lists_are_compared_exactly() {
    wider(json!({"maximum": 18_446_744_073_709_551_614_u64}), json!({"maximum": u64::MAX}));
    same(json!({"maximum": 5}), json!({"maximum": 5.0}), (json!({}), json!({})));
    same(json!({"maximum": 0}), json!({"maximum": -0.0}), (json!({}), json!({})));
    wider(json!({"const": 1, "enum": ["b", 2]}), json!({"const": 1}));
    same(json!({"const": 1, "enum": ["b", 1]}), json!({"const": 1}), (json!({}), json!({})));
}

#[test]
fn defaults_that_come_and_go() {
    let with = |schema: Value| {
        manifest(json!([{"name": "x", "schema": schema}]), &json!({"type": "null"}), &json!({}))
    };
    let (some, none) = (with(json!({"default": 5})), with(json!({})));
    assert_eq!(worst(&diff(&some, &none)), Some((Major, Patch)));
    assert_eq!(worst(&diff(&none, &some)), Some((Minor, Minor)));
}

#[test]
fn what_stands_beside_a_choice_counts() {
    let choice = json!([tagged("a"), tagged("b")]);
    wider(json!({"anyOf": choice, "minProperties": 3}), json!({"anyOf": choice}));
    wider(json!({"oneOf": choice, "anyOf": [{"required": ["x"]}]}), json!({"oneOf": choice}));
    other(tagged("a"), json!({"anyOf": choice, "minProperties": 3}));
    // What is said to people is none.
    wider(tagged("a"), json!({"anyOf": choice, "description": "one of two"}));
}

#[test]
fn what_lets_through_others() {
    other(json!({"type": "string"}), json!({"type": "integer"}));
    other(json!({"enum": ["a"]}), json!({"type": "integer"}));
    other(json!({"enum": ["a", "b"]}), json!({"enum": ["b", "c"]}));
    other(json!({"pattern": "a"}), json!({"pattern": "b"}));
    other(json!({"format": "uuid"}), json!({"format": "uri"}));
    other(json!({"format": "int32"}), json!({"format": "uint32"}));
    other(json!({"multipleOf": 2}), json!({"multipleOf": 3}));
    other(json!({"minimum": 1, "maximum": 5}), json!({"minimum": 2, "maximum": 6}));
    other(json!({"items": [{}]}), json!({"items": [{}, {}]}));
    other(json!({"if": {"type": "string"}}), json!({"if": {"type": "null"}}));
}

#[test]
fn what_is_the_same_in_other_words() {
    let none = || (json!({}), json!({}));
    same(json!({"const": 1}), json!({"enum": [1]}), none());
    same(
        json!({"oneOf": [{"const": "a"}, {"const": "b"}]}),
        json!({"type": "string", "enum": ["b", "a"]}),
        none(),
    );
    same(json!({"allOf": [{"type": "string"}]}), json!({"type": "string"}), none());
    same(json!({"minLength": 0}), json!({}), none());
    same(json!({"additionalProperties": true}), json!({}), none());
    same(
        json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
        json!({"anyOf": [{"type": "null"}, {"type": "string"}]}),
        none(),
    );
    let renamed = (json!({"A": {"type": "string"}}), json!({"B": {"type": "string"}}));
    same(
        json!({"$ref": "#/components/schemas/A"}),
        json!({"$ref": "#/components/schemas/B"}),
        renamed.clone(),
    );
    same(json!({"$ref": "#/components/schemas/A"}), json!({"type": "string"}), renamed);
    let list = |name: &str| json!({name: {"properties": {"next": {"$ref": format!("#/components/schemas/{name}")}}}});
    same(
        json!({"$ref": "#/components/schemas/L"}),
        json!({"$ref": "#/components/schemas/M"}),
        (list("L"), list("M")),
    );
}

#[test]
fn a_change_within_a_schema_that_holds_itself_is_found_once() {
    let list = |kind: &str| {
        json!({"L": {"type": "object",
                     "properties": {"next": {"$ref": "#/components/schemas/L"}, "value": {"type": kind}}}})
    };
    let schema = json!({"$ref": "#/components/schemas/L"});
    let seen = diff(&with(&schema, Way::Out, &list("string")), &with(&schema, Way::Out, &list("integer")));
    assert_eq!(seen.changes.len(), 1, "{seen:#?}");
    assert_eq!(seen.changes[0].place, "c.m result /value");
}

#[test]
fn members_are_added_and_removed() {
    let object = |members: Value, required: Value| json!({"type": "object", "properties": members, "required": required});
    let (less, more) = (object(json!({"a": {}}), json!([])), object(json!({"a": {}, "b": {}}), json!([])));
    let demanded = object(json!({"a": {}, "b": {}}), json!(["b"]));
    let none = json!({});
    let seen =
        |old: &Value, new: &Value, way| worst(&diff(&with(old, way, &none), &with(new, way, &none))).unwrap();
    assert_eq!(seen(&less, &more, Way::In), (Minor, Minor));
    assert_eq!(seen(&less, &demanded, Way::In), (Major, Major));
    assert_eq!(seen(&more, &less, Way::In), (Major, Minor));
    assert_eq!(seen(&demanded, &less, Way::In), (Major, Major));
    assert_eq!(seen(&less, &more, Way::Out), (Minor, Minor));
    assert_eq!(seen(&less, &demanded, Way::Out), (Minor, Minor));
    assert_eq!(seen(&more, &less, Way::Out), (Major, Minor));
    // Where the others are bound, so is the one that is added.
    let bound = |mut object: Value, others: Value| {
        object["additionalProperties"] = others;
        object
    };
    let (no_others, texts) = (json!(false), json!({"type": "string"}));
    let text = object(json!({"a": {}, "b": {"type": "string"}}), json!([]));
    let added = |more: &Value, others: &Value, way| {
        seen(&bound(less.clone(), others.clone()), &bound(more.clone(), others.clone()), way)
    };
    assert_eq!(added(&more, &no_others, Way::Out), (Major, Minor));
    assert_eq!(added(&more, &no_others, Way::In), (Minor, Minor));
    let removed =
        |way| seen(&bound(more.clone(), no_others.clone()), &bound(less.clone(), no_others.clone()), way);
    assert_eq!(removed(Way::Out), (Major, Major));
    assert_eq!(removed(Way::In), (Major, Minor));
    assert_eq!(added(&more, &texts, Way::Out), (Major, Minor));
    assert_eq!(added(&text, &texts, Way::Out), (Minor, Minor));
    assert_eq!(added(&text, &texts, Way::In), (Minor, Minor));
}

#[test]
fn params_are_added_and_removed() {
    let null = json!({"type": "null"});
    let none = json!({});
    let params = |params: Value| manifest(params, &null, &none);
    let x = json!({"name": "x", "required": true, "schema": {"type": "string"}});
    let (y, z) = (json!({"name": "y", "schema": {}}), json!({"name": "z", "required": true, "schema": {}}));
    let base = params(json!([x]));
    assert_eq!(worst(&diff(&base, &params(json!([x, y])))), Some((Minor, Minor)));
    assert_eq!(worst(&diff(&base, &params(json!([x, z])))), Some((Major, Major)));
    assert_eq!(worst(&diff(&params(json!([x, y])), &base)), Some((Major, Minor)));
    let loose = json!({"name": "x", "schema": {"type": "string"}});
    assert_eq!(worst(&diff(&base, &params(json!([loose])))), Some((Minor, Major)));
    let defaults = |value: i32| params(json!([{"name": "x", "schema": {"default": value}}]));
    assert_eq!(worst(&diff(&defaults(1), &defaults(2))), Some((Major, Major)));
}

#[test]
fn a_param_that_is_added_is_one_change() {
    let none = json!({});
    let old = manifest(json!([]), &json!({"type": "null"}), &none);
    let mut new = manifest(
        json!([{"name": "a", "description": "What for.", "schema": {"type": "string"}}]),
        &json!({"type": "null"}),
        &none,
    );
    let told = |old: &Value, new: &Value| -> Vec<String> {
        diff(old, new).changes.into_iter().map(|change| change.what).collect()
    };
    assert_eq!(told(&old, &new), ["it was added, and is optional"]);
    let before = new.clone();
    new["methods"][0]["params"][0]["description"] = json!("For that.");
    assert_eq!(told(&before, &new), ["what it says of itself was changed"]);
}

#[test]
fn what_becomes_deprecated_is_minor() {
    let old = manifest(json!([]), &json!({"type": "null"}), &json!({}));
    let mut new = old.clone();
    new["methods"][0]["deprecated"] = json!(true);
    for (before, after, told) in
        [(&old, &new, "it is deprecated"), (&new, &old, "it is deprecated no longer")]
    {
        let report = diff(before, after);
        assert_eq!(worst(&report), Some((Minor, Minor)));
        assert_eq!(report.changes[0].what, told);
        assert_eq!(report.changes.len(), 1);
    }
}

/// The base contract with this set at the method's `x-plugline`, with the OpenRPC errors that belong to it.
fn method(extension: Value) -> Value {
    let mut document = manifest(json!([]), &json!({"type": "null"}), &json!({}));
    if let Some(errors) = extension.get("errors").and_then(Value::as_array) {
        document["methods"][0]["errors"] =
            errors.iter().map(|error| json!({"code": error["code"], "message": error["message"]})).collect();
    }
    document["methods"][0]["x-plugline"] = extension;
    document
}

#[test]
fn streams_errors_and_promises() {
    let error =
        |code: i64, name: &str, message: &str| json!({"code": code, "name": name, "message": message});
    let one = json!({"errors": [error(1, "NotFound", "not found")]});
    let two = json!({"errors": [error(1, "NotFound", "not found"), error(2, "Full", "full")]});
    for (old, new, expected) in [
        (json!({}), json!({"output": {}}), (Major, Major)),
        (json!({"input": {}}), json!({}), (Major, Major)),
        (json!({"output": {"type": "integer"}}), json!({"output": {"type": "number"}}), (Major, Minor)),
        (json!({"input": {"type": "integer"}}), json!({"input": {"type": "number"}}), (Minor, Major)),
        (one.clone(), two.clone(), (Major, Minor)),
        (two, one.clone(), (Minor, Major)),
        (one.clone(), json!({"errors": "any"}), (Major, Minor)),
        (json!({"errors": "any"}), one.clone(), (Minor, Major)),
        (one.clone(), json!({"errors": [error(1, "NotFound", "nobody")]}), (Patch, Patch)),
        (one, json!({"errors": [error(1, "Nobody", "not found")]}), (Major, Major)),
        (json!({}), json!({"idempotent": true}), (Minor, Major)),
        (json!({"idempotent": true}), json!({}), (Major, Patch)),
    ] {
        let seen = diff(&method(old.clone()), &method(new.clone()));
        assert_eq!(worst(&seen), Some(expected), "{old} → {new}: {seen:#?}");
    }
}

#[test]
fn methods_are_added_and_removed_and_become_notifications() {
    let base = manifest(json!([]), &json!({"type": "null"}), &json!({}));
    let mut more = base.clone();
    let mut other = base["methods"][0].clone();
    other["name"] = json!("c.other");
    more["methods"].as_array_mut().unwrap().push(other);
    assert_eq!(worst(&diff(&base, &more)), Some((Minor, Minor)));
    assert_eq!(worst(&diff(&more, &base)), Some((Major, Major)));
    let mut silent = base.clone();
    silent["methods"][0].as_object_mut().unwrap().remove("result");
    assert_eq!(worst(&diff(&base, &silent)), Some((Major, Major)));
    let mut described = base.clone();
    described["methods"][0]["description"] = json!("Does it.");
    assert_eq!(worst(&diff(&base, &described)), Some((Patch, Patch)));
}

#[test]
fn a_method_of_the_host_has_its_roles_exchanged() {
    let with = |schema: Value| {
        let mut document = manifest(json!([]), &json!({"type": "null"}), &json!({}));
        document["x-plugline"]["hostMethods"] = json!([{"name": "c.ask", "paramStructure": "by-name", "params": [],
            "result": {"name": "result", "schema": schema}}]);
        document
    };
    let seen = diff(&with(json!({"enum": [1]})), &with(json!({"enum": [1, 2]})));
    assert_eq!(worst(&seen), Some((Minor, Major)));
}

#[test]
fn the_version_has_to_tell() {
    let base = manifest(json!([]), &json!({"type": "integer"}), &json!({}));
    let at = |result: &str, contract: &str| {
        let mut document = manifest(json!([]), &json!({ "type": result }), &json!({}));
        document["x-plugline"]["provides"][0]["version"] = json!(contract);
        document["info"]["version"] = json!(contract);
        document
    };
    let told = |new: &Value| diff(&base, new).is_told();
    assert!(told(&base));
    assert!(!told(&at("number", "1.0.0")));
    assert!(!told(&at("number", "1.9.0")));
    assert!(told(&at("number", "2.0.0")));
    assert!(!told(&at("integer", "0.9.0")));
    assert!(told(&at("integer", "1.1.0")));
    let seen = diff(&base, &at("number", "1.9.0"));
    let versions = seen.versions.iter().find(|it| it.owner == Owner::Contract("c".into())).unwrap();
    assert_eq!(
        versions.to_string(),
        "c 1.0.0 → 1.9.0: the changes are major, so it has to be 2.0.0 or higher"
    );
}

/// Who uses the plugin is told of what it provides and requires by the plugin's own version.
#[test]
fn versions_of_contracts_are_the_plugins_too() {
    let with = |plugin: &str, provided: &str, required: &str| {
        let mut document = manifest(json!([]), &json!({"type": "null"}), &json!({}));
        document["info"]["version"] = json!(plugin);
        document["x-plugline"]["provides"][0]["version"] = json!(provided);
        document["x-plugline"]["requires"] = json!([{"contract": "h", "version": required}]);
        document
    };
    let base = with("1.0.0", "1.0.0", "1.1.0");
    let callers = |new: &Value| diff(&base, new).changes.iter().map(|change| change.callers).max();
    for (provided, required, expected) in [
        ("1.0.1", "1.1.0", Level::Patch),
        ("1.1.0", "1.1.0", Level::Minor),
        ("2.0.0", "1.1.0", Level::Major),
        ("0.9.0", "1.1.0", Level::Major),
        ("1.0.0", "1.0.0", Level::Minor),
        ("1.0.0", "1.2.0", Level::Major),
        ("1.0.0", "2.0.0", Level::Major),
        ("1.0.0", "0.9.0", Level::Major),
    ] {
        assert_eq!(callers(&with("9.0.0", provided, required)), Some(expected), "{provided} {required}");
    }
    assert!(!diff(&base, &with("1.0.0", "2.0.0", "1.1.0")).is_told());
    assert!(diff(&base, &with("2.0.0", "2.0.0", "1.1.0")).is_told());
}

#[test]
fn the_config_is_the_plugins() {
    let with = |config: Value, version: &str| {
        let mut document = manifest(json!([]), &json!({"type": "null"}), &json!({}));
        document["x-plugline"]["config"] = config;
        document["info"]["version"] = json!(version);
        document
    };
    let old = with(json!({"properties": {"a": {"type": "string"}}}), "1.0.0");
    let new = |version| with(json!({"properties": {"a": {"type": "string"}}, "required": ["a"]}), version);
    let seen = diff(&old, &new("1.1.0"));
    assert_eq!(seen.changes[0].owner, Owner::Plugin);
    assert_eq!((seen.changes[0].callers, seen.changes[0].implementers), (Major, Patch));
    assert!(!seen.is_told());
    assert!(diff(&old, &new("2.0.0")).is_told());
    // Of another plugin that provides the same contract, only the contract is compared.
    let mut other = new("1.0.0");
    other["info"]["title"] = json!("other");
    assert_eq!(diff(&old, &other).changes, []);
}

#[test]
fn intricate_schemas_are_not_compared_for_ever() {
    let tower = |leaf: &str| {
        let mut schema = json!({ "type": leaf });
        for _ in 0..12 {
            schema = json!({"anyOf": [{"properties": {"a": schema}}, {"properties": {"b": schema}}]});
        }
        json!({ "T": schema })
    };
    let schema = json!({"$ref": "#/components/schemas/T"});
    let seen = diff(&with(&schema, Way::Out, &tower("string")), &with(&schema, Way::Out, &tower("integer")));
    assert_eq!(worst(&seen), Some((Major, Major)));
}

#[test]
fn long_ways_through_schemas_do_not_exhaust_the_stack() {
    let chain = |leaf: &str| {
        let mut shared = serde_json::Map::new();
        for level in 0..3_000 {
            let next = json!({"$ref": format!("#/components/schemas/L{}", level + 1)});
            shared.insert(format!("L{level}"), json!({"properties": {"a": next}}));
        }
        shared.insert("L3000".into(), json!({ "type": leaf }));
        Value::Object(shared)
    };
    let schema = json!({"$ref": "#/components/schemas/L0"});
    let seen = diff(&with(&schema, Way::Out, &chain("string")), &with(&schema, Way::Out, &chain("integer")));
    assert_eq!(worst(&seen), Some((Major, Major)));
    assert_eq!(
        diff(&with(&schema, Way::Out, &chain("string")), &with(&schema, Way::Out, &chain("string"))).changes,
        []
    );
}
