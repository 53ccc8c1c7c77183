//! A contract as a type, and the types that belong to it.

use std::fmt;
use std::sync::Arc;

use schemars::Schema;
use serde_json::Map;

use super::caller::{Caller, MethodInfo};
use super::original::{self, Original};
use super::remote::Remote;
use super::serving::Served;
use crate::contract::{About, Document, Draft, Info, Instances};
use crate::lifecycle::Provided;

/// A contract. Implemented, beside its trait, by what `#[contract]` generates.
pub trait Contract: 'static {
    /// Its name, the first part of its methods' names.
    const NAME: &'static str;
    /// Its version, by semver.
    const VERSION: &'static str;
    /// Whether any of its methods has a stream, so that only a plugin can provide it.
    const STREAMS: bool;
    /// Its methods, in the order of the trait.
    const METHODS: &'static [MethodInfo];
    /// `dyn` its trait.
    type Interface: ?Sized + Send + Sync + 'static;

    /// What it is for.
    fn description() -> Option<&'static str>;

    /// What is said of its methods, in the same order.
    fn methods() -> Vec<About>;

    /// The document that it was written in before there was a trait. It is declared as it stands there, and all that
    /// passes is held to it. A contract that is a trait first has none.
    fn original() -> Option<&'static dyn Original> {
        None
    }

    /// The contract alone, as an OpenRPC document: that of a plugin which provides it and nothing else.
    fn document() -> Document {
        if let Some(original) = Self::original() {
            return original::alone::<Self>(original);
        }
        let methods = Self::methods();
        Draft {
            info: Info {
                title: Self::NAME.to_owned(),
                version: Self::VERSION.to_owned(),
                description: Self::description().map(str::to_owned),
                other: Map::new(),
            },
            provides: vec![Provided {
                contract: Self::NAME.to_owned(),
                version: Self::VERSION.to_owned(),
                types: Vec::new(),
            }],
            requires: Vec::new(),
            methods: methods.iter().collect(),
            host_methods: Vec::new(),
            config: |_| Schema::default(),
            instances: Instances::Many,
        }
        .document()
    }
}

/// A contract that implementations of type `S` can serve: all that implement its trait.
pub trait Serve<S: ?Sized>: Contract {
    /// What serves each of its methods, in the order of [`Contract::methods`].
    fn served() -> Vec<Served<S>>;
}

/// A type that implements a contract's trait over whoever provides it.
pub trait Client: Sized {
    /// The contract.
    type Contract: Contract;

    /// The client of what that caller reaches.
    fn over(caller: Arc<dyn Caller>) -> Self;

    /// The client of an implementation within this process, which it calls as it is.
    fn of(implementation: Arc<<Self::Contract as Contract>::Interface>) -> Self;
}

/// Where a client's calls go.
pub enum Link<T: ?Sized> {
    /// To an implementation in this process.
    Here(Arc<T>),
    /// To one behind a connection.
    There(Remote),
}

impl<T: ?Sized> Link<T> {
    /// To what that caller reaches.
    pub fn over(caller: Arc<dyn Caller>) -> Self {
        Self::There(Remote::new(caller, None))
    }

    /// The same, held to the document that the contract was written in.
    pub fn held<C: Contract>(caller: Arc<dyn Caller>) -> Self {
        Self::There(Remote::new(caller, C::original()))
    }
}

impl<T: ?Sized> Clone for Link<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Here(here) => Self::Here(Arc::clone(here)),
            Self::There(there) => Self::There(there.clone()),
        }
    }
}

impl<T: ?Sized> fmt::Debug for Link<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Here(_) => "Here",
            Self::There(_) => "There",
        })
    }
}
