//! A contract as a Rust trait. To be used through `plugline_sdk`, which the generated code names.
//!
//! ```
//! use plugline_sdk::{CallFailed, Client as _, ContractError, contract};
//! use std::sync::Arc;
//!
//! /// Keeps stock.
//! #[contract(name = "stock", version = "1.0.0")]
//! pub trait Stock: Send + Sync {
//!     /// How many there are.
//!     #[idempotent]
//!     #[example(name = "nothing of that", params = json!({"article": "unicorn"}), error = 1)]
//!     fn count(&self, article: &str) -> Result<u32, StockError>;
//!
//!     /// Takes some away.
//!     fn take(&self, article: &str, count: u32) -> Result<(), StockError>;
//! }
//!
//! #[derive(Debug, thiserror::Error, ContractError)]
//! pub enum StockError {
//!     #[error("there is no such article")]
//!     #[code(1)]
//!     Unknown,
//!     #[error("there are not enough: {left}")]
//!     #[code(2)]
//!     NotEnough { left: u32 },
//!     #[error(transparent)]
//!     Call(#[from] CallFailed),
//! }
//!
//! struct Warehouse;
//!
//! impl Stock for Warehouse {
//!     fn count(&self, article: &str) -> Result<u32, StockError> {
//!         if article == "nail" { Ok(12) } else { Err(StockError::Unknown) }
//!     }
//!
//!     fn take(&self, article: &str, count: u32) -> Result<(), StockError> {
//!         let left = self.count(article)?;
//!         if count <= left { Ok(()) } else { Err(StockError::NotEnough { left }) }
//!     }
//! }
//!
//! // Whoever works with the contract has a `dyn Stock`: this one is within the process, another is a plugin's.
//! let stock: Arc<dyn Stock> = Arc::new(Warehouse);
//! assert_eq!(stock.count("nail")?, 12);
//! let stock: Arc<dyn Stock> = Arc::new(StockClient::of(stock));
//! assert!(matches!(stock.take("nail", 13), Err(StockError::NotEnough { left: 12 })));
//!
//! // What it says of itself.
//! let document = StockContract::document();
//! assert_eq!(document.methods[0].description.as_deref(), Some("How many there are."));
//!
//! // Serving it: `Plugin::new(…).contract(StockContract)`, where the state is a `Warehouse`.
//! # Ok::<(), StockError>(())
//! ```
//!
//! - `contract.rs`, `method.rs`, `param.rs`, `name.rs`, `docs.rs`, `example.rs`: the trait, read and checked. Every
//!   mistake is told with what to write instead (`tests/ui/`).
//! - `generate.rs`: what stands beside the trait.
//! - `error.rs`: the error enum.
#![forbid(unsafe_code)]

mod contract;
mod docs;
mod error;
mod example;
mod faults;
mod generate;
mod method;
mod name;
mod param;
mod types;

use proc_macro::TokenStream;
use syn::{DeriveInput, ItemTrait, parse_macro_input};

/// Makes a trait a contract: `#[contract(name = "users", version = "1.0.0")]`.
///
/// Beside `trait Users` it puts
///
/// - `UsersClient`, which implements `Users` over a plugin (`plugin.client::<UsersClient>()` of a host), or over the
///   host of a plugin (`context.client::<UsersClient>()`);
/// - `UsersContract`, by which the contract is named: `Plugin::contract(UsersContract)` serves any implementation, and
///   `UsersContract::document()` is the contract as an OpenRPC document.
///
/// # Methods
///
/// `fn name(&self, params…) -> Result<T, E>`. Their names are `<contract>.<name>` on the wire, their doc comments (up to
/// the first heading) their descriptions, the types their schemas. The trait stays as it is otherwise; so it has the
/// types of any trait, and `dyn Users` is one.
///
/// - **Params** are passed by value or by reference (`&T`, `&str`, `&[T]`). `Option` makes one that may be left out. A
///   doc comment at a param describes it. A `&Context` is no param of the wire: it is what the method may know of its
///   call, and how its caller limits and cancels it. A type of your own with that name is written with its path, such as
///   `self::Context`.
/// - **Errors**: `E` derives [`ContractError`](macro@ContractError).
/// - **Streams**: `Items<T, E>` within the result is an output stream, `Items<T, CallFailed>` among the params an input
///   stream. `Items<T, E, S>` has a summary. Of an output stream behind a connection, an error with which the method
///   answers is the first item.
/// - `#[notification]`: nothing comes back, so the method returns nothing, or a `Result<(), E>`, with which its sender
///   learns whether it was sent.
/// - `#[name = "…"]`, at a method or a param: its name on the wire, where that is no name of Rust.
/// - `#[idempotent]`: a second call does no more than the first, so it may be made again where the answer was lost.
/// - `#[deprecated]`: the manifest says so too, and its description what the attribute says: `#[deprecated = "use get_user"]`.
/// - `#[example(name = "…", params = json!({…}), result = json!(…))]`, or `error = CODE`; of streams, `input = json!([…])`
///   and `output = json!([…])`. Real calls, for the document, that hold for whoever provides the contract.
///
/// # A document that was there first
///
/// `#[contract(name = …, version = …, document = TEXT)]` is a contract that was written as an OpenRPC document, and whose
/// trait was made of it: so `plugline contract gen rust` writes it. What is declared is what stands in the document, with
/// its examples, and all that passes is held to its schemas, on both sides: params that they do not let through are
/// answered -32602 with every fault, a result of that kind -32603; a client sends nothing of the kind. It needs the
/// feature `validate` of `plugline-sdk`.
#[proc_macro_attribute]
pub fn contract(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(arguments with contract::Arguments::parse_terminated);
    let item = parse_macro_input!(item as ItemTrait);
    match contract::Contract::read(arguments, item) {
        Ok(contract) => generate::contract(&contract).into(),
        Err(fault) => fault.into_compile_error().into(),
    }
}

/// Makes an enum the errors of a contract's methods.
///
/// Each variant has a `#[code(…)]`, an integer outside -32768 … -32000. Its named fields are the members of the error's
/// data, an unnamed one is the data itself. One variant more has no code and holds what can happen to any call:
/// `#[error(transparent)] Call(#[from] CallFailed)`.
#[proc_macro_derive(ContractError, attributes(code))]
pub fn contract_error(item: TokenStream) -> TokenStream {
    let input = parse_macro_input!(item as DeriveInput);
    error::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
