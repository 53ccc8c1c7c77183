//! What a plugin is made from: the files, and a key of all that is in them. Reads, and writes nothing.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::package::{self, Build, InnerPath, Program, Sha256};

/// Where a package does not say what it is made from, these are not part of that: builds put things there.
const OUTPUTS: [&str; 3] = ["target", "node_modules", "__pycache__"];
/// More is not what somebody wrote; it would be read again and again.
const MOST_FILES: usize = 20_000;

/// The files that a package in that directory is made from, in an order that does not change.
pub(crate) fn files(directory: &Path, build: &Build, program: &Program<'_>) -> io::Result<Vec<PathBuf>> {
    at_most(MOST_FILES, directory, build, program)
}

/// The directories that these files are in, or may come to be in. Not more than there may be files.
pub(crate) fn directories(directory: &Path, build: &Build) -> Vec<PathBuf> {
    let (mut left, is_said) = (roots(directory, build), !build.watch.is_empty());
    let mut directories = Vec::new();
    while let Some(path) = left.pop().filter(|_| directories.len() < MOST_FILES) {
        let Ok(inside) = fs::read_dir(&path) else { continue };
        // A link may lead in a circle.
        let inside = inside.flatten().filter(|entry| {
            is_part(&entry.file_name(), is_said) && entry.file_type().is_ok_and(|kind| kind.is_dir())
        });
        left.extend(inside.map(|entry| entry.path()));
        directories.push(path);
    }
    directories
}

/// What a package says that it is made from: all of it, unless said.
fn roots(directory: &Path, build: &Build) -> Vec<PathBuf> {
    if build.watch.is_empty() {
        vec![directory.to_owned()]
    } else {
        build.watch.iter().map(|path: &InnerPath| path.within(directory)).collect()
    }
}

/// Whether what has that name in a directory is part of it.
fn is_part(name: &OsStr, is_said: bool) -> bool {
    let is_output = !is_said && OUTPUTS.iter().any(|output| name == *output);
    !is_output && !name.as_encoded_bytes().starts_with(b".")
}

fn at_most(most: usize, directory: &Path, build: &Build, program: &Program<'_>) -> io::Result<Vec<PathBuf>> {
    let made = program.inner().map(|path| path.within(directory));
    let mut files = BTreeSet::from([directory.join(package::FILE)]);
    let (mut left, is_said) = (roots(directory, build), !build.watch.is_empty());
    while let Some(path) = left.pop() {
        // A link may lead in a circle, and out of the directory: only one that was named is followed.
        let kind = if is_said && build.watch.iter().any(|said| said.within(directory) == path) {
            fs::metadata(&path)
        } else {
            fs::symlink_metadata(&path)
        };
        let kind = kind.map_err(|fault| named(&path, fault))?.file_type();
        if kind.is_dir() {
            for entry in fs::read_dir(&path).map_err(|fault| named(&path, fault))? {
                let entry = entry.map_err(|fault| named(&path, fault))?;
                if is_part(&entry.file_name(), is_said) {
                    left.push(entry.path());
                }
            }
        } else if (kind.is_file() || kind.is_symlink()) && (is_said || made.as_ref() != Some(&path)) {
            files.insert(path);
        }
        if files.len() > most {
            let what =
                format!("more than {most} files: say in `watch` of [build] which ones it is made from");
            return Err(io::Error::other(what));
        }
    }
    Ok(files.into_iter().collect())
}

/// A key of what is in these files, and of what is done with them.
pub(crate) fn key(directory: &Path, build: &Build, files: &[PathBuf]) -> io::Result<Sha256> {
    let mut text = Vec::new();
    let mut field = |bytes: &[u8]| {
        text.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        text.extend_from_slice(bytes);
    };
    for word in &build.command {
        field(word.as_bytes());
    }
    field(b"");
    for path in files {
        let relative = path.strip_prefix(directory).unwrap_or(path);
        field(relative.as_os_str().as_encoded_bytes());
        let metadata = fs::symlink_metadata(path).map_err(|fault| named(path, fault))?;
        if metadata.is_symlink() {
            let target = fs::read_link(path).map_err(|fault| named(path, fault))?;
            field(target.as_os_str().as_encoded_bytes());
        }
        match fs::metadata(path) {
            Ok(there) if there.is_file() => {
                let mut file = package::open_plain(path).map_err(|fault| named(path, fault))?;
                let (hash, _) = Sha256::of_reader(&mut file).map_err(|fault| named(path, fault))?;
                field(hash.as_str().as_bytes());
                field(&(metadata.permissions().mode() & 0o111).to_le_bytes());
            }
            // A link to what is no file, or to nothing: where it leads is what it says.
            Ok(_) => {}
            Err(fault) if metadata.is_symlink() && fault.kind() == io::ErrorKind::NotFound => {}
            Err(fault) => return Err(named(path, fault)),
        }
    }
    Ok(Sha256::of(&text))
}

fn named(path: &Path, fault: io::Error) -> io::Error {
    io::Error::new(fault.kind(), format!("{}: {fault}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Package;

    const TEXT: &str =
        "name = \"p\"\nversion = \"1.0.0\"\ncommand = [\"./out\"]\n[build]\ncommand = [\"make\"]\n";

    fn package(text: &str) -> (tempfile::TempDir, Package) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("plugline.toml"), text).unwrap();
        for path in ["src/a.c", "src/deep/b.c", "Makefile", "target/big", ".git/x", "out", "notes"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "1").unwrap();
        }
        (dir, Package::parse(text, Path::new("plugline.toml")).unwrap())
    }

    fn listed(dir: &Path, package: &Package) -> Vec<String> {
        let program = package.program(package::Platform::here().unwrap()).unwrap();
        let files = files(dir, package.build.as_ref().unwrap(), &program).unwrap();
        files.iter().map(|path| path.strip_prefix(dir).unwrap().display().to_string()).collect()
    }

    fn keyed(dir: &Path, package: &Package) -> Sha256 {
        let program = package.program(package::Platform::here().unwrap()).unwrap();
        let build = package.build.as_ref().unwrap();
        key(dir, build, &files(dir, build, &program).unwrap()).unwrap()
    }

    #[test]
    fn so_many_files_are_watched_and_no_more() {
        let (dir, package) = package(TEXT);
        let program = package.program(package::Platform::here().unwrap()).unwrap();
        let files = |most| at_most(most, dir.path(), package.build.as_ref().unwrap(), &program);
        assert_eq!(files(5).unwrap().len(), 5);
        let said = files(4).unwrap_err().to_string();
        assert_eq!(said, "more than 4 files: say in `watch` of [build] which ones it is made from");
    }

    #[test]
    fn what_is_made_is_no_part_of_what_it_is_made_from() {
        let (dir, package) = package(TEXT);
        assert_eq!(
            listed(dir.path(), &package),
            ["Makefile", "notes", "plugline.toml", "src/a.c", "src/deep/b.c"]
        );
    }

    #[test]
    fn what_is_said_is_taken_and_nothing_else() {
        let (dir, package) = package(&format!("{TEXT}watch = [\"src\", \"target/big\"]\n"));
        assert_eq!(listed(dir.path(), &package), ["plugline.toml", "src/a.c", "src/deep/b.c", "target/big"]);
    }

    #[test]
    fn the_key_is_that_of_the_content() {
        let (dir, package) = package(TEXT);
        let before = keyed(dir.path(), &package);
        let change = |path: &str, text: &str| {
            fs::write(dir.path().join(path), text).unwrap();
            keyed(dir.path(), &package)
        };
        assert_eq!(change("out", "2"), before);
        assert_eq!(change("src/a.c", "1"), before);
        assert_ne!(change("src/a.c", "2"), before);
        assert_eq!(change("src/a.c", "1"), before);
        assert_ne!(change("src/new.c", ""), before);
        fs::remove_file(dir.path().join("src/new.c")).unwrap();
        fs::set_permissions(dir.path().join("src/a.c"), fs::Permissions::from_mode(0o755)).unwrap();
        assert_ne!(keyed(dir.path(), &package), before);
        // A link in a circle ends.
        std::os::unix::fs::symlink(".", dir.path().join("src/loop")).unwrap();
        keyed(dir.path(), &package);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let (dir, package) = package(&format!("{TEXT}watch = [\"gone\"]\n"));
        let program = package.program(package::Platform::here().unwrap()).unwrap();
        let fault = files(dir.path(), package.build.as_ref().unwrap(), &program).unwrap_err();
        assert!(fault.to_string().contains("/gone: "), "{fault}");
    }
}
