//! Text of a document within generated code: comments and string literals. A document may come from anybody, so nothing
//! of it may end a comment or a string, start a directive, or hide what the code does.

use plugline_protocol::wire::is_unseen;

/// The lines of a description, fit for any comment: no controls, no marks that reorder text, no white space at either
/// end of a line, no two empty lines in a row.
pub(crate) fn lines(text: &str) -> Vec<String> {
    let is_break =
        |c: char| matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut lines: Vec<String> = Vec::new();
    for line in text.split(is_break) {
        let line: String =
            line.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|&c| is_plain(c)).collect();
        let line = line.trim().to_owned();
        if !line.is_empty() || lines.last().is_some_and(|line| !line.is_empty()) {
            lines.push(line);
        }
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// Whether a character shows where it stands: no control, no mark that changes the direction of text, no invisible one.
fn is_plain(c: char) -> bool {
    !is_unseen(c)
}

/// A description as lines of at most about `width` characters, broken between words.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut wrapped = Vec::new();
    for line in lines(text) {
        let mut current = String::new();
        for word in line.split_whitespace() {
            if !current.is_empty() && current.chars().count() + 1 + word.chars().count() > width {
                wrapped.push(std::mem::take(&mut current));
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
        }
        wrapped.push(current);
    }
    wrapped
}

/// A string literal between double quotes, in the escapes that Rust, Go, Python and TypeScript share, but for how a
/// character is written by its number: `unicode` does that.
pub(crate) fn quoted(text: &str, unicode: fn(u32) -> String) -> String {
    let mut literal = String::from('"');
    for c in text.chars() {
        match c {
            '"' => literal.push_str("\\\""),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            c if is_plain(c) => literal.push(c),
            c => literal.push_str(&unicode(u32::from(c))),
        }
    }
    literal.push('"');
    literal
}

/// The same between whichever quotes need fewer escapes, as Python's and TypeScript's formatters prefer it.
pub(crate) fn quoted_either(text: &str, unicode: fn(u32) -> String) -> String {
    let literal = quoted(text, unicode);
    let count = |quote: char| text.chars().filter(|&c| c == quote).count();
    if count('"') <= count('\'') {
        return literal;
    }
    let mut single = String::from("'");
    let mut characters = literal[1..literal.len() - 1].chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => match characters.next() {
                Some('"') => single.push('"'),
                Some(other) => single.extend(['\\', other]),
                None => single.push('\\'),
            },
            '\'' => single.push_str("\\'"),
            c => single.push(c),
        }
    }
    single.push('\'');
    single
}

/// `\u{1f600}`, as Rust and TypeScript write it.
pub(crate) fn braced(code: u32) -> String {
    format!("\\u{{{code:x}}}")
}

/// `\u2028` or `\U0001f600`, as Go and Python write it.
pub(crate) fn padded(code: u32) -> String {
    if code > 0xffff { format!("\\U{code:08x}") } else { format!("\\u{code:04x}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_plain_lines() {
        assert_eq!(lines("a\r\n\r\n\r\n  b\u{2028}c\u{202e}d\u{0}\t \n\n"), ["a", "", "b", "cd"]);
        assert!(lines(" \n\u{feff}").is_empty());
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
    }

    #[test]
    fn a_literal_never_ends_early() {
        assert_eq!(quoted("a\"b\\c\n\u{202e}`${x}", braced), r#""a\"b\\c\n\u{202e}`${x}""#);
        assert_eq!(quoted("\u{7}\u{e0001}", padded), r#""\u0007\U000e0001""#);
    }
}
