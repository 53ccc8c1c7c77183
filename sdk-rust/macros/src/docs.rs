//! Doc comments as descriptions.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

use crate::types::ungrouped_expr;

/// What the doc comments among the attributes say, up to the first heading: what stands under `# Errors` or
/// `# Panics` is for who writes Rust.
pub(crate) fn description(attributes: &[Attribute]) -> Option<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in attributes.iter().filter_map(doc_line) {
        for line in line.lines() {
            if line.trim_start().starts_with("# ") {
                return joined(&lines);
            }
            lines.push(line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned());
        }
        if line.is_empty() {
            lines.push(String::new());
        }
    }
    joined(&lines)
}

/// The lines of a paragraph as one: where they were broken says nothing. Lists, tables and code stay as they are.
fn joined(lines: &[String]) -> Option<String> {
    let is_prose = |line: &String| !line.starts_with([' ', '-', '*', '+', '|', '>', '`']);
    let text = if lines.iter().all(is_prose) {
        let paragraphs = lines.split(String::is_empty).filter(|lines| !lines.is_empty());
        paragraphs.map(|lines| lines.join(" ")).collect::<Vec<_>>().join("\n\n")
    } else {
        lines.join("\n").trim().to_owned()
    };
    (!text.is_empty()).then_some(text)
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match ungrouped_expr(&pair.value) {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}
