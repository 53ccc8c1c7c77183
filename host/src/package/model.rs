//! What a package is, once its `plugline.toml` is read: what is started, on which platform.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use semver::Version;

use super::{
    Build, FILE, FILE_BYTES, InnerPath, PackageError, PackageFault, PackageName, Platform, Sha256, file,
    open_plain,
};
use crate::launch::Launch;
use crate::plugin::Plugin;

/// What `plugline.toml` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The plugin's name.
    pub name: PackageName,
    /// Its version.
    pub version: Version,
    /// Where its OpenRPC document is, in the directory.
    pub manifest: Option<InnerPath>,
    /// What is started.
    pub run: Run,
    /// How what is started is made, where that must be done first.
    pub build: Option<Build>,
}

/// What is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// A program with its arguments, the same on each platform. It runs in the plugin's directory.
    Command(Vec<String>),
    /// A program for each platform.
    Artifacts(Vec<Artifact>),
}

/// A program for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The platform.
    pub platform: Platform,
    /// Where the program is, in the directory.
    pub path: InnerPath,
    /// Its SHA-256.
    pub sha256: Sha256,
}

impl Package {
    /// Reads the `plugline.toml` of that directory.
    ///
    /// # Errors
    /// [`PackageError`]: there is none, or what is wrong with it, and where.
    pub fn read(directory: &Path) -> Result<Self, PackageError> {
        let file = directory.join(FILE);
        let fault = |fault| PackageError { file: file.clone(), place: None, fault };
        let opened = open_plain(&file).map_err(|source| fault(PackageFault::Unreadable(source)))?;
        let mut bytes = Vec::new();
        let read = opened.take(FILE_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|source| fault(PackageFault::Unreadable(source)))?;
        if bytes.len() as u64 > FILE_BYTES {
            return Err(fault(PackageFault::TooLong));
        }
        let text = String::from_utf8(bytes).map_err(|_| fault(PackageFault::NotUtf8))?;
        Self::parse(&text, &file)
    }

    /// Reads that text; the file is named in errors.
    ///
    /// # Errors
    /// [`PackageError`]: what is wrong with it, and where.
    pub fn parse(text: &str, file: &Path) -> Result<Self, PackageError> {
        file::parse(text, file)
    }

    /// What is started on that platform.
    ///
    /// # Errors
    /// [`PackageFault::NoArtifact`] where there is nothing for it.
    pub fn program(&self, platform: Platform) -> Result<Program<'_>, PackageFault> {
        match &self.run {
            Run::Command(words) => Ok(Program::Command(words)),
            Run::Artifacts(artifacts) => artifacts
                .iter()
                .find(|artifact| artifact.platform == platform)
                .map(Program::Artifact)
                .ok_or_else(|| PackageFault::NoArtifact {
                    wanted: platform,
                    there: artifacts.iter().map(|artifact| artifact.platform).collect(),
                }),
        }
    }

    /// The plugin in that directory, ready to be started on this machine. It runs in its directory.
    ///
    /// Whoever starts a package that was installed wants [`Store::open`](crate::store::Store::open) instead, which
    /// looks whether it still is what was installed.
    ///
    /// # Errors
    /// [`PackageError`] where the package has nothing for this machine.
    pub fn launch(&self, directory: &Path) -> Result<Launch, PackageError> {
        let fault = |fault| PackageError { file: directory.join(FILE), place: None, fault };
        let here = Platform::here().ok_or_else(|| fault(PackageFault::UnknownPlatform))?;
        let program = self.program(here).map_err(fault)?;
        Ok(Plugin::command(program.path(directory))
            .args(program.args())
            .dir(directory)
            .instance(self.name.as_str()))
    }
}

/// What is started on one platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program<'a> {
    /// A program with its arguments.
    Command(&'a [String]),
    /// An executable of the package.
    Artifact(&'a Artifact),
}

impl Program<'_> {
    /// The file that is started, if it is one of the package and not of the machine.
    #[must_use]
    pub fn inner(&self) -> Option<InnerPath> {
        match self {
            // Looked at when the package was read: a first word with a slash is a path within.
            Self::Command(words) if words[0].contains('/') => InnerPath::new(&words[0]).ok(),
            Self::Command(_) => None,
            Self::Artifact(artifact) => Some(artifact.path.clone()),
        }
    }

    /// What to start: a path in that directory, or the name of a program on `PATH`.
    #[must_use]
    pub fn path(&self, directory: &Path) -> PathBuf {
        match (self.inner(), self) {
            (Some(path), _) => path.within(directory),
            (None, Self::Command(words)) => PathBuf::from(&words[0]),
            (None, Self::Artifact(artifact)) => artifact.path.within(directory),
        }
    }

    /// Its arguments.
    #[must_use]
    pub fn args(&self) -> &[String] {
        match self {
            Self::Command(words) => &words[1..],
            Self::Artifact(_) => &[],
        }
    }
}
