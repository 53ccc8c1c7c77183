//! Values that fit a JSON Schema, and values that do not: from a seed, so that a failure can be made again.
//!
//! What it makes is always checked against the schema, so a keyword that it does not know costs values, never a wrong
//! verdict.

use serde_json::{Map, Value, json};

/// A sequence of numbers from a seed: `SplitMix64` (Steele, Lea and Flood 2014), the same on every machine.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The sequence of a seed and a name: each method has its own, whatever others there are.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        // FNV-1a.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(seed ^ hash)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.next() % end }
    }

    /// One of two.
    pub(crate) fn half(&mut self) -> bool {
        self.below(2) == 1
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let at = self.below(of.len() as u64);
        of.get(usize::try_from(at).unwrap_or(0))
    }
}

/// How deep a value may become before only the simplest are made.
const DEEP: usize = 6;
const MAX_DEPTH: usize = 12;
const ATTEMPTS: usize = 40;

/// A schema with what its `$ref`s point into.
pub(crate) struct Shape {
    schema: Value,
    components: Value,
    validator: jsonschema::Validator,
}

impl Shape {
    /// `None` where it is no schema of draft-07.
    pub(crate) fn new(schema: &Value, components: &Value) -> Option<Self> {
        let whole = whole(schema, components);
        let validator = jsonschema::draft7::new(&whole).ok()?;
        Some(Self { schema: schema.clone(), components: components.clone(), validator })
    }

    pub(crate) fn fits(&self, value: &Value) -> bool {
        self.validator.is_valid(value)
    }

    /// A value that fits.
    pub(crate) fn valid(&self, random: &mut Random) -> Option<Value> {
        (0..ATTEMPTS).find_map(|_| {
            let value = Maker { components: &self.components, random }.make(&self.schema, 0)?;
            self.fits(&value).then_some(value)
        })
    }

    /// Values of every kind that do not fit.
    pub(crate) fn invalid(&self) -> Vec<(&'static str, Value)> {
        let all = [
            ("null", Value::Null),
            ("boolean", json!(true)),
            ("integer", json!(-7)),
            ("fraction", json!(0.5)),
            ("string", json!("no")),
            ("array", json!([null])),
            ("object", json!({"no": {"such": "member"}})),
        ];
        all.into_iter().chain(self.beyond()).filter(|(_, value)| !self.fits(value)).collect()
    }

    /// The integers next to its bounds, where it says them itself.
    fn beyond(&self) -> Vec<(&'static str, Value)> {
        let mut schema = &self.schema;
        for _ in 0..MAX_DEPTH {
            let target = schema.get("$ref").and_then(Value::as_str);
            match target.and_then(|target| self.components.pointer(target.strip_prefix("#/components")?)) {
                Some(target) => schema = target,
                None => break,
            }
        }
        let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_i64);
        let sides = [
            ("below", bound("minimum"), -1),
            ("below-exclusive", bound("exclusiveMinimum"), 0),
            ("above", bound("maximum"), 1),
            ("above-exclusive", bound("exclusiveMaximum"), 0),
        ];
        // What JSON-3 does not let travel as a number is not sent.
        let travels = |value: &i64| value.unsigned_abs() < 1 << 53;
        sides
            .into_iter()
            .filter_map(|(name, bound, step)| {
                let value = bound?.checked_add(step).filter(travels)?;
                Some((name, json!(value)))
            })
            .collect()
    }
}

/// A schema of a manifest as one that stands alone.
pub(crate) fn whole(schema: &Value, components: &Value) -> Value {
    if schema.to_string().contains("#/components") {
        json!({"allOf": [schema], "components": components})
    } else {
        schema.clone()
    }
}

struct Maker<'a> {
    components: &'a Value,
    random: &'a mut Random,
}

impl Maker<'_> {
    fn make(&mut self, schema: &Value, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        let Value::Object(keywords) = schema else {
            return (schema != &Value::Bool(false)).then(|| json!("anything"));
        };
        if let Some(target) = keywords.get("$ref").and_then(Value::as_str) {
            let target = target.strip_prefix("#/components")?;
            let target = self.components.pointer(target)?.clone();
            return self.make(&target, depth + 1);
        }
        if let Some(value) = keywords.get("const") {
            return Some(value.clone());
        }
        if let Some(values) = keywords.get("enum").and_then(Value::as_array) {
            return self.random.pick(values).cloned();
        }
        for alternatives in ["oneOf", "anyOf"] {
            if let Some(list) = keywords.get(alternatives).and_then(Value::as_array) {
                let chosen = if depth > DEEP { list.last() } else { self.random.pick(list) }?.clone();
                return self.joined(keywords, alternatives, &[chosen], depth);
            }
        }
        if let Some(list) = keywords.get("allOf").and_then(Value::as_array) {
            let list = list.clone();
            return self.joined(keywords, "allOf", &list, depth);
        }
        let kind = match keywords.get("type") {
            Some(Value::String(kind)) => kind.clone(),
            Some(Value::Array(kinds)) => self.random.pick(kinds)?.as_str()?.to_owned(),
            _ if keywords.contains_key("properties") => "object".to_owned(),
            _ => "string".to_owned(),
        };
        match kind.as_str() {
            "null" => Some(Value::Null),
            "boolean" => Some((self.random.below(2) == 1).into()),
            "integer" => self.integer(keywords),
            "number" => self.integer(keywords).or_else(|| keywords.get("minimum").cloned()),
            "string" => self.string(keywords),
            "array" => self.array(keywords, depth),
            "object" => self.object(keywords, depth),
            _ => None,
        }
    }

    /// What stands beside alternatives holds too; objects are put together.
    fn joined(
        &mut self,
        keywords: &Map<String, Value>,
        without: &str,
        parts: &[Value],
        depth: usize,
    ) -> Option<Value> {
        let mut rest = keywords.clone();
        rest.remove(without);
        let mut made = Vec::new();
        for part in parts {
            made.push(self.make(part, depth + 1)?);
        }
        if rest.contains_key("type") || rest.contains_key("properties") {
            made.push(self.make(&Value::Object(rest), depth + 1)?);
        }
        if made.len() > 1 && made.iter().all(Value::is_object) {
            let members = made.into_iter().filter_map(|value| match value {
                Value::Object(members) => Some(members),
                _ => None,
            });
            return Some(Value::Object(members.flatten().collect()));
        }
        made.into_iter().next()
    }

    /// Small ones: a method may take a number of milliseconds, or of mebibytes.
    fn integer(&mut self, keywords: &Map<String, Value>) -> Option<Value> {
        let bound = |name: &str| keywords.get(name).and_then(Value::as_f64);
        let floor = |bound: f64| {
            // Beyond this an integer is not exact, and no test of ours.
            (bound.abs() <= 9_007_199_254_740_991.0)
                .then(|| format!("{:.0}", bound.ceil()).parse::<i64>().ok())
                .flatten()
        };
        let least = match (bound("minimum"), bound("exclusiveMinimum")) {
            (Some(bound), _) => floor(bound)?,
            (None, Some(bound)) => floor(bound)?.checked_add(1)?,
            (None, None) => 0,
        };
        let most = match (bound("maximum"), bound("exclusiveMaximum")) {
            (Some(bound), _) => floor(bound.floor())?,
            (None, Some(bound)) => floor(bound.floor())?.checked_sub(1)?,
            (None, None) => i64::MAX,
        };
        let least = if least < 0 && most >= 0 { 0 } else { least.min(most) };
        let room = u64::try_from(most.checked_sub(least)?).ok()?.min(9);
        let step = bound("multipleOf").and_then(floor).unwrap_or(1).max(1);
        let number = least.checked_add(i64::try_from(self.random.below(room + 1)).ok()?)?;
        Some((number.div_euclid(step) * step).into())
    }

    fn string(&mut self, keywords: &Map<String, Value>) -> Option<Value> {
        if keywords.contains_key("pattern") {
            return None;
        }
        if keywords.get("contentEncoding").and_then(Value::as_str) == Some("base64") {
            return self.random.pick(&["", "cGx1Z2xpbmU=", "AAECAw=="]).map(|text| json!(text));
        }
        if let Some(format) = keywords.get("format").and_then(Value::as_str) {
            return Some(json!(match format {
                "date-time" => "2026-01-31T12:34:56Z",
                "date" => "2026-01-31",
                "time" => "12:34:56Z",
                "email" => "ada@example.org",
                "uri" | "url" | "uri-reference" => "https://example.org/a?b#c",
                "uuid" => "6f9619ff-8b86-4d11-b42d-00cf4fc964ff",
                "hostname" => "example.org",
                "ipv4" => "192.0.2.1",
                "ipv6" => "2001:db8::1",
                _ => return None,
            }));
        }
        let size = |name: &str| keywords.get(name).and_then(Value::as_u64);
        let (least, most) = (size("minLength").unwrap_or(0), size("maxLength").unwrap_or(u64::MAX));
        const TEXTS: [&str; 7] = ["", "a", "ada", "ä ö ü", "a\"b\\c\n", "\u{1f600}", "a\u{2028}b"];
        let text = *self.random.pick(&TEXTS)?;
        let mut text = text.to_owned();
        while (text.chars().count() as u64) < least {
            text.push('x');
        }
        Some(text.chars().take(usize::try_from(most).unwrap_or(usize::MAX)).collect::<String>().into())
    }

    fn array(&mut self, keywords: &Map<String, Value>, depth: usize) -> Option<Value> {
        let size = |name: &str| keywords.get(name).and_then(Value::as_u64);
        let least = size("minItems").unwrap_or(0);
        let room = if depth > DEEP { 0 } else { 3 };
        let most = size("maxItems").unwrap_or(least + room).min(least + room);
        let count = least + self.random.below(most.saturating_sub(least) + 1);
        match keywords.get("items") {
            Some(Value::Array(items)) => {
                let items = items.clone();
                items
                    .iter()
                    .map(|item| self.make(item, depth + 1))
                    .collect::<Option<Vec<_>>>()
                    .map(Value::Array)
            }
            items => {
                let any = json!({});
                let item = items.unwrap_or(&any).clone();
                (0..count).map(|_| self.make(&item, depth + 1)).collect::<Option<Vec<_>>>().map(Value::Array)
            }
        }
    }

    fn object(&mut self, keywords: &Map<String, Value>, depth: usize) -> Option<Value> {
        let required: Vec<&str> = keywords
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut members = Map::new();
        for (name, schema) in keywords.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if required.contains(&name.as_str()) || (depth <= DEEP && self.random.below(2) == 1) {
                members.insert(name.clone(), self.make(schema, depth + 1)?);
            }
        }
        Some(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_fits_and_comes_again() {
        let components = json!({"schemas": {
            "Tree": {"type": "object", "required": ["name", "kids"], "additionalProperties": false, "properties": {
                "name": {"type": "string", "minLength": 2, "maxLength": 4},
                "kids": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}}},
        }});
        let schemas = [
            json!({"$ref": "#/components/schemas/Tree"}),
            json!({"type": "integer", "minimum": 3, "maximum": 4}),
            json!({"type": "integer", "exclusiveMinimum": 0, "multipleOf": 5}),
            json!({"anyOf": [{"type": "null"}, {"enum": ["a", 1]}]}),
            json!({"allOf": [{"type": "object", "required": ["a"], "properties": {"a": {"type": "boolean"}}}],
                   "type": "object", "required": ["b"], "properties": {"b": {"const": 7}}}),
            json!({"type": ["string", "null"], "format": "date-time"}),
            json!({"oneOf": [{"type": "object", "required": ["kind"], "properties": {"kind": {"const": "x"}}}]}),
        ];
        for schema in schemas {
            let shape = Shape::new(&schema, &components).unwrap();
            let made: Vec<Value> = {
                let mut random = Random::new(7, "m");
                (0..20).map(|_| shape.valid(&mut random).unwrap_or_else(|| panic!("{schema}"))).collect()
            };
            let mut random = Random::new(7, "m");
            for value in made {
                assert!(shape.fits(&value));
                assert_eq!(shape.valid(&mut random).unwrap(), value);
            }
            assert!(shape.invalid().iter().all(|(_, value)| !shape.fits(value)));
        }
    }

    #[test]
    fn the_neighbours_of_bounds_do_not_fit() {
        let components = json!({"schemas": {"Few": {"type": "integer", "minimum": 0, "maximum": 9}}});
        let few = Shape::new(&json!({"$ref": "#/components/schemas/Few"}), &components).unwrap();
        let made = few.invalid();
        assert!(made.contains(&("above", json!(10))) && made.contains(&("below", json!(-1))), "{made:?}");
        let most = Shape::new(&json!({"type": "integer", "maximum": 9_007_199_254_740_991_i64}), &components)
            .unwrap();
        assert!(!most.invalid().iter().any(|(name, _)| *name == "above"));
        let open = Shape::new(&json!({"type": "number", "exclusiveMinimum": 3}), &components).unwrap();
        assert!(open.invalid().contains(&("below-exclusive", json!(3))));
    }
}
