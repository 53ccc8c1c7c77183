//! One line of items, taken apart only as they are taken: a line of a thousand small items is held as the text
//! that it came as.

use serde_json::value::RawValue;

/// The items of one line that were not taken yet.
#[derive(Debug)]
pub(in crate::peer) struct Items {
    /// The list, as it came.
    text: Box<str>,
    /// Where the next item begins; at the end, where there is none.
    at: usize,
    /// What the line cost and was not counted with an item yet; bytes.
    uncounted: usize,
}

/// Where a list should be, there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAList;

impl Items {
    /// The items of a line that cost that much.
    pub(super) fn new(list: &RawValue, line: usize) -> Result<Self, NotAList> {
        let text = list.get();
        let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).ok_or(NotAList)?;
        let at = if inner.trim_ascii().is_empty() { text.len() } else { 1 };
        Ok(Self { text: text.into(), at, uncounted: line })
    }

    /// The JSON of the next item, with its share of what the line cost.
    pub(in crate::peer) fn next(&mut self) -> Option<(&RawValue, usize)> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let item = values.next().and_then(Result::ok).expect("the line was checked to be JSON");
        let after = self.at + values.byte_offset();
        let gap = self.text[after..].len() - self.text[after..].trim_ascii_start().len();
        let (at, share) = if self.text[after + gap..].starts_with(',') {
            let at = after + gap + 1;
            (at, at - self.at)
        } else {
            (self.text.len(), self.uncounted)
        };
        // The last one bears what is left: the list's brackets and all that stands around it.
        self.at = at;
        self.uncounted -= share;
        Some((item, share))
    }

    /// Lets go of what is left; says what it cost.
    pub(in crate::peer) fn skip(&mut self) -> usize {
        self.at = self.text.len();
        std::mem::take(&mut self.uncounted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(list: &str, line: usize) -> Result<Items, NotAList> {
        Items::new(&RawValue::from_string(list.to_owned()).unwrap(), line)
    }

    #[test]
    fn items_bear_their_share() {
        let mut line = items(r#"[ 1 ,"a,]" , [2,{"x":[]}],null ]"#, 100).unwrap();
        let mut seen = Vec::new();
        while let Some((item, share)) = line.next() {
            seen.push((item.get().to_owned(), share));
        }
        let wanted = [("1", 4), ("\"a,]\"", 7), ("[2,{\"x\":[]}]", 14), ("null", 75)];
        assert_eq!(seen, wanted.map(|(text, share)| (text.to_owned(), share)));
        assert_eq!(line.skip(), 0);
    }

    #[test]
    fn what_is_not_taken_is_skipped() {
        let mut line = items("[1,2,3]", 50).unwrap();
        assert_eq!(line.next().unwrap().1, 2);
        assert_eq!(line.skip(), 48);
        assert!(line.next().is_none());
        let mut empty = items("[ ]", 50).unwrap();
        assert!(empty.next().is_none());
        assert_eq!(empty.skip(), 50);
    }

    #[test]
    fn what_is_no_list() {
        for text in ["{}", "1", "null", r#""[]""#] {
            assert_eq!(items(text, 9).err(), Some(NotAList), "{text}");
        }
    }
}
