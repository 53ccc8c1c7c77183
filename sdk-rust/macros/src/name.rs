//! `#[name = "…"]`: the name on the wire, where that is no name of Rust.

use std::collections::HashSet;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt as _;
use syn::{Attribute, Error, Expr, ExprLit, Ident, Lit, LitStr, Meta};

use crate::faults::Faults;
use crate::types::ungrouped_expr;

/// A name on the wire, and what says it.
pub(crate) struct Name {
    pub(crate) text: String,
    span: Span,
    /// Whether an attribute says it.
    is_apart: bool,
}

impl Name {
    /// The name of what is called `ident` in Rust.
    pub(crate) fn read(attributes: &[Attribute], ident: &Ident, faults: &mut Faults) -> Self {
        let mut said = None;
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("name")) {
            if said.is_some() {
                faults.note(attribute, "one name is enough: take this one away");
                continue;
            }
            said = faults.take(literal(attribute));
        }
        match said {
            Some(said) => Self { text: said.value(), span: said.span(), is_apart: true },
            None => Self { text: ident.unraw().to_string(), span: ident.span(), is_apart: false },
        }
    }

    /// The same behind the contract's name, as it is on the wire of a method.
    pub(crate) fn of_contract(self, contract: &str) -> Self {
        Self { text: format!("{contract}.{}", self.text), ..self }
    }

    /// Notes what keeps it from being a method's, after the contract's and a dot.
    pub(crate) fn check_method(&self, faults: &mut Faults) {
        let is_fine = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if !self.is_apart && !self.text.is_ascii() {
            self.note("names on the wire are ASCII: give the method another name", faults);
        } else if !self.text.split('.').all(is_fine) {
            self.note(
                "a method's name is of ASCII letters, digits, `_` and `.` (MSG-35), and the contract's stands before it \
                 by itself: write such as `#[name = \"get_user\"]`",
                faults,
            );
        }
    }

    /// Notes what keeps it from being a param's. Apart from that, it may be any text, as any member of JSON's.
    pub(crate) fn check_param(&self, faults: &mut Faults) {
        if self.text == "_meta" {
            self.note("`_meta` belongs to the protocol (MSG-16): give the param another name", faults);
        }
        if self.text.is_empty() {
            self.note("a param has a name: write it, or take the attribute away", faults);
        }
        if !self.is_apart && !self.text.is_ascii() {
            self.note("names on the wire are ASCII: give the param another name", faults);
        }
    }

    fn note(&self, message: impl std::fmt::Display, faults: &mut Faults) {
        faults.add(Error::new(self.span, message));
    }
}

impl ToTokens for Name {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.text.to_tokens(tokens);
    }
}

/// Notes each of the names that is there already.
pub(crate) fn check_unique<'a>(what: &str, names: impl Iterator<Item = &'a Name>, faults: &mut Faults) {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(&name.text) {
            let message =
                format!("there is a {what} {:?} already: give one of the two another name", name.text);
            name.note(message, faults);
        }
    }
}

fn literal(attribute: &Attribute) -> syn::Result<LitStr> {
    const WRITE: &str = "write the name on the wire as a string: `#[name = \"…\"]`";
    let Meta::NameValue(pair) = &attribute.meta else { return Err(Error::new_spanned(attribute, WRITE)) };
    match ungrouped_expr(&pair.value) {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text.clone()),
        value => Err(Error::new_spanned(value, WRITE)),
    }
}
