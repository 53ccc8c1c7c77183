//! A manifest as one page for a browser. It needs nothing else, runs no script, and what the plugin wrote is never
//! markup: a manifest is hostile input.

use std::fmt::Write as _;

use plugline_host::{Document, escape};
use plugline_protocol::contract::{ErrorSet, Example, Instances, Method};
use serde_json::Value;

use super::types::{Piece, demands, description, members, pieces};
use super::{Kind, groups, resolve, shortened, shown, word};

const STYLE: &str = include_str!("page.css");

/// Of one example, so much is shown; characters.
const SHOWN: usize = 20_000;

/// Markup. Text becomes markup by [`text`] alone.
struct Markup(String);

impl Markup {
    fn add(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    fn line(&mut self, arguments: std::fmt::Arguments<'_>) {
        self.0.write_fmt(arguments).expect("a string takes all that is written");
        self.0.push('\n');
    }
}

/// Adds a line of markup; what is put into it must be markup already.
macro_rules! line {
    ($page:expr, $($rest:tt)*) => { $page.line(format_args!($($rest)*)) };
}

/// The page.
pub(super) fn page(manifest: &Document) -> String {
    let mut page = Markup(String::new());
    let info = &manifest.info;
    let title = text(&info.title);
    page.add("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.add("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    // Should anything get through all the same, it does nothing.
    page.add("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n");
    line!(page, "<title>{title} {}</title>", text(&info.version));
    line!(page, "<style>\n{STYLE}</style>\n</head>\n<body>\n<div class=\"page\">");
    contents(&mut page, manifest);
    line!(page, "<main>\n<h1>{title}<small>{}</small></h1>", text(&info.version));
    if let Some(description) = &info.description {
        line!(page, "<p class=\"lead\">{}</p>", text(description));
    }
    facts(&mut page, manifest);
    for group in groups(manifest) {
        let (id, heading) = match (group.kind, group.contract) {
            (_, Some((name, version))) => {
                (anchor("contract", name), format!("{} {}", text(name), text(version)))
            }
            (Kind::Host, None) => ("host".to_owned(), "Calls back".to_owned()),
            (Kind::Provided | Kind::Stray, None) => ("stray".to_owned(), "Methods of no contract".to_owned()),
        };
        line!(page, "<h2 id=\"{id}\">{heading}</h2>");
        if group.kind == Kind::Host {
            page.add("<p>Methods of the host, which the plugin may call.</p>\n");
        }
        for described in group.methods {
            method(&mut page, described);
        }
    }
    config(&mut page, manifest);
    if !manifest.components.schemas.is_empty() {
        page.add("<h2 id=\"schemas\">Schemas</h2>\n");
    }
    for (name, schema) in &manifest.components.schemas {
        line!(page, "<article id=\"{}\">\n<h3>{}</h3>", anchor("schema", name), text(name));
        shape(&mut page, schema);
        raw(&mut page, "JSON Schema", schema);
        page.add("</article>\n");
    }
    page.add(
        "<footer>Made from the plugin's manifest by <code>plugline describe --format html</code>.</footer>\n",
    );
    page.add("</main>\n</div>\n</body>\n</html>\n");
    page.0
}

fn contents(page: &mut Markup, manifest: &Document) {
    page.add("<nav aria-label=\"Contents\">\n");
    for group in groups(manifest) {
        let heading = match (group.kind, group.contract) {
            (_, Some((name, _))) => text(name),
            (Kind::Host, None) => "Calls back".to_owned(),
            (Kind::Provided | Kind::Stray, None) => "Of no contract".to_owned(),
        };
        line!(page, "<h2>{heading}</h2>\n<ul>");
        for method in group.methods {
            let short =
                group.contract.and_then(|(name, _)| method.name.strip_prefix(name)?.strip_prefix('.'));
            let name = text(short.unwrap_or(&method.name));
            line!(page, "<li><a href=\"#{}\"><code>{name}</code></a></li>", anchor("method", &method.name));
        }
        page.add("</ul>\n");
    }
    page.add("<h2>Plugin</h2>\n<ul>\n<li><a href=\"#config\">config</a></li>\n</ul>\n");
    if !manifest.components.schemas.is_empty() {
        page.add("<h2>Schemas</h2>\n<ul>\n");
        for name in manifest.components.schemas.keys() {
            line!(page, "<li><a href=\"#{}\"><code>{}</code></a></li>", anchor("schema", name), text(name));
        }
        page.add("</ul>\n");
    }
    page.add("</nav>\n");
}

fn facts(page: &mut Markup, manifest: &Document) {
    let extension = &manifest.plugline;
    page.add("<ul class=\"facts\">\n");
    for provided in &extension.provides {
        let types = if provided.types.is_empty() {
            String::new()
        } else {
            format!(" ({})", provided.types.join(", "))
        };
        let fact = format!("provides {} {}{types}", provided.contract, provided.version);
        line!(page, "<li>{}</li>", text(&fact));
    }
    for required in &extension.requires {
        line!(page, "<li>{}</li>", text(&format!("requires {} {}", required.contract, required.version)));
    }
    let versions: Vec<String> = extension.protocol.iter().map(ToString::to_string).collect();
    line!(page, "<li>protocol {}</li>", text(&versions.join(", ")));
    line!(
        page,
        "<li>{}</li>",
        match extension.instances {
            Instances::One => "one process at a time",
            Instances::Many => "several processes at once",
        }
    );
    page.add("</ul>\n");
}

fn method(page: &mut Markup, method: &Method) {
    line!(page, "<article id=\"{}\">", anchor("method", &method.name));
    let extension = &method.plugline;
    let mut tags = String::new();
    if method.result.is_none() {
        tags += "<span class=\"tag\">notification</span>";
    }
    for (is_so, word) in [(extension.idempotent, "idempotent"), (method.is_deprecated(), "deprecated")] {
        if is_so {
            write!(tags, "<span class=\"tag\">{word}</span>").expect("a string takes all that is written");
        }
    }
    for (way, schema) in [("input", &extension.input), ("output", &extension.output)] {
        if schema.is_some() {
            write!(tags, "<span class=\"tag\">{way} stream</span>")
                .expect("a string takes all that is written");
        }
    }
    line!(page, "<h3><code>{}</code>{tags}</h3>", text(&method.name));
    if let Some(description) = &method.description {
        line!(page, "<p class=\"about\">{}</p>", text(description));
    }
    signature(page, method);
    if !method.params.is_empty() {
        page.add("<h4>Params</h4>\n<div class=\"scroll\"><table>\n<thead><tr><th>Name</th><th>Type</th><th></th></tr></thead>\n<tbody>\n");
        for param in &method.params {
            let schema = shown(param);
            let about = param.description.as_deref().or_else(|| description(&schema));
            row(page, &param.name, &schema, param.required, about);
        }
        page.add("</tbody></table></div>\n");
    }
    if let Some(about) = method.result.as_ref().and_then(|result| result.description.as_deref()) {
        line!(page, "<h4>Result</h4>\n<p>{}</p>", text(about));
    }
    errors(page, method);
    let examples = method.all_examples();
    if !examples.is_empty() {
        page.add("<h4>Examples</h4>\n");
    }
    for shown in &examples {
        example(page, method, shown);
    }
    page.add("</article>\n");
}

fn signature(page: &mut Markup, method: &Method) {
    let params: Vec<String> = method
        .params
        .iter()
        .map(|param| {
            let optional = if param.required { "" } else { "?" };
            format!("{}{optional}: {}", text(&param.name), kind(param.schema.as_value()))
        })
        .collect();
    let stream = |items: &Value| format!("stream of {}", kind(items));
    let input = method.plugline.input.as_ref().map(|items| format!(" ← {}", stream(items.as_value())));
    let input = input.unwrap_or_default();
    let output = method.plugline.output.as_ref().map(|items| stream(items.as_value()));
    let result = method.result.as_ref().map(|result| kind(result.schema.as_value()));
    let gives = match (output, result) {
        (Some(output), Some(result)) if result == "null" => format!(" → {output}"),
        (Some(output), Some(result)) => format!(" → {output}, then {result}"),
        (Some(output), None) => format!(" → {output}"),
        (None, Some(result)) => format!(" → {result}"),
        (None, None) => String::new(),
    };
    let short = method.name.rsplit('.').next().unwrap_or(&method.name);
    line!(page, "<p class=\"signature\">{}({}){input}{gives}</p>", text(short), params.join(", "));
}

fn errors(page: &mut Markup, method: &Method) {
    match &method.plugline.errors {
        ErrorSet::Any(_) => {
            page.add("<h4>Errors</h4>\n<p>Any: it relays errors that it does not know.</p>\n")
        }
        ErrorSet::Declared(errors) if errors.is_empty() => {}
        ErrorSet::Declared(errors) => {
            page.add("<h4>Errors</h4>\n<div class=\"scroll\"><table>\n<thead><tr><th>Code</th><th>Name</th><th></th></tr></thead>\n<tbody>\n");
            for error in errors {
                let data = error.data.as_ref().map(|data| {
                    format!("<span class=\"demand\">data: <code>{}</code></span>", kind(data.as_value()))
                });
                let data = data.unwrap_or_default();
                line!(
                    page,
                    "<tr><td><code>{}</code></td><td class=\"name\">{}</td><td>{}{data}</td></tr>",
                    error.code,
                    text(&error.name),
                    text(&error.message)
                );
            }
            page.add("</tbody></table></div>\n");
        }
    }
}

fn example(page: &mut Markup, method: &Method, example: &Example) {
    line!(page, "<details>\n<summary>{}</summary>", text(&example.name));
    let params: Vec<String> = example.params.iter().map(|(name, value)| word(name, value)).collect();
    let input = if example.input.is_some() { " --input -" } else { "" };
    let command = format!("plugline call PLUGIN {} {}{input}", method.name, params.join(" "));
    line!(page, "<pre><code>{}</code></pre>", text(command.trim_end()));
    for (name, items) in [("Input", &example.input), ("Output", &example.output)] {
        if let Some(items) = items {
            let lines: Vec<String> = items.iter().map(Value::to_string).collect();
            line!(
                page,
                "<h4>{name}</h4>\n<pre><code>{}</code></pre>",
                text(&shortened(lines.join("\n"), SHOWN))
            );
        }
    }
    for (name, value) in [("Result", &example.result), ("Error", &example.error)] {
        if let Some(value) = value {
            line!(
                page,
                "<h4>{name}</h4>\n<pre><code>{}</code></pre>",
                text(&shortened(format!("{value:#}"), SHOWN))
            );
        }
    }
    page.add("</details>\n");
}

fn config(page: &mut Markup, manifest: &Document) {
    let config = manifest.plugline.config.as_value();
    let schema = resolve(config, manifest);
    page.add("<h2 id=\"config\">Config</h2>\n");
    if schema.get("properties").is_none() {
        line!(page, "<p>Takes <code>{}</code>.</p>", kind(config));
        return;
    }
    page.add("<article>\n");
    shape(page, schema);
    page.add("</article>\n");
}

/// What a schema is, as a person reads it.
fn shape(page: &mut Markup, schema: &Value) {
    if let Some(about) = description(schema) {
        line!(page, "<p class=\"about\">{}</p>", text(about));
    }
    let members = members(schema);
    if members.is_empty() {
        line!(page, "<p class=\"signature\">{}</p>", kind(schema));
        for demand in demands(schema) {
            line!(page, "<p>{}</p>", text(&demand));
        }
        for choice in ["oneOf", "anyOf"] {
            choices(page, schema.get(choice).and_then(Value::as_array));
        }
        return;
    }
    page.add("<div class=\"scroll\"><table>\n<thead><tr><th>Member</th><th>Type</th><th></th></tr></thead>\n<tbody>\n");
    for (name, member, required) in members {
        row(page, name, member, required, description(member));
    }
    page.add("</tbody></table></div>\n");
}

/// Constants that say what they mean.
fn choices(page: &mut Markup, branches: Option<&Vec<Value>>) {
    let told = |branch: &Value| Some((branch.get("const")?.to_string(), description(branch)?.to_owned()));
    let told: Vec<(String, String)> = branches.into_iter().flatten().filter_map(told).collect();
    if told.is_empty() {
        return;
    }
    page.add("<div class=\"scroll\"><table>\n<tbody>\n");
    for (value, about) in told {
        line!(page, "<tr><td><code>{}</code></td><td>{}</td></tr>", text(&value), text(&about));
    }
    page.add("</tbody></table></div>\n");
}

fn row(page: &mut Markup, name: &str, schema: &Value, required: bool, about: Option<&str>) {
    let must = if required { "<span class=\"tag must\">required</span>" } else { "" };
    let demands: String = demands(schema)
        .iter()
        .map(|demand| format!("<span class=\"demand\">{}</span>", text(demand)))
        .collect();
    line!(
        page,
        "<tr><td><code class=\"name\">{}</code>{must}</td><td><code>{}</code>{demands}</td><td>{}</td></tr>",
        text(name),
        kind(schema),
        text(about.unwrap_or_default())
    );
}

fn raw(page: &mut Markup, name: &str, value: &Value) {
    let json = text(&shortened(format!("{value:#}"), SHOWN));
    line!(page, "<details>\n<summary>{name}</summary>\n<pre><code>{json}</code></pre>\n</details>");
}

/// A type as markup; the names of schemas lead to them.
fn kind(schema: &Value) -> String {
    let markup = |piece| match piece {
        Piece::Text(it) => text(&it),
        Piece::Name(name) => format!("<a href=\"#{}\">{}</a>", anchor("schema", &name), text(&name)),
    };
    pieces(schema).into_iter().map(markup).collect()
}

/// The id of what has that name: safe in an attribute and in a link, whatever the name holds, and different for
/// different names.
fn anchor(kind: &str, name: &str) -> String {
    let mut id = format!("{kind}-");
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' => id.push(char::from(byte)),
            other => write!(id, "-{other:02x}").expect("a string takes all that is written"),
        }
    }
    id
}

/// Text as markup: nothing in it is a tag, an entity or the end of an attribute, and no character in it is another than
/// it looks like.
fn text(text: &str) -> String {
    let mut markup = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        for c in escape(line.as_bytes()).chars() {
            match c {
                '&' => markup.push_str("&amp;"),
                '<' => markup.push_str("&lt;"),
                '>' => markup.push_str("&gt;"),
                '"' => markup.push_str("&quot;"),
                '\'' => markup.push_str("&#39;"),
                c => markup.push(c),
            }
        }
        markup.push_str(end);
    }
    markup
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_markup() {
        assert_eq!(text("<b a=\"'\">&\n"), "&lt;b a=&quot;&#39;&quot;&gt;&amp;\n");
        assert_eq!(text("a\u{202e}b\u{0}"), "a\\u{202e}b\\u{0}");
    }

    #[test]
    fn anchors_are_safe_and_differ() {
        assert_eq!(anchor("schema", "User_1.A"), "schema-User_1.A");
        assert_eq!(anchor("schema", "\"><script>"), "schema--22-3e-3cscript-3e");
        assert_ne!(anchor("schema", "a-b"), anchor("schema", "a b"));
    }
}
