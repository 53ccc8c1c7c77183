//! A manifest as text, for a terminal or as Markdown. What the plugin wrote into it is escaped.

use std::fmt::Write as _;

use plugline_host::Document;
use plugline_protocol::contract::{ContentDescriptor, ErrorSet, Method};
use serde_json::Value;

use super::types::type_of;
use super::{Kind, groups, one_line, resolve, safe, word};

/// What differs between the ways to show a manifest.
pub(super) struct Style {
    title: &'static str,
    heading: &'static str,
    method: &'static str,
    item: &'static str,
    code: &'static str,
    /// Before each line of what a plugin writes of itself and of a method: a line of it is never taken for one of ours.
    about: [&'static str; 2],
}

/// For a terminal.
pub(super) const TEXT: Style =
    Style { title: "", heading: "", method: "  ", item: "      ", code: "", about: ["  ", "      "] };
/// For a repository.
pub(super) const MARKDOWN: Style =
    // A quote ends, whatever was opened in it.
    Style { title: "# ", heading: "## ", method: "### ", item: "- ", code: "`", about: ["> ", "> "] };

/// The manifest for people; what the plugin wrote into it is escaped.
pub(super) fn render(manifest: &Document, style: &Style) -> String {
    let mut page = String::new();
    let info = &manifest.info;
    line(&mut page, style.title, &format!("{} {}", safe(&info.title), safe(&info.version)));
    if let Some(description) = &info.description {
        prose(&mut page, style.about[0], description);
    }
    for group in groups(manifest) {
        page.push('\n');
        let heading = match (group.kind, group.contract) {
            (_, Some((name, version))) => format!("provides {} {}", safe(name), safe(version)),
            (Kind::Host, None) => "calls back".to_owned(),
            (Kind::Provided | Kind::Stray, None) => "methods of no contract".to_owned(),
        };
        line(&mut page, style.heading, &heading);
        for method in group.methods {
            page.push('\n');
            render_method(&mut page, method, style);
        }
    }
    let config = manifest.plugline.config.clone().to_value();
    if let Some(members) = resolve(&config, manifest).get("properties").and_then(Value::as_object) {
        page.push('\n');
        line(&mut page, style.heading, "config");
        for (name, schema) in members {
            let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
            let Style { item, code, .. } = style;
            line(
                &mut page,
                item,
                &format!("{code}{}{code}: {}  {}", safe(name), type_of(schema), one_line(about)),
            );
        }
    }
    page
}

fn render_method(page: &mut String, method: &Method, style: &Style) {
    let Style { item, code, .. } = style;
    let params: Vec<String> = method.params.iter().map(signature).collect();
    let result = match &method.result {
        Some(result) => format!(" → {}", type_of(result.schema.as_value())),
        None => " (notification)".to_owned(),
    };
    let name = safe(&method.name);
    line(page, style.method, &format!("{code}{name}({}){result}{code}", params.join(", ")));
    if let Some(description) = &method.description {
        prose(page, style.about[1], description);
    }
    if !style.code.is_empty() {
        page.push('\n');
    }
    for param in method.params.iter().filter(|param| param.description.is_some()) {
        let about = param.description.as_deref().unwrap_or_default();
        line(page, item, &format!("{code}{}{code}  {}", safe(&param.name), one_line(about)));
    }
    for (way, items) in [("input", &method.plugline.input), ("output", &method.plugline.output)] {
        if let Some(schema) = items {
            line(page, item, &format!("{way}: stream of {}", type_of(schema.as_value())));
        }
    }
    match &method.plugline.errors {
        ErrorSet::Declared(errors) => {
            for error in errors {
                line(
                    page,
                    item,
                    &format!("error {} {}: {}", error.code, safe(&error.name), one_line(&error.message)),
                );
            }
        }
        ErrorSet::Any(_) => line(page, item, "any error"),
    }
    for example in &method.examples {
        let params: Vec<String> =
            example.params.iter().map(|param| word(&param.name, &param.value)).collect();
        let shown = match &example.result {
            Some(result) => format!("{} → {}", params.join(" "), result.value),
            None => params.join(" "),
        };
        line(page, item, &format!("example {}: {code}{}{code}", safe(&example.name), safe(&shown)));
    }
}

fn signature(param: &ContentDescriptor) -> String {
    let optional = if param.required { "" } else { "?" };
    format!("{}{optional}: {}", safe(&param.name), type_of(param.schema.as_value()))
}

/// A text of several lines, each behind the prefix.
fn prose(page: &mut String, prefix: &str, text: &str) {
    for written in text.trim().lines() {
        let whole = format!("{prefix}{}", safe(written));
        line(page, "", whole.trim_end());
    }
}

fn line(page: &mut String, prefix: &str, text: &str) {
    writeln!(page, "{prefix}{text}").expect("a string takes all that is written");
}
