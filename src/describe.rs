//! `plugline describe`: what a plugin offers, from its own manifest.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use plugline_host::{Document, escape};
use plugline_protocol::contract::{ContentDescriptor, ErrorSet, Method};
use serde_json::Value;

use crate::arguments::PluginOptions;
use crate::failure::Failure;
use crate::output;

/// Show what a plugin offers.
#[derive(Args)]
#[command(
    override_usage = "plugline describe [OPTIONS] PLUGIN\n       plugline describe [OPTIONS] --command COMMAND"
)]
pub(crate) struct Describe {
    /// PLUGIN: a path.
    #[arg(value_name = "PLUGIN")]
    words: Vec<String>,
    #[command(flatten)]
    plugin: PluginOptions,
    /// How to show it.
    #[arg(long, value_enum, default_value_t = As::Text)]
    format: As,
}

/// How a manifest is shown.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum As {
    /// For a terminal.
    Text,
    /// The OpenRPC document itself.
    Json,
    /// For a repository.
    Markdown,
}

impl Describe {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut words = self.words;
        let launch = self.plugin.launch(&mut words)?;
        if let Some(word) = words.first() {
            return Err(Failure::Usage(format!("{word:?}: only a PLUGIN is taken")));
        }
        let manifest = launch.discover().map_err(|fault| Failure::NoManifest(Box::new(fault)))?;
        let text = match self.format {
            As::Text => render(&manifest, &TEXT),
            As::Markdown => render(&manifest, &MARKDOWN),
            As::Json => {
                let json = serde_json::to_string_pretty(&manifest);
                output::escape_json(&json.map_err(|fault| Failure::System(fault.to_string()))?) + "\n"
            }
        };
        output::print(&text)
    }
}

/// What differs between the ways to show a manifest.
struct Style {
    title: &'static str,
    heading: &'static str,
    method: &'static str,
    item: &'static str,
    code: &'static str,
    indent: &'static str,
}

const TEXT: Style =
    Style { title: "", heading: "", method: "  ", item: "      ", code: "", indent: "      " };
const MARKDOWN: Style =
    Style { title: "# ", heading: "## ", method: "### ", item: "- ", code: "`", indent: "" };

/// The manifest for people; what the plugin wrote into it is escaped.
fn render(manifest: &Document, style: &Style) -> String {
    let mut page = String::new();
    let info = &manifest.info;
    line(&mut page, style.title, &format!("{} {}", safe(&info.title), safe(&info.version)));
    if let Some(description) = &info.description {
        line(&mut page, "", &safe(description));
    }
    for provided in &manifest.plugline.provides {
        page.push('\n');
        line(
            &mut page,
            style.heading,
            &format!("provides {} {}", safe(&provided.contract), safe(&provided.version)),
        );
        let prefix = format!("{}.", provided.contract);
        for method in manifest.methods.iter().filter(|method| method.name.starts_with(&prefix)) {
            page.push('\n');
            render_method(&mut page, method, style);
        }
    }
    let provided = |method: &&Method| {
        manifest.plugline.provides.iter().any(|p| method.name.starts_with(&format!("{}.", p.contract)))
    };
    let stray: Vec<&Method> = manifest.methods.iter().filter(|method| !provided(method)).collect();
    if !stray.is_empty() {
        page.push('\n');
        line(&mut page, style.heading, "methods of no contract");
        for method in stray {
            page.push('\n');
            render_method(&mut page, method, style);
        }
    }
    if !manifest.plugline.host_methods.is_empty() {
        page.push('\n');
        line(&mut page, style.heading, "calls back");
        for method in &manifest.plugline.host_methods {
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
                &format!("{code}{}{code}: {}  {}", safe(name), type_of(schema), safe(about)),
            );
        }
    }
    page
}

fn render_method(page: &mut String, method: &Method, style: &Style) {
    let Style { item, code, indent, .. } = style;
    let params: Vec<String> = method.params.iter().map(signature).collect();
    let result = match &method.result {
        Some(result) => format!(" → {}", type_of(result.schema.as_value())),
        None => " (notification)".to_owned(),
    };
    let name = safe(&method.name);
    line(page, style.method, &format!("{code}{name}({}){result}{code}", params.join(", ")));
    if let Some(description) = &method.description {
        line(page, indent, &safe(description));
    }
    if !style.code.is_empty() {
        page.push('\n');
    }
    for param in method.params.iter().filter(|param| param.description.is_some()) {
        let about = param.description.as_deref().unwrap_or_default();
        line(page, item, &format!("{code}{}{code}  {}", safe(&param.name), safe(about)));
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
                    &format!("error {} {}: {}", error.code, safe(&error.name), safe(&error.message)),
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
        line(
            page,
            item,
            &format!("example {}: {code}{}{code}", safe(&example.name), output::escape_json(&shown)),
        );
    }
}

/// A param as `plugline call` takes it, quoted for a shell where it must be.
fn word(name: &str, value: &Value) -> String {
    let word = match value {
        Value::String(text) => format!("{}={}", safe(name), safe(text)),
        value => format!("{}:={value}", safe(name)),
    };
    shell_words::quote(&word).into_owned()
}

fn signature(param: &ContentDescriptor) -> String {
    let optional = if param.required { "" } else { "?" };
    format!("{}{optional}: {}", safe(&param.name), type_of(param.schema.as_value()))
}

/// What a schema lets through, in a word or two.
fn type_of(schema: &Value) -> String {
    let of = type_of;
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return safe(target.rsplit('/').next().unwrap_or(target));
    }
    if let Some([only]) = schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
        return of(only);
    }
    for combiner in ["oneOf", "anyOf"] {
        if let Some(choices) = schema.get(combiner).and_then(Value::as_array) {
            return choices.iter().map(of).collect::<Vec<_>>().join(" | ");
        }
    }
    if let Some(constant) = schema.get("const") {
        return output::escape_json(&constant.to_string());
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values
            .iter()
            .map(|value| output::escape_json(&value.to_string()))
            .collect::<Vec<_>>()
            .join(" | ");
    }
    match schema.get("type") {
        Some(Value::String(name)) if name == "array" => {
            format!("[{}]", schema.get("items").map_or_else(|| "any".to_owned(), of))
        }
        Some(Value::String(name)) => safe(name),
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).map(safe).collect::<Vec<_>>().join(" | ")
        }
        _ => "any".to_owned(),
    }
}

/// The definition that a schema points at, or itself.
fn resolve<'a>(schema: &'a Value, manifest: &'a Document) -> &'a Value {
    let target =
        schema.get("$ref").and_then(Value::as_str).and_then(|at| at.strip_prefix("#/components/schemas/"));
    target.and_then(|name| manifest.components.schemas.get(name)).unwrap_or(schema)
}

fn safe(text: &str) -> String {
    escape(text.as_bytes())
}

fn line(page: &mut String, prefix: &str, text: &str) {
    writeln!(page, "{prefix}{text}").expect("a string takes all that is written");
}
