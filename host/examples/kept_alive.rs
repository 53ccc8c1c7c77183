//! A plugin that is kept alive: started by its first use, killed, started again, and replaced while it is called.
//!
//! `cargo run --example kept_alive -- PROGRAM METHOD`: a method without params, of any plugin.

use std::time::Duration;

use plugline_host::{EventKind, PlaceState, Plugin, Supervised, Supervision};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(program), Some(method)) = (words.next(), words.next()) else {
        return Err("a program and a method are needed".into());
    };
    let launch = Plugin::command(program);
    let settings = Supervision { idle: Some(Duration::from_secs(60)), ..Supervision::default() };
    let plugin = launch.clone().supervise(settings);
    println!("nothing runs yet: {:?}", plugin.places());

    let result: Value = plugin.call(&method, &json!({}))?;
    println!("the first use started it: {result}, by {:?}", running(&plugin));

    let pid = running(&plugin).ok_or("it serves")?;
    std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status()?;
    while running(&plugin) == Some(pid) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let result: Value = plugin.call(&method, &json!({}))?;
    println!("killed, and started again: {result}, by {:?}", running(&plugin));

    let swapped = plugin.swap(launch.config(json!({})))?;
    println!("replaced by {} {}: {:?}", swapped.plugin.name, swapped.plugin.version, running(&plugin));

    plugin.stop();
    for event in plugin.events().try_iter() {
        if let EventKind::Supervision(decision) = event.kind {
            println!("decided: {decision:?}");
        }
    }
    Ok(())
}

/// Who serves.
fn running(plugin: &Supervised) -> Option<u32> {
    plugin.places().into_iter().find_map(|place| match place {
        PlaceState::Running { pid, .. } => Some(pid),
        _ => None,
    })
}
