//! Deleting what nobody names and nobody uses: what a process left behind that was killed, and what was replaced.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::lease::Lease;
use super::lock::Lock;
use super::read::Store;
use super::staging::{delete, fresh, is_used};
use super::step::Step;

/// What may go.
#[derive(Debug, Default)]
pub(super) struct Leftover {
    /// Directories of staging that nobody has.
    pub(super) staging: Vec<PathBuf>,
    /// Content that nobody names.
    pub(super) content: Vec<PathBuf>,
}

fn children(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let read = || StoreError::io("read", directory);
    match fs::read_dir(directory) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => {
            let path = |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.path());
            let mut paths =
                entries.map_err(read())?.map(path).collect::<Result<Vec<_>, _>>().map_err(read())?;
            paths.sort();
            Ok(paths)
        }
    }
}

/// What may go, as far as can be told without the lock: what is being made looks the same.
pub(super) fn leftover(store: &Store) -> Result<Leftover, StoreError> {
    let mut staging = Vec::new();
    for path in children(&store.place.staging())? {
        if !is_used(&path).map_err(StoreError::io("lock", &path))? {
            staging.push(path);
        }
    }
    let listing = store.list()?;
    // Whatever a record names that cannot be read stays.
    let content = if listing.faults.is_empty() {
        let releases = listing.plugins.iter().flat_map(|plugin| &plugin.releases);
        let named: HashSet<OsString> = releases.map(|release| release.hash.as_str().into()).collect();
        let contents = children(&store.place.contents())?;
        contents
            .into_iter()
            .filter(|path| path.file_name().is_none_or(|name| !named.contains(name)))
            .collect()
    } else {
        Vec::new()
    };
    Ok(Leftover { staging, content })
}

/// Deletes it. What is in use stays until a later time; how many of them there are.
pub(super) fn sweep(store: &Store, _: &Lock, watch: &mut dyn FnMut(Step<'_>)) -> Result<usize, StoreError> {
    let Leftover { staging, content } = leftover(store)?;
    let mut in_use = 0;
    for path in staging {
        watch(Step::Sweeping);
        delete(&path).map_err(StoreError::io("delete", &path))?;
        watch(Step::Deleted);
    }
    for path in content {
        // Held until it is gone.
        let lease = if path.is_dir() {
            let lease = Lease::exclusive(&path).map_err(StoreError::io("lock", &path))?;
            if lease.is_none() {
                in_use += 1;
                continue;
            }
            lease
        } else {
            None
        };
        watch(Step::Sweeping);
        // First out of the way, in one step: half of a release is never seen under its name.
        let aside = fresh(&store.place);
        fs::rename(&path, &aside).map_err(StoreError::io("move", &path))?;
        watch(Step::Discarded);
        delete(&aside).map_err(StoreError::io("delete", &aside))?;
        drop(lease);
        watch(Step::Deleted);
    }
    Ok(in_use)
}
