//! Python, as ruff leaves it: a module against the package `plugline`, with `msgspec` structs and a contract class for
//! each contract.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::model::{
    Answer, Bounds, Contract, Errors, Field, Method, Model, Named, Origin, Others, Place, Presence, Repeat,
    Server, Shape, Ty, TypeId,
};
use super::names::{Scope, pascal, screaming, snake};
use super::text;

const WIDTH: usize = 88;

/// Words of the language.
const WORDS: &[&str] = &[
    "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else",
    "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal", "not",
    "or", "pass", "raise", "return", "self", "try", "while", "with", "yield",
];

/// What annotations of a struct use: a member of that name would stand in its place.
const ANNOTATED: &[&str] =
    &["bool", "bytes", "datetime", "dict", "enum", "float", "int", "list", "msgspec", "str", "tuple"];

/// What the body of a contract class uses besides.
const DECORATORS: &[&str] = &["method", "notification"];

const TYPES: &[&str] = &[
    "Annotated",
    "Any",
    "BaseException",
    "Big",
    "Contract",
    "Error",
    "Exception",
    "False",
    "Generator",
    "Iterator",
    "Literal",
    "Named",
    "None",
    "NotImplementedError",
    "Only",
    "True",
    "ValueError",
];

pub(super) fn generate(model: &Model, head: &str) -> String {
    // What msgspec takes as the name of a member.
    let model = model.where_names(|name| !name.contains(|c: char| matches!(c, '"' | '\\') || c < ' '));
    let writer = Writer::new(&model);
    let body = writer.body();
    let code: String = body
        .lines()
        .filter(|line| !line.trim_start().starts_with('#') && !line.starts_with("DOCUMENT = "))
        .flat_map(|line| [line, "\n"])
        .collect();
    let uses = |name: &str| {
        let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        code.match_indices(name).any(|(at, _)| {
            !code[..at].chars().next_back().is_some_and(|c| part(c) || c == '.')
                && !code[at + name.len()..].chars().next().is_some_and(part)
        })
    };
    let from = |module: &str, names: &[&str]| {
        let used: Vec<String> =
            names.iter().filter(|name| uses(name)).map(|name| (*name).to_owned()).collect();
        if used.is_empty() {
            String::new()
        } else {
            listed(&format!("from {module} import "), "(", &used, ")", "", Plain::Yes)
        }
    };
    let plain: String = ["datetime", "enum"]
        .iter()
        .filter(|name| uses(name))
        .map(|name| format!("import {name}\n"))
        .collect();
    let std = plain
        + &from("collections.abc", &["Generator", "Iterator"])
        + &from("typing", &["Annotated", "Any", "Literal"]);
    let own = ["Big", "Contract", "Error", "Named", "Only", "contract", "method", "notification"];
    let msgspec = if uses("msgspec") { "import msgspec\n" } else { "" };
    let third = format!("{msgspec}{}", from("plugline", &own));
    let apart = if std.is_empty() { "" } else { "\n" };
    format!("# {head}\nfrom __future__ import annotations\n\n{std}{apart}{third}{body}")
}

/// Whether a list has no brackets while it is on one line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plain {
    Yes,
    No,
}

/// How many members of a struct are there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Any,
    One,
}

struct Writer<'a> {
    model: &'a Model,
    types: Vec<String>,
    errors: Vec<String>,
    contracts: Vec<String>,
    scope: std::cell::RefCell<Scope>,
    /// Types with bounds, which have a name so that no line is too long.
    aliases: std::cell::RefCell<String>,
    /// Of each struct: the member that is its tag.
    tags: Vec<Option<String>>,
    /// Aliases and unions that hold themselves.
    endless: BTreeSet<usize>,
}

impl<'a> Writer<'a> {
    fn new(model: &'a Model) -> Self {
        let mut scope = Scope::new(TYPES, "Value");
        let types = model.types.iter().map(|named| scope.take(&pascal(&named.name))).collect();
        let errors = model.errors.iter().map(|error| scope.take(&pascal(&error.name))).collect();
        let contracts = model.contracts.iter().map(|contract| {
            let both = model.contracts.iter().any(|c| c.server == Server::Plugin && c.name == contract.name);
            let suffix = if contract.server == Server::Host && both { "Host" } else { "" };
            scope.take(&format!("{}{suffix}", pascal(&contract.name)))
        });
        let contracts = contracts.collect();
        let tag_of = |named: &Named| match &named.shape {
            Shape::Struct(body) => body
                .fields
                .iter()
                .find(|field| matches!(field.ty, Ty::Constant(_)) && field.presence == Presence::Required)
                .map(|field| field.name.clone()),
            _ => None,
        };
        let mut tags: Vec<Option<String>> = model.types.iter().map(tag_of).collect();
        for named in &model.types {
            if let Shape::Tagged { tag, variants } = &named.shape {
                variants.iter().for_each(|variant| tags[variant.body.0] = Some(tag.clone()));
            }
        }
        let mut this = Self {
            model,
            types,
            errors,
            contracts,
            scope: std::cell::RefCell::new(scope),
            aliases: std::cell::RefCell::default(),
            tags,
            endless: BTreeSet::new(),
        };
        this.endless = (0..model.types.len()).filter(|&at| this.leads_back(TypeId(at))).collect();
        this
    }

    /// Whether a type is an expression, to be evaluated where it stands.
    fn is_expression(&self, id: TypeId) -> bool {
        matches!(self.model.named(id).shape, Shape::Alias(_) | Shape::Tagged { .. } | Shape::Union(_))
    }

    fn leads_back(&self, id: TypeId) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![id];
        while let Some(at) = open.pop() {
            if !self.is_expression(at) {
                continue;
            }
            self.model.parts(at, &mut |part, _| {
                if seen.insert(part) {
                    open.push(part);
                }
            });
        }
        self.is_expression(id) && seen.contains(&id)
    }

    fn body(&self) -> String {
        let mut structs = String::new();
        for (at, named) in self.model.types.iter().enumerate() {
            if !self.is_expression(TypeId(at)) {
                structs.push_str(&self.definition(TypeId(at), named));
            }
        }
        let mut expressions = String::new();
        let mut done = BTreeSet::new();
        for at in 0..self.model.types.len() {
            self.expression(TypeId(at), &mut done, &mut expressions);
        }
        let mut rest = String::new();
        for (at, error) in self.model.errors.iter().enumerate() {
            rest.push_str(&self.error(&self.errors[at], error));
        }
        let _ = write!(
            rest,
            "\n\n# The document that this was made from: what a plugin declares.\nDOCUMENT = {}\n",
            literal(&self.model.document)
        );
        for (contract, name) in self.model.contracts.iter().zip(&self.contracts) {
            rest.push_str(&self.contract(contract, name));
        }
        let aliases = self.aliases.borrow();
        if aliases.is_empty() && structs.is_empty() && expressions.is_empty() && self.errors.is_empty() {
            // What is no definition stands one line below the imports.
            rest.remove(0);
        }
        let apart = |text: &str| if text.is_empty() { "" } else { "\n" };
        let after = if expressions.is_empty() { "" } else { "\n\n" };
        format!("{}{aliases}{structs}{after}{expressions}{rest}", apart(&aliases))
    }

    fn definition(&self, id: TypeId, named: &Named) -> String {
        let name = &self.types[id.0];
        let mut out = String::from("\n\n");
        let about = docstring(&named.doc);
        match &named.shape {
            Shape::Struct(body) => {
                let tag = self.tags[id.0].as_ref();
                let value = tag.and_then(|tag| {
                    body.fields.iter().find(|field| field.name == *tag).and_then(|field| match &field.ty {
                        Ty::Constant(value) => Some((tag, value)),
                        _ => None,
                    })
                });
                let mut bases: Vec<String> =
                    ["msgspec.Struct", "kw_only=True", "omit_defaults=True"].map(str::to_owned).into();
                if body.others == Others::Refused {
                    bases.push("forbid_unknown_fields=True".to_owned());
                }
                if let Some((tag, value)) = value {
                    bases.push(format!("tag_field={}", literal(tag)));
                    bases.push(format!("tag={}", literal(value)));
                }
                out.push_str(&listed(&format!("class {name}"), "(", &bases, "):", "", Plain::No));
                let tag = value.map(|(tag, _)| tag);
                let fields: Vec<&Field> =
                    body.fields.iter().filter(|field| Some(&field.name) != tag).collect();
                out.push_str(&self.members(name, &fields, &about, Of::Any));
            }
            Shape::Enum(choices) => {
                let _ = write!(out, "class {name}(enum.Enum):\n{about}");
                if !about.is_empty() {
                    out.push('\n');
                }
                let mut scope = Scope::new(&[], "_");
                for choice in choices {
                    let member = scope.take(&screaming(&choice.value));
                    let _ = writeln!(
                        out,
                        "{}    {member} = {}",
                        comment("    ", &choice.doc),
                        literal(&choice.value)
                    );
                }
            }
            Shape::Keyed(variants) => {
                let units: Vec<&str> = variants
                    .iter()
                    .filter(|variant| variant.ty.is_none())
                    .map(|variant| variant.key.as_str())
                    .collect();
                let fields: Vec<Field> = variants
                    .iter()
                    .filter_map(|variant| {
                        let ty = variant.ty.clone()?;
                        let (name, doc) = (variant.key.clone(), variant.doc.clone());
                        Some(Field { name, doc, presence: Presence::Optional, ty })
                    })
                    .collect();
                let object = if units.is_empty() {
                    name.clone()
                } else {
                    self.scope.borrow_mut().take(&format!("{name}Value"))
                };
                if !units.is_empty() {
                    let texts = self.scope.borrow_mut().take(&format!("{name}Name"));
                    let _ = write!(out, "class {texts}(enum.Enum):\n{about}");
                    if !about.is_empty() {
                        out.push('\n');
                    }
                    let mut scope = Scope::new(&[], "_");
                    for unit in &units {
                        let _ = writeln!(out, "    {} = {}", scope.take(&screaming(unit)), literal(unit));
                    }
                    let _ = write!(out, "\n\n");
                    out.push_str(&self.object_of_one(&object, &fields, &about));
                    let _ = write!(out, "\n\n{name} = {texts} | {object}\n");
                } else {
                    out.push_str(&self.object_of_one(&object, &fields, &about));
                }
            }
            Shape::Tagged { .. } | Shape::Union(_) | Shape::Alias(_) => unreachable!("these are expressions"),
        }
        out
    }

    /// A struct of which one member is there.
    fn object_of_one(&self, name: &str, fields: &[Field], about: &str) -> String {
        let bases: Vec<String> =
            ["msgspec.Struct", "kw_only=True", "omit_defaults=True", "forbid_unknown_fields=True"]
                .map(str::to_owned)
                .into();
        let mut out = listed(&format!("class {name}"), "(", &bases, "):", "", Plain::No);
        let about =
            if about.is_empty() { docstring("One of its members is there.") } else { about.to_owned() };
        out.push_str(&self.members(name, &fields.iter().collect::<Vec<_>>(), &about, Of::One));
        out.push_str(
            "\n    def __post_init__(self) -> None:\n        members = (getattr(self, name) for name in self.__struct_fields__)\n        \
             if sum(member is not msgspec.UNSET for member in members) != 1:\n            \
             raise ValueError(\"Expected an object of one member\")\n",
        );
        out
    }

    fn members(&self, owner: &str, fields: &[&Field], about: &str, of: Of) -> String {
        let mut out = about.to_owned();
        if fields.is_empty() {
            if out.is_empty() {
                out.push_str("    pass\n");
            }
            return out;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        let mut scope = Scope::new(&[WORDS, ANNOTATED].concat(), "_");
        for field in fields {
            let name = scope.take(&snake(&field.name));
            out.push_str(&comment("    ", &field.doc));
            let ty = self.ty(&field.ty, &format!("{owner}{}", pascal(&field.name)));
            let nullable = matches!(field.ty, Ty::Nullable(_) | Ty::Any | Ty::Null);
            let (ty, default) = match (field.presence, nullable) {
                _ if of == Of::One => (format!("Only[{ty}]"), Some("msgspec.UNSET")),
                (Presence::Required, _) => (ty, None),
                (Presence::Optional, false) => (format!("{ty} | msgspec.UnsetType"), Some("msgspec.UNSET")),
                (Presence::Optional, true) => (ty, Some("None")),
            };
            if name == field.name {
                let value = default.map(|default| format!(" = {default}")).unwrap_or_default();
                let line = format!("    {name}: {ty}{value}\n");
                out.push_str(&match default {
                    Some(default) if line.trim_end().chars().count() > WIDTH => {
                        format!("    {name}: {ty} = (\n        {default}\n    )\n")
                    }
                    _ => line,
                });
            } else {
                let mut given = vec![format!("name={}", literal(&field.name))];
                given.extend(default.map(|default| format!("default={default}")));
                out.push_str(&listed(
                    &format!("    {name}: {ty} = msgspec.field"),
                    "(",
                    &given,
                    ")",
                    "    ",
                    Plain::No,
                ));
            }
        }
        out
    }

    fn expression(&self, id: TypeId, done: &mut BTreeSet<TypeId>, out: &mut String) {
        if !self.is_expression(id) || !done.insert(id) {
            return;
        }
        let mut parts = Vec::new();
        self.model.parts(id, &mut |part, _| parts.push(part));
        for part in parts {
            self.expression(part, done, out);
        }
        let named = self.model.named(id);
        let name = &self.types[id.0];
        let choices: Vec<String> = match &named.shape {
            Shape::Alias(ty) => vec![self.evaluated(id, ty)],
            Shape::Tagged { variants, .. } => variants.iter().map(|v| self.types[v.body.0].clone()).collect(),
            Shape::Union(alternatives) => {
                let types: Vec<&Ty> = alternatives.iter().map(|one| &one.ty).collect();
                if self.told_apart(&types) {
                    alternatives.iter().map(|one| self.evaluated(id, &one.ty)).collect()
                } else {
                    vec!["Any".to_owned()]
                }
            }
            _ => unreachable!("asked before"),
        };
        out.push_str(&comment("", &named.doc));
        if choices == ["Any"] {
            out.push_str("# What is in it shows in the JSON alone.\n");
        }
        let line = format!("{name} = {}\n", choices.join(" | "));
        if line.trim_end().chars().count() <= WIDTH || choices.len() == 1 {
            out.push_str(&line);
        } else {
            let _ = write!(out, "{name} = (\n    {}\n)\n", choices.join("\n    | "));
        }
    }

    /// A type within an expression, which is evaluated at once: what would need itself is any JSON.
    fn evaluated(&self, owner: TypeId, ty: &Ty) -> String {
        let mut cut = false;
        ty.visit(Place::Direct, &mut |part, _| {
            cut |= self.endless.contains(&part.0) && self.endless.contains(&owner.0)
        });
        if !cut {
            return self.ty(ty, &self.types[owner.0]);
        }
        match ty {
            Ty::List(..) => "list[Any]".to_owned(),
            Ty::Map(_) => "dict[str, Any]".to_owned(),
            _ => "Any".to_owned(),
        }
    }

    /// Whether msgspec can tell the alternatives apart: by the kind of JSON, or by a tag.
    fn told_apart(&self, types: &[&Ty]) -> bool {
        let mut kinds = BTreeSet::new();
        types.iter().all(|ty| {
            let kind = match self.resolved(ty) {
                Ty::Any | Ty::Nullable(_) => return false,
                Ty::Null => "null",
                Ty::Bool => "bool",
                Ty::Integer(_) => "int",
                Ty::Number(_) => "float",
                Ty::Text(_) | Ty::Constant(_) | Ty::Bytes | Ty::Time => "text",
                Ty::Big(_) => return false,
                Ty::List(..) | Ty::Tuple(_) => "list",
                Ty::Map(_) => "object",
                Ty::Named(id) => match &self.model.named(id).shape {
                    Shape::Struct(_) => "object",
                    Shape::Enum(_) => "text",
                    _ => return false,
                },
            };
            kinds.insert(kind)
        })
    }

    fn resolved(&self, ty: &Ty) -> Ty {
        match ty {
            Ty::Named(id) => match &self.model.named(*id).shape {
                Shape::Alias(inner) if !self.endless.contains(&id.0) => self.resolved(inner),
                _ => ty.clone(),
            },
            ty => ty.clone(),
        }
    }

    fn ty(&self, ty: &Ty, hint: &str) -> String {
        match ty {
            Ty::Any => "Any".to_owned(),
            Ty::Null => "None".to_owned(),
            Ty::Bool => "bool".to_owned(),
            Ty::Integer(bounds) => self.bounded("int", bounds, hint),
            Ty::Number(bounds) => self.bounded("float", bounds, hint),
            Ty::Text(bounds) => self.bounded("str", bounds, hint),
            Ty::Constant(value) => format!("Literal[{}]", literal(value)),
            Ty::Bytes => "bytes".to_owned(),
            Ty::Time => "datetime.datetime".to_owned(),
            Ty::Big(_) => "Big".to_owned(),
            Ty::List(inner, bounds) => {
                let list = format!("list[{}]", self.ty(inner, &format!("{hint}Item")));
                // What has a name may be defined further down, and is evaluated later.
                let mut named = false;
                inner.visit(Place::Direct, &mut |_, _| named = true);
                let told = if named { format!("\"{list}\"") } else { list.clone() };
                let bounded = self.bounded(&told, bounds, hint);
                if bounded == told { list } else { bounded }
            }
            Ty::Map(inner) => format!("dict[str, {}]", self.ty(inner, &format!("{hint}Value"))),
            Ty::Tuple(items) => {
                let types: Vec<String> =
                    items.iter().map(|item| self.ty(item, &format!("{hint}Item"))).collect();
                format!("tuple[{}]", types.join(", "))
            }
            Ty::Nullable(inner) => format!("{} | None", self.ty(inner, hint)),
            Ty::Named(id) => self.types[id.0].clone(),
        }
    }

    /// A type with its bounds, under a name.
    fn bounded(&self, ty: &str, bounds: &Bounds, hint: &str) -> String {
        let mut told = Vec::new();
        let numbers = [
            ("ge", &bounds.minimum),
            ("gt", &bounds.above),
            ("le", &bounds.maximum),
            ("lt", &bounds.below),
            ("multiple_of", &bounds.multiple_of),
        ];
        // msgspec takes integers of 64 bits as bounds of integers.
        let fits = |value: &String| ty != "int" || value.parse::<i64>().is_ok();
        told.extend(
            numbers
                .iter()
                .filter_map(|(key, value)| Some(format!("{key}={}", value.as_ref().filter(|v| fits(v))?))),
        );
        told.extend(bounds.min_length.map(|length| format!("min_length={length}")));
        told.extend(bounds.max_length.map(|length| format!("max_length={length}")));
        told.extend(bounds.pattern.as_ref().map(|pattern| format!("pattern={}", literal(pattern))));
        if told.is_empty() {
            return ty.to_owned();
        }
        // A component has its name already, and no other use for it.
        let component = self.types.iter().position(|name| name == hint).is_some_and(|at| {
            matches!(&self.model.types[at].shape, Shape::Alias(_))
                && self.model.types[at].origin == Origin::Component
        });
        let name =
            self.scope.borrow_mut().take(&if component { format!("{hint}Bounds") } else { hint.to_owned() });
        let meta = format!("msgspec.Meta({})", told.join(", "));
        let line = format!("{name} = Annotated[{ty}, {meta}]\n");
        let text = if line.trim_end().chars().count() <= WIDTH {
            line
        } else if meta.chars().count() + ty.chars().count() + 6 <= WIDTH {
            format!("{name} = Annotated[\n    {ty}, {meta}\n]\n")
        } else {
            format!("{name} = Annotated[\n    {ty},\n    {meta},\n]\n")
        };
        self.aliases.borrow_mut().push_str(&text);
        name
    }

    fn error(&self, name: &str, error: &super::model::DeclaredError) -> String {
        let mut bases = vec![
            "Error".to_owned(),
            format!("code={}", error.code),
            format!("message={}", literal(&error.message)),
        ];
        let about = docstring(&error.message);
        let body = match &error.data {
            None if about.is_empty() => "    pass\n".to_owned(),
            None => about,
            Some(data) => {
                bases.push("data=\"data\"".to_owned());
                let apart = if about.is_empty() { "" } else { "\n" };
                format!("{about}{apart}    data: {}\n", self.ty(data, &format!("{name}Data")))
            }
        };
        format!("\n\n{}{body}", listed(&format!("class {name}"), "(", &bases, "):", "", Plain::No))
    }

    fn contract(&self, contract: &Contract, name: &str) -> String {
        let by = if contract.server == Server::Plugin { "a plugin" } else { "a host" };
        let mut out = String::from("\n\n");
        out.push_str(&listed(
            "@contract",
            "(",
            &[literal(&contract.name), literal(&contract.version), "document=DOCUMENT".to_owned()],
            ")",
            "",
            Plain::No,
        ));
        let _ = write!(
            out,
            "class {name}(Contract):\n{}",
            docstring(&format!("The contract {}, which {by} serves.", contract.name))
        );
        let mut scope = Scope::new(&[WORDS, DECORATORS, ANNOTATED].concat(), "_");
        for method in &contract.methods {
            out.push('\n');
            out.push_str(&self.method(method, &mut scope));
        }
        out
    }

    fn method(&self, method: &Method, scope: &mut Scope) -> String {
        let name = scope.take(&snake(&method.name));
        let is_call = method.answer != Answer::None;
        let mut said = Vec::new();
        if method.repeat == Repeat::Idempotent {
            said.push("idempotent=True".to_owned());
        }
        if method.deprecated {
            said.push("deprecated=True".to_owned());
        }
        match &method.errors {
            Errors::Any => said.push("errors=\"any\"".to_owned()),
            Errors::Declared(errors) if !errors.is_empty() => {
                let errors: Vec<String> = errors.iter().map(|&at| self.errors[at].clone()).collect();
                said.push(format!("errors=[{}]", errors.join(", ")));
            }
            Errors::Declared(_) => {}
        }
        if name != method.name {
            said.push(format!("name={}", literal(&method.name)));
        }
        let decorator = if is_call { "    @method" } else { "    @notification" };
        let mut out = listed(decorator, "(", &said, ")", "    ", Plain::No);
        let hint = pascal(&method.name);
        let mut given = vec!["self".to_owned()];
        let mut params = Scope::new(WORDS, "_");
        let named: Vec<(String, &Field)> =
            method.params.iter().map(|param| (params.take(&snake(&param.name)), param)).collect();
        if let Some(item) = &method.input {
            given.push(format!(
                "{}: Iterator[{}]",
                params.take("input"),
                self.ty(item, &format!("{hint}Input"))
            ));
        }
        if !named.is_empty() {
            given.push("*".to_owned());
        }
        for (param, field) in &named {
            let mut ty = self.ty(&field.ty, &format!("{hint}{}", pascal(&field.name)));
            let optional = field.presence == Presence::Optional;
            if optional && !matches!(field.ty, Ty::Nullable(_) | Ty::Any | Ty::Null) {
                ty.push_str(" | None");
            }
            if *param != field.name {
                ty = format!("Annotated[{ty}, Named({})]", literal(&field.name));
            }
            given.push(format!("{param}: {ty}{}", if optional { " = None" } else { "" }));
        }
        let returned = match (&method.answer, &method.output) {
            (Answer::None, _) => "None".to_owned(),
            (Answer::Value(ty), None) => self.ty(ty, &format!("{hint}Result")),
            (Answer::Value(Ty::Null), Some(item)) => {
                format!("Iterator[{}]", self.ty(item, &format!("{hint}Item")))
            }
            (Answer::Value(ty), Some(item)) => {
                let (item, result) =
                    (self.ty(item, &format!("{hint}Item")), self.ty(ty, &format!("{hint}Result")));
                format!("Generator[{item}, None, {result}]")
            }
        };
        out.push_str(&listed(
            &format!("    def {name}"),
            "(",
            &given,
            &format!(") -> {returned}:"),
            "    ",
            Plain::No,
        ));
        let about = indented(&docstring(&method.doc));
        let _ = writeln!(out, "{about}        raise NotImplementedError");
        out
    }
}

/// A call, a class or an import: on one line; else the items on a line of their own; else a line each.
fn listed(head: &str, open: &str, items: &[String], close: &str, indent: &str, plain: Plain) -> String {
    let joined = items.join(", ");
    let bare = plain == Plain::Yes;
    let line = if bare { format!("{head}{joined}") } else { format!("{head}{open}{joined}{close}") };
    if line.chars().count() <= WIDTH {
        return line + "\n";
    }
    let (open, close) = if bare { ("(", ")") } else { (open, close) };
    let hanging = format!("{indent}    {joined}");
    if hanging.chars().count() <= WIDTH && !bare {
        return format!("{head}{open}\n{hanging}\n{indent}{close}\n");
    }
    let items: String = items
        .iter()
        .map(|item| if item == "*" { format!("{indent}    *,\n") } else { format!("{indent}    {item},\n") })
        .collect();
    format!("{head}{open}\n{items}{indent}{close}\n")
}

/// A literal with the quotes that ruff prefers.
fn literal(value: &str) -> String {
    text::quoted_either(value, text::padded)
}

fn comment(indent: &str, about: &str) -> String {
    text::wrapped(about, WIDTH - 2 - indent.len())
        .iter()
        .map(|line| if line.is_empty() { format!("{indent}#\n") } else { format!("{indent}# {line}\n") })
        .collect()
}

/// A docstring of a class. Quotes become single ones: two kinds of them can end a docstring, and prose needs one.
fn docstring(about: &str) -> String {
    let lines: Vec<String> = text::wrapped(&about.replace('"', "'"), WIDTH - 12)
        .iter()
        .map(|line| line.replace('\\', "\\\\"))
        .collect();
    match lines.as_slice() {
        [] => String::new(),
        [line] => format!("    \"\"\"{line}\"\"\"\n"),
        [first, rest @ ..] => {
            let rest: String = rest
                .iter()
                .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") })
                .collect();
            format!("    \"\"\"{first}\n{rest}    \"\"\"\n")
        }
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") }).collect()
}
