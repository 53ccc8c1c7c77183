//! TypeScript, as prettier leaves it: types by structure, one interface and one client a contract, on `runtime.ts`.

use unicode_ident::{is_xid_continue, is_xid_start};

use super::model::{
    Answer, Contract, Errors, Field, Method, Model, Named, Part, Presence, Server, Shape, Ty, TypeId,
};
use super::names::{Scope, camel, pascal};
use super::text;

const WIDTH: usize = 80;

/// What the language and the run-time have names for.
const RESERVED: &[&str] = &[
    "Any",
    "Array",
    "ArrayBuffer",
    "Awaitable",
    "BigInt",
    "Boolean",
    "Buffer",
    "Call",
    "CallOptions",
    "Caller",
    "Client",
    "Config",
    "Contract",
    "Date",
    "Document",
    "Error",
    "ErrorClass",
    "Failure",
    "Function",
    "Implementation",
    "Implementations",
    "Infinity",
    "Inputs",
    "Iterable",
    "AsyncIterable",
    "JSON",
    "JsonObject",
    "Map",
    "Members",
    "NaN",
    "Number",
    "Object",
    "Output",
    "Partial",
    "Plugin",
    "PluginOptions",
    "Produced",
    "Promise",
    "Proxy",
    "Record",
    "Reflect",
    "RegExp",
    "RemoteError",
    "ServeOptions",
    "Set",
    "Start",
    "String",
    "Symbol",
    "Uint8Array",
    "WeakMap",
    "WeakSet",
];

/// Words that cannot be a constant or a method of a client.
const WORDS: &[&str] = &[
    "arguments",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "constructor",
    "continue",
    "contract",
    "debugger",
    "default",
    "delete",
    "do",
    "document",
    "else",
    "enum",
    "eval",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "if",
    "implement",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "let",
    "new",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "serve",
    "servePlugin",
    "static",
    "super",
    "switch",
    "then",
    "this",
    "throw",
    "toString",
    "true",
    "try",
    "typeof",
    "undefined",
    "valueOf",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

/// What a generated file may import.
const IMPORTS: &[(&str, bool)] = &[
    ("Awaitable", true),
    ("Call", true),
    ("CallOptions", true),
    ("Caller", true),
    ("Contract", true),
    ("Inputs", true),
    ("JsonObject", true),
    ("Members", true),
    ("Output", true),
    ("PluginOptions", true),
    ("Produced", true),
    ("RemoteError", false),
    ("Start", true),
    ("contract", false),
    ("implement", false),
    ("servePlugin", false),
];

pub(super) fn generate(model: &Model, part: Part, head: &str) -> String {
    let writer = Writer::new(model, part);
    let body = writer.body();
    let used = |name: &str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '"' | '\'' | '`');
        // The document's own text is no code.
        body.lines().filter(|line| !line.starts_with("  '{") && !line.starts_with("  \"{")).any(|line| {
            !line.trim_start().starts_with('*')
                && !line.trim_start().starts_with("/**")
                && line.match_indices(name).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    let after = line[at + name.len()..].chars().next();
                    !before.is_some_and(is_part)
                        && before.is_none_or(|c| c != '.')
                        && !after.is_some_and(is_part)
                })
        })
    };
    let imports: Vec<String> = IMPORTS
        .iter()
        .filter(|(name, _)| used(name))
        .map(|(name, is_type)| if *is_type { format!("type {name}") } else { (*name).to_owned() })
        .collect();
    let imports = listed(
        "import { ",
        &imports,
        " } from \"./runtime.js\";",
        "import {",
        "} from \"./runtime.js\";",
        "",
    );
    format!("// {head}\n{imports}{body}")
}

struct ContractNames {
    interface: String,
    client: String,
    constant: String,
    property: String,
    /// Of each method: its member, and the type of its params.
    methods: Vec<(String, Option<String>)>,
}

struct Writer<'a> {
    model: &'a Model,
    part: Part,
    types: Vec<String>,
    errors: Vec<String>,
    contracts: Vec<ContractNames>,
}

impl<'a> Writer<'a> {
    fn new(model: &'a Model, part: Part) -> Self {
        let mut scope = Scope::new(RESERVED, "_");
        let mut values = Scope::new(WORDS, "_");
        let types = model.types.iter().map(|named| scope.take(&pascal(&named.name))).collect();
        let errors = model.errors.iter().map(|error| scope.take(&pascal(&error.name))).collect();
        let mut properties = Scope::new(&[], "_");
        let contracts = model.contracts.iter().map(|contract| {
            let suffix = match contract.server {
                Server::Host
                    if model
                        .contracts
                        .iter()
                        .any(|c| c.server == Server::Plugin && c.name == contract.name) =>
                {
                    "_host"
                }
                _ => "",
            };
            let name = format!("{}{suffix}", contract.name);
            let mut members = Scope::new(WORDS, "_");
            let methods = contract.methods.iter().map(|method| {
                let params = (!method.params.is_empty())
                    .then(|| scope.take(&format!("{}Params", pascal(&method.name))));
                (members.take(&camel(&method.name)), params)
            });
            let methods = methods.collect();
            ContractNames {
                interface: scope.take(&pascal(&name)),
                client: scope.take(&format!("{}Client", pascal(&name))),
                constant: values.take(&format!("{}Contract", camel(&name))),
                property: properties.take(&camel(&name)),
                methods,
            }
        });
        let contracts = contracts.collect();
        Self { model, part, types, errors, contracts }
    }

    fn body(&self) -> String {
        let mut out = String::new();
        for (at, named) in self.model.types.iter().enumerate() {
            out.push('\n');
            out.push_str(&self.named(&self.types[at], named));
        }
        for (at, error) in self.model.errors.iter().enumerate() {
            out.push('\n');
            out.push_str(&self.error(&self.errors[at], error));
        }
        let document = quoted(&self.model.document);
        out.push_str(&format!("\nconst document = JSON.parse(\n  {document},\n) as JsonObject;\n"));
        for (contract, names) in self.model.contracts.iter().zip(&self.contracts) {
            out.push_str(&self.contract(contract, names));
        }
        if self.part.serves() {
            out.push_str(&self.serve());
        }
        // What has no members, as prettier writes it.
        out.replace(" {\n}", " {}")
    }

    fn named(&self, name: &str, named: &Named) -> String {
        let mut about = named.doc.clone();
        if let Shape::Enum(choices) = &named.shape {
            for choice in choices.iter().filter(|choice| !choice.doc.is_empty()) {
                about = format!("{about}\n`{}`: {}", choice.value, choice.doc);
            }
        }
        if let Shape::Alias(ty) = &named.shape {
            about = with_notes(&about, ty);
        }
        let mut out = doc("", &about);
        match &named.shape {
            Shape::Struct(body) if body.fields.is_empty() => {
                out.push_str(&format!("export type {name} = Record<string, never>;\n"));
            }
            Shape::Struct(body) => {
                out.push_str(&format!("export interface {name} {{\n"));
                out.push_str(&self.members(&body.fields));
                out.push_str("}\n");
            }
            Shape::Enum(choices) => {
                let choices: Vec<String> = choices.iter().map(|choice| quoted(&choice.value)).collect();
                out.push_str(&union(&format!("export type {name} ="), &choices, "", ";"));
            }
            Shape::Tagged { variants, .. } => {
                let variants: Vec<String> =
                    variants.iter().map(|variant| self.types[variant.body.0].clone()).collect();
                out.push_str(&union(&format!("export type {name} ="), &variants, "", ";"));
            }
            Shape::Keyed(variants) => {
                let mut scope =
                    Scope::new(&self.types.iter().map(String::as_str).collect::<Vec<_>>(), "Variant");
                let mut choices = Vec::new();
                let mut before = String::new();
                for variant in variants {
                    match &variant.ty {
                        None => choices.push(quoted(&variant.key)),
                        Some(ty) => {
                            let own = scope.take(&format!("{name}{}Variant", pascal(&variant.key)));
                            before.push_str(&doc("", &variant.doc));
                            before.push_str(&format!(
                                "export interface {own} {{\n  {}: {};\n}}\n\n",
                                key(&variant.key),
                                self.ty(ty)
                            ));
                            choices.push(own);
                        }
                    }
                }
                out.insert_str(0, &before);
                out.push_str(&union(&format!("export type {name} ="), &choices, "", ";"));
            }
            Shape::Union(alternatives) => {
                let mut choices: Vec<String> = Vec::new();
                for alternative in alternatives {
                    let ty = self.ty(&alternative.ty);
                    if !choices.contains(&ty) {
                        choices.push(ty);
                    }
                }
                if choices.iter().any(|choice| choice == "unknown") {
                    choices = vec!["unknown".to_owned()];
                }
                out.push_str(&union(&format!("export type {name} ="), &choices, "", ";"));
            }
            Shape::Alias(ty) => {
                out.push_str(&union(&format!("export type {name} ="), &self.choices(ty), "", ";"))
            }
        }
        out
    }

    fn members(&self, fields: &[Field]) -> String {
        let mut out = String::new();
        for field in fields {
            out.push_str(&doc("  ", &with_notes(&field.doc, &field.ty)));
            let optional = if field.presence == Presence::Optional { "?" } else { "" };
            let choices = self.choices(&field.ty);
            out.push_str(&union(&format!("  {}{optional}:", key(&field.name)), &choices, "  ", ";"));
        }
        out
    }

    fn ty(&self, ty: &Ty) -> String {
        self.choices(ty).join(" | ")
    }

    fn choices(&self, ty: &Ty) -> Vec<String> {
        vec![match ty {
            Ty::Any => "unknown".to_owned(),
            Ty::Null => "null".to_owned(),
            Ty::Bool => "boolean".to_owned(),
            Ty::Integer(_) | Ty::Number(_) => "number".to_owned(),
            Ty::Text(_) | Ty::Time => "string".to_owned(),
            Ty::Constant(value) => quoted(value),
            Ty::Bytes => "Uint8Array".to_owned(),
            Ty::Big(_) => "bigint".to_owned(),
            Ty::List(inner, _) => {
                let choices = self.choices(inner);
                if choices.len() > 1 {
                    format!("({})[]", choices.join(" | "))
                } else {
                    format!("{}[]", choices[0])
                }
            }
            // An alias may hold itself this way, and not within a `Record`.
            Ty::Map(inner) => format!("{{ [name: string]: {} }}", self.ty(inner)),
            Ty::Tuple(items) => {
                format!("[{}]", items.iter().map(|item| self.ty(item)).collect::<Vec<_>>().join(", "))
            }
            Ty::Nullable(inner) => {
                let mut choices = self.choices(inner);
                choices.push("null".to_owned());
                return choices;
            }
            Ty::Named(TypeId(at)) => self.types[*at].clone(),
        }]
    }

    fn error(&self, name: &str, error: &super::model::DeclaredError) -> String {
        let mut out = doc("", &format!("{} (code {})", error.message, error.code));
        let message = quoted(&error.message);
        let data = error.data.as_ref().map_or_else(|| "undefined".to_owned(), |data| self.ty(data));
        out.push_str(&format!("export class {name} extends RemoteError<{data}> {{\n"));
        out.push_str(&format!("  static readonly code = {};\n", error.code));
        let text = quoted(name);
        out.push_str(&format!("  override readonly name = {text};\n\n"));
        if error.data.is_some() {
            let given = [format!("data: {data}"), assigned("    ", "message =", &message)];
            out.push_str(&signature("  constructor(", &given, ") {"));
            out.push_str(&format!("    super({}, message, data);\n  }}\n\n", error.code));
            out.push_str(&signature(
                "  static of(",
                &["message: string".into(), "data: unknown".into()],
                &format!("): {name} {{"),
            ));
            out.push_str(&format!("    return new {name}(data as {data}, message);\n  }}\n"));
        } else {
            out.push_str(&signature("  constructor(", &[assigned("    ", "message =", &message)], ") {"));
            out.push_str(&format!("    super({}, message, undefined);\n  }}\n\n", error.code));
            out.push_str(&signature("  static of(", &["message: string".into()], &format!("): {name} {{")));
            out.push_str(&format!("    return new {name}(message);\n  }}\n"));
        }
        out.push_str("}\n");
        out
    }

    fn contract(&self, contract: &Contract, names: &ContractNames) -> String {
        let mut out = String::new();
        for (method, (_, params)) in contract.methods.iter().zip(&names.methods) {
            if let Some(params) = params {
                out.push_str(&format!(
                    "\nexport interface {params} {{\n{}}}\n",
                    self.members(&method.params)
                ));
            }
        }
        let served = match contract.server {
            Server::Plugin => "a plugin",
            Server::Host => "a host",
        };
        out.push('\n');
        out.push_str(&doc(
            "",
            &format!("The contract `{}` {}, as {served} implements it.", contract.name, contract.version),
        ));
        out.push_str(&format!("export interface {} {{\n", names.interface));
        for (method, (member, params)) in contract.methods.iter().zip(&names.methods) {
            out.push_str(&doc("  ", &about(method)));
            out.push_str(&self.implemented(method, member, params.as_deref()));
        }
        out.push_str("}\n");
        // What a method may fail with, by its name within the contract.
        let members = format!("{}Members", names.constant.trim_end_matches("Contract"));
        out.push_str(&format!("\nconst {members}: Members = {{\n"));
        for (method, (member, _)) in contract.methods.iter().zip(&names.methods) {
            out.push_str(&format!("  {}: {{\n    member: {},\n", key(&method.name), quoted(member)));
            out.push_str(&match &method.errors {
                Errors::Any => "    errors: \"any\",\n".to_owned(),
                Errors::Declared(errors) => {
                    let errors: Vec<String> = errors.iter().map(|&at| self.errors[at].clone()).collect();
                    listed("    errors: [", &errors, "],", "    errors: [", "    ],", "    ")
                }
            });
            out.push_str("  },\n");
        }
        out.push_str("};\n\n");
        out.push_str(&doc("", &format!("The contract `{}` {}.", contract.name, contract.version)));
        let side = match contract.server {
            Server::Plugin => "\"plugin\"",
            Server::Host => "\"host\"",
        };
        let given = ["document".to_owned(), quoted(&contract.name), side.to_owned(), members];
        let (constant, interface) = (&names.constant, &names.interface);
        out.push_str(&signature(
            &format!("export const {constant}: Contract<{interface}> = contract("),
            &given,
            ");",
        ));
        if self.part.calls(contract.server) {
            out.push_str(&self.client(contract, names));
        }
        out
    }

    /// A method as it is implemented: params, the input, the call.
    fn implemented(&self, method: &Method, member: &str, params: Option<&str>) -> String {
        let mut given = Vec::new();
        given.extend(params.map(|params| format!("params: {params}")));
        given.extend(method.input.as_ref().map(|item| format!("input: AsyncIterable<{}>", self.ty(item))));
        let returned = match (&method.answer, &method.output) {
            (Answer::None, _) => "Awaitable<void>".to_owned(),
            (Answer::Value(Ty::Null), None) => "Awaitable<null | void>".to_owned(),
            (Answer::Value(ty), None) => format!("Awaitable<{}>", self.ty(ty)),
            (Answer::Value(Ty::Null), Some(item)) => format!("Produced<{}>", self.ty(item)),
            (Answer::Value(ty), Some(item)) => format!("Produced<{}, {}>", self.ty(item), self.ty(ty)),
        };
        if method.answer != Answer::None {
            given.push("call: Call".to_owned());
        }
        signature(&format!("  {member}("), &given, &format!("): {returned};"))
    }

    fn client(&self, contract: &Contract, names: &ContractNames) -> String {
        let mut out = String::from("\n");
        out.push_str(&doc("", &format!("Calls the contract `{}`.", contract.name)));
        out.push_str(&format!("export class {} {{\n", names.client));
        out.push_str(&format!("  static readonly contract = {};\n", names.constant));
        if contract.methods.is_empty() {
            out.push_str("\n  constructor(_caller: Caller) {}\n}\n");
            return out;
        }
        out.push_str("  readonly #caller: Caller;\n\n");
        out.push_str("  constructor(caller: Caller) {\n    this.#caller = caller;\n  }\n");
        for (method, (member, params)) in contract.methods.iter().zip(&names.methods) {
            out.push('\n');
            out.push_str(&doc("  ", &about(method)));
            let mut given = Vec::new();
            given.extend(params.as_ref().map(|params| format!("params: {params}")));
            given.extend(method.input.as_ref().map(|item| format!("input: Inputs<{}>", self.ty(item))));
            let mut passed = vec![
                names.constant.clone(),
                quoted(member),
                params.as_ref().map_or("{}", |_| "params").to_owned(),
            ];
            let Answer::Value(result) = &method.answer else {
                out.push_str(&signature(&format!("  {member}("), &given, "): void {"));
                out.push_str(&signature("    this.#caller.notify(", &passed, ");"));
                out.push_str("  }\n");
                continue;
            };
            given.push("options?: CallOptions".to_owned());
            let (by, returned) = match (&method.input, &method.output) {
                (None, None) => ("request", format!("Promise<{}>", self.ty(result))),
                (input, Some(item)) => {
                    passed.push(input.as_ref().map_or("undefined", |_| "input").to_owned());
                    let returned = match result {
                        Ty::Null => format!("Output<{}>", self.ty(item)),
                        result => format!("Output<{}, {}>", self.ty(item), self.ty(result)),
                    };
                    ("stream", returned)
                }
                (Some(_), None) => {
                    passed.push("input".to_owned());
                    ("stream", format!("Promise<{}>", self.ty(result)))
                }
            };
            passed.push("options".to_owned());
            out.push_str(&signature(&format!("  {member}("), &given, &format!("): {returned} {{")));
            out.push_str(&signature(&format!("    const done = this.#caller.{by}("), &passed, ");"));
            let result = if method.input.is_some() && method.output.is_none() { ".result" } else { "" };
            out.push_str(&format!("    return done{result} as {returned};\n  }}\n"));
        }
        out.push_str("}\n");
        out
    }

    fn serve(&self) -> String {
        let served: Vec<&ContractNames> = self
            .model
            .contracts
            .iter()
            .zip(&self.contracts)
            .filter(|(contract, _)| contract.server == Server::Plugin)
            .map(|(_, names)| names)
            .collect();
        let config = self.ty(&self.model.config);
        let mut out = String::from(
            "\n/** What a plugin of this document implements. */\nexport interface Implementations {\n",
        );
        for names in &served {
            out.push_str(&format!("  {}: {};\n", names.property, names.interface));
        }
        out.push_str("}\n\n/** What a plugin of this document is made of. */\n");
        out.push_str(&union("export type Config =", &self.choices(&self.model.config), "", ";"));
        // The alias itself may carry the name of the config's type.
        if config == "Config" {
            out = out.replace("export type Config = Config;\n", "");
        }
        out.push_str(
            "\nexport interface ServeOptions extends Omit<\n  PluginOptions<Config>,\n  \"document\" | \"make\"\n> {\n  \
             /** Makes the plugin, once the host has said its config. */\n  \
             make: (start: Start<Config>) => Awaitable<Implementations>;\n}\n",
        );
        out.push_str(
            "\n/** Makes this process a plugin. It ends the process when the host is done. */\n\
             export function serve(options: ServeOptions): Promise<never> {\n  return servePlugin<Config>({\n    \
             ...options,\n    document,\n    make: async (start) => {\n      const made = await options.make(start);\n",
        );
        let all: Vec<String> = served
            .iter()
            .map(|names| format!("implement({}, made.{})", names.constant, names.property))
            .collect();
        out.push_str(&listed("      return [", &all, "];", "      return [", "      ];", "      "));
        out.push_str("    },\n  });\n}\n");
        out
    }
}

/// What a type cannot say, said to people.
fn with_notes(doc: &str, ty: &Ty) -> String {
    let mut doc = doc.to_owned();
    let note = match ty {
        Ty::Time => Some("A time of RFC 3339.".to_owned()),
        ty => ty.bounds().map(|bounds| format!("It is {bounds}.")),
    };
    if let Some(note) = note {
        doc = format!("{doc}\n{note}");
    }
    doc.trim().to_owned()
}

fn about(method: &Method) -> String {
    let mark = if method.deprecated { "\n@deprecated" } else { "" };
    format!("{}{mark}", method.doc).trim().to_owned()
}

fn doc(indent: &str, about: &str) -> String {
    let lines: Vec<String> = text::wrapped(about, WIDTH - 4 - indent.len())
        .iter()
        .map(|line| line.replace("*/", "*\\/").replace("@ts-", "@ ts-"))
        .collect();
    match lines.as_slice() {
        [] => String::new(),
        [line] if indent.len() + line.chars().count() + 7 <= WIDTH => format!("{indent}/** {line} */\n"),
        lines => {
            let body: String =
                lines
                    .iter()
                    .map(|line| {
                        if line.is_empty() { format!("{indent} *\n") } else { format!("{indent} * {line}\n") }
                    })
                    .collect();
            format!("{indent}/**\n{body}{indent} */\n")
        }
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// `export type Role = "admin" | "guest";`, a line each where that is too long.
fn union(head: &str, choices: &[String], indent: &str, end: &str) -> String {
    let line = format!("{head} {}{end}", choices.join(" | "));
    if width(&line) <= WIDTH {
        return line + "\n";
    }
    match choices {
        [only] if head.starts_with("export type") && !only.ends_with(['>', ']']) => {
            format!("{head}\n  {indent}{only}{end}\n")
        }
        [_] => line + "\n",
        several if width(&format!("  {indent}{}{end}", several.join(" | "))) <= WIDTH => {
            format!("{head}\n  {indent}{}{end}\n", several.join(" | "))
        }
        several => {
            let lines: Vec<String> = several.iter().map(|choice| format!("\n  {indent}| {choice}")).collect();
            format!("{head}{}{end}\n", lines.concat())
        }
    }
}

/// A call or a signature: on one line, or a line each.
fn signature(head: &str, given: &[String], end: &str) -> String {
    let indent: String = head.chars().take_while(|c| *c == ' ').collect();
    listed(head, given, end, head, &format!("{indent}{end}"), &indent)
}

/// A list on one line, or a line each between `head` and `foot`.
fn listed(
    line_head: &str,
    items: &[String],
    line_foot: &str,
    head: &str,
    foot: &str,
    indent: &str,
) -> String {
    let line = format!("{line_head}{}{line_foot}", items.join(", "));
    if items.is_empty() || (width(&line) <= WIDTH && !items.iter().any(|item| item.contains('\n'))) {
        return line + "\n";
    }
    let items: String = items.iter().map(|item| format!("{indent}  {item},\n")).collect();
    format!("{head}\n{items}{foot}\n")
}

fn assigned(_indent: &str, head: &str, value: &str) -> String {
    format!("{head} {value}")
}

/// A member's name: quoted where it is no identifier.
fn key(name: &str) -> String {
    // Joiners and dots within words are parts of identifiers to some readers of TypeScript only.
    let odd = |c: char| matches!(c, '\u{200c}' | '\u{200d}' | '\u{30fb}' | '\u{ff65}');
    let begins = |c: char| is_xid_start(c) || matches!(c, '_' | '$');
    let goes_on = |c: char| c == '$' || (is_xid_continue(c) && !odd(c));
    if name.starts_with(begins) && name.chars().all(goes_on) { name.to_owned() } else { quoted(name) }
}

/// A literal with the quotes that prettier prefers.
fn quoted(value: &str) -> String {
    text::quoted_either(value, text::braced)
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn a_member_is_quoted_unless_it_is_an_identifier() {
        for name in ["a", "_a1", "$", "a$b", "ünïcode", "名前", "Ⅷ"] {
            assert_eq!(key(name), name);
        }
        for name in ["", "1a", "a-b", "a b", "x²", "½", "ⓐ", "a\u{200d}b", "a・b", "😀"] {
            assert_ne!(key(name), name);
        }
    }
}
