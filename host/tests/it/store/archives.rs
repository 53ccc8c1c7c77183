//! Archives that try to escape, to overwrite or to explode. Each is refused, with the entry named, and leaves nothing.

use std::fs;
use std::os::unix::fs::FileExt as _;

use plugline_host::store::InstallOptions;
use tar::{EntryType, Header};

use super::pack::{Pack, Shop, gzip};

/// One archive, with something of no right package in it: what is said of it.
#[track_caller]
fn check(wanted: &str, spoil: impl FnOnce(Pack) -> Pack) {
    let shop = Shop::new();
    let outside = shop.at("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "kept").unwrap();
    let said = shop.unpack(&spoil(Pack::of("1.0.0", "")).gzip(), &InstallOptions::default());
    let said = said.expect_err(wanted).to_string();
    assert!(said.contains(wanted), "{said}");
    assert!(!said.chars().any(char::is_control), "{said:?}");
    let names: Vec<_> = fs::read_dir(&outside).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names, ["precious"]);
    assert_eq!(fs::read_to_string(outside.join("precious")).unwrap(), "kept");
    let mut around: Vec<_> =
        fs::read_dir(shop.folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    around.sort();
    assert_eq!(around, ["outside", "package.tar.gz", "store"]);
}

#[test]
fn paths_that_leave_the_package() {
    check("/etc/evil: \"/etc/evil\" is no path within a package: it begins at the root", |pack| {
        pack.file("/etc/evil", 0o644, b"x")
    });
    check("../../../../outside/evil: ", |pack| pack.file("../../../../outside/evil", 0o644, b"x"));
    check("data/../../evil: ", |pack| pack.file("data/../../evil", 0o644, b"x"));
    check("it would leave the package", |pack| pack.directory("../evil/"));
    check("..: ", |pack| pack.file("..", 0o644, b"x"));
    check("'\\\\' is not the same on every platform", |pack| pack.file("..\\evil", 0o644, b"x"));
    check("':' is not the same on every platform", |pack| pack.file("C:evil", 0o644, b"x"));
    check("a\\u{1b}[2J", |pack| pack.file("a\x1b[2J", 0o644, b"x"));
}

/// In the two ways in which archives have long names.
#[test]
fn long_paths_that_leave_the_package() {
    let long = format!("{}/../../../evil", "a".repeat(120));
    check("it would leave the package", |pack| {
        let name = [long.as_bytes(), b"\0"].concat();
        let pack =
            pack.add(&Pack::header(EntryType::GNULongName, "././@LongLink", 0o644, name.len() as u64), &name);
        pack.file("innocent", 0o644, b"x")
    });
    check("it would leave the package", |pack| {
        let record = pax("path", "../../evil");
        let pack = pack.add(&Pack::header(EntryType::XHeader, "x", 0o644, record.len() as u64), &record);
        pack.file("innocent", 0o644, b"x")
    });
}

fn pax(key: &str, value: &str) -> Vec<u8> {
    let body = format!(" {key}={value}\n");
    let length = (1..).find(|length| length - length.to_string().len() == body.len()).unwrap();
    format!("{length}{body}").into_bytes()
}

#[test]
fn links_out_and_what_is_written_through_them() {
    check("out: a link (to ../../../outside)", |pack| {
        pack.link(EntryType::Symlink, "out", "../../../outside").file("out/evil", 0o644, b"x")
    });
    check("out: a link (to /)", |pack| pack.link(EntryType::Symlink, "out", "/").directory("out/"));
    check("words.py: a link (to ../../../outside/precious)", |pack| {
        pack.link(EntryType::Symlink, "words.py", "../../../outside/precious")
    });
    check("hard: a link (to ../../../outside/precious)", |pack| {
        pack.link(EntryType::Link, "hard", "../../../outside/precious").file("hard", 0o644, b"overwritten")
    });
    // Also one that stays within: a package has files only.
    check("inside: a link (to plugin.py)", |pack| pack.link(EntryType::Symlink, "inside", "plugin.py"));
}

#[test]
fn what_is_no_file() {
    check("disk: a device", |pack| pack.special(EntryType::Block, "disk"));
    check("tty: a device", |pack| pack.special(EntryType::Char, "tty"));
    check("pipe: a named pipe", |pack| pack.special(EntryType::Fifo, "pipe"));
    check("holes: a sparse file", |pack| {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::GNUSparse);
        header.set_path("holes").unwrap();
        header.as_gnu_mut().unwrap().realsize = *b"00000000000\0";
        header.set_mode(0o644);
        header.set_size(0);
        header.set_cksum();
        pack.add(&header, b"")
    });
    // In POSIX's format it looks like a plain one.
    let extended = |pack: Pack, record: &[u8]| {
        let header = Pack::header(EntryType::XHeader, "x", 0o644, record.len() as u64);
        pack.add(&header, record).file("GNUSparseFile.1/holes", 0o644, b"1\n0\n5\nHELLO")
    };
    check("GNUSparseFile.1/holes: a sparse file", |pack| {
        let records =
            [pax("GNU.sparse.major", "1"), pax("GNU.sparse.minor", "0"), pax("GNU.sparse.name", "holes")];
        extended(pack, &records.concat())
    });
    check("GNUSparseFile.1/holes: its extended header cannot be read", |pack| {
        extended(pack, &[pax("SCHILY.xattr.user.x", "a\nb"), pax("size", "1")].concat())
    });
    check("odd: of a kind", |pack| pack.special(EntryType::new(b'Z'), "odd"));
    check("g: a header for all files", |pack| {
        let record = pax("path", "evil");
        pack.add(&Pack::header(EntryType::XGlobalHeader, "g", 0o644, record.len() as u64), &record)
    });
}

/// As GNU tar packs it.
#[test]
fn a_sparse_file_in_an_archive_of_posix() {
    let shop = Shop::new();
    let source = super::pack::directory(&shop.at("source"), "1.0.0", "");
    let holes = fs::File::create(source.join("holes")).unwrap();
    holes.set_len(1 << 20).unwrap();
    holes.write_all_at(b"HELLO", 500_000).unwrap();
    let pack = |sparse: &str| {
        let archive = shop.at("package.tar.gz");
        let mut tar = std::process::Command::new("tar");
        tar.args(["--format=posix", sparse, "-czf"]).arg(&archive).arg("-C").arg(&source).arg(".");
        assert!(tar.status().unwrap().success());
        fs::read(archive).unwrap()
    };
    let said = shop.unpack(&pack("--sparse"), &InstallOptions::default()).unwrap_err().to_string();
    assert!(said.contains("holes: a sparse file; a package has files only"), "{said}");
    // Written out it is a file as any other.
    let installed = shop.unpack(&pack("--no-xattrs"), &InstallOptions::default()).unwrap().plugin;
    let written = fs::read(installed.current().directory.join("holes")).unwrap();
    assert_eq!((written.len(), &written[500_000..500_005]), (1 << 20, &b"HELLO"[..]));
}

#[test]
fn programs_that_would_run_as_others() {
    check("root: has the mode 4755", |pack| pack.file("root", 0o4755, b"x"));
    check("group: has the mode 2755", |pack| pack.file("group", 0o2755, b"x"));
    check("sticky: has the mode 1644", |pack| pack.file("sticky", 0o1644, b"x"));
}

#[test]
fn names_that_overwrite() {
    check("plugin.py: it is there twice", |pack| pack.file("plugin.py", 0o755, b"other"));
    check("./plugin.py: it is there twice", |pack| pack.file("./plugin.py", 0o755, b"other"));
    check("PLUGIN.py: only upper and lower case tell it from plugin.py", |pack| {
        pack.file("PLUGIN.py", 0o755, b"other")
    });
    check("DATA/x: only upper and lower case tell it from data", |pack| pack.file("DATA/x", 0o644, b"x"));
    check("plugin.py/x: it is there as a file and as a directory", |pack| {
        pack.file("plugin.py/x", 0o644, b"x")
    });
    check("data: it is there as a file and as a directory", |pack| pack.file("data", 0o644, b"x"));
    check("plugin.py: it is there as a file and as a directory", |pack| pack.directory("plugin.py/"));
}

#[test]
fn archives_that_explode() {
    let shop = Shop::new();
    let said = |archive: &[u8], set: fn(&mut InstallOptions)| {
        let mut options = InstallOptions::default();
        set(&mut options);
        shop.unpack(archive, &options).unwrap_err().to_string()
    };
    let zeros = Pack::of("1.0.0", "").file("zeros", 0o644, &vec![0; 32 << 20]).gzip();
    assert!(zeros.len() < 1 << 20);
    assert_eq!(said(&zeros, |_| {}), "zeros: the package goes beyond its limit ratio, 200");
    let limit = said(&zeros, |options| options.limits.unpacked_bytes = 1 << 20);
    assert_eq!(limit, "zeros: the package goes beyond its limit unpacked_bytes, 1048576");
    let limit = said(&zeros, |options| options.limits.archive_bytes = 1000);
    assert!(limit.ends_with("the package goes beyond its limit archive_bytes, 1000"), "{limit}");

    let many = (0..200).fold(Pack::of("1.0.0", ""), |pack, at| pack.file(&format!("many/{at}"), 0o644, b""));
    let limit = said(&many.gzip(), |options| options.limits.entries = 100);
    assert!(limit.ends_with("the package goes beyond its limit entries, 100"), "{limit}");
    let deep = (0..200).fold(Pack::of("1.0.0", ""), |pack, at| pack.directory(&format!("many/{at}/")));
    let limit = said(&deep.gzip(), |options| options.limits.entries = 100);
    assert!(limit.ends_with("the package goes beyond its limit entries, 100"), "{limit}");

    // A name that is held in memory, and a file that is never there but for its size.
    let name = vec![b'a'; 8 << 20];
    let header = Pack::header(EntryType::GNULongName, "././@LongLink", 0o644, name.len() as u64);
    let long = Pack::of("1.0.0", "").add(&header, &name).file("x", 0o644, b"");
    let limit = said(&long.gzip(), |_| {});
    assert!(limit.ends_with("the package goes beyond its limit header_bytes, 262144"), "{limit}");
    let huge = Pack::header(EntryType::Regular, "huge", 0o644, 0o77777777777);
    let mut tar = Pack::of("1.0.0", "").tar();
    tar.truncate(tar.len() - 1024);
    tar.extend(huge.as_bytes());
    assert!(said(&gzip(&tar), |_| {}).starts_with("the archive cannot be read: "));
}

/// The least with which it works; with one less it does not, and that limit is named.
fn least(limit: &str, archive: &[u8], set: impl Fn(&mut InstallOptions, u64), from: u64, to: u64) -> u64 {
    let unpack = |most: u64| {
        let mut options = InstallOptions::default();
        set(&mut options, most);
        // A store of its own: what is there already is not unpacked again.
        Shop::new().unpack(archive, &options)
    };
    let (mut fails, mut works) = (from, to);
    while fails + 1 < works {
        let middle = fails.midpoint(works);
        if unpack(middle).is_ok() { works = middle } else { fails = middle }
    }
    let said = unpack(fails).unwrap_err().to_string();
    assert!(said.ends_with(&format!("the package goes beyond its limit {limit}, {fails}")), "{said}");
    works
}

#[test]
fn a_package_at_each_limit_is_unpacked_and_one_beyond_it_is_not() {
    let pack = || Pack::of("1.0.0", "");
    let archive = pack().gzip();
    let size = archive.len() as u64;
    assert_eq!(least("archive_bytes", &archive, |to, most| to.limits.archive_bytes = most, 0, 1 << 20), size);
    let files = super::pack::files("1.0.0", "");
    let bytes: usize = files.iter().map(|(_, _, contents)| contents.len()).sum();
    let found = least("unpacked_bytes", &archive, |to, most| to.limits.unpacked_bytes = most, 0, 1 << 20);
    assert_eq!(found, bytes as u64);
    // Its directories count, too.
    let found = least("entries", &archive, |to, most| to.limits.entries = most, 0, 100);
    assert_eq!(found, files.len() as u64 + 2);
    // Of zeros, a byte becomes about a thousand.
    let zeros = pack().file("zeros", 0o644, &vec![0; 20 << 20]).gzip();
    let found = least("ratio", &zeros, |to, most| to.limits.ratio = most, 1, 1 << 20);
    let ratio = (20 << 20) / zeros.len() as u64;
    assert!(found.abs_diff(ratio) <= ratio / 10, "{found}, and {ratio} in all");
    // A long name stands between two files: its header and itself, in blocks of 512 bytes, before the file's own header.
    let name = vec![b'a'; 200];
    let header = Pack::header(EntryType::GNULongName, "././@LongLink", 0o644, name.len() as u64);
    let long = pack().add(&header, &name).file("x", 0o644, b"").gzip();
    let found = least("header_bytes", &long, |to, most| to.limits.header_bytes = most, 0, 1 << 20);
    assert!((1536..4096).contains(&found), "{found}");
}

#[test]
fn archives_that_are_none() {
    let shop = Shop::new();
    let said = |archive: &[u8]| shop.unpack(archive, &InstallOptions::default()).unwrap_err().to_string();
    let right = Pack::of("1.0.0", "");
    assert!(said(b"").starts_with("the archive cannot be read"), "{}", said(b""));
    assert!(said(b"PK\x03\x04 this is a zip").starts_with("the archive cannot be read"));
    assert!(said(&gzip(b"no tar")).starts_with("the archive cannot be read"));
    let archive = right.gzip();
    for cut in [archive.len() / 3, archive.len() / 2, archive.len() - 1] {
        assert!(said(&archive[..cut]).contains("cannot be read"), "{}", said(&archive[..cut]));
    }
    let mut flipped = archive.clone();
    let middle = flipped.len() - 6;
    flipped[middle] ^= 1;
    assert!(said(&flipped).contains("cannot be read"), "{}", said(&flipped));
    // What other programs would unpack, and this one would not see.
    let two = [Pack::of("1.0.0", "").tar(), Pack::empty().file("evil", 0o644, b"x").tar()].concat();
    assert!(said(&gzip(&two)).contains("something follows the end of the archive"), "{}", said(&gzip(&two)));
    let members = [archive.clone(), Pack::empty().file("evil", 0o644, b"x").gzip()].concat();
    assert!(said(&members).contains("something follows the end of the archive"), "{}", said(&members));
    assert!(
        said(&Pack::empty().file("a", 0o644, b"").gzip()).contains("plugline.toml: there is no such file")
    );
    shop.unpack(&archive, &InstallOptions::default()).unwrap();
}
