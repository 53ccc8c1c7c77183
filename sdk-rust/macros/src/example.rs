//! `#[example(…)]`: a real call, which stands in the document.

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, Expr, ExprMacro, Ident, LitStr, Token, parenthesized};

use crate::types::ungrouped_expr;

/// An example, as it is written.
pub(crate) struct Example {
    pub(crate) name: LitStr,
    pub(crate) params: Option<Expr>,
    pub(crate) input: Option<Expr>,
    pub(crate) output: Option<Expr>,
    pub(crate) result: Option<Expr>,
    pub(crate) error: Option<Expr>,
}

const HOW: &str = "an example is `#[example(name = \"…\", params = json!({…}), result = json!(…))]`, with `error = CODE` \
                   in place of `result` for a call that fails, and `input` or `output` `= json!([…])` for streams";

impl Example {
    pub(crate) fn read(attribute: &Attribute) -> syn::Result<Self> {
        let pairs = attribute
            .parse_args_with(syn::punctuated::Punctuated::<Pair, Token![,]>::parse_terminated)
            .map_err(|fault| Error::new(fault.span(), format!("{fault}; {HOW}")))?;
        let mut name = None;
        let [mut params, mut input, mut output, mut result, mut error] = [const { None }; 5];
        for Pair { key, value } in pairs {
            let place = match key.to_string().as_str() {
                "name" => &mut name,
                "params" => &mut params,
                "input" => &mut input,
                "output" => &mut output,
                "result" => &mut result,
                "error" => &mut error,
                other => return Err(Error::new(key.span(), format!("an example has no `{other}`: {HOW}"))),
            };
            if place.replace(value).is_some() {
                return Err(Error::new(key.span(), format!("`{key}` is given twice")));
            }
        }
        let Some(Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(name), .. })) =
            name.as_ref().map(ungrouped_expr)
        else {
            return Err(Error::new_spanned(attribute, format!("an example needs a name: {HOW}")));
        };
        if let (Some(_), Some(error)) = (&result, &error) {
            return Err(Error::new_spanned(error, "a call has a result or an error, not both"));
        }
        Ok(Self { name: name.clone(), params, input, output, result, error })
    }

    /// The names in `json!({…})`, where the params are written so.
    pub(crate) fn names(&self) -> Option<Vec<LitStr>> {
        let Some(params) = &self.params else { return Some(Vec::new()) };
        let Expr::Macro(ExprMacro { mac, .. }) = ungrouped_expr(params) else { return None };
        let object: Object = syn::parse2(mac.tokens.clone()).ok()?;
        Some(object.0)
    }
}

struct Pair {
    key: Ident,
    value: Expr,
}

impl Parse for Pair {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = input.parse()?;
        input.parse::<Token![=]>()?;
        Ok(Self { key, value: input.parse()? })
    }
}

/// `{"name": …, …}`, of which only the names count.
struct Object(Vec<LitStr>);

impl Parse for Object {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let content;
        syn::braced!(content in input);
        let mut names = Vec::new();
        while !content.is_empty() {
            // A name in parentheses is any expression; nobody knows which.
            if content.peek(syn::token::Paren) {
                let computed;
                parenthesized!(computed in content);
                return Err(computed.error("a name that is computed"));
            }
            names.push(content.parse()?);
            content.parse::<Token![:]>()?;
            while !content.is_empty() && !content.peek(Token![,]) {
                content.parse::<TokenTree>()?;
            }
            content.parse::<Option<Token![,]>>()?;
        }
        Ok(Self(names))
    }
}

/// The expression, with `json!` meaning the one that everybody has.
pub(crate) fn value(expression: &Expr) -> TokenStream {
    if let Expr::Macro(ExprMacro { mac, .. }) = ungrouped_expr(expression)
        && mac.path.is_ident("json")
    {
        let tokens = &mac.tokens;
        return quote::quote!(__plugline::json!(#tokens));
    }
    quote::quote!(#expression)
}
