//! What is run and judged: a case with one set of values.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::{Allowance, Case, Level, Need, Variant};
use crate::plugin::Target;
use crate::value::Scope;

/// A case with one set of values.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The case.
    pub case: Arc<Case>,
    /// The variant; a case without any has none.
    pub variant: Option<(String, Variant)>,
}

impl Trial {
    /// Each variant of a case, or the case itself.
    #[must_use]
    pub fn all_of(case: &Arc<Case>) -> Vec<Self> {
        if case.variants.is_empty() {
            return vec![Self { case: Arc::clone(case), variant: None }];
        }
        let variants = case.variants.iter();
        variants
            .map(|(name, variant)| Self {
                case: Arc::clone(case),
                variant: Some((name.clone(), variant.clone())),
            })
            .collect()
    }

    fn own<T>(&self, of: impl Fn(&Variant) -> Option<T>) -> Option<T> {
        self.variant.as_ref().and_then(|(_, variant)| of(variant))
    }

    /// `FR-03/u2028`, or `CX-04`.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.variant {
            Some((variant, _)) => format!("{}/{variant}", self.case.id),
            None => self.case.id.clone(),
        }
    }

    /// What a correct implementation does.
    #[must_use]
    pub fn title(&self) -> String {
        self.own(|variant| variant.title.clone()).unwrap_or_else(|| self.case.title.clone())
    }

    /// How much it counts, for whom every MUST binds.
    #[must_use]
    pub fn level(&self) -> Level {
        self.own(|variant| variant.level).unwrap_or(self.case.level)
    }

    /// The requirements.
    #[must_use]
    pub fn spec(&self) -> Vec<String> {
        self.own(|variant| variant.spec.clone()).unwrap_or_else(|| self.case.spec.clone())
    }

    /// What to look at.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        let own = self.variant.as_ref().and_then(|(_, variant)| variant.hint.as_deref());
        own.or(self.case.hint.as_deref())
    }

    /// What it needs.
    #[must_use]
    pub fn needs(&self) -> Vec<Need> {
        let mut needs = self.case.needs.clone();
        needs.extend(self.own(|variant| Some(variant.needs.clone())).unwrap_or_default());
        needs
    }

    /// The mutants that it finds out.
    #[must_use]
    pub fn kills(&self) -> Vec<String> {
        let mut kills = self.case.kills.clone();
        kills.extend(self.own(|variant| Some(variant.kills.clone())).unwrap_or_default());
        kills
    }

    /// The general rules that it suspends.
    #[must_use]
    pub fn allows(&self) -> &[Allowance] {
        &self.case.allows
    }

    /// The variant's values.
    #[must_use]
    pub fn with(&self) -> Map<String, Value> {
        self.own(|variant| Some(variant.with.clone())).unwrap_or_default()
    }

    /// What names stand for when it begins.
    pub(crate) fn scope(&self, target: &Target) -> Scope {
        let mut scope = target.scope.clone();
        for (name, value) in self.with() {
            scope.set(name, value);
        }
        scope
    }
}
