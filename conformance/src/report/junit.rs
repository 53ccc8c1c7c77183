//! A report for continuous integration: JUnit's XML. SHOULDs that fail, and what is not declared, are skipped tests.

use std::time::Duration;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::text::again;
use crate::model::Level;
use crate::run::Report;
use crate::verdict::{Outcome, Verdict};

/// The report as XML.
///
/// # Errors
/// Where it cannot be written as XML.
pub fn junit(report: &Report) -> Result<String, String> {
    let mut suite = TestSuite::new(format!("{} ({})", report.implementation, report.profile));
    suite.set_time(report.took);
    for outcome in &report.outcomes {
        suite.add_test_case(case(report, outcome));
    }
    let mut page = quick_junit::Report::new("plugline conformance");
    page.set_time(report.took);
    page.add_test_suite(suite);
    page.to_string().map_err(|fault| fault.to_string())
}

fn case(report: &Report, outcome: &Outcome) -> TestCase {
    let failed = |kind: NonSuccessKind, message: String, text: String| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(message).set_description(text);
        status
    };
    let skipped = |message: &str| {
        let mut status = TestCaseStatus::skipped();
        status.set_message(message);
        status
    };
    let counts = outcome.scored && outcome.level == Level::Must;
    let status = match &outcome.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Fail { failure } if counts => {
            let rule = failure.rule.as_deref().unwrap_or_default();
            let text = format!(
                "sent  {}\nwant  {} {rule}\ngot   {}\nhint  {}\nagain {}",
                failure.sent.as_deref().unwrap_or("nothing"),
                failure.want,
                failure.got,
                failure.hint.as_deref().unwrap_or("none"),
                again(report, outcome),
            );
            failed(NonSuccessKind::Failure, outcome.title.clone(), text)
        }
        Verdict::Fail { failure } => skipped(&format!("does not count, but fails: {}", failure.got)),
        Verdict::Xfail { reason, .. } => skipped(&format!("fails as expected: {reason}")),
        Verdict::Xpass { reason } => {
            failed(NonSuccessKind::Failure, "passes, although a failure was expected".into(), reason.clone())
        }
        Verdict::Unsupported { missing } => skipped(&format!("not declared: {missing}")),
        Verdict::Blocked { by } => failed(NonSuccessKind::Error, "blocked".into(), by.clone()),
        Verdict::HarnessError { fault } => {
            failed(NonSuccessKind::Error, "the suite failed".into(), fault.clone())
        }
    };
    let mut case = TestCase::new(outcome.name.clone(), status);
    case.set_classname(outcome.spec.join(" ")).set_time(outcome.took.max(Duration::from_micros(1)));
    case
}
