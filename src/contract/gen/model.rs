//! What a document says, as types: the form between a document and the languages. It holds names as the document has
//! them; each language makes its own of them. Made by `lower.rs`.

/// All that code is generated from.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    /// First what the plugin provides, then what it may call at its host.
    pub(crate) contracts: Vec<Contract>,
    /// The components first, in their order, then what stands inline.
    pub(crate) types: Vec<Named>,
    /// Every declared error once.
    pub(crate) errors: Vec<DeclaredError>,
    /// What `x-plugline.config` says.
    pub(crate) config: Ty,
    /// The document itself, as compact JSON.
    pub(crate) document: String,
}

/// Which of [`Model::types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TypeId(pub(crate) usize);

/// A contract as one side serves it.
#[derive(Debug, Clone)]
pub(crate) struct Contract {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) server: Server,
    pub(crate) methods: Vec<Method>,
}

/// Who serves a contract's methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Plugin,
    Host,
}

/// Which side of a contract is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// What calls a plugin.
    Client,
    /// What a plugin is made of.
    Plugin,
    Both,
}

impl Part {
    /// Whether code for whoever calls this server is wanted.
    pub(crate) fn calls(self, server: Server) -> bool {
        match self {
            Self::Both => true,
            Self::Client => server == Server::Plugin,
            Self::Plugin => server == Server::Host,
        }
    }

    /// Whether code for a plugin is wanted.
    pub(crate) fn serves(self) -> bool {
        self != Self::Client
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Method {
    /// Without the contract's name.
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) params: Vec<Field>,
    pub(crate) answer: Answer,
    pub(crate) input: Option<Ty>,
    pub(crate) output: Option<Ty>,
    pub(crate) errors: Errors,
    pub(crate) repeat: Repeat,
    pub(crate) deprecated: bool,
}

/// What a method answers.
#[expect(clippy::large_enum_variant, reason = "there is one a method")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// It is a notification.
    None,
    /// `null`, or the summary of a stream.
    Value(Ty),
}

/// Whether a second call does no more than the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    Idempotent,
    Unknown,
}

/// What a method may fail with, besides what may happen to any call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Errors {
    /// Which of [`Model::errors`], in the order of their codes.
    Declared(Vec<usize>),
    Any,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DeclaredError {
    pub(crate) code: i64,
    pub(crate) name: String,
    pub(crate) message: String,
    pub(crate) data: Option<Ty>,
}

/// A type that has a name.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// The component's, or one made of where it stands.
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) shape: Shape,
    pub(crate) origin: Origin,
}

/// Where a named type stands in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Component,
    Inline,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    Struct(Struct),
    /// One of these texts.
    Enum(Vec<Choice>),
    /// Objects told apart by the value of one member.
    Tagged {
        tag: String,
        variants: Vec<Variant>,
    },
    /// Objects of one member, told apart by its name; a variant without a type is that name as a text.
    Keyed(Vec<KeyedVariant>),
    /// One of several, told apart by what fits.
    Union(Vec<Alternative>),
    /// Another name for a type.
    Alias(Ty),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Struct {
    pub(crate) fields: Vec<Field>,
    pub(crate) others: Others,
}

/// What becomes of members that a schema does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    Refused,
    Ignored,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    /// As on the wire.
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) presence: Presence,
    pub(crate) ty: Ty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Required,
    Optional,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) doc: String,
}

/// A struct with a constant as its tag.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Variant {
    pub(crate) value: String,
    pub(crate) body: TypeId,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KeyedVariant {
    pub(crate) key: String,
    pub(crate) doc: String,
    pub(crate) ty: Option<Ty>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Alternative {
    pub(crate) name: String,
    pub(crate) ty: Ty,
    /// Where its schema stands: a JSON Pointer.
    pub(crate) pointer: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ty {
    /// Any JSON.
    Any,
    Null,
    Bool,
    Integer(Bounds),
    Number(Bounds),
    Text(Bounds),
    /// Always this text.
    Constant(String),
    /// Base64 on the wire.
    Bytes,
    /// RFC 3339 on the wire.
    Time,
    /// An integer that may be beyond ±(2^53 − 1): digits in a text on the wire.
    Big(Width),
    List(Box<Ty>, Bounds),
    Map(Box<Ty>),
    Tuple(Vec<Ty>),
    Nullable(Box<Ty>),
    Named(TypeId),
}

/// What `format` says of an integer that travels as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    I64,
    U64,
    I128,
    U128,
    Unbounded,
}

/// What a schema says of a value besides its type. Numbers are kept as they are written.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) minimum: Option<String>,
    pub(crate) maximum: Option<String>,
    pub(crate) above: Option<String>,
    pub(crate) below: Option<String>,
    pub(crate) multiple_of: Option<String>,
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) pattern: Option<String>,
    pub(crate) format: Option<String>,
}

impl Bounds {
    /// What they say, for people; nothing where there are none.
    pub(crate) fn described(&self, of: &str) -> Option<String> {
        let told = [
            self.minimum.as_ref().map(|n| format!("at least {n}")),
            self.above.as_ref().map(|n| format!("above {n}")),
            self.maximum.as_ref().map(|n| format!("at most {n}")),
            self.below.as_ref().map(|n| format!("below {n}")),
            self.multiple_of.as_ref().map(|n| format!("a multiple of {n}")),
            self.min_length.map(|n| format!("at least {n} {of}")),
            self.max_length.map(|n| format!("at most {n} {of}")),
            self.pattern.as_ref().map(|pattern| format!("matching {pattern}")),
        ];
        let told: Vec<String> = told.into_iter().flatten().collect();
        (!told.is_empty()).then(|| told.join(", "))
    }
}

impl Ty {
    /// What its bounds say, for people.
    pub(crate) fn bounds(&self) -> Option<String> {
        match self {
            Self::Integer(bounds) | Self::Number(bounds) => bounds.described(""),
            Self::Text(bounds) => bounds.described("characters"),
            Self::List(_, bounds) => bounds.described("items"),
            Self::Nullable(inner) => inner.bounds(),
            _ => None,
        }
    }

    /// Calls `visit` with every named type in this one, and whether it stands in a list or map.
    pub(crate) fn visit(&self, place: Place, visit: &mut impl FnMut(TypeId, Place)) {
        match self {
            Self::Named(id) => visit(*id, place),
            Self::List(inner, _) | Self::Map(inner) => inner.visit(Place::Collected, visit),
            Self::Nullable(inner) => inner.visit(place, visit),
            Self::Tuple(items) => items.iter().for_each(|item| item.visit(place, visit)),
            _ => {}
        }
    }
}

/// How a type holds another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In itself: without indirection it would have no end.
    Direct,
    /// In a list or map.
    Collected,
}

impl Model {
    pub(crate) fn named(&self, id: TypeId) -> &Named {
        &self.types[id.0]
    }

    /// The struct that a variant of a tagged union is.
    pub(crate) fn body(&self, variant: &Variant) -> &Struct {
        match &self.named(variant.body).shape {
            Shape::Struct(body) => body,
            shape => unreachable!("`lower.rs` makes variants of structs alone, not of {shape:?}"),
        }
    }

    /// The named types that a named type is made of.
    pub(crate) fn parts(&self, id: TypeId, visit: &mut impl FnMut(TypeId, Place)) {
        match &self.named(id).shape {
            Shape::Struct(body) => body.fields.iter().for_each(|field| field.ty.visit(Place::Direct, visit)),
            Shape::Enum(_) => {}
            Shape::Tagged { variants, .. } => variants.iter().for_each(|v| visit(v.body, Place::Direct)),
            Shape::Keyed(variants) => {
                variants.iter().filter_map(|v| v.ty.as_ref()).for_each(|ty| ty.visit(Place::Direct, visit));
            }
            Shape::Union(choices) => choices.iter().for_each(|c| c.ty.visit(Place::Direct, visit)),
            Shape::Alias(ty) => ty.visit(Place::Direct, visit),
        }
    }

    /// The same model for a language whose structs cannot have members of every name: one that has a member that does not
    /// fit is a map of any JSON, and so is a union whose variant it is.
    pub(crate) fn where_names(&self, fit: impl Fn(&str) -> bool) -> Self {
        let mut model = self.clone();
        let fits = |shape: &Shape| match shape {
            Shape::Struct(body) => body.fields.iter().all(|field| fit(&field.name)),
            Shape::Keyed(variants) => variants.iter().all(|variant| fit(&variant.key)),
            Shape::Tagged { tag, variants } => {
                fit(tag)
                    && variants
                        .iter()
                        .all(|variant| self.body(variant).fields.iter().all(|field| fit(&field.name)))
            }
            Shape::Enum(_) | Shape::Union(_) | Shape::Alias(_) => true,
        };
        for (named, before) in model.types.iter_mut().zip(&self.types) {
            if !fits(&before.shape) {
                named.shape = match before.shape {
                    Shape::Struct(_) => Shape::Alias(Ty::Map(Box::new(Ty::Any))),
                    _ => Shape::Alias(Ty::Any),
                };
            }
        }
        model
    }

    /// Whether `from` holds `to` without a list or map between.
    pub(crate) fn holds(&self, from: TypeId, to: TypeId) -> bool {
        let mut seen = vec![false; self.types.len()];
        let mut open = vec![from];
        while let Some(id) = open.pop() {
            if id == to {
                return true;
            }
            if !std::mem::replace(&mut seen[id.0], true) {
                self.parts(id, &mut |part, place| open.extend((place == Place::Direct).then_some(part)));
            }
        }
        false
    }

    /// Whether a type is named by anything but the tagged unions that it is a variant of.
    pub(crate) fn stands_alone(&self, id: TypeId) -> bool {
        let mut found = false;
        let mut visit = |part: TypeId, _: Place| found |= part == id;
        for (at, named) in self.types.iter().enumerate() {
            if !matches!(named.shape, Shape::Tagged { .. }) {
                self.parts(TypeId(at), &mut visit);
            }
        }
        self.config.visit(Place::Direct, &mut visit);
        for error in &self.errors {
            error.data.iter().for_each(|ty| ty.visit(Place::Direct, &mut visit));
        }
        for method in self.contracts.iter().flat_map(|contract| &contract.methods) {
            method.params.iter().for_each(|param| param.ty.visit(Place::Direct, &mut visit));
            [&method.input, &method.output]
                .into_iter()
                .flatten()
                .for_each(|ty| ty.visit(Place::Direct, &mut visit));
            if let Answer::Value(ty) = &method.answer {
                ty.visit(Place::Direct, &mut visit);
            }
        }
        found
    }

    /// Every type of the whole model, at any depth.
    pub(crate) fn any(&self, wanted: impl Fn(&Ty) -> bool) -> bool {
        fn within(ty: &Ty, wanted: &impl Fn(&Ty) -> bool) -> bool {
            wanted(ty)
                || match ty {
                    Ty::List(inner, _) | Ty::Map(inner) | Ty::Nullable(inner) => within(inner, wanted),
                    Ty::Tuple(items) => items.iter().any(|item| within(item, wanted)),
                    _ => false,
                }
        }
        let mut all: Vec<&Ty> = vec![&self.config];
        for named in &self.types {
            match &named.shape {
                Shape::Struct(body) => all.extend(body.fields.iter().map(|field| &field.ty)),
                Shape::Keyed(variants) => all.extend(variants.iter().filter_map(|v| v.ty.as_ref())),
                Shape::Union(choices) => all.extend(choices.iter().map(|choice| &choice.ty)),
                Shape::Alias(ty) => all.push(ty),
                Shape::Enum(_) | Shape::Tagged { .. } => {}
            }
        }
        all.extend(self.errors.iter().filter_map(|error| error.data.as_ref()));
        for method in self.contracts.iter().flat_map(|contract| &contract.methods) {
            all.extend(method.params.iter().map(|param| &param.ty));
            all.extend([&method.input, &method.output].into_iter().flatten());
            if let Answer::Value(ty) = &method.answer {
                all.push(ty);
            }
        }
        all.into_iter().any(|ty| within(ty, &wanted))
    }
}
