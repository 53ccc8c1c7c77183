//! What stands beside the trait: the contract as a type, the client, and what serves an implementation.
//!
//! Names that are this macro's own begin with two underscores or are local variables, which a user's names cannot meet;
//! types of the user's are named where the trait names them.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;
use syn::ext::IdentExt as _;

use crate::contract::Contract;
use crate::example::{self, Example};
use crate::method::{Kind, Method, Result};
use crate::param::{OWN_CONTEXT, Presence, Role};

/// Everything.
pub(crate) fn contract(contract: &Contract) -> TokenStream {
    let Contract { item, name, version, description, document, methods } = contract;
    let (visibility, interface) = (&item.vis, &item.ident);
    let contract_type = format_ident!("{interface}Contract");
    let client_type = format_ident!("{interface}Client");
    let contract_docs = format!("The contract `{name}` {version}, whose trait is [`{interface}`].");
    let client_docs = format!("[`{interface}`] over whoever provides the contract `{name}`.");
    let names = methods.iter().map(|method| {
        let Method { name, idempotent, .. } = method;
        quote!(__plugline::MethodInfo { name: #name, idempotent: #idempotent })
    });
    let count = methods.len();
    let streams = methods.iter().any(Method::has_streams);
    let description = option(description.as_ref());
    let context = context_is_the_sdks(methods);
    let params = methods.iter().filter_map(params_struct);
    let abouts = methods.iter().map(about);
    let calls = methods.iter().enumerate().map(|(index, method)| client_method(interface, method, index));
    let held = document.is_some().then_some(&contract_type);
    let served =
        methods.iter().enumerate().map(|(index, method)| served_method(interface, method, index, held));
    let original = document.as_ref().map(|text| {
        quote! {
            fn original() -> ::std::option::Option<&'static dyn __plugline::Original> {
                static ORIGINAL: ::std::sync::LazyLock<__plugline::Written> =
                    ::std::sync::LazyLock::new(|| ::plugline_sdk::__written!(#text));
                ::std::option::Option::Some(&*ORIGINAL)
            }
        }
    });
    let over = match held {
        Some(contract_type) => quote!(held::<#contract_type>),
        None => quote!(over),
    };
    let (missing, label) = (
        format!("`{{Self}}` does not provide the contract `{name}`: it does not implement `{interface}`"),
        format!("has to implement `{interface}`"),
    );
    quote! {
        #[diagnostic::on_unimplemented(message = #missing, label = #label)]
        #item

        #[doc = #contract_docs]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #visibility struct #contract_type;

        #[doc = #client_docs]
        #[derive(Debug, Clone)]
        #[allow(deprecated)]
        #visibility struct #client_type(::plugline_sdk::__private::Link<dyn #interface>);

        #[automatically_derived]
        impl #contract_type {
            /// The contract's name.
            pub const NAME: &'static str = #name;
            /// The contract's version.
            pub const VERSION: &'static str = #version;

            /// The contract as an OpenRPC document.
            pub fn document() -> ::plugline_sdk::__private::Document {
                <Self as ::plugline_sdk::__private::Contract>::document()
            }
        }

        // A deprecated method is served, and called by the client, as long as it is there.
        #[allow(deprecated)]
        const _: () = {
            use ::plugline_sdk::__private as __plugline;

            static __METHODS: [__plugline::MethodInfo; #count] = [#(#names),*];

            #context

            #(#params)*

            #[automatically_derived]
            impl __plugline::Contract for #contract_type {
                const NAME: &'static str = #name;
                const VERSION: &'static str = #version;
                const STREAMS: bool = #streams;
                const METHODS: &'static [__plugline::MethodInfo] = &__METHODS;
                type Interface = dyn #interface;

                fn description() -> ::std::option::Option<&'static str> {
                    #description
                }

                fn methods() -> ::std::vec::Vec<__plugline::About> {
                    ::std::vec![#(#abouts),*]
                }

                #original
            }

            #[automatically_derived]
            impl __plugline::Client for #client_type {
                type Contract = #contract_type;

                fn over(caller: ::std::sync::Arc<dyn __plugline::Caller>) -> Self {
                    Self(__plugline::Link::#over(caller))
                }

                fn of(implementation: ::std::sync::Arc<dyn #interface>) -> Self {
                    Self(__plugline::Link::Here(implementation))
                }
            }

            #[automatically_derived]
            impl #interface for #client_type {
                #(#calls)*
            }

            #[automatically_derived]
            impl<__S: #interface + 'static> __plugline::Serve<__S> for #contract_type {
                fn served() -> ::std::vec::Vec<__plugline::Served<__S>> {
                    ::std::vec![#(#served),*]
                }
            }
        };
    }
}

fn option(text: Option<&String>) -> TokenStream {
    match text {
        Some(text) => quote!(::std::option::Option::Some(#text)),
        None => quote!(::std::option::Option::None),
    }
}

/// Has the compiler look whether `Context`, without a path, is the SDK's. A macro sees the name alone, and of another
/// type the compiler would say only that it expected `Context` and found `Context`.
fn context_is_the_sdks(methods: &[Method]) -> Option<TokenStream> {
    let mut contexts =
        methods.iter().flat_map(|method| &method.params).filter_map(|param| match &param.role {
            Role::Context(path) => Some(path),
            Role::Input(_) | Role::Member(_) => None,
        });
    let context = contexts.find(|path| path.segments.len() == 1)?;
    let message = format!("this is not the SDK's `Context`. {OWN_CONTEXT}");
    Some(quote! {
        #[diagnostic::on_unimplemented(message = #message, label = "a `&Context` is what a method knows of its call")]
        trait __IsContext {}
        impl __IsContext for __plugline::Context {}
        const fn __is_context<__T: __IsContext>() {}
        const _: () = __is_context::<#context>();
    })
}

/// The params object, generic over what its members are: references where it is sent, what they point at where it has
/// arrived. None where there are no params.
fn params_struct(method: &Method) -> Option<TokenStream> {
    let (ident, types) = params_type(method)?;
    let members = method.members().zip(&types).map(|((ident, member), ty)| {
        let name = &member.name;
        match member.presence {
            Presence::Required => quote!(#[serde(rename = #name)] #ident: #ty),
            Presence::Optional => quote! {
                #[serde(rename = #name, skip_serializing_if = "::std::option::Option::is_none")]
                #ident: ::std::option::Option<#ty>
            },
        }
    });
    Some(quote! {
        #[derive(__plugline::serde::Serialize, __plugline::serde::Deserialize)]
        #[serde(crate = "::plugline_sdk::__private::serde")]
        struct #ident<#(#types),*> {
            #(#members),*
        }
    })
}

fn params_type(method: &Method) -> Option<(Ident, Vec<Ident>)> {
    let types: Vec<Ident> =
        (1..=method.members().count()).map(|number| format_ident!("__T{number}")).collect();
    (!types.is_empty()).then(|| (format_ident!("__{}Params", camel(&method.ident)), types))
}

/// `get_user` as `Get0User`: what differs in its underscores alone differs still.
fn camel(ident: &Ident) -> String {
    let upper = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
            .unwrap_or_default()
    };
    ident.unraw().to_string().split('_').map(upper).collect::<Vec<_>>().join("0")
}

/// What the document says of a method.
fn about(method: &Method) -> TokenStream {
    let Method { name, description, idempotent, deprecated, .. } = method;
    let description = match description {
        Some(text) => quote!(::std::option::Option::Some(::std::string::String::from(#text))),
        None => quote!(::std::option::Option::None),
    };
    let params = method.members().map(|(_, member)| {
        let (name, description, ty) = (&member.name, option(member.description.as_ref()), member.declared());
        let presence = match member.presence {
            Presence::Required => quote!(Required),
            Presence::Optional => quote!(Optional),
        };
        quote! {
            __plugline::ParamOf {
                name: #name,
                description: #description,
                schema: __plugline::schema_of::<#ty>,
                presence: __plugline::Presence::#presence,
            }
        }
    });
    let some_schema = |ty: TokenStream| quote!(::std::option::Option::Some(__plugline::schema_of::<#ty>));
    let none = quote!(::std::option::Option::None);
    let (result, output, error) = match &method.kind {
        Kind::Call { result: Result::Value(ty), error } => {
            (some_schema(quote!(#ty)), none.clone(), Some(error))
        }
        Kind::Call { result: Result::Items { item, summary }, error } => {
            let summary = summary.as_ref().map_or_else(|| quote!(()), |summary| quote!(#summary));
            (some_schema(summary), some_schema(quote!(#item)), Some(error))
        }
        Kind::Notification { .. } => (none.clone(), none.clone(), None),
    };
    let input = method.input().map_or_else(|| none.clone(), |(_, item)| some_schema(quote!(#item)));
    let errors = match error {
        Some(error) => quote!(__plugline::ErrorsOf::Type(<#error as __plugline::ContractError>::declared)),
        None => quote!(__plugline::ErrorsOf::Listed(::std::default::Default::default())),
    };
    let examples = method.examples.iter().map(example);
    quote! {
        __plugline::About {
            name: ::std::string::String::from(#name),
            description: #description,
            params: __plugline::ParamsOf::Each(::std::vec![#(#params),*]),
            result: #result,
            output: #output,
            input: #input,
            errors: #errors,
            idempotent: #idempotent,
            deprecated: #deprecated,
            examples: ::std::vec![#(#examples),*],
        }
    }
}

fn example(example: &Example) -> TokenStream {
    let name = &example.name;
    let params = example.params.as_ref().map_or_else(|| quote!(__plugline::json!({})), example::value);
    let part = |method: &str, value: Option<TokenStream>| {
        let method = format_ident!("{method}");
        value.map(|value| quote!(.#method(#value)))
    };
    let list = |items: &syn::Expr| {
        let items = example::value(items);
        quote!(__plugline::list(#items))
    };
    let parts = [
        part("takes", example.input.as_ref().map(list)),
        part("gives", example.output.as_ref().map(list)),
        part("returns", example.result.as_ref().map(example::value)),
        part("fails", example.error.as_ref().map(|code| quote!(#code))),
    ];
    let parts = parts.iter().flatten();
    quote!(__plugline::Example::new(#name, #params)#(#parts)*)
}

/// A method of the client.
fn client_method(interface: &Ident, method: &Method, index: usize) -> TokenStream {
    let (signature, ident) = (&method.item.sig, &method.ident);
    let arguments = method.params.iter().map(|param| &param.ident);
    let index = Literal::usize_unsuffixed(index);
    let sent = match params_type(method) {
        Some((params, _)) => {
            let members = method.members().map(|(ident, member)| member.sent(ident));
            quote!(&#params { #(#members),* })
        }
        None => quote!(&()),
    };
    let context = match method.context() {
        Some(context) => quote!(::std::option::Option::Some(#context)),
        None => quote!(::std::option::Option::None),
    };
    let call = match (&method.kind, method.input()) {
        (Kind::Notification { error: None }, _) => quote!(tell(&__METHODS[#index], #sent)),
        (Kind::Notification { error: Some(_) }, _) => quote!(notify(&__METHODS[#index], #sent)),
        (Kind::Call { result: Result::Value(_), .. }, None) => {
            quote!(call(&__METHODS[#index], #context, #sent))
        }
        (Kind::Call { result: Result::Items { .. }, .. }, None) => {
            quote!(items(&__METHODS[#index], #context, #sent))
        }
        (Kind::Call { result: Result::Value(_), .. }, Some((input, _))) => {
            quote!(call_with_input(&__METHODS[#index], #context, #sent, #input))
        }
        (Kind::Call { result: Result::Items { .. }, .. }, Some((input, _))) => {
            quote!(items_with_input(&__METHODS[#index], #context, #sent, #input))
        }
    };
    let this = signature.receiver().map(|receiver| receiver.self_token);
    // A param may have any name, so those that are not the user's are seen by this code alone.
    let body = quote_spanned! {Span::mixed_site()=>
        match &#this.0 {
            __plugline::Link::Here(here) => #interface::#ident(&**here, #(#arguments),*),
            __plugline::Link::There(there) => there.#call,
        }
    };
    quote!(#signature { #body })
}

/// What serves a method. `held` is the contract, where it has a document that values are held to.
fn served_method(interface: &Ident, method: &Method, index: usize, held: Option<&Ident>) -> TokenStream {
    let (ident, wire) = (&method.ident, &method.name);
    let index = Literal::usize_unsuffixed(index);
    let (pattern, decoded) = match params_type(method) {
        Some((params, _)) => {
            let members = method.members().map(|(ident, _)| ident);
            let types = method.members().map(|(_, member)| &member.owned);
            (quote!(#params { #(#members),* }), quote!(#params<#(#types),*>))
        }
        None => (quote!(()), quote!(())),
    };
    let site = Span::mixed_site();
    let [this, call, params, into] = ["this", "call", "params", "into"].map(|name| Ident::new(name, site));
    let arguments = method.params.iter().map(|param| match &param.role {
        Role::Context(_) => quote!(&__plugline::Context::of(#call)),
        Role::Input(_) => match held {
            Some(contract) => quote!(__plugline::input_held::<#contract, _>(#wire, #call)?),
            None => quote!(__plugline::input(#call)?),
        },
        Role::Member(member) => member.passed(&param.ident),
    });
    let called = quote!(<__S as #interface>::#ident(#this, #(#arguments),*));
    let taken = held.map(|contract| {
        quote!(__plugline::taken::<#contract>(#wire, __plugline::Subject::Params, #params.get())?;)
    });
    let decode = quote! {
        #taken
        let #pattern = #params.decode::<#decoded>()?;
    };
    if let Kind::Notification { error } = &method.kind {
        let outcome = match error {
            None => quote! {
                #called;
                ::std::result::Result::Ok(())
            },
            Some(_) => quote!(#called.map_err(__plugline::ContractError::into_error)),
        };
        return quote! {
            __plugline::Served::notification(&__METHODS[#index], |#this, #params| {
                #decode
                #outcome
            })
        };
    }
    let streams_out = matches!(method.kind, Kind::Call { result: Result::Items { .. }, .. });
    let answer = match (streams_out, held) {
        (true, None) => quote!(__plugline::answer_items(#call, #called, #into)),
        (false, None) => quote!(__plugline::answer(#called, #into)),
        (true, Some(contract)) => {
            quote!(__plugline::answer_items_held::<#contract, _, _, _>(#wire, #call, #called, #into))
        }
        (false, Some(contract)) => quote!(__plugline::answer_held::<#contract, _, _>(#wire, #called, #into)),
    };
    let uses_call = streams_out || method.params.iter().any(|param| !matches!(param.role, Role::Member(_)));
    let call = if uses_call { quote!(#call) } else { quote!(_) };
    quote! {
        __plugline::Served::request(
            &__METHODS[#index],
            |#this, #params, #call, #into| {
                #decode
                #answer
            },
            |#params| {
                #taken
                #params.decode::<#decoded>().map(::std::mem::drop)
            },
        )
    }
}
