//! Limits that a case has to reach: which they are, and up to where that can be done.
//!
//! A limit has no maximum (`LIFE-21`). A plugin that declares one beyond what a machine can send has nothing that could be
//! shown wrong there, and what tries all the same takes the machine down.

use serde_json::Value;

use crate::model::{Action, Bytes, Piece, Step};
use crate::trial::Trial;
use crate::value::Scope;

/// The longest line that is sent to reach a limit; bytes. Some are longer by a little, to exceed it.
pub(crate) const LONGEST_LINE: i64 = 256 << 20;
/// How many calls are sent to be in flight at once: each may be a thread of the plugin.
const MOST_CALLS: i64 = 4096;
/// How deep calls are nested: the callbacks between them are one deeper, and the suite takes those up to 1000.
const DEEPEST: i64 = 999;

/// What a plugin accepts: its limits, defaults filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PluginLimits {
    pub(crate) line_bytes: i64,
    pub(crate) in_flight: i64,
    pub(crate) depth: i64,
    pub(crate) stream_window_bytes: i64,
}

impl PluginLimits {
    pub(crate) fn of(limits: &Value) -> Self {
        let limit = |name: &str, default: i64| limits.get(name).and_then(Value::as_i64).unwrap_or(default);
        Self {
            line_bytes: limit("maxLineBytes", 16 << 20),
            in_flight: limit("maxInFlight", 64),
            depth: limit("maxDepth", 16),
            stream_window_bytes: limit("streamWindowBytes", 256 << 10),
        }
    }

    /// The first limit that a trial has to reach and cannot, as something that is not declared.
    pub(crate) fn out_of_reach(&self, trial: &Trial, scope: &Scope) -> Option<&'static str> {
        let mut names = Vec::new();
        trial.with().values().for_each(|value| in_value(value, &mut names));
        trial.case.steps.iter().for_each(|step| in_step(step, &mut names));
        let has = |name: &str| names.iter().any(|found| found == name);
        if has("limits.maxLineBytes") && self.line_bytes > LONGEST_LINE {
            Some("a maxLineBytes in reach (up to 256 MiB)")
        } else if has("limits.maxInFlight") && self.in_flight > MOST_CALLS {
            Some("a maxInFlight in reach (up to 4096)")
        } else if has("limits.maxDepth") && self.depth > DEEPEST {
            Some("a maxDepth in reach (up to 999)")
        } else if has("limits.streamWindowBytes")
            && (self.stream_window_bytes > LONGEST_LINE
                || longest(&trial.case.steps, scope) > self.line_bytes)
        {
            Some("a streamWindowBytes in reach (up to 256 MiB, and of one line)")
        } else {
            None
        }
    }
}

/// How long the longest line is that uses up a window.
fn longest(steps: &[Step], scope: &Scope) -> i64 {
    let line = |step: &Step| match (&step.action, &step.length) {
        (Action::Repeat(repeat), _) => longest(&repeat.steps, scope),
        (Action::Parallel(tracks), _) => tracks.iter().map(|steps| longest(steps, scope)).max().unwrap_or(0),
        // A length that is none is the case's fault, and found where it is carried out.
        (_, Some(length)) => scope.expand(length).ok().and_then(|length| length.as_i64()).unwrap_or(0),
        _ => 0,
    };
    steps.iter().map(line).max().unwrap_or(0)
}

/// The names in what a step does; not in what it wants to come.
fn in_step(step: &Step, names: &mut Vec<String>) {
    if let Some(length) = &step.length {
        in_value(length, names);
    }
    match &step.action {
        Action::Send(message) => in_value(message, names),
        Action::Line(bytes) | Action::Bytes(bytes) => in_bytes(bytes, names),
        Action::Chunks(chunks) => chunks.iter().for_each(|bytes| in_bytes(bytes, names)),
        Action::Feed(feed) => in_value(&feed.items, names),
        Action::Repeat(repeat) => {
            in_value(&repeat.times, names);
            repeat.steps.iter().for_each(|step| in_step(step, names));
        }
        Action::Parallel(tracks) => tracks.iter().flatten().for_each(|step| in_step(step, names)),
        _ => {}
    }
}

fn in_value(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            names.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|value| in_value(value, names));
        }
        Value::Array(items) => items.iter().for_each(|item| in_value(item, names)),
        Value::String(text) => in_text(text, names),
        _ => {}
    }
}

fn in_bytes(bytes: &Bytes, names: &mut Vec<String>) {
    match bytes {
        Bytes::Text(text) => in_text(text, names),
        Bytes::Piece(piece) => in_piece(piece, names),
        Bytes::Pieces(pieces) => pieces.iter().for_each(|piece| in_piece(piece, names)),
    }
}

fn in_piece(piece: &Piece, names: &mut Vec<String>) {
    match piece {
        Piece::Text(text) => in_text(text, names),
        Piece::Hex { .. } => {}
        Piece::Repeated { times, .. } => in_value(times, names),
        Piece::Ref { name } => names.push(name.clone()),
    }
}

/// `${name}`.
fn in_text(text: &str, names: &mut Vec<String>) {
    let found = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
    names.extend(found.map(|(name, _)| name.to_owned()));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::library::Library;
    use crate::model::Side;

    /// The cases of the suite that a plugin with these limits cannot be put to, by what is out of reach.
    fn unsupported(limits: &Value) -> BTreeMap<&'static str, Vec<String>> {
        let own = PluginLimits::of(limits);
        let mut scope = Scope::default();
        scope.set("limits.maxLineBytes", own.line_bytes.into());
        scope.set("limits.streamWindowBytes", own.stream_window_bytes.into());
        let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for trial in Library::load().unwrap().trials(Side::Plugin) {
            if let Some(missing) = own.out_of_reach(&trial, &scope) {
                let cases = found.entry(missing).or_default();
                if cases.last() != Some(&trial.case.id) {
                    cases.push(trial.case.id.clone());
                }
            }
        }
        found
    }

    #[test]
    fn usual_limits_are_in_reach() {
        for limits in [
            json!({}),
            json!({"maxLineBytes": LONGEST_LINE, "maxInFlight": MOST_CALLS, "maxDepth": DEEPEST,
                   "streamWindowBytes": LONGEST_LINE}),
            json!({"maxLineBytes": 131_072, "streamWindowBytes": 65536}),
        ] {
            assert_eq!(unsupported(&limits), BTreeMap::new(), "{limits}");
        }
    }

    #[test]
    fn each_limit_has_its_bound() {
        const LARGEST: i64 = (1 << 53) - 1;
        for (limits, missing, cases) in [
            (
                json!({"maxLineBytes": LONGEST_LINE + 1}),
                "a maxLineBytes",
                &["LM-01", "LM-02", "LM-04", "LM-05", "LM-06"][..],
            ),
            (
                json!({"maxInFlight": MOST_CALLS + 1}),
                "a maxInFlight",
                &["CO-02", "EN-30", "LM-12", "LM-13", "LM-14", "LM-15", "LM-16", "LM-17", "ST-23"],
            ),
            (json!({"maxDepth": DEEPEST + 1}), "a maxDepth", &["LM-18"]),
            (json!({"streamWindowBytes": LARGEST}), "a streamWindowBytes", &["ST-12", "ST-13"]),
            // Half of a window is in reach here, and a whole one is not.
            (
                json!({"maxLineBytes": 131_072, "streamWindowBytes": 200_000}),
                "a streamWindowBytes",
                &["ST-13"],
            ),
        ] {
            let found = unsupported(&limits);
            let (said, ids) = found.first_key_value().unwrap_or_else(|| panic!("{limits}: all is in reach"));
            assert!(found.len() == 1 && said.starts_with(missing), "{limits}: {found:?}");
            for case in cases {
                assert!(ids.iter().any(|id| id == case), "{limits}: {case}: {ids:?}");
            }
        }
    }
}
