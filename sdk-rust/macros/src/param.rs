//! One param of a method: what it is to the trait, and what to the wire.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Ident, Pat, PatType, Path, Type, TypeReference};

use crate::docs;
use crate::faults::Faults;
use crate::name::Name;
use crate::types::{context_of, is_named, is_std_path, items_of, option_of, reference_in, ungrouped};

/// A param of a method of the trait.
pub(crate) struct Param {
    pub(crate) ident: Ident,
    pub(crate) role: Role,
}

/// What a param is there for.
pub(crate) enum Role {
    /// What the method may know of its call, as the trait names it. It does not travel.
    Context(Path),
    /// The input stream, with the type of its items.
    Input(Box<Type>),
    /// A member of the params.
    Member(Box<Member>),
}

/// A member of the params object.
pub(crate) struct Member {
    /// Its name on the wire.
    pub(crate) name: Name,
    pub(crate) description: Option<String>,
    /// What it is when it has arrived; of an optional one, when it is there.
    pub(crate) owned: TokenStream,
    pub(crate) presence: Presence,
    pub(crate) passing: Passing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Required,
    Optional,
}

/// How the trait passes it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passing {
    Value,
    /// `&T`.
    Reference,
    /// `&str` or `&[T]`.
    Slice,
}

const WRITE: &str = "write the owned type, `&T`, `&str`, `&[T]` or an `Option` of one of these";

const WITHIN: &str = "what a reference within a param's type points at does not travel along: write the owned type there, \
                      such as `String` for `&str`";

/// What to write for a type that only happens to have the name.
pub(crate) const OWN_CONTEXT: &str =
    "The name is taken: a type of your own is written with its path, such as `self::Context`";

impl Param {
    pub(crate) fn read(param: &PatType, faults: &mut Faults) -> Option<Self> {
        for attribute in &param.attrs {
            if !attribute.path().is_ident("doc") && !attribute.path().is_ident("name") {
                faults.note(
                    attribute,
                    "a param takes no attribute but a doc comment, which becomes its description, and \
                     `#[name = \"…\"]`, which is its name on the wire",
                );
            }
        }
        let ident = match &*param.pat {
            Pat::Ident(pat) if pat.by_ref.is_none() && pat.mutability.is_none() && pat.subpat.is_none() => {
                &pat.ident
            }
            pattern => {
                let hint = "a param needs a plain name, which is its name on the wire: write `name: Type`, and take it \
                            apart in the method's body";
                faults.note(pattern, hint);
                return None;
            }
        };
        let name = Name::read(&param.attrs, ident, faults);
        name.check_param(faults);
        let ty = ungrouped(&param.ty);
        let (pointee, reference) = match ty {
            Type::Reference(reference) => (&*reference.elem, Some(reference)),
            ty => (ty, None),
        };
        let role = if let Some(context) = context_of(pointee) {
            match reference {
                Some(reference) => refuse_mut(reference, faults),
                None => {
                    let hint = format!("the context is the caller's: write `&Context`. {OWN_CONTEXT}");
                    faults.note(ty, hint);
                }
            }
            Role::Context(context.clone())
        } else if let Some(arguments) = items_of(ty) {
            Role::Input(Box::new(input_item(ty, &arguments, faults)?))
        } else {
            Role::Member(Box::new(Member::read(name, param, faults)?))
        };
        Some(Self { ident: ident.clone(), role })
    }
}

fn input_item(ty: &Type, arguments: &[&Type], faults: &mut Faults) -> Option<Type> {
    match arguments {
        [item, failure] if is_named(failure, "CallFailed") => match reference_in(item) {
            Some(reference) => {
                faults.note(reference, WITHIN);
                None
            }
            None => Some((*item).clone()),
        },
        _ => {
            faults.note(
                ty,
                "an input stream is `Items<T, CallFailed>`: what goes wrong with it is no error of the contract, and \
                 it has no summary",
            );
            None
        }
    }
}

impl Member {
    fn read(name: Name, param: &PatType, faults: &mut Faults) -> Option<Self> {
        let (presence, ty) = match option_of(&param.ty) {
            Some(inner) => (Presence::Optional, inner),
            None => (Presence::Required, &*param.ty),
        };
        let ty = ungrouped(ty);
        let within = match ty {
            Type::Reference(reference) => &*reference.elem,
            ty => ty,
        };
        if let Some(reference) = reference_in(within) {
            faults.note(reference, WITHIN);
            return None;
        }
        let (passing, owned) = match ty {
            Type::Reference(reference) => {
                refuse_mut(reference, faults);
                refuse_lifetime(reference, faults);
                match ungrouped(&reference.elem) {
                    Type::Slice(slice) => {
                        let item = &slice.elem;
                        (Passing::Slice, quote!(::std::vec::Vec<#item>))
                    }
                    elem if is_named(elem, "str") => (Passing::Slice, quote!(::std::string::String)),
                    elem if option_of(elem).is_some() => {
                        faults.note(ty, "a param that may be left out is `Option<&T>`, not `&Option<T>`");
                        return None;
                    }
                    Type::TraitObject(_) | Type::ImplTrait(_) => return refuse(ty, faults),
                    elem => (Passing::Reference, quote!(#elem)),
                }
            }
            Type::ImplTrait(_) | Type::TraitObject(_) | Type::FnPtr(_) | Type::Ptr(_) | Type::Infer(_) => {
                return refuse(ty, faults);
            }
            ty => (Passing::Value, quote!(#ty)),
        };
        Some(Self { name, description: docs::description(&param.attrs, faults), owned, presence, passing })
    }

    /// The schema's type.
    pub(crate) fn declared(&self) -> TokenStream {
        let owned = &self.owned;
        match self.presence {
            Presence::Required => owned.clone(),
            Presence::Optional => quote!(::std::option::Option<#owned>),
        }
    }

    /// What the client sends, of what it was passed.
    pub(crate) fn sent(&self, ident: &Ident) -> TokenStream {
        match (self.passing, self.presence) {
            (Passing::Value, Presence::Required) => quote!(#ident: &#ident),
            (Passing::Value, Presence::Optional) => quote!(#ident: #ident.as_ref()),
            (Passing::Reference | Passing::Slice, _) => quote!(#ident),
        }
    }

    /// What the implementation is passed, of what arrived.
    pub(crate) fn passed(&self, ident: &Ident) -> TokenStream {
        match (self.passing, self.presence) {
            (Passing::Value, _) => quote!(#ident),
            (Passing::Reference | Passing::Slice, Presence::Required) => quote!(&#ident),
            (Passing::Reference, Presence::Optional) => quote!(#ident.as_ref()),
            (Passing::Slice, Presence::Optional) => quote!(#ident.as_deref()),
        }
    }
}

/// Notes a `&Path`, which has no type that it could arrive as.
pub(crate) fn refuse_path(ty: &Type, faults: &mut Faults) {
    let ty = option_of(ty).unwrap_or(ty);
    if let Type::Reference(reference) = ungrouped(ty)
        && is_std_path(&reference.elem)
    {
        faults.note(
            ty,
            "a param arrives as a type of its own: write `PathBuf` or `&PathBuf`. A type of your own that is called \
             `Path` is written with its path, such as `self::Path`",
        );
    }
}

fn refuse<T>(ty: &Type, faults: &mut Faults) -> Option<T> {
    faults.note(ty, format!("a param travels as JSON, so its type must be known: {WRITE}"));
    None
}

fn refuse_mut(reference: &TypeReference, faults: &mut Faults) {
    if reference.mutability.is_some() {
        let hint = "what is changed at the other end does not come back: write `&`, and return what changed";
        faults.note(reference, hint);
    }
}

fn refuse_lifetime(reference: &TypeReference, faults: &mut Faults) {
    if let Some(lifetime) = &reference.lifetime {
        faults.note(lifetime, format!("a param lives as long as its call: {WRITE}, without a lifetime"));
    }
}
