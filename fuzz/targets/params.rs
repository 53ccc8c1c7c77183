//! Params → the types of handlers. A closed type takes what serde takes of the same members without `_meta`, and
//! nothing else; an open one ignores what it does not know; `_meta` is read alike however it is written; each fault has a
//! place; bytes and big integers come back as they were.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use plugline_fuzz::json::{Json, entries};
use plugline_protocol::wire::{Big, Bytes, Error, Meta, Params, RequestId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Plain {
    a: i64,
    #[serde(default)]
    b: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    a: i64,
    #[serde(default)]
    b: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Rich {
    list: Vec<f64>,
    #[serde(default)]
    big: Option<Big<i128>>,
    #[serde(default)]
    data: Bytes,
    #[serde(default)]
    kind: Option<Kind>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictRich {
    list: Vec<f64>,
    #[serde(default)]
    big: Option<Big<i128>>,
    #[serde(default)]
    data: Bytes,
    #[serde(default)]
    kind: Option<Kind>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    #[serde(rename = "a")]
    One,
    #[serde(rename = "b")]
    Two(u8),
    #[serde(rename = "list")]
    Three { a: u8 },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check(text);
    }
    if let Ok(text) = near_params(&mut Unstructured::new(bytes)) {
        check(&text);
    }
    check_values(bytes);
});

fn near_params(u: &mut Unstructured<'_>) -> arbitrary::Result<String> {
    const FORMS: &[&[(&str, &str)]] = &[
        &[],
        &[("a", "1")],
        &[("a", "1"), ("b", "\"x\"")],
        &[("list", "[1, 2.5]")],
        &[("list", "[]"), ("kind", "{\"b\":3}"), ("big", "\"-5\""), ("data", "\"cGx1Zw==\"")],
        &[("_meta", "{\"deadlineMs\":5,\"parent\":3}")],
    ];
    let form = *u.choose(FORMS)?;
    let mut text = Json::object(u, form)?.0;
    if u.ratio(1_u8, 3_u8)? {
        // As this project's own writers have it: at the end.
        let meta = match u.int_in_range(0..=3)? {
            0 => format!("{{\"deadlineMs\":{}}}", u64::arbitrary(u)?),
            1 => format!("{{\"deadlineMs\":{},\"parent\":{}}}", u32::arbitrary(u)?, u64::arbitrary(u)?),
            2 => format!("{{\"deadlineMs\":{}}}", Json::arbitrary(u)?.0),
            _ => Json::arbitrary(u)?.0,
        };
        text.pop();
        text.push_str(if text == "{" { "\"_meta\":" } else { ",\"_meta\":" });
        text.push_str(&meta);
        text.push('}');
    }
    Ok(text)
}

fn check(text: &str) {
    let Ok(raw) = serde_json::from_str::<&RawValue>(text) else { return };
    let params = Params::from_raw(raw);
    let meta = params.meta();
    let entries = entries(raw.get());
    if let Some(entries) = &entries {
        check_meta(&meta, entries);
    }
    compare::<Plain, Strict>(&params, entries.as_deref(), |ours, theirs| {
        (ours.a, &ours.b) == (theirs.a, &theirs.b)
    });
    compare::<Rich, StrictRich>(&params, entries.as_deref(), |ours, theirs| {
        (&ours.list, &ours.big, &ours.data, &ours.kind)
            == (&theirs.list, &theirs.big, &theirs.data, &theirs.kind)
    });
    compare::<(), Nothing>(&params, entries.as_deref(), |(), _| true);
    let open = params.decode_open::<Plain>();
    told(&open);
    if let Ok(closed) = params.decode::<Plain>() {
        assert_eq!(open, Ok(closed));
    }
    let value = params.decode::<serde_json::Value>();
    told(&value);
    assert!(value.is_err() || entries.is_none() || value.is_ok_and(|value| value.get("_meta").is_none()));
}

fn compare<T: DeserializeOwned + std::fmt::Debug, U: DeserializeOwned + std::fmt::Debug>(
    params: &Params<'_>,
    entries: Option<&[(String, String)]>,
    same: impl Fn(&T, &U) -> bool,
) {
    let ours = params.decode::<T>();
    told(&ours);
    let Some(entries) = entries else {
        assert!(ours.is_err() || params.is_object(), "an array was taken");
        return;
    };
    let rest: Vec<String> = entries
        .iter()
        .filter(|(name, _)| name != "_meta")
        .map(|(name, value)| format!("{}:{value}", serde_json::to_string(name).expect("a string")))
        .collect();
    let theirs = serde_json::from_str::<U>(&format!("{{{}}}", rest.join(",")));
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => assert!(same(ours, theirs), "{ours:?} {theirs:?}"),
        (Err(_), Err(_)) => {}
        _ => panic!("{} as {ours:?} and {theirs:?}", params.get()),
    }
}

/// -32602, with where and what.
fn told<T>(decoded: &Result<T, Error>) {
    let Err(error) = decoded else { return };
    assert_eq!(error.code.code(), -32602);
    let faults = error.data.as_ref().and_then(|data| data["errors"].as_array()).expect("data.errors");
    for fault in faults {
        let path = fault["path"].as_str().expect("a path");
        assert!(path.is_empty() || path.starts_with('/'), "{path:?} is no JSON Pointer");
        assert!(!fault["message"].as_str().expect("a message").is_empty());
    }
    assert!(!faults.is_empty());
}

/// Read in the simplest way there is.
fn check_meta(meta: &Meta, entries: &[(String, String)]) {
    let mut metas = entries.iter().filter(|(name, _)| name == "_meta");
    let (Some((_, text)), None) = (metas.next(), metas.next()) else { return };
    let Some(members) = self::entries(text) else {
        return;
    };
    let mut names: Vec<&String> = members.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() != members.len() {
        return;
    }
    let find =
        |wanted: &str| members.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let wanted = Meta {
        deadline_ms: find("deadlineMs").and_then(|text| serde_json::from_str(text).ok()),
        parent: find("parent").and_then(|text| serde_json::from_str::<RequestId>(text).ok()),
        traceparent: find("traceparent").and_then(|text| serde_json::from_str(text).ok()),
    };
    assert_eq!(*meta, wanted, "{text}");
}

fn check_values(bytes: &[u8]) {
    let text = serde_json::to_string(&Bytes::from(bytes)).expect("bytes have a JSON form");
    assert_eq!(serde_json::from_str::<Bytes>(&text).expect("they come back").0, bytes);
    if let Ok(read) = serde_json::from_slice::<Bytes>(bytes) {
        let again = serde_json::to_string(&read).expect("bytes have a JSON form");
        assert_eq!(serde_json::from_str::<Bytes>(&again).expect("they come back"), read);
    }
    if let Ok(read) = serde_json::from_slice::<Big<i128>>(bytes) {
        let again = serde_json::to_string(&read).expect("integers have a JSON form");
        assert_eq!(serde_json::from_str::<Big<i128>>(&again).expect("it comes back"), read);
    }
    if let Ok(read) =
        std::str::from_utf8(bytes).map_err(drop).and_then(|text| RequestId::from_json(text).map_err(drop))
    {
        let again = serde_json::to_string(&read).expect("an id has a JSON form");
        assert_eq!(RequestId::from_json(&again), Ok(read.clone()));
        assert_eq!(serde_json::from_str::<RequestId>(&again).expect("it comes back"), read);
    }
}
