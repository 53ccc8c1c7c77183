//! What is known of a plugin before it is started. Reads a file where it is told to.

use std::io::Read;
use std::path::{Path, PathBuf};

use plugline_protocol::contract::{Document, Instances};
use plugline_protocol::lifecycle::Provided;
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

use super::version::Versioned;
use crate::package;
use crate::store::Release;

/// A plugin that was found, and not started.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// What it declares; nothing is known where it came without a manifest.
    pub declared: Option<Declared>,
    /// Where it is.
    pub place: Place,
    /// The search path in which it was found: 0 is looked at first.
    pub rank: usize,
    /// Whether it is installed, and the user went back from it to an older one.
    pub rolled_back: bool,
}

/// Where a plugin is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A directory with a `plugline.toml`.
    Package(PathBuf),
    /// A program with its manifest beside it: `users` and `users.openrpc.json`.
    Program {
        /// The program.
        program: PathBuf,
        /// Its manifest.
        manifest: PathBuf,
    },
    /// Installed: the store starts it, when it still is what was installed.
    Store(Release),
}

impl Place {
    /// The directory, or the program.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Package(path) | Self::Program { program: path, .. } => path,
            Self::Store(release) => &release.directory,
        }
    }
}

/// What a manifest declares, as far as it is looked for by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Declared {
    /// The contracts it provides, with versions, and the types for which.
    pub provides: Vec<Provided>,
    /// Whether several processes may serve at once.
    pub instances: Instances,
    /// What it is for.
    pub description: Option<String>,
}

impl Declared {
    pub(crate) fn of(document: Document) -> Self {
        let Document { info, plugline, .. } = document;
        Self { provides: plugline.provides, instances: plugline.instances, description: info.description }
    }
}

impl Versioned for Found {
    fn version(&self) -> &Version {
        &self.version
    }

    fn rank(&self) -> (usize, &Path) {
        (self.rank, self.place.path())
    }

    fn is_rolled_back(&self) -> bool {
        self.rolled_back
    }
}

/// What is looked for. All that is said has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    pub(crate) name: Option<String>,
    pub(crate) version: Option<VersionReq>,
    pub(crate) contract: Option<String>,
    pub(crate) contract_version: Option<VersionReq>,
    pub(crate) of_type: Option<String>,
}

impl Query {
    /// Every plugin.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Those that provide a contract.
    pub fn contract(name: impl Into<String>) -> Self {
        Self { contract: Some(name.into()), ..Self::default() }
    }

    /// Those of that name.
    pub fn name(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    /// Those whose own version is one of these.
    #[must_use]
    pub fn version(self, version: VersionReq) -> Self {
        Self { version: Some(version), ..self }
    }

    /// Those that provide the contract in one of these versions.
    #[must_use]
    pub fn contract_version(self, version: VersionReq) -> Self {
        Self { contract_version: Some(version), ..self }
    }

    /// Those that provide the contract for that kind of thing.
    #[must_use]
    pub fn of_type(self, of_type: impl Into<String>) -> Self {
        Self { of_type: Some(of_type.into()), ..self }
    }

    /// Whether a plugin has what is said of contracts and types; `None` where it declares nothing.
    pub(crate) fn provided_by(&self, declared: Option<&Declared>) -> Option<bool> {
        if self.contract.is_none() && self.of_type.is_none() && self.contract_version.is_none() {
            return Some(true);
        }
        Some(declared?.provides.iter().any(|provided| self.is_met_by(provided)))
    }

    fn is_met_by(&self, provided: &Provided) -> bool {
        let Provided { contract, version, types } = provided;
        let in_version =
            |wanted: &VersionReq| Version::parse(version).is_ok_and(|version| wanted.matches(&version));
        self.contract.as_ref().is_none_or(|wanted| wanted == contract)
            && self.of_type.as_ref().is_none_or(|wanted| types.contains(wanted))
            && self.contract_version.as_ref().is_none_or(in_version)
    }
}

/// What a manifest file declares; nothing where it cannot be read. What is wrong with it is said when its plugin is
/// started.
pub(crate) fn read(file: &Path) -> Option<Declared> {
    let longest = plugline_protocol::contract::Manifest::LONGEST_TEXT as u64;
    let mut text = Vec::new();
    package::open_plain(file).ok()?.take(longest).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok().map(Declared::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared() -> Declared {
        let provided = |contract: &str, version: &str, types: &[&str]| Provided {
            contract: contract.into(),
            version: version.into(),
            types: types.iter().map(|text| (*text).into()).collect(),
        };
        Declared {
            provides: vec![provided("repository", "1.4.0", &["oci", "ctf"]), provided("users", "2.0.0", &[])],
            instances: Instances::Many,
            description: None,
        }
    }

    #[test]
    fn contract_type_and_version_hold_of_one_and_the_same_offer() {
        let version = |text: &str| text.parse().unwrap();
        for (query, holds) in [
            (Query::all(), true),
            (Query::contract("repository"), true),
            (Query::contract("repository").of_type("ctf"), true),
            (Query::contract("repository").of_type("s3"), false),
            (Query::contract("users").of_type("oci"), false),
            (Query::contract("users").contract_version(version("^1")), false),
            (Query::contract("repository").contract_version(version("^1.2")).of_type("oci"), true),
            (Query::contract("other"), false),
        ] {
            assert_eq!(query.provided_by(Some(&declared())), Some(holds), "{query:?}");
        }
        assert_eq!(Query::contract("users").provided_by(None), None);
        assert_eq!(Query::name("users").provided_by(None), Some(true));
    }
}
