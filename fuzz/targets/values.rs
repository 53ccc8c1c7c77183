//! Schemas made of choices, and values: what is made from a schema fits it, and is the same each time; a fault has a
//! place; and where the diff of two schemas says that callers need not change, what they send and take still fits.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::{Corpus, fuzz_target};
use plugline_fuzz::document::schema;
use plugline_fuzz::json::Json;
use plugline_protocol::contract::{Diff, Faults, Level, Manifest, Part, same};
use serde_json::{Value, json};

fuzz_target!(init: keeps_the_rules(), |bytes: &[u8]| -> Corpus {
    let mut u = Unstructured::new(bytes);
    let checked = (|| {
        let names = vec!["T".to_owned()];
        let (of_params, of_result) = (schema(&mut u, &names, 3)?, schema(&mut u, &names, 3)?);
        let shared = schema(&mut u, &names, 2)?;
        let Ok(old) = manifest(&of_params, &of_result, &shared) else { return Ok(false) };
        let value = Json::arbitrary(&mut u)?.0;
        check(&old, &value);
        let (other_params, other_result) = (schema(&mut u, &names, 3)?, schema(&mut u, &names, 3)?);
        if let Ok(new) = manifest(&other_params, &of_result, &shared) {
            still_fits(&old, &new, Part::Params);
        }
        if let Ok(new) = manifest(&of_params, &other_result, &shared) {
            still_fits(&old, &new, Part::Result);
        }
        Ok::<_, arbitrary::Error>(true)
    })();
    if checked == Ok(true) { Corpus::Keep } else { Corpus::Reject }
});

/// Whether the document around the schemas is one at all: otherwise nothing would ever be looked at.
fn keeps_the_rules() {
    manifest(&json!(true), &json!(true), &json!(true)).expect("the document keeps the rules");
}

fn manifest(of_params: &Value, of_result: &Value, shared: &Value) -> Result<Manifest, Faults> {
    let document = json!({
        "openrpc": "1.3.2",
        "info": { "title": "a", "version": "1.0.0" },
        "methods": [{
            "name": "a.m",
            "paramStructure": "by-name",
            "params": [{ "name": "v", "required": true, "schema": of_params }],
            "result": { "name": "r", "schema": of_result },
        }],
        "components": { "schemas": { "T": shared } },
        "x-plugline": {
            "protocol": [1], "provides": [{ "contract": "a", "version": "1.0.0" }], "requires": [], "config": {},
            "hostMethods": []
        }
    });
    Manifest::check(document)
}

fn check(manifest: &Manifest, value: &str) {
    let validators = manifest.validators();
    if let Ok(value) = serde_json::from_str::<Value>(value) {
        assert!(same(&value, &value));
        for checked in [validators.params("a.m", &json!({ "v": value })), validators.result("a.m", &value)] {
            if let Err(faults) = checked {
                assert!(!faults.is_empty());
                assert!(faults.iter().all(|fault| fault.path.is_empty() || fault.path.starts_with('/')));
            }
        }
        assert!(validators.params("a.m", &json!({ "v": value, "another": 1 })).is_err(), "params are closed");
    }
    for seed in 0..4 {
        for part in [Part::Params, Part::Result] {
            let Some(made) = validators.make("a.m", part, seed) else { continue };
            let fits = match part {
                Part::Params => validators.params("a.m", &made),
                _ => validators.result("a.m", &made),
            };
            assert_eq!(fits, Ok(()), "{made}");
            assert_eq!(validators.make("a.m", part, seed), Some(made));
        }
    }
}

/// What a caller sent before, it may go on to send; what it is given, it could take before.
fn still_fits(old: &Manifest, new: &Manifest, part: Part) {
    let diff = Diff::between(old, new);
    if diff.changes.iter().any(|change| change.callers == Level::Major) {
        return;
    }
    for seed in 0..6 {
        let (made, fits) = match part {
            Part::Params => {
                let Some(made) = old.validators().make("a.m", part, seed) else { continue };
                let fits = new.validators().params("a.m", &made);
                (made, fits)
            }
            _ => {
                let Some(made) = new.validators().make("a.m", part, seed) else { continue };
                let fits = old.validators().result("a.m", &made);
                (made, fits)
            }
        };
        assert_eq!(fits, Ok(()), "{made} as {part:?}, and callers are told of {:?}", diff.changes);
    }
}
