//! Which of several versions of a plugin, and in which order they are tried: by semver, never by text. Pure.

use std::cmp::Ordering;
use std::fmt;

use semver::{Version, VersionReq};

/// Something that has a version, and a place in the order of where it was found.
pub(crate) trait Versioned {
    fn version(&self) -> &Version;
    /// What is found earlier comes before what has the same version.
    fn rank(&self) -> (usize, &std::path::Path);
    /// Whether the user went back from it to an older one.
    fn is_rolled_back(&self) -> bool {
        false
    }
}

/// What may be started, newest first, and what may not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice<T> {
    /// In the order in which they are tried.
    pub(crate) acceptable: Vec<T>,
    /// What was left out, and why.
    pub(crate) rejected: Vec<(T, Rejection)>,
}

/// Why a version is not tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// It is none of those that are wanted.
    NotWanted(VersionReq),
    /// It is no release, and nobody asked for it by name.
    PreRelease,
    /// The user went back from it to an older one, which would do.
    RolledBack,
    /// The same version was found earlier, in another place.
    Shadowed,
    /// It failed before, and another took its place.
    Failed(String),
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWanted(wanted) => write!(f, "{wanted} is wanted"),
            Self::PreRelease => f.write_str("it is no release; name it to have it: NAME@=VERSION"),
            Self::RolledBack => {
                f.write_str("it was rolled back in the store; name it to have it: NAME@=VERSION")
            }
            Self::Shadowed => f.write_str("the same version stands earlier in the search paths"),
            Self::Failed(why) => write!(f, "it failed: {why}"),
        }
    }
}

/// Newest first; of equal ones that which was found first.
pub(crate) fn order(one: &impl Versioned, other: &impl Versioned) -> Ordering {
    // Build metadata has no precedence, but an order that is always the same needs all of it.
    let newest = other.version().cmp_precedence(one.version());
    newest.then_with(|| one.rank().cmp(&other.rank()))
}

/// Puts candidates in the order in which they are to be tried. Pre-releases are wanted by name, or not at all.
pub(crate) fn choose<T: Versioned>(mut candidates: Vec<T>, wanted: Option<&VersionReq>) -> Choice<T> {
    candidates.sort_by(order);
    let meets = |candidate: &T| match wanted {
        Some(wanted) => wanted.matches(candidate.version()),
        None => candidate.version().pre.is_empty(),
    };
    let others = candidates.iter().any(|candidate| meets(candidate) && !candidate.is_rolled_back());
    let mut choice: Choice<T> = Choice { acceptable: Vec::new(), rejected: Vec::new() };
    for candidate in candidates {
        let version = candidate.version();
        let rejection = match wanted {
            Some(wanted) if !wanted.matches(version) => Some(Rejection::NotWanted(wanted.clone())),
            None if !version.pre.is_empty() => Some(Rejection::PreRelease),
            _ if candidate.is_rolled_back() && others => Some(Rejection::RolledBack),
            _ if choice.acceptable.iter().any(|other| other.version() == version) => {
                Some(Rejection::Shadowed)
            }
            _ => None,
        };
        match rejection {
            Some(why) => choice.rejected.push((candidate, why)),
            None => choice.acceptable.push(candidate),
        }
    }
    choice
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A version, its rank, and whether it was rolled back.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Of(Version, usize, bool);

    impl Versioned for Of {
        fn version(&self) -> &Version {
            &self.0
        }

        fn rank(&self) -> (usize, &Path) {
            (self.1, Path::new(""))
        }

        fn is_rolled_back(&self) -> bool {
            self.2
        }
    }

    fn of(text: &str) -> Of {
        Of(text.parse().unwrap(), 0, false)
    }

    #[track_caller]
    fn check(versions: &[&str], wanted: Option<&str>, acceptable: &[&str]) {
        let wanted: Option<VersionReq> = wanted.map(|text| text.parse().unwrap());
        let candidates: Vec<Of> = versions.iter().map(|text| of(text)).collect();
        let choice = choose(candidates.clone(), wanted.as_ref());
        let got: Vec<String> = choice.acceptable.iter().map(|it| it.0.to_string()).collect();
        assert_eq!(got, acceptable, "{versions:?} {wanted:?}");
        assert_eq!(choice.acceptable.len() + choice.rejected.len(), versions.len());
        // In whatever order they were found.
        let mut reversed = candidates;
        reversed.reverse();
        let again: Vec<Of> = choose(reversed, wanted.as_ref()).acceptable;
        assert_eq!(again, choice.acceptable);
    }

    #[test]
    fn the_newest_by_semver_comes_first_and_never_by_text() {
        check(&["1.9.0", "1.10.0", "1.2.0"], None, &["1.10.0", "1.9.0", "1.2.0"]);
        check(&["1.0.0", "2.0.0", "1.5.0"], Some("^1"), &["1.5.0", "1.0.0"]);
        check(&["1.0.0", "2.0.0"], Some("=1.0.0"), &["1.0.0"]);
        check(&["1.0.0"], Some("^2"), &[]);
        check(&[], None, &[]);
    }

    #[test]
    fn a_pre_release_is_asked_for_by_name() {
        check(&["1.0.0", "2.0.0-rc.1"], None, &["1.0.0"]);
        check(&["2.0.0-rc.1"], None, &[]);
        check(&["2.0.0-rc.1", "2.0.0-rc.2"], Some("=2.0.0-rc.1"), &["2.0.0-rc.1"]);
        check(&["2.0.0-rc.10", "2.0.0-rc.9"], Some(">=2.0.0-rc"), &["2.0.0-rc.10", "2.0.0-rc.9"]);
    }

    #[test]
    fn of_equal_versions_the_first_found_is_taken_and_the_other_named() {
        let (near, far) = (Of(Version::new(1, 0, 0), 0, false), Of(Version::new(1, 0, 0), 1, false));
        let choice = choose(vec![far.clone(), near.clone()], None);
        assert_eq!(choice.acceptable, [near]);
        assert_eq!(choice.rejected, [(far, Rejection::Shadowed)]);
    }

    #[test]
    fn what_was_rolled_back_is_taken_where_nothing_else_would_do() {
        let (old, new) = (of("1.0.0"), Of(Version::new(1, 1, 0), 0, true));
        let choice = choose(vec![old.clone(), new.clone()], None);
        assert_eq!(
            (choice.acceptable, choice.rejected),
            (vec![old.clone()], vec![(new.clone(), Rejection::RolledBack)])
        );
        let wanted = "=1.1.0".parse().unwrap();
        assert_eq!(choose(vec![old, new.clone()], Some(&wanted)).acceptable, [new]);
    }
}
