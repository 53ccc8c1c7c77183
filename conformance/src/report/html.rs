//! A report as one page that needs nothing beside it: a matrix of implementations and cases, and each failure with what
//! passed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::text::again;
use crate::model::Level;
use crate::run::{Conclusion, Report};
use crate::verdict::{Again, Failure, Outcome, Verdict, Way};

/// The areas, by the first letters of their cases.
const AREAS: [(&str, &str); 18] = [
    ("pr", "start"),
    ("FR", "framing"),
    ("JS", "json"),
    ("EN", "envelope"),
    ("LI", "lifecycle"),
    ("CL", "calls"),
    ("CX", "cancel"),
    ("CB", "callbacks"),
    ("ST", "streams"),
    ("CO", "concurrency"),
    ("OU", "output"),
    ("CT", "contract"),
    ("LM", "limits"),
    ("HS", "host: start"),
    ("HX", "host: stop"),
    ("HW", "host: wire"),
    ("HP", "host: pressure"),
    ("HV", "host: supervise"),
];

/// One page for one or more runs.
#[must_use]
pub fn html(reports: &[Report]) -> String {
    let mut page = String::from(HEAD);
    put(&mut page, format_args!("<h1>Plugline conformance</h1>\n"));
    summary(&mut page, reports);
    matrix(&mut page, reports);
    failures(&mut page, reports);
    page.push_str("</main>\n</html>\n");
    page
}

fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a string takes all that is written");
}

fn safe(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Ids of requirements, none broken at its hyphen.
fn ids(spec: &str) -> String {
    spec.split(' ').map(|id| format!("<span>{}</span>", safe(id))).collect::<Vec<_>>().join(" ")
}

fn summary(page: &mut String, reports: &[Report]) {
    page.push_str("<table class=\"sum\"><thead><tr><th>implementation<th>profile<th>verdict<th>MUST<th>SHOULD<th>unsupported<th>time</tr></thead>\n");
    for report in reports {
        let (class, word) = match report.conclusion {
            Conclusion::Conformant => ("pass", "conformant"),
            Conclusion::AsExpected => ("xfail", "not conformant, as expected"),
            Conclusion::NotConformant => ("fail", "not conformant"),
            Conclusion::Harness => ("harness", "no verdict"),
        };
        let counts = &report.counts;
        put(
            page,
            format_args!(
                "<tr><td><b>{}</b><br><code>{}</code><td>{}<br>requirements {}<td><span class=\"badge {class}\">{word}</span><td class=\"n\">{}/{}<td class=\"n\">{}/{}<td class=\"n\">{}<td class=\"n\">{:.1} s</tr>\n",
                safe(&report.implementation),
                safe(&report.command),
                safe(&report.profile),
                safe(&report.requirements),
                counts.must.0,
                counts.must.1,
                counts.should.0,
                counts.should.1,
                counts.unsupported,
                report.took.as_secs_f64(),
            ),
        );
    }
    page.push_str("</table>\n");
}

/// Class, sign and word of a verdict.
fn look(verdict: &Verdict) -> (&'static str, &'static str, &'static str) {
    match verdict {
        Verdict::Pass => ("pass", "✓", "pass"),
        Verdict::Fail { .. } => ("fail", "✗", "fail"),
        Verdict::Xfail { .. } => ("xfail", "x", "expected failure"),
        Verdict::Xpass { .. } => ("xpass", "!", "unexpected pass"),
        Verdict::Unsupported { .. } => ("un", "–", "unsupported"),
        Verdict::Blocked { .. } => ("blocked", "⊘", "blocked"),
        Verdict::HarnessError { .. } => ("harness", "?", "fault of the suite"),
    }
}

/// Which of several verdicts says most.
fn weight(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::HarnessError { .. } => 6,
        Verdict::Fail { .. } => 5,
        Verdict::Blocked { .. } => 4,
        Verdict::Xpass { .. } => 3,
        Verdict::Xfail { .. } => 2,
        Verdict::Pass => 1,
        Verdict::Unsupported { .. } => 0,
    }
}

fn matrix(page: &mut String, reports: &[Report]) {
    // Case → what it is, and the variants' outcomes for each report.
    type Row<'a> = (&'a str, String, Vec<Vec<&'a Outcome>>);
    let mut rows: BTreeMap<&str, Row<'_>> = BTreeMap::new();
    for (at, report) in reports.iter().enumerate() {
        for outcome in &report.outcomes {
            let id = outcome.name.split('/').next().unwrap_or(&outcome.name);
            let row = rows
                .entry(id)
                .or_insert_with(|| (&outcome.title, outcome.spec.join(" "), vec![Vec::new(); reports.len()]));
            row.2[at].push(outcome);
        }
    }
    page.push_str("<h2>Cases</h2>\n<p class=\"legend\">");
    for (class, sign, word) in [
        ("pass", "✓", "pass"),
        ("fail", "✗", "fail"),
        ("should", "✗", "SHOULD that fails"),
        ("xfail", "x", "expected failure"),
        ("un", "–", "not declared"),
        ("blocked", "⊘", "blocked"),
    ] {
        put(page, format_args!("<span class=\"cell {class}\">{sign}</span> {word} &nbsp; "));
    }
    page.push_str("</p>\n<div class=\"wide\"><table class=\"matrix\"><thead><tr><th>case<th>what a correct implementation does<th>requirements");
    for report in reports {
        put(page, format_args!("<th class=\"impl\">{}", safe(&report.implementation)));
    }
    page.push_str("</tr></thead>\n");
    for (letters, area) in AREAS {
        let of_area: Vec<_> = rows.iter().filter(|(id, _)| id.starts_with(letters)).collect();
        if of_area.is_empty() {
            continue;
        }
        put(page, format_args!("<tr class=\"area\"><th colspan=\"{}\">{area}</tr>\n", 3 + reports.len()));
        for (id, (title, spec, cells)) in of_area {
            put(
                page,
                format_args!(
                    "<tr><td><code>{}</code><td>{}<td class=\"spec\">{}",
                    safe(id),
                    safe(title),
                    ids(spec)
                ),
            );
            for (at, outcomes) in cells.iter().enumerate() {
                page.push_str("<td class=\"cells\">");
                cell(page, at, outcomes);
            }
            page.push_str("</tr>\n");
        }
    }
    page.push_str("</table></div>\n");
}

/// The variants of a case: the worst of them, how many hold, and a link to each failure.
fn cell(page: &mut String, report: usize, outcomes: &[&Outcome]) {
    let Some(worst) = outcomes.iter().max_by_key(|outcome| weight(&outcome.verdict)) else { return };
    let (mut class, sign, word) = look(&worst.verdict);
    if class == "fail" && worst.level == Level::Should {
        class = "should";
    }
    let held = outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Pass).count();
    let count = if outcomes.len() > 1 { format!(" {held}/{}", outcomes.len()) } else { String::new() };
    let title = format!("{}: {word}", worst.name);
    let span = format!("<span class=\"cell {class}\" title=\"{}\">{sign}{count}</span>", safe(&title));
    match worst.verdict {
        Verdict::Fail { .. }
        | Verdict::Xfail { .. }
        | Verdict::HarnessError { .. }
        | Verdict::Xpass { .. } => {
            put(page, format_args!("<a href=\"#f{report}-{}\">{span}</a>", anchor(&worst.name)));
        }
        _ => page.push_str(&span),
    }
}

fn anchor(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' }).collect()
}

fn failures(page: &mut String, reports: &[Report]) {
    let told = |outcome: &&Outcome| {
        !matches!(outcome.verdict, Verdict::Pass | Verdict::Unsupported { .. } | Verdict::Blocked { .. })
    };
    if !reports.iter().any(|report| report.outcomes.iter().any(|outcome| told(&outcome))) {
        return;
    }
    page.push_str("<h2>Failures</h2>\n");
    let several: BTreeSet<&str> = reports.iter().map(|report| report.implementation.as_str()).collect();
    for (at, report) in reports.iter().enumerate() {
        for outcome in report.outcomes.iter().filter(told) {
            let (class, _, word) = look(&outcome.verdict);
            let level = match outcome.level {
                Level::Must => "MUST",
                Level::Should => "SHOULD",
            };
            let of = if several.len() > 1 {
                format!(" · {}", safe(&report.implementation))
            } else {
                String::new()
            };
            put(
                page,
                format_args!(
                    "<section id=\"f{at}-{}\"><h3><span class=\"badge {class}\">{word}</span> <code>{}</code> {}</h3>\n<p class=\"meta\">{level} · {}{of}</p>\n<dl>\n",
                    anchor(&outcome.name),
                    safe(&outcome.name),
                    safe(&outcome.title),
                    safe(&outcome.spec.join(" ")),
                ),
            );
            match &outcome.verdict {
                Verdict::Fail { failure } => failed(page, failure, &again(report, outcome)),
                Verdict::Xfail { failure, reason } => {
                    term(page, "expected", reason);
                    failed(page, failure, &again(report, outcome));
                }
                Verdict::Xpass { reason } => term(page, "expected to fail", reason),
                Verdict::HarnessError { fault } => term(page, "fault", fault),
                _ => {}
            }
            page.push_str("</section>\n");
        }
    }
}

fn term(page: &mut String, name: &str, text: &str) {
    put(page, format_args!("<dt>{name}<dd><code>{}</code>\n", safe(text)));
}

fn failed(page: &mut String, failure: &Failure, again: &str) {
    if let Some(sent) = &failure.sent {
        term(page, "sent", sent);
    }
    let rule = failure.rule.as_ref().map(|rule| format!(" ({rule})")).unwrap_or_default();
    term(page, "want", &format!("{}{rule}", failure.want));
    let second = match failure.again {
        Some(Again::Same) => "; the same again",
        Some(Again::Otherwise) => "; the second time otherwise",
        Some(Again::Passed) => "; the second time it passed",
        None => "",
    };
    term(page, "got", &format!("{}{second}", failure.got));
    term(page, "step", &failure.step);
    if let Some(hint) = &failure.hint {
        term(page, "hint", hint);
    }
    term(page, "again", again);
    page.push_str("</dl>\n");
    if !failure.transcript.is_empty() {
        put(
            page,
            format_args!(
                "<details><summary>what passed ({} lines)</summary><table class=\"talk\">\n",
                failure.transcript.len()
            ),
        );
        for passed in &failure.transcript {
            let (class, arrow) = match passed.way {
                Way::Sent => ("sent", "→"),
                Way::Received => ("got", "←"),
                Way::Event => ("event", "·"),
            };
            let at = std::time::Duration::from_micros(passed.at_us).as_secs_f64() * 1000.0;
            put(
                page,
                format_args!(
                    "<tr class=\"{class}\"><td class=\"n\">{at:.1} ms<td>{arrow}<td><code>{}</code></tr>\n",
                    safe(&passed.text)
                ),
            );
        }
        page.push_str("</table></details>\n");
    }
    if !failure.stderr.is_empty() {
        put(
            page,
            format_args!(
                "<details><summary>standard error</summary><pre>{}</pre></details>\n",
                safe(&failure.stderr.join("\n"))
            ),
        );
    }
}

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Plugline conformance</title>
<style>
:root { color-scheme: light dark; --bg: #fff; --fg: #1c1f24; --dim: #667085; --line: #e3e6ea; --soft: #f6f7f9;
  --pass: #116b3a; --pass-bg: #d9f2e3; --fail: #a3160f; --fail-bg: #fcdeda; --odd: #7a5200; --odd-bg: #fdeec8; }
@media (prefers-color-scheme: dark) { :root { --bg: #15181c; --fg: #e4e7eb; --dim: #98a2b3; --line: #2c3138; --soft: #1d2126;
  --pass: #7fdca4; --pass-bg: #123524; --fail: #ff9c92; --fail-bg: #4a1a17; --odd: #f2cc73; --odd-bg: #40320f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--fg); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 24px 20px 80px; }
h1 { font-size: 26px; margin: 0 0 16px; } h2 { font-size: 19px; margin: 36px 0 8px; } h3 { font-size: 15px; margin: 0; font-weight: 600; }
code, pre { font: 12.5px/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: 6px 10px; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { color: var(--dim); font-weight: 500; font-size: 13px; white-space: nowrap; }
.sum code { color: var(--dim); overflow-wrap: anywhere; } .n { white-space: nowrap; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; } .matrix td:first-child { white-space: nowrap; } .matrix .spec { color: var(--dim); font-size: 12.5px; max-width: 190px; } .spec span { white-space: nowrap; }
.matrix .impl { text-align: center; white-space: normal; } .matrix .cells { text-align: center; } .area th { background: var(--soft); padding-top: 10px; }
.cell, .badge { display: inline-block; min-width: 26px; padding: 1px 7px; border-radius: 5px; text-align: center; font-size: 13px; font-variant-numeric: tabular-nums; white-space: nowrap; }
.badge { font-weight: 600; } a { text-decoration: none; color: inherit; } a .cell { outline: 1px solid currentColor; }
.pass { background: var(--pass-bg); color: var(--pass); } .fail, .blocked { background: var(--fail-bg); color: var(--fail); }
.should, .xfail, .xpass, .harness { background: var(--odd-bg); color: var(--odd); } .un { background: var(--soft); color: var(--dim); }
.legend { color: var(--dim); font-size: 13px; }
section { border: 1px solid var(--line); border-radius: 8px; padding: 12px 16px; margin: 12px 0; } section:target { border-color: var(--fail); }
.meta { color: var(--dim); margin: 2px 0 8px; font-size: 13px; }
dl { display: grid; grid-template-columns: 70px 1fr; gap: 4px 12px; margin: 0; } dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
details { margin-top: 10px; } summary { cursor: pointer; color: var(--dim); } .talk td { padding: 2px 8px; border: 0; } .talk code { overflow-wrap: anywhere; white-space: pre-wrap; }
.talk .got { background: var(--soft); } .talk .event, .talk .n { color: var(--dim); } pre { overflow-x: auto; background: var(--soft); padding: 8px 12px; }
</style>
</head>
<main>
"#;
