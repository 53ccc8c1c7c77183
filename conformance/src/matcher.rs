//! Patterns: whether what came is what a case wants, and if not, where it differs.

use serde_json::{Map, Value};

use crate::json::Json;

/// Where a value differs from its pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// JSON Pointer into the value.
    pub path: String,
    /// What was wanted there.
    pub want: String,
    /// What is there.
    pub got: String,
}

/// Why a pattern and a value do not go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmatched {
    /// The value is another one.
    Differs(Mismatch),
    /// The pattern is malformed: a fault of the suite.
    Malformed(String),
}

type Matched = Result<(), Unmatched>;

/// Whether a value matches a pattern, of which all names are expanded.
///
/// # Errors
/// Where it does not, or the pattern cannot be read.
pub fn matches(pattern: &Value, value: &Json) -> Matched {
    Place::default().matches(pattern, Some(value))
}

/// What a peer may say at any time, whatever a case is about: a ping (`LIFE-33`), a log line. That the other side takes log
/// lines is judged where each line is.
pub fn is_small_talk(message: &Json) -> bool {
    matches!(message.get("method").and_then(Json::as_str), Some("rpc.ping" | "rpc.log"))
}

/// Whether a message is what must not come. Small talk is so only where the pattern names its method.
///
/// # Errors
/// A pattern that cannot be read.
pub fn is_forbidden(pattern: &Value, message: &Json) -> Result<bool, String> {
    if is_small_talk(message) && !pattern.get("method").is_some_and(Value::is_string) {
        return Ok(false);
    }
    match matches(pattern, message) {
        Ok(()) => Ok(true),
        Err(Unmatched::Differs(_)) => Ok(false),
        Err(Unmatched::Malformed(fault)) => Err(fault),
    }
}

/// Where we are in the value: steps of a JSON Pointer, escaped.
#[derive(Default)]
struct Place(Vec<String>);

impl Place {
    fn differs(&self, want: impl Into<String>, got: Option<&Json>) -> Matched {
        let path = self.0.iter().filter(|step| !step.is_empty()).map(|step| format!("/{step}")).collect();
        let got = got.map_or_else(|| "nothing".to_owned(), |got| short(&got.to_string()));
        Err(Unmatched::Differs(Mismatch { path, want: want.into(), got }))
    }

    fn within(&mut self, step: impl ToString, check: impl FnOnce(&mut Self) -> Matched) -> Matched {
        self.0.push(step.to_string().replace('~', "~0").replace('/', "~1"));
        let matched = check(self);
        self.0.pop();
        matched
    }

    fn matches(&mut self, pattern: &Value, value: Option<&Json>) -> Matched {
        if let Value::Object(members) = pattern
            && let Some((name, argument)) = members.iter().find(|(name, _)| name.starts_with('$'))
        {
            if members.len() > 1 {
                return malformed(format!("{name} stands alone in its object"));
            }
            return self.matcher(name, argument, value);
        }
        let Some(value) = value else { return self.differs(short(&pattern.to_string()), None) };
        match (pattern, value) {
            (Value::Object(wanted), Json::Object(_)) => self.members(wanted, value),
            (Value::Array(wanted), Json::Array(items)) => {
                if wanted.len() != items.len() {
                    return self.differs(format!("a list of {}", wanted.len()), Some(value));
                }
                wanted.iter().zip(items).enumerate().try_for_each(|(at, (wanted, item))| {
                    self.within(at, |this| this.matches(wanted, Some(item)))
                })
            }
            _ if scalar(pattern, value) => Ok(()),
            _ => self.differs(short(&pattern.to_string()), Some(value)),
        }
    }

    fn members(&mut self, wanted: &Map<String, Value>, value: &Json) -> Matched {
        wanted.iter().try_for_each(|(name, pattern)| {
            let member = value.get(name);
            // An id is echoed exactly: 7.0 is not 7 (`MSG-3`).
            if self.0.is_empty() && name == "id" && pattern.is_number() && member.is_some() {
                let wanted = pattern.to_string();
                let as_written = matches!(member, Some(Json::Number(id)) if id.as_str() == wanted);
                return if as_written {
                    Ok(())
                } else {
                    self.within("id", |this| this.differs(pattern.to_string(), member))
                };
            }
            self.within(name, |this| this.matches(pattern, member))
        })
    }

    fn matcher(&mut self, name: &str, argument: &Value, value: Option<&Json>) -> Matched {
        match (name, value) {
            ("$absent", None) => return Ok(()),
            ("$absent", Some(_)) => return self.differs("nothing", value),
            // Whether alternatives may be absent is theirs to say.
            ("$one_of", _) => return self.one_of(argument, value),
            ("$all", _) => {
                return list(argument)?.iter().try_for_each(|pattern| self.matches(pattern, value));
            }
            ("$not", _) => {
                return match self.matches(argument, value) {
                    Ok(()) => self.differs(format!("anything but {}", short(&argument.to_string())), value),
                    Err(Unmatched::Differs(_)) => Ok(()),
                    malformed => malformed,
                };
            }
            _ => {}
        }
        let described = format!("{name} {}", short(&argument.to_string()));
        let Some(value) = value else { return self.differs(described, None) };
        let fits = match (name, value) {
            ("$any", _) => true,
            ("$exact", _) => exact(argument, value),
            ("$type", _) => {
                let names = match argument {
                    Value::Array(names) => names.as_slice(),
                    name => std::slice::from_ref(name),
                };
                names.iter().any(|name| is_of(name.as_str().unwrap_or_default(), value))
            }
            ("$int", Json::Number(number)) => number.is_integer() && in_range(argument, number.as_f64()),
            ("$number", Json::Number(number)) => in_range(argument, number.as_f64()),
            ("$regex", Json::String(text)) => {
                let source = argument.as_str().unwrap_or_default();
                regex::Regex::new(source)
                    .map_err(|fault| Unmatched::Malformed(fault.to_string()))?
                    .is_match(text)
            }
            ("$bytes", Json::String(text)) => sized(argument, text.len()),
            ("$size", Json::Array(items)) => sized(argument, items.len()),
            ("$each", Json::Array(items)) => {
                return items
                    .iter()
                    .enumerate()
                    .try_for_each(|(at, item)| self.within(at, |this| this.matches(argument, Some(item))));
            }
            ("$contains", Json::Array(items)) => {
                let mut found = false;
                for item in items {
                    match self.matches(argument, Some(item)) {
                        Ok(()) => found = true,
                        Err(Unmatched::Differs(_)) => {}
                        malformed => return malformed,
                    }
                }
                found
            }
            ("$schema", _) => {
                let validator = jsonschema::draft7::new(argument)
                    .map_err(|fault| Unmatched::Malformed(format!("$schema: {fault}")))?;
                return match validator.validate(&value.to_value()) {
                    Ok(()) => Ok(()),
                    Err(fault) => {
                        let place = fault.instance_path().to_string();
                        let got = value.pointer(&place);
                        self.0.push(place.trim_start_matches('/').to_owned());
                        let differs =
                            self.differs(format!("what its schema wants ({})", fault.masked()), got);
                        self.0.pop();
                        differs
                    }
                };
            }
            ("$int" | "$number" | "$regex" | "$bytes" | "$size" | "$each" | "$contains", _) => false,
            _ => return malformed(format!("{name}: no such matcher")),
        };
        if fits { Ok(()) } else { self.differs(described, Some(value)) }
    }

    fn one_of(&mut self, argument: &Value, value: Option<&Json>) -> Matched {
        for pattern in list(argument)? {
            match self.matches(pattern, value) {
                Err(Unmatched::Differs(_)) => {}
                settled => return settled,
            }
        }
        self.differs(format!("one of {}", short(&argument.to_string())), value)
    }
}

fn malformed(what: String) -> Matched {
    Err(Unmatched::Malformed(what))
}

fn list(argument: &Value) -> Result<&Vec<Value>, Unmatched> {
    argument.as_array().ok_or_else(|| Unmatched::Malformed(format!("a list is wanted, not {argument}")))
}

fn scalar(pattern: &Value, value: &Json) -> bool {
    match (pattern, value) {
        (Value::Null, Json::Null) => true,
        (Value::Bool(wanted), Json::Bool(got)) => wanted == got,
        (Value::String(wanted), Json::String(got)) => wanted == got,
        (Value::Number(wanted), Json::Number(got)) => got.equals(&wanted.to_string()),
        _ => false,
    }
}

/// Equal, members and all; the order of members is free.
fn exact(wanted: &Value, value: &Json) -> bool {
    match (wanted, value) {
        (Value::Object(wanted), Json::Object(members)) => {
            wanted.len() == members.len()
                && members
                    .iter()
                    .all(|(name, value)| wanted.get(name).is_some_and(|wanted| exact(wanted, value)))
        }
        (Value::Array(wanted), Json::Array(items)) => {
            wanted.len() == items.len() && wanted.iter().zip(items).all(|(wanted, item)| exact(wanted, item))
        }
        _ => scalar(wanted, value),
    }
}

fn is_of(name: &str, value: &Json) -> bool {
    match value {
        Json::Number(number) if name == "integer" => number.is_integer(),
        value => value.kind() == name,
    }
}

fn in_range(argument: &Value, number: f64) -> bool {
    let bound = |name: &str| argument.get(name).and_then(Value::as_f64);
    bound("min").is_none_or(|min| number >= min) && bound("max").is_none_or(|max| number <= max)
}

fn sized(argument: &Value, size: usize) -> bool {
    let bound = |name: &str| argument.get(name).and_then(Value::as_u64);
    let size = size as u64;
    match argument.as_u64() {
        Some(wanted) => size == wanted,
        None => bound("min").is_none_or(|min| size >= min) && bound("max").is_none_or(|max| size <= max),
    }
}

/// Enough of a text to know it by.
pub(crate) fn short(text: &str) -> String {
    const MOST: usize = 300;
    if text.len() <= MOST {
        return text.to_owned();
    }
    let end = (0..=MOST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}… ({} bytes)", &text[..end], text.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns() {
        let message = r#"{"id":7,"result":{"a":1,"b":[1,2.0,"x"],"big":9007199254740991},"error":null}"#;
        let rows = [
            (json!({"id": 7}), true),
            (json!({"id": 7.0}), false),
            (json!({"id": "7"}), false),
            (json!({"result": {"a": 1.0}}), true),
            (json!({"result": {"b": [1, 2, "x"]}}), true),
            (json!({"result": {"b": [1, 2]}}), false),
            (json!({"result": {"big": 9_007_199_254_740_991_u64}}), true),
            (json!({"result": {"big": 9_007_199_254_740_992_u64}}), false),
            (
                json!({"result": {"$exact": {"a": 1, "b": [1, 2, "x"], "big": 9_007_199_254_740_991_u64}}}),
                true,
            ),
            (json!({"result": {"$exact": {"a": 1}}}), false),
            (json!({"other": {"$absent": true}, "error": {"$any": true}}), true),
            (json!({"error": {"$absent": true}}), false),
            (json!({"id": {"$type": "integer"}, "result": {"$type": ["object", "null"]}}), true),
            (json!({"result": {"a": {"$int": {"min": 0, "max": 1}}}}), true),
            (json!({"result": {"b": {"$contains": 2}}}), true),
            (json!({"result": {"b": {"$each": {"$type": "number"}}}}), false),
            (json!({"result": {"b": {"$size": 3}}}), true),
            (json!({"result": {"b": {"$size": {"min": 4}}}}), false),
            (json!({"id": {"$one_of": [1, {"$int": true}]}}), true),
            (json!({"id": {"$not": 7}}), false),
            (json!({"method": {"$not": {"$any": true}}}), true),
            (json!({"result": {"$schema": {"type": "object", "required": ["a"]}}}), true),
            (json!({"result": {"$schema": {"required": ["z"]}}}), false),
            (json!({"result": {"b": [1, 2, {"$regex": "^x$"}]}}), true),
            (json!({"result": {"b": [1, 2, {"$bytes": 1}]}}), true),
            (json!({"nothing": {"$one_of": [{"$absent": true}, 1]}}), true),
        ];
        let message = Json::read(message.as_bytes()).unwrap();
        for (pattern, wanted) in rows {
            assert_eq!(matches(&pattern, &message).is_ok(), wanted, "{pattern}");
        }
        assert!(matches!(matches(&json!({"id": {"$typ": 1}}), &message), Err(Unmatched::Malformed(_))));
    }

    #[test]
    fn small_talk_is_forbidden_by_name_alone() {
        let ping = r#"{"jsonrpc":"2.0","id":"p","method":"rpc.ping"}"#;
        let log = r#"{"jsonrpc":"2.0","method":"rpc.log","params":{"level":"info","message":"m"}}"#;
        let call = r#"{"jsonrpc":"2.0","id":"p","method":"conf_host.echo"}"#;
        let rows = [
            (json!({}), false, true),
            (json!({"method": {"$any": true}}), false, true),
            (json!({"id": "p"}), false, true),
            (json!({"method": "rpc.ping"}), true, false),
            (json!({"method": "rpc.log", "params": {"message": "m"}}), true, false),
        ];
        for (pattern, small, other) in rows {
            let forbidden =
                |text: &str| is_forbidden(&pattern, &Json::read(text.as_bytes()).unwrap()).unwrap();
            assert_eq!(forbidden(ping) || forbidden(log), small, "{pattern}");
            assert_eq!(forbidden(call), other, "{pattern}");
        }
    }

    #[test]
    fn a_mismatch_says_where() {
        let message = Json::read(br#"{"error":{"code":-32601}}"#).unwrap();
        let Err(Unmatched::Differs(mismatch)) = matches(&json!({"error": {"code": -32602}}), &message) else {
            panic!("they differ");
        };
        assert_eq!(
            mismatch,
            Mismatch { path: "/error/code".into(), want: "-32602".into(), got: "-32601".into() }
        );
    }
}
