//! What the other side says, made safe for a terminal or a log line.

use std::fmt::{self, Write as _};

/// How much of an offending line is quoted; bytes.
const QUOTE_BYTES: usize = 200;
/// How much of a text that the other side wrote stands in an error; bytes.
const SHOWN_BYTES: usize = 4096;

/// Whether a character is another than it looks like: a control (C0, DEL, C1), one that ends a line or turns the direction
/// of the text after it, or one that nobody sees (Unicode's `Default_Ignorable_Code_Point`, less the variation selectors
/// 1 to 16, which say how the character before them is drawn; they stand in plain emoji).
pub fn is_unseen(c: char) -> bool {
    match c {
        ' '..='~' => false,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' => true,
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' => true,
        '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => true,
        c => c.is_control(),
    }
}

/// The same text on one line, with [characters that are not what they look like](is_unseen), but for tabs, and bytes that
/// are no UTF-8 written out: `\u{1b}`, `\xff`.
pub fn escape(bytes: &[u8]) -> String {
    let mut escaped = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\t' => escaped.push(c),
                c if is_unseen(c) => escaped.extend(c.escape_unicode()),
                c => escaped.push(c),
            }
        }
        for byte in chunk.invalid() {
            write!(escaped, "\\x{byte:02x}").expect("a string takes all that is written");
        }
    }
    escaped
}

/// The first 200 bytes of a line, escaped.
pub fn quote(line: &[u8]) -> String {
    let mut quoted = escape(&line[..line.len().min(QUOTE_BYTES)]);
    if line.len() > QUOTE_BYTES {
        quoted.push('…');
    }
    quoted
}

/// A text for the line that says why something failed: escaped, and no more than 4 KiB of it. All of it is in the error
/// itself.
pub fn shown(text: &str) -> String {
    let Some(rest) = text.len().checked_sub(SHOWN_BYTES).filter(|rest| *rest > 0) else {
        return escape(text.as_bytes());
    };
    let end = (0..=SHOWN_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    format!("{}… ({} bytes more)", escape(&text.as_bytes()[..end]), rest + SHOWN_BYTES - end)
}

/// What a decoder says of a value, without the value: that may be secret, and it may be long.
///
/// ```
/// # use plugline_protocol::wire::without_value;
/// let fault = serde_json::from_str::<u32>("\"hunter2\"").unwrap_err();
/// assert_eq!(without_value(&fault), "invalid type: string, expected u32 at line 1 column 9");
/// ```
pub fn without_value(fault: &dyn fmt::Display) -> String {
    let text = fault.to_string();
    // As `serde::de::Error` and `Unexpected` write it. What is expected is the type's own text, and stands last.
    for (begins, between) in [
        ("invalid type: ", ", expected "),
        ("invalid value: ", ", expected "),
        ("unknown variant ", ", expected "),
    ] {
        if let Some((value, expected)) = text.strip_prefix(begins).and_then(|rest| rest.rsplit_once(between))
        {
            let kind = value.split(['"', '`']).next().unwrap_or_default().trim();
            let begins = if kind.is_empty() { begins.trim_end() } else { begins };
            return format!("{begins}{kind}{between}{expected}");
        }
    }
    // A type's own words, or the parser's.
    shown(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_a_terminal_as_it_was() {
        let escaped = escape(b"\x1b]0;x\x07 \xc2\x9b \xff \xe2\x80\xae\t.");
        assert_eq!(escaped, "\\u{1b}]0;x\\u{7} \\u{9b} \\xff \\u{202e}\t.");
    }

    #[test]
    fn every_character_that_nobody_sees_is_written_out() {
        // Controls and separators by their class; the others from DerivedCoreProperties.txt of Unicode 16.
        for c in ('\0'..='\u{10ffff}').filter(|&c| is_unseen(c)) {
            let shown = escape(c.to_string().as_bytes());
            assert_eq!(shown, if c == '\t' { "\t".to_owned() } else { format!("\\u{{{:x}}}", u32::from(c)) });
        }
        for c in
            "\0\n\r\u{7f}\u{85}\u{9b}\u{ad}\u{200b}\u{200d}\u{2028}\u{202e}\u{2066}\u{feff}\u{e0041}".chars()
        {
            assert!(is_unseen(c), "{c:?}");
        }
        let seen = "aZ~ äßЖ中\u{a0}\u{301}👍\u{fe0f}";
        assert_eq!(escape(seen.as_bytes()), seen);
    }

    #[test]
    fn what_a_decoder_says_has_no_value_in_it() {
        fn check<T: serde::de::DeserializeOwned + fmt::Debug>(json: &str, wanted: &str) {
            let fault = serde_json::from_str::<T>(json).unwrap_err();
            assert_eq!(without_value(&fault).split(" at line ").next(), Some(wanted), "{fault}");
        }
        #[derive(Debug, serde::Deserialize)]
        enum Choice {
            A,
            B,
        }
        check::<u32>("\"a, expected \\\"b\\\" `c`\"", "invalid type: string, expected u32");
        check::<u8>("4711", "invalid value: integer, expected u8");
        check::<String>("47.11", "invalid type: floating point, expected a string");
        check::<String>("true", "invalid type: boolean, expected a string");
        check::<String>("null", "invalid type: null, expected a string");
        check::<u32>("{\"secret\": 1}", "invalid type: map, expected u32");
        check::<Choice>("\"secret\"", "unknown variant, expected `A` or `B`");
        check::<Vec<u32>>("[1", "EOF while parsing a list");
        let both: Vec<Choice> = serde_json::from_str(r#"["A","B"]"#).unwrap();
        assert!(matches!(both[..], [Choice::A, Choice::B]));
    }

    #[test]
    fn so_much_of_a_text_is_shown_and_no_more() {
        let text = "x".repeat(SHOWN_BYTES);
        assert_eq!(shown(&text), text);
        assert_eq!(shown(&format!("{text}yz")), format!("{text}… (2 bytes more)"));
        // No character is cut in two.
        assert_eq!(shown(&format!("{}ä!", &text[1..])), format!("{}… (3 bytes more)", &text[1..]));
        assert_eq!(shown("\u{1b}"), "\\u{1b}");
    }

    #[test]
    fn quotes_are_short() {
        assert_eq!(quote(b"plain \xc3\xa4"), "plain \u{e4}");
        assert_eq!(quote(&[b'x'; 1000]).chars().count(), QUOTE_BYTES + 1);
    }
}
