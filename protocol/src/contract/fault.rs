//! What is wrong with a document: where, by which requirement, and what to do about it.

use std::fmt;

use crate::wire::shown;

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A JSON Pointer from the document's root; `""` is the whole.
    pub at: String,
    /// The requirement of `SPEC.md` that it breaks, such as `CONTRACT-5`.
    pub rule: &'static str,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Fault {
    pub(crate) fn new(
        at: impl Into<String>,
        rule: &'static str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { at: at.into(), rule, what: what.into(), remedy: remedy.into() }
    }
}

/// One line. What a document says is quoted in it, so it is escaped, and no more than 4 KiB of it is shown.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.at.is_empty() { "the document" } else { &self.at };
        let line = format!("{at}: {} ({}): {}", self.what, self.rule, self.remedy);
        f.write_str(&shown(&line))
    }
}

/// All that is wrong with a document; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// More than these are not told: a document that is wrong throughout is not worth more words.
    pub const MOST: usize = 200;

    pub(crate) fn none_or(mut faults: Vec<Fault>) -> Result<(), Self> {
        if faults.is_empty() {
            return Ok(());
        }
        faults.truncate(Self::MOST);
        Err(Self(faults))
    }

    /// The faults, in the order of the checks.
    pub fn as_slice(&self) -> &[Fault] {
        &self.0
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
