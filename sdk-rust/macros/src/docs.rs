//! Doc comments as descriptions.

use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Expr, ExprLit, Lit, Meta, MetaNameValue, Token};

use crate::faults::Faults;
use crate::types::ungrouped_expr;

/// What the doc comments among the attributes say, up to the first heading: what stands under `# Errors` or
/// `# Panics` is for who writes Rust.
pub(crate) fn description(attributes: &[Attribute], faults: &mut Faults) -> Option<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut fence: Option<Fence> = None;
    for text in attributes.iter().filter_map(|attribute| faults.take(text_of(attribute)).flatten()) {
        for mut line in lines_of(&text) {
            match &fence {
                None if is_heading(&line) => return joined(&lines),
                None => fence = Fence::opened_by(&line),
                Some(open) if open.is_closed_by(&line) => fence = None,
                Some(open) => match open.shown(&line) {
                    Some(shown) => line = shown,
                    None => continue,
                },
            }
            lines.push(line);
        }
    }
    joined(&lines)
}

/// A description with what `#[deprecated]` says besides that it is so: since when, and what to use. What it says wrongly
/// is left to the compiler, which reads it too.
pub(crate) fn with_deprecation(
    description: Option<String>,
    deprecation: Option<&Attribute>,
) -> Option<String> {
    let (mut since, mut note) = (None, None);
    let text = |value: &Expr| match ungrouped_expr(value) {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    };
    match deprecation.map(|attribute| &attribute.meta) {
        Some(Meta::NameValue(pair)) => note = text(&pair.value),
        Some(Meta::List(list)) => {
            let pairs = list.parse_args_with(Punctuated::<MetaNameValue, Token![,]>::parse_terminated);
            for pair in pairs.into_iter().flatten() {
                if pair.path.is_ident("since") {
                    since = text(&pair.value);
                } else if pair.path.is_ident("note") {
                    note = text(&pair.value);
                }
            }
        }
        Some(Meta::Path(_)) | None => {}
    }
    let told = match (since, note) {
        (None, None) => return description,
        (Some(since), None) => format!("Deprecated since {since}."),
        (None, Some(note)) => format!("Deprecated: {note}"),
        (Some(since), Some(note)) => format!("Deprecated since {since}: {note}"),
    };
    Some(match description {
        Some(description) => format!("{description}\n\n{told}"),
        None => told,
    })
}

fn text_of(attribute: &Attribute) -> syn::Result<Option<String>> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match ungrouped_expr(&pair.value) {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(Some(text.value())),
            value => Err(Error::new_spanned(
                value,
                "a description is read before the macros within it: write the text itself, as `/// …` or \
                 `#[doc = \"…\"]`",
            )),
        },
        _ => Ok(None),
    }
}

/// The lines of a comment, without its margin: the space after `///`; in `/** … */` what all lines are indented by, and
/// the stars, where each has one.
fn lines_of(text: &str) -> Vec<String> {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let mut rest: Vec<&str> = rest.lines().map(str::trim_end).collect();
    // A text that begins at once was written as `#[doc = "…"]`, and has no margin.
    if first.trim().is_empty() || first.starts_with(' ') {
        rest = unindented(&rest);
        let mut starred = rest.iter().filter(|line| !line.is_empty());
        if starred.all(|line| line.starts_with('*')) {
            let without: Vec<&str> = rest.iter().map(|line| line.strip_prefix('*').unwrap_or(line)).collect();
            rest = unindented(&without);
        }
    }
    let first = first.strip_prefix(' ').unwrap_or(first).trim_end();
    std::iter::once(first).chain(rest).map(str::to_owned).collect()
}

/// The lines without the spaces that all of them begin with. An empty one says nothing of that.
fn unindented<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let spaces = |line: &&str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let margin = lines.iter().filter(|line| !line.is_empty()).map(spaces).min().unwrap_or(0);
    lines.iter().map(|line| line.get(margin..).unwrap_or_default()).collect()
}

fn is_heading(line: &str) -> bool {
    let text = line.trim_start_matches(' ');
    let after = text.trim_start_matches('#');
    // What is indented by four is code.
    line.len() - text.len() < 4
        && (1..=6).contains(&(text.len() - after.len()))
        && (after.is_empty() || after.starts_with([' ', '\t']))
}

/// What opened a block of code.
struct Fence {
    mark: char,
    length: usize,
    is_rust: bool,
}

impl Fence {
    fn opened_by(line: &str) -> Option<Self> {
        let (mark, length, info) = Self::marks(line)?;
        // A line of `code` in three backticks is no fence.
        let is_fence = length >= 3 && !(mark == '`' && info.contains('`'));
        is_fence.then(|| Self { mark, length, is_rust: is_rust(info) })
    }

    fn is_closed_by(&self, line: &str) -> bool {
        Self::marks(line).is_some_and(|(mark, length, info)| {
            mark == self.mark && length >= self.length && info.trim().is_empty()
        })
    }

    /// The mark that the line begins with, how many there are of it, and what follows.
    fn marks(line: &str) -> Option<(char, usize, &str)> {
        let text = line.trim_start();
        let mark = text.chars().next().filter(|mark| ['`', '~'].contains(mark))?;
        let info = text.trim_start_matches(mark);
        Some((mark, text.len() - info.len(), info))
    }

    /// The line as rustdoc shows it. It hides those that an example needs only to compile.
    fn shown(&self, line: &str) -> Option<String> {
        let text = line.trim();
        match text {
            _ if !self.is_rust => Some(line.to_owned()),
            _ if text == "#" || text.starts_with("# ") => None,
            _ if text.starts_with("##") => Some(line.replacen("##", "#", 1)),
            _ => Some(line.to_owned()),
        }
    }
}

/// Whether rustdoc takes a block of code with these words for Rust.
fn is_rust(info: &str) -> bool {
    const WORDS: [&str; 6] =
        ["rust", "should_panic", "no_run", "compile_fail", "test_harness", "standalone_crate"];
    let mut words = info.split([',', ' ', '\t']).filter(|word| !word.is_empty());
    words.all(|word| WORDS.contains(&word) || word.starts_with("ignore") || word.starts_with("edition"))
}

/// The lines of a paragraph as one: where they were broken says nothing. Lists, tables and code stay as they are.
fn joined(lines: &[String]) -> Option<String> {
    let is_prose = |line: &String| {
        !line.starts_with([' ', '-', '*', '+', '|', '>', '`'])
            && !line.starts_with("~~~")
            && !is_numbered(line)
    };
    let text = if lines.iter().all(is_prose) {
        let paragraphs = lines.split(String::is_empty).filter(|lines| !lines.is_empty());
        paragraphs.map(|lines| lines.join(" ")).collect::<Vec<_>>().join("\n\n")
    } else {
        lines.join("\n").trim().to_owned()
    };
    (!text.is_empty()).then_some(text)
}

/// Whether it is an item of a numbered list: `1. one`, `2) two`.
fn is_numbered(line: &str) -> bool {
    let after = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    after.len() < line.len() && (after.starts_with(". ") || after.starts_with(") "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(comments: &str, expected: Option<&str>) {
        let item: syn::ItemStruct = syn::parse_str(&format!("{comments}\nstruct S;")).unwrap();
        let mut faults = Faults::default();
        let described = description(&item.attrs, &mut faults);
        faults.or(()).unwrap();
        assert_eq!(described.as_deref(), expected, "{comments}");
    }

    #[test]
    fn lines_of_prose_are_joined_and_the_rest_stays() {
        check("", None);
        check("///", None);
        check("/// One\n/// and two.\n///\n/// Three.", Some("One and two.\n\nThree."));
        check("#[doc = \"One\\nand two.\"]", Some("One and two."));
        check("/// Of:\n/// - one\n/// - two", Some("Of:\n- one\n- two"));
        check("/// Of:\n/// 1. one\n/// 2. two", Some("Of:\n1. one\n2. two"));
        check("/// Of:\n/// 1) one\n/// 2) two", Some("Of:\n1) one\n2) two"));
        check("/// About\n/// 1.5 of\n/// 2", Some("About 1.5 of 2"));
    }

    #[test]
    fn a_deprecation_says_since_when_and_what_to_use() {
        let check = |written: &str, expected: Option<&str>| {
            let item: syn::ItemStruct = syn::parse_str(&format!("{written}\nstruct S;")).unwrap();
            let told = with_deprecation(None, item.attrs.first());
            assert_eq!(told.as_deref(), expected, "{written}");
            let told = with_deprecation(Some("One.".to_owned()), item.attrs.first());
            let after = expected.map(|text| format!("\n\n{text}")).unwrap_or_default();
            assert_eq!(told, Some(format!("One.{after}")), "{written}");
        };
        check("", None);
        check("#[deprecated]", None);
        check("#[deprecated = \"use `new`\"]", Some("Deprecated: use `new`"));
        check("#[deprecated(note = \"use `new`\")]", Some("Deprecated: use `new`"));
        check("#[deprecated(since = \"1.2.0\")]", Some("Deprecated since 1.2.0."));
        check(
            "#[deprecated(since = \"1.2.0\", note = \"use `new`\",)]",
            Some("Deprecated since 1.2.0: use `new`"),
        );
        check("#[deprecated(note = 5)]", None);
    }

    #[test]
    fn any_heading_ends_it() {
        check("/// One.\n/// # Errors\n/// Two.", Some("One."));
        check("/// One.\n/// ## Errors\n/// Two.", Some("One."));
        check("/// One.\n///\n///   ###### Errors", Some("One."));
        check("/// One\n/// #hashtag\n/// ####### seven", Some("One #hashtag ####### seven"));
    }

    #[test]
    fn a_fence_hides_what_rustdoc_hides() {
        check(
            "/// ```\n/// # hidden();\n/// #\n/// shown();\n/// ## shown\n/// #[shown]\n/// ```\n///\n/// More.",
            Some("```\nshown();\n# shown\n#[shown]\n```\n\nMore."),
        );
        check("/// ```rust,no_run\n/// # hidden();\n/// ```", Some("```rust,no_run\n```"));
        check("/// ```sh\n/// # a comment\n/// ```", Some("```sh\n# a comment\n```"));
        check(
            "/// ~~~~text\n/// # one\n/// ~~~\n/// ```\n/// ~~~~\n/// # Errors",
            Some("~~~~text\n# one\n~~~\n```\n~~~~"),
        );
        check("/// ```never closed\n/// # one", Some("```never closed\n# one"));
        check("/// ```code``` in a line\n/// # Errors", Some("```code``` in a line"));
    }

    #[test]
    fn a_block_comment_is_read_without_its_margin() {
        check("/** One. */", Some("One."));
        check(
            "/**\n * One\n * and two.\n *\n * - three\n *   four\n */",
            Some("One\nand two.\n\n- three\n  four"),
        );
        check("    /** One\n     * and two.\n     */", Some("One and two."));
        check(
            "/**\n    One\n    and two.\n\n    ```\n    if so {\n        # hidden();\n        three();\n    }\n    ```\n*/",
            Some("One\nand two.\n\n```\nif so {\n    three();\n}\n```"),
        );
        check("/**\n * One.\n * # Errors\n */", Some("One."));
    }

    #[test]
    fn a_text_that_is_computed_is_refused() {
        let item: syn::ItemStruct = syn::parse_quote! {
            #[doc = concat!("One", "two")]
            struct S;
        };
        let mut faults = Faults::default();
        assert_eq!(description(&item.attrs, &mut faults), None);
        assert!(faults.or(()).unwrap_err().to_string().contains("write the text itself"));
    }
}
