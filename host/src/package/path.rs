//! Paths within a package: relative, and unable to leave it, on each platform.

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// So long may one be, in bytes, and so long each part of it: what file systems take.
const BYTES: usize = 1024;
const PART_BYTES: usize = 255;
/// So deep may one go.
const PARTS: usize = 32;

/// The path of a file in a package: parts with `/` between them, none of which is empty, `.` or `..` (a `./` at the
/// front is dropped), and none of which has a character, or an end, that another platform reads in another way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InnerPath(String);

impl InnerPath {
    /// Reads a path.
    ///
    /// # Errors
    /// Says why it is none.
    pub fn new(path: &str) -> Result<Self, String> {
        let no = |why: &str| Err(format!("{path:?} is no path within a package: {why}"));
        let inner = path.strip_prefix("./").unwrap_or(path);
        if inner.is_empty() {
            return no("it is empty");
        }
        if inner.starts_with('/') {
            return no("it begins at the root");
        }
        if inner.len() > BYTES {
            return no("it is longer than 1024 bytes");
        }
        if let Some(c) = inner.chars().find(|&c| c.is_control() || "\\:*?\"<>|".contains(c)) {
            return no(&format!("{c:?} is not the same on every platform"));
        }
        let parts: Vec<&str> = inner.split('/').collect();
        if parts.len() > PARTS {
            return no("it goes deeper than 32 directories");
        }
        for part in parts {
            match part {
                "" => return no("a part of it is empty"),
                "." => return no("it has a part \".\""),
                ".." => return no("it would leave the package"),
                part if part.len() > PART_BYTES => return no("a part of it is longer than 255 bytes"),
                part if part.ends_with([' ', '.']) => {
                    return no("a part of it ends in a dot or a space, which Windows drops");
                }
                _ => {}
            }
        }
        Ok(Self(inner.to_owned()))
    }

    /// The path, with `/` between its parts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where that is, in that directory.
    #[must_use]
    pub fn within(&self, directory: &Path) -> PathBuf {
        let mut path = directory.to_owned();
        path.extend(self.0.split('/'));
        path
    }

    /// The path as a file system sees it that does not tell upper from lower case.
    pub(crate) fn folded(&self) -> String {
        self.0.chars().flat_map(char::to_lowercase).collect()
    }

    /// The directories that it is in, the outermost first.
    pub(crate) fn parents(&self) -> impl Iterator<Item = InnerPath> + '_ {
        self.0.match_indices('/').map(|(at, _)| InnerPath(self.0[..at].to_owned()))
    }
}

impl fmt::Display for InnerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for InnerPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for InnerPath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "InnerPath".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A path within the package's directory, with / between its parts.",
            "type": "string",
            "minLength": 1,
            "maxLength": BYTES,
            "not": { "pattern": r#"^/|(^|/)\.\.(/|$)|[\\:*?"<>|]"# },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_as_long_and_as_deep_as_may_be_and_no_longer() {
        let part = "a".repeat(PART_BYTES);
        let long = |bytes: usize| ["a".repeat(200).as_str(); 6].join("/")[..bytes].to_owned();
        let deep = |parts: usize| vec!["a"; parts].join("/");
        for path in [part.clone(), long(BYTES), deep(PARTS)] {
            assert!(InnerPath::new(&path).is_ok(), "{path}");
        }
        for (path, why) in [
            (part + "a", "a part of it is longer than 255 bytes"),
            (long(BYTES + 1), "it is longer than 1024 bytes"),
            (deep(PARTS + 1), "it goes deeper than 32 directories"),
        ] {
            let said = InnerPath::new(&path).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn paths() {
        for path in ["a", "./a", "a/b.c", "bin/x86_64/users", ".hidden", "a b", "ü/…"] {
            assert!(InnerPath::new(path).is_ok(), "{path}");
        }
        let (long, deep) = ("a".repeat(256), "a/".repeat(32) + "a");
        let bad = [
            "", ".", "./", "..", "/a", "a//b", "a/", "a/./b", "a/../b", "../a", "a/..", "c:\\a", "c:a",
            "a\\b", "a\nb", "a\0", "a.", "a ", "a*", &long, &deep,
        ];
        for path in bad {
            assert!(InnerPath::new(path).is_err(), "{path}");
        }
        assert_eq!(InnerPath::new("./a/b").unwrap().as_str(), "a/b");
        assert_eq!(InnerPath::new("Ä/B").unwrap().folded(), InnerPath::new("ä/b").unwrap().folded());
        let path = InnerPath::new("a/b/c").unwrap();
        let parents: Vec<String> = path.parents().map(|path| path.to_string()).collect();
        assert_eq!(parents, ["a", "a/b"]);
        assert_eq!(path.within(Path::new("/store")), Path::new("/store/a/b/c"));
    }
}
