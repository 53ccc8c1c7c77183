//! Failures that somebody expects: a file of `{case, variant?, kind, reason, issue?, expires?, flaky?}`.
//!
//! An entry that matches makes a failure an `xfail`. An entry that matches nothing that ran is stale and fails the run,
//! so that the file never says more than is true.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use crate::library;
use crate::verdict::{Kind, Outcome, Verdict};

/// One expected failure.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The case: `CX-04`.
    pub case: String,
    /// The variant; absent: any of the case.
    #[serde(default)]
    pub variant: Option<String>,
    /// How it fails. Another failure is a failure.
    pub kind: Kind,
    /// Why.
    pub reason: String,
    /// Where that is being worked on.
    #[serde(default)]
    pub issue: Option<String>,
    /// The day after which it is expected no longer: `2027-01-31`.
    #[serde(default)]
    pub expires: Option<String>,
    /// Whether it may also pass.
    #[serde(default)]
    pub flaky: bool,
}

/// Reads a file of expected failures: YAML, or JSON, which is YAML.
///
/// # Errors
/// What is wrong with it, and with which entry.
pub fn read(text: &str, known: impl Fn(&str, Option<&str>) -> bool) -> Result<Vec<Expected>, String> {
    let entries: Vec<Expected> = library::from_yaml(text)?;
    for entry in &entries {
        if !known(&entry.case, entry.variant.as_deref()) {
            return Err(format!("{}: there is no such case or variant", entry.name()));
        }
        if let Some(day) = &entry.expires
            && !is_day(day)
        {
            return Err(format!("{}: expires: {day:?} is no day like 2027-01-31", entry.name()));
        }
    }
    Ok(entries)
}

impl Expected {
    fn name(&self) -> String {
        match &self.variant {
            Some(variant) => format!("{}/{variant}", self.case),
            None => self.case.clone(),
        }
    }

    fn is_about(&self, outcome: &Outcome) -> bool {
        let (case, variant) = match outcome.name.split_once('/') {
            Some((case, variant)) => (case, Some(variant)),
            None => (outcome.name.as_str(), None),
        };
        self.case == case && (self.variant.is_none() || self.variant.as_deref() == variant)
    }

    fn why(&self) -> String {
        match &self.issue {
            Some(issue) => format!("{} ({issue})", self.reason),
            None => self.reason.clone(),
        }
    }
}

/// Marks what was expected, and what was and did not come.
pub(crate) fn apply(expected: &[Expected], outcomes: &mut [Outcome], today: &str) {
    for entry in expected {
        // Days written so are in order as texts are.
        if entry.expires.as_deref().is_some_and(|day| day < today) {
            continue;
        }
        let about: Vec<usize> = (0..outcomes.len()).filter(|at| entry.is_about(&outcomes[*at])).collect();
        let mut came = false;
        for at in &about {
            let verdict = &mut outcomes[*at].verdict;
            if let Verdict::Fail { failure } = verdict
                && failure.kind == entry.kind
            {
                *verdict = Verdict::Xfail { failure: failure.clone(), reason: entry.why() };
                came = true;
            } else if matches!(verdict, Verdict::Xfail { failure, .. } if failure.kind == entry.kind) {
                came = true;
            }
        }
        if came || entry.flaky {
            continue;
        }
        // What failed in another way says so itself.
        for at in about {
            if outcomes[at].verdict == Verdict::Pass {
                outcomes[at].verdict = Verdict::Xpass { reason: entry.why() };
            }
        }
    }
}

fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let sizes = [4, 2, 2];
    parts.len() == 3
        && parts
            .iter()
            .zip(sizes)
            .all(|(part, size)| part.len() == size && part.bytes().all(|b| b.is_ascii_digit()))
}

/// Today, by UTC.
pub(crate) fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let (year, month, day) = civil(i64::try_from(seconds / 86_400).unwrap_or(0));
    format!("{year:04}-{month:02}-{day:02}")
}

/// The date so many days after 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::Level;
    use crate::verdict::Failure;

    fn outcome(name: &str, kind: Option<Kind>) -> Outcome {
        let verdict = kind.map_or(Verdict::Pass, |kind| Verdict::Fail {
            failure: Box::new(Failure::new(kind, "1 expect", "", "")),
        });
        Outcome {
            name: name.into(),
            title: String::new(),
            level: Level::Must,
            spec: Vec::new(),
            scored: true,
            verdict,
            took: Duration::ZERO,
        }
    }

    #[track_caller]
    fn after(entries: &str, outcomes: &[(&str, Option<Kind>)]) -> String {
        let entries = read(entries, |_, _| true).unwrap();
        let mut outcomes: Vec<Outcome> = outcomes.iter().map(|(name, kind)| outcome(name, *kind)).collect();
        apply(&entries, &mut outcomes, "2026-11-26");
        let word = |outcome: &Outcome| {
            serde_json::to_value(outcome).unwrap()["verdict"].as_str().unwrap().to_owned()
        };
        outcomes.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_expected_is_marked() {
        let wrong = Some(Kind::WrongMessage);
        let one = "- {case: A-01, variant: x, kind: wrong_message, reason: r}";
        assert_eq!(after(one, &[("A-01/x", wrong), ("A-01/y", wrong)]), "xfail fail");
        assert_eq!(after(one, &[("A-01/x", Some(Kind::Ended))]), "fail");
        assert_eq!(after(one, &[("A-01/x", None), ("A-02", None)]), "xpass pass");
        let any = "- {case: A-01, kind: wrong_message, reason: r, issue: '#1'}";
        assert_eq!(after(any, &[("A-01/x", wrong), ("A-01/y", None)]), "xfail pass");
        assert_eq!(after(any, &[("A-01/x", None), ("A-01/y", None)]), "xpass xpass");
        let flaky = "- {case: A-01, kind: wrong_message, reason: r, flaky: true}";
        assert_eq!(after(flaky, &[("A-01", None)]), "pass");
        let expired = "- {case: A-01, kind: wrong_message, reason: r, expires: '2026-11-25'}";
        assert_eq!(after(expired, &[("A-01", wrong)]), "fail");
        let lasting = "- {case: A-01, kind: wrong_message, reason: r, expires: '2026-11-26'}";
        assert_eq!(after(lasting, &[("A-01", wrong)]), "xfail");
    }

    #[test]
    fn a_file_says_what_it_means() {
        for text in [
            "- {case: A-01}",
            "- {case: A-01, kind: odd, reason: r}",
            "- {case: A-01, kind: ended, reason: r, expires: soon}",
            "x: 1",
        ] {
            read(text, |_, _| true).unwrap_err();
        }
        read("- {case: A-01, kind: ended, reason: r}", |_, _| false).unwrap_err();
    }

    #[test]
    fn days() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(20_783), (2026, 11, 26));
        assert_eq!(civil(11_016), (2000, 2, 29));
    }
}
