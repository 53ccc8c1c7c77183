//! Whether a document is a manifest: first that it is OpenRPC, then that it keeps to the profile of section 7 of
//! `SPEC.md`, then that its examples fit its schemas. Every check looks at what has the right shape and leaves the
//! rest to the check of shapes, so that all faults are told at once.

mod bounds;
mod examples;
mod extension;
mod methods;
mod openrpc;
mod root;
mod schemas;

use std::collections::HashSet;
use std::hash::Hash;

use serde_json::Value;

use super::fault::Fault;
use super::places::items;

pub(crate) use examples::check as examples;

/// All that is wrong with a document, but for its examples, which need its schemas to be right.
pub(crate) fn all(document: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !bounds::check(document, &mut faults) {
        // What is too deep is not looked into.
        return faults;
    }
    openrpc::check(document, &mut faults);
    extension::check(document, &mut faults);
    root::check(document, &mut faults);
    methods::check(document, &mut faults);
    schemas::check(document, &mut faults);
    faults
}

/// A text member.
fn text<'a>(value: &'a Value, member: &str) -> Option<&'a str> {
    value.get(member).and_then(Value::as_str)
}

/// Tells what stands twice in a list, which may be as long as a document.
fn unique<T: Eq + Hash>(named: impl Iterator<Item = (String, T)>, mut tell: impl FnMut(String, &T)) {
    let mut seen = HashSet::new();
    for (at, name) in named {
        if seen.contains(&name) {
            tell(at, &name);
        } else {
            seen.insert(name);
        }
    }
}
