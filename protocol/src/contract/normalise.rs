//! One form for documents that say the same: references other than those of schemas are replaced by what they point
//! at, so that who reads on finds params, results, errors and examples in place.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::fault::Fault;

/// Where OpenRPC lets a Reference Object stand in place of the thing, and the components it points into.
const PLACES: [(&str, &str); 5] = [
    ("params", "contentDescriptors"),
    ("result", "contentDescriptors"),
    ("errors", "errors"),
    ("examples", "examplePairings"),
    ("tags", "tags"),
];

/// What is put in the place of references may have so many bytes in all: a manifest has no more itself (`FRAME-12`).
const INLINED: usize = 1 << 20;

/// The document with references to content descriptors, errors, examples and tags replaced by what they point at.
/// Those of schemas stay: types have names.
pub(crate) fn inlined(mut document: Value, faults: &mut Vec<Fault>) -> Value {
    let components = document.get("components").cloned().unwrap_or_default();
    let mut room = Room { left: INLINED, sizes: HashMap::new() };
    let lists = [
        ("/methods", document.pointer("/methods").and_then(Value::as_array).map_or(0, Vec::len)),
        (
            "/x-plugline/hostMethods",
            document.pointer("/x-plugline/hostMethods").and_then(Value::as_array).map_or(0, Vec::len),
        ),
    ];
    for (list, length) in lists {
        for index in 0..length {
            let at = format!("{list}/{index}");
            if let Some(method) = document.pointer_mut(&at).and_then(Value::as_object_mut) {
                method_inlined(method, &components, &at, &mut room, faults);
            }
        }
    }
    document
}

/// How much more may be put in the place of references.
struct Room {
    left: usize,
    /// What each thing takes that is pointed at, by where it stands in memory.
    sizes: HashMap<*const Value, usize>,
}

impl Room {
    fn take(&mut self, found: &Value) -> bool {
        let size = self.sizes.entry(std::ptr::from_ref(found)).or_insert_with(|| found.to_string().len());
        match self.left.checked_sub(*size) {
            Some(left) => self.left = left,
            None => return false,
        }
        true
    }
}

fn method_inlined(
    method: &mut Map<String, Value>,
    components: &Value,
    at: &str,
    room: &mut Room,
    faults: &mut Vec<Fault>,
) {
    for (member, kind) in PLACES {
        let Some(held) = method.get_mut(member) else { continue };
        let at = format!("{at}/{member}");
        match held {
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let at = format!("{at}/{index}");
                    replaced(item, components, kind, &at, room, faults);
                    if member == "examples" {
                        pairing_inlined(item, components, &at, room, faults);
                    }
                }
            }
            one => replaced(one, components, kind, &at, room, faults),
        }
    }
}

fn pairing_inlined(
    pairing: &mut Value,
    components: &Value,
    at: &str,
    room: &mut Room,
    faults: &mut Vec<Fault>,
) {
    if let Some(params) = pairing.get_mut("params").and_then(Value::as_array_mut) {
        for (index, value) in params.iter_mut().enumerate() {
            replaced(value, components, "examples", &format!("{at}/params/{index}"), room, faults);
        }
    }
    if let Some(result) = pairing.get_mut("result") {
        replaced(result, components, "examples", &format!("{at}/result"), room, faults);
    }
}

fn replaced(
    item: &mut Value,
    components: &Value,
    kind: &str,
    at: &str,
    room: &mut Room,
    faults: &mut Vec<Fault>,
) {
    let Some(reference) = item.get("$ref").and_then(Value::as_str) else { return };
    let name =
        reference.strip_prefix("#/components/").and_then(|rest| rest.strip_prefix(kind)?.strip_prefix('/'));
    let found = name.map(|name| name.replace("~1", "/").replace("~0", "~"));
    match found.and_then(|name| components.get(kind)?.get(name)).filter(|found| found.get("$ref").is_none()) {
        Some(found) if room.take(found) => *item = found.clone(),
        Some(_) => faults.push(Fault::new(
            at,
            "FRAME-12",
            format!("what its references point at has more than {INLINED} bytes, all references followed"),
            "point at what is large less often, or make it smaller",
        )),
        None => faults.push(Fault::new(
            at,
            "CONTRACT-4",
            format!("the reference {reference:?} leads to none of the {kind} of this document"),
            format!("point it at #/components/{kind}/NAME, or write the thing out here"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_may_stand_for_so_much_and_no_more() {
        let document = |times: usize, size: usize| {
            let params = vec![json!({"$ref": "#/components/contentDescriptors/D"}); times];
            let large = json!("x".repeat(size - 2)); // The quotes count.
            json!({"methods": [{"params": params}], "components": {"contentDescriptors": {"D": large}}})
        };
        let mut faults = Vec::new();
        inlined(document(8, INLINED / 8), &mut faults);
        assert_eq!(faults, []);
        let seen = inlined(document(9, INLINED / 8), &mut faults);
        assert_eq!(faults[0].at, "/methods/0/params/8");
        assert!(faults[0].what.contains("1048576 bytes"), "{faults:?}");
        assert!(seen.to_string().len() < 3 * INLINED);
    }

    #[test]
    fn references_are_replaced_and_lost_ones_told() {
        let document = json!({
            "methods": [{"params": [{"$ref": "#/components/contentDescriptors/Id"}],
                         "result": {"$ref": "#/components/contentDescriptors/None"},
                         "examples": [{"params": [{"$ref": "https://example.com/"}]}]}],
            "components": {"contentDescriptors": {"Id": {"name": "id", "schema": {"$ref": "#/components/schemas/Id"}}}}
        });
        let mut faults = Vec::new();
        let seen = inlined(document, &mut faults);
        assert_eq!(seen["methods"][0]["params"][0]["name"], "id");
        assert_eq!(seen["methods"][0]["params"][0]["schema"]["$ref"], "#/components/schemas/Id");
        let places: Vec<&str> = faults.iter().map(|fault| fault.at.as_str()).collect();
        assert_eq!(places, ["/methods/0/result", "/methods/0/examples/0/params/0"]);
    }
}
