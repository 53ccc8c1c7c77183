//! A manifest as text, for a terminal or as Markdown. What the plugin wrote into it is escaped.

use std::fmt::Write as _;

use plugline_host::Document;
use plugline_protocol::contract::{ContentDescriptor, DeclaredError, ErrorSet, Example, Instances, Method};
use serde_json::Value;

use super::types::{constant, demands, description, members, type_of};
use super::{Kind, groups, one_line, resolve, safe, shortened, shown, word};

/// Of one example, so much is shown; characters.
const SHOWN: usize = 1000;

/// What differs between the ways to show a manifest.
pub(super) struct Style {
    title: &'static str,
    heading: &'static str,
    /// Before the name of a method or a schema.
    entry: &'static str,
    item: &'static str,
    code: Code,
    /// Before each line of what a plugin writes of itself, and then of what else it has: no line of it is taken for one of
    /// ours.
    about: [&'static str; 2],
}

/// How what is no prose is set apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Code {
    Plain,
    Backticks,
}

/// For a terminal.
pub(super) const TEXT: Style =
    Style { title: "", heading: "", entry: "  ", item: "      ", code: Code::Plain, about: ["  ", "      "] };
/// For a repository.
pub(super) const MARKDOWN: Style = Style {
    title: "# ",
    heading: "## ",
    entry: "### ",
    item: "- ",
    code: Code::Backticks,
    // A quote ends, whatever was opened in it.
    about: ["> ", "> "],
};

/// The manifest for people; what the plugin wrote into it is escaped.
pub(super) fn render(manifest: &Document, style: &Style) -> String {
    let mut page = Page { text: String::new(), style, in_list: false };
    let info = &manifest.info;
    page.line(style.title, &format!("{} {}", safe(&info.title), safe(&info.version)));
    if let Some(description) = &info.description {
        page.prose(style.about[0], description);
    }
    page.facts(manifest);
    for group in groups(manifest) {
        let heading = match (group.kind, group.contract) {
            (_, Some((name, version))) => {
                format!("provides {} {}{}", safe(name), safe(version), types_of(manifest, name))
            }
            (Kind::Host, None) => "calls back".to_owned(),
            (Kind::Provided | Kind::Stray, None) => "methods of no contract".to_owned(),
        };
        page.heading(&heading);
        for method in group.methods {
            page.method(method);
        }
    }
    page.config(manifest);
    if !manifest.components.schemas.is_empty() {
        page.heading("schemas");
    }
    for (name, schema) in &manifest.components.schemas {
        page.schema(name, schema);
    }
    page.text
}

/// The kinds of thing that a contract is offered for.
fn types_of(manifest: &Document, contract: &str) -> String {
    let provided = manifest.plugline.provides.iter().find(|it| it.contract == contract);
    match provided.map(|it| &it.types).filter(|types| !types.is_empty()) {
        Some(types) => format!(" ({})", safe(&types.join(", "))),
        None => String::new(),
    }
}

struct Page<'a> {
    text: String,
    style: &'a Style,
    in_list: bool,
}

impl Page<'_> {
    fn line(&mut self, prefix: &str, text: &str) {
        writeln!(self.text, "{prefix}{text}").expect("a string takes all that is written");
    }

    fn item(&mut self, text: &str) {
        // In Markdown, a list that follows something else is parted from it.
        if self.style.code == Code::Backticks && !self.in_list {
            self.text.push('\n');
        }
        self.in_list = true;
        self.line(self.style.item, text.trim_end());
    }

    fn heading(&mut self, text: &str) {
        self.in_list = false;
        self.text.push('\n');
        self.line(self.style.heading, text);
    }

    /// A method or a schema, and what is said of it.
    fn entry(&mut self, name: &str, about: Option<&str>) {
        self.in_list = false;
        self.text.push('\n');
        self.line(self.style.entry, &self.code(name));
        if let Some(about) = about {
            self.prose(self.style.about[1], about);
        }
    }

    /// A text of several lines, each behind the prefix.
    fn prose(&mut self, prefix: &str, text: &str) {
        for written in text.trim().lines() {
            let whole = format!("{prefix}{}", safe(written));
            self.line("", whole.trim_end());
        }
    }

    /// What is no prose, escaped before, in as many backticks as it takes.
    fn code(&self, text: &str) -> String {
        if self.style.code == Code::Plain || text.is_empty() {
            return text.to_owned();
        }
        let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
        let fence = "`".repeat(longest + 1);
        let room = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
        format!("{fence}{room}{text}{room}{fence}")
    }

    fn facts(&mut self, manifest: &Document) {
        self.text.push('\n');
        let prefix = if self.style.code == Code::Plain { self.style.entry } else { self.style.item };
        for required in &manifest.plugline.requires {
            self.line(prefix, &format!("requires {} {}", safe(&required.contract), safe(&required.version)));
        }
        self.line(
            prefix,
            match manifest.plugline.instances {
                Instances::One => "one process at a time",
                Instances::Many => "several processes at once",
            },
        );
    }

    fn method(&mut self, method: &Method) {
        let params: Vec<String> = method.params.iter().map(signature).collect();
        let result = match &method.result {
            Some(result) => format!(" → {}", type_of(result.schema.as_value())),
            None => " (notification)".to_owned(),
        };
        let name = format!("{}({}){result}", safe(&method.name), params.join(", "));
        self.entry(&name, method.description.as_deref());
        for param in &method.params {
            let about = self.about(param.description.as_deref(), &shown(param));
            if !about.is_empty() {
                self.item(&format!("{}  {about}", self.code(&safe(&param.name))));
            }
        }
        if let Some(result) = &method.result {
            let about = self.about(result.description.as_deref(), result.schema.as_value());
            if !about.is_empty() {
                self.item(&format!("returns  {about}"));
            }
        }
        for (way, items) in [("input", &method.plugline.input), ("output", &method.plugline.output)] {
            if let Some(schema) = items {
                let schema = schema.as_value();
                let kind = self.code(&type_of(schema));
                self.item(&format!("{way}: stream of {kind}  {}", self.about(None, schema)));
            }
        }
        for (is_so, word) in
            [(method.plugline.idempotent, "idempotent"), (method.is_deprecated(), "deprecated")]
        {
            if is_so {
                self.item(word);
            }
        }
        match &method.plugline.errors {
            ErrorSet::Declared(errors) => errors.iter().for_each(|error| self.error(error)),
            ErrorSet::Any(_) => self.item("any error"),
        }
        for example in &method.all_examples() {
            let shown = self.code(&safe(&shortened(call(example), SHOWN)));
            self.item(&format!("example {}: {shown}", safe(&example.name)));
        }
    }

    fn error(&mut self, error: &DeclaredError) {
        let data = error.data.as_ref().map(|data| {
            let data = data.as_value();
            format!("; data: {}  {}", self.code(&type_of(data)), self.about(None, data))
        });
        let data = data.unwrap_or_default();
        let DeclaredError { code, name, message, .. } = error;
        self.item(&format!("error {code} {}: {}{data}", safe(name), one_line(message)));
    }

    fn config(&mut self, manifest: &Document) {
        let config = manifest.plugline.config.as_value();
        let schema = resolve(config, manifest);
        let has_members = !members(schema).is_empty();
        if !has_members && matches!(&*type_of(config), "any" | "object") {
            return;
        }
        self.heading("config");
        if has_members {
            self.members(schema);
        } else {
            self.item(&self.code(&type_of(config)));
        }
    }

    fn schema(&mut self, name: &str, schema: &Value) {
        let name = safe(name);
        let about = description(schema);
        if members(schema).is_empty() {
            self.entry(&format!("{name}: {}", type_of(schema)), about);
        } else {
            self.entry(&name, about);
            self.members(schema);
        }
        let demands = self.demands(schema);
        if !demands.is_empty() {
            self.item(&demands);
        }
        // Constants that say what they mean.
        let choices = ["oneOf", "anyOf"].into_iter().filter_map(|it| schema.get(it)?.as_array()).flatten();
        for choice in choices {
            if let (Some(value), Some(about)) = (choice.get("const"), description(choice)) {
                self.item(&format!("{}  {}", self.code(&safe(&constant(value))), one_line(about)));
            }
        }
    }

    fn members(&mut self, schema: &Value) {
        for (name, member, required) in members(schema) {
            let optional = if required { "" } else { "?" };
            let shown = self.code(&format!("{}{optional}: {}", safe(name), type_of(member)));
            self.item(&format!("{shown}  {}", self.about(None, member)));
        }
    }

    /// What is said of a value, and what else is demanded of it, on one line.
    fn about(&self, about: Option<&str>, schema: &Value) -> String {
        let about = one_line(about.or_else(|| description(schema)).unwrap_or_default());
        let demands = self.demands(schema);
        if about.is_empty() || demands.is_empty() {
            return about + &demands;
        }
        format!("{about} {demands}")
    }

    fn demands(&self, schema: &Value) -> String {
        let demands: Vec<String> = demands(schema).iter().map(|demand| self.code(&safe(demand))).collect();
        if demands.is_empty() { String::new() } else { format!("({})", demands.join(", ")) }
    }
}

fn signature(param: &ContentDescriptor) -> String {
    let optional = if param.required { "" } else { "?" };
    format!("{}{optional}: {}", safe(&param.name), type_of(param.schema.as_value()))
}

/// What was called with, and what came of it.
fn call(example: &Example) -> String {
    let items = |items: &[Value]| match items {
        [] => "no items".to_owned(),
        items => items.iter().map(Value::to_string).collect::<Vec<_>>().join(" "),
    };
    let mut call: Vec<String> = example.params.iter().map(|(name, value)| word(name, value)).collect();
    if let Some(input) = &example.input {
        call.push(format!("← {}", items(input)));
    }
    let output = example.output.as_deref().map(items);
    // What ends a stream is shown where it says something.
    let result = example.result.as_ref().filter(|result| output.is_none() || !result.is_null());
    let error = example.error.as_ref().map(|error| match error.get("code") {
        Some(code) if error.as_object().is_some_and(|it| it.len() == 1) => format!("error {code}"),
        _ => format!("error {error}"),
    });
    let end = result.map(Value::to_string).or(error);
    match (output, end) {
        (Some(output), Some(end)) => call.push(format!("→ {output}, then {end}")),
        (Some(one), None) | (None, Some(one)) => call.push(format!("→ {one}")),
        (None, None) => {}
    }
    call.join(" ")
}
