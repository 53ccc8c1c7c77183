//! Looking at a package that was unpacked: whether it is what it says of itself, as far as that can be seen without running
//! it.

use std::path::Path;

use super::draft;
use super::error::StoreError;
use super::tree::Tree;
use crate::package::{FILE, InnerPath, Package, PackageError, PackageFault, Platform, Program, Run};

/// Reads what it says, and looks whether that is there. Makes the program of this machine executable.
/// What is wrong is said of the file in `from`, which is where a user has it.
pub(super) fn look_at(tree: &mut Tree, root: &Path, from: &Path) -> Result<Package, StoreError> {
    let file = from.join(FILE);
    let package = Package::read(root).map_err(|fault| PackageError { file: file.clone(), ..fault })?;
    let fault = |path: &InnerPath, why: &str| {
        Err(StoreError::NotAsSaid { path: path.to_string(), why: why.to_owned() })
    };
    // In the store nothing is built: nobody writes to it.
    let missing = |path: &InnerPath, what: &str| {
        let more = match &package.build {
            None => "",
            Some(_) => {
                ": build it before it is installed, or name its directory itself, which is built where it is used"
            }
        };
        fault(path, &format!("it is to be {what}, and is not in the package{more}"))
    };
    if let Some(manifest) = &package.manifest
        && !tree.0.contains_key(manifest)
    {
        return missing(manifest, "the manifest");
    }
    if let Run::Artifacts(artifacts) = &package.run {
        for artifact in artifacts {
            if let Some(entry) = tree.0.get(&artifact.path)
                && entry.sha256 != artifact.sha256
            {
                let why = format!("it has the SHA-256 {}, and {FILE} says {}", entry.sha256, artifact.sha256);
                return fault(&artifact.path, &why);
            }
        }
    }
    let unusable = |fault| StoreError::from(PackageError { file: file.clone(), place: None, fault });
    let program = match Platform::here() {
        Some(here) => package.program(here).map_err(unusable)?,
        None => match &package.run {
            Run::Command(words) => Program::Command(words),
            Run::Artifacts(_) => return Err(unusable(PackageFault::UnknownPlatform)),
        },
    };
    if let Some(path) = program.inner() {
        match (tree.0.get_mut(&path), &program) {
            (None, _) => return missing(&path, "started"),
            (Some(entry), Program::Artifact(_)) if !entry.executable => {
                entry.executable = true;
                draft::make_executable(&path.within(root))?;
            }
            (Some(entry), Program::Command(_)) if !entry.executable => {
                return fault(
                    &path,
                    "it is to be started, and is not executable: chmod +x before it is packed",
                );
            }
            _ => {}
        }
    }
    Ok(package)
}
