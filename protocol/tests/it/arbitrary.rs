//! Strategies that several tests draw from: what may stand in a message.

use plugline_protocol::wire::encode::MAX_DEPTH;
use plugline_protocol::wire::{MAX_INTEGER, Meta, RequestId};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// Characters that a line format could trip over.
const AWKWARD: &[char] = &[
    '"',
    '\\',
    '/',
    '\n',
    '\r',
    '\t',
    '\0',
    '\u{1f}',
    '\u{7f}',
    '\u{85}',
    '\u{2028}',
    '\u{2029}',
    '\u{feff}',
    '\u{10ffff}',
    '{',
    '[',
];

pub(crate) fn text() -> impl Strategy<Value = String> {
    let character = prop_oneof![any::<char>(), select(AWKWARD), proptest::char::range('a', 'z')];
    vec(character, 0..12).prop_map(String::from_iter)
}

/// Integers that every side keeps exactly.
pub(crate) fn integer() -> impl Strategy<Value = i64> {
    const MAX: i64 = MAX_INTEGER.cast_signed();
    prop_oneof![-MAX..=MAX, select(&[0, -1, MAX, -MAX][..])]
}

pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        integer().prop_map(Value::from),
        any::<i32>().prop_map(|eighths| json!(f64::from(eighths) / 8.0)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![vec(inner.clone(), 0..6).prop_map(Value::from), object(inner).prop_map(Value::from),]
    })
}

/// JSON that is nested up to what a message has room for below its own object.
pub(crate) fn deep_json() -> impl Strategy<Value = Value> {
    (json(), 0..MAX_DEPTH, any::<bool>()).prop_map(|(inner, wanted, as_object)| {
        (depth(&inner)..wanted)
            .fold(inner, |inner, _| if as_object { json!({ "deeper": inner }) } else { json!([inner]) })
    })
}

/// Params without the member that belongs to the protocol.
pub(crate) fn params() -> impl Strategy<Value = Map<String, Value>> {
    (object(json()), option::of(deep_json())).prop_map(|(mut params, deep)| {
        params.remove("_meta");
        // The params are a level of their own.
        if let Some(deep) = deep.filter(|deep| depth(deep) < MAX_DEPTH - 1) {
            params.insert("deep".into(), deep);
        }
        params
    })
}

pub(crate) fn id() -> impl Strategy<Value = RequestId> {
    let number = prop_oneof![0..=MAX_INTEGER, Just(0), Just(MAX_INTEGER)];
    prop_oneof![
        number.prop_map(RequestId::Number),
        text().prop_map(|text| RequestId::Text(text.into())),
        any::<u32>().prop_map(|number| RequestId::Text(number.to_string().into())),
    ]
}

pub(crate) fn method() -> impl Strategy<Value = String> {
    prop_oneof![select(&["users.get_user", "rpc.ping", "a", ""][..]).prop_map(String::from), text()]
}

pub(crate) fn meta() -> impl Strategy<Value = Meta> {
    (option::of(0..=MAX_INTEGER), option::of(id()), option::of(text()))
        .prop_map(|(deadline_ms, parent, traceparent)| Meta { deadline_ms, parent, traceparent })
}

fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    vec((text(), value), 0..6).prop_map(Map::from_iter)
}

/// How deep a value is nested; a scalar is 0.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
