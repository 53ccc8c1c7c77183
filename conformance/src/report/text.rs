//! A report for a terminal: each failure so that it can be seen again, then one line, then one sentence.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::matcher::short;
use crate::model::Level;
use crate::run::{Conclusion, Report};
use crate::trial::Trial;
use crate::verdict::{Again, Failure, Outcome, Passed, Verdict, Way};

const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default().bold();
const QUIET: Style = Style::new().dimmed();

/// The whole report. `again` is how a command line that replays begins: `plugline conformance`.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut page = String::new();
    let head = format!(
        "plugline conformance · requirements {} · {} · {}",
        report.requirements, report.profile, report.implementation
    );
    line(&mut page, &head);
    for outcome in &report.outcomes {
        failed(&mut page, report, outcome);
    }
    if let Some(blanks) = blanks(report) {
        line(&mut page, &blanks);
    }
    let counts = &report.counts;
    let mut sum =
        format!("MUST {}/{} · SHOULD {}/{}", counts.must.0, counts.must.1, counts.should.0, counts.should.1);
    let others = [
        ("unscored", counts.unscored),
        ("expected failures", counts.xfail),
        ("unexpected passes", counts.xpass),
        ("blocked", counts.blocked),
        ("faults of the suite", counts.harness_error),
    ];
    for (name, count) in others.into_iter().filter(|(_, count)| *count > 0) {
        let _ = write!(sum, " · {name} {count}");
    }
    if counts.unsupported > 0 {
        let missing: BTreeSet<&str> = report
            .outcomes
            .iter()
            .filter_map(|outcome| match &outcome.verdict {
                Verdict::Unsupported { missing } => Some(missing.as_str()),
                _ => None,
            })
            .collect();
        let missing: Vec<&str> = missing.into_iter().collect();
        let _ = write!(sum, " · unsupported {} ({})", counts.unsupported, missing.join(", "));
    }
    let _ = write!(sum, " · {:.1} s", report.took.as_secs_f64());
    line(&mut page, &sum);
    line(
        &mut page,
        &match report.conclusion {
            Conclusion::Conformant => format!("{GOOD}CONFORMANT{GOOD:#}"),
            Conclusion::AsExpected => format!("{ODD}NOT CONFORMANT, AS EXPECTED{ODD:#}"),
            Conclusion::NotConformant => format!("{BAD}NOT CONFORMANT{BAD:#}"),
            Conclusion::Harness => format!("{ODD}NO VERDICT: the suite failed{ODD:#}"),
        },
    );
    page
}

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push('\n');
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Must => "MUST",
        Level::Should => "SHOULD",
    }
}

fn failed(page: &mut String, report: &Report, outcome: &Outcome) {
    let (word, style, failure, why) = match &outcome.verdict {
        // It is reported, and costs nothing.
        Verdict::Fail { failure } if outcome.level == Level::Should => ("WARN", ODD, Some(failure), None),
        Verdict::Fail { failure } => ("FAIL", BAD, Some(failure), None),
        Verdict::Xfail { failure, reason } => ("XFAIL", QUIET, Some(failure), Some(("why", reason))),
        Verdict::Xpass { reason } => ("XPASS", ODD, None, Some(("why", reason))),
        Verdict::HarnessError { fault } => ("ERROR", ODD, None, Some(("fault", fault))),
        // One line says it: all for the same reason.
        Verdict::Pass | Verdict::Unsupported { .. } | Verdict::Blocked { .. } => return,
    };
    line(
        page,
        &format!(
            "{style}{word:<5}{style:#} {}  {}  {}  {}{}",
            outcome.name,
            level(outcome.level),
            outcome.spec.join(" "),
            outcome.title,
            if outcome.scored { "" } else { "  (unscored)" }
        ),
    );
    if let Some((name, why)) = why {
        detail(page, name, why);
    }
    if let (Some(failure), false) = (failure, word == "XFAIL") {
        details(page, failure);
    }
    match outcome.verdict {
        Verdict::Fail { .. } | Verdict::HarnessError { .. } => detail(page, "again", &again(report, outcome)),
        Verdict::Xpass { .. } => {
            detail(page, "hint", "it passes now: take the entry out of the file of expected failures")
        }
        _ => {}
    }
}

/// The command that carries out this trial alone.
pub(super) fn again(report: &Report, outcome: &Outcome) -> String {
    let side = match report.side {
        crate::model::Side::Plugin => "",
        crate::model::Side::Host => "--host ",
    };
    let generated = outcome.name.starts_with("CT-5");
    let seed = if generated { format!("--seed {} ", report.seed) } else { String::new() };
    if outcome.name == "probe" {
        return report.command.clone();
    }
    let given: String = report.given.iter().map(|option| format!("{option} ")).collect();
    format!("plugline conformance replay {side}{seed}{given}{} -- {}", outcome.name, report.command)
}

/// What is to be filled in before such a command repeats the run.
fn blanks(report: &Report) -> Option<String> {
    let is_shown =
        |outcome: &Outcome| matches!(outcome.verdict, Verdict::Fail { .. } | Verdict::HarnessError { .. });
    (!report.given.is_empty() && report.outcomes.iter().any(is_shown)).then(|| {
        let given = report.given.join(" ");
        format!("to run one again, fill in what this run was given, which may be secret: {given}")
    })
}

fn details(page: &mut String, failure: &Failure) {
    if let Some(sent) = &failure.sent {
        detail(page, "sent", &short(sent));
    }
    let rule = failure.rule.as_ref().map(|rule| format!(" ({rule})")).unwrap_or_default();
    detail(page, "want", &format!("{}{rule}", failure.want));
    let again = match failure.again {
        Some(Again::Same) => "; the same again",
        Some(Again::Otherwise) => "; the second time otherwise",
        Some(Again::Passed) => "; the second time it passed",
        None => "",
    };
    detail(page, "got", &format!("{}{again}", failure.got));
    detail(page, "step", &failure.step);
    for (at, said) in failure.stderr.iter().rev().take(5).rev().enumerate() {
        detail(page, if at == 0 { "stderr" } else { "" }, said);
    }
    if let Some(hint) = &failure.hint {
        detail(page, "hint", hint);
    }
}

fn detail(page: &mut String, name: &str, text: &str) {
    line(page, &format!("  {QUIET}{name:<6}{QUIET:#} {text}"));
}

/// One failure, without a case.
#[must_use]
pub fn failure(failure: &Failure) -> String {
    let mut page = format!("{BAD}FAIL {BAD:#} {}\n", failure.step);
    details(&mut page, failure);
    page
}

/// What passed, line by line.
#[must_use]
pub fn transcript(passed: &[Passed]) -> String {
    let mut page = String::new();
    for passed in passed {
        let at = std::time::Duration::from_micros(passed.at_us).as_secs_f64() * 1000.0;
        let (arrow, style) = match passed.way {
            Way::Sent => ("→", Style::new()),
            Way::Received => ("←", Style::new()),
            Way::Event => ("·", QUIET),
        };
        line(&mut page, &format!("{QUIET}{at:>9.1} ms{QUIET:#} {arrow} {style}{}{style:#}", passed.text));
    }
    page
}

/// A case, for whoever asks what it is about.
#[must_use]
pub fn explain(trials: &[Trial], source: Option<&str>, requirements: &[(String, String)]) -> String {
    let mut page = String::new();
    let Some(first) = trials.first() else { return page };
    let case = &first.case;
    line(&mut page, &format!("{}  {}  {}", case.id, level(case.level), case.title));
    if let Some(hint) = &case.hint {
        detail(&mut page, "hint", hint);
    }
    for (id, text) in requirements {
        detail(&mut page, "", &format!("{id}: {text}"));
    }
    for trial in trials.iter().filter(|trial| trial.variant.is_some()) {
        let title = trial.title();
        let own = if title == case.title { "" } else { title.as_str() };
        line(&mut page, format!("  {}  {own}", trial.name()).trim_end());
    }
    if let Some(source) = source {
        page.push('\n');
        page.push_str(source);
    }
    page
}
