//! A plugin made of a contract alone.

use plugline_protocol::contract::Manifest;
use plugline_protocol::peer::CallError;
use plugline_sdk::testing::{Harness, Running, StartError, mock};
use serde_json::{Value, json};

fn contract() -> Manifest {
    let document = json!({
        "openrpc": "1.3.2", "info": {"title": "shop", "version": "1.0.0"},
        "methods": [
            {"name": "shop.price", "paramStructure": "by-name",
             "params": [{"name": "item", "required": true, "schema": {"type": "string", "minLength": 1}},
                        {"name": "count", "schema": {"type": "number"}}],
             "result": {"name": "price", "schema": {"type": "integer", "minimum": 1, "maximum": 50}},
             "errors": [{"code": 4, "message": "sold out"}],
             "examples": [{"name": "two apples", "params": [{"name": "item", "value": "apple"}, {"name": "count", "value": 2}],
                           "result": {"name": "price", "value": 5}}],
             "x-plugline": {"errors": [{"code": 4, "name": "SoldOut", "message": "sold out",
                                        "data": {"type": "object", "required": ["until"],
                                                 "properties": {"until": {"type": "string", "format": "date"}}}}],
                            "examples": [{"name": "none", "params": {"item": "pear"}, "error": {"code": 4}}]}},
            {"name": "shop.list", "paramStructure": "by-name", "params": [{"name": "from", "schema": {"type": "integer"}}],
             "result": {"name": "result", "schema": {"type": "null"}},
             "x-plugline": {"output": {"enum": ["apple", "pear", "plum"]},
                            "examples": [{"name": "all", "params": {}, "output": ["apple", "pear"]}]}},
            {"name": "shop.sum", "paramStructure": "by-name", "params": [],
             "result": {"name": "result", "schema": {"type": "integer"}},
             "x-plugline": {"input": {"type": "integer"}, "examples": [
                {"name": "one", "params": {}, "input": [1], "result": 1},
                {"name": "two", "params": {}, "input": [1, 2], "result": 3}]}},
            {"name": "shop.opened", "paramStructure": "by-name", "params": []}],
        "components": {"schemas": {}},
        "x-plugline": {"protocol": [1], "provides": [{"contract": "shop", "version": "1.0.0"}], "requires": [],
                       "config": {"type": "object", "properties": {"town": {"type": "string"}}}, "hostMethods": []}
    });
    Manifest::check(document).unwrap_or_else(|faults| panic!("{faults}"))
}

fn shop(seed: u64) -> Running {
    Harness::new().start(mock(&contract(), seed)).unwrap_or_else(|fault| panic!("{fault}"))
}

fn refused(outcome: Result<Value, CallError>) -> plugline_sdk::Error {
    match outcome {
        Err(CallError::Remote(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_that_an_example_shows_is_answered_as_it_shows() {
    let shop = shop(0);
    assert_eq!(shop.call::<u32>("shop.price", &json!({"item": "apple", "count": 2.0})).unwrap(), 5);
    let error = refused(shop.call("shop.price", &json!({"item": "pear"})));
    assert_eq!((error.code.code(), error.message.as_str()), (4, "sold out"));
    assert!(error.data.unwrap()["until"].is_string());
    let (items, ()) = shop.collect::<String, ()>("shop.list", &json!({})).unwrap();
    assert_eq!(items, ["apple", "pear"]);
    let sum = |items: &[i64]| shop.feed::<Value, i64>("shop.sum", &json!({}), items).unwrap().1;
    assert_eq!(sum(&[1]), 1);
    assert_eq!(sum(&[1, 2]), 3);
}

#[test]
fn any_other_call_is_answered_from_the_schemas_and_always_the_same() {
    let made = |seed: u64| -> (Vec<i64>, Vec<String>) {
        let shop = shop(seed);
        let price = |item: &str| shop.call("shop.price", &json!({ "item": item })).unwrap();
        let prices = ["fig", "nut", "yam", "rye", "oat"].map(price).to_vec();
        (prices, shop.collect::<String, ()>("shop.list", &json!({"from": 1})).unwrap().0)
    };
    let first = made(0);
    assert!(first.0.iter().all(|price| (1..=50).contains(price)), "{first:?}");
    assert_eq!(first.1.len(), 3);
    assert_eq!(made(0), first);
    assert_ne!(made(1), first);
}

#[test]
fn what_the_schemas_do_not_let_through_is_refused_with_its_place() {
    let shop = shop(0);
    let error = refused(shop.call("shop.price", &json!({"item": "", "number": 1})));
    assert_eq!(error.code.code(), -32602);
    let places: Vec<Value> =
        error.data.unwrap()["errors"].as_array().unwrap().iter().map(|fault| fault["path"].clone()).collect();
    assert_eq!(places, ["/item", "/number"]);
    let error = refused(
        shop.feed::<Value, Value>("shop.sum", &json!({}), &[json!(1), json!("2")]).map(|(_, sum)| sum),
    );
    assert_eq!(error.code.code(), -32602);
    assert!(error.data.unwrap()["errors"][0]["message"].as_str().unwrap().contains("item 1"));
    let start = Harness::new().config(json!({"town": 7})).start(mock(&contract(), 0));
    assert!(matches!(start, Err(StartError::Handshake(_))));
}

#[test]
fn notifications_are_taken_and_the_manifest_is_the_contract() {
    let shop = shop(0);
    shop.notify("shop.opened", &json!({})).unwrap();
    let manifest: Value = shop.call("rpc.discover", &json!({})).unwrap();
    assert_eq!(manifest, serde_json::to_value(contract().document()).unwrap());
    assert_eq!(shop.hello().provides[0].contract, "shop");
}
