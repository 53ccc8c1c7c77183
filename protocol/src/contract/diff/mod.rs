//! What changed from one manifest to another, for whom it matters, and whether the versions say so (`CONTRACT-24`).
//! The rules stand as a table in `docs/contracts.md`.

mod apart;
mod form;
mod level;
mod methods;
mod schema;
mod values;
mod version;

use std::collections::BTreeSet;
use std::fmt;

use semver::Version;

use super::Manifest;
use super::document::{Document, Instances};
use crate::wire::escape;

pub use level::Level;
use level::Levels;
pub use version::{Step, Versions};

/// What differs between two manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// Every change.
    pub changes: Vec<Change>,
    /// The versions that have to tell of them.
    pub versions: Vec<Versions>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose version tells of it.
    pub owner: Owner,
    /// Where: a method and a part of it, or a member of the manifest. Escaped.
    pub place: String,
    /// What changed. Escaped.
    pub what: String,
    /// What it means to those who call the contract: hosts; of a config, those who write one.
    pub callers: Level,
    /// What it means to those who serve it: plugins.
    pub implementers: Level,
}

impl Change {
    /// What it means to whom it matters most.
    pub fn level(&self) -> Level {
        self.callers.max(self.implementers)
    }
}

/// What has a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The plugin: its config, and what it provides.
    Plugin,
    /// A contract, by name.
    Contract(String),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plugin => f.write_str("the plugin"),
            Self::Contract(name) => f.write_str(&escape(name.as_bytes())),
        }
    }
}

impl Diff {
    /// What changed from the old manifest to the new one. Two plugins of different names are compared by their
    /// contracts alone.
    pub fn between(old: &Manifest, new: &Manifest) -> Self {
        let (old, new) = (old.document(), new.document());
        let mut changes = Changes::default();
        methods::compare(old, new, &mut changes);
        if old.info.title == new.info.title {
            plugin(old, new, &mut changes);
        }
        let changes = changes.0;
        let versions = Versions::of(old, new, &changes);
        Self { changes, versions }
    }

    /// Whether every version tells of what changed under it.
    pub fn is_told(&self) -> bool {
        self.versions.iter().all(Versions::is_told)
    }
}

/// Changes as they are found.
#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, owner: &Owner, place: &str, what: impl AsRef<str>, levels: Levels) {
        self.0.push(Change {
            owner: owner.clone(),
            place: escape(place.as_bytes()),
            what: escape(what.as_ref().as_bytes()),
            callers: levels.callers,
            implementers: levels.implementers,
        });
    }
}

/// The name of a contract, and its version.
type Versioned<'a> = (&'a String, &'a String);

fn provided(document: &Document) -> Vec<Versioned<'_>> {
    document.plugline.provides.iter().map(|it| (&it.contract, &it.version)).collect()
}

fn required(document: &Document) -> Vec<Versioned<'_>> {
    document.plugline.requires.iter().map(|it| (&it.contract, &it.version)).collect()
}

fn names<'a>(list: &[Versioned<'a>]) -> BTreeSet<&'a String> {
    list.iter().map(|(name, _)| *name).collect()
}

/// Those that have another version now: the name, the old and the new one.
fn stepped<'a>(old: &[Versioned<'a>], new: &[Versioned<'_>]) -> Vec<(&'a String, Version, Version)> {
    let changed = old.iter().filter_map(|(name, was)| {
        let (_, is) = new.iter().find(|(other, is)| other == name && is != was)?;
        Some((*name, Version::parse(was).ok()?, Version::parse(is).ok()?))
    });
    changed.collect()
}

/// What is the plugin's own: its config, its contracts, its processes.
fn plugin(old: &Document, new: &Document, changes: &mut Changes) {
    let owner = Owner::Plugin;
    let only_callers = |level| Levels { callers: level, implementers: Level::Patch };
    let mut found = schema::compare(
        (old.plugline.config.as_value(), &old.components.schemas),
        (new.plugline.config.as_value(), &new.components.schemas),
        schema::Way::In,
    );
    found.truncate(super::Faults::MOST);
    for found in found {
        let level = found.levels.callers;
        changes.add(&owner, &format!("config {}", found.path), found.what, only_callers(level));
    }
    let (had, has) = (provided(old), provided(new));
    let (before, after) = (names(&had), names(&has));
    for name in before.difference(&after) {
        changes.add(&owner, "provides", format!("{name} is no longer provided"), only_callers(Level::Major));
    }
    for name in after.difference(&before) {
        changes.add(&owner, "provides", format!("{name} is provided"), only_callers(Level::Minor));
    }
    for (provided, other) in old.plugline.provides.iter().filter_map(|provided| {
        Some((provided, new.plugline.provides.iter().find(|other| other.contract == provided.contract)?))
    }) {
        for kind in provided.types.iter().filter(|kind| !other.types.contains(kind)) {
            let what = format!("{} is no longer provided for {kind}", provided.contract);
            changes.add(&owner, "provides", what, only_callers(Level::Major));
        }
        for kind in other.types.iter().filter(|kind| !provided.types.contains(kind)) {
            let what = format!("{} is provided for {kind} too", provided.contract);
            changes.add(&owner, "provides", what, only_callers(Level::Minor));
        }
    }
    for (name, was, is) in stepped(&had, &has) {
        let level = match Step::between(&was, &is) {
            Step::Forth(level) => level,
            // Who asks for the old one is not given a lower one.
            Step::Back | Step::None => Level::Major,
        };
        changes.add(&owner, "provides", format!("{name} is {is} now, and was {was}"), only_callers(level));
    }
    let (had, has) = (required(old), required(new));
    for (name, was, is) in stepped(&had, &has) {
        // A host that has what was enough before.
        let is_enough = is < was && Step::between(&is, &was) != Step::Forth(Level::Major);
        let level = if is_enough { Level::Minor } else { Level::Major };
        let what = format!("{name} {is} is required of the host now, and was {was}");
        changes.add(&owner, "requires", what, only_callers(level));
    }
    let (before, after) = (names(&had), names(&has));
    for name in after.difference(&before) {
        changes.add(
            &owner,
            "requires",
            format!("{name} is required of the host"),
            only_callers(Level::Major),
        );
    }
    for name in before.difference(&after) {
        changes.add(&owner, "requires", format!("{name} is no longer required"), only_callers(Level::Minor));
    }
    match (old.plugline.instances, new.plugline.instances) {
        (Instances::Many, Instances::One) => {
            changes.add(
                &owner,
                "instances",
                "only one process may serve at a time",
                only_callers(Level::Major),
            );
        }
        (Instances::One, Instances::Many) => {
            changes.add(
                &owner,
                "instances",
                "several processes may serve at once",
                only_callers(Level::Minor),
            );
        }
        _ => {}
    }
    for version in old.plugline.protocol.iter().filter(|it| !new.plugline.protocol.contains(it)) {
        let what = format!("protocol {version} is no longer spoken");
        changes.add(&owner, "protocol", what, only_callers(Level::Major));
    }
    for version in new.plugline.protocol.iter().filter(|it| !old.plugline.protocol.contains(it)) {
        changes.add(&owner, "protocol", format!("protocol {version} is spoken"), only_callers(Level::Minor));
    }
    // A contract is the same whatever a plugin shows of it.
    for (method, other) in old
        .methods
        .iter()
        .filter_map(|method| Some((method, new.methods.iter().find(|other| other.name == method.name)?)))
    {
        if method.all_examples() != other.all_examples() {
            changes.add(&owner, &method.name, "its examples were changed", Levels::BOTH_PATCH);
        }
    }
    if old.info.description != new.info.description {
        changes.add(&owner, "info", "the description was changed", Levels::BOTH_PATCH);
    }
}
