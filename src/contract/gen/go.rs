//! Go, as gofmt leaves it: one interface and one client a contract, on `runtime.go`. Unions are structs of pointers, of
//! which one is set.

use std::fmt::Write as _;

use super::model::{
    Answer, Bounds, Contract, DeclaredError, Errors, Field, KeyedVariant, Method, Model, Named, Part,
    Presence, Server, Shape, Ty, TypeId, Width,
};
use super::names::{Scope, pascal, snake};
use super::text;

const WIDTH: usize = 110;

/// What the language has words for, what is declared everywhere, and what is imported.
const WORDS: &[&str] = &[
    "any",
    "append",
    "bool",
    "break",
    "bufio",
    "byte",
    "bytes",
    "cap",
    "case",
    "chan",
    "clear",
    "close",
    "const",
    "context",
    "continue",
    "copy",
    "debug",
    "default",
    "defer",
    "delete",
    "else",
    "error",
    "errors",
    "exec",
    "fallthrough",
    "false",
    "float64",
    "fmt",
    "for",
    "func",
    "go",
    "goto",
    "if",
    "import",
    "int",
    "int64",
    "interface",
    "io",
    "iota",
    "json",
    "len",
    "main",
    "make",
    "map",
    "math",
    "max",
    "min",
    "new",
    "nil",
    "os",
    "package",
    "panic",
    "print",
    "println",
    "range",
    "recover",
    "reflect",
    "regexp",
    "return",
    "runtime",
    "rune",
    "select",
    "signal",
    "sort",
    "strconv",
    "string",
    "strings",
    "struct",
    "switch",
    "sync",
    "syscall",
    "time",
    "true",
    "type",
    "uint64",
    "unicode",
    "url",
    "var",
];

/// Words that are written in capitals within names.
const INITIALS: &[(&str, &str)] = &[
    ("Api", "API"),
    ("Http", "HTTP"),
    ("Https", "HTTPS"),
    ("Id", "ID"),
    ("Ids", "IDs"),
    ("Ip", "IP"),
    ("Json", "JSON"),
    ("Uri", "URI"),
    ("Url", "URL"),
    ("Uuid", "UUID"),
];

/// The run-time, in the package of what is generated.
pub(super) fn runtime(model: &Model, text: &str) -> String {
    text.replacen("\npackage runtime\n", &format!("\npackage {}\n", package(model)), 1)
}

pub(super) fn generate(model: &Model, part: Part, head: &str) -> String {
    // What encoding/json takes as the name of a member.
    let fits = |c: char| c.is_alphanumeric() || "!#$%&()*+-./:;<=>?@[]^_{|}~ ".contains(c);
    let model = &model.where_names(|name| !name.is_empty() && name.chars().all(fits));
    let writer = Writer::new(model, part);
    let body = writer.body();
    let imports: Vec<String> = ["context", "encoding/json", "errors", "time"]
        .iter()
        .filter(|path| {
            let name = path.rsplit('/').next().unwrap_or(path);
            body.lines().any(|line| {
                !line.trim_start().starts_with("//")
                    && !line.starts_with("var ")
                    && line.contains(&format!("{name}."))
            })
        })
        .map(|path| format!("\t\"{path}\"\n"))
        .collect();
    let imports = match imports.as_slice() {
        [] => String::new(),
        [one] => format!("\nimport {}", one.trim_start()),
        several => format!("\nimport (\n{})\n", several.concat()),
    };
    format!("// {head}\n\npackage {}\n{imports}{body}", package(model))
}

fn package(model: &Model) -> String {
    let name = snake(&model.contracts[0].name).replace('_', "");
    Scope::new(WORDS, "plugin").take(&name)
}

fn exported(name: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let mut flush = |word: &mut String| {
        let known = INITIALS.iter().find(|(plain, _)| plain == word);
        out.push_str(known.map_or(word.as_str(), |(_, capitals)| capitals));
        word.clear();
    };
    for c in pascal(name).chars() {
        if c.is_ascii_uppercase() {
            flush(&mut word);
        }
        word.push(c);
    }
    flush(&mut word);
    out
}

fn unexported(name: &str) -> String {
    super::names::camel(name)
}

/// What the run-time exports into the same package.
fn taken() -> Vec<&'static str> {
    let word =
        |line: &'static str| line.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let mut names: Vec<&str> = Vec::new();
    for line in include_str!("runtime.go").lines() {
        for start in ["type ", "func ", "var ", "const ", "\tKind"] {
            if let Some(rest) = line.strip_prefix(start) {
                names.push(if start == "\tKind" { word(line.trim_start()) } else { word(rest) });
            }
        }
    }
    names.extend(["Config", "Implementations", "Serve", "ServeOptions"]);
    names.sort_unstable();
    names.dedup();
    names
}

struct ContractNames {
    interface: String,
    client: String,
    new_client: String,
    connect: String,
    implement: String,
    constant: String,
    /// Of each method: its name, and the type of its params.
    methods: Vec<(String, Option<String>)>,
}

struct Writer<'a> {
    model: &'a Model,
    part: Part,
    types: Vec<String>,
    errors: Vec<String>,
    contracts: Vec<ContractNames>,
    document: String,
    scope: std::cell::RefCell<Scope>,
}

impl<'a> Writer<'a> {
    fn new(model: &'a Model, part: Part) -> Self {
        let mut scope = Scope::new(&[&taken()[..], WORDS].concat(), "Value");
        let types = model.types.iter().map(|named| scope.take(&exported(&named.name))).collect();
        let errors = model.errors.iter().map(|error| {
            let name = exported(&error.name);
            scope.take(&if name.ends_with("Error") { name } else { name + "Error" })
        });
        let errors = errors.collect();
        let mut contracts = Vec::new();
        for contract in &model.contracts {
            let both = model.contracts.iter().any(|c| c.server == Server::Plugin && c.name == contract.name);
            let suffix = if contract.server == Server::Host && both { "_host" } else { "" };
            let name = format!("{}{suffix}", contract.name);
            let mut members = Scope::new(&[], "Value");
            let methods = contract.methods.iter().map(|method| {
                let params = (!method.params.is_empty())
                    .then(|| scope.take(&format!("{}Params", exported(&method.name))));
                (members.take(&exported(&method.name)), params)
            });
            let methods = methods.collect();
            let client = scope.take(&format!("{}Client", exported(&name)));
            contracts.push(ContractNames {
                interface: scope.take(&exported(&name)),
                new_client: scope.take(&format!("New{client}")),
                connect: scope.take(&format!("Connect{}", exported(&name))),
                client,
                implement: scope.take(&format!("Implement{}", exported(&name))),
                constant: scope.take(&format!("{}Contract", unexported(&name))),
                methods,
            });
        }
        let document = scope.take(&format!("{}Document", unexported(&model.contracts[0].name)));
        Self { model, part, types, errors, contracts, document, scope: std::cell::RefCell::new(scope) }
    }

    fn body(&self) -> String {
        let mut out = String::new();
        for (at, named) in self.model.types.iter().enumerate() {
            out.push_str(&self.named(&self.types[at], named));
        }
        for (at, error) in self.model.errors.iter().enumerate() {
            out.push_str(&self.error(&self.errors[at], error));
        }
        let literal = text::quoted(&self.model.document, text::padded);
        let _ = write!(out, "\nvar {} = parseDocument({literal})\n", self.document);
        for (contract, names) in self.model.contracts.iter().zip(&self.contracts) {
            out.push_str(&self.contract(contract, names));
        }
        if self.part.serves() {
            out.push_str(&self.serve());
        }
        out
    }

    fn named(&self, name: &str, named: &Named) -> String {
        let about = match &named.shape {
            Shape::Alias(ty) => with_notes(&named.doc, ty),
            _ => named.doc.clone(),
        };
        let mut out = format!("\n{}", doc("", &headed(name, &about)));
        match &named.shape {
            Shape::Struct(body) => {
                let mut after = String::new();
                out.push_str(&self.structure(name, &body.fields, &mut after));
                out.push_str(&after);
            }
            Shape::Enum(choices) => {
                let _ = writeln!(out, "type {name} string");
                for choice in choices {
                    let constant =
                        self.scope.borrow_mut().take(&format!("{name}{}", exported(&choice.value)));
                    let value = text::quoted(&choice.value, text::padded);
                    let about = if choice.doc.is_empty() { "is one of the texts." } else { &choice.doc };
                    let _ = write!(
                        out,
                        "\n{}const {constant} {name} = {value}\n",
                        doc("", &headed(&constant, about))
                    );
                }
            }
            Shape::Tagged { tag, variants } => {
                let mut scope = Scope::new(&["MarshalJSON", "UnmarshalJSON"], "Value");
                let fields: Vec<(String, String, String)> = variants
                    .iter()
                    .map(|variant| {
                        let ty = self.types[variant.body.0].clone();
                        (
                            scope.take(&exported(&variant.value)),
                            format!("*{ty}"),
                            text::quoted(&variant.value, text::padded),
                        )
                    })
                    .collect();
                self.union(&mut out, name, &fields);
                let tag = text::quoted(tag, text::padded);
                let _ = write!(
                    out,
                    "\n// UnmarshalJSON reads the variant that the tag names.\nfunc (u *{name}) UnmarshalJSON(text []byte) \
                     error {{\n\t*u = {name}{{}}\n\ttag, err := tagOf(text, {tag})\n\tif err != nil {{\n\t\treturn err\n\t}}\n\
                     \tswitch tag {{\n"
                );
                for (field, ty, value) in &fields {
                    let _ = write!(
                        out,
                        "\tcase {value}:\n\t\tu.{field} = new({})\n\t\treturn json.Unmarshal(text, u.{field})\n",
                        &ty[1..]
                    );
                }
                out.push_str(
                    "\tdefault:\n\t\treturn errors.New(\"no variant has the tag \" + tag)\n\t}\n}\n",
                );
            }
            Shape::Keyed(variants) => self.keyed(&mut out, name, variants),
            Shape::Union(alternatives) => {
                let mut scope = Scope::new(&["MarshalJSON", "UnmarshalJSON"], "Value");
                let fields: Vec<(String, String, String)> = alternatives
                    .iter()
                    .map(|one| {
                        let ty = format!("*{}", self.ty(&one.ty).trim_start_matches('*'));
                        (scope.take(&exported(&one.name)), ty, text::quoted(&one.pointer, text::padded))
                    })
                    .collect();
                self.union(&mut out, name, &fields);
                let _ = write!(
                    out,
                    "\n// UnmarshalJSON reads the first variant that fits.\nfunc (u *{name}) UnmarshalJSON(text []byte) error \
                     {{\n\t*u = {name}{{}}\n\tswitch {}.firstFitting(text, {}) {{\n",
                    self.document,
                    fields.iter().map(|(_, _, pointer)| pointer.as_str()).collect::<Vec<_>>().join(", "),
                );
                for (at, (field, ty, _)) in fields.iter().enumerate() {
                    let _ = write!(
                        out,
                        "\tcase {at}:\n\t\tu.{field} = new({})\n\t\treturn json.Unmarshal(text, u.{field})\n",
                        &ty[1..]
                    );
                }
                out.push_str("\tdefault:\n\t\treturn errors.New(\"no variant fits\")\n\t}\n}\n");
            }
            // A type of the run-time has methods, which only another name of it keeps.
            Shape::Alias(ty) => {
                let target = self.ty(ty);
                let defined = matches!(
                    ty,
                    Ty::Text(_) | Ty::Integer(_) | Ty::Number(_) | Ty::Bool | Ty::List(..) | Ty::Map(_)
                );
                let equals = if defined { "" } else { "= " };
                let _ = writeln!(out, "type {name} {equals}{target}");
            }
        }
        out
    }

    /// A struct of pointers, of which one is set.
    fn union(&self, out: &mut String, name: &str, fields: &[(String, String, String)]) {
        let columns: Vec<[String; 3]> =
            fields.iter().map(|(field, ty, _)| [field.clone(), ty.clone(), String::new()]).collect();
        let all: Vec<String> = fields.iter().map(|(field, ..)| format!("u.{field}")).collect();
        let label = text::quoted(name, text::padded);
        let _ = write!(
            out,
            "// One of its members is set.\ntype {name} struct {{\n{}}}\n\n// MarshalJSON writes the variant that is set.\n\
             func (u {name}) MarshalJSON() ([]byte, error) {{\n\treturn onlyOne({label}, {})\n}}\n",
            aligned(&columns),
            all.join(", ")
        );
    }

    fn keyed(&self, out: &mut String, name: &str, variants: &[KeyedVariant]) {
        let mut scope = Scope::new(&["MarshalJSON", "UnmarshalJSON"], "Value");
        let fields: Vec<(String, Option<String>, String)> = variants
            .iter()
            .map(|variant| {
                let ty = variant.ty.as_ref().map(|ty| format!("*{}", self.ty(ty).trim_start_matches('*')));
                (scope.take(&exported(&variant.key)), ty, text::quoted(&variant.key, text::padded))
            })
            .collect();
        let columns: Vec<[String; 3]> = fields
            .iter()
            .map(|(field, ty, _)| {
                [field.clone(), ty.clone().unwrap_or_else(|| "bool".to_owned()), String::new()]
            })
            .collect();
        let all: Vec<String> =
            fields.iter().map(|(field, _, key)| format!("keyedVariant{{{key}, u.{field}}}")).collect();
        let label = text::quoted(name, text::padded);
        let _ = write!(
            out,
            "// One of its members is set.\ntype {name} struct {{\n{}}}\n\n// MarshalJSON writes the variant that is set.\n\
             func (u {name}) MarshalJSON() ([]byte, error) {{\n\treturn onlyKey({label}, {})\n}}\n\n\
             // UnmarshalJSON reads the variant that the only member names.\n\
             func (u *{name}) UnmarshalJSON(text []byte) error {{\n\t*u = {name}{{}}\n\tkey, value, err := keyOf(text)\n\t\
             if err != nil {{\n\t\treturn err\n\t}}\n\tswitch {{\n",
            aligned(&columns),
            all.join(", ")
        );
        for (field, ty, key) in &fields {
            let _ = match ty {
                None => write!(
                    out,
                    "\tcase value == nil && key == {key}:\n\t\tu.{field} = true\n\t\treturn nil\n"
                ),
                Some(ty) => write!(
                    out,
                    "\tcase value != nil && key == {key}:\n\t\tu.{field} = new({})\n\t\treturn json.Unmarshal(value, \
                     u.{field})\n",
                    &ty[1..]
                ),
            };
        }
        out.push_str("\tdefault:\n\t\treturn errors.New(\"no variant is called \" + key)\n\t}\n}\n");
    }

    /// The type's declaration; what constants need goes after it.
    fn structure(&self, name: &str, fields: &[Field], after: &mut String) -> String {
        let mut scope = Scope::new(&["MarshalJSON", "UnmarshalJSON"], "Value");
        let mut out = format!("type {name} struct {{\n");
        let mut run: Vec<[String; 3]> = Vec::new();
        let mut first = true;
        for field in fields {
            let member = scope.take(&exported(&field.name));
            let ty = match &field.ty {
                Ty::Constant(value) => {
                    let star = if field.presence == Presence::Optional { "*" } else { "" };
                    format!("{star}{}", self.constant(&format!("{name}{member}"), value, after))
                }
                _ => self.field_type(name, field),
            };
            let may_be_left_out = ty.starts_with('*') || matches!(field.ty, Ty::Any | Ty::Null);
            let omit =
                if field.presence == Presence::Optional && may_be_left_out { ",omitempty" } else { "" };
            let row = [member, ty, tag(&field.name, omit)];
            let about = doc("\t", &with_notes(&field.doc, &field.ty));
            if about.is_empty() {
                run.push(row);
                continue;
            }
            // A comment stands apart, and nothing is aligned across it.
            if !run.is_empty() {
                let _ = write!(out, "{}{}", if first { "" } else { "\n" }, aligned(&run));
                run.clear();
                first = false;
            }
            let _ = write!(out, "{}{about}{}", if first { "" } else { "\n" }, aligned(&[row]));
            first = false;
        }
        if !run.is_empty() {
            let _ = write!(out, "{}{}", if first { "" } else { "\n" }, aligned(&run));
        }
        out.push_str("}\n");
        if fields.is_empty() {
            out = format!("type {name} struct{{}}\n");
        }
        out
    }

    /// A type that is always one text.
    fn constant(&self, name: &str, value: &str, after: &mut String) -> String {
        let name = self.scope.borrow_mut().take(name);
        let literal = text::quoted(value, text::padded);
        let _ = write!(
            after,
            "\n{}type {name} struct{{}}\n\n// MarshalJSON writes the text.\nfunc ({name}) MarshalJSON() ([]byte, error) {{\n\t\
             return encode({literal})\n}}\n\n// UnmarshalJSON takes that text alone.\n\
             func (*{name}) UnmarshalJSON(text []byte) error {{\n\treturn constant(text, {literal})\n}}\n",
            doc("", &format!("{name} is always {literal}.")),
        );
        name
    }

    fn field_type(&self, owner: &str, field: &Field) -> String {
        let ty = self.ty(&field.ty);
        let nil = matches!(field.ty, Ty::List(..) | Ty::Map(_) | Ty::Any | Ty::Null | Ty::Bytes)
            || ty.starts_with('*');
        let endless = match &field.ty {
            // Unions are structs of pointers.
            Ty::Named(to) => self.types.iter().position(|name| name == owner).is_some_and(|from| {
                matches!(self.model.named(*to).shape, Shape::Struct(_)) && self.model.holds(*to, TypeId(from))
            }),
            _ => false,
        };
        if !nil && (endless || field.presence == Presence::Optional) { format!("*{ty}") } else { ty }
    }

    fn ty(&self, ty: &Ty) -> String {
        match ty {
            Ty::Any => "json.RawMessage".to_owned(),
            Ty::Null => "any".to_owned(),
            Ty::Bool => "bool".to_owned(),
            Ty::Integer(bounds) => integer(bounds).to_owned(),
            Ty::Number(_) => "float64".to_owned(),
            Ty::Text(_) | Ty::Constant(_) => "string".to_owned(),
            Ty::Bytes => "[]byte".to_owned(),
            Ty::Time => "time.Time".to_owned(),
            Ty::Big(Width::I64) => "Int64".to_owned(),
            Ty::Big(Width::U64) => "Uint64".to_owned(),
            Ty::Big(_) => "Integer".to_owned(),
            Ty::List(inner, _) => format!("[]{}", self.ty(inner)),
            Ty::Map(inner) => format!("map[string]{}", self.ty(inner)),
            Ty::Tuple(items) => {
                let types: Vec<String> = items.iter().map(|item| self.ty(item)).collect();
                match types.len() {
                    2 => format!("Pair[{}]", types.join(", ")),
                    3 => format!("Triple[{}]", types.join(", ")),
                    _ => "[]json.RawMessage".to_owned(),
                }
            }
            Ty::Nullable(inner) => {
                let ty = self.ty(inner);
                if ty.starts_with('*') || ty == "json.RawMessage" || ty == "any" {
                    ty
                } else {
                    format!("*{ty}")
                }
            }
            Ty::Named(id) => self.types[id.0].clone(),
        }
    }

    fn error(&self, name: &str, error: &DeclaredError) -> String {
        let usual = text::quoted(&error.message, text::padded);
        let mut out = format!("\n{}", doc("", &format!("{name} is error {}: {}", error.code, error.message)));
        let about = "\t// Message is what it says, if not what its contract says.\n";
        let (data, code) = (error.data.as_ref().map(|data| self.ty(data)), error.code);
        let _ = match &data {
            None => write!(out, "type {name} struct {{\n{about}\tMessage string\n}}\n"),
            Some(data) => write!(
                out,
                "type {name} struct {{\n{about}\tMessage string\n\n\t// Data is what is known.\n\tData {data}\n}}\n"
            ),
        };
        let given = if data.is_some() { "e.Data" } else { "nil" };
        let _ = write!(
            out,
            "\nfunc (e *{name}) Error() string {{\n\treturn said(e.Message, {usual})\n}}\n\n\
             func (e *{name}) remote() (*RemoteError, error) {{\n\treturn declaredError({code}, e.Message, {usual}, {given})\n}}\n\n\
             func made{name}(remote *RemoteError) error {{\n\tmade := &{name}{{Message: remote.Message}}\n"
        );
        if data.is_some() {
            out.push_str(
                "\tif err := json.Unmarshal(remote.Data, &made.Data); err != nil {\n\t\treturn remote\n\t}\n",
            );
        }
        out.push_str("\treturn made\n}\n");
        out
    }

    fn contract(&self, contract: &Contract, names: &ContractNames) -> String {
        let mut out = String::new();
        let full =
            |method: &Method| text::quoted(&format!("{}.{}", contract.name, method.name), text::padded);
        for (method, (_, params)) in contract.methods.iter().zip(&names.methods) {
            if let Some(params) = params {
                let mut after = String::new();
                let about = headed(params, &format!("is what {}.{} takes.", contract.name, method.name));
                let _ = write!(
                    out,
                    "\n{}{}",
                    doc("", &about),
                    self.structure(params, &method.params, &mut after)
                );
                out.push_str(&after);
            }
        }
        let (interface, constant) = (&names.interface, &names.constant);
        let by = if contract.server == Server::Plugin { "a plugin" } else { "a host" };
        let about = format!(
            "{interface} is the contract {} {}, as {by} implements it.",
            contract.name, contract.version
        );
        let _ = write!(out, "\n{}type {interface} interface {{\n", doc("", &about));
        for (at, (method, (member, params))) in contract.methods.iter().zip(&names.methods).enumerate() {
            let about = doc("\t", &with_deprecation(&method.doc, method));
            let apart = if at > 0 && !about.is_empty() { "\n" } else { "" };
            let _ = writeln!(out, "{apart}{about}\t{}", self.implemented(method, member, params.as_deref()));
        }
        let side = if contract.server == Server::Plugin { "servedByPlugin" } else { "servedByHost" };
        let label = text::quoted(&contract.name, text::padded);
        let _ = write!(
            out,
            "}}\n\nvar {constant} = new{}()\n\nfunc new{}() *contract {{\n\tmade := newContract({}, {label}, {side})\n",
            exported(constant),
            exported(constant),
            self.document
        );
        for method in &contract.methods {
            if let Errors::Declared(errors) = &method.errors {
                for &at in errors {
                    let (code, name) = (self.model.errors[at].code, &self.errors[at]);
                    let _ = writeln!(out, "\tmade.fails({}, {code}, made{name})", full(method));
                }
            }
        }
        out.push_str("\treturn made\n}\n");
        if self.part != Part::Client || contract.server == Server::Host {
            let implement = &names.implement;
            let _ = write!(
                out,
                "\n// {implement} is the contract as {interface} serves it.\nfunc {implement}(target {interface}) Implementation \
                 {{\n\thandlers := map[string]handler{{}}\n"
            );
            for (method, (member, params)) in contract.methods.iter().zip(&names.methods) {
                out.push_str(&self.handler(method, member, params.as_deref(), &full(method)));
            }
            let _ = write!(out, "\treturn Implementation{{{constant}, handlers}}\n}}\n");
        }
        if self.part.calls(contract.server) {
            out.push_str(&self.client(contract, names));
        }
        out
    }

    fn implemented(&self, method: &Method, member: &str, params: Option<&str>) -> String {
        let mut given = vec!["ctx context.Context".to_owned()];
        given.extend(params.map(|params| format!("params {params}")));
        given.extend(method.input.as_ref().map(|item| format!("input *Input[{}]", self.ty(item))));
        given.extend(method.output.as_ref().map(|item| format!("output *Output[{}]", self.ty(item))));
        let returned = match &method.answer {
            Answer::None => String::new(),
            Answer::Value(Ty::Null) => " error".to_owned(),
            Answer::Value(ty) => format!(" ({}, error)", self.ty(ty)),
        };
        format!("{member}({}){returned}", given.join(", "))
    }

    fn handler(&self, method: &Method, member: &str, params: Option<&str>, name: &str) -> String {
        let mut out =
            format!("\thandlers[{name}] = func(call *Call, text json.RawMessage) (any, error) {{\n");
        let mut given = vec!["call.ctx".to_owned()];
        if let Some(params) = params {
            let _ = write!(
                out,
                "\t\tvar params {params}\n\t\tif err := json.Unmarshal(text, &params); err != nil {{\n\t\t\t\
                 return nil, unreadable(err)\n\t\t}}\n"
            );
            given.push("params".to_owned());
        }
        given.extend(method.input.as_ref().map(|item| format!("&Input[{}]{{call: call}}", self.ty(item))));
        given.extend(method.output.as_ref().map(|item| format!("&Output[{}]{{call: call}}", self.ty(item))));
        let call = format!("target.{member}({})", given.join(", "));
        let _ = match &method.answer {
            Answer::None => write!(out, "\t\t{call}\n\t\treturn nil, nil\n\t}}\n"),
            Answer::Value(Ty::Null) => write!(out, "\t\treturn nil, {call}\n\t}}\n"),
            Answer::Value(_) => write!(out, "\t\treturn {call}\n\t}}\n"),
        };
        out
    }

    fn client(&self, contract: &Contract, names: &ContractNames) -> String {
        let ContractNames { client, new_client, constant, .. } = names;
        let mut out = format!(
            "\n// {client} calls the contract {}.\ntype {client} struct {{\n\tcaller Caller\n}}\n\n\
             // {new_client} calls a plugin, or within a handler the host.\nfunc {new_client}(caller Caller) *{client} {{\n\t\
             return &{client}{{caller}}\n}}\n",
            text::lines(&contract.name).join(" ")
        );
        if contract.server == Server::Plugin {
            let connect = &names.connect;
            let _ = write!(
                out,
                "\n// {connect} is {new_client} for a plugin whose manifest says the same of the contract; the error names what \
                 differs.\nfunc {connect}(plugin *Plugin) (*{client}, error) {{\n\tif err := plugin.fits({constant}); err != nil \
                 {{\n\t\treturn nil, err\n\t}}\n\treturn {new_client}(plugin), nil\n}}\n"
            );
        }
        for (method, (member, params)) in contract.methods.iter().zip(&names.methods) {
            let wire = text::quoted(&format!("{}.{}", contract.name, method.name), text::padded);
            let mut given = vec!["ctx context.Context".to_owned()];
            given.extend(params.as_ref().map(|params| format!("params {params}")));
            let passed = format!(
                "ctx, c.caller, {constant}, {wire}, {}",
                params.as_ref().map_or("None{}", |_| "params")
            );
            let item = |ty: &Option<Ty>| ty.as_ref().map_or_else(|| "None".to_owned(), |ty| self.ty(ty));
            let (returned, body) = match &method.answer {
                Answer::None => ("error".to_owned(), format!("\treturn notify({passed})\n")),
                Answer::Value(result) if method.input.is_some() || method.output.is_some() => {
                    let result = if *result == Ty::Null { "None".to_owned() } else { self.ty(result) };
                    let types = format!("{}, {}, {result}", item(&method.input), item(&method.output));
                    (format!("(*Stream[{types}], error)"), format!("\treturn stream[{types}]({passed})\n"))
                }
                Answer::Value(Ty::Null) => {
                    ("error".to_owned(), format!("\t_, err := request[None]({passed})\n\treturn err\n"))
                }
                Answer::Value(ty) => {
                    let ty = self.ty(ty);
                    (format!("({ty}, error)"), format!("\treturn request[{ty}]({passed})\n"))
                }
            };
            let about = doc("", &with_deprecation(&headed(member, &method.doc), method));
            let _ = write!(
                out,
                "\n{about}func (c *{client}) {member}({}) {returned} {{\n{body}}}\n",
                given.join(", ")
            );
        }
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
        let rows: Vec<[String; 3]> = served
            .iter()
            .map(|names| [names.interface.clone(), names.interface.clone(), String::new()])
            .collect();
        let config = self.ty(&self.model.config);
        let all: Vec<String> =
            served.iter().map(|names| format!("{}(made.{})", names.implement, names.interface)).collect();
        format!(
            "\n// Implementations is what a plugin of this document implements.\ntype Implementations struct {{\n{}}}\n\n\
             // Config is what a plugin of this document is configured with.\ntype Config = {config}\n\n\
             // ServeOptions is what a plugin of this document is made of.\ntype ServeOptions struct {{\n\t\
             // Name and Version are the plugin's own.\n\tName, Version string\n\n\t\
             // Make makes the plugin, once the host has said its config.\n\t\
             Make func(setup *Setup, config Config) (Implementations, error)\n\n\t\
             // Limits is what the plugin accepts.\n\tLimits Limits\n}}\n\n\
             // Serve makes this process a plugin. It ends the process when the host is done.\n\
             func Serve(options ServeOptions) {{\n\tmake := func(setup *Setup, text json.RawMessage) ([]Implementation, error) \
             {{\n\t\tvar config Config\n\t\tif err := json.Unmarshal(text, &config); err != nil {{\n\t\t\t\
             return nil, &InvalidConfig{{[]Fault{{{{Message: err.Error()}}}}}}\n\t\t}}\n\t\t\
             made, err := options.Make(setup, config)\n\t\tif err != nil {{\n\t\t\treturn nil, err\n\t\t}}\n\t\t\
             return []Implementation{{{}}}, nil\n\t}}\n\t\
             plugin := served{{name: options.Name, version: options.Version, document: {}, limits: options.Limits, make: make}}\n\t\
             plugin.run()\n}}\n",
            aligned(&rows),
            all.join(", "),
            self.document
        )
    }
}

fn integer(bounds: &Bounds) -> &'static str {
    match bounds.format.as_deref() {
        Some("int8") => "int8",
        Some("int16") => "int16",
        Some("int32") => "int32",
        Some("uint8") => "uint8",
        Some("uint16") => "uint16",
        Some("uint32") => "uint32",
        Some("uint64" | "uint") => "uint64",
        _ => "int64",
    }
}

/// A comment that begins with the name of what it speaks of.
fn headed(name: &str, about: &str) -> String {
    if about.is_empty() {
        return String::new();
    }
    if about.starts_with(name) || about.starts_with("is ") {
        return if about.starts_with("is ") { format!("{name} {about}") } else { about.to_owned() };
    }
    format!("{name}: {about}")
}

/// With the paragraph by which Go's tools know what is deprecated.
fn with_deprecation(about: &str, method: &Method) -> String {
    const MARK: &str = "Deprecated:";
    if !method.deprecated || text::lines(about).iter().any(|line| line.starts_with(MARK)) {
        return about.to_owned();
    }
    format!("{about}\n\n{MARK} it is on its way out.").trim().to_owned()
}

fn with_notes(doc: &str, ty: &Ty) -> String {
    let note = ty.bounds().map(|bounds| format!("It is {bounds}.")).unwrap_or_default();
    format!("{doc}\n{note}").trim().to_owned()
}

fn doc(indent: &str, about: &str) -> String {
    text::wrapped(about, WIDTH - indent.len())
        .iter()
        .map(|line| {
            // gofmt takes these for links, headings, lists and directives, and moves them.
            let line = match line.chars().next() {
                Some('[' | '#' | '-' | '*' | '+' | '•' | '·') => format!("\\{line}"),
                Some(first) if first.is_ascii_digit() => format!("\\{line}"),
                _ => line.clone(),
            };
            let line = line.replace("``", "“").replace("''", "”");
            if line.is_empty() { format!("{indent}//\n") } else { format!("{indent}// {line}\n") }
        })
        .collect()
}

/// A field's tag: between backquotes where the name has none.
fn tag(name: &str, omit: &str) -> String {
    // encoding/json takes a name of `-` for none, and a comma for the end of one.
    let name = if name == "-" { "-,".to_owned() } else { name.to_owned() };
    let value = format!("json:{}", text::quoted(&format!("{name}{omit}"), text::padded));
    if value.contains('`') || value.contains('\\') {
        text::quoted(&value, text::padded)
    } else {
        format!("`{value}`")
    }
}

/// Fields in columns.
fn aligned(rows: &[[String; 3]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let (names, types) = (width(0), width(1));
    let mut out = String::new();
    for [name, ty, tag] in rows {
        let line = format!("\t{name:names$} {ty:types$} {tag}");
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}
