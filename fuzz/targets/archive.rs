//! Archives → the store: arbitrary bytes, tar made of arbitrary headers, and records of the store that were written by
//! somebody else. Whatever is in one, nothing is written but in the store; after an install that failed there is nothing
//! in it, after one that did not there is what it says, and once that is removed, nothing again.
#![no_main]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use flate2::{Compression, write::GzEncoder};
use libfuzzer_sys::fuzz_target;
use plugline_fuzz::assert_harmless;
use plugline_host::package::PackageName;
use plugline_host::store::{InstallOptions, PackageLimits, Source, Store, StoreError};
use tempfile::TempDir;

#[derive(Debug, Arbitrary)]
enum Input<'a> {
    /// What is installed.
    File(&'a [u8]),
    /// The same, compressed.
    Tar(&'a [u8]),
    Entries {
        entries: Vec<Entry<'a>>,
        folder: bool,
        description: Option<Description>,
        after: &'a [u8],
    },
    /// What the store says of a plugin.
    Record(&'a str),
}

#[derive(Debug, Arbitrary)]
struct Entry<'a> {
    path: InArchive<'a>,
    link: InArchive<'a>,
    kind: u8,
    mode: u16,
    bytes: &'a [u8],
    /// What the header says its size is, where it does not say the truth.
    size: Option<u32>,
}

#[derive(Debug, Arbitrary)]
enum InArchive<'a> {
    Plain(u8),
    Known(Known),
    Bytes(&'a [u8]),
    Joined(&'a str, Known, &'a str),
}

#[derive(Debug, Arbitrary, Clone, Copy)]
enum Known {
    Up,
    Root,
    UpWithin,
    Here,
    Marker,
    Description,
    Manifest,
    Long,
    Upper,
    Reserved,
}

#[derive(Debug, Arbitrary)]
enum Description {
    Right,
    Artifact,
    WithManifest,
}

const DESCRIPTION: &str = "name = 'users'\nversion = '1.0.0'\n";

struct Place {
    _directory: TempDir,
    root: PathBuf,
    store: Store,
    archive: PathBuf,
}

/// One place for all runs: memory where there is a file system in memory, since each install waits for the disk.
static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let directory = directory.expect("there is room for files");
    let root = directory.path().to_owned();
    fs::write(root.join("marker"), "as it was").expect("it can be written");
    let store = Store::at(root.join("store")).expect("the path is absolute");
    Place { archive: root.join("p.tar.gz"), root, store, _directory: directory }
});

fuzz_target!(|input: Input<'_>| {
    let place = &*PLACE;
    if let Input::Record(text) = input {
        record(place, text);
        return;
    }
    fs::write(&place.archive, archive(&input)).expect("there is room for files");
    let mut limits = PackageLimits::default();
    (limits.archive_bytes, limits.unpacked_bytes, limits.entries) = (1 << 20, 1 << 20, 16);
    let options = InstallOptions { limits, ..InstallOptions::default() };
    let source = Source::Path(place.archive.clone());
    match place.store.install(&source, &options, &mut |_| {}) {
        Ok(installed) => {
            assert_eq!(listed(place), BTreeSet::from([installed.plugin.name.to_string()]));
            let opened = place.store.open(installed.plugin.current()).expect("what was installed is there");
            let mut files = 0;
            look(&opened.directory, &mut |path, metadata| {
                assert!(!metadata.is_symlink(), "{path:?} is a link");
                assert_eq!(metadata.permissions().mode() & 0o7222, 0, "{path:?} can be written");
                files += u64::from(metadata.is_file());
            });
            assert!((1..=16).contains(&files));
            drop(opened);
            place.store.remove(&installed.plugin.name, None, &mut |_| {}).expect("it was installed");
        }
        Err(fault) => {
            assert!(!matches!(fault, StoreError::Io { .. }), "the system is at fault: {fault}");
            assert_harmless(&fault.to_string());
        }
    }
    assert_eq!(listed(place), BTreeSet::new());
    nothing_is_left(place);
});

fn record(place: &Place, text: &str) {
    let names = place.root.join("store/names");
    fs::create_dir_all(&names).expect("there is room for files");
    let file = names.join("users.json");
    fs::write(&file, text).expect("there is room for files");
    let read = place.store.plugin(&PackageName::new("users").expect("it is a name"));
    match &read {
        Ok(Some(plugin)) => {
            let current = plugin.current();
            assert!(current.directory.starts_with(&place.root), "{:?}", current.directory);
            assert!(place.store.open(current).is_err(), "there is nothing to open");
        }
        Ok(None) => panic!("the file is there"),
        Err(fault) => assert_harmless(&fault.to_string()),
    }
    let listing = place.store.list().expect("the directory can be read");
    assert_eq!(
        (listing.plugins.len(), listing.faults.len()),
        (usize::from(read.is_ok()), usize::from(read.is_err()))
    );
    fs::remove_file(&file).expect("it was written");
    nothing_is_left(place);
}

fn listed(place: &Place) -> BTreeSet<String> {
    let listing = place.store.list().expect("the directory can be read");
    assert!(listing.faults.is_empty(), "{:?}", listing.faults);
    listing.plugins.iter().map(|plugin| plugin.name.to_string()).collect()
}

fn nothing_is_left(place: &Place) {
    look(&place.root, &mut |path, metadata| {
        let inner = path.strip_prefix(&place.root).expect("it is within").to_str().expect("plain names");
        let known =
            ["marker", "p.tar.gz", "store", "store/lock", "store/names", "store/content", "store/staging"];
        assert!(known.contains(&inner), "{inner} was left");
        assert!(!metadata.is_symlink());
    });
    assert_eq!(fs::read(place.root.join("marker")).expect("it is there"), b"as it was");
}

fn look(directory: &Path, see: &mut dyn FnMut(&Path, &fs::Metadata)) {
    for entry in fs::read_dir(directory).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        let metadata = fs::symlink_metadata(&path).expect("it is there");
        see(&path, &metadata);
        if metadata.is_dir() {
            look(&path, see);
        }
    }
}

fn archive(input: &Input<'_>) -> Vec<u8> {
    match input {
        Input::File(bytes) => bytes.to_vec(),
        Input::Tar(bytes) => compressed(bytes),
        Input::Entries { entries, folder, description, after } => {
            let mut tar = tar::Builder::new(Vec::new());
            let within = if *folder { "users/" } else { "" };
            let mut add = |path: String, bytes: &[u8]| {
                let mut header = header(path.as_bytes(), 0, 0o644);
                header.set_size(bytes.len() as u64);
                header.set_cksum();
                tar.append(&header, bytes).expect("it is written to memory");
            };
            if let Some(description) = description {
                let text = match description {
                    Description::Right => format!("{DESCRIPTION}command = ['a']\n"),
                    Description::Artifact => format!(
                        "{DESCRIPTION}[[artifact]]\nos = 'linux'\narch = 'x86_64'\npath = 'a'\nsha256 = '{}'\n",
                        "0".repeat(64)
                    ),
                    Description::WithManifest => {
                        format!("{DESCRIPTION}manifest = 'm.json'\ncommand = ['./a']\n")
                    }
                };
                add(format!("{within}plugline.toml"), text.as_bytes());
            }
            for entry in entries.iter().take(24) {
                let mut path = entry.path.bytes();
                if *folder {
                    path.splice(0..0, *b"users/");
                }
                let mut header = header(&path, entry.kind, entry.mode.into());
                let link = entry.link.bytes();
                let room = &mut header.as_old_mut().linkname;
                let length = link.len().min(room.len());
                room[..length].copy_from_slice(&link[..length]);
                header.set_size(entry.size.map_or(entry.bytes.len() as u64, u64::from));
                header.set_cksum();
                tar.append(&header, entry.bytes).expect("it is written to memory");
            }
            let mut bytes = tar.into_inner().expect("it is written to memory");
            bytes.extend_from_slice(after);
            compressed(&bytes)
        }
        Input::Record(_) => unreachable!("it is no archive"),
    }
}

/// With a path that the `tar` crate would not write.
fn header(path: &[u8], kind: u8, mode: u32) -> tar::Header {
    // What there is of kinds: files, links, devices, directories, pipes, sparse files, long names, headers for others.
    const KINDS: &[u8] = b"00005512340\0S7LKxgV";
    let mut header = tar::Header::new_gnu();
    let room = &mut header.as_old_mut().name;
    let length = path.len().min(room.len());
    room[..length].copy_from_slice(&path[..length]);
    header.set_entry_type(tar::EntryType::new(KINDS[usize::from(kind) % KINDS.len()]));
    header.set_mode(mode);
    header
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).expect("it is written to memory");
    gzip.finish().expect("it is written to memory")
}

impl InArchive<'_> {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Plain(number) => vec![b'a' + number % 4],
            Self::Known(known) => known.path().into(),
            Self::Bytes(bytes) => bytes.to_vec(),
            Self::Joined(before, known, after) => format!("{before}/{}/{after}", known.path()).into(),
        }
    }
}

impl Known {
    fn path(self) -> String {
        match self {
            Self::Up => "..".into(),
            Self::Root => PLACE.root.join("marker").display().to_string(),
            Self::UpWithin => "a/../../marker".into(),
            Self::Here => ".".into(),
            Self::Marker => "../../../marker".into(),
            Self::Description => "plugline.toml".into(),
            Self::Manifest => "m.json".into(),
            Self::Long => "x".repeat(300),
            Self::Upper => "A".into(),
            Self::Reserved => "con. ".into(),
        }
    }
}
