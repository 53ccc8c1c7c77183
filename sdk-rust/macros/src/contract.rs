//! `#[contract]`: the trait, read and checked.

use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, ItemTrait, Lit, LitStr, MetaNameValue, Token, TraitItem, TypeParamBound};

use crate::docs;
use crate::faults::Faults;
use crate::method::Method;
use crate::name;
use crate::param;
use crate::types::ungrouped_expr;

/// A contract, as its trait says it.
pub(crate) struct Contract {
    /// The trait as it stands, without the attributes that are the contract's.
    pub(crate) item: ItemTrait,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) description: Option<String>,
    /// The text of the document that was there before the trait.
    pub(crate) document: Option<Expr>,
    pub(crate) methods: Vec<Method>,
}

/// What stands in `#[contract(…)]`.
pub(crate) type Arguments = Punctuated<MetaNameValue, Token![,]>;

const HOW: &str = "write `#[contract(name = \"users\", version = \"1.0.0\")]`";

impl Contract {
    pub(crate) fn read(arguments: Arguments, mut item: ItemTrait) -> syn::Result<Self> {
        let mut faults = Faults::default();
        let Said { name, version, document } = faults.take(read_arguments(arguments)).unwrap_or_default();
        check_trait(&item, &mut faults);
        let mut methods = Vec::new();
        for member in &mut item.items {
            match member {
                TraitItem::Fn(method) => methods.extend(Method::read(method.clone(), &name, &mut faults)),
                other => {
                    faults.note(other, "a contract has methods and nothing else: take it out of the trait")
                }
            }
        }
        name::check_unique("method", methods.iter().map(|method| &method.name), &mut faults);
        item.items = methods.iter().map(|method| TraitItem::Fn(method.item.clone())).collect();
        let description = docs::description(&item.attrs, &mut faults);
        if document.is_some() {
            for example in methods.iter().flat_map(|method| &method.examples) {
                faults.note(&example.name, "the examples of a contract that has a document stand in it");
            }
        } else {
            // Beside a document the types are made of its schemas, one of which may well be called `Path`.
            for ty in methods.iter().flat_map(Method::param_types) {
                param::refuse_path(ty, &mut faults);
            }
        }
        faults.or(Self { item, name, version, description, document, methods })
    }
}

/// What stands there, read.
#[derive(Default)]
struct Said {
    name: String,
    version: String,
    document: Option<Expr>,
}

fn read_arguments(arguments: Arguments) -> syn::Result<Said> {
    let (mut name, mut version): (Option<LitStr>, Option<LitStr>) = (None, None);
    let mut document = None;
    for MetaNameValue { path, value, .. } in arguments {
        if path.is_ident("document") {
            if document.replace(value).is_some() {
                return Err(syn::Error::new_spanned(path, "it is given twice"));
            }
            continue;
        }
        let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = ungrouped_expr(&value) else {
            return Err(syn::Error::new_spanned(value, format!("a text is wanted: {HOW}")));
        };
        let place = if path.is_ident("name") {
            &mut name
        } else if path.is_ident("version") {
            &mut version
        } else {
            return Err(syn::Error::new_spanned(path, format!("a contract has a name and a version: {HOW}")));
        };
        if place.replace(text.clone()).is_some() {
            return Err(syn::Error::new_spanned(path, "it is given twice"));
        }
    }
    let missing = |what: &str| {
        syn::Error::new(proc_macro2::Span::call_site(), format!("the contract has no {what}: {HOW}"))
    };
    let (name, version) = (name.ok_or_else(|| missing("name"))?, version.ok_or_else(|| missing("version"))?);
    let text = name.value();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    if text.is_empty() || !text.bytes().all(allowed) {
        return Err(syn::Error::new_spanned(
            name,
            "a contract's name is of ASCII letters, digits, `_` and `.`",
        ));
    }
    if text == "rpc" || text.starts_with("rpc.") {
        return Err(syn::Error::new_spanned(
            name,
            "`rpc` belongs to the protocol (MSG-36): choose another name",
        ));
    }
    if let Err(fault) = semver::Version::parse(&version.value()) {
        let message = format!("a contract's version is a semantic version, such as \"1.0.0\": {fault}");
        return Err(syn::Error::new_spanned(version, message));
    }
    Ok(Said { name: text, version: version.value(), document })
}

fn check_trait(item: &ItemTrait, faults: &mut Faults) {
    if let Some(unsafety) = &item.unsafety {
        faults.note(unsafety, "a contract asks nothing that a compiler cannot check: write `trait`");
    }
    if !item.generics.params.is_empty() {
        let hint = "a contract has one set of types, which its schemas describe: write them out";
        faults.note(&item.generics, hint);
    }
    let mut bounds = Vec::new();
    for bound in &item.supertraits {
        match bound {
            TypeParamBound::Lifetime(lifetime) if lifetime.ident == "static" => {}
            TypeParamBound::Trait(bound) => {
                let last = bound.path.segments.last().map(|segment| segment.ident.to_string());
                match last.as_deref() {
                    Some(name @ ("Send" | "Sync" | "Debug")) => bounds.push(name.to_owned()),
                    _ => refuse_bound(bound, faults),
                }
            }
            other => refuse_bound(other, faults),
        }
    }
    if !["Send", "Sync"].iter().all(|wanted| bounds.iter().any(|bound| bound == wanted)) {
        let hint = format!("calls come from many threads at once: write `trait {}: Send + Sync`", item.ident);
        faults.note(&item.ident, hint);
    }
}

fn refuse_bound(bound: &impl quote::ToTokens, faults: &mut Faults) {
    faults.note(
        bound,
        "a client is made of the methods alone: a contract is `Send + Sync`, and nothing besides",
    );
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn a_path_beside_a_document_is_a_type_of_its_schemas() {
        let item: ItemTrait = parse_quote! {
            trait Walks: Send + Sync {
                fn walk(&self, path: &Path) -> Result<(), CallFailed>;
            }
        };
        let arguments: Arguments = parse_quote!(name = "walks", version = "1.0.0");
        let beside: Arguments = parse_quote!(name = "walks", version = "1.0.0", document = DOCUMENT);
        assert!(Contract::read(beside, item.clone()).is_ok());
        let fault = Contract::read(arguments, item).err().unwrap();
        assert!(fault.to_string().contains("write `PathBuf`"), "{fault}");
    }
}
