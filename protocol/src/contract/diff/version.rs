//! Whether a version number tells of what changed.

use std::fmt;

use semver::Version;

use super::{Change, Level, Owner};
use crate::contract::document::Document;

/// The old and the new version of a contract, or of the plugin, and what changed under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// Whose they are.
    pub owner: Owner,
    /// The old one.
    pub old: Version,
    /// The new one.
    pub new: Version,
    /// What its changes need; none where nothing changed.
    pub needed: Option<Level>,
    /// What the number tells.
    pub step: Step,
}

/// What the step from one version to the next tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// They are the same.
    None,
    /// The new one is the lower.
    Back,
    /// So much may have changed.
    Forth(Level),
}

impl Step {
    /// By semver, and below 1.0.0 as Cargo reads it: there the minor number stands for the major one.
    pub(super) fn between(old: &Version, new: &Version) -> Self {
        if new < old {
            return Self::Back;
        }
        if new == old {
            return Self::None;
        }
        // A pre-release promises nothing to the next one.
        let unstable = !old.pre.is_empty() || (old.major, old.minor) == (0, 0);
        let minor = (old.major, old.minor) == (new.major, new.minor);
        Self::Forth(match (old.major == new.major, minor, old.major) {
            _ if unstable => Level::Major,
            (false, ..) | (true, false, 0) => Level::Major,
            // Below 1.0.0 the last number stands for the two below the major one.
            (true, false, _) | (true, true, 0) => Level::Minor,
            (true, true, _) => Level::Patch,
        })
    }
}

impl Versions {
    pub(super) fn of(old: &Document, new: &Document, changes: &[Change]) -> Vec<Self> {
        let contracts = |document: &Document| -> Vec<(Owner, String)> {
            let provides = document.plugline.provides.iter().map(|it| (&it.contract, &it.version));
            let requires = document.plugline.requires.iter().map(|it| (&it.contract, &it.version));
            let named = provides.chain(requires);
            named.map(|(name, version)| (Owner::Contract(name.clone()), version.clone())).collect()
        };
        let (mut before, mut after) = (contracts(old), contracts(new));
        if old.info.title == new.info.title {
            before.push((Owner::Plugin, old.info.version.clone()));
            after.push((Owner::Plugin, new.info.version.clone()));
        }
        let versions = before.into_iter().filter_map(|(owner, old)| {
            let new = &after.iter().find(|(other, _)| *other == owner)?.1;
            // A plugin's own version need not be semver; then it cannot be judged.
            let (old, new) = (Version::parse(&old).ok()?, Version::parse(new).ok()?);
            let needed = changes.iter().filter(|change| change.owner == owner).map(Change::level).max();
            Some(Self { step: Step::between(&old, &new), owner, old, new, needed })
        });
        versions.collect()
    }

    /// Whether the number tells of what changed.
    pub fn is_told(&self) -> bool {
        match (self.step, self.needed) {
            (Step::Back, _) => false,
            (Step::None | Step::Forth(_), None) => true,
            (Step::None, Some(_)) => false,
            (Step::Forth(step), Some(needed)) => step >= needed,
        }
    }

    /// The lowest version that would tell of it.
    pub fn wanted(&self) -> Version {
        let Version { major, minor, patch, .. } = self.old;
        let next = |major, minor, patch| Version::new(major, minor, patch);
        match self.needed {
            None => self.old.clone(),
            Some(_) if !self.old.pre.is_empty() => next(major, minor, patch),
            Some(Level::Major) if major > 0 => next(major + 1, 0, 0),
            Some(Level::Major) if minor > 0 => next(0, minor + 1, 0),
            Some(Level::Minor) if major > 0 => next(major, minor + 1, 0),
            Some(_) => next(major, minor, patch + 1),
        }
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { owner, old, new, needed, step } = self;
        write!(f, "{owner} {old} → {new}: ")?;
        match (needed, step) {
            (None, Step::None) => f.write_str("nothing changed"),
            (None, Step::Back) => f.write_str("the new version is the lower one"),
            (None, Step::Forth(_)) => f.write_str("nothing changed that its contract tells"),
            (Some(needed), _) if self.is_told() => write!(f, "the changes are {needed}, as it says"),
            (Some(needed), _) => {
                write!(f, "the changes are {needed}, so it has to be {} or higher", self.wanted())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps() {
        let major = Step::Forth(Level::Major);
        for (old, new, step) in [
            ("1.2.3", "1.2.3", Step::None),
            ("1.2.3", "1.2.2", Step::Back),
            ("1.2.3", "1.2.4", Step::Forth(Level::Patch)),
            ("1.2.3", "1.3.0", Step::Forth(Level::Minor)),
            ("1.2.3", "2.0.0", major),
            ("0.2.3", "0.2.4", Step::Forth(Level::Minor)),
            ("0.2.3", "0.3.0", major),
            ("0.2.3", "1.0.0", major),
            ("0.0.3", "0.0.4", major),
            ("2.0.0-rc.1", "2.0.0-rc.2", major),
            ("2.0.0-rc.1", "2.0.0", major),
            ("2.0.0", "2.0.0-rc.1", Step::Back),
        ] {
            let seen = Step::between(&Version::parse(old).unwrap(), &Version::parse(new).unwrap());
            assert_eq!(seen, step, "{old} → {new}");
        }
    }

    #[test]
    fn the_version_that_is_wanted_would_do() {
        for old in ["1.2.3", "0.2.3", "0.0.3", "2.0.0-rc.1"] {
            for needed in [Level::Patch, Level::Minor, Level::Major] {
                let old = Version::parse(old).unwrap();
                let mut versions = Versions {
                    owner: Owner::Plugin,
                    new: old.clone(),
                    step: Step::None,
                    needed: Some(needed),
                    old,
                };
                assert!(!versions.is_told());
                versions.new = versions.wanted();
                versions.step = Step::between(&versions.old, &versions.new);
                assert!(versions.is_told(), "{versions}");
            }
        }
    }
}
