//! One line of items, taken apart only as they are taken: a line of a thousand small items is held as the text
//! that it came as.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::wire::{Params, RequestId};

/// The items of one line that were not taken yet.
#[derive(Debug)]
pub(in crate::peer) struct Items {
    /// From the first item on, as it came, with all that stands behind the list.
    text: Box<str>,
    /// Where the next item begins; none where there is no more.
    at: Option<usize>,
    /// What the line cost and was not counted with an item yet; bytes.
    uncounted: usize,
}

/// Params of `rpc.output` and `rpc.input`.
#[derive(Deserialize)]
struct Listed<'a> {
    id: RequestId,
    #[serde(borrow)]
    items: &'a RawValue,
}

impl Items {
    /// The items in the params of a line that cost that much, and their call. The params were checked to be JSON.
    ///
    /// # Errors
    /// What is wrong with the params.
    pub(super) fn read(params: Params<'_>, line: usize) -> Result<(RequestId, Self), String> {
        // As all but some write it. Where the list ends is found when its last item is taken.
        let id_first = params.get().strip_prefix("{\"id\":").and_then(|rest| {
            let (id, rest) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
            Some((RequestId::number(id.parse().ok()?).ok()?, rest.strip_prefix(",\"items\":[")?))
        });
        if let Some((id, list)) = id_first {
            return Ok((id, Self::new(list, line)));
        }
        let Listed { id, items } = serde_json::from_str(params.get()).map_err(|fault| fault.to_string())?;
        let list = items.get().strip_prefix('[').ok_or("its items are no list")?;
        Ok((id, Self::new(list, line)))
    }

    /// From what stands behind the bracket.
    fn new(list: &str, line: usize) -> Self {
        let is_empty = list.trim_ascii_start().starts_with(']');
        Self { text: list.into(), at: (!is_empty).then_some(0), uncounted: line }
    }

    /// The next item, with its share of what the line cost. What is of another type is given to `judge` as it
    /// stands there.
    pub(in crate::peer) fn next<T: DeserializeOwned, E>(
        &mut self,
        judge: impl FnOnce(&RawValue) -> Result<T, E>,
    ) -> Option<(Result<T, E>, usize)> {
        const CHECKED: &str = "the line was checked to be JSON";
        let from = self.at?;
        let rest = &self.text[from..];
        // Without looking for its end first: an item may be long.
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<T>();
        let (item, after) = match values.next() {
            Some(Ok(item)) => (Ok(item), from + values.byte_offset()),
            _ => {
                let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
                let item = values.next().and_then(Result::ok).expect(CHECKED);
                (judge(item), from + values.byte_offset())
            }
        };
        let behind = self.text[after..].trim_ascii_start();
        let share = if behind.starts_with(',') {
            let at = self.text.len() - behind.len() + 1;
            self.at = Some(at);
            at - from
        } else {
            // The last one bears what is left: all that stands around the list.
            self.at = None;
            self.uncounted
        };
        self.uncounted -= share;
        Some((item, share))
    }

    /// Lets go of what is left; says what it cost.
    pub(in crate::peer) fn skip(&mut self) -> usize {
        self.at = None;
        std::mem::take(&mut self.uncounted)
    }
}

#[cfg(test)]
impl Items {
    pub(super) fn one(line: usize) -> Self {
        Self::new("1]", line)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(params: &str, line: usize) -> Result<(RequestId, Items), String> {
        Items::read(Params::from_raw(&RawValue::from_string(params.to_owned()).unwrap()), line)
    }

    /// All items with their shares.
    fn all(items: &mut Items) -> Vec<(Value, usize)> {
        let next = || items.next(|raw| Err(raw.get().to_owned())).map(|(item, share)| (item.unwrap(), share));
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn items_bear_their_share() {
        let wanted = [(json!(1), 4), (json!("a,]"), 7), (json!([2, {"x": []}]), 14), (Value::Null, 75)];
        for params in [
            r#"{"id":7,"items":[ 1 ,"a,]" , [2,{"x":[]}],null ] , "more":[[]]}"#,
            r#"{"items": [ 1 ,"a,]" , [2,{"x":[]}],null ], "id": 7}"#,
        ] {
            let (id, mut items) = read(params, 100).unwrap();
            assert_eq!(id, RequestId::Number(7));
            assert_eq!(all(&mut items), wanted);
            assert_eq!(items.skip(), 0);
        }
    }

    #[test]
    fn what_is_not_taken_is_skipped() {
        let (_, mut items) = read(r#"{"id":7,"items":[1,2,3]}"#, 50).unwrap();
        assert_eq!(items.next::<u8, ()>(|_| Err(())), Some((Ok(1), 2)));
        assert_eq!(items.skip(), 48);
        assert_eq!(items.next::<u8, ()>(|_| Err(())), None);
        for params in [r#"{"id":7,"items":[ ]}"#, r#"{"id":7, "items":[]}"#] {
            let (_, mut items) = read(params, 50).unwrap();
            assert_eq!(items.next::<u8, ()>(|_| Err(())), None);
            assert_eq!(items.skip(), 50);
        }
    }

    #[test]
    fn what_is_of_another_type_is_passed_over() {
        let (_, mut items) = read(r#"{"id":7,"items":[1,[",",{"a":[]}],3]}"#, 50).unwrap();
        let mut next = || items.next::<u8, _>(|raw| Err(raw.get().to_owned()));
        assert_eq!(next(), Some((Ok(1), 2)));
        assert_eq!(next(), Some((Err(r#"[",",{"a":[]}]"#.to_owned()), 15)));
        assert_eq!(next(), Some((Ok(3), 33)));
        assert_eq!(next(), None);
    }

    #[test]
    fn what_is_no_list_of_a_call() {
        for params in [
            r#"{"id":7,"items":{}}"#,
            r#"{"id":7,"items":"[]"}"#,
            r#"{"id":7}"#,
            r#"{"items":[]}"#,
            r#"{"id":-7,"items":[]}"#,
            r#"{"id":null,"items":[]}"#,
            r#"{"id":99999999999999999999,"items":[]}"#,
            "{}",
        ] {
            assert!(read(params, 9).is_err(), "{params}");
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("[a-z,\\[\\]\"]{0,3}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(values in prop::collection::vec(value(), 0..10)) {
            let params = json!({"id": 7, "items": values});
            for text in [params.to_string(), format!("{params:#}")] {
                let (_, mut items) = read(&text, 10_000).unwrap();
                let seen = all(&mut items);
                let cost: usize = seen.iter().map(|(_, share)| share).sum();
                prop_assert_eq!(cost + items.skip(), 10_000);
                prop_assert_eq!(seen.into_iter().map(|(item, _)| item).collect::<Vec<_>>(), &values[..]);
            }
        }
    }
}
