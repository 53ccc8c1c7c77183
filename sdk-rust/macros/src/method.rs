//! One method of the trait.

use syn::{Attribute, FnArg, Ident, Lifetime, Receiver, ReceiverKind, ReturnType, TraitItemFn, Type};

use crate::docs;
use crate::example::Example;
use crate::faults::Faults;
use crate::name::{self, Name};
use crate::param::{Param, Presence, Role};
use crate::types::{arguments_of, is_unit, items_of};

/// A method of a contract.
pub(crate) struct Method {
    pub(crate) ident: Ident,
    /// As it stands in the trait, without the attributes that are the contract's.
    pub(crate) item: TraitItemFn,
    /// `<contract>.<method>`.
    pub(crate) name: Name,
    pub(crate) description: Option<String>,
    pub(crate) params: Vec<Param>,
    pub(crate) kind: Kind,
    pub(crate) idempotent: bool,
    pub(crate) deprecated: bool,
    pub(crate) examples: Vec<Example>,
}

/// What comes of it.
pub(crate) enum Kind {
    /// A result, or an error.
    Call { result: Result, error: Box<Type> },
    /// Nothing: a notification. With an error, its sender learns whether it was sent.
    Notification { error: Option<Box<Type>> },
}

/// What a call returns.
pub(crate) enum Result {
    Value(Box<Type>),
    /// Items, with their summary.
    Items {
        item: Box<Type>,
        summary: Option<Box<Type>>,
    },
}

/// The attributes that a method may bear besides the contract's own.
const LET_BE: [&str; 10] =
    ["doc", "must_use", "deprecated", "allow", "expect", "warn", "deny", "forbid", "inline", "track_caller"];

/// What the contract's own attributes say.
#[derive(Default)]
struct Said {
    idempotent: Option<Attribute>,
    notification: Option<Attribute>,
    /// What it is called on the wire, where that is no name of Rust.
    names: Vec<Attribute>,
    examples: Vec<Example>,
}

impl Method {
    pub(crate) fn read(mut item: TraitItemFn, contract: &str, faults: &mut Faults) -> Option<Self> {
        let said = take_attributes(&mut item.attrs, faults);
        let ident = item.sig.ident.clone();
        let name = Name::read(&said.names, &ident, faults);
        name.check_method(faults);
        check_signature(&item, faults);
        let params: Vec<Param> = item
            .sig
            .inputs
            .iter()
            .filter_map(|input| match input {
                FnArg::Receiver(receiver) => {
                    check_receiver(receiver, faults);
                    None
                }
                FnArg::Typed(param) => Param::read(param, faults),
            })
            .collect();
        let kind = read_kind(&item, &said, faults)?;
        let deprecation = item.attrs.iter().find(|attribute| attribute.path().is_ident("deprecated"));
        let method = Self {
            name: name.of_contract(contract),
            description: docs::with_deprecation(docs::description(&item.attrs, faults), deprecation),
            idempotent: said.idempotent.is_some(),
            deprecated: deprecation.is_some(),
            examples: said.examples,
            ident,
            item,
            params,
            kind,
        };
        method.check_params(said.idempotent.as_ref(), faults);
        for example in &method.examples {
            method.check_example(example, faults);
        }
        // The params come without their attributes: rustc takes none there.
        let mut method = method;
        for input in &mut method.item.sig.inputs {
            if let FnArg::Typed(param) = input {
                param.attrs.clear();
            }
        }
        Some(method)
    }

    /// The members of the params object.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&Ident, &crate::param::Member)> {
        self.params.iter().filter_map(|param| match &param.role {
            Role::Member(member) => Some((&param.ident, &**member)),
            Role::Context(_) | Role::Input(_) => None,
        })
    }

    /// The types of its params, as the trait has them.
    pub(crate) fn param_types(&self) -> impl Iterator<Item = &Type> {
        self.item.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(param) => Some(&*param.ty),
            FnArg::Receiver(_) => None,
        })
    }

    pub(crate) fn context(&self) -> Option<&Ident> {
        self.params.iter().find(|param| matches!(param.role, Role::Context(_))).map(|param| &param.ident)
    }

    pub(crate) fn input(&self) -> Option<(&Ident, &Type)> {
        self.params.iter().find_map(|param| match &param.role {
            Role::Input(item) => Some((&param.ident, &**item)),
            Role::Context(_) | Role::Member(_) => None,
        })
    }

    pub(crate) fn has_streams(&self) -> bool {
        let output = matches!(self.kind, Kind::Call { result: Result::Items { .. }, .. });
        output || self.input().is_some()
    }

    fn check_params(&self, idempotent: Option<&Attribute>, faults: &mut Faults) {
        name::check_unique("param", self.members().map(|(_, member)| &member.name), faults);
        let mut contexts = self.params.iter().filter(|param| matches!(param.role, Role::Context(_)));
        if let Some(second) = contexts.nth(1) {
            faults.note(&second.ident, "a call has one context");
        }
        let mut inputs = self.params.iter().filter(|param| matches!(param.role, Role::Input(_)));
        if let Some(second) = inputs.nth(1) {
            faults.note(&second.ident, "a call has one input stream: have its items say which is which");
        }
        if let Kind::Notification { .. } = self.kind {
            let what = "a notification is no call";
            if let Some(context) = self.context() {
                faults.note(context, format!("{what}, so there is no context: take the param away"));
            }
            if let Some((input, _)) = self.input() {
                faults
                    .note(input, format!("{what}, so it has no streams: return a `Result`, or send a list"));
            }
            if let Some(idempotent) = idempotent {
                faults.note(
                    idempotent,
                    format!("{what}, so it is never made again: take `#[idempotent]` away"),
                );
            }
        }
    }

    fn check_example(&self, example: &Example, faults: &mut Faults) {
        let is_call = matches!(self.kind, Kind::Call { .. });
        if is_call && !self.has_streams() && example.result.is_none() && example.error.is_none() {
            faults.note(&example.name, "what comes of the call? Write `result = …`, or `error = CODE`");
        }
        if let (false, Some(outcome)) = (is_call, example.result.as_ref().or(example.error.as_ref())) {
            faults.note(outcome, "nothing comes of a notification: take it away");
        }
        if let (Some(items), None) = (&example.input, self.input()) {
            faults.note(items, "the method has no input stream: `params` are its params");
        }
        if let (Some(items), false) =
            (&example.output, matches!(self.kind, Kind::Call { result: Result::Items { .. }, .. }))
        {
            faults.note(items, "the method has no output stream: `result` is what it returns");
        }
        let Some(names) = example.names() else { return };
        let known: Vec<&str> = self.members().map(|(_, member)| member.name.text.as_str()).collect();
        for name in &names {
            if !known.contains(&name.value().as_str()) {
                let hint = match &known[..] {
                    [] => "it has none".to_owned(),
                    known => format!("they are {}", known.join(", ")),
                };
                faults.note(name, format!("{} has no param {:?}: {hint}", self.name.text, name.value()));
            }
        }
        for (_, member) in self.members() {
            let given = names.iter().any(|name| name.value() == member.name.text);
            if member.presence == Presence::Required && !given {
                let place = example.params.as_ref().map_or_else(
                    || quote::ToTokens::to_token_stream(&example.name),
                    quote::ToTokens::to_token_stream,
                );
                faults.note(&place, format!("{} needs the param {:?}", self.name.text, member.name.text));
            }
        }
    }
}

fn take_attributes(attributes: &mut Vec<Attribute>, faults: &mut Faults) -> Said {
    let mut said = Said::default();
    for attribute in std::mem::take(attributes) {
        let path = attribute.path();
        let only_once = |place: &mut Option<Attribute>, faults: &mut Faults| {
            faults.take(attribute.meta.require_path_only());
            if place.replace(attribute.clone()).is_some() {
                faults.note(&attribute, "it is there already");
            }
        };
        if path.is_ident("idempotent") {
            only_once(&mut said.idempotent, faults);
        } else if path.is_ident("notification") {
            only_once(&mut said.notification, faults);
        } else if path.is_ident("name") {
            said.names.push(attribute);
        } else if path.is_ident("example") {
            said.examples.extend(faults.take(Example::read(&attribute)));
        } else if path.is_ident("cfg") || path.is_ident("cfg_attr") {
            faults.note(&attribute, "a contract is the same wherever it is compiled: take it away");
        } else if path.segments.len() > 1 || LET_BE.iter().any(|known| path.is_ident(known)) {
            attributes.push(attribute);
        } else {
            faults.note(
                path,
                "unknown attribute: a method of a contract takes `#[idempotent]`, `#[notification]`, \
                 `#[name = \"…\"]`, `#[example(…)]`, and those of documentation and lints",
            );
        }
    }
    said
}

fn check_signature(item: &TraitItemFn, faults: &mut Faults) {
    let signature = &item.sig;
    if let Some(asyncness) = &signature.asyncness {
        faults.note(
            asyncness,
            "methods of a contract block: write `fn`. A host that wants to await calls has `Plugin::call_async`",
        );
    }
    if !signature.generics.params.is_empty() {
        faults.note(
            &signature.generics,
            "a method of a contract has one set of types, which its schema describes: write them out (a borrowed \
             param needs no lifetime)",
        );
    }
    if let Some(clause) = &signature.generics.where_clause {
        faults.note(clause, "a method of a contract has no `where`: take it away");
    }
    const PLAIN: &str = "a method of a contract is a plain `fn`: take it away";
    if let Some(constness) = &signature.constness {
        faults.note(constness, PLAIN);
    }
    if let Some(abi) = &signature.abi {
        faults.note(abi, PLAIN);
    }
    if signature.receiver().is_none() {
        faults.note(
            &signature.ident,
            "a method of a contract is called on who provides it: begin with `&self`",
        );
    }
}

fn check_receiver(receiver: &Receiver, faults: &mut Faults) {
    const SHARED: &str = "calls come from many threads at once: write `&self`, and keep what changes in a `Mutex` or \
                          an atomic";
    match &receiver.kind {
        ReceiverKind::Reference(_, None, None) if receiver.mutability.is_none() => {}
        ReceiverKind::Reference(_, Some(lifetime), None) => refuse_lifetime(lifetime, faults),
        _ => faults.note(receiver, SHARED),
    }
}

fn refuse_lifetime(lifetime: &Lifetime, faults: &mut Faults) {
    faults.note(lifetime, "write `&self`: what a method returns was sent, and borrows from nothing");
}

fn read_kind(item: &TraitItemFn, said: &Said, faults: &mut Faults) -> Option<Kind> {
    const RESULT: &str = "write `-> Result<T, E>` (`Result<(), E>` where there is nothing to return), with the two types \
                          spelled out: any call may fail";
    let ReturnType::Type(_, ty) = &item.sig.output else {
        if said.notification.is_some() {
            return Some(Kind::Notification { error: None });
        }
        let hint = format!("{RESULT}; or, where nobody is to learn what came of it, `#[notification]`");
        faults.note(&item.sig.ident, hint);
        return None;
    };
    let arguments = arguments_of(ty, "Result").unwrap_or_default();
    let [result, error] = arguments[..] else {
        faults.note(ty, RESULT);
        return None;
    };
    let boxed = |ty: &Type| Box::new(ty.clone());
    if said.notification.is_some() {
        if !is_unit(result) {
            faults.note(
                result,
                "nothing comes back of a notification: write `Result<(), E>`, or no result at all",
            );
        }
        return Some(Kind::Notification { error: Some(boxed(error)) });
    }
    let result = match items_of(result).as_deref() {
        None => Result::Value(boxed(result)),
        Some([item, _]) => Result::Items { item: boxed(item), summary: None },
        Some([item, _, summary]) => Result::Items { item: boxed(item), summary: Some(boxed(summary)) },
        Some(_) => {
            faults.note(result, "write `Items<T, E>`, or `Items<T, E, S>` with the type of the summary");
            return None;
        }
    };
    Some(Kind::Call { result, error: boxed(error) })
}
