//! Getting an archive, and looking whether it is the one that is wanted. Nothing of it is unpacked here.

use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::{Path, PathBuf};

use super::error::{StoreError, shown};
use super::install::InstallOptions;
use super::limits::PackageLimits;
use super::names::Origin;
use super::signature;
#[cfg(not(feature = "https"))]
use super::source::Source;
use super::step::Step;
use crate::package::{Sha256, open_plain};

/// A source that is no archive has neither SHA-256 nor signature.
pub(super) fn no_archive(source: &str, options: &InstallOptions) -> Result<(), StoreError> {
    let wanted = match options {
        InstallOptions { sha256: Some(_), .. } => "a SHA-256",
        InstallOptions { keys, .. } if !keys.is_empty() => "a signature",
        _ => return Ok(()),
    };
    Err(StoreError::NoArchive { source: source.to_owned(), wanted })
}

/// A copy that nobody else changes while it is checked and unpacked.
pub(super) fn copied(
    from: &Path,
    to: &Path,
    limits: &PackageLimits,
    watch: &mut dyn FnMut(Step<'_>),
) -> Result<File, StoreError> {
    let read = || StoreError::io("read", from);
    let mut source = open_plain(from).map_err(read())?;
    let metadata = source.metadata().map_err(read())?;
    let mut copy = archive_file(to)?;
    watch(Step::Fetching { done: 0, total: Some(metadata.len()) });
    let within: &mut dyn Read = &mut (&mut source).take(limits.archive_bytes + 1);
    #[expect(clippy::disallowed_methods, reason = "of a `dyn Read` it makes no copy within the kernel")]
    let length = io::copy(within, &mut copy).map_err(StoreError::io("copy", from))?;
    if length > limits.archive_bytes {
        return Err(StoreError::Limit {
            limit: "archive_bytes",
            allowed: limits.archive_bytes,
            entry: shown(from),
        });
    }
    watch(Step::Fetching { done: length, total: Some(length) });
    Ok(copy)
}

fn archive_file(at: &Path) -> Result<File, StoreError> {
    File::options().read(true).write(true).create_new(true).open(at).map_err(StoreError::io("create", at))
}

#[cfg(feature = "https")]
pub(super) fn downloaded(
    address: &str,
    to: &Path,
    limits: &PackageLimits,
    watch: &mut dyn FnMut(Step<'_>),
) -> Result<File, StoreError> {
    let mut file = archive_file(to)?;
    super::https::archive(address, &mut file, limits, watch)?;
    Ok(file)
}

#[cfg(not(feature = "https"))]
pub(super) fn downloaded(
    address: &str,
    _: &Path,
    _: &PackageLimits,
    _: &mut dyn FnMut(Step<'_>),
) -> Result<File, StoreError> {
    let why = "this program was built without https (the feature `https` of plugline-host)".to_owned();
    Err(StoreError::Fetch { source: Source::Https(address.to_owned()).to_string(), why })
}

/// The signature beside an archive.
#[cfg(feature = "https")]
pub(super) fn signature_at(address: &str, limits: &PackageLimits) -> Result<Option<String>, StoreError> {
    let end = address.find(['?', '#']).unwrap_or(address.len());
    let signature = format!("{}{}{}", &address[..end], signature::SUFFIX, &address[end..]);
    super::https::text(&signature, signature::SIGNATURE_BYTES, limits)
}

#[cfg(not(feature = "https"))]
pub(super) fn signature_at(_: &str, _: &PackageLimits) -> Result<Option<String>, StoreError> {
    Ok(None)
}

/// The signature beside an archive.
pub(super) fn beside(archive: &Path) -> Result<Option<String>, StoreError> {
    let mut name = archive.as_os_str().to_owned();
    name.push(signature::SUFFIX);
    let path = PathBuf::from(name);
    let file = match open_plain(&path) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(StoreError::io("read", &path))?,
    };
    let mut text = String::new();
    let read = file.take(signature::SIGNATURE_BYTES).read_to_string(&mut text);
    read.map_err(StoreError::io("read", &path))?;
    Ok(Some(text))
}

/// Looks whether an archive is the one that is wanted.
pub(super) fn check(
    archive: &mut File,
    origin: &mut Origin,
    options: &InstallOptions,
    signature: impl FnOnce() -> Result<Option<String>, StoreError>,
) -> Result<(), StoreError> {
    let name = &origin.source;
    let read = |fault| StoreError::reading(name, fault);
    archive.rewind().map_err(read)?;
    let (found, _) = Sha256::of_reader(archive).map_err(read)?;
    if let Some(wanted) = &options.sha256
        && *wanted != found
    {
        return Err(StoreError::Checksum { archive: name.clone(), wanted: wanted.clone(), found });
    }
    origin.archive = Some(found);
    if !options.keys.is_empty() {
        let signature = signature()?.ok_or_else(|| StoreError::Signature {
            archive: name.clone(),
            why: format!(
                "it must be signed, and there is no signature beside it ({}{})",
                name,
                signature::SUFFIX
            ),
        })?;
        let key = signature::verify(archive, name, &signature, &options.keys)?;
        origin.signed_by = Some(key.as_str().to_owned());
    }
    archive.rewind().map_err(|fault| StoreError::reading(&origin.source, fault))
}
