//! A package while it is being written: each file once, within its directory, within the limits.
//!
//! No link is ever made, each file is made anew, and so nothing can be written but in this directory, whatever the names
//! say; that the names are plain is looked at all the same, so that it is said which is not.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256 as Hasher};

use super::error::{EntryFault, StoreError};
use super::limits::PackageLimits;
use super::step::Step;
use super::tree::{Entry, Tree};
use crate::package::{FILE, InnerPath, Sha256};

/// A file that nobody writes to any more.
const PLAIN: u32 = 0o444;
const EXECUTABLE: u32 = 0o555;
/// A directory in which nobody makes files any more.
const CLOSED: u32 = 0o555;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
}

/// A package that is being written.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    directory: PathBuf,
    limits: &'a PackageLimits,
    tree: Tree,
    /// What each name stands for, as a file system sees it that does not tell upper from lower case.
    names: HashMap<String, (InnerPath, Kind)>,
    bytes: u64,
}

fn refused(entry: &str, fault: EntryFault) -> StoreError {
    StoreError::Entry { entry: entry.to_owned(), fault }
}

impl<'a> Draft<'a> {
    /// Begins one in that directory, which must not be there.
    pub(super) fn new(directory: PathBuf, limits: &'a PackageLimits) -> Result<Self, StoreError> {
        fs::create_dir(&directory).map_err(StoreError::io("create", &directory))?;
        Ok(Self { directory, limits, tree: Tree::default(), names: HashMap::new(), bytes: 0 })
    }

    /// Takes a name.
    fn name(&mut self, entry: &str, path: &InnerPath, kind: Kind) -> Result<(), StoreError> {
        if let Some((known, known_kind)) = self.names.get(&path.folded()) {
            return match (known == path, *known_kind, kind) {
                (true, Kind::Directory, Kind::Directory) => Ok(()),
                (true, Kind::File, Kind::File) => Err(refused(entry, EntryFault::Twice)),
                (true, ..) => Err(refused(entry, EntryFault::FileAndDirectory)),
                (false, ..) => Err(refused(entry, EntryFault::SameButForCase(known.to_string()))),
            };
        }
        if self.names.len() as u64 >= self.limits.entries {
            return Err(StoreError::Limit {
                limit: "entries",
                allowed: self.limits.entries,
                entry: entry.into(),
            });
        }
        self.names.insert(path.folded(), (path.clone(), kind));
        Ok(())
    }

    fn path(&mut self, entry: &str, kind: Kind) -> Result<InnerPath, StoreError> {
        let path = InnerPath::new(entry).map_err(|why| refused(entry, EntryFault::Path(why)))?;
        for parent in path.parents() {
            self.name(entry, &parent, Kind::Directory)?;
        }
        self.name(entry, &path, kind)?;
        Ok(path)
    }

    /// Takes a directory. It is there once a file is in it.
    pub(super) fn directory(&mut self, entry: &str) -> Result<(), StoreError> {
        let name = entry.strip_suffix('/').unwrap_or(entry);
        if matches!(name, "." | "") {
            return Ok(());
        }
        self.path(name, Kind::Directory).map(|_| ())
    }

    /// Writes a file.
    pub(super) fn file(
        &mut self,
        entry: &str,
        executable: Executable,
        from: &mut dyn Read,
        watch: &mut dyn FnMut(Step<'_>),
    ) -> Result<(), StoreError> {
        let path = self.path(entry, Kind::File)?;
        let at = path.within(&self.directory);
        if let Some(parent) = at.parent() {
            fs::create_dir_all(parent).map_err(StoreError::io("create", parent))?;
        }
        let mut file = File::create_new(&at).map_err(StoreError::io("create", &at))?;
        let mut hasher = Hasher::new();
        let mut size = 0;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => &buffer[..read],
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => continue,
                Err(fault) => return Err(StoreError::reading(entry, fault)),
            };
            size += read.len() as u64;
            self.bytes += read.len() as u64;
            if self.bytes > self.limits.unpacked_bytes {
                let allowed = self.limits.unpacked_bytes;
                return Err(StoreError::Limit { limit: "unpacked_bytes", allowed, entry: entry.into() });
            }
            hasher.update(read);
            file.write_all(read).map_err(StoreError::io("write", &at))?;
        }
        file.set_permissions(Permissions::from_mode(executable.mode()))
            .map_err(StoreError::io("write", &at))?;
        let sha256 = Sha256::finish(hasher);
        let shown = path.to_string();
        self.tree.0.insert(path, Entry { executable: executable == Executable::Yes, sha256, size });
        watch(Step::Unpacked { path: &shown, done: self.bytes });
        Ok(())
    }

    /// All files are there: gives them, and where they are. Where all of them are in one directory, as archives often
    /// have it, it is that.
    pub(super) fn finish(self) -> (Tree, PathBuf) {
        let is_there = |path: &str| InnerPath::new(path).is_ok_and(|path| self.tree.0.contains_key(&path));
        let mut firsts = self.tree.0.keys().filter_map(|path| path.as_str().split_once('/'));
        let first = firsts.next().map(|(first, _)| first.to_owned());
        let Some(first) = first.filter(|first| !is_there(FILE) && is_there(&format!("{first}/{FILE}")))
        else {
            return (self.tree, self.directory);
        };
        let prefix = format!("{first}/");
        let within = |(path, entry): (&InnerPath, &Entry)| {
            let path = path.as_str().strip_prefix(&prefix)?;
            Some((InnerPath::new(path).expect("the end of a path is one"), entry.clone()))
        };
        match self.tree.0.iter().map(within).collect() {
            Some(files) => (Tree(files), self.directory.join(first)),
            None => (self.tree, self.directory),
        }
    }
}

/// Whether a file is a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Executable {
    Yes,
    No,
}

impl Executable {
    pub(super) fn by_mode(mode: u32) -> Self {
        if mode & 0o111 == 0 { Self::No } else { Self::Yes }
    }

    fn mode(self) -> u32 {
        match self {
            Self::Yes => EXECUTABLE,
            Self::No => PLAIN,
        }
    }
}

/// Makes a file of a draft a program, which its archive did not say.
pub(super) fn make_executable(path: &Path) -> Result<(), StoreError> {
    fs::set_permissions(path, Permissions::from_mode(EXECUTABLE)).map_err(StoreError::io("write", path))
}

/// Closes the directories of a draft, the innermost first.
pub(super) fn close(directory: &Path) -> Result<(), StoreError> {
    let read = || StoreError::io("read", directory);
    for entry in fs::read_dir(directory).map_err(read())? {
        let entry = entry.map_err(read())?;
        if entry.file_type().map_err(read())?.is_dir() {
            close(&entry.path())?;
        }
    }
    fs::set_permissions(directory, Permissions::from_mode(CLOSED)).map_err(StoreError::io("write", directory))
}

/// With more files than this, all that waits to be written to the disk is written at once.
#[cfg(target_os = "linux")]
const MANY: usize = 32;

/// Writes a draft out to the disk: its files, and which names are in its directories. For 10,000 files, one after the
/// other took half a minute where all at once took a second and a half.
pub(super) fn write_out(tree: &Tree, directory: &Path) -> Result<(), StoreError> {
    #[cfg(target_os = "linux")]
    if tree.0.len() > MANY {
        let open = File::open(directory).map_err(StoreError::io("read", directory))?;
        return rustix::fs::syncfs(&open).map_err(|fault| StoreError::io("write", directory)(fault.into()));
    }
    let mut directories: HashSet<PathBuf> = HashSet::from([directory.to_owned()]);
    for path in tree.0.keys() {
        sync(&path.within(directory))?;
        directories.extend(path.parents().map(|parent| parent.within(directory)));
    }
    directories.iter().try_for_each(|directory| sync(directory))
}

/// Writes a file out to the disk, or which names are in a directory.
pub(super) fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|it| it.sync_all()).map_err(StoreError::io("write", path))
}
