//! Mistakes, collected: whoever wrote three is told of three.

use quote::ToTokens;
use syn::Error;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Faults(Option<Error>);

impl Faults {
    /// Notes a mistake at that place, and what to write instead.
    pub(crate) fn note(&mut self, at: &impl ToTokens, message: impl std::fmt::Display) {
        self.add(Error::new_spanned(at, message));
    }

    pub(crate) fn add(&mut self, fault: Error) {
        match &mut self.0 {
            Some(faults) => faults.combine(fault),
            none => *none = Some(fault),
        }
    }

    /// The value, or nothing where that is a mistake.
    pub(crate) fn take<T>(&mut self, outcome: syn::Result<T>) -> Option<T> {
        outcome.map_err(|fault| self.add(fault)).ok()
    }

    /// The value, where there were no mistakes.
    pub(crate) fn or<T>(self, value: T) -> syn::Result<T> {
        self.0.map_or(Ok(value), Err)
    }
}
