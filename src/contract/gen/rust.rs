//! Rust, as rustfmt leaves it: a `#[contract]` trait for each contract, its types, and its errors.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::model::{
    Answer, Bounds, Contract, Errors, Field, Method, Model, Named, Others, Presence, Repeat, Server, Shape,
    Ty, TypeId, Width,
};
use super::names::{Scope, pascal, snake};
use super::text;

const WIDTH: usize = 100;

/// Types that are always there, and those that are imported.
const TYPES: &[&str] = &[
    "BTreeMap",
    "Big",
    "Box",
    "Bytes",
    "CallFailed",
    "Clone",
    "Context",
    "ContractError",
    "Copy",
    "DateTime",
    "Debug",
    "Default",
    "Deserialize",
    "Digits",
    "Drop",
    "Eq",
    "Err",
    "Error",
    "Fn",
    "FnMut",
    "FnOnce",
    "From",
    "Hash",
    "Into",
    "Items",
    "Iterator",
    "JsonSchema",
    "None",
    "Ok",
    "Option",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "Result",
    "Schema",
    "SchemaGenerator",
    "Self",
    "Send",
    "Serialize",
    "Sized",
    "Some",
    "String",
    "Sync",
    "ToOwned",
    "ToString",
    "TryFrom",
    "Unpin",
    "Value",
    "Vec",
];

/// Words that `r#` makes names.
const WORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro",
    "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait",
    "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Words that nothing makes names.
const NEVER: &[&str] = &["crate", "self", "super", "Self"];

pub(super) fn generate(model: &Model, head: &str) -> String {
    let writer = Writer::new(model);
    let body = writer.body();
    // The document's own text is no code.
    let is_code = |line: &&str| !line.trim_start().starts_with("//") && !line.starts_with("const DOCUMENT");
    let code: String = body.lines().filter(is_code).flat_map(|line| [line, "\n"]).collect();
    let uses = |name: &str| {
        let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '"');
        code.match_indices(name).any(|(at, _)| {
            // What begins a line is the name of a variant, and what follows `::` is somebody else's.
            !code[..at].trim_end_matches(' ').ends_with('\n')
                && !code[..at].ends_with("::")
                && !code[..at].chars().next_back().is_some_and(part)
                && !code[at + name.len()..].chars().next().is_some_and(part)
        })
    };
    let imported = |path: &str, names: &[&str]| {
        let names: Vec<&str> = names.iter().copied().filter(|name| uses(name)).collect();
        match names.as_slice() {
            [] => String::new(),
            [one] => format!("use {path}::{one};\n"),
            several => format!("use {path}::{{{}}};\n", several.join(", ")),
        }
    };
    let std = imported("std::collections", &["BTreeMap"]);
    let sdk = ["Big", "Bytes", "CallFailed", "Context", "ContractError", "Error", "Items", "contract"];
    let mut others = imported("plugline_sdk", &sdk);
    others += &imported("schemars", &["JsonSchema", "Schema", "SchemaGenerator"]);
    others += &imported("serde", &["Deserialize", "Serialize"]);
    others += &imported("serde_json", &["Value"]);
    let apart = if std.is_empty() { "" } else { "\n" };
    format!("// {head}\n\n{std}{apart}{others}{body}")
}

struct Writer<'a> {
    model: &'a Model,
    types: Vec<String>,
    /// By contract, then by the set of errors.
    enums: BTreeMap<(usize, Vec<usize>), String>,
    traits: Vec<String>,
    /// Structs that are variants and nothing else.
    inlined: BTreeSet<usize>,
}

impl<'a> Writer<'a> {
    fn new(model: &'a Model) -> Self {
        let mut scope = Scope::new(TYPES, "Value");
        let types = model.types.iter().map(|named| scope.take(&pascal(&named.name))).collect();
        let mut traits = Vec::new();
        for contract in &model.contracts {
            let both = model.contracts.iter().any(|c| c.server == Server::Plugin && c.name == contract.name);
            let suffix = if contract.server == Server::Host && both { "Host" } else { "" };
            let name = scope.take(&format!("{}{suffix}", pascal(&contract.name)));
            // The macro puts these beside the trait.
            scope.take(&format!("{name}Client"));
            scope.take(&format!("{name}Contract"));
            traits.push(name);
        }
        let mut enums = BTreeMap::new();
        for (at, contract) in model.contracts.iter().enumerate() {
            let mut sets: Vec<(&Method, &Vec<usize>)> = Vec::new();
            for method in &contract.methods {
                if let Errors::Declared(errors) = &method.errors
                    && !errors.is_empty()
                    && !sets.iter().any(|(_, known)| *known == errors)
                {
                    sets.push((method, errors));
                }
            }
            let whole: BTreeSet<usize> = sets.iter().flat_map(|(_, errors)| errors.iter().copied()).collect();
            for (first, errors) in &sets {
                let name = match errors.as_slice() {
                    all if all.len() == whole.len() => format!("{}Error", traits[at]),
                    [one] => {
                        let name = pascal(&model.errors[*one].name);
                        if name.ends_with("Error") { name } else { name + "Error" }
                    }
                    _ => format!("{}Error", pascal(&first.name)),
                };
                enums.insert((at, (*errors).clone()), scope.take(&name));
            }
        }
        let variants: BTreeSet<usize> = model
            .types
            .iter()
            .filter_map(|named| match &named.shape {
                Shape::Tagged { variants, .. } => Some(variants.iter().map(|variant| variant.body.0)),
                _ => None,
            })
            .flatten()
            .collect();
        let inlined = variants.into_iter().filter(|&at| !model.stands_alone(TypeId(at))).collect();
        Self { model, types, enums, traits, inlined }
    }

    fn body(&self) -> String {
        let mut out = String::new();
        for (at, contract) in self.model.contracts.iter().enumerate() {
            out.push_str(&self.contract(at, contract));
        }
        for (at, named) in self.model.types.iter().enumerate() {
            if !self.inlined.contains(&at) {
                out.push_str(&self.named(TypeId(at), named));
            }
        }
        out.push_str(&self.helpers(&out));
        let _ = write!(
            out,
            "\n/// The document that this was made from: what a plugin declares, and what all that passes is held to.\n\
             const DOCUMENT: &str = {};\n",
            literal(&self.model.document)
        );
        out
    }

    // Contracts.

    fn contract(&self, at: usize, contract: &Contract) -> String {
        let by = if contract.server == Server::Plugin { "a plugin" } else { "a host" };
        let name = literal(&contract.name);
        let mut out = format!(
            "\n{}#[contract(name = {name}, version = {}, document = DOCUMENT)]\npub trait {}: Send + Sync {{\n",
            doc("", &format!("The contract `{}`, which {by} serves.", contract.name)),
            literal(&contract.version),
            self.traits[at]
        );
        let mut methods = Scope::new(NEVER, "_");
        for (index, method) in contract.methods.iter().enumerate() {
            if index > 0 {
                out.push('\n');
            }
            out.push_str(&self.method(at, method, &mut methods));
        }
        out.push_str("}\n");
        for ((of, errors), name) in &self.enums {
            if *of == at {
                out.push_str(&self.errors(name, errors));
            }
        }
        out
    }

    fn method(&self, at: usize, method: &Method, methods: &mut Scope) -> String {
        let mut out = doc("    ", &method.doc);
        let name = methods.take(&snake(&method.name));
        if name != method.name {
            let _ = writeln!(out, "    #[name = {}]", literal(&method.name));
        }
        if method.deprecated {
            out.push_str("    #[deprecated]\n");
        }
        if method.answer == Answer::None {
            out.push_str("    #[notification]\n");
        }
        if method.repeat == Repeat::Idempotent {
            out.push_str("    #[idempotent]\n");
        }
        let error = match &method.errors {
            Errors::Declared(errors) if !errors.is_empty() => self.enums[&(at, errors.clone())].clone(),
            Errors::Declared(_) => "CallFailed".to_owned(),
            // Any error, as it is on the wire.
            Errors::Any => "Error".to_owned(),
        };
        let mut scope = Scope::new(NEVER, "_");
        let mut given = vec!["&self".to_owned()];
        let mut apart = false;
        let is_call = method.answer != Answer::None;
        // The params have their names before what the protocol adds.
        let params: Vec<(String, &Field)> =
            method.params.iter().map(|param| (scope.take(&snake(&param.name)), param)).collect();
        if is_call {
            given.push(format!("{}: &Context", scope.take("context")));
        }
        for (name, param) in &params {
            let about = doc("        ", &with_bounds(&param.doc, &param.ty));
            let mut text = about.trim_start().to_owned();
            if *name != param.name {
                let _ = write!(
                    text,
                    "{}#[name = {}]",
                    if about.is_empty() { "" } else { "        " },
                    literal(&param.name)
                );
                text.push_str(if about.is_empty() { " " } else { "\n" });
            }
            apart |= !text.is_empty();
            let indent = if about.is_empty() { "" } else { "        " };
            let _ = write!(text, "{indent}{}: {}", raw(name), self.passed(param));
            given.push(text);
        }
        if let Some(item) = &method.input {
            given.push(format!("{}: Items<{}, CallFailed>", scope.take("input"), self.ty(item)));
        }
        let returned = match (&method.answer, &method.output) {
            (Answer::None, _) => String::new(),
            (Answer::Value(ty), None) => format!(" -> Result<{}, {error}>", self.ty(ty)),
            (Answer::Value(Ty::Null), Some(item)) => {
                format!(" -> Result<Items<{}, {error}>, {error}>", self.ty(item))
            }
            (Answer::Value(ty), Some(item)) => {
                format!(" -> Result<Items<{}, {error}, {}>, {error}>", self.ty(item), self.ty(ty))
            }
        };
        let name = raw(&name);
        let line = format!("    fn {name}({}){returned};\n", given.join(", "));
        if !apart && line.trim_end().chars().count() <= WIDTH {
            out.push_str(&line);
            return out;
        }
        let given: String = given.iter().map(|one| format!("        {one},\n")).collect();
        let _ = write!(out, "    fn {name}(\n{given}    ){returned};\n");
        out
    }

    /// How a param is passed: what is small by value, the rest by reference.
    fn passed(&self, param: &Field) -> String {
        let (ty, optional) = match &param.ty {
            Ty::Nullable(inner) => (&**inner, true),
            ty => (ty, param.presence == Presence::Optional),
        };
        let by_value = matches!(
            ty,
            Ty::Bool
                | Ty::Integer(_)
                | Ty::Number(_)
                | Ty::Null
                | Ty::Big(Width::I64 | Width::U64 | Width::I128 | Width::U128)
        ) || matches!(ty, Ty::Named(id) if matches!(self.model.named(*id).shape, Shape::Enum(_)));
        let passed = match ty {
            ty if by_value => self.ty(ty),
            Ty::Text(_) => "&str".to_owned(),
            Ty::List(inner, _) => format!("&[{}]", self.ty(inner)),
            ty => format!("&{}", self.ty(ty)),
        };
        if optional { format!("Option<{passed}>") } else { passed }
    }

    fn errors(&self, name: &str, errors: &[usize]) -> String {
        let mut out = format!(
            "\n/// What a method answers in place of its result.\n#[derive(Debug, thiserror::Error, ContractError)]\npub enum {name} {{\n"
        );
        let mut scope = Scope::new(&["Call", "Self"], "Error");
        for &at in errors {
            let error = &self.model.errors[at];
            let variant = scope.take(&pascal(&error.name));
            let message = literal(&error.message.replace('{', "{{").replace('}', "}}"));
            let data = error.data.as_ref().map(|data| format!("({})", self.ty(data))).unwrap_or_default();
            let _ = write!(
                out,
                "{}    #[error({message})]\n    #[code({})]\n    {variant}{data},\n",
                doc("    ", &error.message),
                error.code
            );
        }
        out.push_str("    /// What can happen to any call.\n    #[error(transparent)]\n    Call(#[from] CallFailed),\n}\n");
        out
    }

    // Types.

    fn named(&self, id: TypeId, named: &Named) -> String {
        let name = &self.types[id.0];
        let about = match &named.shape {
            Shape::Alias(ty) => with_bounds(&named.doc, ty),
            _ => named.doc.clone(),
        };
        let mut out = format!("\n{}", doc("", &about));
        let component = if *name == named.name {
            String::new()
        } else {
            format!("#[schemars(rename = {})]\n", literal(&named.name))
        };
        let derived = "Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema";
        match &named.shape {
            Shape::Struct(body) => {
                let mut after = String::new();
                let _ = write!(out, "#[derive({derived})]\n{component}");
                if body.others == Others::Refused {
                    out.push_str("#[serde(deny_unknown_fields)]\n");
                }
                if body.fields.is_empty() {
                    let _ = writeln!(out, "pub struct {name} {{}}");
                } else {
                    let _ = write!(
                        out,
                        "pub struct {name} {{\n{}}}\n",
                        self.fields(id, name, &body.fields, "    ", "pub ", &mut after)
                    );
                    out.push_str(&after);
                }
            }
            Shape::Enum(choices) => {
                let all = "Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema";
                let _ = write!(out, "#[derive(\n    {all},\n)]\n{component}pub enum {name} {{\n");
                let mut scope = Scope::new(&["Self"], "Value");
                for choice in choices {
                    let variant = scope.take(&pascal(&choice.value));
                    let _ = writeln!(
                        out,
                        "{}{}    {variant},",
                        doc("    ", &choice.doc),
                        renamed("    ", &variant, &choice.value)
                    );
                }
                out.push_str("}\n");
            }
            Shape::Tagged { tag, variants } => {
                let closed =
                    variants.iter().all(|variant| self.model.body(variant).others == Others::Refused);
                let deny = if closed { ", deny_unknown_fields" } else { "" };
                let _ = write!(
                    out,
                    "#[derive({derived})]\n{component}#[serde(tag = {}{deny})]\npub enum {name} {{\n",
                    literal(tag)
                );
                let mut scope = Scope::new(&["Self"], "Value");
                let mut after = String::new();
                for variant in variants {
                    let label = scope.take(&pascal(&variant.value));
                    let about = &self.model.named(variant.body).doc;
                    let _ = write!(out, "{}{}", doc("    ", about), renamed("    ", &label, &variant.value));
                    let fields: Vec<Field> = self
                        .model
                        .body(variant)
                        .fields
                        .iter()
                        .filter(|field| field.name != *tag)
                        .cloned()
                        .collect();
                    if fields.is_empty() {
                        let _ = writeln!(out, "    {label} {{}},");
                    } else {
                        let owner = format!("{name}{label}");
                        let inner = self.fields(id, &owner, &fields, "        ", "", &mut after);
                        let plain: Vec<&str> =
                            inner.lines().map(|line| line.trim().trim_end_matches(',')).collect();
                        let line = plain.join(", ");
                        // What rustfmt puts on one line, where there are no comments and attributes.
                        let short =
                            line.len() <= 35 && !plain.iter().any(|line| line.starts_with(['#', '/']));
                        let _ = match short {
                            true => writeln!(out, "    {label} {{ {line} }},"),
                            false => write!(out, "    {label} {{\n{inner}    }},\n"),
                        };
                    }
                }
                out.push_str("}\n");
                out.push_str(&after);
            }
            Shape::Keyed(variants) => {
                let _ = write!(out, "#[derive({derived})]\n{component}pub enum {name} {{\n");
                let mut scope = Scope::new(&["Self"], "Value");
                for variant in variants {
                    let label = scope.take(&pascal(&variant.key));
                    let data =
                        variant.ty.as_ref().map(|ty| format!("({})", self.held(id, ty))).unwrap_or_default();
                    let _ = writeln!(
                        out,
                        "{}{}    {label}{data},",
                        doc("    ", &variant.doc),
                        renamed("    ", &label, &variant.key)
                    );
                }
                out.push_str("}\n");
            }
            Shape::Union(alternatives) => {
                let _ =
                    write!(out, "#[derive({derived})]\n{component}#[serde(untagged)]\npub enum {name} {{\n");
                let mut scope = Scope::new(&["Self"], "Value");
                for alternative in alternatives {
                    let label = scope.take(&alternative.name);
                    let _ = writeln!(out, "    {label}({}),", self.held(id, &alternative.ty));
                }
                out.push_str("}\n");
            }
            Shape::Alias(ty) => {
                let ordered = matches!(ty, Ty::Text(_) | Ty::Integer(_) | Ty::Bytes | Ty::Time | Ty::Big(_));
                let all = if ordered {
                    "#[derive(\n    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,\n)]\n"
                        .to_owned()
                } else {
                    format!("#[derive({derived})]\n")
                };
                let _ = write!(
                    out,
                    "{all}{component}#[serde(transparent)]\n{}pub struct {name}(pub {});\n",
                    bounded("", ty),
                    self.held(id, ty)
                );
            }
        }
        out
    }

    fn fields(
        &self,
        owner: TypeId,
        owner_name: &str,
        fields: &[Field],
        indent: &str,
        public: &str,
        after: &mut String,
    ) -> String {
        let mut scope = Scope::new(NEVER, "_");
        let mut out = String::new();
        for field in fields {
            let name = scope.take(&snake(&field.name));
            out.push_str(&doc(indent, &with_bounds(&field.doc, &field.ty)));
            out.push_str(&renamed(indent, &name, &field.name));
            let held = match &field.ty {
                Ty::Constant(value) => self.constant(owner_name, &name, value, after),
                Ty::Nullable(inner) => self.held(owner, inner),
                ty => self.held(owner, ty),
            };
            let nullable = matches!(field.ty, Ty::Nullable(_));
            let ty = match (field.presence, nullable) {
                (Presence::Required, false) => held,
                (Presence::Required, true) => {
                    let _ = write!(
                        out,
                        "{indent}#[serde(deserialize_with = \"Option::deserialize\")]\n\
                         {indent}#[schemars(schema_with = \"nullable::<{held}>\")]\n"
                    );
                    format!("Option<{held}>")
                }
                (Presence::Optional, nullable) => {
                    let _ =
                        writeln!(out, "{indent}#[serde(default, skip_serializing_if = \"Option::is_none\")]");
                    if !nullable && held != "Value" {
                        let _ = writeln!(out, "{indent}#[schemars(with = {})]", literal(&held));
                    }
                    format!("Option<{held}>")
                }
            };
            out.push_str(&bounded(indent, &field.ty));
            let _ = writeln!(out, "{indent}{public}{}: {ty},", raw(&name));
        }
        out
    }

    /// An enum of one text.
    fn constant(&self, owner: &str, field: &str, value: &str, after: &mut String) -> String {
        let name = format!("{owner}{}Constant", pascal(field));
        let variant = pascal(value);
        let _ = write!(
            after,
            "\n{}#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]\n#[schemars(inline)]\n\
             pub enum {name} {{\n    /// That text.\n    #[default]\n{}    {variant},\n}}\n",
            doc("", &format!("Always `{value}`.")),
            renamed("    ", &variant, value),
        );
        name
    }

    /// A type within another: boxed where it would otherwise hold itself.
    fn held(&self, owner: TypeId, ty: &Ty) -> String {
        let mut endless = false;
        ty.visit(super::model::Place::Direct, &mut |part, place| {
            endless |= place == super::model::Place::Direct && self.model.holds(part, owner);
        });
        match ty {
            Ty::Named(_) if endless => format!("Box<{}>", self.ty(ty)),
            Ty::Nullable(inner) if endless => format!("Option<{}>", self.held(owner, inner)),
            Ty::Tuple(items) if endless => {
                format!(
                    "({})",
                    items.iter().map(|item| self.held(owner, item)).collect::<Vec<_>>().join(", ")
                )
            }
            ty => self.ty(ty),
        }
    }

    fn ty(&self, ty: &Ty) -> String {
        match ty {
            Ty::Any => "Value".to_owned(),
            Ty::Null => "()".to_owned(),
            Ty::Bool => "bool".to_owned(),
            Ty::Integer(bounds) => integer(bounds).to_owned(),
            Ty::Number(_) => "f64".to_owned(),
            Ty::Text(_) | Ty::Constant(_) => "String".to_owned(),
            Ty::Bytes => "Bytes".to_owned(),
            Ty::Time => "DateTime".to_owned(),
            Ty::Big(Width::I64) => "Big<i64>".to_owned(),
            Ty::Big(Width::U64) => "Big<u64>".to_owned(),
            Ty::Big(Width::I128) => "Big<i128>".to_owned(),
            Ty::Big(Width::U128) => "Big<u128>".to_owned(),
            Ty::Big(Width::Unbounded) => "Digits".to_owned(),
            Ty::List(inner, _) => format!("Vec<{}>", self.ty(inner)),
            Ty::Map(inner) => format!("BTreeMap<String, {}>", self.ty(inner)),
            Ty::Tuple(items) => {
                let types: Vec<String> = items.iter().map(|item| self.ty(item)).collect();
                if types.len() == 1 { format!("({},)", types[0]) } else { format!("({})", types.join(", ")) }
            }
            Ty::Nullable(inner) => format!("Option<{}>", self.ty(inner)),
            Ty::Named(id) => self.types[id.0].clone(),
        }
    }

    fn helpers(&self, body: &str) -> String {
        let mut out = String::new();
        let derived = "#[derive(\n    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,\n)]\n";
        if self.model.any(|ty| *ty == Ty::Time) {
            let _ = write!(
                out,
                "\n/// A time of RFC 3339, as text.\n{derived}#[serde(transparent)]\n\
                 #[schemars(inline, extend(\"format\" = \"date-time\"))]\npub struct DateTime(pub String);\n"
            );
        }
        if self.model.any(|ty| *ty == Ty::Big(Width::Unbounded)) {
            let _ = write!(
                out,
                "\n/// An integer of any size, as its decimal digits.\n{derived}#[serde(transparent)]\n\
                 #[schemars(inline, extend(\"format\" = \"integer\"))]\npub struct Digits(pub String);\n"
            );
        }
        if body.contains("schema_with = \"nullable::<") {
            out.push_str(
                "\n/// The schema of a member that must be there, and may be `null`.\n\
                 fn nullable<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {\n    \
                 generator.subschema_for::<Option<T>>()\n}\n",
            );
        }
        out
    }
}

fn integer(bounds: &Bounds) -> &'static str {
    match bounds.format.as_deref() {
        Some("int8") => "i8",
        Some("int16") => "i16",
        Some("int32") => "i32",
        Some("uint8") => "u8",
        Some("uint16") => "u16",
        Some("uint32") => "u32",
        Some("uint64" | "uint") => "u64",
        _ => "i64",
    }
}

/// The bounds, as the schema has them.
fn bounded(indent: &str, ty: &Ty) -> String {
    let (bounds, least, most) = match ty {
        Ty::Nullable(inner) => return bounded(indent, inner),
        Ty::Integer(bounds) | Ty::Number(bounds) | Ty::Text(bounds) => (bounds, "minLength", "maxLength"),
        Ty::List(_, bounds) => (bounds, "minItems", "maxItems"),
        _ => return String::new(),
    };
    let numbers = [
        ("minimum", &bounds.minimum),
        ("maximum", &bounds.maximum),
        ("exclusiveMinimum", &bounds.above),
        ("exclusiveMaximum", &bounds.below),
        ("multipleOf", &bounds.multiple_of),
    ];
    let mut all: Vec<(&str, String)> =
        numbers.into_iter().filter_map(|(key, value)| Some((key, number(value.as_ref()?)))).collect();
    all.extend(bounds.min_length.map(|length| (least, length.to_string())));
    all.extend(bounds.max_length.map(|length| (most, length.to_string())));
    all.extend(bounds.pattern.as_ref().map(|pattern| ("pattern", literal(pattern))));
    all.iter().map(|(key, value)| format!("{indent}#[schemars(extend(\"{key}\" = {value}))]\n")).collect()
}

/// A number of JSON as a literal, which is an `i32` if nothing says otherwise.
fn number(text: &str) -> String {
    match (text.parse::<i32>(), text.parse::<i64>(), text.parse::<u64>()) {
        (Ok(_), ..) => text.to_owned(),
        (_, Ok(_), _) => format!("{text}_i64"),
        (.., Ok(_)) => format!("{text}_u64"),
        _ if text.contains(['.', 'e', 'E']) => text.to_owned(),
        _ => format!("{text}_f64"),
    }
}

/// What bounds say that no attribute of a param can.
fn with_bounds(doc: &str, ty: &Ty) -> String {
    let note = ty.bounds().map(|bounds| format!("It is {bounds}.")).unwrap_or_default();
    format!("{doc}\n{note}").trim().to_owned()
}

fn renamed(indent: &str, name: &str, wire: &str) -> String {
    if name == wire { String::new() } else { format!("{indent}#[serde(rename = {})]\n", literal(wire)) }
}

fn raw(name: &str) -> String {
    if WORDS.contains(&name) { format!("r#{name}") } else { name.to_owned() }
}

fn literal(value: &str) -> String {
    text::quoted(value, text::braced)
}

fn doc(indent: &str, about: &str) -> String {
    let mut out = String::new();
    for line in text::wrapped(about, WIDTH - 4 - indent.len()) {
        // No links, no HTML, no code that would be compiled as a test, no heading, which would end the description.
        let mut plain = String::new();
        for c in line.chars() {
            if matches!(c, '[' | '<') {
                plain.push('\\');
            }
            plain.push(c);
        }
        let mark = if plain.starts_with(['`', '~', '#', '-', '+', '*', '|', '>']) { "\\" } else { "" };
        let line = format!("{indent}/// {mark}{plain}");
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}
