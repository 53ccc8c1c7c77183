//! What manifests say, remembered. A file is known by what `stat` says of it, what is in it by its hash, and what was
//! read of that is kept under the hash: so nothing is read, hashed or parsed twice while it stays as it is.
//!
//! The cache is never needed: one that is not there, that another version wrote or that is broken is made anew.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plugline_protocol::contract::{Manifest, Resolved};
use plugline_protocol::wire::escape;
use semver::Version;
use serde::{Deserialize, Serialize};

use super::found::Declared;
use crate::package::{Package, Sha256};

/// What is written is read by the same format alone.
const FORMAT: u32 = 1;
/// A file that changed so shortly before it was read may change again without another time being seen of it.
const YOUNG: Duration = Duration::from_secs(2);
/// A cache is not longer than what many thousands of plugins need; bytes.
const LONGEST: u64 = 256 << 20;

/// What a file was when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether the clock of the file system has moved on since, so that another change would show.
    fn is_settled(&self, now: SystemTime) -> bool {
        let since = |(seconds, nanos): (i64, i64)| {
            let age = u64::try_from(seconds).ok().zip(u32::try_from(nanos).ok());
            let at = age.map(|(seconds, nanos)| UNIX_EPOCH.checked_add(Duration::new(seconds, nanos)));
            at.flatten().and_then(|at| now.duration_since(at).ok())
        };
        // A time in the future tells nothing.
        [self.modified, self.changed].into_iter().all(|at| since(at).is_some_and(|age| age > YOUNG))
    }
}

/// SHA-256, in hexadecimal.
type Hash = String;

/// What a `plugline.toml` says, as far as a plugin is looked for by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) version: Version,
    /// In the directory.
    pub(super) manifest: Option<String>,
}

/// What a document says of the plugin itself, and what it offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offer {
    pub(super) title: String,
    pub(super) version: String,
    pub(super) declared: Declared,
}

/// What was read, or why it cannot be.
type Outcome<T> = Result<T, String>;

/// All that is remembered, as it is written.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Store {
    format: u32,
    files: HashMap<PathBuf, (Stamp, Hash)>,
    heads: HashMap<Hash, Outcome<Head>>,
    offers: HashMap<Hash, Outcome<Offer>>,
}

/// How much had to be done, for tests and those who want to know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Files that were read and hashed.
    pub read: usize,
    /// Texts that were parsed.
    pub parsed: usize,
}

/// A cache while plugins are looked for.
#[derive(Debug)]
pub(super) struct Cache {
    file: Option<PathBuf>,
    now: SystemTime,
    before: Store,
    after: Store,
    pub(super) work: Work,
}

impl Cache {
    /// Opens the cache in that file, if there is one.
    pub(super) fn open(file: Option<PathBuf>, now: SystemTime) -> Self {
        let before = file.as_deref().and_then(|file| {
            let mut text = Vec::new();
            File::open(file).ok()?.take(LONGEST).read_to_end(&mut text).ok()?;
            serde_json::from_slice::<Store>(&text).ok()
        });
        let before = before.filter(|store| store.format == FORMAT).unwrap_or_default();
        let after = Store { format: FORMAT, ..Store::default() };
        Self { file, now, before, after, work: Work::default() }
    }

    /// What the `plugline.toml` at that place says.
    pub(super) fn head(&mut self, file: &Path) -> Outcome<Head> {
        let (hash, text) = self.look(file, crate::package::FILE_BYTES)?;
        if let Some(known) = self.after.heads.get(&hash) {
            return known.clone();
        }
        let read = match self.before.heads.remove(&hash) {
            Some(known) => known,
            None => {
                let text = self.text(text, file, crate::package::FILE_BYTES)?;
                self.work.parsed += 1;
                head(&text)
            }
        };
        self.after.heads.insert(hash, read.clone());
        read
    }

    /// What the document at that place offers.
    pub(super) fn offer(&mut self, file: &Path) -> Outcome<Offer> {
        let longest = Manifest::LONGEST_TEXT as u64;
        let (hash, text) = self.look(file, longest)?;
        if let Some(known) = self.after.offers.get(&hash) {
            return known.clone();
        }
        let read = match self.before.offers.remove(&hash) {
            Some(known) => known,
            None => {
                let text = self.text(text, file, longest)?;
                self.work.parsed += 1;
                offer(&text)
            }
        };
        self.after.offers.insert(hash, read.clone());
        read
    }

    /// The hash of a file, and its text where that had to be read.
    fn look(&mut self, file: &Path, longest: u64) -> Outcome<(Hash, Option<Vec<u8>>)> {
        let metadata = fs::metadata(file).map_err(|fault| fault.to_string())?;
        if !metadata.is_file() {
            return Err("it is no file".into());
        }
        let stamp = Stamp::of(&metadata);
        if let Some((path, (known, hash))) = self.before.files.remove_entry(file)
            && known == stamp
            && stamp.is_settled(self.now)
        {
            self.after.files.insert(path, (known, hash.clone()));
            return Ok((hash, None));
        }
        let text = self.text(None, file, longest)?;
        let hash = Sha256::of(&text).as_str().to_owned();
        if stamp.is_settled(self.now) {
            self.after.files.insert(file.to_owned(), (stamp, hash.clone()));
        }
        Ok((hash, Some(text)))
    }

    fn text(&mut self, text: Option<Vec<u8>>, file: &Path, longest: u64) -> Outcome<Vec<u8>> {
        if let Some(text) = text {
            return Ok(text);
        }
        self.work.read += 1;
        let mut text = Vec::new();
        let read = File::open(file).and_then(|file| file.take(longest + 1).read_to_end(&mut text));
        read.map_err(|fault| fault.to_string())?;
        if text.len() as u64 > longest {
            return Err(format!("it is longer than {longest} bytes"));
        }
        Ok(text)
    }

    /// Writes down what was learnt, if anything: whole, or not at all.
    pub(super) fn close(self) -> io::Result<Work> {
        let Self { file, before, after, work, .. } = self;
        // What was known and not asked for is what is left of it.
        let forgotten = !(before.files.is_empty() && before.heads.is_empty() && before.offers.is_empty());
        if let (Some(file), true) = (file, work != Work::default() || forgotten) {
            let dir = file.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(dir)?;
            let mut written = tempfile::NamedTempFile::new_in(dir)?;
            written.write_all(&serde_json::to_vec(&after).map_err(io::Error::other)?)?;
            written.persist(&file).map_err(|fault| fault.error)?;
        }
        Ok(work)
    }
}

fn head(text: &[u8]) -> Outcome<Head> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
    // Whoever reports it names the file.
    let package = Package::parse(text, Path::new(crate::package::FILE)).map_err(|fault| fault.to_string())?;
    let Package { name, version, manifest, .. } = package;
    let manifest = manifest.map(|path| path.as_str().to_owned());
    Ok(Head { name: name.as_str().to_owned(), version, manifest })
}

/// Only what plugins are looked for by is read. All of a document's rules are checked when its plugin is started.
fn offer(text: &[u8]) -> Outcome<Offer> {
    let Resolved(document) = serde_json::from_slice(text)
        .map_err(|fault| format!("no manifest: {}", escape(fault.to_string().as_bytes())))?;
    let (title, version) = (document.info.title.clone(), document.info.version.clone());
    Ok(Offer { title, version, declared: Declared::of(document) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGE: &str =
        "name = \"users\"\nversion = \"1.2.0\"\ncommand = [\"sh\"]\nmanifest = \"users.json\"\n";

    struct Bench {
        dir: tempfile::TempDir,
    }

    impl Bench {
        fn new() -> Self {
            let bench = Self { dir: tempfile::tempdir().unwrap() };
            bench.write(PACKAGE);
            bench
        }

        fn package(&self) -> PathBuf {
            self.dir.path().join("plugline.toml")
        }

        fn write(&self, text: &str) {
            fs::write(self.package(), text).unwrap();
        }

        fn cache(&self) -> PathBuf {
            self.dir.path().join("cache/discovery.json")
        }

        fn read(&self) -> (Outcome<Head>, Work) {
            self.read_at(SystemTime::now())
        }

        /// As if it were later.
        fn read_later(&self) -> (Outcome<Head>, Work) {
            self.read_at(SystemTime::now() + 30 * YOUNG)
        }

        fn read_at(&self, now: SystemTime) -> (Outcome<Head>, Work) {
            let mut cache = Cache::open(Some(self.cache()), now);
            let head = cache.head(&self.package());
            (head, cache.close().unwrap())
        }
    }

    #[track_caller]
    fn check((head, work): (Outcome<Head>, Work), read: usize, parsed: usize) {
        assert_eq!(head.unwrap().name, "users");
        assert_eq!(work, Work { read, parsed });
    }

    #[test]
    fn a_manifest_may_point_at_its_params() {
        let offered = offer(
            br##"{"openrpc": "1.3.2", "info": {"title": "t", "version": "1.0.0"},
                  "methods": [{"name": "t.m", "params": [{"$ref": "#/components/contentDescriptors/P"}]}],
                  "components": {"contentDescriptors": {"P": {"name": "p", "schema": {}}}}}"##,
        );
        assert_eq!(offered.unwrap().title, "t");
    }

    #[test]
    fn what_is_young_is_read_and_hashed_but_parsed_once() {
        let bench = Bench::new();
        check(bench.read(), 1, 1);
        check(bench.read(), 1, 0);
        // It was young when it was read: what it is now is not known.
        check(bench.read_later(), 1, 0);
        check(bench.read_later(), 0, 0);
    }

    #[test]
    fn a_change_long_ago_is_seen_though_the_time_is_the_same() {
        let bench = Bench::new();
        check(bench.read_later(), 1, 1);
        let before = fs::metadata(bench.package()).unwrap().modified().unwrap();
        bench.write(&PACKAGE.replace("1.2.0", "1.3.0"));
        File::options().write(true).open(bench.package()).unwrap().set_modified(before).unwrap();
        check(bench.read_later(), 1, 1);
    }

    #[test]
    fn a_time_in_the_future_tells_nothing() {
        let (now, long_ago) = (SystemTime::now(), (1, 0));
        let settled = Stamp { device: 1, inode: 1, size: 1, modified: long_ago, changed: long_ago };
        assert!(settled.is_settled(now));
        assert!(!Stamp { changed: (i64::MAX, 0), ..settled }.is_settled(now));
        assert!(!Stamp { modified: (-1, 0), ..settled }.is_settled(now));
    }

    #[test]
    fn a_change_is_seen_and_a_fault_is_kept_too() {
        let bench = Bench::new();
        bench.read().0.unwrap();
        bench.write(&PACKAGE.replace("1.2.0", "1.3.0"));
        assert_eq!(bench.read().0.unwrap().version, Version::new(1, 3, 0));
        bench.write("name = ");
        let fault = bench.read().0.unwrap_err();
        let (again, work) = bench.read();
        assert_eq!((again.unwrap_err(), work.parsed), (fault, 0));
    }

    #[test]
    fn a_package_file_has_so_many_bytes_and_no_more() {
        let bench = Bench::new();
        let longest = usize::try_from(crate::package::FILE_BYTES).unwrap();
        let padded = |bytes: usize| format!("{PACKAGE}\n#{}", "x".repeat(bytes - PACKAGE.len() - 2));
        bench.write(&padded(longest));
        check(bench.read(), 1, 1);
        bench.write(&padded(longest + 1));
        assert_eq!(bench.read().0.unwrap_err(), "it is longer than 1048576 bytes");
    }

    #[test]
    fn a_broken_cache_is_made_anew() {
        let bench = Bench::new();
        for broken in ["", "{", "[]", r#"{"format":999,"files":{},"heads":{},"offers":{}}"#, "\0\0\0"] {
            bench.read().0.unwrap();
            fs::write(bench.cache(), broken).unwrap();
            check(bench.read_later(), 1, 1);
            check(bench.read_later(), 0, 0);
        }
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_said_and_does_no_harm() {
        let bench = Bench::new();
        fs::write(bench.dir.path().join("cache"), "a file where a directory should be").unwrap();
        let mut cache = Cache::open(Some(bench.cache()), SystemTime::now());
        cache.head(&bench.package()).unwrap();
        assert!(cache.close().is_err());
    }
}
