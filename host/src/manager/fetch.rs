//! Drivers that have to be fetched: the store gets them, checks them and keeps them, and what it keeps is started.

use plugline_protocol::wire::escape;

use super::driver::Remote;
use super::error::ManagerError;
use super::found::{self, Found, Place};
use crate::store::{Existing, InstallOptions, Release, Source, Store, StoreError, StoredPlugin};

/// Gets what a driver names into the store. What was fetched from an address once is not fetched again: `plugline
/// install` does that. What is on this machine is looked at each time, while it is there.
pub(crate) fn fetch(remote: &Remote, store: &Store, options: &InstallOptions) -> Result<Found, ManagerError> {
    let source = source(remote)?;
    let mut options = options.clone();
    if let Source::Path(path) = &source
        && path.exists()
    {
        // Whoever works on an archive does not count versions yet.
        options.existing = Existing::Replace;
    } else if let Some(found) = installed_from(&source, store, &options)? {
        return Ok(found);
    }
    let installed = store.install(&source, &options, &mut |_| {})?;
    Ok(found(&installed.plugin, installed.plugin.current()))
}

fn source(remote: &Remote) -> Result<Source, StoreError> {
    match remote {
        // As what was installed from there says it, also once it is gone.
        Remote::File(path) => std::path::absolute(path).map(Source::Path).map_err(|source| StoreError::Io {
            doing: "find",
            path: path.clone(),
            source,
        }),
        Remote::Https(url) => Ok(Source::Https(url.clone())),
        Remote::Git(url) => url.parse(),
        // By its scheme, so that nothing of that name on this machine is meant.
        Remote::Repository { place, reference: None } => format!("git+https://{place}").parse(),
        Remote::Repository { place, reference: Some(reference) } => {
            format!("git+https://{place}#{reference}").parse()
        }
    }
}

/// What was installed from there, the current release before others. It has to be what is wanted now: it may have been
/// installed before anybody asked for a key.
fn installed_from(
    source: &Source,
    store: &Store,
    options: &InstallOptions,
) -> Result<Option<Found>, StoreError> {
    let name = source.to_string();
    let listing = store.list()?;
    let from_there =
        |release: &&Release| release.origin.source == name && options.are_met_by(&release.origin);
    let of = |plugin: &StoredPlugin| {
        let current = std::iter::once(plugin.current());
        current.chain(&plugin.releases).find(from_there).map(|release| found(plugin, release))
    };
    Ok(listing.plugins.iter().find_map(of))
}

fn found(plugin: &StoredPlugin, release: &Release) -> Found {
    let manifest =
        crate::package::Package::read(&release.directory).ok().and_then(|package| package.manifest);
    Found {
        name: plugin.name.as_str().to_owned(),
        version: release.version.clone(),
        declared: manifest.and_then(|manifest| found::read(&manifest.within(&release.directory))),
        place: Place::Store(release.clone()),
        rank: 0,
        rolled_back: false,
    }
}

/// There is no store to keep it in.
pub(crate) fn no_store(remote: &Remote) -> ManagerError {
    ManagerError::NotFound {
        driver: remote.to_string(),
        tried: vec![super::driver::Tried::new(
            escape(remote.to_string().as_bytes()),
            "what is fetched is kept in the store, and there is none: set PLUGLINE_STORE, or HOME, to a directory",
        )],
    }
}
