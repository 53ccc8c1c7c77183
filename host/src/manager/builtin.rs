//! Built-ins: what a host implements itself, through the same traits as plugins do. A call of one is a direct call.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use plugline_protocol::typed::Contract;
use plugline_protocol::wire::without_value;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Makes an implementation of a contract from its config.
type Make<I> = dyn Fn(Value) -> Result<Arc<I>, String> + Send + Sync;

/// What a host implements itself, by name.
#[derive(Default)]
pub(crate) struct BuiltIns {
    by_name: BTreeMap<String, BuiltIn>,
    /// Those that were made, by the name under which the host knows them: like a plugin, each is there once.
    made: Mutex<HashMap<(String, TypeId), Box<dyn Any + Send>>>,
}

#[derive(Default)]
struct BuiltIn {
    /// By the type of the contract; each a [`Make`] of its interface.
    contracts: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
    /// The names of the contracts.
    names: Vec<&'static str>,
}

impl BuiltIns {
    /// Has a name mean an implementation of a contract; another one of the same contract takes its place.
    pub(crate) fn add<C, P, E>(
        &mut self,
        name: String,
        make: impl Fn(P) -> Result<Arc<C::Interface>, E> + Send + Sync + 'static,
    ) where
        C: Contract,
        P: DeserializeOwned,
        E: Display,
    {
        let make: Box<Make<C::Interface>> = Box::new(move |config| {
            let config = serde_path_to_error::deserialize(config).map_err(|fault| {
                let at = fault.path().to_string();
                format!("its config at {at}: {}", without_value(fault.inner()))
            })?;
            make(config).map_err(|fault| fault.to_string())
        });
        let entry = self.by_name.entry(name).or_default();
        if entry.contracts.insert(TypeId::of::<C>(), Box::new(make)).is_none() {
            entry.names.push(C::NAME);
        }
    }

    /// The names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The contracts of a name, if it is one.
    pub(crate) fn contracts(&self, name: &str) -> Option<&[&'static str]> {
        self.by_name.get(name).map(|it| &*it.names)
    }

    /// The implementation that a name means, which is made on first use. `known_as` is what the host calls it.
    pub(crate) fn get<C: Contract>(
        &self,
        name: &str,
        known_as: &str,
        config: impl FnOnce() -> Result<Value, String>,
    ) -> Result<Arc<C::Interface>, String> {
        let id = TypeId::of::<C>();
        let make = self.by_name.get(name).and_then(|it| it.contracts.get(&id));
        let make = make.and_then(|make| make.downcast_ref::<Box<Make<C::Interface>>>());
        let make = make.ok_or_else(|| format!("it does not provide {}", C::NAME))?;
        let key = (known_as.to_owned(), id);
        // Held while it is made: however many ask, one is.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let known = made.get(&key).and_then(|made| made.downcast_ref::<Arc<C::Interface>>());
        if let Some(known) = known {
            return Ok(Arc::clone(known));
        }
        let fresh = make(config()?)?;
        made.insert(key, Box::new(Arc::clone(&fresh)));
        Ok(fresh)
    }

    /// Lets go of those that were made.
    pub(crate) fn forget(&self) {
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        // What they do as they are dropped, they do without the lock.
        drop(made);
    }
}
