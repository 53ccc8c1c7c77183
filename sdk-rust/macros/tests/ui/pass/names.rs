//! Names that the generated code uses too, and names that are keywords.

#![deny(warnings)]

use std::sync::Arc;

use plugline_sdk::{CallFailed, Client, Context, ContractError, Items, contract};

mod std_like {
    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    pub struct Option;
}

#[contract(name = "dotted.name_2", version = "1.0.0-rc.1+build.5")]
pub trait Names: Send + Sync + std::fmt::Debug + 'static {
    fn r#match(&self, r#type: &str, r#fn: Option<&[u8]>) -> Result<u8, NamesError>;
    fn clone(&self, this: u8, call: u8, params: u8, here: u8, there: u8, implementation: u8) -> Result<u8, NamesError>;
    fn over(&self, context: &Context, attempt: std_like::Option) -> Result<(), NamesError>;
    fn of(&self, call: Items<u8, CallFailed>, context: &Context, params: u8) -> Result<Items<u8, NamesError>, NamesError>;
    #[notification]
    fn tell(&self, message: String, data: Vec<u8>);
    #[name = "size.of_2"]
    fn größe(&self, #[name = "größe (in m²)"] wert: u8, #[name = "wert"] other: u8) -> Result<u8, NamesError>;
    #[allow(unused)]
    #[must_use]
    fn default_body(&self) -> Result<u8, NamesError> {
        Ok(7)
    }
}

#[derive(Debug, thiserror::Error, ContractError)]
pub enum NamesError {
    #[error("{message} {data} {failed} {schemas}")]
    #[code(-1)]
    Message { message: String, data: u8, failed: bool, schemas: u8 },
    /// By its documentation.
    #[error("{0:?}")]
    #[code(2147483648)]
    Data(Vec<String>),
    #[error(transparent)]
    Call(#[from] CallFailed),
}

#[derive(Debug)]
struct Here;

impl Names for Here {
    fn r#match(&self, r#type: &str, _: Option<&[u8]>) -> Result<u8, NamesError> {
        u8::try_from(r#type.len()).map_err(|_| NamesError::Data(vec![r#type.to_owned()]))
    }
    fn clone(&self, this: u8, _: u8, _: u8, _: u8, _: u8, _: u8) -> Result<u8, NamesError> {
        Ok(this)
    }
    fn over(&self, _: &Context, _: std_like::Option) -> Result<(), NamesError> {
        Ok(())
    }
    fn of(&self, call: Items<u8, CallFailed>, _: &Context, _: u8) -> Result<Items<u8, NamesError>, NamesError> {
        Ok(Items::new(call.map(|item| Ok(item?))))
    }
    fn tell(&self, _: String, _: Vec<u8>) {}
    fn größe(&self, wert: u8, _: u8) -> Result<u8, NamesError> {
        Ok(wert)
    }
}

fn main() {
    let client = <NamesClient as Client>::of(Arc::new(Here));
    assert_eq!(client.r#match("abc", None).unwrap(), 3);
    assert_eq!(Names::clone(&client, 1, 2, 3, 4, 5, 6).unwrap(), 1);
    assert_eq!(client.default_body().unwrap(), 7);
    assert_eq!(client.größe(1, 2).unwrap(), 1);
    let document = NamesContract::document();
    let method = document.methods.iter().find(|method| method.name == "dotted.name_2.size.of_2").unwrap();
    assert_eq!([&method.params[0].name, &method.params[1].name], ["größe (in m²)", "wert"]);
    assert_eq!(document.methods[0].name, "dotted.name_2.match");
    assert_eq!(document.methods[0].params[0].name, "type");
}
