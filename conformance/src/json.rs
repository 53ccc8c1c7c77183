//! JSON as a judge reads it: RFC 8259 and nothing else, with what a lenient reader would hide: duplicate names, lone
//! surrogates, depth, and how a number was written.
//!
//! Not `serde_json`: that keeps the last of two equal names, and numbers as what they come to.

use std::fmt;

use serde_json::Value;

/// The deepest nesting that a message may have (`JSON-6`).
pub const MAX_DEPTH: usize = 100;

/// A value, as it was written.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it was written.
    Number(Number),
    /// A string.
    String(String),
    /// A list.
    Array(Vec<Json>),
    /// An object; names are unique.
    Object(Vec<(String, Json)>),
}

/// A number, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(String);

/// Why a text is not JSON that a sender may write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Bytes that are no UTF-8.
    #[error("not UTF-8 at byte {at}")]
    NotUtf8 {
        /// Where.
        at: usize,
    },
    /// Not the grammar of RFC 8259.
    #[error("not JSON: {what} at byte {at}")]
    Syntax {
        /// Where.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// Two members of one name.
    #[error("two members are named {name:?}")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// Half of a surrogate pair.
    #[error("a lone surrogate at byte {at}")]
    LoneSurrogate {
        /// Where.
        at: usize,
    },
    /// Deeper than a message may be.
    #[error("nested deeper than {MAX_DEPTH}")]
    TooDeep,
}

impl Number {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it was written without fraction and exponent.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        !self.0.contains(['.', 'e', 'E'])
    }

    /// The nearest double.
    #[must_use]
    pub fn as_f64(&self) -> f64 {
        self.0.parse().unwrap_or(f64::NAN)
    }

    /// Integers are equal when they are exactly, other numbers as doubles.
    #[must_use]
    pub fn equals(&self, other: &str) -> bool {
        let integer = |text: &str| !text.contains(['.', 'e', 'E']);
        if self.is_integer() && integer(other) {
            let plain = |text: &str| if text == "-0" { "0".to_owned() } else { text.to_owned() };
            plain(&self.0) == plain(other)
        } else {
            // Both were written by somebody: equality is what is asked for.
            other.parse::<f64>().is_ok_and(|other| self.as_f64() == other)
        }
    }
}

impl Json {
    /// Reads one value that is the whole text, but for white space around it.
    ///
    /// # Errors
    /// What a sender may not write.
    pub fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let text = std::str::from_utf8(bytes).map_err(|fault| Fault::NotUtf8 { at: fault.valid_up_to() })?;
        let mut reader = Reader { text: text.as_bytes(), at: 0 };
        reader.space();
        let value = reader.value(1)?;
        reader.space();
        if reader.at < text.len() {
            return Err(reader.fault("more after the value"));
        }
        Ok(value)
    }

    /// The member of that name, of an object.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => {
                members.iter().find(|(member, _)| member == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The value at a JSON Pointer.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<&Self> {
        let mut steps = pointer.split('/');
        if steps.next() != Some("") {
            return None;
        }
        steps.try_fold(self, |value, step| {
            let name = step.replace("~1", "/").replace("~0", "~");
            match value {
                Self::Object(_) => value.get(&name),
                Self::Array(items) => items.get(name.parse::<usize>().ok()?),
                _ => None,
            }
        })
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The same for whoever needs no more than the value. Integers beyond 64 bits become doubles.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(truth) => Value::Bool(*truth),
            Self::Number(number) => {
                serde_json::from_str(&number.0).unwrap_or_else(|_| Value::from(number.as_f64()))
            }
            Self::String(text) => Value::String(text.clone()),
            Self::Array(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Self::Object(members) => {
                Value::Object(members.iter().map(|(name, value)| (name.clone(), value.to_value())).collect())
            }
        }
    }

    /// What kind of value it is, by the names of JSON Schema; an integer is a `number` here.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }
}

/// As JSON, in the order it came.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| Value::String(text.to_owned()).to_string();
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Number(number) => f.write_str(&number.0),
            Self::String(text) => f.write_str(&quoted(text)),
            Self::Array(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if at > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (at, (name, value)) in members.iter().enumerate() {
                    write!(f, "{}{}:{value}", if at > 0 { "," } else { "" }, quoted(name))?;
                }
                f.write_str("}")
            }
        }
    }
}

struct Reader<'a> {
    /// UTF-8.
    text: &'a [u8],
    /// `at <= text.len()`, always between two characters.
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn fault(&self, what: &'static str) -> Fault {
        Fault::Syntax { at: self.at, what }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json, Fault> {
        match self.peek() {
            Some(b'{' | b'[') if depth > MAX_DEPTH => Err(Fault::TooDeep),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(_) => Err(self.fault("no value begins so")),
            None => Err(self.fault("the text ends where a value begins")),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, Fault> {
        if self.text[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.fault("no value begins so"))
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, Fault> {
        let mut members: Vec<(String, Json)> = Vec::new();
        let mut names = std::collections::HashSet::new();
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.fault("a member's name is a string"));
            }
            let name = self.string()?;
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.fault("a colon follows a member's name"));
            }
            self.at += 1;
            self.space();
            let value = self.value(depth + 1)?;
            if !names.insert(name.clone()) {
                return Err(Fault::Duplicate { name });
            }
            members.push((name, value));
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Json::Object(members));
                }
                _ => return Err(self.fault("a comma or a brace follows a member")),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, Fault> {
        let mut items = Vec::new();
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            self.space();
            items.push(self.value(depth + 1)?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Json::Array(items));
                }
                _ => return Err(self.fault("a comma or a bracket follows an item")),
            }
        }
    }

    fn number(&mut self) -> Result<Json, Fault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(self.fault("a digit is wanted")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = std::str::from_utf8(&self.text[start..self.at]).expect("only ASCII was passed over");
        Ok(Json::Number(Number(text.to_owned())))
    }

    fn digits(&mut self) -> Result<(), Fault> {
        if !self.peek().is_some_and(|c| c.is_ascii_digit()) {
            return Err(self.fault("a digit is wanted"));
        }
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<String, Fault> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest
                .iter()
                .position(|c| matches!(c, b'"' | b'\\' | 0..0x20))
                .ok_or(Fault::Syntax { at: self.text.len(), what: "a string does not end" })?;
            text.push_str(std::str::from_utf8(&rest[..plain]).expect("the whole text is UTF-8"));
            self.at += plain;
            match self.text[self.at] {
                b'"' => {
                    self.at += 1;
                    return Ok(text);
                }
                b'\\' => text.push(self.escape()?),
                _ => return Err(self.fault("a raw control character in a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let start = self.at;
        self.at += 1;
        let letter = self.peek().ok_or_else(|| self.fault("a string does not end"))?;
        self.at += 1;
        Ok(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex()?;
                match first {
                    0xd800..=0xdbff => {
                        if !self.text[self.at..].starts_with(b"\\u") {
                            return Err(Fault::LoneSurrogate { at: start });
                        }
                        self.at += 2;
                        let second = self.hex()?;
                        if !(0xdc00..=0xdfff).contains(&second) {
                            return Err(Fault::LoneSurrogate { at: start });
                        }
                        let point = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                        char::from_u32(point).expect("a pair of surrogates is a character")
                    }
                    _ => char::from_u32(first).ok_or(Fault::LoneSurrogate { at: start })?,
                }
            }
            _ => return Err(Fault::Syntax { at: start, what: "no such escape" }),
        })
    }

    fn hex(&mut self) -> Result<u32, Fault> {
        let digits =
            self.text.get(self.at..self.at + 4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.ok_or_else(|| self.fault("four hexadecimal digits are wanted"))?;
        self.at += 4;
        let text = std::str::from_utf8(digits).expect("hexadecimal digits are ASCII");
        Ok(u32::from_str_radix(text, 16).expect("four hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_json() {
        for text in [
            r#"{"a":[1,-0,1.5e+3,"\u00e4\ud83d\ude00\n"],"b":null}"#,
            " [true,false] ",
            "\"\u{2028}\"",
            "{}",
            "0",
            "[]",
        ] {
            let value = Json::read(text.as_bytes()).unwrap();
            assert_eq!(value.to_value(), serde_json::from_str::<Value>(text).unwrap(), "{text}");
            assert_eq!(Json::read(value.to_string().as_bytes()).unwrap(), value);
        }
    }

    #[test]
    fn what_is_not() {
        let deep = "[".repeat(101) + &"]".repeat(101);
        let rows: [(&[u8], &str); 16] = [
            (b"", "the text ends"),
            (b"{\"a\":1,}", "a string"),
            (b"[1,]", "no value begins so"),
            (b"01", "more after"),
            (b"1.", "a digit"),
            (b"NaN", "no value"),
            (b"\"a\tb\"", "raw control"),
            (b"\"\\x\"", "no such escape"),
            (b"\"\\u12\"", "four hexadecimal"),
            (b"\"\xff\"", "not UTF-8"),
            (b"\xef\xbb\xbf{}", "no value begins so"),
            (b"{\"a\":1,\"\\u0061\":2}", "two members are named \"a\""),
            (b"\"\\ud800x\"", "lone surrogate"),
            (b"\"\\udc00\"", "lone surrogate"),
            (b"{} {}", "more after"),
            (deep.as_bytes(), "nested deeper"),
        ];
        for (text, wanted) in rows {
            let fault = Json::read(text).unwrap_err().to_string();
            assert!(fault.contains(wanted), "{}: {fault}", String::from_utf8_lossy(text));
        }
        Json::read(("[".repeat(100) + &"]".repeat(100)).as_bytes()).unwrap();
    }

    #[test]
    fn numbers_are_equal_as_the_protocol_says() {
        let rows = [
            ("1", "1", true),
            ("9007199254740993", "9007199254740992", false),
            ("1.0", "1", true),
            ("1e2", "100", true),
            ("-0", "0", true),
            ("0.1", "0.10", true),
            ("0.1", "0.2", false),
        ];
        for (one, other, equal) in rows {
            assert_eq!(Number(one.into()).equals(other), equal, "{one} {other}");
        }
    }
}
