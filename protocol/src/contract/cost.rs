//! How much work the check of a value may be. A schema that refers to itself in several alternatives makes a checker
//! try all of them at every level, which a short contract and a short value can drive beyond any time. The work is
//! counted beforehand, each pair of a schema and a value once, and a value that would cost too much is refused. So is a
//! long text against a large pattern: each of its characters may be looked at in each of the pattern's states.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::pattern;
use super::schema::{Applied, Part, parts, target};

/// So many steps are taken: some seconds at worst.
pub(super) const MOST: u64 = 5_000_000;

/// So many states of a pattern, each for one character, are one step.
const STATES_A_STEP: u64 = 50;

/// So deep a way through schemas and values fits on any stack.
pub(super) const SHALLOW: usize = 150;

/// What the check of a value takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// So many steps.
    Bearable(u64),
    /// More levels than were to be gone down; the work was not counted.
    Deep,
    /// More time than anybody would wait.
    TooMuch,
}

/// What schemas lead to.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    /// The shared schemas, by name.
    pub(super) schemas: &'a Map<String, Value>,
    /// How many states each pattern has.
    pub(super) patterns: &'a HashMap<String, u64>,
}

/// What it takes to check a value against a schema; no deeper than that is gone down.
pub(super) fn of(schema: &Value, value: &Value, shared: &Shared<'_>, deepest: usize) -> Cost {
    at_most(MOST, schema, value, shared, deepest)
}

fn at_most(most: u64, schema: &Value, value: &Value, shared: &Shared<'_>, deepest: usize) -> Cost {
    let mut counter =
        Counter { shared, known: HashMap::new(), left: deepest, looked_at: 0, most, is_deep: false };
    let steps = counter.steps(schema, value);
    match (counter.is_deep, steps <= most && counter.looked_at <= most) {
        (true, _) => Cost::Deep,
        (false, true) => Cost::Bearable(steps),
        (false, false) => Cost::TooMuch,
    }
}

/// Every pattern in these schemas, with its states.
pub(super) fn patterns<'a>(schemas: impl Iterator<Item = &'a Value>) -> HashMap<String, u64> {
    let mut patterns = HashMap::new();
    for pattern in schemas.flat_map(patterns_of) {
        if !patterns.contains_key(pattern) {
            patterns.insert(pattern.to_owned(), pattern::states(pattern));
        }
    }
    patterns
}

/// The patterns of one schema, but for those of schemas within it.
pub(super) fn patterns_of(schema: &Value) -> impl Iterator<Item = &str> {
    let named = schema.get("patternProperties").and_then(Value::as_object);
    let named = named.into_iter().flatten().map(|(pattern, _)| pattern.as_str());
    schema.get("pattern").and_then(Value::as_str).into_iter().chain(named)
}

struct Counter<'a> {
    shared: &'a Shared<'a>,
    /// By where the schema and the value stand in memory: both stay as they are while they are counted.
    known: HashMap<(*const Value, *const Value), u64>,
    /// How many more levels are gone down.
    left: usize,
    /// How many pairs were looked at; each is a step at least.
    looked_at: u64,
    /// How many steps may be taken.
    most: u64,
    is_deep: bool,
}

impl<'a> Counter<'a> {
    fn steps(&mut self, schema: &'a Value, value: &Value) -> u64 {
        if self.left == 0 {
            self.is_deep = true;
            return 1;
        }
        self.left -= 1;
        let steps = self.counted(schema, value);
        self.left += 1;
        steps
    }

    fn counted(&mut self, schema: &'a Value, value: &Value) -> u64 {
        // The smallest schemas need no looking up.
        if !schema.is_object() {
            return 1;
        }
        let key = (std::ptr::from_ref(schema), std::ptr::from_ref(value));
        if let Some(steps) = self.known.get(&key) {
            return *steps;
        }
        self.looked_at += 1;
        if self.looked_at > self.most {
            return self.most; // It is too much already, and to count on would be, too.
        }
        let mut sum = 1_u64;
        if let Some(name) = target(schema) {
            if let Some(next) = self.shared.schemas.get(&name) {
                sum = sum.saturating_add(self.steps(next, value));
            }
        } else {
            sum = sum.saturating_add(self.patterns(schema, value));
            for part in parts(schema) {
                if part.applied == Applied::InPlace {
                    sum = sum.saturating_add(self.steps(part.schema, value));
                } else {
                    sum = sum.saturating_add(self.within(&part, value));
                }
            }
        }
        self.known.insert(key, sum);
        sum
    }

    /// What the patterns of a schema itself take.
    fn patterns(&self, schema: &Value, value: &Value) -> u64 {
        let one = |pattern: &str, length: usize| {
            let states = self.shared.patterns.get(pattern).copied().unwrap_or(u64::MAX);
            states.saturating_mul(length as u64) / STATES_A_STEP
        };
        match value {
            Value::String(text) => {
                schema.get("pattern").and_then(Value::as_str).map_or(0, |pattern| one(pattern, text.len()))
            }
            Value::Object(members) => {
                let Some(patterns) = schema.get("patternProperties").and_then(Value::as_object) else {
                    return 0;
                };
                let length = members.keys().map(String::len).fold(0, usize::saturating_add);
                patterns.keys().map(|pattern| one(pattern, length)).fold(0, u64::saturating_add)
            }
            _ => 0,
        }
    }

    /// The parts of the value that a part of the schema is applied to; at worst all of them.
    fn within(&mut self, part: &Part<'a>, value: &Value) -> u64 {
        let mut sum = 0_u64;
        let keyword = part.at[1..].split('/').next().unwrap_or_default();
        match (keyword, value) {
            ("properties", Value::Object(members)) => {
                let name = part.at["/properties/".len()..].replace("~1", "/").replace("~0", "~");
                if let Some(member) = members.get(&name) {
                    sum = self.steps(part.schema, member);
                }
            }
            ("patternProperties" | "additionalProperties", Value::Object(members)) => {
                for member in members.values() {
                    sum = sum.saturating_add(self.steps(part.schema, member));
                }
            }
            ("propertyNames", Value::Object(members)) => {
                // As many times what the longest takes. It is a value of its own, whose place in memory is its own only
                // while it lives: what is known of it is forgotten with it.
                let Some(longest) = members.keys().max_by_key(|name| name.len()) else { return 0 };
                let name = Value::String(longest.clone());
                let known = std::mem::take(&mut self.known);
                sum = self.steps(part.schema, &name).saturating_mul(members.len() as u64);
                self.known = known;
            }
            ("items" | "additionalItems" | "contains", Value::Array(items)) => {
                for item in items {
                    sum = sum.saturating_add(self.steps(part.schema, item));
                }
            }
            _ => {}
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_doubles_at_every_level_is_refused_and_what_is_only_deep_is_not() {
        let shared = json!({
            "Tree": {"properties": {"next": {"$ref": "#/components/schemas/Tree"}}},
            "Twice": {"anyOf": [
                {"properties": {"next": {"$ref": "#/components/schemas/Twice"}}},
                {"properties": {"next": {"$ref": "#/components/schemas/Twice"}}}]}
        });
        let shared = shared.as_object().unwrap();
        let mut value = json!({});
        for _ in 0..60 {
            value = json!({ "next": value });
        }
        let patterns = HashMap::new();
        let shared = Shared { schemas: shared, patterns: &patterns };
        let cost = |name: &str, value, deepest| of(&shared.schemas[name], value, &shared, deepest);
        assert!(matches!(cost("Tree", &value, usize::MAX), Cost::Bearable(1..1000)));
        assert_eq!(cost("Tree", &value, 20), Cost::Deep);
        assert_eq!(cost("Twice", &value, usize::MAX), Cost::TooMuch);
        assert!(matches!(cost("Twice", &json!({"next": {"next": {}}}), 20), Cost::Bearable(1..100)));
    }

    /// A bound that is soon reached.
    const FEW: u64 = 5_000;

    fn steps(schema: &Value, value: &Value) -> Cost {
        let patterns = patterns(std::iter::once(schema).chain(schema.get("propertyNames")));
        at_most(FEW, schema, value, &Shared { schemas: &Map::new(), patterns: &patterns }, SHALLOW)
    }

    #[test]
    fn so_many_steps_and_no_more() {
        let items = |count: u64| json!(vec![0; usize::try_from(count).unwrap()]);
        let schema = json!({"items": {"allOf": [true, true, true]}});
        // The list is a step, and each item one of its own and three of what is asked of it.
        assert_eq!(steps(&schema, &items((FEW - 1) / 4)), Cost::Bearable(FEW - 3));
        assert_eq!(steps(&schema, &items((FEW - 1) / 4 + 1)), Cost::TooMuch);
    }

    #[test]
    fn a_text_costs_its_length_times_the_states_of_its_pattern() {
        let schema = json!({"pattern": "^(a|b)*a(a|b){500}$"});
        let text = |length: u64| json!("a".repeat(usize::try_from(length).unwrap()));
        let longest = FEW * STATES_A_STEP / 1003;
        assert!(matches!(steps(&schema, &text(longest - 1)), Cost::Bearable(_)));
        assert_eq!(steps(&schema, &text(longest + 1)), Cost::TooMuch);
        // Names are texts too.
        let long = "a".repeat(usize::try_from(longest + 1).unwrap());
        assert_eq!(
            steps(&json!({"patternProperties": {"(a|b)*a(a|b){500}": {}}}), &json!({&long: 1})),
            Cost::TooMuch
        );
        assert_eq!(steps(&json!({"propertyNames": schema}), &json!({&long: 1})), Cost::TooMuch);
        assert!(matches!(steps(&json!({"propertyNames": schema}), &json!({"a": 1})), Cost::Bearable(1..50)));
    }
}
