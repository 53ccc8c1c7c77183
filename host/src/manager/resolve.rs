//! From a driver to what is started: which of the built-ins, the plugins that were found and the files it means, in
//! which order they are tried, and why. Starts nothing; looks at files only where a path is named.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugline_protocol::wire::escape;
use semver::VersionReq;

use super::builtin::BuiltIns;
use super::discovery::{Catalogue, Places};
use super::driver::{Driver, Remote, Tried};
use super::error::ManagerError;
use super::found::{Found, Place, Query};
use super::settings::{Conflict, PluginSettings, Prefer, Settings};
use super::version::{Choice, Rejection, Versioned, choose};
use crate::package::{self, Package};

/// What a driver means.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolution {
    /// What the host calls it: a name of the settings, or the driver as it was written.
    pub name: String,
    /// The driver, after the settings.
    pub driver: Driver,
    /// What is tried, in that order; never empty.
    pub candidates: Vec<Candidate>,
    /// What was looked at and is not tried, and why.
    pub passed_over: Vec<Tried>,
}

/// Something that a driver may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Candidate {
    /// Of the host itself.
    BuiltIn(String),
    /// A plugin with a name and a version.
    Found(Box<Found>),
    /// A program, of which nothing more is known.
    Program(PathBuf),
}

impl Candidate {
    pub(crate) fn of(found: Found) -> Self {
        Self::Found(Box::new(found))
    }

    /// Whether it is of the host itself.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        matches!(self, Self::BuiltIn(_))
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(name) => write!(f, "the built-in {name}"),
            Self::Found(found) => found.fmt(f),
            Self::Program(path) => write!(f, "the program {}", shown(path)),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} in {}", self.name, self.version, shown(self.place.path()))
    }
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

/// A contract that is wanted of a driver, and which versions of it would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) contract: &'static str,
    pub(crate) version: VersionReq,
}

impl Wish {
    fn is_met_by(&self, found: &Found, of_type: Option<&str>) -> Option<bool> {
        let query = Query::contract(self.contract).contract_version(self.version.clone());
        Query { of_type: of_type.map(str::to_owned), ..query }.provided_by(found.declared.as_ref())
    }
}

/// What is looked for among the plugins that were found.
struct Search<'a> {
    name: &'a str,
    of_type: Option<&'a str>,
    /// In words.
    what: &'a str,
}

/// All that decides what a driver means.
pub(crate) struct Resolver<'a> {
    pub(crate) settings: &'a Settings,
    /// From where the paths of the settings go.
    pub(crate) dir: &'a Path,
    pub(crate) builtins: &'a BuiltIns,
    pub(crate) places: &'a Places,
    pub(crate) catalogue: &'a Arc<Catalogue>,
    /// Versions that crashed, which are not tried again: by place.
    pub(crate) failed: &'a dyn Fn(&Found) -> Option<String>,
    /// Installs what has to be fetched, and says what it is then.
    pub(crate) fetch: &'a dyn Fn(&Remote) -> Result<Found, ManagerError>,
}

impl Resolver<'_> {
    /// What a driver means.
    pub(crate) fn resolve(&self, text: &str, wishes: &[Wish]) -> Result<Resolution, ManagerError> {
        if let Some(plugin) = self.settings.plugins.get(text) {
            return self.configured(text, plugin, wishes);
        }
        self.driver(text, &parse(text)?, None, Path::new(""), wishes)
    }

    /// A name of the settings.
    fn configured(
        &self,
        name: &str,
        plugin: &PluginSettings,
        wishes: &[Wish],
    ) -> Result<Resolution, ManagerError> {
        let driver = parse(plugin.driver.as_deref().unwrap_or(name))?;
        self.driver(name, &driver, plugin.version.as_ref(), self.dir, wishes)
    }

    fn driver(
        &self,
        name: &str,
        driver: &Driver,
        version: Option<&VersionReq>,
        dir: &Path,
        wishes: &[Wish],
    ) -> Result<Resolution, ManagerError> {
        let of = |candidates, passed_over| Resolution {
            name: name.to_owned(),
            driver: driver.clone(),
            candidates,
            passed_over,
        };
        match driver {
            Driver::Word { name, version: said } => {
                let (candidates, passed_over) = self.word(name, said.as_ref().or(version), wishes)?;
                Ok(of(candidates, passed_over))
            }
            Driver::Path(path) => {
                Ok(of(vec![self.path(&driver.to_string(), &dir.join(path), version)?], Vec::new()))
            }
            // What lies there under that path was meant, rather than another machine.
            Driver::Remote(Remote::Repository { place, reference: None }) if dir.join(place).exists() => {
                Ok(of(vec![self.path(place, &dir.join(place), version)?], Vec::new()))
            }
            Driver::Remote(remote) => {
                let remote = match remote {
                    Remote::File(path) => Remote::File(dir.join(path)),
                    other => other.clone(),
                };
                let found = (self.fetch)(&remote)?;
                if version.is_some_and(|version| !version.matches(&found.version)) {
                    let why = format!(
                        "it is {} {}, and {} is wanted",
                        found.name,
                        found.version,
                        version.unwrap_or(&VersionReq::STAR)
                    );
                    return Err(not_found(&driver.to_string(), vec![Tried::new(remote.to_string(), why)]));
                }
                Ok(of(vec![Candidate::of(found)], Vec::new()))
            }
        }
    }

    /// A plain word.
    fn word(
        &self,
        word: &str,
        version: Option<&VersionReq>,
        wishes: &[Wish],
    ) -> Result<(Vec<Candidate>, Vec<Tried>), ManagerError> {
        let mut tried = Vec::new();
        let builtin = self.builtin(word, version, wishes, &mut tried);
        let search = Search { name: word, of_type: None, what: &format!("the plugin {word}") };
        let found = self.found(&search, version, wishes, &mut tried)?;
        let found = found.into_iter().map(Candidate::of);
        let candidates: Vec<Candidate> = match self.settings.prefer {
            Prefer::Builtin => builtin.into_iter().chain(found).collect(),
            Prefer::Plugin => found.chain(builtin).collect(),
        };
        if candidates.is_empty() {
            if Path::new(word).exists() {
                tried.push(Tried::new(format!("the path {word}"), format!("a path has a slash: ./{word}")));
            }
            return Err(not_found(word, tried));
        }
        Ok((candidates, tried))
    }

    fn builtin(
        &self,
        word: &str,
        version: Option<&VersionReq>,
        wishes: &[Wish],
        tried: &mut Vec<Tried>,
    ) -> Option<Candidate> {
        let mut no = |why: String| {
            tried.push(Tried::new("a built-in", why));
            None
        };
        let missing = |contracts: &[&str]| wishes.iter().find(|wish| !contracts.contains(&wish.contract));
        match self.builtins.contracts(word) {
            None => {
                let names: Vec<&str> = self.builtins.names().collect();
                match &names[..] {
                    [] => no("this host has none".into()),
                    names => no(format!("this host has {}", names.join(", "))),
                }
            }
            Some(_) if version.is_some() => no(format!("{word} has no version, and one is wanted")),
            Some(contracts) => match missing(contracts) {
                Some(Wish { contract, .. }) => {
                    no(format!("{word} provides {}, and {contract} is wanted", contracts.join(", ")))
                }
                None => Some(Candidate::BuiltIn(word.to_owned())),
            },
        }
    }

    /// Those that were found, in the order in which they are tried.
    fn found(
        &self,
        search: &Search<'_>,
        version: Option<&VersionReq>,
        wishes: &[Wish],
        tried: &mut Vec<Tried>,
    ) -> Result<Vec<Found>, ManagerError> {
        let Search { name, of_type, what } = *search;
        let named = self.catalogue.found.iter().filter(|found| found.name == name);
        let mut suitable = Vec::new();
        let mut is_there = false;
        for found in named {
            is_there = true;
            // Of one that declares nothing, it shows when it is started; but a type has to be declared.
            let unmet = wishes.iter().find(|wish| match wish.is_met_by(found, of_type) {
                Some(met) => !met,
                None => of_type.is_some(),
            });
            if let Some(Wish { contract, version }) = unmet {
                let provides = found.declared.iter().flat_map(|declared| &declared.provides);
                let provides: Vec<String> =
                    provides.map(|it| format!("{} {}", it.contract, it.version)).collect();
                let provides = if provides.is_empty() { "nothing".into() } else { provides.join(", ") };
                let why = format!("it provides {provides}, and {contract} {version} is wanted");
                tried.push(Tried::new(found.to_string(), why));
                continue;
            }
            match (self.failed)(found) {
                Some(why) => tried.push(Tried::new(found.to_string(), Rejection::Failed(why).to_string())),
                None => suitable.push(found.clone()),
            }
        }
        if !is_there {
            tried.push(Tried::new(what, self.where_looked()));
        }
        let Choice { acceptable, rejected } = choose(suitable, version);
        let by = |found: &Found| {
            acceptable.iter().find(|other| other.name == found.name && other.version() == found.version())
        };
        for (found, why) in &rejected {
            if let (Rejection::Shadowed, Conflict::Refuse, Some(by)) =
                (why, self.settings.conflict, by(found))
            {
                let candidates = vec![by.to_string(), found.to_string()];
                return Err(ManagerError::Ambiguous { what: what.to_owned(), candidates });
            }
            tried.push(Tried::new(found.to_string(), why.to_string()));
        }
        Ok(acceptable)
    }

    /// Where plugins were looked for, for those who do not find theirs.
    fn where_looked(&self) -> String {
        let mut places: Vec<String> = self.places.search.iter().map(|path| shown(path)).collect();
        places.extend(self.places.store.as_ref().map(|store| format!("the store {}", shown(store.root()))));
        let places =
            if places.is_empty() { "nowhere: there is no search path".into() } else { places.join(", ") };
        let mut why = format!("not in {places}");
        let broken = self.catalogue.broken.len();
        if broken > 0 {
            why += &format!(" (of what is there, {broken} cannot be used)");
        }
        why
    }

    /// Plugins that provide a contract for a kind of thing.
    pub(crate) fn of_type(&self, of_type: &str, wishes: &[Wish]) -> Result<Resolution, ManagerError> {
        let mut tried = Vec::new();
        let builtin = self.builtin(of_type, None, wishes, &mut tried);
        let contract = wishes.first().map_or("any contract", |wish| wish.contract);
        let what = format!("{contract} for {of_type}");
        let mut by_name = Vec::new();
        let mut names: Vec<&str> = self.catalogue.found.iter().map(|found| found.name.as_str()).collect();
        names.dedup();
        for name in names {
            let mut passed = Vec::new();
            let search = Search { name, of_type: Some(of_type), what: &what };
            let acceptable = self.found(&search, None, wishes, &mut passed)?;
            if !acceptable.is_empty() {
                by_name.push(acceptable);
                tried.extend(passed);
            }
        }
        // Which plugin: by the order of the search paths, then by name; of each, newest first.
        by_name.sort_by(|one, other| {
            one[0].rank.cmp(&other[0].rank).then_with(|| one[0].name.cmp(&other[0].name))
        });
        if by_name.len() > 1 && self.settings.conflict == Conflict::Refuse {
            let candidates = by_name.iter().map(|found| found[0].to_string()).collect();
            return Err(ManagerError::Ambiguous { what, candidates });
        }
        let found = by_name.into_iter().flatten().map(Candidate::of);
        let candidates: Vec<Candidate> = match self.settings.prefer {
            Prefer::Builtin => builtin.into_iter().chain(found).collect(),
            Prefer::Plugin => found.chain(builtin).collect(),
        };
        if candidates.is_empty() {
            tried.push(Tried::new(format!("a plugin that declares {what}"), self.where_looked()));
            return Err(not_found(of_type, tried));
        }
        let driver = Driver::Word { name: of_type.to_owned(), version: None };
        Ok(Resolution { name: format!("{contract}:{of_type}"), driver, candidates, passed_over: tried })
    }

    /// A program, or the directory of a package.
    fn path(
        &self,
        driver: &str,
        path: &Path,
        version: Option<&VersionReq>,
    ) -> Result<Candidate, ManagerError> {
        let no = |why: &str| not_found(driver, vec![Tried::new(format!("the path {}", path.display()), why)]);
        if path.is_dir() {
            if !path.join(package::FILE).is_file() {
                return Err(no("a directory without a plugline.toml, which is no plugin"));
            }
            let Package { name, version: has, manifest, .. } = Package::read(path)?;
            let place = Place::Package(path.to_owned());
            let name = name.as_str().to_owned();
            let known = self.catalogue.found.iter().find(|found| found.place == place).cloned();
            let found = known.unwrap_or_else(|| Found {
                name,
                version: has,
                declared: manifest.and_then(|manifest| super::found::read(&manifest.within(path))),
                place,
                rank: 0,
                rolled_back: false,
            });
            if version.is_some_and(|version| !version.matches(&found.version)) {
                return Err(no(&format!("it is {}, which is not wanted", found.version)));
            }
            return Ok(Candidate::of(found));
        }
        if !path.is_file() {
            return Err(no("no such file"));
        }
        if version.is_some() {
            return Err(no("a program has no version before it is started, and one is wanted"));
        }
        Ok(Candidate::Program(path.to_owned()))
    }
}

fn parse(text: &str) -> Result<Driver, ManagerError> {
    text.parse().map_err(|fault: super::driver::DriverFault| not_found(text, fault.tried))
}

fn not_found(driver: &str, tried: Vec<Tried>) -> ManagerError {
    ManagerError::NotFound { driver: driver.to_owned(), tried }
}
