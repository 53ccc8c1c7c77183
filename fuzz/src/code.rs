//! What generated code is outside its comments and strings: where nothing of a document's text may be.

/// A language, as far as its comments and strings go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Rust,
    Python,
    Typescript,
    Go,
}

/// The code without its comments, and with empty strings.
///
/// # Panics
/// Where a comment or a string is not ended, or a bracket is not closed.
pub fn skeleton(language: Language, code: &str) -> String {
    let mut left = String::with_capacity(code.len());
    let mut open = Vec::new();
    let mut rest = code;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = skipped(language, rest) {
            left.push_str("\"\"");
            rest = after;
            continue;
        }
        match c {
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' => assert_eq!(open.pop(), Some(c), "{language:?}: …{}", &tail(&left)),
            _ => {}
        }
        left.push(c);
        rest = &rest[c.len_utf8()..];
    }
    assert!(open.is_empty(), "{language:?}: {open:?} is not closed");
    left
}

fn tail(text: &str) -> String {
    text.chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect()
}

/// What comes after the comment or the string that begins here, if one does.
fn skipped(language: Language, code: &str) -> Option<&str> {
    use Language::{Go, Python, Rust, Typescript};
    let line = |from: &'static str| {
        code.starts_with(from).then(|| code.find(['\n', '\r']).map_or("", |end| &code[end..]))
    };
    let block = || {
        let inner = code.strip_prefix("/*")?;
        assert!(language != Rust || !inner.split("*/").next()?.contains("/*"), "a comment in a comment");
        Some(inner.split_once("*/").unwrap_or_else(|| panic!("{language:?}: a comment without end")).1)
    };
    match language {
        Python => line("#")
            .or_else(|| quoted(code, "\"\"\""))
            .or_else(|| quoted(code, "'''"))
            .or_else(|| quoted(code, "\""))
            .or_else(|| quoted(code, "'")),
        Rust => line("//")
            .or_else(block)
            .or_else(|| raw(code))
            .or_else(|| quoted(code, "\""))
            .or_else(|| character(code)),
        Typescript => line("//")
            .or_else(block)
            .or_else(|| quoted(code, "\""))
            .or_else(|| quoted(code, "'"))
            .or_else(|| quoted(code, "`")),
        Go => line("//").or_else(block).or_else(|| quoted(code, "\"")).or_else(|| quoted(code, "'")).or_else(
            || code.strip_prefix('`').map(|inner| inner.split_once('`').expect("a raw string without end").1),
        ),
    }
}

/// A string with escapes.
fn quoted<'a>(code: &'a str, quote: &str) -> Option<&'a str> {
    let mut rest = code.strip_prefix(quote)?;
    loop {
        if let Some(after) = rest.strip_prefix(quote) {
            return Some(after);
        }
        let mut chars = rest.chars();
        match chars.next().unwrap_or_else(|| panic!("a string without end: {:.80}", code)) {
            '\\' => drop(chars.next()),
            '\n' | '\r' => {
                assert!(quote.len() == 3 || quote == "`", "a string goes over its line: {:.80}", code)
            }
            _ => {}
        }
        rest = chars.as_str();
    }
}

/// Rust's `r"…"` and `r#"…"#`.
fn raw(code: &str) -> Option<&str> {
    let marks = code.strip_prefix('r')?;
    let hashes = marks.len() - marks.trim_start_matches('#').len();
    let inner = marks[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(inner.split_once(&end).expect("a raw string without end").1)
}

/// Rust's `'c'`, which a lifetime is not.
fn character(code: &str) -> Option<&str> {
    let inner = code.strip_prefix('\'')?;
    let end =
        if inner.starts_with('\\') { inner[1..].find('\'')? + 1 } else { inner.chars().next()?.len_utf8() };
    inner[end..].strip_prefix('\'')
}
