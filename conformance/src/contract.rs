//! Cases that a plugin's own manifest asks for: what it declares is what it does (`CONTRACT-9`, `CONTRACT-11`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::generate::{Random, Shape, whole};
use crate::model::{Case, Handshake, Level, Runs, Side, Variant};
use crate::trial::Trial;

/// How many calls with generated params a method gets.
const VALID: usize = 6;
/// Answers that any call may get, whatever its contract says: too large for the host, or load.
const ALWAYS: [i64; 2] = [-32007, -32006];

/// The generated cases, in this order: their ids and titles, for `list` and `explain`.
pub const GENERATED: [(&str, &str, &str); 3] = [
    ("CT-51", "every example of the manifest runs, and gives what it says", "CONTRACT-9"),
    ("CT-52", "params that fit the manifest are answered as the manifest says", "CONTRACT-11"),
    ("CT-53", "params that do not fit the manifest are answered with -32602", "MSG-38"),
];

/// Whether a pattern may be of a generated case, whatever the manifest says.
#[must_use]
pub fn may_choose(pattern: &str) -> bool {
    let begin = pattern.split_once('*').map_or(pattern, |(begin, _)| begin);
    GENERATED.iter().any(|(id, _, _)| id.starts_with(begin) || begin.starts_with(id))
}

/// The cases of a manifest; the seed decides which params are generated.
#[must_use]
pub fn trials(manifest: &Value, seed: u64) -> Vec<Trial> {
    let none = json!({});
    let components = manifest.get("components").unwrap_or(&none);
    let methods = manifest.get("methods").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let methods: Vec<Method<'_>> =
        methods.iter().filter_map(|method| Method::read(method, components)).collect();
    let examples = methods.iter().flat_map(Method::examples).collect();
    let valid = methods.iter().flat_map(|method| method.valid(seed)).collect();
    let invalid = methods.iter().flat_map(|method| method.invalid(seed)).collect();
    let hints = [
        "the manifest's `examples` are calls that were really made, in a fresh process with the config that was given",
        "a result that does not fit its schema, an error that is not declared, or a handler that fell over",
        "params are closed: a missing, ill-typed or unknown member is -32602 before the handler runs",
    ];
    let sets: [BTreeMap<String, Variant>; 3] = [examples, valid, invalid];
    GENERATED
        .iter()
        .zip(sets)
        .zip(hints)
        .filter(|((_, variants), _)| !variants.is_empty())
        .flat_map(|(((id, title, spec), variants), hint)| {
            Trial::all_of(&Arc::new(case(id, title, spec, hint, variants)))
        })
        .collect()
}

fn case(id: &str, title: &str, spec: &str, hint: &str, variants: BTreeMap<String, Variant>) -> Case {
    let steps = json!([
        {"send": {"jsonrpc": "2.0", "id": 1, "method": {"$ref": "method"}, "params": {"$ref": "params"}}},
        {"expect": {"$ref": "answer"}},
        {"alive": true},
    ]);
    Case {
        id: id.into(),
        title: title.into(),
        level: Level::Must,
        spec: vec![spec.into()],
        since: "1.0".into(),
        side: Side::Plugin,
        needs: Vec::new(),
        hint: Some(hint.into()),
        handshake: Handshake::Default,
        allows: Vec::new(),
        runs: Runs::Beside,
        steps: serde_json::from_value(steps).expect("the steps are well-formed, as every run of them shows"),
        variants,
        kills: Vec::new(),
    }
}

struct Method<'a> {
    name: &'a str,
    document: &'a Value,
    components: &'a Value,
    params: Vec<Param<'a>>,
    /// The schema of its result; a notification has none.
    result: Option<&'a Value>,
}

struct Param<'a> {
    name: &'a str,
    required: bool,
    shape: Shape,
}

impl<'a> Method<'a> {
    /// `None` where the manifest is not one; other cases say so.
    fn read(document: &'a Value, components: &'a Value) -> Option<Self> {
        let params = document.get("params")?.as_array()?.iter().map(|param| {
            Some(Param {
                name: param.get("name")?.as_str()?,
                required: param.get("required") == Some(&json!(true)),
                shape: Shape::new(param.get("schema")?, components)?,
            })
        });
        Some(Self {
            name: document.get("name")?.as_str()?,
            document,
            components,
            params: params.collect::<Option<_>>()?,
            result: document.pointer("/result/schema"),
        })
    }

    fn has_streams(&self) -> bool {
        let own = self.document.get("x-plugline");
        own.is_some_and(|own| own.get("output").is_some() || own.get("input").is_some())
    }

    /// It falls over because that is what it is for.
    fn is_panic(&self) -> bool {
        self.name == "conf.panic"
    }

    /// What it may answer to params that fit.
    fn answer(&self) -> Value {
        let result = self
            .result
            .map_or(json!({"$any": true}), |schema| json!({"$schema": whole(schema, self.components)}));
        let declared = self.document.pointer("/x-plugline/errors").or_else(|| self.document.get("errors"));
        let code = match declared {
            Some(Value::String(_)) => json!({"$not": -32603}),
            declared => {
                let codes = declared.and_then(Value::as_array).into_iter().flatten();
                let codes = codes.filter_map(|error| error.get("code").cloned());
                json!({"$one_of": codes.chain(ALWAYS.map(Value::from)).collect::<Vec<_>>()})
            }
        };
        json!({"id": 1, "result": {"$one_of": [{"$absent": true}, result]},
               "error": {"$one_of": [{"$absent": true}, {"code": code}]}})
    }

    /// Each example of OpenRPC, and of `x-plugline` where it has no streams.
    fn examples(&self) -> Vec<(String, Variant)> {
        if self.result.is_none() || self.has_streams() {
            return Vec::new();
        }
        let list =
            |pointer: &str| self.document.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
        let plain = list("/examples").filter_map(|pairing| {
            let params = pairing.get("params")?.as_array()?.iter();
            let params: Map<String, Value> = params
                .map(|param| Some((param.get("name")?.as_str()?.to_owned(), param.get("value")?.clone())))
                .collect::<Option<_>>()?;
            let result = pairing.pointer("/result/value")?.clone();
            Some((pairing, Value::Object(params), json!({"id": 1, "result": self.exactly(&result)})))
        });
        let own = list("/x-plugline/examples").filter_map(|example| {
            let params = example.get("params")?.clone();
            let answer = match (example.get("result"), example.pointer("/error/code")) {
                (Some(result), _) => json!({"id": 1, "result": self.exactly(result)}),
                (None, Some(code)) => json!({"id": 1, "error": {"code": code}}),
                (None, None) => return None,
            };
            Some((example, params, answer))
        });
        plain
            .chain(own)
            .filter(|(_, params, answer)| {
                !has_dollar(params) && !answer.pointer("/result/$all/0/$exact").is_some_and(has_dollar)
            })
            .map(|(example, params, answer)| {
                let name = example.get("name").and_then(Value::as_str).unwrap_or("example");
                (variant_name(self.name, name), self.variant(params, answer))
            })
            .collect()
    }

    /// The result that an example gives, which also fits its schema.
    fn exactly(&self, result: &Value) -> Value {
        let schema = self.result.map_or(json!({}), |schema| whole(schema, self.components));
        json!({"$all": [{"$exact": result}, {"$schema": schema}]})
    }

    fn variant(&self, params: Value, answer: Value) -> Variant {
        let with =
            [("method".to_owned(), json!(self.name)), ("params".into(), params), ("answer".into(), answer)];
        Variant { with: with.into_iter().collect(), ..Variant::default() }
    }

    /// Params that fit, required ones and some of the others.
    fn valid_params(&self, random: &mut Random) -> Option<Map<String, Value>> {
        let mut params = Map::new();
        for param in &self.params {
            match param.shape.valid(random) {
                Some(value) if param.required || random.half() => {
                    params.insert(param.name.to_owned(), value);
                }
                None if param.required => return None,
                _ => {}
            }
        }
        Some(params)
    }

    fn valid(&self, seed: u64) -> Vec<(String, Variant)> {
        if self.result.is_none() || self.has_streams() || self.is_panic() {
            return Vec::new();
        }
        let mut random = Random::new(seed, self.name);
        let mut seen = Vec::new();
        for _ in 0..VALID {
            if let Some(params) = self.valid_params(&mut random)
                && !seen.contains(&params)
            {
                seen.push(params);
            }
        }
        let numbered = seen.into_iter().enumerate();
        numbered
            .map(|(at, params)| {
                (variant_name(self.name, &(at + 1).to_string()), self.variant(params.into(), self.answer()))
            })
            .collect()
    }

    /// One fault each: a param that is missing, ill-typed, or unknown.
    fn invalid(&self, seed: u64) -> Vec<(String, Variant)> {
        if self.result.is_none() || self.is_panic() {
            return Vec::new();
        }
        let Some(good) = self.valid_params(&mut Random::new(seed, self.name)) else { return Vec::new() };
        let mut faulty: Vec<(String, Map<String, Value>)> = Vec::new();
        for param in &self.params {
            if param.required {
                let mut params = good.clone();
                params.remove(param.name);
                faulty.push((format!("{}-missing", param.name), params));
            }
            for (kind, value) in param.shape.invalid() {
                let mut params = good.clone();
                params.insert(param.name.to_owned(), value);
                faulty.push((format!("{}-{kind}", param.name), params));
            }
        }
        let mut params = good;
        params.insert("no_such_param".into(), json!(1));
        faulty.push(("unknown".into(), params));
        let refused = json!({"id": 1, "error": {"code": -32602}});
        faulty
            .into_iter()
            .map(|(name, params)| {
                (variant_name(self.name, &name), self.variant(params.into(), refused.clone()))
            })
            .collect()
    }
}

/// Whether a value has a member that a case would take for one of its own.
fn has_dollar(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.iter().any(|(name, value)| name.starts_with('$') || has_dollar(value))
        }
        Value::Array(items) => items.iter().any(has_dollar),
        _ => false,
    }
}

/// The manifest's own words, as a name that can be typed.
fn variant_name(method: &str, what: &str) -> String {
    let name = format!("{method}.{what}");
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "._+-".contains(c) { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_makes_its_cases() {
        let manifest = json!({"methods": [
            {"name": "m.add", "params": [{"name": "a", "required": true, "schema": {"type": "integer"}},
                                         {"name": "b", "schema": {"$ref": "#/components/schemas/B"}}],
             "result": {"name": "sum", "schema": {"type": "integer"}},
             "examples": [{"name": "one and one", "params": [{"name": "a", "value": 1}], "result": {"name": "sum", "value": 2}}],
             "x-plugline": {"errors": [{"code": 5, "name": "No", "message": "no"}],
                            "examples": [{"name": "no", "params": {"a": 0}, "error": {"code": 5}}]}},
            {"name": "m.told", "params": []},
            {"name": "m.broken"},
        ], "components": {"schemas": {"B": {"type": "string"}}}});
        let names: Vec<String> = trials(&manifest, 1).iter().map(Trial::name).collect();
        for name in [
            "CT-51/m.add.one-and-one",
            "CT-51/m.add.no",
            "CT-52/m.add.1",
            "CT-53/m.add.a-missing",
            "CT-53/m.add.a-string",
            "CT-53/m.add.b-null",
            "CT-53/m.add.unknown",
        ] {
            assert!(names.iter().any(|made| made == name), "{name}: {names:?}");
        }
        assert!(!names.iter().any(|name| name.contains("b-missing") || name.contains("told")), "{names:?}");
        let again: Vec<_> = trials(&manifest, 1).iter().map(Trial::with).collect();
        assert_eq!(again, trials(&manifest, 1).iter().map(Trial::with).collect::<Vec<_>>());
        assert_ne!(again, trials(&manifest, 2).iter().map(Trial::with).collect::<Vec<_>>());
    }
}
