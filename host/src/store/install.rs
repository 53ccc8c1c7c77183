//! Installing: fetch, check, unpack, look at, and only then name.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::archive::unpack_gzip;
use super::draft::{self, Draft};
use super::error::{StoreError, shown};
use super::fetch::{beside, check, copied, downloaded, no_archive, signature_at};
use super::folder;
use super::git::Repository;
use super::inspect::look_at;
use super::lease::Lease;
use super::limits::PackageLimits;
use super::lock::Lock;
use super::names::{Origin, Release, StoredPlugin};
use super::place::{FILES, LEASE, PACKAGE};
use super::read::Store;
use super::signature::Key;
use super::source::Source;
use super::staging::{self, Stage, fresh};
use super::step::Step;
use super::sweep::sweep;
use super::tree::Tree;
use crate::package::{Package, Sha256};

/// What is wanted of a package, and what it may cost.
#[derive(Debug, Clone, Default)]
pub struct InstallOptions {
    /// The SHA-256 of the archive.
    pub sha256: Option<Sha256>,
    /// If there are any, one of them must have signed the archive: the signature stands beside it, with `.minisig` after
    /// its name.
    pub keys: Vec<Key>,
    /// What becomes of the same version with other contents.
    pub existing: Existing,
    /// What the package may cost.
    pub limits: PackageLimits,
}

impl InstallOptions {
    /// Whether what was looked at when something was installed is all that these ask for.
    pub(crate) fn are_met_by(&self, origin: &Origin) -> bool {
        let is_signed = || self.keys.iter().any(|key| origin.signed_by.as_deref() == Some(key.as_str()));
        let is_wanted = |wanted: &Sha256| origin.archive.as_ref() == Some(wanted);
        (self.keys.is_empty() || is_signed()) && self.sha256.as_ref().is_none_or(is_wanted)
    }
}

/// What becomes of a version that is installed already, with other contents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and what was to be installed is refused.
    #[default]
    Keep,
    /// It is replaced. If it was current, a rollback leads back to it.
    Replace,
}

/// What was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Installed {
    /// All there is of the plugin now; what was installed is current.
    pub plugin: StoredPlugin,
    /// What changed.
    pub change: Change,
}

/// What an install changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was not there before.
    New,
    /// The same version was there, with other contents.
    Replaced,
    /// It was there as it is; it is current now.
    Selected,
    /// It was there as it is, and current.
    Nothing,
}

/// A package that was unpacked and looked at.
struct Ready {
    package: Package,
    tree: Tree,
    origin: Origin,
}

impl Store {
    /// Installs a package and makes it current.
    ///
    /// Nothing of it is run. Its SHA-256 and its signature are checked before it is unpacked, and it is unpacked where
    /// nobody looks for it. Until the last step, which is one, the store is as it was.
    ///
    /// # Errors
    /// [`StoreError`]; the store is then as it was.
    pub fn install(
        &self,
        source: &Source,
        options: &InstallOptions,
        watch: &mut dyn FnMut(Step<'_>),
    ) -> Result<Installed, StoreError> {
        let limits = &options.limits;
        if let Source::Path(path) = source {
            self.place.is_outside(path)?;
        }
        staging::prepare(&self.place)?;
        let lock = Lock::take(&self.place, limits.lock_wait, watch)?;
        sweep(self, &lock, watch)?;
        let stage = Stage::new(&self.place, &lock)?;
        watch(Step::Staged);
        // Fetching may take long, and is nobody else's business.
        drop(lock);
        let ready = make(source, options, &stage, watch)?;
        let lock = Lock::take(&self.place, limits.lock_wait, watch)?;
        let installed = self.name(ready, options.existing, &stage, watch)?;
        drop(stage);
        sweep(self, &lock, watch)?;
        Ok(installed)
    }

    /// Puts a package where it stays, and says so.
    fn name(
        &self,
        ready: Ready,
        existing: Existing,
        stage: &Stage,
        watch: &mut dyn FnMut(Step<'_>),
    ) -> Result<Installed, StoreError> {
        let Ready { package: Package { name, version, .. }, tree, mut origin } = ready;
        let hash = tree.hash();
        let before = self.plugin(&name)?;
        let same = before.as_ref().and_then(|plugin| plugin.release(&hash));
        let taken = before.as_ref().and_then(|plugin| plugin.version(&version));
        let change = match (&before, same, taken) {
            (Some(plugin), Some(_), _) if plugin.current == hash => Change::Nothing,
            (_, Some(_), _) => Change::Selected,
            (_, None, Some(_)) if existing == Existing::Keep => {
                return Err(StoreError::VersionTaken { name, version });
            }
            (_, None, Some(_)) => Change::Replaced,
            (_, None, None) => Change::New,
        };
        // Who signed an archive stays known, also where nobody asks for it this time.
        let known = same.map(|release| &release.origin);
        if let Some(known) = known.filter(|known| known.archive == origin.archive) {
            origin.signed_by = origin.signed_by.or_else(|| known.signed_by.clone());
        }
        let is_news =
            known.is_some_and(|known| origin.signed_by.is_some() && known.signed_by != origin.signed_by);
        let content = self.place.content(&hash);
        let directory = content.join(PACKAGE);
        let release =
            Release { version: version.clone(), hash: hash.clone(), origin, installed: now(), directory };
        // What is there may have been changed since, or be what is left of another install.
        if content.exists() && self.verify(&release).is_err() {
            // Held until it is gone: what runs keeps its files, damaged as they are.
            let _alone = if content.is_dir() {
                let lease = Lease::exclusive(&content).map_err(StoreError::io("lock", &content))?;
                Some(lease.ok_or_else(|| StoreError::InUse { directory: release.directory.clone() })?)
            } else {
                None
            };
            let aside = fresh(&self.place);
            fs::rename(&content, &aside).map_err(StoreError::io("move", &content))?;
            watch(Step::Discarded);
            staging::delete(&aside).map_err(StoreError::io("delete", &aside))?;
            watch(Step::Deleted);
        }
        if !content.exists() {
            let made = stage.path("content");
            fs::rename(&made, &content).map_err(StoreError::io("move", &made))?;
            draft::sync(&self.place.contents())?;
            watch(Step::Placed);
        }
        let mut plugin = before.unwrap_or_else(|| StoredPlugin {
            name,
            releases: Vec::new(),
            current: hash.clone(),
            previous: None,
        });
        if plugin.current != hash {
            plugin.previous = Some(std::mem::replace(&mut plugin.current, hash.clone()));
        }
        let previous = plugin.previous.clone();
        // Of what has this version, only what a rollback leads to stays.
        plugin.releases.retain(|known| {
            known.hash != hash && (known.version != version || Some(&known.hash) == previous.as_ref())
        });
        plugin.releases.push(release);
        plugin.sort();
        if change != Change::Nothing || is_news {
            self.record(&plugin, stage, watch)?;
        }
        Ok(Installed { plugin, change })
    }

    /// Writes what the store says of a plugin, and then has it say so: the one step that a reader sees.
    pub(super) fn record(
        &self,
        plugin: &StoredPlugin,
        stage: &Stage,
        watch: &mut dyn FnMut(Step<'_>),
    ) -> Result<(), StoreError> {
        let draft = stage.path("names.json");
        write(&draft, plugin.to_json().as_bytes())?;
        watch(Step::Recorded);
        let file = self.place.name(&plugin.name);
        fs::rename(&draft, &file).map_err(StoreError::io("write", &file))?;
        draft::sync(&self.place.names())?;
        watch(Step::Switched);
        Ok(())
    }
}

fn now() -> u64 {
    // A clock before 1970 is wrong in any case.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Writes a file, out to the disk.
fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let written = File::create_new(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(StoreError::io("write", path))
}

/// Fetches, checks, unpacks and looks at a package, all in `stage`.
fn make(
    source: &Source,
    options: &InstallOptions,
    stage: &Stage,
    watch: &mut dyn FnMut(Step<'_>),
) -> Result<Ready, StoreError> {
    let limits = &options.limits;
    let mut origin = Origin { source: source.to_string(), ..Origin::default() };
    let unpacked = || Draft::new(stage.path("unpacked"), limits);
    let draft = match source {
        Source::Path(path) if path.is_dir() => {
            no_archive(&origin.source, options)?;
            let absolute = super::place::absolute(path)?;
            origin.source = shown(&absolute);
            let mut draft = unpacked()?;
            folder::copy(path, &mut draft, watch)?;
            draft
        }
        Source::Path(path) => {
            origin.source = shown(&super::place::absolute(path)?);
            let mut archive = copied(path, &stage.path("archive"), limits, watch)?;
            let signature = || beside(path);
            check(&mut archive, &mut origin, options, signature)?;
            watch(Step::Checked);
            let mut draft = unpacked()?;
            unpack_gzip(&archive, &mut draft, limits, watch)?;
            draft
        }
        Source::Https(address) => {
            let mut archive = downloaded(address, &stage.path("archive"), limits, watch)?;
            let signature = || signature_at(address, limits);
            check(&mut archive, &mut origin, options, signature)?;
            watch(Step::Checked);
            let mut draft = unpacked()?;
            unpack_gzip(&archive, &mut draft, limits, watch)?;
            draft
        }
        Source::Git { address, reference } => {
            no_archive(&origin.source, options)?;
            let directory = stage.path("git");
            let shown = origin.source.clone();
            let repository =
                Repository::fetch(address, reference.as_deref(), shown, &directory, limits, watch)?;
            origin.commit = Some(repository.commit.clone());
            watch(Step::Checked);
            let mut draft = unpacked()?;
            repository.unpack(&mut draft, limits, watch)?;
            draft
        }
    };
    let (mut tree, root) = draft.finish();
    // In an archive and in git it has no other path than this.
    let from = match source {
        Source::Path(path) if path.is_dir() => path,
        _ => Path::new(""),
    };
    let package = look_at(&mut tree, &root, from)?;
    let content = stage.path("content");
    fs::create_dir(&content).map_err(StoreError::io("create", &content))?;
    let directory = content.join(PACKAGE);
    fs::rename(&root, &directory).map_err(StoreError::io("move", &root))?;
    draft::close(&directory)?;
    draft::write_out(&tree, &directory)?;
    write(&content.join(FILES), tree.list().as_bytes())?;
    write(&content.join(LEASE), b"")?;
    draft::sync(&content)?;
    watch(Step::Written);
    Ok(Ready { package, tree, origin })
}
