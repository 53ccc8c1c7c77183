//! An `IoHandler` as a plugin.

use serde_json::{Value, json};

use crate::process::Process;

#[test]
fn an_existing_handler_is_served() {
    let mut calculator = Process::start("io_handler");
    calculator.result("rpc.initialize", &json!({"protocolVersions": [1]}));
    let division =
        |divisor: i64| json!({"dividend": 42, "divisor": divisor, "_meta": {"deadlineMs": 60_000}});
    for method in ["math.divide", "math.div"] {
        assert_eq!(calculator.result(method, &division(7)), 6);
        assert_eq!(calculator.error(method, &division(0), -32602), Value::Null);
    }
    assert_eq!(calculator.result("math.zero", &json!({})), 0);
    calculator.error("math.multiply", &json!({}), -32601);
    calculator.error("math.divide", &json!([42, 7]), -32602);
    calculator.ping();

    let manifest = calculator.result("rpc.discover", &json!({}));
    let names: Vec<&Value> = manifest["methods"].as_array().unwrap().iter().map(|m| &m["name"]).collect();
    assert_eq!(names, ["math.div", "math.divide", "math.zero"]);
    calculator.end().expect_silent();
}
