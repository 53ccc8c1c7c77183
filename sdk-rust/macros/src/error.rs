//! `#[derive(ContractError)]`: an enum of errors, with codes and data.

use std::collections::HashMap;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{
    Attribute, Data, DeriveInput, Expr, ExprLit, ExprUnary, Field, Fields, Ident, Lit, LitInt, UnOp, Variant,
};

use crate::docs;
use crate::faults::Faults;
use crate::types::{is_named, ungrouped_expr};

/// What `#[derive(ContractError)]` makes.
pub(crate) fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        let hint = "the errors of a contract are the variants of an enum";
        return Err(syn::Error::new_spanned(&input.ident, hint));
    };
    let mut faults = Faults::default();
    if !input.generics.params.is_empty() {
        let hint =
            "the errors of a contract have one set of types, which its schemas describe: write them out";
        faults.note(&input.generics, hint);
    }
    let (mut declared, mut without_code) = (Vec::new(), Vec::new());
    let mut codes: HashMap<i64, &Ident> = HashMap::new();
    for variant in &data.variants {
        match Declared::read(variant, &mut faults) {
            Some(Read::Declared(error)) => {
                if let Some(other) = codes.insert(error.code, &variant.ident) {
                    faults.note(&variant.ident, format!("{other} has the code {} already", error.code));
                }
                declared.push(error);
            }
            Some(Read::WithoutCode(variant, field)) => without_code.push((variant, field)),
            None => {}
        }
    }
    let Some(general) = general(&without_code) else {
        faults.note(
            &input.ident,
            "what can happen to any call (no answer in time, a plugin that ended …) needs a variant too: add \
             `#[error(transparent)] Call(#[from] CallFailed)`",
        );
        return faults.or(TokenStream::new());
    };
    for (Variant { ident, .. }, _) in &without_code {
        if ident != general {
            faults.note(
                ident,
                "one variant is for what can happen to any call; the others need a `#[code(…)]`",
            );
        }
    }
    faults.or(())?;
    Ok(implementation(&input.ident, &declared, general))
}

/// A variant that the contract declares.
struct Declared<'a> {
    ident: &'a Ident,
    code: i64,
    message: String,
    data: ErrorData<'a>,
}

enum ErrorData<'a> {
    None,
    /// The one field.
    Value(&'a Field),
    /// An object of the named fields.
    Object(Vec<&'a Field>),
}

enum Read<'a> {
    Declared(Declared<'a>),
    /// With one field, and no code. One of these is for what can happen to any call.
    WithoutCode(&'a Variant, &'a Field),
}

/// Which variant is for what can happen to any call: the one that holds a `CallFailed`, wherever it stands. That may have
/// another name here, and then it is the one that is made of it, or the only one there is.
fn general<'a>(without_code: &[(&'a Variant, &'a Field)]) -> Option<&'a Ident> {
    let is_made_of_it = |field: &Field| field.attrs.iter().any(|attribute| attribute.path().is_ident("from"));
    let holds = without_code.iter().find(|(_, field)| is_named(&field.ty, "CallFailed"));
    let made = || without_code.iter().find(|(_, field)| is_made_of_it(field));
    holds.or_else(made).or(without_code.first()).map(|(variant, _)| &variant.ident)
}

impl<'a> Declared<'a> {
    fn read(variant: &'a Variant, faults: &mut Faults) -> Option<Read<'a>> {
        let Some(attribute) = variant.attrs.iter().find(|attribute| attribute.path().is_ident("code")) else {
            return match &variant.fields {
                Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                    Some(Read::WithoutCode(variant, &fields.unnamed[0]))
                }
                _ => {
                    let hint = "an error of a contract has a code: write `#[code(1)]` (any integer outside \
                                -32768 … -32000)";
                    faults.note(variant, hint);
                    None
                }
            };
        };
        let code = faults.take(read_code(attribute));
        let data = match &variant.fields {
            Fields::Unit => ErrorData::None,
            Fields::Named(fields) => ErrorData::Object(fields.named.iter().collect()),
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => ErrorData::Value(&fields.unnamed[0]),
            Fields::Unnamed(fields) => {
                faults.note(fields, "what has several parts is an object on the wire: name the fields");
                return None;
            }
        };
        Some(Read::Declared(Self {
            ident: &variant.ident,
            code: code?,
            message: message(variant, faults),
            data,
        }))
    }

    /// The members of an object, as a type of its own.
    fn data_type(&self) -> Option<TokenStream> {
        let ErrorData::Object(fields) = &self.data else { return None };
        let ident = self.data_ident();
        let types = (1..=fields.len()).map(|number| format_ident!("__T{number}"));
        let members = fields.iter().zip(types.clone()).map(|(field, ty)| {
            let (name, docs) = (&field.ident, field.attrs.iter().filter(|a| a.path().is_ident("doc")));
            quote!(#(#docs)* #name: #ty)
        });
        Some(quote! {
            #[derive(__plugline::serde::Serialize, __plugline::serde::Deserialize, __plugline::schemars::JsonSchema)]
            #[serde(crate = "::plugline_sdk::__private::serde")]
            #[schemars(crate = "::plugline_sdk::__private::schemars", inline)]
            struct #ident<#(#types),*> {
                #(#members),*
            }
        })
    }

    fn data_ident(&self) -> Ident {
        format_ident!("__{}Data", self.ident)
    }

    /// The type of the data, where there is any.
    fn owned(&self) -> Option<TokenStream> {
        match &self.data {
            ErrorData::None => None,
            ErrorData::Value(field) => {
                let ty = &field.ty;
                Some(quote!(#ty))
            }
            ErrorData::Object(fields) => {
                let (ident, types) = (self.data_ident(), fields.iter().map(|field| &field.ty));
                Some(quote!(#ident<#(#types),*>))
            }
        }
    }

    fn declaration(&self) -> TokenStream {
        let Self { ident, code, message, .. } = self;
        let name = ident.to_string();
        let data = match self.owned() {
            Some(ty) => quote!(::std::option::Option::Some(__plugline::schema_of::<#ty>(schemas))),
            None => quote!(::std::option::Option::None),
        };
        quote! {
            __plugline::DeclaredError {
                code: #code,
                name: ::std::string::String::from(#name),
                message: ::std::string::String::from(#message),
                data: #data,
            }
        }
    }

    /// An arm that makes the error on the wire of the variant.
    fn arm_to_wire(&self, message: &Ident) -> TokenStream {
        let Self { ident, code, .. } = self;
        match &self.data {
            ErrorData::None => {
                quote!(Self::#ident => __plugline::error(#code, #message, ::std::option::Option::None))
            }
            ErrorData::Value(_) => {
                quote!(Self::#ident(data) => __plugline::error_with(#code, #message, &data))
            }
            ErrorData::Object(fields) => {
                let (data, names) = (self.data_ident(), fields.iter().map(|field| &field.ident));
                let names: Vec<_> = names.collect();
                quote! {
                    Self::#ident { #(#names),* } => {
                        __plugline::error_with(#code, #message, &#data { #(#names: &#names),* })
                    }
                }
            }
        }
    }

    /// An arm that makes the variant of the error on the wire.
    fn arm_from_wire(&self) -> TokenStream {
        let Self { ident, code, .. } = self;
        let Some(ty) = self.owned() else {
            return quote!(::std::option::Option::Some(#code) => ::std::result::Result::Ok(Self::#ident));
        };
        let taken = match &self.data {
            ErrorData::Object(fields) => {
                let (data, names) = (self.data_ident(), fields.iter().map(|field| &field.ident));
                let names: Vec<_> = names.collect();
                quote!(|#data { #(#names),* }| Self::#ident { #(#names),* })
            }
            ErrorData::None | ErrorData::Value(_) => quote!(Self::#ident),
        };
        quote!(::std::option::Option::Some(#code) => failed.data::<#ty>().map(#taken))
    }
}

fn implementation(ident: &Ident, declared: &[Declared<'_>], general: &Ident) -> TokenStream {
    let types = declared.iter().filter_map(Declared::data_type);
    let declarations = declared.iter().map(Declared::declaration);
    // A field may have any name.
    let message = Ident::new("message", Span::mixed_site());
    let to_wire = declared.iter().map(|error| error.arm_to_wire(&message));
    let from_wire = declared.iter().map(Declared::arm_from_wire);
    quote! {
        #[allow(deprecated)]
        const _: () = {
            use ::plugline_sdk::__private as __plugline;

            #(#types)*

            #[automatically_derived]
            impl __plugline::ContractError for #ident {
                fn declared(schemas: &mut __plugline::schemars::SchemaGenerator) -> __plugline::ErrorSet {
                    __plugline::ErrorSet::Declared(::std::vec![#(#declarations),*])
                }

                fn into_error(self) -> __plugline::Error {
                    let #message = ::std::string::ToString::to_string(&self);
                    match self {
                        #(#to_wire,)*
                        Self::#general(failed) => __plugline::CallFailed::into_error(failed),
                    }
                }

                fn from_failed(failed: __plugline::CallFailed) -> Self {
                    let known = match failed.code() {
                        #(#from_wire,)*
                        _ => ::std::result::Result::Err(failed),
                    };
                    known.unwrap_or_else(Self::#general)
                }
            }
        };
    }
}

fn read_code(attribute: &Attribute) -> syn::Result<i64> {
    let expression: Expr = attribute.parse_args()?;
    let wrong = |hint: &str| syn::Error::new_spanned(&expression, hint);
    let digits = |literal: &LitInt| literal.base10_parse::<i64>();
    let code = match ungrouped_expr(&expression) {
        Expr::Lit(ExprLit { lit: Lit::Int(literal), .. }) => digits(literal)?,
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => match ungrouped_expr(expr) {
            Expr::Lit(ExprLit { lit: Lit::Int(literal), .. }) => -digits(literal)?,
            _ => return Err(wrong("a code is an integer: write `#[code(1)]`")),
        },
        _ => return Err(wrong("a code is an integer: write `#[code(1)]`")),
    };
    if (-32768..=-32000).contains(&code) {
        return Err(wrong(
            "-32768 … -32000 belong to JSON-RPC and to the protocol (ERR-6): choose another code",
        ));
    }
    Ok(code)
}

/// What the document says of the error: what `#[error("…")]` says, up to where it depends on the data.
fn message(variant: &Variant, faults: &mut Faults) -> String {
    let text =
        variant.attrs.iter().find(|attribute| attribute.path().is_ident("error")).and_then(|attribute| {
            let list = attribute.meta.require_list().ok()?;
            let literal = list.tokens.clone().into_iter().next()?;
            let text: syn::LitStr = syn::parse2(literal.into()).ok()?;
            let text = text.value();
            let fixed = text
                .split('{')
                .next()
                .unwrap_or_default()
                .trim_end_matches([' ', ':', ',', '(', '"', '`', '\'']);
            (!fixed.is_empty()).then(|| fixed.to_owned())
        });
    text.or_else(|| docs::description(&variant.attrs, faults)).unwrap_or_else(|| variant.ident.to_string())
}
