//! A directory of files, and what it hashes as. Knows of no package.
//!
//! The list of the files is what is hashed: a line for each, sorted by path, with `x` if it can be executed and `-` if
//! not, its SHA-256, its size and its path. Directories are there where files are in them; there is nothing else.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use plugline_protocol::wire::escape;
use rustix::fs::{Mode, OFlags};
use rustix::io::retry_on_intr;

use crate::package::{InnerPath, Sha256};

/// What the first line of the list says.
const HEAD: &str = "plugline files 1\n";

/// So long may the list be, in bytes: what the limits of a package can make.
const LIST_BYTES: u64 = 256 * 1024 * 1024;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) executable: bool,
    pub(super) sha256: Sha256,
    pub(super) size: u64,
}

/// The files of a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tree(pub(super) BTreeMap<InnerPath, Entry>);

/// How a directory is not what it was when it was installed.
#[derive(Debug)]
#[non_exhaustive]
pub enum TreeFault {
    /// The list of its files is not the one that it is named by.
    List,
    /// A file is gone.
    Missing(String),
    /// There is something that was not installed.
    Added(String),
    /// A file has other contents.
    Changed(String),
    /// A file can be executed that could not be, or the other way round.
    Mode(String),
    /// Something that was a file or a directory is none.
    Kind(String),
    /// It cannot be read.
    Unreadable(PathBuf, io::Error),
}

impl fmt::Display for TreeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, what) = match self {
            Self::List => return f.write_str("the list of its files was changed"),
            Self::Missing(path) => (path.as_bytes(), "is gone".to_owned()),
            Self::Added(path) => (path.as_bytes(), "was not installed".to_owned()),
            Self::Changed(path) => (path.as_bytes(), "was changed".to_owned()),
            Self::Mode(path) => (path.as_bytes(), "has other permissions to execute".to_owned()),
            Self::Kind(path) => (path.as_bytes(), "is no plain file any more".to_owned()),
            Self::Unreadable(path, source) => {
                (path.as_os_str().as_encoded_bytes(), format!("cannot be read: {source}"))
            }
        };
        write!(f, "{} {what}", escape(path))
    }
}

impl Tree {
    /// The list as text.
    pub(super) fn list(&self) -> String {
        let mut text = HEAD.to_owned();
        for (path, Entry { executable, sha256, size }) in &self.0 {
            let kind = if *executable { 'x' } else { '-' };
            writeln!(text, "{kind} {sha256} {size} {path}").expect("a string takes all that is written");
        }
        text
    }

    /// What the directory is named by.
    pub(super) fn hash(&self) -> Sha256 {
        Sha256::of(self.list().as_bytes())
    }

    /// Reads a list that was written by [`list`](Self::list); nothing where it was not.
    fn parse(text: &str) -> Option<Self> {
        let entry = |line: &str| {
            let mut parts = line.splitn(4, ' ');
            let executable = match parts.next()? {
                "x" => true,
                "-" => false,
                _ => return None,
            };
            let sha256 = Sha256::new(parts.next()?).ok()?;
            let size = parts.next()?.parse().ok()?;
            Some((InnerPath::new(parts.next()?).ok()?, Entry { executable, sha256, size }))
        };
        text.strip_prefix(HEAD)?.lines().map(entry).collect::<Option<_>>().map(Self)
    }

    /// Reads the list in that file, if it has that hash.
    pub(super) fn read(file: &Path, hash: &Sha256) -> Result<Self, TreeFault> {
        let unreadable = |source| TreeFault::Unreadable(file.to_owned(), source);
        let mut bytes = Vec::new();
        let opened = open(file).map_err(unreadable)?;
        opened.take(LIST_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
        if Sha256::of(&bytes) != *hash {
            return Err(TreeFault::List);
        }
        std::str::from_utf8(&bytes).ok().and_then(Self::parse).ok_or(TreeFault::List)
    }

    /// Looks whether that directory has these files and no others. Each is read whole.
    pub(super) fn verify(&self, directory: &Path) -> Result<(), TreeFault> {
        let mut seen = 0;
        walk(directory, &mut |path, at| {
            let known = InnerPath::new(path).ok().and_then(|path| self.0.get(&path));
            let Some(known) = known else { return Err(TreeFault::Added(path.to_owned())) };
            seen += 1;
            let unreadable = |source| TreeFault::Unreadable(at.to_owned(), source);
            let mut file = open(at).map_err(unreadable)?;
            let metadata = file.metadata().map_err(unreadable)?;
            if !metadata.is_file() {
                return Err(TreeFault::Kind(path.to_owned()));
            }
            if is_executable(&metadata) != known.executable {
                return Err(TreeFault::Mode(path.to_owned()));
            }
            if metadata.len() != known.size {
                return Err(TreeFault::Changed(path.to_owned()));
            }
            if Sha256::of_reader(&mut file).map_err(unreadable)?.0 != known.sha256 {
                return Err(TreeFault::Changed(path.to_owned()));
            }
            Ok(())
        })?;
        if seen == self.0.len() {
            return Ok(());
        }
        let gone = self.0.keys().find(|path| !path.within(directory).exists());
        Err(TreeFault::Missing(gone.map(InnerPath::to_string).unwrap_or_default()))
    }
}

/// Opens a file, and no symbolic link to one; a pipe in its place does not keep us waiting.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?))
}

pub(super) fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o111 != 0
}

/// Calls a function for each file in that directory, and for all that is neither file nor directory, with its path
/// from there and as the system takes it.
fn walk(
    directory: &Path,
    visit: &mut dyn FnMut(&str, &Path) -> Result<(), TreeFault>,
) -> Result<(), TreeFault> {
    let mut open = vec![(String::new(), directory.to_owned())];
    while let Some((prefix, at)) = open.pop() {
        let unreadable = |source| TreeFault::Unreadable(at.clone(), source);
        for entry in fs::read_dir(&at).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(TreeFault::Added(format!("{prefix}{}", name.to_string_lossy())));
            };
            let path = format!("{prefix}{name}");
            if entry.file_type().map_err(unreadable)?.is_dir() {
                open.push((path + "/", entry.path()));
            } else {
                visit(&path, &entry.path())?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn tree(directory: &Path) -> Tree {
        let mut tree = Tree::default();
        walk(directory, &mut |path, at| {
            let (sha256, size) = Sha256::of_reader(&mut open(at).unwrap()).unwrap();
            let executable = is_executable(&fs::metadata(at).unwrap());
            tree.0.insert(InnerPath::new(path).unwrap(), Entry { executable, sha256, size });
            Ok(())
        })
        .unwrap();
        tree
    }

    #[test]
    fn a_list_reads_as_it_was_written() {
        let files = tempfile::tempdir().unwrap();
        fs::create_dir(files.path().join("b")).unwrap();
        fs::write(files.path().join("b/c d"), "1").unwrap();
        fs::write(files.path().join("a"), "").unwrap();
        let tree = tree(files.path());
        let nothing = Sha256::of(b"");
        let one = Sha256::of(b"1");
        assert_eq!(tree.list(), format!("{HEAD}- {nothing} 0 a\n- {one} 1 b/c d\n"));
        assert_eq!(Tree::parse(&tree.list()), Some(tree.clone()));
        for text in ["", HEAD.trim(), &format!("{HEAD}? {nothing} 0 a"), &format!("{HEAD}- {nothing} 0 ../a")]
        {
            assert_eq!(Tree::parse(text), None, "{text}");
        }
        let list = files.path().join("list");
        fs::write(&list, tree.list()).unwrap();
        assert_eq!(Tree::read(&list, &tree.hash()).unwrap(), tree);
        fs::write(&list, tree.list().replace("- ", "x ")).unwrap();
        assert!(matches!(Tree::read(&list, &tree.hash()), Err(TreeFault::List)));
    }

    #[test]
    fn each_change_is_seen() {
        type Change = fn(&Path);
        let rows: [(&str, Change); 9] = [
            ("a was changed", |at| fs::write(at.join("a"), "2").unwrap()),
            ("a was changed", |at| fs::write(at.join("a"), "12").unwrap()),
            ("a is gone", |at| fs::remove_file(at.join("a")).unwrap()),
            ("b/d was not installed", |at| fs::write(at.join("b/d"), "").unwrap()),
            ("b/__pycache__/x.pyc was not installed", |at| {
                fs::create_dir(at.join("b/__pycache__")).unwrap();
                fs::write(at.join("b/__pycache__/x.pyc"), "").unwrap();
            }),
            ("a has other permissions", |at| {
                fs::set_permissions(at.join("a"), fs::Permissions::from_mode(0o755)).unwrap();
            }),
            ("cannot be read", |at| {
                fs::rename(at.join("a"), at.with_file_name("elsewhere")).unwrap();
                symlink(at.with_file_name("elsewhere"), at.join("a")).unwrap();
            }),
            ("b/c is no plain file", |at| {
                fs::remove_file(at.join("b/c")).unwrap();
                let made = std::process::Command::new("mkfifo").arg(at.join("b/c")).status().unwrap();
                assert!(made.success());
            }),
            ("b was not installed", |at| {
                fs::rename(at.join("b"), at.with_file_name("b")).unwrap();
                symlink(at.with_file_name("b"), at.join("b")).unwrap();
            }),
        ];
        for (wanted, change) in rows {
            let files = tempfile::tempdir().unwrap();
            let at = files.path().join("package");
            fs::create_dir_all(at.join("b")).unwrap();
            fs::write(at.join("a"), "1").unwrap();
            fs::write(at.join("b/c"), "").unwrap();
            let tree = tree(&at);
            tree.verify(&at).unwrap();
            change(&at);
            let said = tree.verify(&at).unwrap_err().to_string();
            assert!(said.contains(wanted), "{wanted}: {said}");
        }
    }
}
