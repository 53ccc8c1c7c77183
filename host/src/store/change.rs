//! Removing, and going back.

use std::fs;

use semver::Version;

use super::draft;
use super::error::StoreError;
use super::limits::PackageLimits;
use super::lock::Lock;
use super::names::{Release, StoredPlugin};
use super::read::Store;
use super::staging::{self, Stage};
use super::step::Step;
use super::sweep::sweep;
use crate::package::{PackageName, Sha256};

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removed {
    /// The releases that are not there any more.
    pub releases: Vec<Release>,
    /// What is left of the plugin.
    pub left: Option<StoredPlugin>,
    /// How many releases are in use, and deleted by the first change of the store after that.
    pub in_use: usize,
}

impl Store {
    fn changing(&self, watch: &mut dyn FnMut(Step<'_>)) -> Result<Lock, StoreError> {
        staging::prepare(&self.place)?;
        Lock::take(&self.place, PackageLimits::default().lock_wait, watch)
    }

    fn installed(&self, name: &PackageName) -> Result<StoredPlugin, StoreError> {
        let nothing = || StoreError::NotInstalled { name: name.clone(), version: None, there: Vec::new() };
        self.plugin(name)?.ok_or_else(nothing)
    }

    /// Removes a version of a plugin, or all of it. Where the current one goes, the one before becomes current, or else
    /// the newest.
    ///
    /// # Errors
    /// [`StoreError::NotInstalled`]; others where the store cannot be changed.
    pub fn remove(
        &self,
        name: &PackageName,
        version: Option<&Version>,
        watch: &mut dyn FnMut(Step<'_>),
    ) -> Result<Removed, StoreError> {
        // Nothing is made where there is nothing.
        self.installed(name)?;
        let lock = self.changing(watch)?;
        let mut plugin = self.installed(name)?;
        let goes = |release: &Release| version.is_none_or(|version| release.version == *version);
        let there = plugin.releases.iter().map(|release| release.version.clone()).collect();
        let (releases, left): (Vec<_>, Vec<_>) = plugin.releases.drain(..).partition(goes);
        if releases.is_empty() {
            return Err(StoreError::NotInstalled { name: name.clone(), version: version.cloned(), there });
        }
        plugin.releases = left;
        let is_left = |hash: &Sha256| plugin.releases.iter().any(|release| release.hash == *hash);
        let previous = plugin.previous.clone().filter(is_left);
        let left = if is_left(&plugin.current) {
            plugin.previous = previous;
            Some(plugin)
        } else if let Some(previous) = previous {
            plugin.current = previous;
            plugin.previous = None;
            Some(plugin)
        } else if let Some(newest) = plugin.releases.first() {
            plugin.current = newest.hash.clone();
            plugin.previous = None;
            Some(plugin)
        } else {
            None
        };
        match &left {
            Some(plugin) => {
                let stage = Stage::new(&self.place, &lock)?;
                watch(Step::Staged);
                self.record(plugin, &stage, watch)?;
            }
            None => {
                let file = self.place.name(name);
                fs::remove_file(&file).map_err(StoreError::io("delete", &file))?;
                draft::sync(&self.place.names())?;
                watch(Step::Switched);
            }
        }
        let in_use = sweep(self, &lock, watch)?;
        Ok(Removed { releases, left, in_use })
    }

    /// Makes the release current that was before, and the other way round: a second rollback undoes the first. It is
    /// verified before.
    ///
    /// # Errors
    /// [`StoreError::NotInstalled`], [`StoreError::NoPrevious`], [`StoreError::Changed`]; others where the store cannot
    /// be changed.
    pub fn rollback(
        &self,
        name: &PackageName,
        watch: &mut dyn FnMut(Step<'_>),
    ) -> Result<StoredPlugin, StoreError> {
        self.installed(name)?;
        let lock = self.changing(watch)?;
        let plugin = self.installed(name)?;
        self.go_back(plugin, &lock, watch)
    }

    /// The same, if that release is current, and what was before is not something newer that was rolled back; says whether
    /// it was done. Of several hosts that find the release wanting, one goes back.
    pub(crate) fn rollback_from(&self, name: &PackageName, hash: &Sha256) -> Result<bool, StoreError> {
        let is_newest = |plugin: &StoredPlugin| {
            let version = &plugin.current().version;
            plugin.current == *hash && plugin.previous().is_some_and(|previous| previous.version <= *version)
        };
        let there = || Ok::<_, StoreError>(self.plugin(name)?.filter(is_newest));
        // Nothing is waited for where there is nothing to do.
        if there()?.is_none() {
            return Ok(false);
        }
        let lock = self.changing(&mut |_| {})?;
        let Some(plugin) = there()? else { return Ok(false) };
        self.go_back(plugin, &lock, &mut |_| {}).map(|_| true)
    }

    fn go_back(
        &self,
        mut plugin: StoredPlugin,
        lock: &Lock,
        watch: &mut dyn FnMut(Step<'_>),
    ) -> Result<StoredPlugin, StoreError> {
        let previous =
            plugin.previous().ok_or_else(|| StoreError::NoPrevious { name: plugin.name.clone() })?;
        self.verify(previous)?;
        let current = previous.hash.clone();
        plugin.previous = Some(std::mem::replace(&mut plugin.current, current));
        plugin.sort();
        let stage = Stage::new(&self.place, lock)?;
        watch(Step::Staged);
        self.record(&plugin, &stage, watch)?;
        drop(stage);
        sweep(self, lock, watch)?;
        Ok(plugin)
    }
}
