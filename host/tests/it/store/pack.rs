//! What the tests install: packages as directories and archives, right ones and others.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use plugline_host::package::PackageName;
use plugline_host::store::{Complaint, InstallOptions, Installed, Source, Store, StoreError, StoredPlugin};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

/// A plugin that says which version it is, in two files of which one imports the other.
const PLUGIN: &str = r#"import json, sys
from words import VERSION

for line in sys.stdin:
    request = json.loads(line)
    if request["method"] == "rpc.initialize":
        result = {"protocolVersion": 1, "plugin": {"name": "users", "version": VERSION}, "provides": []}
    elif request["method"] == "rpc.shutdown":
        result = None
    else:
        result = VERSION
    if "id" in request:
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)
"#;

pub(crate) fn toml(version: &str) -> String {
    format!("name = \"users\"\nversion = \"{version}\"\ncommand = [\"python3\", \"plugin.py\"]\n")
}

/// The files of a package: path, mode, contents.
pub(crate) fn files(version: &str, mark: &str) -> Vec<(String, u32, Vec<u8>)> {
    let file = |path: &str, mode, text: String| (path.to_owned(), mode, text.into_bytes());
    vec![
        file("plugline.toml", 0o644, toml(version)),
        file("plugin.py", 0o755, PLUGIN.to_owned()),
        file("words.py", 0o644, format!("VERSION = \"{version}\"  # {mark}\n")),
        file("data/deep/numbers.json", 0o644, "[1, 2, 3]".into()),
    ]
}

/// Writes a package into a directory.
pub(crate) fn directory(at: &Path, version: &str, mark: &str) -> PathBuf {
    for (path, mode, contents) in files(version, mark) {
        let path = at.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    at.to_owned()
}

/// An archive, entry by entry; names are taken as they are.
pub(crate) struct Pack {
    builder: Builder<Vec<u8>>,
}

impl Pack {
    pub(crate) fn empty() -> Self {
        Self { builder: Builder::new(Vec::new()) }
    }

    /// A right package, to which something can be added.
    pub(crate) fn of(version: &str, mark: &str) -> Self {
        let files = files(version, mark);
        files.iter().fold(Self::empty(), |pack, (path, mode, contents)| pack.file(path, *mode, contents))
    }

    pub(crate) fn header(kind: EntryType, name: &str, mode: u32, size: u64) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_mtime(0);
        let field = &mut header.as_old_mut().name;
        assert!(name.len() <= field.len(), "{name}");
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        header
    }

    pub(crate) fn add(mut self, header: &Header, contents: &[u8]) -> Self {
        self.builder.append(header, contents).unwrap();
        self
    }

    pub(crate) fn file(self, name: &str, mode: u32, contents: &[u8]) -> Self {
        let header = Self::header(EntryType::Regular, name, mode, contents.len() as u64);
        self.add(&header, contents)
    }

    pub(crate) fn directory(self, name: &str) -> Self {
        self.add(&Self::header(EntryType::Directory, name, 0o755, 0), b"")
    }

    pub(crate) fn special(self, kind: EntryType, name: &str) -> Self {
        self.add(&Self::header(kind, name, 0o644, 0), b"")
    }

    pub(crate) fn link(self, kind: EntryType, name: &str, target: &str) -> Self {
        let mut header = Self::header(kind, name, 0o777, 0);
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        self.add(&header, b"")
    }

    pub(crate) fn tar(self) -> Vec<u8> {
        self.builder.into_inner().unwrap()
    }

    pub(crate) fn gzip(self) -> Vec<u8> {
        gzip(&self.tar())
    }

    pub(crate) fn write(self, at: &Path) -> PathBuf {
        fs::write(at, self.gzip()).unwrap();
        at.to_owned()
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

/// A store of its own, and a place for what is installed into it.
pub(crate) struct Shop {
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self::of(TempDir::new().unwrap())
    }

    /// One in memory, where there is a place for that: for tests that write to the disk some thousand times.
    pub(crate) fn in_memory() -> Self {
        let folder = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new());
        Self::of(folder.unwrap())
    }

    fn of(folder: TempDir) -> Self {
        let store = Store::at(folder.path().join("store")).unwrap();
        Self { folder, store }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn install(&self, path: &Path) -> Result<Installed, StoreError> {
        self.install_with(path, &InstallOptions::default())
    }

    pub(crate) fn install_with(
        &self,
        path: &Path,
        options: &InstallOptions,
    ) -> Result<Installed, StoreError> {
        self.store.install(&Source::Path(path.to_owned()), options, &mut |_| {})
    }

    /// Installs that archive, or says why not; what is refused leaves nothing.
    pub(crate) fn unpack(&self, archive: &[u8], options: &InstallOptions) -> Result<Installed, StoreError> {
        let at = self.at("package.tar.gz");
        fs::write(&at, archive).unwrap();
        let before = self.store.list().unwrap().plugins;
        let outcome = self.install_with(&at, options);
        if outcome.is_err() {
            assert_eq!(self.store.list().unwrap().plugins, before);
            assert_eq!(self.names("staging"), Vec::<String>::new());
            assert_eq!(self.names("content").len(), before.iter().map(|it| it.releases.len()).sum::<usize>());
        }
        outcome
    }

    /// What is in a directory of the store.
    pub(crate) fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.store.root().join(directory)).unwrap();
        let mut names: Vec<String> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn users(&self) -> StoredPlugin {
        self.store.plugin(&users()).unwrap().unwrap()
    }

    /// All that is listed is there as it was installed, and nothing else is.
    #[track_caller]
    pub(crate) fn assert_sound(&self) {
        let complaints = self.store.examine().complaints;
        // Memory may be a place from which nothing can be started.
        let mut wrong = complaints.iter().filter(|it| !matches!(it, Complaint::NoExec { .. }));
        assert!(wrong.next().is_none(), "{complaints:?}");
    }
}

pub(crate) fn users() -> PackageName {
    PackageName::new("users").unwrap()
}
