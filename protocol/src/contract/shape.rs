//! Whether what one schema lets be written, another lets be read: a question of shape.
//!
//! It finds what is sure to break: another type, a member that may be missing, a variant that is not known. What it
//! cannot judge (a pattern, a range, `not`, a union beside other constraints) it lets pass: values are held to that.
//! Schemas come from plugins, so the work is bounded, and what lies beyond the bound passes too.
//!
//! `diff/` asks another question of two schemas: it tells every difference, and for whom it is one, of documents that were
//! checked. Here nothing was checked, a host without `validate` asks too, and the first thing that breaks is the answer.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use super::equality::same;
use super::schema::{escaped, target, type_of};

/// The schemas that a `$ref` may point at.
pub(super) type Definitions<'a> = &'a Map<String, Value>;

/// Schemas are compared to this depth …
const DEEPEST: usize = 100;
/// … and no more than so many pairs of them.
const MOST: usize = 20_000;

/// Where and why something may be written that is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    /// JSON Pointer into the value; `*` stands for any item or member.
    path: String,
    reason: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "at {}: ", self.path)?;
        }
        f.write_str(&self.reason)
    }
}

/// Whether whatever the one schema lets be written, the other lets be read.
pub(super) fn fits<'a>(
    (written, theirs): (&'a Value, Definitions<'a>),
    (read, ours): (&'a Value, Definitions<'a>),
) -> Result<(), Misfit> {
    Comparison { written: theirs, read: ours, under_way: Vec::new(), left: MOST }.fits(written, read)
}

/// The same for what is left out rather than written as `null`.
pub(super) fn fits_where_given<'a>(
    (written, theirs): (&'a Value, Definitions<'a>),
    (read, ours): (&'a Value, Definitions<'a>),
) -> Result<(), Misfit> {
    let mut comparison = Comparison { written: theirs, read: ours, under_way: Vec::new(), left: MOST };
    let given = alternatives(written, theirs).into_iter().filter(|variant| !variant.is_null());
    comparison.all_fit(given.collect(), &alternatives(read, ours))
}

/// One of the kinds of value that a schema allows.
#[derive(Debug, Clone, Copy)]
enum Variant<'a> {
    /// Nothing that could be compared is said.
    Unknown,
    /// This value alone.
    Value(&'a Value),
    /// Values of a type.
    Typed(&'a str, &'a Map<String, Value>),
}

impl Variant<'_> {
    fn is_null(&self) -> bool {
        matches!(self, Self::Value(Value::Null) | Self::Typed("null", _))
    }
}

impl fmt::Display for Variant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("anything"),
            Self::Value(value) => write!(f, "{value}"),
            Self::Typed(kind, _) => f.write_str(kind),
        }
    }
}

/// What a schema consists of.
fn alternatives<'a>(schema: &'a Value, definitions: Definitions<'a>) -> Vec<Variant<'a>> {
    let mut found = Vec::new();
    collect(schema, definitions, DEEPEST, &mut found);
    found
}

fn collect<'a>(schema: &'a Value, definitions: Definitions<'a>, depth: usize, found: &mut Vec<Variant<'a>>) {
    let Value::Object(members) = schema else {
        if *schema != Value::Bool(false) {
            found.push(Variant::Unknown);
        }
        return;
    };
    if depth == 0 || found.len() > MOST {
        found.push(Variant::Unknown);
        return;
    }
    if members.contains_key("$ref") {
        match target(schema).and_then(|name| definitions.get(&name)) {
            Some(definition) => collect(definition, definitions, depth - 1, found),
            None => found.push(Variant::Unknown),
        }
        return;
    }
    if let Some(value) = members.get("const") {
        found.push(Variant::Value(value));
        return;
    }
    if let Some(Value::Array(values)) = members.get("enum") {
        found.extend(values.iter().map(Variant::Value));
        return;
    }
    let composed = ["allOf", "anyOf", "oneOf"].map(|name| members.get(name).and_then(Value::as_array));
    match composed {
        [None, None, None] => match members.get("type") {
            Some(Value::String(kind)) => found.push(Variant::Typed(kind, members)),
            Some(Value::Array(kinds)) => {
                found
                    .extend(kinds.iter().filter_map(Value::as_str).map(|kind| Variant::Typed(kind, members)));
            }
            _ if members.contains_key("properties") => found.push(Variant::Typed("object", members)),
            _ => found.push(Variant::Unknown),
        },
        // Beside other constraints they mean what can hardly be compared.
        _ if CONSTRAINTS.iter().any(|name| members.contains_key(*name)) => found.push(Variant::Unknown),
        [Some(all), None, None] => match &all[..] {
            [one] => collect(one, definitions, depth - 1, found),
            _ => found.push(Variant::Unknown),
        },
        [None, Some(any), None] | [None, None, Some(any)] => {
            any.iter().for_each(|one| collect(one, definitions, depth - 1, found));
        }
        _ => found.push(Variant::Unknown),
    }
}

/// What may stand beside a union and change what it means.
const CONSTRAINTS: [&str; 5] = ["properties", "required", "additionalProperties", "items", "not"];

struct Comparison<'a> {
    written: Definitions<'a>,
    read: Definitions<'a>,
    /// The pairs whose comparison led here: of types that hold themselves, what is being found out is assumed.
    under_way: Vec<(*const Value, *const Value)>,
    /// How many pairs may still be compared.
    left: usize,
}

impl<'a> Comparison<'a> {
    fn fits(&mut self, written: &'a Value, read: &'a Value) -> Result<(), Misfit> {
        let pair = (std::ptr::from_ref(written), std::ptr::from_ref(read));
        if self.left == 0 || self.under_way.len() == DEEPEST || self.under_way.contains(&pair) {
            return Ok(());
        }
        self.left -= 1;
        self.under_way.push(pair);
        let outcome = self.all_fit(alternatives(written, self.written), &alternatives(read, self.read));
        self.under_way.pop();
        outcome
    }

    fn all_fit(&mut self, written: Vec<Variant<'a>>, read: &[Variant<'a>]) -> Result<(), Misfit> {
        written.into_iter().try_for_each(|variant| self.one_fits(variant, read))
    }

    fn one_fits(&mut self, written: Variant<'a>, read: &[Variant<'a>]) -> Result<(), Misfit> {
        let mut nearest: Option<Misfit> = None;
        for variant in read {
            let Err(misfit) = self.pair_fits(written, *variant) else { return Ok(()) };
            let is_nearer =
                |misfit: &Misfit| nearest.as_ref().is_none_or(|near| near.path.len() < misfit.path.len());
            nearest = match misfit {
                Some(misfit) if is_nearer(&misfit) => Some(misfit),
                _ => nearest,
            };
        }
        Err(nearest.unwrap_or_else(|| {
            let taken: BTreeSet<String> = read.iter().map(ToString::to_string).collect();
            let taken: Vec<String> = taken.into_iter().collect();
            let taken = if taken.is_empty() { "nothing".to_owned() } else { taken.join(" or ") };
            Misfit { path: String::new(), reason: format!("{written} is sent where {taken} is taken") }
        }))
    }

    /// An error without more where they are of different types.
    fn pair_fits(&mut self, written: Variant<'a>, read: Variant<'a>) -> Result<(), Option<Misfit>> {
        match (written, read) {
            (Variant::Unknown, _) | (_, Variant::Unknown) => Ok(()),
            (Variant::Value(value), Variant::Value(other)) => {
                if same(value, other) {
                    Ok(())
                } else {
                    Err(None)
                }
            }
            (Variant::Value(value), Variant::Typed(kind, _)) => {
                if is_of(type_of(value), kind) {
                    Ok(())
                } else {
                    Err(None)
                }
            }
            (Variant::Typed(kind, _), Variant::Value(value)) => {
                // Of these a list may have all values; of the others it has not.
                if matches!(kind, "null" | "boolean") && type_of(value) == kind { Ok(()) } else { Err(None) }
            }
            (Variant::Typed(kind, _), Variant::Typed(other, _)) if !is_of(kind, other) => Err(None),
            (Variant::Typed("object", written), Variant::Typed(_, read)) => {
                self.object_fits(written, read).map_err(Some)
            }
            (Variant::Typed("array", written), Variant::Typed(_, read)) => {
                self.array_fits(written, read).map_err(Some)
            }
            (Variant::Typed(..), Variant::Typed(..)) => Ok(()),
        }
    }

    fn object_fits(
        &mut self,
        written: &'a Map<String, Value>,
        read: &'a Map<String, Value>,
    ) -> Result<(), Misfit> {
        let always: Vec<&str> = required(written).collect();
        if let Some(missing) = required(read).find(|name| !always.contains(name)) {
            return Err(Misfit { path: String::new(), reason: format!("{missing:?} may be missing") });
        }
        let known = members(read);
        // A name may match a pattern, and then anything may be true of it.
        let rest = read.get("additionalProperties").filter(|_| !read.contains_key("patternProperties"));
        for (name, schema) in members(written).into_iter().flatten() {
            let outcome = match (known.and_then(|known| known.get(name)), rest) {
                (Some(other), _) => self.fits(schema, other),
                (None, Some(Value::Bool(false))) => {
                    Err(Misfit { path: String::new(), reason: "it may be sent, and is not known".to_owned() })
                }
                (None, Some(rest)) => self.fits(schema, rest),
                (None, None) => Ok(()),
            };
            outcome.map_err(|misfit| misfit.within(name))?;
        }
        match (written.get("additionalProperties"), rest) {
            (Some(Value::Object(_)), Some(Value::Bool(false))) if known.is_none() => {
                Err(Misfit { path: "/*".to_owned(), reason: "it may be sent, and is not known".to_owned() })
            }
            (Some(schema @ Value::Object(_)), Some(rest @ Value::Object(_))) => {
                self.fits(schema, rest).map_err(|misfit| misfit.within("*"))
            }
            _ => Ok(()),
        }
    }

    fn array_fits(
        &mut self,
        written: &'a Map<String, Value>,
        read: &'a Map<String, Value>,
    ) -> Result<(), Misfit> {
        match (written.get("items"), read.get("items")) {
            (Some(Value::Array(written)), Some(Value::Array(read))) => {
                if written.len() != read.len() {
                    let reason = format!("{} items are sent where {} are taken", written.len(), read.len());
                    return Err(Misfit { path: String::new(), reason });
                }
                for (index, (written, read)) in written.iter().zip(read).enumerate() {
                    self.fits(written, read).map_err(|misfit| misfit.within(&index.to_string()))?;
                }
                Ok(())
            }
            (Some(Value::Array(written)), Some(read)) => written
                .iter()
                .enumerate()
                .try_for_each(|(index, one)| self.fits(one, read).map_err(|m| m.within(&index.to_string()))),
            // A list that happens to be as long as a tuple may be meant.
            (Some(_), Some(Value::Array(_))) | (None, _) | (_, None) => Ok(()),
            (Some(written), Some(read)) => self.fits(written, read).map_err(|misfit| misfit.within("*")),
        }
    }
}

impl Misfit {
    fn within(mut self, name: &str) -> Self {
        self.path.insert_str(0, &format!("/{}", escaped(name)));
        self
    }
}

fn required(object: &Map<String, Value>) -> impl Iterator<Item = &str> {
    object.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn members(object: &Map<String, Value>) -> Option<&Map<String, Value>> {
    object.get("properties").and_then(Value::as_object)
}

fn is_of(kind: &str, other: &str) -> bool {
    kind == other || (kind == "integer" && other == "number")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(written: &Value, read: &Value) -> Result<(), String> {
        let definitions = json!({
            "Tree": {"type": "object", "required": ["left"], "properties": {
                "left": {"anyOf": [{"$ref": "#/components/schemas/Tree"}, {"type": "null"}]}}},
            "Tree2": {"type": "object", "required": ["left"], "properties": {
                "left": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Tree2"}]}}},
            "Loop": {"$ref": "#/components/schemas/Loop"},
            "Id": {"type": "string"}, "a/b <c>": {"type": "string"}});
        let definitions = definitions.as_object().unwrap();
        fits((written, definitions), (read, definitions)).map_err(|misfit| misfit.to_string())
    }

    fn tagged(tag: &str, member: &str) -> Value {
        json!({"type": "object", "properties": {"kind": {"type": "string", "const": tag}, member: {"type": "integer"}},
               "required": ["kind", member]})
    }

    #[test]
    fn equal_is_equal_however_it_is_said() {
        let rows = [
            (json!({"$ref": "#/components/schemas/Id"}), json!({"type": "string", "description": "An id."})),
            (
                json!({"description": "d", "allOf": [{"$ref": "#/components/schemas/Id"}]}),
                json!({"type": "string"}),
            ),
            (json!({"type": ["null", "string"]}), json!({"anyOf": [{"type": "string"}, {"type": "null"}]})),
            (json!({"enum": ["a", "b"]}), json!({"oneOf": [{"const": "b"}, {"const": "a", "title": "A"}]})),
            (json!({"$ref": "#/components/schemas/Tree"}), json!({"$ref": "#/components/schemas/Tree2"})),
            (json!({"$ref": "#/components/schemas/Loop"}), json!({"type": "string"})),
            (
                json!({"oneOf": [tagged("a", "x"), tagged("b", "y")]}),
                json!({"anyOf": [tagged("b", "y"), tagged("a", "x")]}),
            ),
            (json!({"$ref": "#/components/schemas/a~1b%20%3Cc%3E"}), json!({"type": "string"})),
            (json!({"const": 1}), json!({"enum": [1.0, 1]})),
            (json!(true), json!({"type": "string"})),
            (json!({"type": "string"}), json!({"default": 3})),
        ];
        for (one, other) in rows {
            assert_eq!(check(&one, &other), Ok(()), "{one} {other}");
            assert_eq!(check(&other, &one), Ok(()), "{other} {one}");
        }
    }

    #[test]
    fn more_may_be_read_than_is_written() {
        let rows = [
            (json!({"type": "integer"}), json!({"type": "number"})),
            (json!({"type": "string"}), json!({"type": ["string", "null"]})),
            (json!({"enum": ["a"]}), json!({"enum": ["a", "b"]})),
            (json!({"const": 1}), json!({"type": "integer"})),
            (tagged("a", "x"), json!({"oneOf": [tagged("a", "x"), tagged("b", "y")]})),
            (
                json!({"type": "object", "required": ["a", "b"], "properties": {"a": true}}),
                json!({"type": "object", "required": ["a"]}),
            ),
        ];
        for (written, read) in rows {
            assert_eq!(check(&written, &read), Ok(()), "{written} {read}");
            assert!(check(&read, &written).is_err(), "{read} {written}");
        }
        let members = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
        assert_eq!(
            check(&members, &json!({"type": "object", "additionalProperties": {"type": "number"}})),
            Ok(())
        );
    }

    #[test]
    fn what_may_be_written_and_is_not_read() {
        let list = |items: Value| json!({"type": "array", "items": items});
        let closed = json!({"type": "object", "properties": {"a": true}, "additionalProperties": false});
        let rows = [
            (json!({"type": "string"}), json!({"type": "integer"}), "string is sent where integer is taken"),
            (
                json!({"type": ["string", "null"]}),
                json!({"type": "string"}),
                "null is sent where string is taken",
            ),
            (
                json!({"enum": ["a", "c"]}),
                json!({"enum": ["a", "b"]}),
                "\"c\" is sent where \"a\" or \"b\" is taken",
            ),
            (json!({"type": "string"}), json!({"enum": ["a"]}), "string is sent where \"a\" is taken"),
            (
                list(json!({"type": "string"})),
                list(json!({"type": "null"})),
                "at /*: string is sent where null is taken",
            ),
            (list(json!([true, true])), list(json!([true])), "2 items are sent where 1 are taken"),
            (
                json!({"type": "object", "properties": {"a": true, "b/c": true}}),
                closed,
                "at /b~1c: it may be sent, and is not known",
            ),
            (
                json!({"oneOf": [tagged("a", "x"), tagged("c", "y")]}),
                json!({"oneOf": [tagged("a", "x"), tagged("b", "y")]}),
                "at /kind: \"c\" is sent where \"b\" is taken",
            ),
            (json!({"type": "string"}), json!(false), "string is sent where nothing is taken"),
        ];
        for (written, read, fault) in rows {
            assert_eq!(check(&written, &read), Err(fault.to_owned()), "{written} {read}");
        }
    }

    #[test]
    fn schemas_without_end_are_compared_in_bounded_time() {
        // Each level doubles what is compared.
        let mut definitions = Map::new();
        for level in 0..60 {
            let next = json!({"$ref": format!("#/components/schemas/L{}", level + 1)});
            let object = json!({"type": "object", "properties": {"a": next, "b": next}});
            definitions.insert(format!("L{level}"), json!({"anyOf": [object.clone(), object]}));
        }
        let root = json!({"$ref": "#/components/schemas/L0"});
        assert_eq!(fits((&root, &definitions), (&root, &definitions)), Ok(()));
    }
}
