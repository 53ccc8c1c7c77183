//! What several targets share. What each target asserts stands at its top, and in `docs/fuzzing.md`.

pub mod code;
pub mod document;
pub mod generator;
pub mod json;
pub mod verdict;

/// Panics where a text that is shown to people holds what a terminal would take for a command, or what turns a line
/// around.
pub fn assert_harmless(text: &str) {
    let harmful = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(harmful), "not escaped: {text:?}");
}
