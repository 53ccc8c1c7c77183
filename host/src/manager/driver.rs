//! Drivers: how a user names a plugin. What was written is told apart here, and nothing else: whether there is such a
//! plugin, this file does not know. Pure.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use plugline_protocol::wire::escape;
use semver::VersionReq;

/// How a user names a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Driver {
    /// `users`, `users@^1.2`: a built-in of the host, or a plugin that is found by its name.
    Word {
        /// The name.
        name: String,
        /// Which versions would do; all releases where nothing is said.
        version: Option<VersionReq>,
    },
    /// `./users`, `/opt/plugins/users`: a program, or the directory of a package.
    Path(PathBuf),
    /// What has to be fetched first.
    Remote(Remote),
}

/// Where a package is fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remote {
    /// `file:///tmp/users.tar.gz`: an archive, or the directory of a package.
    File(PathBuf),
    /// `https://example.org/users.tar.gz`: an archive.
    Https(String),
    /// `git+https://example.org/users.git#v1.0.0`: a repository.
    Git(String),
    /// `example.org/owner/users@v1.0.0`: a repository, without a scheme.
    Repository {
        /// As it was written, without the version.
        place: String,
        /// A tag, a branch or a commit.
        reference: Option<String>,
    },
}

/// Why a text names no plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverFault {
    /// What it could have been, each with the reason why it is not.
    pub tried: Vec<Tried>,
}

/// A way in which something was looked for, and why that led nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// What it was taken for: `the path ./users`, `a built-in`, …
    pub what: String,
    /// Why it is not that.
    pub why: String,
}

impl Tried {
    pub(crate) fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into() }
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl fmt::Display for DriverFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tried: Vec<String> = self.tried.iter().map(ToString::to_string).collect();
        f.write_str(&tried.join("; "))
    }
}

impl std::error::Error for DriverFault {}

/// Schemes that are no way to a plugin, and what to write in their place.
const REFUSED: [(&str, &str); 6] = [
    ("http", "what comes that way can be changed on the way: https: is wanted"),
    ("git", "what comes that way can be changed on the way: git+https: is wanted"),
    ("git+http", "what comes that way can be changed on the way: git+https: is wanted"),
    ("git+ssh", "only git+https: is fetched: clone it, and name the directory"),
    ("ssh", "only git+https: is fetched: clone it, and name the directory"),
    ("ftp", "what comes that way can be changed on the way: https: is wanted"),
];

impl FromStr for Driver {
    type Err = DriverFault;

    /// Tells what was written by its form alone: a scheme, then a host and its path, then a path, then a word.
    fn from_str(text: &str) -> Result<Self, DriverFault> {
        let fault = |what: &str, why: &str| DriverFault { tried: vec![Tried::new(what, why)] };
        if text.is_empty() {
            return Err(fault("a driver", "it is empty: a word, a path or a URL is wanted"));
        }
        if text.contains(char::is_control) {
            return Err(fault("a driver", "it has control characters"));
        }
        if let Some((scheme, rest)) = scheme(text) {
            return remote(text, &scheme, rest).map(Self::Remote);
        }
        if let Some(repository) = repository(text) {
            return Ok(Self::Remote(repository));
        }
        if is_path(text) {
            return Ok(Self::Path(text.into()));
        }
        word(text)
    }
}

/// The scheme of a URL, in lower case, and what follows its colon. Schemes have two letters at least, so that `C:\…`
/// has none.
fn scheme(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let mut letters = scheme.chars();
    let first = letters.next().is_some_and(|c| c.is_ascii_alphabetic());
    let plain = letters.clone().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    (first && plain && letters.next().is_some()).then(|| (scheme.to_ascii_lowercase(), rest))
}

fn remote(text: &str, scheme: &str, rest: &str) -> Result<Remote, DriverFault> {
    let fault = |why: &str| DriverFault {
        tried: vec![Tried::new(format!("the URL {}", escape(text.as_bytes())), why)],
    };
    match scheme {
        "file" => {
            let path = match rest.strip_prefix("//") {
                Some(rest) => match rest.split_once('/') {
                    Some(("" | "localhost", path)) => format!("/{path}"),
                    _ => return Err(fault("a file: URL names no other machine: file:///PATH is wanted")),
                },
                None => rest.to_owned(),
            };
            let path = percent_decoded(&path)
                .ok_or_else(|| fault("after a % two hexadecimal digits are wanted, and text in UTF-8"))?;
            if path.is_empty() || path == "/" {
                return Err(fault("it names no file"));
            }
            Ok(Remote::File(path.into()))
        }
        "https" => has_host(rest).map(|()| Remote::Https(text.to_owned())).map_err(|why| fault(&why)),
        "git+https" => has_host(rest).map(|()| Remote::Git(text.to_owned())).map_err(|why| fault(&why)),
        other => {
            let known = REFUSED.iter().find(|(scheme, _)| *scheme == other);
            let why = known.map_or("only file:, https: and git+https: are fetched", |(_, why)| why);
            Err(fault(why))
        }
    }
}

/// `//HOST/PATH`; without a password, which would end up in logs.
fn has_host(rest: &str) -> Result<(), String> {
    let Some((host, path)) = rest.strip_prefix("//").and_then(|rest| rest.split_once('/')) else {
        return Err("it has to be SCHEME://HOST/PATH".into());
    };
    if host.contains('@') {
        return Err(
            "a name or a password in a URL ends up in logs: leave it to git's or curl's own files".into()
        );
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if host.is_empty() || path.trim_matches('/').is_empty() {
        return Err("it has to be SCHEME://HOST/PATH".into());
    }
    Ok(())
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
            bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    // A NUL ends a path in whatever opens it.
    String::from_utf8(bytes).ok().filter(|path| !path.contains('\0'))
}

/// A path as a URL has it, with what could not stand there as it is: what begins an escape, and what a driver may not have.
fn percent_encoded(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for c in path.chars() {
        if c == '%' || c.is_control() {
            let mut bytes = [0; 4];
            encoded.extend(c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
        } else {
            encoded.push(c);
        }
    }
    encoded
}

/// `host.tld/owner/name`: three parts at least, of which the first is a domain name.
fn repository(text: &str) -> Option<Remote> {
    let (place, reference) = match text.rsplit_once('@') {
        Some((place, reference)) if !reference.contains('/') && !reference.is_empty() => {
            (place, Some(reference.to_owned()))
        }
        Some(_) => return None,
        None => (text, None),
    };
    let parts: Vec<&str> = place.split('/').collect();
    let plain = |part: &&str| {
        !matches!(*part, "" | "." | "..")
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
    };
    let [host, _, _, ..] = parts[..] else { return None };
    (parts.iter().all(plain) && is_domain(host))
        .then(|| Remote::Repository { place: place.to_owned(), reference })
}

fn is_domain(host: &str) -> bool {
    let labels: Vec<&str> = host.split('.').collect();
    let label = |label: &&str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    // A top level has letters alone: `1.2.3/a/b` is no place.
    let top = labels.last().is_some_and(|top| top.len() > 1 && top.chars().all(|c| c.is_ascii_alphabetic()));
    labels.len() > 1 && top && labels.iter().all(label)
}

fn is_path(text: &str) -> bool {
    text.contains('/') || (cfg!(windows) && text.contains('\\')) || matches!(text, "." | "..")
}

fn word(text: &str) -> Result<Driver, DriverFault> {
    let what = || format!("the word {}", escape(text.as_bytes()));
    let fault = |why: String| DriverFault { tried: vec![Tried::new(what(), why)] };
    let (name, version) = match text.split_once('@') {
        Some((name, version)) => {
            let version = VersionReq::parse(version).map_err(|why| {
                fault(format!(
                    "{version:?} is no requirement of versions ({why}): ^1.2, =1.2.3 or >=1, <3 are"
                ))
            })?;
            (name, Some(version))
        }
        None => (text, None),
    };
    if !is_name(name) {
        return Err(fault(
            "a name has letters, digits, '-', '_' and '.', and begins with a letter or a digit; a path has a '/'".into(),
        ));
    }
    Ok(Driver::Word { name: name.to_owned(), version })
}

/// Whether a plugin may be called so by a user.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word { name, version: None } => f.write_str(name),
            Self::Word { name, version: Some(version) } => write!(f, "{name}@{version}"),
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => {
                // An absolute one may begin with two slashes, which would be taken for those before a host.
                f.write_str(if path.is_absolute() { "file://" } else { "file:" })?;
                f.write_str(&percent_encoded(&path.to_string_lossy()))
            }
            Self::Https(url) | Self::Git(url) => f.write_str(url),
            Self::Repository { place, reference: None } => f.write_str(place),
            Self::Repository { place, reference: Some(reference) } => write!(f, "{place}@{reference}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, wanted: Driver) {
        let driver = text.parse::<Driver>().unwrap_or_else(|fault| panic!("{text}: {fault}"));
        assert_eq!(driver, wanted, "{text}");
        assert_eq!(driver.to_string().parse(), Ok(driver), "{text}, written and read again");
    }

    fn named(name: &str, version: Option<&str>) -> Driver {
        Driver::Word { name: name.into(), version: version.map(|text| text.parse().unwrap()) }
    }

    fn repository(place: &str, reference: Option<&str>) -> Driver {
        Driver::Remote(Remote::Repository { place: place.into(), reference: reference.map(Into::into) })
    }

    #[test]
    fn every_form_is_told_apart() {
        check("users", named("users", None));
        check("users-json_2.x", named("users-json_2.x", None));
        check("users@^1.2", named("users", Some("^1.2")));
        check("users@=1.2.3", named("users", Some("=1.2.3")));
        check("users@>=1, <3", named("users", Some(">=1, <3")));
        check("./users", Driver::Path("./users".into()));
        check("target/debug/users-json", Driver::Path("target/debug/users-json".into()));
        check("/opt/a b/users", Driver::Path("/opt/a b/users".into()));
        check(".", Driver::Path(".".into()));
        check("my.dir/users", Driver::Path("my.dir/users".into()));
        check("1.2.3/a/b", Driver::Path("1.2.3/a/b".into()));
        check("./github.com/a/b", Driver::Path("./github.com/a/b".into()));
        check("github.com/a/../b", Driver::Path("github.com/a/../b".into()));
        check("github.com/owner/users", repository("github.com/owner/users", None));
        check("git.example.org/a/b/c@v1.0", repository("git.example.org/a/b/c", Some("v1.0")));
        check("file:///tmp/u.tar.gz", Driver::Remote(Remote::File("/tmp/u.tar.gz".into())));
        check("file:///a%25b%0A%C2%9b", Driver::Remote(Remote::File("/a%b\n\u{9b}".into())));
        check("file:////a", Driver::Remote(Remote::File("//a".into())));
        check("file:./u.tar.gz", Driver::Remote(Remote::File("./u.tar.gz".into())));
        check("https://example.org/u.tgz", Driver::Remote(Remote::Https("https://example.org/u.tgz".into())));
        let git = "git+https://example.org/u.git#v1";
        check(git, Driver::Remote(Remote::Git(git.into())));
    }

    #[test]
    fn a_file_url_is_decoded() {
        let driver: Driver = "FILE://localhost/a%20b/u.tar.gz".parse().unwrap();
        assert_eq!(driver, Driver::Remote(Remote::File("/a b/u.tar.gz".into())));
    }

    #[test]
    fn what_names_nothing_is_refused_with_the_reason() {
        for (text, part) in [
            ("", "empty"),
            ("a\nb", "control characters"),
            ("-users", "begins with a letter"),
            ("users:", "only file:, https: and git+https:"),
            ("@1", "a name has letters"),
            ("users@latest", "no requirement of versions"),
            ("http://example.org/u.tgz", "https: is wanted"),
            ("git://example.org/u", "git+https: is wanted"),
            ("ssh://git@example.org/u", "git+https: is fetched"),
            ("https://example.org", "SCHEME://HOST/PATH"),
            ("https:/u.tgz", "SCHEME://HOST/PATH"),
            ("https://me:secret@example.org/u.tgz", "a password in a URL ends up in logs"),
            ("file://other/u.tgz", "no other machine"),
            ("file:///a%zz", "two hexadecimal digits"),
            ("file:///a%+1", "two hexadecimal digits"),
            ("file:///a%00", "two hexadecimal digits"),
            ("file://", "no other machine"),
            ("mailto:a@b", "only file:, https: and git+https:"),
        ] {
            let fault = text.parse::<Driver>().expect_err(text).to_string();
            assert!(fault.contains(part), "{text}: {fault}");
        }
    }

    #[test]
    fn a_fault_does_not_turn_the_line_around() {
        for text in ["\u{202e}x", "http://\u{202e}x", "file://\u{202e}/x"] {
            let fault = text.parse::<Driver>().unwrap_err().to_string();
            assert!(!fault.contains('\u{202e}'), "{fault:?}");
        }
    }
}
