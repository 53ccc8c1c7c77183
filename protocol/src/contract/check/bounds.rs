//! What a document may cost its reader: its depth, and its length as a message.

use serde_json::Value;

use crate::contract::fault::Fault;

/// `JSON-6` lets a message nest 100 deep; the message itself and its result take one level each.
const DEPTH: usize = 98;

/// `FRAME-12`: a manifest is asked for before the handshake, when a line has at most 1 MiB. What stands around it in
/// the message takes less than this.
const LENGTH: usize = (1 << 20) - 512;

/// Whether the document can be looked into at all.
pub(super) fn check(document: &Value, faults: &mut Vec<Fault>) -> bool {
    if depth(document) > DEPTH {
        let what = format!("it nests deeper than {DEPTH}");
        faults.push(Fault::new("", "JSON-6", what, "move what is deep into components.schemas"));
        return false;
    }
    let length = document.to_string().len();
    if length > LENGTH {
        let what =
            format!("as a message it has {length} bytes, and before the handshake a line has at most 1 MiB");
        faults.push(Fault::new(
            "",
            "FRAME-12",
            what,
            "share schemas under components.schemas, shorten examples",
        ));
    }
    true
}

/// Without recursion: what is deep is what it looks for.
fn depth(value: &Value) -> usize {
    let mut deepest = 0;
    let mut open = vec![(value, 1)];
    while let Some((value, depth)) = open.pop() {
        deepest = deepest.max(depth);
        match value {
            Value::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(members) => open.extend(members.values().map(|member| (member, depth + 1))),
            _ => {}
        }
    }
    deepest
}
