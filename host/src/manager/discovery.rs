//! Finding plugins without starting any: the directories of the search paths, and the store.
//!
//! A directory of the search paths has plugins in it: directories with a `plugline.toml`, and programs with their
//! manifest beside them (`users` and `users.openrpc.json`). A directory that is itself a package is one, too. What is
//! broken is reported, and hides nothing else.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use plugline_protocol::wire::escape;
use rustix::fs::{Access, access};
use semver::Version;

use super::cache::{Cache, Head, Work};
use super::found::{Found, Place, Query};
use super::version::order;
use crate::package::Sha256;
use crate::store::Store;

/// What the manifest beside a program is called, after the program's name.
const BESIDE: &str = ".openrpc.json";
/// Of a directory with more entries, only so many are looked at.
const MOST_ENTRIES: usize = 100_000;
/// So many plugins are found in all places together.
const MOST_PLUGINS: usize = 10_000;
/// So much is said of what is broken.
const MOST_BROKEN: usize = 1_000;

/// Where plugins are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// In that order.
    pub(crate) search: Vec<PathBuf>,
    /// What the store has.
    pub(crate) store: Option<Store>,
    /// Where the cache is; without one everything is read each time.
    pub(crate) cache: Option<PathBuf>,
}

/// Something that was looked at, and is no plugin that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = escape(self.path.as_os_str().as_encoded_bytes());
        write!(f, "{path}: {}", escape(self.why.as_bytes()))
    }
}

/// All that was found, in an order that does not change: by name, newest first, then as it was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Catalogue {
    pub(crate) found: Vec<Found>,
    pub(crate) broken: Vec<Broken>,
    pub(crate) work: Work,
}

impl Catalogue {
    /// Looks for plugins.
    pub(crate) fn of(places: &Places) -> Self {
        let mut search = Search {
            cache: Cache::open(places.cache.clone(), SystemTime::now()),
            found: Vec::new(),
            broken: Vec::new(),
            is_full: false,
        };
        for (rank, directory) in places.search.iter().enumerate() {
            search.directory(directory, rank);
        }
        if let Some(store) = &places.store {
            search.installed(store, places.search.len());
        }
        let Search { cache, mut found, mut broken, is_full: _ } = search;
        let work = cache.work;
        if let Err(fault) = cache.close() {
            // Nothing is lost but time.
            let path = places.cache.clone().unwrap_or_default();
            broken.push(Broken { path, why: format!("the cache of manifests cannot be written: {fault}") });
        }
        found.sort_by(|one, other| one.name.cmp(&other.name).then_with(|| order(one, other)));
        // One directory may be reached in two ways.
        found.dedup_by(|later, first| later.name == first.name && later.place == first.place);
        Self { found, broken, work }
    }

    /// Those that were looked for.
    pub(crate) fn find(&self, query: &Query) -> Vec<&Found> {
        let Query { name, version, .. } = query;
        self.found
            .iter()
            .filter(|found| name.as_ref().is_none_or(|name| *name == found.name))
            .filter(|found| version.as_ref().is_none_or(|version| version.matches(&found.version)))
            .filter(|found| query.provided_by(found.declared.as_ref()) == Some(true))
            .collect()
    }
}

struct Search {
    cache: Cache,
    found: Vec<Found>,
    broken: Vec<Broken>,
    /// There are more than are looked at, and that was told.
    is_full: bool,
}

impl Search {
    fn is_broken(&mut self, path: impl Into<PathBuf>, why: impl Into<String>) {
        match self.broken.len() {
            ..MOST_BROKEN => self.broken.push(Broken { path: path.into(), why: why.into() }),
            MOST_BROKEN => {
                let why = format!("more than {MOST_BROKEN} plugins are broken, and no more are named");
                self.broken.push(Broken { path: path.into(), why });
            }
            _ => {}
        }
    }

    /// One that can be used, as far as is seen.
    fn is_found(&mut self, found: Found) {
        match self.found.len() {
            ..MOST_PLUGINS => self.found.push(found),
            _ if !self.is_full => {
                self.is_full = true;
                let why = format!("more than {MOST_PLUGINS} plugins were found, and no more are looked at");
                // First, so that it is told however many are broken.
                self.broken.insert(0, Broken { path: found.place.path().to_owned(), why });
            }
            _ => {}
        }
    }

    /// The plugins in a directory, or the one that it is.
    fn directory(&mut self, directory: &Path, rank: usize) {
        if directory.join(crate::package::FILE).is_file() {
            return self.package(directory, rank, Place::Package(directory.to_owned()));
        }
        let (mut entries, all) = match entries(directory, MOST_ENTRIES) {
            Ok(entries) => entries,
            // A path that nobody has put anything into yet.
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return,
            Err(fault) => return self.is_broken(directory, fault.to_string()),
        };
        if !all {
            let why = format!(
                "it has more than {MOST_ENTRIES} entries, and no more are looked at: plugins stand in a directory of \
                 their own"
            );
            self.is_broken(directory, why);
        }
        entries.sort();
        for path in entries {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            if let Some(program) = name.strip_suffix(BESIDE) {
                self.program(directory.join(program), path, rank);
            } else if path.join(crate::package::FILE).is_file() {
                self.package(&path, rank, Place::Package(path.clone()));
            }
        }
    }

    /// What is installed, but for versions that were replaced by themselves.
    fn installed(&mut self, store: &Store, rank: usize) {
        let listing = match store.list() {
            Ok(listing) => listing,
            Err(fault) => return self.is_broken(store.root(), fault.to_string()),
        };
        for fault in listing.faults {
            self.is_broken(store.root(), fault.to_string());
        }
        for plugin in listing.plugins {
            let current = plugin.current().version.clone();
            for release in &plugin.releases {
                if plugin.version(&release.version).is_some_and(|meant| meant.hash != release.hash) {
                    continue;
                }
                let before = self.found.len();
                self.package(&release.directory, rank, Place::Store(release.clone()));
                if let Some(found) = self.found.get_mut(before) {
                    found.rolled_back = release.version > current;
                }
            }
        }
    }

    fn package(&mut self, directory: &Path, rank: usize, place: Place) {
        let file = directory.join(crate::package::FILE);
        let head = match self.cache.head(&file) {
            Ok(head) => head,
            Err(why) => return self.is_broken(file, why),
        };
        let declared = match &head.manifest {
            None => None,
            Some(manifest) => {
                let manifest = directory.join(manifest);
                match self.cache.offer(&manifest) {
                    Ok(offer) if offer.title != head.name || offer.version != head.version.to_string() => {
                        let why = format!(
                            "it is the manifest of {} {}, and plugline.toml says {} {} (CONTRACT-11)",
                            offer.title, offer.version, head.name, head.version
                        );
                        return self.is_broken(manifest, why);
                    }
                    Ok(offer) => Some(offer.declared),
                    Err(why) => return self.is_broken(manifest, why),
                }
            }
        };
        let Head { name, version, .. } = head;
        self.is_found(Found { name, version, declared, place, rank, rolled_back: false });
    }

    /// A program with its manifest beside it, which has its name and version.
    fn program(&mut self, program: PathBuf, manifest: PathBuf, rank: usize) {
        if !program.is_file() || access(&program, Access::EXEC_OK).is_err() {
            // The document of a contract may lie anywhere.
            return;
        }
        let offer = match self.cache.offer(&manifest) {
            Ok(offer) => offer,
            Err(why) => return self.is_broken(manifest, why),
        };
        let Ok(version) = Version::parse(&offer.version) else {
            let why = format!("{:?} is no version; a version is like 1.2.3", offer.version);
            return self.is_broken(manifest, why);
        };
        if !super::driver::is_name(&offer.title) {
            let why = format!("{:?} is no name that a user could say", offer.title);
            return self.is_broken(manifest, why);
        }
        let place = Place::Program { program, manifest };
        let declared = Some(offer.declared);
        self.is_found(Found { name: offer.title, version, declared, place, rank, rolled_back: false });
    }
}

/// What is in a directory, so much of it; and whether that is all.
fn entries(directory: &Path, most: usize) -> io::Result<(Vec<PathBuf>, bool)> {
    let mut entries = fs::read_dir(directory)?;
    let first = entries.by_ref().take(most).map(|entry| entry.map(|entry| entry.path()));
    let first = first.collect::<io::Result<Vec<PathBuf>>>()?;
    let all = first.len() < most || entries.next().is_none();
    Ok((first, all))
}

/// Where the cache for these search paths is: hosts that look in different places do not write over each other's.
pub(crate) fn cache_file(cache: &Path, search: &[PathBuf]) -> PathBuf {
    let mut text = Vec::new();
    for path in search {
        text.extend_from_slice(path.as_os_str().as_encoded_bytes());
        text.push(0);
    }
    cache.join(format!("discovery-{}.json", &Sha256::of(&text).as_str()[..16]))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::{Value, json};

    use super::*;

    struct Bench(tempfile::TempDir);

    fn document(name: &str, version: &str, provides: Value) -> String {
        json!({"openrpc": "1.3.2", "info": {"title": name, "version": version}, "methods": [],
            "x-plugline": {"protocol": [1], "provides": provides}})
        .to_string()
    }

    impl Bench {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn write(&self, path: &str, text: &str) -> PathBuf {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        }

        fn package(&self, at: &str, name: &str, version: &str, provides: &Value) {
            let package = format!(
                "name = \"{name}\"\nversion = \"{version}\"\nmanifest = \"m.json\"\ncommand = [\"sh\"]"
            );
            self.write(&format!("{at}/plugline.toml"), &package);
            self.write(&format!("{at}/m.json"), &document(name, version, provides.clone()));
        }

        fn catalogue(&self, search: &[&str]) -> Catalogue {
            let search = search.iter().map(|path| self.0.path().join(path)).collect();
            Catalogue::of(&Places {
                search,
                cache: Some(self.0.path().join("cache.json")),
                ..Places::default()
            })
        }
    }

    fn names(found: &[&Found]) -> Vec<String> {
        found.iter().map(|found| format!("{} {} {}", found.name, found.version, found.rank)).collect()
    }

    #[test]
    fn plugins_are_found_by_name_contract_type_and_version_without_being_started() {
        let bench = Bench::new();
        let repository = json!([{"contract": "repository", "version": "1.0.0", "types": ["oci", "ctf"]}]);
        bench.package("a/ocm-1", "ocm", "1.9.0", &repository);
        bench.package("a/ocm-2", "ocm", "1.10.0", &repository);
        bench.package("b/users", "users", "0.1.0", &json!([{"contract": "users", "version": "1.2.0"}]));
        let program = bench.write("b/s3-repository", "#!/bin/sh\nexit 1\n");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let s3 = json!([{"contract": "repository", "version": "2.0.0", "types": ["s3"]}]);
        bench.write("b/s3-repository.openrpc.json", &document("s3", "3.0.0", s3));
        bench.write("b/only-a-document.openrpc.json", "{}");
        let all = bench.catalogue(&["a", "b", "missing"]);
        assert_eq!(all.broken, []);
        assert_eq!(
            names(&all.find(&Query::all())),
            ["ocm 1.10.0 0", "ocm 1.9.0 0", "s3 3.0.0 1", "users 0.1.0 1"]
        );
        assert_eq!(
            names(&all.find(&Query::contract("repository").of_type("ctf"))),
            ["ocm 1.10.0 0", "ocm 1.9.0 0"]
        );
        let first = Query::contract("repository").contract_version("^1".parse().unwrap());
        assert_eq!(names(&all.find(&first)), ["ocm 1.10.0 0", "ocm 1.9.0 0"]);
        assert_eq!(names(&all.find(&Query::name("ocm").version("<1.10".parse().unwrap()))), ["ocm 1.9.0 0"]);
        assert_eq!(names(&all.find(&Query::contract("audit"))), [] as [&str; 0]);
    }

    #[test]
    fn of_a_directory_so_many_entries_are_looked_at_and_no_more() {
        let bench = Bench::new();
        (0..3).for_each(|number| drop(bench.write(&format!("a/{number}"), "")));
        let listed = |most| {
            let (entries, all) = entries(&bench.0.path().join("a"), most).unwrap();
            (entries.len(), all)
        };
        assert_eq!([listed(2), listed(3), listed(4)], [(2, false), (3, true), (3, true)]);
    }

    #[test]
    fn so_many_plugins_are_found_and_no_more() {
        let mut search = Search {
            cache: Cache::open(None, SystemTime::now()),
            found: Vec::new(),
            broken: Vec::new(),
            is_full: false,
        };
        let found = |number: usize| Found {
            name: format!("p{number}"),
            version: Version::new(1, 0, 0),
            declared: None,
            place: Place::Package(PathBuf::from(format!("/plugins/p{number}"))),
            rank: 0,
            rolled_back: false,
        };
        (0..MOST_PLUGINS).for_each(|number| search.is_found(found(number)));
        assert_eq!((search.found.len(), &search.broken[..]), (MOST_PLUGINS, &[][..]));
        (0..10).for_each(|number| search.is_found(found(number)));
        assert_eq!(search.found.len(), MOST_PLUGINS);
        let [told] = &search.broken[..] else { panic!("{:?}", search.broken) };
        assert!(told.to_string().contains("/plugins/p0: more than 10000 plugins were found"), "{told}");
    }

    #[test]
    fn of_what_is_broken_so_much_is_named_and_no_more() {
        let mut search = Search {
            cache: Cache::open(None, SystemTime::now()),
            found: Vec::new(),
            broken: Vec::new(),
            is_full: false,
        };
        (0..MOST_BROKEN).for_each(|_| search.is_broken("/plugins/p", "it is no file"));
        assert_eq!(search.broken.last().unwrap().why, "it is no file");
        (0..10).for_each(|_| search.is_broken("/plugins/p", "it is no file"));
        assert_eq!(search.broken.len(), MOST_BROKEN + 1);
        assert!(search.broken[MOST_BROKEN].why.contains("more than 1000 plugins are broken"));
    }

    #[test]
    fn what_is_broken_is_reported_and_hides_nothing() {
        let bench = Bench::new();
        bench.package("a/good", "good", "1.0.0", &json!([]));
        bench.write("a/no-toml/plugline.toml", "name = ");
        bench.package("a/other-name", "other", "1.0.0", &json!([]));
        bench.write("a/other-name/m.json", &document("another", "1.0.0", json!([])));
        bench.package("a/no-json", "no-json", "1.0.0", &json!([]));
        bench.write("a/no-json/m.json", "{\u{1b}");
        bench.package("a/gone", "gone", "1.0.0", &json!([]));
        fs::remove_file(bench.0.path().join("a/gone/m.json")).unwrap();
        bench.write("a/not-a-plugin/readme", "");
        bench.write("file", "");
        for _ in 0..2 {
            let all = bench.catalogue(&["a", "file"]);
            assert_eq!(names(&all.find(&Query::all())), ["good 1.0.0 0"]);
            let said: Vec<String> = all.broken.iter().map(ToString::to_string).collect();
            let wanted = [
                ("gone/m.json", "No such file"),
                ("no-json/m.json", "no manifest: "),
                ("no-toml/plugline.toml", "plugline.toml:1:8"),
                (
                    "other-name/m.json",
                    "it is the manifest of another 1.0.0, and plugline.toml says other 1.0.0",
                ),
                ("/file", "Not a directory"),
            ];
            assert_eq!(said.len(), wanted.len(), "{said:#?}");
            for (said, (place, why)) in said.iter().zip(wanted) {
                assert!(said.contains(place) && said.contains(why), "{said}: {place} {why}");
                assert!(!said.contains('\u{1b}'), "{said:?}");
            }
        }
    }

    #[test]
    fn the_order_is_that_of_the_search_paths_and_not_that_of_the_disk() {
        let bench = Bench::new();
        for (at, version) in [("b/z", "1.0.0"), ("a/z", "1.0.0"), ("a/y", "1.0.0"), ("b/a", "1.0.1")] {
            bench.package(at, "users", version, &json!([]));
        }
        let paths = |search: &[&str]| -> Vec<String> {
            let all = bench.catalogue(search);
            let path = |found: &Found| {
                found.place.path().strip_prefix(bench.0.path()).unwrap().display().to_string()
            };
            all.found.iter().map(path).collect()
        };
        assert_eq!(paths(&["a", "b"]), ["b/a", "a/y", "a/z", "b/z"]);
        assert_eq!(paths(&["b", "a"]), ["b/a", "b/z", "a/y", "a/z"]);
        // A package itself may be named, and one that is reached twice is one.
        assert_eq!(paths(&["a/y", "a/y"]), ["a/y"]);
    }
}
