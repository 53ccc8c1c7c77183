//! JSON text made of choices: such as parsers disagree about, and no more of it than there are choices left.

use arbitrary::{Arbitrary, Result, Unstructured};

/// A value as it is written, of any shape; always JSON.
#[derive(Debug, Clone)]
pub struct Json(pub String);

/// Numbers at the edges of what types hold.
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "0.1",
    "1.0",
    "1e0",
    "1e400",
    "-1e-400",
    "9007199254740991",
    "9007199254740992",
    "-9007199254740991",
    "18446744073709551615",
    "18446744073709551616",
    "1E2",
    "2.5",
    "5000",
    "65536",
];

/// Texts between quotes that a reader may trip over, and the names that mean something.
const TEXTS: &[&str] = &[
    "",
    "a",
    "1",
    "2.0",
    "rpc.ping",
    "a.echo",
    "_meta",
    "\\u005fmeta",
    "\\ud800",
    "\\ud83d\\ude00",
    "\\u0000",
    "\\n\\\"\\\\",
    "\u{2028}\u{85}\u{feff}",
    "}",
    "{",
    "cGx1Zw==",
    "-170141183460469231731687303715884105728",
];

const NAMES: &[&str] = &[
    "jsonrpc",
    "id",
    "method",
    "params",
    "result",
    "error",
    "code",
    "message",
    "data",
    "_meta",
    "deadlineMs",
    "parent",
    "traceparent",
    "\\u0069d",
    "\\ud800",
    "protocolVersions",
    "protocolVersion",
    "host",
    "plugin",
    "provides",
    "name",
    "version",
    "contract",
    "instance",
    "config",
    "limits",
    "maxLineBytes",
    "maxInFlight",
    "maxDepth",
    "streamWindowBytes",
    "capabilities",
    "cancel",
    "progress",
    "log",
    "streams",
    "callbacks",
    "methods",
    "graceMs",
    "reason",
    "total",
    "level",
    "target",
    "fields",
    "items",
    "bytes",
    "a",
    "b",
    "list",
    "big",
    "kind",
];

impl<'a> Arbitrary<'a> for Json {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut text = String::new();
        value(u, &mut text, 6)?;
        Ok(Self(text))
    }
}

impl Json {
    /// An object with these members first, then whatever comes.
    pub fn object(u: &mut Unstructured<'_>, first: &[(&str, &str)]) -> Result<Self> {
        let mut text = String::from("{");
        for (name, value) in first {
            text.push_str(&format!("\"{name}\":{value},"));
        }
        members(u, &mut text, 5)?;
        close(&mut text, '}');
        Ok(Self(text))
    }
}

fn value(u: &mut Unstructured<'_>, text: &mut String, depth: u8) -> Result<()> {
    if u.is_empty() {
        text.push_str("{}");
        return Ok(());
    }
    match u.int_in_range(0..=9)? {
        0 => text.push_str(*u.choose(&["null", "true", "false"])?),
        1 => text.push_str(u.choose(NUMBERS)?),
        2 => text.push_str(&i64::arbitrary(u)?.to_string()),
        3 | 4 => string(u, text, TEXTS)?,
        5 | 6 if depth > 0 => {
            text.push('[');
            for _ in 0..u.int_in_range(0..=4)? {
                value(u, text, depth - 1)?;
                text.push(',');
            }
            close(text, ']');
        }
        // Deep, and of one kind: what counts levels counts these.
        7 if depth == 6 => {
            let levels = u.int_in_range(90..=140)?;
            text.push_str(&"[".repeat(levels));
            text.push_str(&"]".repeat(levels));
        }
        _ if depth > 0 => {
            text.push('{');
            members(u, text, depth - 1)?;
            close(text, '}');
        }
        _ => text.push_str("[]"),
    }
    Ok(())
}

fn members(u: &mut Unstructured<'_>, text: &mut String, depth: u8) -> Result<()> {
    for _ in 0..u.int_in_range(0..=5)? {
        string(u, text, NAMES)?;
        text.push(':');
        value(u, text, depth)?;
        text.push_str(*u.choose(&[",", ",", ", ", ",\r", ",\t"])?);
    }
    Ok(())
}

/// Ends a list whose items all have a comma behind them.
fn close(text: &mut String, with: char) {
    let end = text.trim_end_matches([' ', '\r', '\t', ',']).len();
    text.truncate(end);
    text.push(with);
}

fn string(u: &mut Unstructured<'_>, text: &mut String, known: &[&str]) -> Result<()> {
    text.push('"');
    if u.ratio(7_u8, 8_u8)? {
        text.push_str(u.choose(known)?);
    } else {
        for c in <&str>::arbitrary(u)?.chars().take(300) {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                c if (c as u32) < 0x20 => text.push_str(&format!("\\u{:04x}", c as u32)),
                c => text.push(c),
            }
        }
    }
    text.push('"');
    Ok(())
}

/// The members of an object, each with its value as it stands there, twice where it stands twice. `None` of what is no
/// object, or has a name that is no Unicode.
pub fn entries(text: &str) -> Option<Vec<(String, String)>> {
    use serde::de::{Deserializer as _, MapAccess, Visitor};
    use serde_json::value::RawValue;
    struct Entries;
    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<(String, String)>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                entries.push((name, value.get().to_owned()));
            }
            Ok(entries)
        }
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let entries = json.deserialize_map(Entries).ok()?;
    json.end().ok().map(|()| entries)
}
