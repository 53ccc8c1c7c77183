//! The releases of one plugin: what `names/NAME.json` says.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use semver::Version;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::place::Place;
use crate::package::{PackageName, Sha256};

/// How these files are written now. Another number is another way.
const FORMAT: u32 = 1;

/// So long may one be, in bytes.
const BYTES: u64 = 16 * 1024 * 1024;

/// A plugin of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredPlugin {
    /// Its name.
    pub name: PackageName,
    /// What is installed of it, the newest version first; never empty. A version is there twice where it was replaced,
    /// the one that replaced it first.
    pub releases: Vec<Release>,
    /// The hash of the one that is meant where no version is said.
    pub current: Sha256,
    /// The hash of the one that was current before, to which a rollback leads.
    pub previous: Option<Sha256>,
}

/// One version of a plugin, as it was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Release {
    /// Its version.
    pub version: Version,
    /// The hash of its files.
    pub hash: Sha256,
    /// Where it is from.
    pub origin: Origin,
    /// When it was installed, in seconds since 1970.
    pub installed: u64,
    /// Where its files are.
    #[serde(skip)]
    pub directory: PathBuf,
}

/// Where a release is from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Origin {
    /// The source, without user and password.
    pub source: String,
    /// The commit that was taken, where it is from git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The SHA-256 of the archive, where it is from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<Sha256>,
    /// The id of the key that had signed the archive, where that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
struct Names {
    format: u32,
    name: PackageName,
    current: Sha256,
    previous: Option<Sha256>,
    releases: Vec<Release>,
}

/// Read before the rest, which another format may have in another way.
#[derive(Debug, Deserialize)]
struct Format {
    format: u32,
}

impl StoredPlugin {
    /// The release that is meant where no version is said.
    ///
    /// # Panics
    /// Never: a plugin without it is not read.
    #[must_use]
    pub fn current(&self) -> &Release {
        self.release(&self.current).expect("looked at when it was read")
    }

    /// The release that was current before.
    #[must_use]
    pub fn previous(&self) -> Option<&Release> {
        self.release(self.previous.as_ref()?)
    }

    /// The release of that hash.
    #[must_use]
    pub fn release(&self, hash: &Sha256) -> Option<&Release> {
        self.releases.iter().find(|release| release.hash == *hash)
    }

    /// The release of that version, the current one first.
    #[must_use]
    pub fn version(&self, version: &Version) -> Option<&Release> {
        std::iter::once(self.current()).chain(&self.releases).find(|release| release.version == *version)
    }

    /// Newest first; of one version the current one, then what was installed last.
    pub(super) fn sort(&mut self) {
        let current = self.current.clone();
        self.releases.sort_by(|a, b| {
            let rank = |release: &Release| (release.hash == current, release.installed);
            b.version.cmp(&a.version).then_with(|| rank(b).cmp(&rank(a))).then_with(|| a.hash.cmp(&b.hash))
        });
    }

    /// Reads the file of that plugin; nothing where there is none.
    pub(super) fn read(place: &Place, name: &PackageName) -> Result<Option<Self>, StoreError> {
        let file = place.name(name);
        let mut bytes = Vec::new();
        let opened = match File::open(&file) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(StoreError::io("read", &file))?,
        };
        opened.take(BYTES).read_to_end(&mut bytes).map_err(StoreError::io("read", &file))?;
        Self::parse(place, name, &bytes, &file).map(Some)
    }

    fn parse(place: &Place, name: &PackageName, bytes: &[u8], file: &Path) -> Result<Self, StoreError> {
        let broken = |why: String| StoreError::BrokenRecord { file: file.to_owned(), why };
        let Format { format } = serde_json::from_slice(bytes).map_err(|fault| broken(fault.to_string()))?;
        if format != FORMAT {
            return Err(StoreError::OtherFormat { file: file.to_owned(), format, known: FORMAT });
        }
        let names: Names = serde_json::from_slice(bytes).map_err(|fault| broken(fault.to_string()))?;
        if names.name != *name {
            return Err(broken(format!("it is about {}", names.name)));
        }
        let mut plugin = Self {
            name: names.name,
            releases: names.releases,
            current: names.current,
            previous: names.previous,
        };
        for release in &mut plugin.releases {
            release.directory = place.content(&release.hash).join(super::place::PACKAGE);
        }
        for hash in std::iter::once(&plugin.current).chain(&plugin.previous) {
            if plugin.release(hash).is_none() {
                return Err(broken(format!("it has no release {hash}")));
            }
        }
        plugin.sort();
        Ok(plugin)
    }

    /// As the file has it.
    pub(super) fn to_json(&self) -> String {
        let names = Names {
            format: FORMAT,
            name: self.name.clone(),
            current: self.current.clone(),
            previous: self.previous.clone(),
            releases: self.releases.clone(),
        };
        serde_json::to_string_pretty(&names).expect("it has string keys only") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(version: &str, installed: u64) -> Release {
        Release {
            version: Version::parse(version).unwrap(),
            hash: Sha256::of(format!("{version} {installed}").as_bytes()),
            origin: Origin::default(),
            installed,
            directory: PathBuf::new(),
        }
    }

    #[test]
    fn newest_first_by_semver_and_the_current_one_before_what_it_replaced() {
        let releases =
            vec![release("1.9.0", 1), release("1.10.0", 1), release("1.10.0", 2), release("1.10.0-rc.1", 9)];
        let (first, second) = (releases[1].hash.clone(), releases[2].hash.clone());
        let name = PackageName::new("users").unwrap();
        let mut plugin = StoredPlugin { name, releases, current: first.clone(), previous: Some(second) };
        plugin.sort();
        let order: Vec<String> =
            plugin.releases.iter().map(|it| format!("{} {}", it.version, it.installed)).collect();
        assert_eq!(order, ["1.10.0 1", "1.10.0 2", "1.10.0-rc.1 9", "1.9.0 1"]);
        assert_eq!(plugin.version(&Version::new(1, 10, 0)).unwrap().hash, first);
    }

    #[test]
    fn a_file_reads_as_it_was_written_and_a_broken_one_says_what_is_wrong() {
        let place = Place { root: "/store".into() };
        let name = PackageName::new("users").unwrap();
        let one = release("1.0.0", 7);
        let plugin = StoredPlugin {
            name: name.clone(),
            current: one.hash.clone(),
            previous: None,
            releases: vec![Release { directory: place.content(&one.hash).join("package"), ..one }],
        };
        let read = |text: &str| StoredPlugin::parse(&place, &name, text.as_bytes(), &place.name(&name));
        let text = plugin.to_json();
        assert_eq!(read(&text).unwrap(), plugin);
        let said = |text: &str| read(text).unwrap_err().to_string();
        assert!(said("{}").contains("missing field `format`"));
        assert!(said("").contains("/store/names/users.json"));
        assert!(said(&text.replace("\"format\": 1", "\"format\": 2")).contains("newer"));
        assert!(said(&text.replace("\"users\"", "\"other\"")).contains("about other"));
        let other = Sha256::of(b"other");
        let current = format!("\"current\": \"{}\"", plugin.current);
        assert!(
            said(&text.replace(&current, &format!("\"current\": \"{other}\""))).contains("has no release")
        );
    }
}
