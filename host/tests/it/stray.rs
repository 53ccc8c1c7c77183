//! Output on stdout that is no message.

use plugline_host::{EventKind, Kind, Launch};
use serde_json::{Value, json};

use crate::support::{start, start_with};

const ANSWER: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":7}\n";

#[test]
fn stray_lines_are_quoted_and_survived() {
    let long = "x".repeat(300);
    let quoted = format!("{}…", "x".repeat(200));
    let rows: [(&[u8], &str); 7] = [
        (b"debug: here\n", "debug: here"),
        (b"\x1b]0;title\x07 \xff \xe2\x80\xae\n", "\\u{1b}]0;title\\u{7} \\xff \\u{202e}"),
        (b"[1, 2]\n", "[1, 2]"),
        (b"null\n", "null"),
        (b"{\"level\": \"info\"}\n", "{\"level\": \"info\"}"),
        (b"{}\n", "{}"),
        (long.as_bytes(), &quoted),
    ];
    let plugin = start("plugin");
    for (line, wanted) in rows {
        let line = if line.ends_with(b"\n") { line.to_vec() } else { [line, b"\n"].concat() };
        assert_eq!(plugin.say::<u32>([&line, ANSWER].concat()).unwrap(), 7, "{wanted}");
        let text = plugin.event("stray output", |event| match event {
            EventKind::Stray { text, .. } => Some(text),
            _ => None,
        });
        assert_eq!(text, wanted);
    }
}

#[test]
fn a_message_spoilt_by_a_print_is_a_violation() {
    let rows: [&[u8]; 3] = [
        b"loading... {\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":1}\n",
        b"[{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":1}]\n",
        b"\"jsonrpc\"\n",
    ];
    for line in rows {
        let plugin = start("plugin");
        let error = plugin.say::<Value>(line).unwrap_err();
        assert_eq!(error.kind(), Kind::ProtocolViolation, "{error}");
        plugin.processes.assert_gone();
    }
}

#[test]
fn strict_mode_takes_any_for_a_violation() {
    for line in [b"print\n".as_slice(), b"{}\n", b"[]\n"] {
        let plugin = start_with("plugin", &json!({}), Launch::strict);
        let error = plugin.say::<Value>([line, ANSWER].concat()).unwrap_err();
        assert_eq!(error.kind(), Kind::ProtocolViolation, "{error}");
        plugin.processes.assert_gone();
    }
}

#[test]
fn a_flood_is_told_of_but_not_in_full() {
    let plugin = start("plugin");
    let flood = json!({"lines": 100_000, "line": "tick", "descriptor": 1});
    plugin.call::<()>("t.flood", &flood).unwrap();
    let stray: Vec<u64> = plugin
        .events()
        .try_iter()
        .filter_map(|event| match event.kind {
            EventKind::Stray { held_back, .. } => Some(held_back),
            _ => None,
        })
        .collect();
    assert!(stray.len() >= 20 && stray.len() < 1000, "{}", stray.len());
    assert!(stray[..20].iter().all(|held_back| *held_back == 0), "{stray:?}");
    plugin.assert_alive();
}
