//! The cases that the suite has, with what counts: read once, and checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::model::{Case, Side};
use crate::trial::Trial;

mod files {
    include!(concat!(env!("OUT_DIR"), "/files.rs"));
}

/// The suite's own data cannot be used: a fault of the suite.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {fault}")]
pub struct LibraryFault {
    /// The file.
    pub path: String,
    /// What is wrong with it.
    pub fault: String,
}

/// What the suite has.
#[derive(Debug, Clone)]
pub struct Library {
    /// Every case, by id.
    pub cases: BTreeMap<String, Arc<Case>>,
    /// What counts.
    pub requirements: Requirements,
}

/// A frozen set of requirements: `requirements/1.0.yaml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirements {
    /// Its version.
    pub version: String,
    /// The requirements of `protocol/SPEC.md`.
    pub requirements: BTreeMap<String, Requirement>,
    /// The cases that count. Later ones run, and count in a later set.
    pub cases: Vec<String>,
    /// Requirements that no case can judge, and why.
    #[serde(default)]
    pub beyond: BTreeMap<String, String>,
}

/// A requirement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Whom it binds: `plugin`, `host`, `both`, `sender`, `receiver`.
    pub binds: String,
    /// How strong it is: `must`, `should`, `may`.
    pub strength: String,
    /// Whether it is marked †: a SHOULD for a minimal plugin.
    #[serde(default)]
    pub dagger: bool,
}

/// A file of the suite by its path within the crate.
pub(crate) fn file(path: &str) -> Option<&'static [u8]> {
    files::FILES.iter().find(|(name, _)| *name == path).map(|(_, bytes)| *bytes)
}

/// Reads a YAML file of ours.
pub(crate) fn yaml<T: serde::de::DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, LibraryFault> {
    let fault = |fault: String| LibraryFault { path: path.to_owned(), fault };
    let text = std::str::from_utf8(bytes).map_err(|error| fault(error.to_string()))?;
    from_yaml(text).map_err(fault)
}

/// YAML 1.2: `no` is a text. JSON is YAML.
pub(crate) fn from_yaml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())
}

impl Library {
    /// All that was built in.
    ///
    /// # Errors
    /// A file that is malformed.
    pub fn load() -> Result<Self, LibraryFault> {
        let mut cases = BTreeMap::new();
        for (path, bytes) in files::FILES {
            if !(path.starts_with("cases/") && path.ends_with(".yaml")) {
                continue;
            }
            let case: Case = yaml(path, bytes)?;
            let named = path.rsplit('/').next().and_then(|name| name.strip_suffix(".yaml"));
            if named != Some(&case.id) {
                return Err(LibraryFault {
                    path: (*path).to_owned(),
                    fault: format!("it holds the case {}", case.id),
                });
            }
            cases.insert(case.id.clone(), Arc::new(case));
        }
        let path = "requirements/1.0.yaml";
        let requirements =
            file(path).ok_or_else(|| LibraryFault { path: path.into(), fault: "it is not there".into() })?;
        Ok(Self { cases, requirements: yaml(path, requirements)? })
    }

    /// The trials of one side: each variant of each case.
    #[must_use]
    pub fn trials(&self, side: Side) -> Vec<Trial> {
        let cases = self.cases.values().filter(|case| case.side == side);
        cases.flat_map(Trial::all_of).collect()
    }

    /// Whether one of these requirements is marked †.
    #[must_use]
    pub fn is_daggered(&self, spec: &[String]) -> bool {
        spec.iter()
            .any(|id| self.requirements.requirements.get(id).is_some_and(|requirement| requirement.dagger))
    }

    /// Whether that case counts.
    #[must_use]
    pub fn is_scored(&self, case: &str) -> bool {
        self.requirements.cases.iter().any(|id| id == case)
    }
}

/// The text of a requirement of `protocol/SPEC.md`.
#[must_use]
pub fn requirement(id: &str) -> Option<String> {
    let begin = format!("- **{id}** ");
    let mut lines = include_str!("../../protocol/SPEC.md").lines();
    lines.find_map(|line| line.strip_prefix(&begin).map(str::to_owned))
}

/// The file of a case.
#[must_use]
pub fn source(id: &str) -> Option<&'static str> {
    let end = format!("/{id}.yaml");
    let (_, bytes) =
        files::FILES.iter().find(|(path, _)| path.starts_with("cases/") && path.ends_with(&end))?;
    std::str::from_utf8(bytes).ok()
}
