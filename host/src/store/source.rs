//! Where packages come from, as a user says it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::StoreError;

/// What is said where something is none.
pub(super) const FORMS: &str = "those are a directory, a .tar.gz, file:///PATH, https://HOST/FILE.tar.gz, \
                                git+https://HOST/PATH[#BRANCH|TAG|COMMIT] and HOST.TLD/OWNER/NAME";

/// Where a package is. Shown without the user and the password that an address may have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A directory with a `plugline.toml`, or an archive.
    Path(PathBuf),
    /// An archive at that address.
    Https(String),
    /// A git repository.
    Git {
        /// Its address, by https.
        address: String,
        /// A branch, a tag or a commit; the default branch unless said.
        reference: Option<String>,
    },
}

impl FromStr for Source {
    type Err = StoreError;

    /// Reads a source. What is there as a path is one, whatever else it looks like.
    fn from_str(text: &str) -> Result<Self, StoreError> {
        let none = |why: &str| Err(StoreError::Source { source: text.to_owned(), why: why.to_owned() });
        if let Some(rest) = strip_scheme(text, "file:") {
            return match file_path(rest) {
                Ok(path) => Ok(Self::Path(path)),
                Err(why) => none(why),
            };
        }
        if let Some(rest) = strip_scheme(text, "https://") {
            return if is_address(rest) { Ok(Self::Https(text.to_owned())) } else { none("it has no host") };
        }
        if let Some(rest) = strip_scheme(text, "git+https://") {
            if has_password(rest) {
                return none(
                    "git shows it to whoever lists processes; have git's credential helper keep the password",
                );
            }
            return git(rest).ok_or(()).or_else(|()| none("it has no host, or an odd branch, tag or commit"));
        }
        if strip_scheme(text, "http://").or(strip_scheme(text, "git+http://")).is_some() {
            return none("what comes by http could be anybody's; https is wanted");
        }
        if Path::new(text).exists() {
            return Ok(Self::Path(text.into()));
        }
        if is_repository(text) {
            return git(text).ok_or(()).or_else(|()| none("it has an odd branch, tag or commit"));
        }
        if text.contains("://") {
            return none("its scheme is not known");
        }
        none("there is no such file or directory")
    }
}

fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let head = text.get(..scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then(|| &text[scheme.len()..])
}

/// Whether that is a host and whatever follows it, in the characters that addresses are written in.
fn is_address(rest: &str) -> bool {
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    !host.is_empty() && !host.starts_with(['-', ':']) && rest.bytes().all(|byte| byte.is_ascii_graphic())
}

fn has_password(rest: &str) -> bool {
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    host.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

fn git(rest: &str) -> Option<Source> {
    let (address, reference) = match rest.split_once('#') {
        Some((address, reference)) => (address, Some(reference)),
        None => (rest, None),
    };
    // What begins so would be an option of git's, or more than one reference.
    let odd = |reference: &str| {
        reference.is_empty()
            || reference.starts_with(['-', '+', ':'])
            || reference.contains([':', '*', '^', '~', '?', '[', '\\', '#'])
    };
    let known = is_address(address) && !reference.is_some_and(odd);
    known.then(|| Source::Git {
        address: format!("https://{address}"),
        reference: reference.map(str::to_owned),
    })
}

/// Whether that is like `host.tld/owner/name`.
fn is_repository(text: &str) -> bool {
    let address = text.split('#').next().unwrap_or_default();
    let mut parts = address.split('/');
    let host = parts.next().unwrap_or_default();
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let labelled = host.split('.').all(|label| !label.is_empty() && !label.starts_with('-'));
    let rest: Vec<&str> = parts.collect();
    host.contains('.')
        && labelled
        && rest.len() >= 2
        && plain(host)
        && rest.iter().all(|part| !part.is_empty() && !part.starts_with('.') && plain(part))
}

/// The path of a `file:` address (RFC 8089), of this machine.
fn file_path(rest: &str) -> Result<PathBuf, &'static str> {
    let path = match rest.strip_prefix("//") {
        Some(rest) => {
            let (host, _) = rest.split_once('/').ok_or("it has no path")?;
            if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
                return Err("a file: address of another machine; write file:///PATH");
            }
            &rest[host.len()..]
        }
        None => rest,
    };
    if !path.starts_with('/') {
        return Err("a file: address has a whole path; a relative one is written without file:");
    }
    let decoded =
        percent_decoded(path).ok_or("after % two hexadecimal digits are wanted, of UTF-8 without NUL")?;
    Ok(decoded.into())
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// An address without the user and the password in it, and without what follows its path: that may be a secret too.
fn without_secrets(address: &str) -> String {
    let bare = address.split(['?', '#']).next().unwrap_or_default();
    match bare.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => bare.to_owned(),
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(&super::error::shown(path)),
            Self::Https(address) => f.write_str(&without_secrets(address)),
            Self::Git { address, reference } => {
                write!(f, "git+{}", without_secrets(address))?;
                reference.iter().try_for_each(|reference| write!(f, "#{reference}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Source, String> {
        text.parse::<Source>().map_err(|fault| fault.to_string())
    }

    fn git(address: &str, reference: Option<&str>) -> Source {
        Source::Git { address: address.into(), reference: reference.map(Into::into) }
    }

    #[test]
    fn what_is_a_source() {
        let rows = [
            ("/", Source::Path("/".into())),
            ("file:///a%20b/%C3%BC", Source::Path("/a b/ü".into())),
            ("file:/a", Source::Path("/a".into())),
            ("FILE://localhost/a", Source::Path("/a".into())),
            ("https://h.org/p.tar.gz?x=1", Source::Https("https://h.org/p.tar.gz?x=1".into())),
            ("git+https://h.org/o/n.git", git("https://h.org/o/n.git", None)),
            ("git+https://h.org/o/n#v1.0.0", git("https://h.org/o/n", Some("v1.0.0"))),
            ("git+https://u@h.org/o/n#release/1", git("https://u@h.org/o/n", Some("release/1"))),
            ("example.org/owner/name", git("https://example.org/owner/name", None)),
            ("example.org/owner/name#main", git("https://example.org/owner/name", Some("main"))),
        ];
        for (text, wanted) in rows {
            assert_eq!(read(text), Ok(wanted), "{text}");
        }
        let rows = [
            ("", "no such file or directory; those are a directory"),
            ("nothing", "no such file"),
            ("./nothing.tar.gz", "no such file"),
            ("./no.where/owner/name", "no such file"),
            ("users/nothing/name", "no such file"),
            ("http://h.org/p.tar.gz", "https is wanted"),
            ("git+http://h.org/p", "https is wanted"),
            ("ftp://h.org/p", "scheme is not known"),
            ("git+ssh://h.org/p", "scheme is not known"),
            ("https://", "no host"),
            ("https:///p", "no host"),
            ("https://user@/p", "no host"),
            ("https://h.org/a b", "no host"),
            ("git+https://h.org/o/n#--upload-pack=x", "odd branch"),
            ("git+https://h.org/o/n#", "odd branch"),
            ("git+https://h.org/o/n#a:b", "odd branch"),
            ("git+https://-oProxy/o", "no host"),
            ("git+https://u:p@h.org/o/n", "credential helper"),
            ("file://other/a", "another machine"),
            ("file:a", "whole path"),
            ("file:///%zz", "hexadecimal"),
            ("file:///%00", "NUL"),
        ];
        for (text, wanted) in rows {
            let said = read(text).unwrap_err();
            assert!(said.contains(wanted), "{text}: {said}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        for text in [
            "https://u:hunter2@h.org/p.tar.gz?token=hunter2",
            "https://u:hunter2@h.org?token=hunter2",
            "git+https://hunter2@h.org/o/n#v1",
        ] {
            let shown = read(text).unwrap().to_string();
            assert!(!shown.contains("hunter2") && shown.contains("h.org"), "{shown}");
        }
    }
}
