//! The rules for schemas: draft-07, references that stay within the document and lead somewhere, and nothing that a
//! checker could not end with.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use crate::contract::cost::patterns_of;
use crate::contract::engine;
use crate::contract::fault::{Fault, Faults};
use crate::contract::pattern;
use crate::contract::places;
use crate::contract::schema::{Applied, COMPONENTS, escaped, parts, target, target_name};

/// Keywords of later drafts, which nothing checks here, and what draft-07 says instead.
const LATER: [(&str, &str); 11] = [
    ("$defs", "put shared schemas under components.schemas"),
    ("$anchor", "point at #/components/schemas/NAME"),
    ("$dynamicRef", "point at #/components/schemas/NAME"),
    ("$dynamicAnchor", "point at #/components/schemas/NAME"),
    ("$recursiveRef", "point at #/components/schemas/NAME"),
    ("prefixItems", "say `items` with a list of schemas"),
    ("dependentRequired", "say `dependencies`"),
    ("dependentSchemas", "say `dependencies`"),
    ("unevaluatedProperties", "say `additionalProperties` at the object that has all properties"),
    ("unevaluatedItems", "say `additionalItems`"),
    ("maxContains", "say `maxItems`"),
];

/// The draft that schemas are written in, as `$schema` names it.
const DRAFT: &str = "http://json-schema.org/draft-07/schema";

/// A document has no more schemas than this, those within others counted. Whoever compiles them goes from one to the
/// next, and needs stack for all that lie on the way (`values.rs`).
const SCHEMAS: usize = 30_000;

/// One value is checked by a chain of schemas and references no longer than this. A checker goes down one at every level
/// of a value, of which there may be a hundred.
const CHAIN: usize = 32;

/// A schema may stand for so many alternatives of one value, all choices and references followed.
const ALTERNATIVES: usize = 10_000;

/// What is compiled of a document, each method with all that its schemas lead to: so many schemas, patterns counted by
/// their states. It takes some hundred bytes for each.
const COMPILED: u64 = 300_000;

/// So many states of a pattern take about as much as a schema.
const STATES_A_SCHEMA: u64 = 4;

fn shared(document: &Value) -> Option<&Map<String, Value>> {
    document.pointer("/components/schemas")?.as_object()
}

pub(super) fn check(document: &Value, faults: &mut Vec<Fault>) {
    let none = Map::new();
    let shared = shared(document).unwrap_or(&none);
    let mut weights = Weights { shared, known: HashMap::new() };
    let all = places::all_schemas(document);
    if all.len() > SCHEMAS {
        let what =
            format!("it has {} schemas, those within others counted, and {SCHEMAS} are read", all.len());
        faults.push(Fault::new("", "CONTRACT-3", what, "share schemas under components.schemas"));
        return;
    }
    let before = faults.len();
    if !can_be_compiled(document, shared) {
        let what = format!(
            "each method with all that its schemas lead to, more than {COMPILED} schemas are to be compiled, or patterns \
             as large as that"
        );
        let remedy = "repeat less in patterns, and let fewer methods lead to all schemas";
        faults.push(Fault::new("", "CONTRACT-3", what, remedy));
        return;
    }
    for (at, schema) in all {
        one(&at, schema, shared, faults);
        if faults.len() - before > Faults::MOST {
            return; // No more are told.
        }
    }
    for (name, schema) in shared {
        let at = format!("/components/schemas/{}", escaped(name));
        match weights.of(schema, 0) {
            Weight::Endless => faults.push(Fault::new(
                at,
                "CONTRACT-3",
                format!("a value is checked by a chain of more than {CHAIN} schemas and references"),
                "point at the schema that is meant in the end",
            )),
            Weight::Circle => faults.push(Fault::new(
                at,
                "CONTRACT-4",
                "it stands for itself: its references lead back to it without going into a value",
                "let one of them stand within `properties` or `items`",
            )),
            Weight::Alternatives(count) if count > ALTERNATIVES => faults.push(Fault::new(
                at,
                "CONTRACT-3",
                format!(
                    "all choices followed, it stands for more than {ALTERNATIVES} alternatives of one value"
                ),
                "choose by one member instead of by nested choices",
            )),
            Weight::Alternatives(_) => {}
        }
    }
}

/// Whether all of it can be compiled: each pattern is, to see that it can be, and then each method by itself, with all that
/// its schemas lead to.
fn can_be_compiled(document: &Value, shared: &Map<String, Value>) -> bool {
    let mut known = HashMap::new();
    let mut sum = 0;
    for (at, root) in places::schemas(document) {
        let is_shared = at.starts_with("/components/");
        let (mut seen, mut open) = (HashSet::new(), vec![root]);
        while let Some(schema) = open.pop() {
            let (weight, next) = known.entry(std::ptr::from_ref(schema)).or_insert_with(|| weighed(schema));
            sum += *weight;
            if sum > COMPILED {
                return false;
            }
            for name in next.iter().filter(|_| !is_shared) {
                if let Some((name, schema)) = shared.get_key_value(name)
                    && seen.insert(name)
                {
                    open.push(schema);
                }
            }
        }
    }
    true
}

/// What a schema takes by itself, those within it counted, and the names of those that it points at.
fn weighed(schema: &Value) -> (u64, Vec<String>) {
    let (mut weight, mut names, mut open) = (0_u64, Vec::new(), vec![schema]);
    while let Some(schema) = open.pop() {
        let states = patterns_of(schema).map(|text| pattern::states(text) / STATES_A_SCHEMA);
        weight = states.fold(weight.saturating_add(1), u64::saturating_add).min(COMPILED + 1);
        names.extend(target(schema));
        open.extend(parts(schema).into_iter().map(|part| part.schema));
    }
    (weight, names)
}

/// One schema by itself.
fn one(at: &str, schema: &Value, shared: &Map<String, Value>, faults: &mut Vec<Fault>) {
    let Some(members) = schema.as_object() else { return };
    let mut tell = |member: &str, rule, what: String, remedy: &str| {
        faults.push(Fault::new(format!("{at}/{}", escaped(member)), rule, what, remedy));
    };
    match members.get("$ref") {
        Some(Value::String(reference)) => match target_name(reference) {
            None => {
                let what = format!("{reference:?} is no reference to a shared schema of this document");
                let remedy = "move what it means under components.schemas, and say #/components/schemas/NAME";
                let rule = if reference.starts_with('#') { "CONTRACT-3" } else { "CONTRACT-4" };
                tell("$ref", rule, what, remedy);
            }
            Some(name) if !shared.contains_key(&name) => {
                let what = format!("{reference:?} leads nowhere: {COMPONENTS} has no {name:?}");
                tell("$ref", "CONTRACT-4", what, "add it there, or mend the name");
            }
            Some(_) => {}
        },
        Some(_) => tell("$ref", "CONTRACT-3", "it is no text".into(), "say #/components/schemas/NAME"),
        None => {}
    }
    if members.contains_key("$id") {
        let what = "`$id` changes what the references below it mean";
        tell(
            "$id",
            "CONTRACT-4",
            what.into(),
            "remove it: shared schemas have their names in components.schemas",
        );
    }
    if let Some(dialect) = members.get("$schema").and_then(Value::as_str)
        && dialect.trim_end_matches('#') != DRAFT
    {
        let what = format!("it says that it is written in {dialect:?}");
        tell("$schema", "CONTRACT-3", what, "write it in draft-07, and leave $schema out");
    }
    for (keyword, instead) in LATER {
        if members.contains_key(keyword) {
            tell(
                keyword,
                "CONTRACT-3",
                format!("draft-07 has no `{keyword}`, so that nothing checks it"),
                instead,
            );
        }
    }
    let pattern = members.get("pattern").and_then(Value::as_str).map(|pattern| ("pattern", pattern));
    let named = members.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
    for (keyword, pattern) in
        pattern.into_iter().chain(named.map(|(name, _)| ("patternProperties", name.as_str())))
    {
        if engine::pattern_fault(pattern).is_some() {
            let what = format!("the pattern {pattern:?} cannot be compiled");
            let remedy =
                "write it without look-around and back-references, which no engine matches in linear time";
            tell(keyword, "CONTRACT-3", what, remedy);
        }
    }
}

/// How many schemas one value may have to be checked against.
enum Weight {
    Alternatives(usize),
    Circle,
    /// A longer chain than is followed.
    Endless,
}

struct Weights<'a> {
    shared: &'a Map<String, Value>,
    /// By the name of the shared schema; `None` while it is being weighed.
    known: HashMap<String, Option<usize>>,
}

impl Weights<'_> {
    fn of(&mut self, schema: &Value, depth: usize) -> Weight {
        if depth > CHAIN {
            return Weight::Endless;
        }
        if let Some(name) = target(schema) {
            let Some(next) = self.shared.get(&name) else { return Weight::Alternatives(1) };
            match self.known.get(&name) {
                Some(Some(count)) => return Weight::Alternatives(*count),
                Some(None) => return Weight::Circle,
                None => {}
            }
            self.known.insert(name.clone(), None);
            let weight = self.of(next, depth + 1);
            // One that is a circle is told once, at whichever shared schema is met first.
            let count = if let Weight::Alternatives(count) = weight { count } else { 1 };
            self.known.insert(name, Some(count));
            return weight;
        }
        let mut sum = 1_usize;
        for part in parts(schema).into_iter().filter(|part| part.applied == Applied::InPlace) {
            match self.of(part.schema, depth + 1) {
                Weight::Alternatives(count) => sum = sum.saturating_add(count),
                other => return other,
            }
        }
        Weight::Alternatives(sum)
    }
}
