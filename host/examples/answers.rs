//! Starts a plugin, answers what it asks, and shows a call, a stream, a cancelled call and a callback: to see a
//! plugin in any language with all that a host has.
//!
//! `answers PROGRAM [ARG…]`, of a plugin that provides `show` as `docs/python.md` does

use std::time::Duration;

use plugline_host::{CallOptions, Plugin};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args_os().skip(1);
    let Some(program) = words.next() else { return Err("usage: answers PROGRAM [ARG…]".into()) };
    let plugin = Plugin::command(program)
        .args(words)
        .callback("show.ask", |question: Value, _| {
            Ok::<_, plugline_host::WireError>(json!(format!(
                "{} Yes.",
                question["question"].as_str().unwrap_or("?")
            )))
        })
        .start()?;
    println!("call: {}", plugin.call::<Value>("show.hello", &json!({"name": "Ada"}))?);
    let counted = plugin.stream::<u32, ()>("show.count", &json!({"n": 3}), CallOptions::default())?;
    let counted: Vec<u32> = counted.collect::<Result<_, _>>()?;
    println!("stream: {}", json!(counted));
    let options = CallOptions::timeout(Duration::from_millis(50));
    let late = plugin.begin("show.wait", &json!({"seconds": 600.0}), options)?.wait::<()>();
    println!("cancel: {}", late.expect_err("it waits for ten minutes").kind());
    println!("callback: {}", plugin.call::<Value>("show.consult", &json!({"question": "Does it work?"}))?);
    println!("{:?}", plugin.stop());
    Ok(())
}
