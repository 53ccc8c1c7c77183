//! Items into lines.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::peer::scratch::Scratch;
use crate::wire::{EncodeError, RequestId, encode, json};

/// A line takes no more than this of items that are there together, so that the receiver works on the first
/// while the next are made. One item may be as long as its receiver takes.
const PACKED_BYTES: usize = 32 * 1024;

/// How the lines of one stream are made.
pub(super) struct Pack<'a> {
    pub(super) method: &'static str,
    pub(super) id: &'a RequestId,
    /// The longest line, without LF; bytes.
    pub(super) limit: usize,
}

#[derive(Serialize)]
struct Items<'a, T> {
    id: &'a RequestId,
    items: &'a [T],
}

impl Pack<'_> {
    /// A line of these items.
    pub(super) fn line<T: Serialize>(&self, items: &[T]) -> Result<Scratch, EncodeError> {
        let mut line = Scratch::take();
        encode::notification(&mut line, self.limit, self.method, &Items { id: self.id, items })?;
        Ok(line)
    }

    /// Gives lines of all these items to `send`, in order; those before one that cannot be sent, too.
    pub(super) fn lines<T: Serialize, E>(
        &self,
        items: &[T],
        mut send: impl FnMut(Result<Scratch, EncodeError>) -> Result<(), E>,
    ) -> Result<(), E> {
        // Around the items, and between them.
        let around = self.line::<()>(&[]).map_or(usize::MAX, |line| line.len());
        let most = self.limit.min(PACKED_BYTES);
        let mut packed: Vec<Box<RawValue>> = Vec::new();
        let mut size = around;
        for item in items {
            let item = match json::raw(item) {
                Ok(item) => item,
                Err(fault) => {
                    if !packed.is_empty() {
                        send(self.line(&packed))?;
                    }
                    return send(Err(fault.into()));
                }
            };
            let more = item.get().len() + 1;
            if !packed.is_empty() && size + more > most {
                send(self.line(&packed))?;
                packed.clear();
                size = around;
            }
            size += more;
            packed.push(item);
        }
        if packed.is_empty() { Ok(()) } else { send(self.line(&packed)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn packed(limit: usize, texts: &[String]) -> Vec<Result<Vec<u8>, EncodeError>> {
        let mut lines = Vec::new();
        let pack = Pack { method: "rpc.output", id: &RequestId::Number(1), limit };
        let done: Result<(), ()> = pack.lines(texts, |line| {
            lines.push(line.map(|line| line.to_vec()));
            Ok(())
        });
        assert_eq!(done, Ok(()));
        lines
    }

    proptest! {
        #[test]
        fn all_items_in_order_in_lines_that_fit(
            texts in prop::collection::vec("\\PC{0,40}", 0..50),
            limit in 250..2000_usize,
        ) {
            let mut seen = Vec::new();
            let lines = packed(limit, &texts);
            for line in &lines {
                let line = line.as_ref().unwrap();
                prop_assert!(line.len() <= limit + 1, "{} bytes", line.len());
                let message: Value = serde_json::from_slice(line).unwrap();
                let items = message["params"]["items"].as_array().unwrap();
                prop_assert!(!items.is_empty());
                seen.extend(items.iter().map(|item| item.as_str().unwrap().to_owned()));
            }
            prop_assert_eq!(&seen, &texts);
            let bytes: usize = texts.iter().map(|text| Value::from(text.as_str()).to_string().len() + 1).sum();
            prop_assert!(bytes + 70 > limit || lines.len() <= 1, "{} lines", lines.len());
        }
    }

    #[test]
    fn what_fits_no_line_comes_after_what_was_before_it() {
        let texts = ["a".to_owned(), "b".to_owned(), "x".repeat(300), "c".to_owned()];
        let lines = packed(200, &texts);
        assert!(matches!(&lines[..], [Ok(_), Err(EncodeError::TooLarge { limit: 200, .. }), Ok(_)]));
    }
}
