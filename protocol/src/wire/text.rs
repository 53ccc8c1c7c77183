//! What the other side says, made safe for a terminal or a log line.

use std::fmt::Write as _;

/// How much of an offending line is quoted; bytes.
const QUOTE_BYTES: usize = 200;

/// The same text with control characters, bidirectional controls and bytes that are no UTF-8 written out.
pub fn escape(bytes: &[u8]) -> String {
    let mut escaped = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\t' => escaped.push(c),
                '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    escaped.extend(c.escape_unicode());
                }
                c if c.is_control() => escaped.extend(c.escape_unicode()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_a_terminal_as_it_was() {
        let escaped = escape(b"\x1b]0;x\x07 \xc2\x9b \xff \xe2\x80\xae\t.");
        assert_eq!(escaped, "\\u{1b}]0;x\\u{7} \\u{9b} \\xff \\u{202e}\t.");
    }

    #[test]
    fn quotes_are_short() {
        assert_eq!(quote(b"plain \xc3\xa4"), "plain \u{e4}");
        assert_eq!(quote(&[b'x'; 1000]).chars().count(), QUOTE_BYTES + 1);
    }
}
