//! A trait that a `macro_rules!` writes: what it was given arrives in groups of its own.

#![deny(warnings)]

use plugline_sdk::{CallFailed, ContractError, contract};

macro_rules! made {
    ($trait:ident, $error:ident, $name:literal, $version:expr, $docs:literal, $code:literal,
     $optional:ty, $borrowed:ty, $text:ty, $value:expr) => {
        #[doc = $docs]
        #[contract(name = $name, version = $version)]
        pub trait $trait: Send + Sync {
            #[example(name = $docs, params = $value, result = json!(null))]
            fn go(&self, #[name = $name] optional: $optional, borrowed: $borrowed, text: $text) -> Result<(), $error>;
        }

        #[derive(Debug, thiserror::Error, ContractError)]
        pub enum $error {
            #[error($docs)]
            #[code($code)]
            Known,
            #[error(transparent)]
            Call(#[from] CallFailed),
        }
    };
}

made!(Made, MadeError, "made", "1.0.0", "Of a macro.", -7, Option<u8>, &Vec<u8>, Option<&str>, json!({"borrowed": []}));

fn main() {
    let document = MadeContract::document();
    let method = &document.methods[0];
    assert_eq!(document.info.description.as_deref(), Some("Of a macro."));
    assert_eq!(method.examples[0].name, "Of a macro.");
    assert_eq!((method.errors[0].code, method.errors[0].message.as_str()), (-7, "Of a macro."));
    let mut params: Vec<_> = method.params.iter().map(|param| (param.name.as_str(), param.required)).collect();
    params.sort();
    assert_eq!(params, [("borrowed", true), ("made", false), ("text", false)]);
}
