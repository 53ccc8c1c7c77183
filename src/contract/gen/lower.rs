//! From a document to its types. What no language has types for (conditions, patterns of names) becomes any JSON: the
//! schema itself still stands in the document, by which the run-times check.

use std::collections::BTreeMap;

use plugline_protocol::contract::{Document, ErrorSet, Method as Described, shared_schema};
use serde_json::{Map, Value};

use super::model::{
    Alternative, Answer, Bounds, Choice, Contract, DeclaredError, Errors, Field, KeyedVariant, Method, Model,
    Named, Origin, Others, Presence, Repeat, Server, Shape, Struct, Ty, TypeId, Variant, Width,
};
use super::names::pascal;

const COMPONENTS: &str = "#/components/schemas/";

/// Why a document has no types: where, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{pointer}: {what}")]
pub(crate) struct Unusable {
    pointer: String,
    what: String,
}

fn unusable(pointer: &str, what: impl Into<String>) -> Unusable {
    Unusable {
        pointer: if pointer.is_empty() { "#".to_owned() } else { pointer.to_owned() },
        what: what.into(),
    }
}

/// The types of a document. `text` is the document as it is written.
pub(crate) fn lower(document: &Document, text: &Value) -> Result<Model, Unusable> {
    let mut types = Types::new(&document.components.schemas);
    for (name, schema) in &document.components.schemas {
        types.define(name, schema)?;
    }
    let mut errors = Vec::new();
    let mut contracts = Vec::new();
    for (at, provided) in document.plugline.provides.iter().enumerate() {
        if document.plugline.provides[..at].iter().any(|before| before.contract == provided.contract) {
            continue;
        }
        contracts.push(Contract {
            name: provided.contract.clone(),
            version: provided.version.to_string(),
            server: Server::Plugin,
            methods: Vec::new(),
        });
    }
    if contracts.is_empty() {
        return Err(unusable(
            "/x-plugline/provides",
            "names no contract: add [{\"contract\": …, \"version\": …}]",
        ));
    }
    for (at, described) in document.methods.iter().enumerate() {
        let pointer = format!("/methods/{at}");
        let owner = owner(&contracts, &described.name, Server::Plugin).ok_or_else(|| {
            unusable(
                &pointer,
                format!("{:?} belongs to none of the contracts in /x-plugline/provides", described.name),
            )
        })?;
        let method = method(&mut types, &mut errors, described, &contracts[owner].name, &pointer)?;
        contracts[owner].methods.push(method);
    }
    let known =
        document.plugline.requires.iter().map(|required| (&required.contract, required.version.to_string()));
    let known =
        known.chain(document.plugline.provides.iter().map(|own| (&own.contract, own.version.to_string())));
    for (name, version) in known {
        if !contracts.iter().any(|contract| contract.server == Server::Host && contract.name == *name) {
            contracts.push(Contract {
                name: name.clone(),
                version,
                server: Server::Host,
                methods: Vec::new(),
            });
        }
    }
    for (at, described) in document.plugline.host_methods.iter().enumerate() {
        let pointer = format!("/x-plugline/hostMethods/{at}");
        let owner = owner(&contracts, &described.name, Server::Host).ok_or_else(|| {
            let name = &described.name;
            unusable(&pointer, format!("{name:?} belongs to no contract that is provided or required"))
        })?;
        let method = method(&mut types, &mut errors, described, &contracts[owner].name, &pointer)?;
        contracts[owner].methods.push(method);
    }
    // A contract that is required for its name alone has nothing to generate.
    contracts.retain(|contract| contract.server == Server::Plugin || !contract.methods.is_empty());
    let config = types.ty(document.plugline.config.as_value(), "Config", "/x-plugline/config")?;
    Ok(Model { contracts, types: types.finish(), errors, config, document: text.to_string() })
}

/// The contract with the longest name that a method's name begins with.
fn owner(contracts: &[Contract], method: &str, server: Server) -> Option<usize> {
    let fits = |contract: &&(usize, &Contract)| {
        let rest = method.strip_prefix(contract.1.name.as_str()).and_then(|rest| rest.strip_prefix('.'));
        contract.1.server == server && rest.is_some_and(|rest| !rest.is_empty())
    };
    let all: Vec<(usize, &Contract)> = contracts.iter().enumerate().collect();
    all.iter().filter(fits).max_by_key(|(_, contract)| contract.name.len()).map(|(at, _)| *at)
}

fn method(
    types: &mut Types<'_>,
    known: &mut Vec<DeclaredError>,
    described: &Described,
    contract: &str,
    at: &str,
) -> Result<Method, Unusable> {
    let name = described.name[contract.len() + 1..].to_owned();
    let hint = pascal(&name);
    let mut params = Vec::new();
    for (index, param) in described.params.iter().enumerate() {
        let schema = param.schema.as_value();
        if param.name.is_empty()
            || param.name == "_meta"
            || param.name.contains(|c: char| c < ' ' || matches!(c, '"' | '\\'))
        {
            let what =
                format!("{:?} is no name of a param: take one of letters, digits and signs", param.name);
            return Err(unusable(&format!("{at}/params/{index}/name"), what));
        }
        let ty = types.ty(
            schema,
            &format!("{hint}{}", pascal(&param.name)),
            &format!("{at}/params/{index}/schema"),
        )?;
        let doc = param.description.clone().unwrap_or_else(|| doc(schema));
        let presence = if param.required { Presence::Required } else { Presence::Optional };
        params.push(Field { name: param.name.clone(), doc, presence, ty });
    }
    let answer = match &described.result {
        None => Answer::None,
        Some(result) => Answer::Value(types.ty(
            result.schema.as_value(),
            &format!("{hint}Result"),
            &format!("{at}/result/schema"),
        )?),
    };
    let mut stream = |schema: &Option<schemars::Schema>, kind: &str, member: &str| {
        let schema = schema.as_ref().map(schemars::Schema::as_value);
        schema
            .map(|schema| types.ty(schema, &format!("{hint}{kind}"), &format!("{at}/x-plugline/{member}")))
            .transpose()
    };
    let (input, output) = (
        stream(&described.plugline.input, "Input", "input")?,
        stream(&described.plugline.output, "Item", "output")?,
    );
    if matches!(answer, Answer::None) && (input.is_some() || output.is_some()) {
        return Err(unusable(
            at,
            "a notification has no streams: give the method a result, {\"type\": \"null\"} at least",
        ));
    }
    let errors = match &described.plugline.errors {
        ErrorSet::Any(_) => Errors::Any,
        ErrorSet::Declared(declared) => {
            let mut errors = Vec::new();
            for (index, error) in declared.iter().enumerate() {
                let pointer = format!("{at}/x-plugline/errors/{index}");
                if (-32768..=-32000).contains(&error.code) {
                    return Err(unusable(
                        &pointer,
                        format!("{} is a code of the protocol: take another", error.code),
                    ));
                }
                let data = error.data.as_ref().map(schemars::Schema::as_value);
                let data_hint = format!("{}Data", pascal(&error.name));
                let before = known.iter().position(|k| k.code == error.code && k.name == error.name);
                let at = match before {
                    Some(at) => at,
                    None => {
                        let data = data
                            .map(|data| types.ty(data, &data_hint, &format!("{pointer}/data")))
                            .transpose()?;
                        let (code, name) = (error.code, error.name.clone());
                        known.push(DeclaredError { code, name, message: error.message.clone(), data });
                        known.len() - 1
                    }
                };
                errors.push(at);
            }
            errors.sort_by_key(|&at| known[at].code);
            errors.dedup();
            Errors::Declared(errors)
        }
    };
    let repeat = if described.plugline.idempotent { Repeat::Idempotent } else { Repeat::Unknown };
    let doc = described.description.clone().unwrap_or_default();
    let deprecated = described.is_deprecated();
    Ok(Method { name, doc, params, answer, input, output, errors, repeat, deprecated })
}

/// The types made so far.
struct Types<'a> {
    components: &'a Map<String, Value>,
    ids: BTreeMap<&'a str, TypeId>,
    /// A component that is being made, or not yet, has no shape.
    named: Vec<(String, String, Origin, Option<Shape>)>,
}

/// What a schema is: a type as it stands, or one that wants a name.
enum Form {
    Ty(Ty),
    Shape(Shape),
}

impl<'a> Types<'a> {
    fn new(components: &'a Map<String, Value>) -> Self {
        let ids = components.keys().enumerate().map(|(at, name)| (name.as_str(), TypeId(at))).collect();
        let named = components
            .iter()
            .map(|(name, schema)| (name.clone(), doc(schema), Origin::Component, None))
            .collect();
        Self { components, ids, named }
    }

    fn define(&mut self, name: &'a str, schema: &Value) -> Result<(), Unusable> {
        let id = self.ids[name];
        let pointer = format!("/components/schemas/{}", escaped(name));
        let shape = match self.form(schema, &pascal(name), &pointer)? {
            Form::Shape(shape) => shape,
            Form::Ty(Ty::Constant(value)) => Shape::Enum(vec![Choice { value, doc: String::new() }]),
            Form::Ty(ty) => Shape::Alias(ty),
        };
        self.named[id.0].3 = Some(shape);
        if self.is_nothing_but_itself(id) {
            return Err(unusable(&pointer, "is nothing but a reference to itself: give it a type"));
        }
        Ok(())
    }

    /// Whether aliases lead from a type back to it.
    fn is_nothing_but_itself(&self, id: TypeId) -> bool {
        let mut at = id;
        for _ in 0..=self.named.len() {
            let mut ty = match &self.named[at.0].3 {
                Some(Shape::Alias(ty)) => ty,
                _ => return false,
            };
            while let Ty::Nullable(inner) = ty {
                ty = inner;
            }
            match ty {
                Ty::Named(next) => at = *next,
                _ => return false,
            }
        }
        true
    }

    fn finish(mut self) -> Vec<Named> {
        // A variant that is another name of a struct is that struct.
        let alias_of = |named: &[(String, String, Origin, Option<Shape>)], id: TypeId| match &named[id.0].3 {
            Some(Shape::Alias(Ty::Named(next))) => Some(*next),
            _ => None,
        };
        for at in 0..self.named.len() {
            let Some(Shape::Tagged { tag, mut variants }) = self.named[at].3.clone() else { continue };
            for variant in &mut variants {
                while let Some(next) = alias_of(&self.named, variant.body) {
                    variant.body = next;
                }
            }
            self.named[at].3 = Some(Shape::Tagged { tag, variants });
        }
        self.named
            .into_iter()
            .map(|(name, doc, origin, shape)| Named {
                name,
                doc,
                origin,
                shape: shape.expect("every component is defined before the methods are read"),
            })
            .collect()
    }

    /// The type of a schema that stands inline; what wants a name gets one from where it stands.
    fn ty(&mut self, schema: &Value, hint: &str, pointer: &str) -> Result<Ty, Unusable> {
        Ok(match self.form(schema, hint, pointer)? {
            Form::Ty(ty) => ty,
            Form::Shape(shape) => {
                self.named.push((hint.to_owned(), doc(schema), Origin::Inline, Some(shape)));
                Ty::Named(TypeId(self.named.len() - 1))
            }
        })
    }

    fn form(&mut self, schema: &Value, hint: &str, pointer: &str) -> Result<Form, Unusable> {
        let schema = match schema {
            Value::Bool(true) => return Ok(Form::Ty(Ty::Any)),
            Value::Object(schema) => schema,
            Value::Bool(false) => {
                return Err(unusable(pointer, "lets nothing through: remove what has this schema"));
            }
            _ => return Err(unusable(pointer, "is no schema: it must be an object or a boolean")),
        };
        if let Some(target) = schema.get("$ref") {
            return self.reference(target, pointer).map(|(id, _)| Form::Ty(Ty::Named(id)));
        }
        if schema.contains_key("allOf") {
            return self.all_of(schema, hint, pointer);
        }
        if let Some(Value::String(constant)) = schema.get("const") {
            return Ok(Form::Ty(Ty::Constant(constant.clone())));
        }
        if let Some(Value::Array(values)) = schema.get("enum") {
            return Ok(one_of_values(values, schema));
        }
        for combiner in ["oneOf", "anyOf"] {
            if let Some(Value::Array(choices)) = schema.get(combiner) {
                if schema.contains_key("properties") {
                    return Ok(Form::Ty(Ty::Any));
                }
                return self.one_of(choices, hint, &format!("{pointer}/{combiner}"));
            }
        }
        match schema.get("type") {
            Some(Value::String(name)) => self.of_type(name, schema, hint, pointer),
            Some(Value::Array(names)) => {
                let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                let (null, rest): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| **name == "null");
                let one = |types: &mut Self, name: &str, hint: &str| {
                    let mut narrowed = schema.clone();
                    narrowed.insert("type".to_owned(), name.into());
                    types.ty(&Value::Object(narrowed), hint, pointer)
                };
                let ty = match rest.as_slice() {
                    [] => return Ok(Form::Ty(Ty::Null)),
                    [only] => one(self, only, hint)?,
                    // Which of the types it is shows in the JSON itself: any JSON, checked by the schema.
                    _ => return Ok(Form::Ty(Ty::Any)),
                };
                Ok(Form::Ty(if null.is_empty() { ty } else { nullable(ty) }))
            }
            _ if schema.contains_key("properties") => self.of_type("object", schema, hint, pointer),
            _ if schema.contains_key("items") => self.of_type("array", schema, hint, pointer),
            _ => Ok(Form::Ty(Ty::Any)),
        }
    }

    fn reference(&self, target: &Value, pointer: &str) -> Result<(TypeId, &'a Value), Unusable> {
        let target = target.as_str().unwrap_or_default();
        let name = shared_schema(target);
        let found = name.as_deref().and_then(|name| Some((*self.ids.get(name)?, self.components.get(name)?)));
        found.ok_or_else(|| {
            let what = format!("{target:?} is no schema of this document: $ref takes {COMPONENTS}NAME");
            unusable(&format!("{pointer}/$ref"), what)
        })
    }

    /// What a schema means once references and single `allOf`s are followed.
    fn resolve(&self, schema: &Value) -> Option<Map<String, Value>> {
        let mut schema = schema;
        for _ in 0..=self.components.len() {
            let Some(target) = schema.get("$ref") else {
                return schema.as_object().and_then(|object| self.merged(object, 0));
            };
            schema = self.reference(target, "").ok()?.1;
        }
        None
    }

    /// A schema with the objects of its `allOf` put into it; none where they are no plain objects.
    fn merged(&self, schema: &Map<String, Value>, depth: usize) -> Option<Map<String, Value>> {
        let Some(Value::Array(parts)) = schema.get("allOf") else { return Some(schema.clone()) };
        if depth > self.components.len() {
            return None;
        }
        let mut whole = schema.clone();
        whole.remove("allOf");
        let mut properties = member_map(&whole, "properties");
        let mut required = member_list(&whole, "required");
        for part in parts {
            let target = part.get("$ref").map(|target| self.reference(target, ""));
            let part = match target {
                Some(found) => found.ok()?.1,
                None => part,
            };
            let part = self.merged(part.as_object()?, depth + 1)?;
            let plain = |key: &String| {
                matches!(
                    key.as_str(),
                    "type" | "properties" | "required" | "description" | "title" | "additionalProperties"
                )
            };
            if part.get("type").is_some_and(|kind| kind != "object") || !part.keys().all(plain) {
                return None;
            }
            properties.extend(member_map(&part, "properties"));
            required.extend(member_list(&part, "required"));
        }
        whole.insert("type".to_owned(), "object".into());
        whole.insert("properties".to_owned(), Value::Object(properties));
        whole.insert("required".to_owned(), Value::Array(required));
        Some(whole)
    }

    fn all_of(&mut self, schema: &Map<String, Value>, hint: &str, pointer: &str) -> Result<Form, Unusable> {
        let annotations =
            ["allOf", "description", "title", "default", "examples", "deprecated", "readOnly", "writeOnly"];
        if let Some([only]) = schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice)
            && schema.keys().all(|key| annotations.contains(&key.as_str()))
        {
            return self.form(only, hint, &format!("{pointer}/allOf/0"));
        }
        match self.merged(schema, 0) {
            Some(whole) => self.form(&Value::Object(whole), hint, pointer),
            None => Ok(Form::Ty(Ty::Any)),
        }
    }

    fn one_of(&mut self, choices: &[Value], hint: &str, pointer: &str) -> Result<Form, Unusable> {
        let is_null = |choice: &&(usize, &Value)| {
            choice.1.get("type").is_some_and(|kind| kind == "null")
                || choice.1.get("const") == Some(&Value::Null)
        };
        let all: Vec<(usize, &Value)> = choices.iter().enumerate().collect();
        let rest: Vec<(usize, &Value)> = all.iter().filter(|choice| !is_null(choice)).copied().collect();
        let form = match rest.as_slice() {
            [] => Form::Ty(Ty::Null),
            [(at, only)] => self.form(only, hint, &format!("{pointer}/{at}"))?,
            several => self.several(several, hint, pointer)?,
        };
        if rest.len() == choices.len() {
            return Ok(form);
        }
        let ty = match form {
            Form::Ty(ty) => ty,
            Form::Shape(shape) => {
                self.named.push((hint.to_owned(), String::new(), Origin::Inline, Some(shape)));
                Ty::Named(TypeId(self.named.len() - 1))
            }
        };
        Ok(Form::Ty(nullable(ty)))
    }

    fn several(&mut self, choices: &[(usize, &Value)], hint: &str, pointer: &str) -> Result<Form, Unusable> {
        if let Some(texts) = choices.iter().map(|(_, choice)| texts_of(choice)).collect::<Option<Vec<_>>>() {
            return Ok(Form::Shape(Shape::Enum(texts.into_iter().flatten().collect())));
        }
        if let Some((tag, values)) = self.common_tag(choices) {
            let mut variants = Vec::new();
            for ((at, choice), value) in choices.iter().zip(values) {
                let name = format!("{hint}{}", pascal(&value));
                let ty = self.ty(choice, &name, &format!("{pointer}/{at}"))?;
                variants.push((value, ty));
            }
            // A variant may be the name of another name of the struct.
            let bodies: Option<Vec<Variant>> = variants
                .iter()
                .map(|(value, ty)| match ty {
                    Ty::Named(body) => Some(Variant { value: value.clone(), body: *body }),
                    _ => None,
                })
                .collect();
            if let Some(variants) = bodies {
                return Ok(Form::Shape(Shape::Tagged { tag, variants }));
            }
        }
        if let Some(variants) = self.keyed(choices, hint, pointer)? {
            return Ok(Form::Shape(Shape::Keyed(variants)));
        }
        let mut alternatives = Vec::new();
        for (at, choice) in choices {
            let title = choice.get("title").and_then(Value::as_str).map(pascal);
            let name = title.unwrap_or_else(|| format!("Variant{at}"));
            let ty = self.ty(choice, &format!("{hint}{name}"), &format!("{pointer}/{at}"))?;
            let name = match &ty {
                Ty::Named(id) if self.named[id.0].2 == Origin::Component => pascal(&self.named[id.0].0),
                Ty::Named(_) => name,
                ty => kind(ty).to_owned(),
            };
            alternatives.push(Alternative { name, ty, pointer: format!("{pointer}/{at}") });
        }
        Ok(Form::Shape(Shape::Union(alternatives)))
    }

    /// The member that tells all the objects apart, and its value in each.
    fn common_tag(&self, choices: &[(usize, &Value)]) -> Option<(String, Vec<String>)> {
        let bodies: Vec<Map<String, Value>> =
            choices.iter().map(|(_, choice)| self.resolve(choice)).collect::<Option<_>>()?;
        // A component that is itself a union, or open to any member, is no variant.
        let plain = |body: &Map<String, Value>| {
            ["oneOf", "anyOf", "patternProperties", "const", "enum"]
                .iter()
                .all(|key| !body.contains_key(*key))
                && body.get("type").is_none_or(|kind| kind == "object")
        };
        if !bodies.iter().all(plain) {
            return None;
        }
        let first = member_map(&bodies[0], "properties");
        first.keys().find_map(|tag| {
            let values: Vec<String> = bodies
                .iter()
                .map(|body| {
                    let needed = member_list(body, "required").iter().any(|name| name == tag);
                    let texts = texts_of(body.get("properties")?.get(tag)?)?;
                    match texts.as_slice() {
                        [only] if needed && !member_is_schema(body, "additionalProperties") => {
                            Some(only.value.clone())
                        }
                        _ => None,
                    }
                })
                .collect::<Option<_>>()?;
            let distinct: std::collections::BTreeSet<&String> = values.iter().collect();
            (distinct.len() == values.len()).then(|| (tag.clone(), values.clone()))
        })
    }

    /// Serde's way with enums: a text, or an object of one member.
    fn keyed(
        &mut self,
        choices: &[(usize, &Value)],
        hint: &str,
        pointer: &str,
    ) -> Result<Option<Vec<KeyedVariant>>, Unusable> {
        enum Found<'v> {
            Texts(Vec<Choice>),
            Member(&'v String, &'v Value, String),
        }
        let mut found = Vec::new();
        for (at, choice) in choices {
            let single = choice.get("properties").and_then(Value::as_object).filter(|members| {
                let required = choice.get("required").and_then(Value::as_array);
                members.len() == 1
                    && required.is_some_and(|names| names.len() == 1)
                    && choice.get("additionalProperties") == Some(&Value::Bool(false))
            });
            match (texts_of(choice), single.and_then(|members| members.iter().next())) {
                (Some(texts), _) => found.push(Found::Texts(texts)),
                (None, Some((key, schema))) => {
                    found.push(Found::Member(
                        key,
                        schema,
                        format!("{pointer}/{at}/properties/{}", escaped(key)),
                    ));
                }
                (None, None) => return Ok(None),
            }
        }
        let mut variants: Vec<KeyedVariant> = Vec::new();
        for one in found {
            match one {
                Found::Texts(texts) => variants.extend(texts.into_iter().map(|text| KeyedVariant {
                    key: text.value,
                    doc: text.doc,
                    ty: None,
                })),
                Found::Member(key, schema, pointer) => {
                    let ty = self.ty(schema, &format!("{hint}{}", pascal(key)), &pointer)?;
                    variants.push(KeyedVariant { key: key.clone(), doc: doc(schema), ty: Some(ty) });
                }
            }
        }
        let keys: std::collections::BTreeSet<&String> = variants.iter().map(|variant| &variant.key).collect();
        let distinct = keys.len() == variants.len();
        Ok(distinct.then_some(variants))
    }

    fn of_type(
        &mut self,
        name: &str,
        schema: &Map<String, Value>,
        hint: &str,
        pointer: &str,
    ) -> Result<Form, Unusable> {
        Ok(match name {
            "null" => Form::Ty(Ty::Null),
            "boolean" => Form::Ty(Ty::Bool),
            "integer" => Form::Ty(Ty::Integer(bounds(schema, "minLength", "maxLength"))),
            "number" => Form::Ty(Ty::Number(bounds(schema, "minLength", "maxLength"))),
            "string" => Form::Ty(text(schema)),
            "array" => match schema.get("items") {
                Some(Value::Array(items)) => {
                    let items = items.iter().enumerate();
                    let items = items.map(|(at, item)| {
                        self.ty(item, &format!("{hint}Item{at}"), &format!("{pointer}/items/{at}"))
                    });
                    Form::Ty(Ty::Tuple(items.collect::<Result<_, _>>()?))
                }
                Some(item) => {
                    let item = self.ty(item, &format!("{hint}Item"), &format!("{pointer}/items"))?;
                    Form::Ty(Ty::List(Box::new(item), bounds(schema, "minItems", "maxItems")))
                }
                None => Form::Ty(Ty::List(Box::new(Ty::Any), bounds(schema, "minItems", "maxItems"))),
            },
            "object" => self.object(schema, hint, pointer)?,
            other => {
                return Err(unusable(
                    &format!("{pointer}/type"),
                    format!("{other:?} is no type of JSON Schema"),
                ));
            }
        })
    }

    fn object(&mut self, schema: &Map<String, Value>, hint: &str, pointer: &str) -> Result<Form, Unusable> {
        let properties = member_map(schema, "properties");
        let others = schema.get("additionalProperties");
        if schema.contains_key("patternProperties") {
            return Ok(Form::Ty(Ty::Map(Box::new(Ty::Any))));
        }
        if properties.is_empty() {
            return Ok(match others {
                Some(Value::Bool(false)) => {
                    Form::Shape(Shape::Struct(Struct { fields: Vec::new(), others: Others::Refused }))
                }
                Some(value @ Value::Object(_)) => {
                    let value =
                        self.ty(value, &format!("{hint}Value"), &format!("{pointer}/additionalProperties"))?;
                    Form::Ty(Ty::Map(Box::new(value)))
                }
                _ => Form::Ty(Ty::Map(Box::new(Ty::Any))),
            });
        }
        if member_is_schema(schema, "additionalProperties") {
            // No language's struct has both named members and any others: a map loses none of them.
            return Ok(Form::Ty(Ty::Map(Box::new(Ty::Any))));
        }
        let required = member_list(schema, "required");
        if let Some(missing) =
            required.iter().find(|name| name.as_str().is_none_or(|name| !properties.contains_key(name)))
        {
            return Err(unusable(
                &format!("{pointer}/required"),
                format!("{missing} stands not under properties: add it"),
            ));
        }
        let mut fields = Vec::new();
        for (name, member) in &properties {
            let below = format!("{pointer}/properties/{}", escaped(name));
            let ty = self.ty(member, &format!("{hint}{}", pascal(name)), &below)?;
            let needed = required.iter().any(|required| required == name);
            let presence = if needed { Presence::Required } else { Presence::Optional };
            let mut doc = doc(member);
            if let Some(default) = member.get("default").filter(|default| !default.is_null()) {
                doc = format!("{doc}\nDefault: {default}").trim().to_owned();
            }
            fields.push(Field { name: name.clone(), doc, presence, ty });
        }
        // A stable sort: those that must be there come first, as params do.
        fields.sort_by_key(|field| field.presence == Presence::Optional);
        let others = if others == Some(&Value::Bool(false)) { Others::Refused } else { Others::Ignored };
        Ok(Form::Shape(Shape::Struct(Struct { fields, others })))
    }
}

fn nullable(ty: Ty) -> Ty {
    match ty {
        Ty::Any | Ty::Null | Ty::Nullable(_) => ty,
        ty => Ty::Nullable(Box::new(ty)),
    }
}

fn one_of_values(values: &[Value], schema: &Map<String, Value>) -> Form {
    let texts: Vec<Choice> = values
        .iter()
        .filter_map(|value| Some(Choice { value: value.as_str()?.to_owned(), doc: String::new() }))
        .collect();
    let nulls = values.iter().filter(|value| value.is_null()).count();
    if texts.len() == values.len() && texts.len() == 1 {
        return Form::Ty(Ty::Constant(texts[0].value.clone()));
    }
    if texts.len() == values.len() && !texts.is_empty() {
        return Form::Shape(Shape::Enum(texts));
    }
    if texts.is_empty() && values.iter().all(Value::is_boolean) && !values.is_empty() {
        return Form::Ty(Ty::Bool);
    }
    if nulls == 0 && !values.is_empty() && values.iter().all(|value| value.is_i64() || value.is_u64()) {
        return Form::Ty(Ty::Integer(bounds(schema, "minLength", "maxLength")));
    }
    Form::Ty(Ty::Any)
}

/// The texts that a schema lets through, where it lets through nothing else.
fn texts_of(schema: &Value) -> Option<Vec<Choice>> {
    let described = doc(schema);
    if let Some(constant) = schema.get("const") {
        return Some(vec![Choice { value: constant.as_str()?.to_owned(), doc: described }]);
    }
    let values = schema.get("enum")?.as_array()?;
    let doc = if values.len() == 1 { described } else { String::new() };
    values.iter().map(|value| Some(Choice { value: value.as_str()?.to_owned(), doc: doc.clone() })).collect()
}

fn text(schema: &Map<String, Value>) -> Ty {
    if schema.get("contentEncoding").is_some_and(|encoding| encoding == "base64") {
        return Ty::Bytes;
    }
    match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => Ty::Time,
        Some("int64") => Ty::Big(Width::I64),
        Some("uint64") => Ty::Big(Width::U64),
        Some("int128") => Ty::Big(Width::I128),
        Some("uint128") => Ty::Big(Width::U128),
        Some("integer" | "bigint") => Ty::Big(Width::Unbounded),
        _ => Ty::Text(bounds(schema, "minLength", "maxLength")),
    }
}

fn bounds(schema: &Map<String, Value>, min_length: &str, max_length: &str) -> Bounds {
    // As every language writes numbers.
    let written = |value: &Value| value.to_string().replace("e+", "e");
    let number = |key: &str| schema.get(key).filter(|value| value.is_number()).map(written);
    let length = |key: &str| schema.get(key).and_then(Value::as_u64);
    let text = |key: &str| schema.get(key).and_then(Value::as_str).map(str::to_owned);
    Bounds {
        minimum: number("minimum"),
        maximum: number("maximum"),
        above: number("exclusiveMinimum"),
        below: number("exclusiveMaximum"),
        multiple_of: number("multipleOf"),
        min_length: length(min_length),
        max_length: length(max_length),
        pattern: text("pattern"),
        format: text("format"),
    }
}

/// The name of an alternative that has none of its own.
fn kind(ty: &Ty) -> &'static str {
    match ty {
        Ty::Any | Ty::Named(_) => "Json",
        Ty::Null => "Null",
        Ty::Bool => "Bool",
        Ty::Integer(_) => "Integer",
        Ty::Number(_) => "Number",
        Ty::Text(_) | Ty::Constant(_) => "Text",
        Ty::Bytes => "Bytes",
        Ty::Time => "Time",
        Ty::Big(_) => "Big",
        Ty::List(..) => "List",
        Ty::Map(_) => "Map",
        Ty::Tuple(_) => "Tuple",
        Ty::Nullable(_) => "Maybe",
    }
}

fn doc(schema: &Value) -> String {
    let text = |key: &str| schema.get(key).and_then(Value::as_str).unwrap_or_default();
    if text("description").is_empty() { text("title").to_owned() } else { text("description").to_owned() }
}

fn member_map(schema: &Map<String, Value>, key: &str) -> Map<String, Value> {
    schema.get(key).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn member_list(schema: &Map<String, Value>, key: &str) -> Vec<Value> {
    schema.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn member_is_schema(schema: &Map<String, Value>, key: &str) -> bool {
    schema.get(key).and_then(Value::as_object).is_some_and(|schema| !schema.is_empty())
}

/// A name as a JSON Pointer has it.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
