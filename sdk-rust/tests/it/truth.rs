//! A plugin that does not do what its manifest says is found out by any test that calls it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use plugline_sdk::testing::{Harness, Running, StartError};
use plugline_sdk::{Call, Error, Method, Output, Plugin, error};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A number whose schema says that it is below ten, which its type does not.
#[derive(Serialize, Deserialize)]
struct Digit(u32);

impl JsonSchema for Digit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Digit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": 0, "maximum": 9})
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Take {
    digit: Digit,
}

fn plugin() -> Plugin {
    Plugin::new("liar", "0.1.0")
        .provides("lies", "1.0.0")
        .method(
            Method::new("lies.double", |(), take: Take, _: &Call| match take.digit.0 {
                7 => Err(error(7, "seven", None)),
                8 => Err(error(8, "eight", None)),
                6 => Err(plugline_sdk::Error::new(plugline_sdk::ErrorCode::InvalidParams)),
                digit => Ok(Digit(digit * 2)),
            })
            .error(7, "Seven", "seven"),
        )
        .method(Method::with_output("lies.count", |(), take: Take, _: &Call, output: Output<'_, Digit>| {
            (0..=take.digit.0 * 2).try_for_each(|number| output.send(&Digit(number)))
        }))
}

/// What the harness says of a call, if it does not hold.
fn lie(call: impl FnOnce(&Running)) -> Option<String> {
    let running = Harness::new().start(plugin()).unwrap();
    let caught = catch_unwind(AssertUnwindSafe(|| call(&running))).err()?;
    Some(*caught.downcast::<String>().expect("a panic with a text"))
}

fn double(digit: u32) -> Option<String> {
    lie(|running| drop(running.call::<Value>("lies.double", &json!({ "digit": digit }))))
}

#[test]
fn what_holds_is_not_complained_of() {
    assert_eq!(double(3), None);
    assert_eq!(double(7), None);
    assert_eq!(lie(|running| drop(running.call::<Value>("lies.double", &json!({"digit": "3"})))), None);
    assert_eq!(lie(|running| drop(running.call::<Value>("lies.none", &json!({})))), None);
    assert_eq!(lie(|running| drop(running.collect::<u32, ()>("lies.count", &json!({"digit": 4})))), None);
}

#[test]
fn what_does_not_hold_is_told() {
    for (told, about) in [
        (double(5), "it returned what its manifest does not say"),
        (double(12), "it took params that its manifest does not let through: /digit"),
        (double(8), "it answered an error that its manifest does not say"),
        (double(6), "refused params that its manifest lets through"),
        (
            lie(|running| drop(running.collect::<u32, ()>("lies.count", &json!({"digit": 5})))),
            "it sent an item that its manifest does not say",
        ),
    ] {
        let told = told.unwrap_or_else(|| panic!("nothing was said of: {about}"));
        assert!(told.contains(about), "{told}");
    }
}

#[test]
fn a_harness_without_checks_says_nothing() {
    let running = Harness::new().unchecked().start(plugin()).unwrap();
    assert_eq!(running.call::<u32>("lies.double", &json!({"digit": 5})).unwrap(), 10);
}

#[test]
fn a_plugin_whose_manifest_breaks_its_rules_does_not_start() {
    let plugin = Plugin::new("stray", "0.1.0")
        .method(Method::new("lies.tell", |(), (): (), _: &Call| Ok::<_, Error>(())));
    let Err(StartError::Manifest(faults)) = Harness::new().start(plugin) else { panic!("it started") };
    assert_eq!(faults.as_slice()[0].rule, "MSG-35");
}

#[test]
fn a_validated_plugin_serves_nothing_that_differs() {
    let plugin = plugin().validated().unwrap();
    let running = Harness::new().unchecked().start(plugin).unwrap();
    let code = |digit: u32| match running.call::<u32>("lies.double", &json!({ "digit": digit })) {
        Ok(double) => Ok(double),
        Err(plugline_sdk::CallError::Remote(error)) => {
            Err((error.code.code(), error.data.unwrap_or_default()))
        }
        Err(other) => panic!("{other}"),
    };
    assert_eq!(code(3), Ok(6));
    let (refused, data) = code(12).unwrap_err();
    assert_eq!((refused, &data["errors"][0]["path"]), (-32602, &json!("/digit")));
    assert_eq!(code(5).unwrap_err().0, -32603);
    assert_eq!(code(7).unwrap_err().0, 7);
    assert_eq!(code(8).unwrap_err().0, -32603);
}
