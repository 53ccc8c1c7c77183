//! From a candidate to what can be started: the package read, built where it has to be, opened in the store, its
//! manifest and config checked. And what it is made of, so that a change of that can be seen.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugline_protocol::contract::{Document, Manifest, Validators};

use super::build::{Builds, watched_directories, watched_files};
use super::error::ManagerError;
use super::found::{Found, Place};
use super::resolve::Candidate;
use crate::launch::Launch;
use crate::package::{self, InnerPath, Package, Platform, Run, Sha256};
use crate::plugin::Plugin;
use crate::store::Store;

/// A candidate that is ready to be started.
pub(crate) struct Prepared {
    pub(crate) launch: Launch,
    /// What its manifest says, where it came with one.
    pub(crate) manifest: Option<Known>,
}

/// A manifest that was read before its plugin was started.
pub(crate) struct Known {
    pub(crate) document: Arc<Document>,
    pub(crate) validators: Arc<Validators>,
}

/// What preparing needs.
pub(crate) struct Workshop<'a> {
    pub(crate) builds: Option<&'a Builds>,
    pub(crate) store: Option<&'a Store>,
    /// Called where something is built, before and after.
    pub(crate) building: &'a dyn Fn(Building),
    /// Whether nobody wants it any more.
    pub(crate) is_unwanted: &'a dyn Fn() -> bool,
}

/// How far a build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Building {
    Begins,
    Done,
}

impl Workshop<'_> {
    /// Makes a candidate ready to be started.
    pub(crate) fn prepare(&self, candidate: &Candidate) -> Result<Prepared, ManagerError> {
        match candidate {
            Candidate::BuiltIn(name) => Err(ManagerError::BuiltIn {
                name: name.clone(),
                why: "it has no process: it is called through the client of its contract".into(),
            }),
            Candidate::Program(program) => Ok(Prepared { launch: Plugin::command(program), manifest: None }),
            Candidate::Found(found) => self.found(found),
        }
    }

    fn found(&self, found: &Found) -> Result<Prepared, ManagerError> {
        match &found.place {
            Place::Program { program, manifest } => {
                let launch = Plugin::command(program).instance(&*found.name);
                Ok(Prepared { launch, manifest: Some(known(manifest)?) })
            }
            Place::Package(directory) => {
                let package = Package::read(directory)?;
                let manifest = manifest(&package, directory)?;
                let launch = match &package.build {
                    None => package.launch(directory)?,
                    Some(_) => {
                        let nowhere = || ManagerError::Io {
                            doing: format!("build {}", directory.display()),
                            source: std::io::Error::other(
                                "nothing says where the cache is: set HOME to a directory",
                            ),
                        };
                        let builds = self.builds.ok_or_else(nowhere)?;
                        let built = builds.ensure(
                            &package,
                            directory,
                            || (self.building)(Building::Begins),
                            self.is_unwanted,
                        )?;
                        if built.now {
                            (self.building)(Building::Done);
                        }
                        built.launch(&package, directory)?
                    }
                };
                Ok(Prepared { launch, manifest })
            }
            Place::Store(release) => {
                let gone = || crate::store::StoreError::Gone { directory: release.directory.clone() };
                let opened = self.store.ok_or_else(gone)?.open(release)?;
                let manifest = manifest(&opened.package, &opened.directory)?;
                let launch = opened.launch()?;
                Ok(Prepared { launch, manifest })
            }
        }
    }
}

fn manifest(package: &Package, directory: &Path) -> Result<Option<Known>, ManagerError> {
    package.manifest.as_ref().map(|manifest| known(&manifest.within(directory))).transpose()
}

fn known(file: &Path) -> Result<Known, ManagerError> {
    let longest = Manifest::LONGEST_TEXT as u64 + 1;
    let mut text = Vec::new();
    let read = package::open_plain(file).and_then(|file| file.take(longest).read_to_end(&mut text));
    read.map_err(|source| ManagerError::Io {
        doing: format!("read the manifest {}", file.display()),
        source,
    })?;
    let manifest =
        Manifest::read(&text).map_err(|faults| ManagerError::Manifest { file: file.to_owned(), faults })?;
    let validators = Arc::clone(manifest.validators());
    Ok(Known { document: Arc::new(manifest.document().clone()), validators })
}

/// The files of which a candidate is made, as far as a change of them makes another of it.
pub(crate) fn files(candidate: &Candidate) -> Vec<PathBuf> {
    match candidate {
        Candidate::BuiltIn(_) => Vec::new(),
        Candidate::Program(program) => vec![program.clone()],
        Candidate::Found(found) => match &found.place {
            Place::Program { program, manifest } => vec![program.clone(), manifest.clone()],
            Place::Package(directory) => of_package(directory),
            // Its hash says it all.
            Place::Store(_) => Vec::new(),
        },
    }
}

fn of_package(directory: &Path) -> Vec<PathBuf> {
    let mut files = vec![directory.join(package::FILE)];
    let Ok(package) = Package::read(directory) else { return files };
    files.extend(package.manifest.iter().map(|path| path.within(directory)));
    let program = Platform::here().and_then(|here| package.program(here).ok());
    match (&package.build, program) {
        // What is made is no part of what it is made from. Where a file cannot be read, the build says so.
        (Some(build), Some(program)) => {
            files.extend(watched_files(directory, build, &program).unwrap_or_default());
        }
        (Some(_), None) => {}
        (None, program) => {
            files.extend(program.and_then(|program| program.inner()).map(|path| path.within(directory)))
        }
    }
    // `command = ["python3", "users.py"]`: the script is the plugin.
    // The first word is the program, of which more is said above.
    if let Run::Command(words) = &package.run {
        let scripts = words
            .iter()
            .skip(1)
            .filter_map(|word| InnerPath::new(word).ok())
            .map(|path| path.within(directory));
        files.extend(scripts.filter(|path| path.is_file()));
    }
    files.sort();
    files.dedup();
    files
}

/// What a candidate is: its place, and what is in its files. Another one says that something changed.
pub(crate) fn fingerprint(candidate: &Candidate) -> Sha256 {
    let mut text = candidate.to_string().into_bytes();
    for file in files(candidate) {
        text.push(0);
        text.extend_from_slice(file.as_os_str().as_encoded_bytes());
        text.push(0);
        let hash = package::open_plain(&file).and_then(|mut file| Sha256::of_reader(&mut file));
        match hash {
            Ok((hash, _)) => text.extend_from_slice(hash.as_str().as_bytes()),
            // In the middle of being replaced: it will change again.
            Err(fault) => text.extend_from_slice(fault.kind().to_string().as_bytes()),
        }
    }
    Sha256::of(&text)
}

/// The directories in which a change of a candidate shows.
pub(crate) fn directories(candidate: &Candidate) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = files(candidate)
        .iter()
        .flat_map(|file| {
            let target = fs::canonicalize(file).ok();
            [file.parent().map(Path::to_owned), target.and_then(|file| file.parent().map(Path::to_owned))]
        })
        .flatten()
        .map(absolute)
        .collect();
    if let Candidate::Found(found) = candidate
        && let Place::Package(directory) = &found.place
        && let Some(build) = Package::read(directory).ok().and_then(|package| package.build)
    {
        // Also those in which there is nothing yet.
        directories.extend(watched_directories(directory, &build).into_iter().map(absolute));
    }
    directories.sort();
    directories.dedup();
    directories
}

/// As what watches files has it. A path that names nothing is that of this directory.
pub(crate) fn absolute(path: PathBuf) -> PathBuf {
    let path = if path.as_os_str().is_empty() { PathBuf::from(".") } else { path };
    std::path::absolute(&path).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_that_of_the_content() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| fs::write(dir.path().join(path), text).unwrap();
        write(
            "plugline.toml",
            "name = \"p\"\nversion = \"1.0.0\"\ncommand = [\"python3\", \"-B\", \"main.py\"]\nmanifest = \"m.json\"",
        );
        write("m.json", "{}");
        write("main.py", "1");
        write("data.json", "1");
        let found = Found {
            name: "p".into(),
            version: "1.0.0".parse().unwrap(),
            declared: None,
            place: Place::Package(dir.path().to_owned()),
            rank: 0,
            rolled_back: false,
        };
        let candidate = Candidate::of(found);
        let before = fingerprint(&candidate);
        let change = |path: &str, text: &str| {
            write(path, text);
            fingerprint(&candidate)
        };
        assert_eq!(change("data.json", "2"), before);
        assert_eq!(change("main.py", "1"), before);
        assert_ne!(change("main.py", "2"), before);
        assert_eq!(change("main.py", "1"), before);
        assert_ne!(change("m.json", "{ }"), before);
        assert_eq!(directories(&candidate), [fs::canonicalize(dir.path()).unwrap()]);
    }
}
