//! Text made from a schema: by its pattern, its format, or of plain words.

use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::{Map, Value};

use super::random::Random;

const WORDS: [&str; 12] = [
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbor", "island", "juniper", "kestrel",
    "lagoon",
];

/// No text is longer than this, in characters.
const LONGEST: usize = 10_000;

pub(super) fn make(members: &Map<String, Value>, random: &mut Random) -> Option<String> {
    if let Some(pattern) = members.get("pattern").and_then(Value::as_str) {
        return matching(pattern, random);
    }
    if let Some(text) =
        members.get("format").and_then(Value::as_str).and_then(|format| formatted(format, random))
    {
        return Some(text);
    }
    if members.get("contentEncoding").and_then(Value::as_str) == Some("base64") {
        let texts = ["", "cGx1Z2xpbmU=", "aGVsbG8=", "AAEC"];
        return random.one_of(&texts).map(|text| (*text).to_owned());
    }
    let count =
        |keyword: &str| members.get(keyword).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let least = count("minLength").unwrap_or(0);
    if least > LONGEST {
        return None;
    }
    let mut text = (*random.one_of(&WORDS)?).to_owned();
    while text.len() < least {
        text.push('-');
        text.push_str(random.one_of(&WORDS)?);
    }
    // The words are ASCII.
    text.truncate(count("maxLength").unwrap_or(LONGEST).max(least));
    Some(text)
}

fn formatted(format: &str, random: &mut Random) -> Option<String> {
    let mut pick = |from: u64, to: u64| from + random.below(to - from + 1);
    Some(match format {
        "date-time" => format!(
            "2026-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            pick(1, 12),
            pick(1, 28),
            pick(0, 23),
            pick(0, 59),
            pick(0, 59)
        ),
        "date" => format!("2026-{:02}-{:02}", pick(1, 12), pick(1, 28)),
        "time" => format!("{:02}:{:02}:{:02}Z", pick(0, 23), pick(0, 59), pick(0, 59)),
        "email" | "idn-email" => format!("{}@example.com", random.one_of(&WORDS)?),
        "hostname" | "idn-hostname" => format!("{}.example.com", random.one_of(&WORDS)?),
        "uri" | "iri" => format!("https://example.com/{}", random.one_of(&WORDS)?),
        "uri-reference" | "iri-reference" | "json-pointer" => format!("/{}", random.one_of(&WORDS)?),
        "ipv4" => format!("192.0.2.{}", pick(1, 254)),
        "ipv6" => format!("2001:db8::{:x}", pick(1, 65_535)),
        "uuid" => format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            pick(0, 0xffff_ffff),
            pick(0, 0xffff),
            pick(0, 0xfff),
            pick(0, 0xfff),
            pick(0, 0xffff_ffff_ffff)
        ),
        "regex" => format!("^{}$", random.one_of(&WORDS)?),
        // Integers as text: those that JSON numbers cannot carry (`JSON-1`).
        "int64" | "uint64" | "int128" | "uint128" | "integer" => pick(0, 1_000_000).to_string(),
        _ => return None,
    })
}

/// A text that a pattern matches. `None` where the pattern is beyond what can be made.
fn matching(pattern: &str, random: &mut Random) -> Option<String> {
    let parsed = regex_syntax::parse(pattern).ok()?;
    let mut text = String::new();
    write(&parsed, random, &mut text)?;
    Some(text)
}

fn write(hir: &Hir, random: &mut Random, text: &mut String) -> Option<()> {
    if text.len() > LONGEST {
        return None;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(Class::Unicode(class)) => {
            let ranges = class.ranges();
            // What people can read, if there is any.
            let readable = |c: char| {
                c.is_ascii_graphic() && ranges.iter().any(|it| (it.start()..=it.end()).contains(&c))
            };
            let chars: Vec<char> = (' '..='~').filter(|c| readable(*c)).collect();
            text.push(*random.one_of(&chars).or(ranges.first().map(|range| range.start()).as_ref())?);
        }
        HirKind::Class(Class::Bytes(class)) => {
            let range = class.ranges().first()?;
            text.push(char::from(range.start()));
        }
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX).min(repetition.min.saturating_add(2));
            let count = u64::from(repetition.min) + random.below(u64::from(most - repetition.min) + 1);
            for _ in 0..count {
                write(&repetition.sub, random, text)?;
            }
        }
        HirKind::Capture(capture) => write(&capture.sub, random, text)?,
        HirKind::Concat(parts) => {
            for part in parts {
                write(part, random, text)?;
            }
        }
        HirKind::Alternation(branches) => write(random.one_of(branches)?, random, text)?,
    }
    Some(())
}
