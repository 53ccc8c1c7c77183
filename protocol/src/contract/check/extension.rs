//! The shape of what stands under `x-plugline`, by `schema/profile.schema.json`.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use super::items;
use super::openrpc::{beside_meta, shipped};
use crate::contract::engine::{self, Formats};
use crate::contract::fault::Fault;

const PROFILE: &str = include_str!("../../../schema/profile.schema.json");

struct Shapes {
    root: Validator,
    method: Validator,
}

static SHAPES: LazyLock<Shapes> = LazyLock::new(|| {
    let schemas = beside_meta(shipped(PROFILE));
    let compile = |at| schemas.compile(at, Formats::Told).expect("the profile can be compiled");
    Shapes { root: compile("/definitions/root"), method: compile("/definitions/method") }
});

pub(super) fn check(document: &Value, faults: &mut Vec<Fault>) {
    match document.get("x-plugline") {
        None => faults.push(Fault::new(
            "/x-plugline",
            "CONTRACT-13",
            "it is missing, so that nothing says which contracts are provided",
            "add {\"protocol\": [1], \"provides\": [{\"contract\": …, \"version\": …}], \"requires\": [], \"config\": {…}, \"hostMethods\": []}",
        )),
        Some(extension) => {
            for fault in engine::faults(&SHAPES.root, extension) {
                let at = format!("/x-plugline{}", fault.path);
                let remedy = "give x-plugline the shape of CONTRACT-13; protocol/schema/profile.schema.json has it";
                faults.push(Fault::new(at, "CONTRACT-13", fault.message, remedy));
            }
        }
    }
    for (at, method) in items(document, "/methods").chain(items(document, "/x-plugline/hostMethods")) {
        let Some(extension) = method.get("x-plugline") else { continue };
        for fault in engine::faults(&SHAPES.method, extension) {
            let rule = if fault.path.starts_with("/examples") { "CONTRACT-20" } else { "CONTRACT-19" };
            let at = format!("{at}/x-plugline{}", fault.path);
            let remedy = "give it the shape of that requirement; protocol/schema/profile.schema.json has it";
            faults.push(Fault::new(at, rule, fault.message, remedy));
        }
    }
}
