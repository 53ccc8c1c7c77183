//! What a line may be: its length, its end, its encoding.

use std::time::Instant;

use plugline_host::{CallOptions, EventKind, Kind};
use serde_json::{Value, json};

use crate::support::{PATIENCE, alone, kind, small_lines, start, start_with, status};

#[test]
fn what_is_between_messages_does_not_matter() {
    let rows: [&[u8]; 6] = [
        b"{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":7}\r\n",
        b"\n\n \t\n\r\n{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":7}\n\n",
        b" {\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":7}\t \n",
        b"{\"extra\":{\"id\":9},\"result\":7,\"id\":$ID,\"jsonrpc\":\"2\\u002e0\"}\n",
        b"{\"jsonrpc\" : \"2.0\", \"id\" : $ID, \"result\" : 7}\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":7,\"method_\":1}\n",
    ];
    let plugin = start("plugin");
    for line in rows {
        assert_eq!(plugin.say::<u32>(line).unwrap(), 7, "{}", String::from_utf8_lossy(line));
    }
    let odd = plugin.events().try_iter().find(|event| matches!(event.kind, EventKind::Stray { .. }));
    assert!(odd.is_none(), "{odd:?}");
}

#[test]
fn one_byte_order_mark_may_stand_first() {
    let plugin = start("marks_its_order");
    assert!(!plugin.events().try_iter().any(|event| matches!(event.kind, EventKind::Stray { .. })));
    plugin.assert_alive();
    let error = plugin.say::<Value>("\u{feff}{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":7}\n").unwrap_err();
    assert_eq!(error.kind(), Kind::ProtocolViolation, "{error}");
}

#[test]
fn only_lf_ends_a_line() {
    let text = "a\u{2028}b\u{2029}c\u{85}d\u{b}e";
    let plugin = start("plugin");
    assert_eq!(plugin.call::<Value>("t.echo", &json!({"text": text})).unwrap(), json!({"text": text}));
    let said = plugin.say::<String>("{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":\"\u{2028}\u{85}\"}\n");
    assert_eq!(said.unwrap(), "\u{2028}\u{85}");
}

#[test]
fn a_line_of_the_limit_is_taken_and_one_byte_more_is_not() {
    let plugin = start_with("plugin", &json!({}), |launch| launch.limits(small_lines()));
    let held = plugin.begin("t.hold", &json!({}), CallOptions::default()).unwrap();
    for size in [65_535, 65_536] {
        plugin.call::<String>("t.sized", &json!({"size": size})).unwrap();
    }
    let error = plugin.call::<String>("t.sized", &json!({"size": 65_537})).unwrap_err();
    assert_eq!(error.kind(), Kind::TooLarge, "{error}");
    assert!(error.to_string().contains("65536"), "{error}");
    assert_eq!(kind(held.wait::<Value>()), Kind::TooLarge);
}

#[test]
fn a_request_over_the_plugins_limit_is_not_sent() {
    let plugin = start_with("plugin", &json!({"limits": {"maxLineBytes": 65_536}}), |launch| launch);
    let error = plugin.call::<Value>("t.echo", &json!({"text": "x".repeat(65_536)})).unwrap_err();
    assert_eq!(error.kind(), Kind::TooLarge, "{error}");
    assert!(error.to_string().contains("65536"), "{error}");
    assert_eq!(kind(plugin.notify("t.note", &json!({"text": "x".repeat(65_536)}))), Kind::TooLarge);
    assert_eq!((plugin.saw("t.echo"), plugin.saw("t.note"), plugin.in_flight()), (0, 0, 0));
    plugin.call::<Value>("t.echo", &json!({"text": "x".repeat(60_000)})).unwrap();
}

#[test]
fn a_line_without_end_is_given_up_in_bounded_memory() {
    alone(
        "lines::a_line_without_end_is_given_up_in_bounded_memory",
        |host| host,
        || {
            let plugin = start("plugin");
            plugin.assert_alive();
            let (before, started) = (status("VmHWM"), Instant::now());
            let error = plugin.call::<Value>("t.endless", &json!({"megabytes": 300})).unwrap_err();
            assert_eq!(error.kind(), Kind::TooLarge, "{error}");
            assert!(error.to_string().contains("16777216"), "{error}");
            plugin.event("exit", |event| matches!(event, EventKind::Exited { .. }).then_some(()));
            let grown = status("VmHWM") - before;
            eprintln!("a line without end, limit 16 MiB: peak memory grew by {grown} KiB");
            assert!(grown < 40 * 1024, "{grown} KiB");
            assert!(started.elapsed() < PATIENCE);
        },
    );
}
