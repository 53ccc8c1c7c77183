//! How long something may take, as people write it. Pure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What each unit is worth; milliseconds. Longer names first, since `ms` also ends with `s`.
const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
const YEAR: u64 = 365 * 24 * 3_600_000;
const WANTED: &str = "a time is written 500ms, 30s, 5m or 1h, or none";

/// A duration, or no end: `500ms`, `30s`, `5m`, `1h`, `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Option<Duration>);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let wrong = || format!("{text:?}: {WANTED}");
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, worth)| Some((text.strip_suffix(name)?, worth)))
            .ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let millis = number.checked_mul(*unit).filter(|millis| *millis <= YEAR);
        let millis = millis.ok_or_else(|| format!("{text:?}: more than a year; `none` is for ever"))?;
        Ok(Self(Some(Duration::from_millis(millis))))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(duration) = self.0 else { return f.write_str("none") };
        let millis = duration.as_millis();
        let whole = UNITS.iter().rev().find(|(_, worth)| millis % u128::from(*worth) == 0 && millis > 0);
        let (name, worth) = whole.unwrap_or(&UNITS[0]);
        write!(f, "{}{name}", millis / u128::from(*worth))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "pattern": "^([0-9]+(ms|s|m|h)|none)$",
            "description": "How long: `500ms`, `30s`, `5m`, `1h`, or `none` for ever.", "examples": ["30s"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written() {
        for (text, millis) in
            [("500ms", 500), ("30s", 30_000), ("90s", 90_000), ("5m", 300_000), ("1h", 3_600_000)]
        {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.0, Some(Duration::from_millis(millis)), "{text}");
            assert_eq!(span.to_string(), text);
        }
        assert_eq!("none".parse(), Ok(Span(None)));
        assert_eq!("0s".parse::<Span>().unwrap().to_string(), "0ms");
    }

    #[test]
    fn what_is_no_span_says_what_is() {
        for text in ["", "5", "s", "-1s", "1.5s", "5 s", "1d", "99999999999999999h"] {
            let fault = text.parse::<Span>().expect_err(text);
            assert!(fault.contains("30s") || fault.contains("year"), "{text}: {fault}");
        }
    }
}
