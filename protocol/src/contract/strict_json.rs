//! JSON as a contract is read: a member that stands twice in an object is told, not dropped.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::fault::{Fault, Faults};
use super::schema::escaped;

/// The value, and a fault for each member that stands twice.
pub(crate) fn read(text: &[u8]) -> Result<(Value, Vec<Fault>), Faults> {
    let doubles = RefCell::new(Vec::new());
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = Node { at: &At::Root, doubles: &doubles }
        .deserialize(&mut json)
        .and_then(|value| json.end().map(|()| value))
        .map_err(|fault| {
            let what = format!("it is not JSON: {fault}");
            Fault::new("", "CONTRACT-1", what, "mend the text at that line and column")
        })?;
    Ok((value, doubles.into_inner()))
}

/// Where a value stands: a list of segments, from the inside.
enum At<'a> {
    Root,
    Member(&'a At<'a>, &'a str),
    Item(&'a At<'a>, usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(outer, name) => write!(f, "{outer}/{}", escaped(name)),
            Self::Item(outer, index) => write!(f, "{outer}/{index}"),
        }
    }
}

struct Node<'a> {
    at: &'a At<'a>,
    doubles: &'a RefCell<Vec<Fault>>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number that JSON does not have"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let at = At::Item(self.at, list.len());
            match items.next_element_seed(Node { at: &at, doubles: self.doubles })? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let at = At::Member(self.at, &name);
            let value = members.next_value_seed(Node { at: &at, doubles: self.doubles })?;
            let mut doubles = self.doubles.borrow_mut();
            if object.contains_key(&name) && doubles.len() < Faults::MOST {
                let what = "this member stands twice in its object";
                doubles.push(Fault::new(at.to_string(), "JSON-5", what, "remove one of the two"));
            }
            drop(doubles);
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_twice_is_told_with_its_place() {
        let (value, faults) = read(br#"{"a": [{"b/c": 1, "b/c": 2}], "d": null, "e": -1.5}"#).unwrap();
        assert_eq!(value, serde_json::json!({"a": [{"b/c": 2}], "d": null, "e": -1.5}));
        assert_eq!(faults.iter().map(|fault| fault.at.as_str()).collect::<Vec<_>>(), ["/a/0/b~1c"]);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let deep = "[".repeat(100_000);
        for text in ["", "{", "{} {}", "{\"a\": 1e999}", "nul", &deep] {
            let faults = read(text.as_bytes()).unwrap_err();
            assert_eq!(faults.as_slice().len(), 1, "{:.20}", text);
        }
    }
}
