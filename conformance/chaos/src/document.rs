//! The figures of a report for people, as they stand in `docs/reliability.md`. They are made here alone, so that none is
//! copied wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::report::{Report, Span};

/// Where the figures begin in a document …
pub const BEGIN: &str = "<!-- figures -->";
/// … and where they end.
pub const END: &str = "<!-- end -->";
/// Of what an error says, so much is shown.
const SHOWN: usize = 160;

/// The document with the figures of that report between its markers.
///
/// # Errors
/// Where it has no markers.
pub fn with_figures(document: &str, report: &Report) -> Result<String, String> {
    let (before, rest) = document.split_once(BEGIN).ok_or_else(|| format!("it has no {BEGIN}"))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| format!("it has no {END} after {BEGIN}"))?;
    Ok(format!("{before}{BEGIN}\n{}{END}{after}", figures(report)))
}

/// The figures, in Markdown.
#[must_use]
pub fn figures(report: &Report) -> String {
    let mut text = String::new();
    // A text takes whatever is written to it.
    let _written = sections(&mut text, report);
    text
}

fn sections(out: &mut String, report: &Report) -> std::fmt::Result {
    the_run(out, report)?;
    calls(out, report)?;
    failures(out, report)?;
    table(
        out,
        "What was done",
        "times",
        report.events.iter().filter(|(what, _)| !what.starts_with("told: ")),
    )?;
    let told = report.events.iter().filter(|(what, _)| what.starts_with("told: "));
    let told: BTreeMap<String, u64> =
        told.map(|(what, count)| (what.trim_start_matches("told: ").to_owned(), *count)).collect();
    table(out, "What the host told", "times", told.iter().chain(&report.heard))?;
    what_is_held(out, report)
}

fn the_run(out: &mut String, report: &Report) -> std::fmt::Result {
    let (asked, machine) = (&report.asked, &report.machine);
    writeln!(
        out,
        "```sh\ncargo run --release --package plugline-chaos -- run --minutes {} --seed {} --plugins {} --callers {} --pace {}\n```\n",
        asked.minutes, asked.seed, asked.plugins, asked.callers, asked.pace
    )?;
    let verdict = match report.fault_count {
        0 => "Nothing was lost, left or unexplained.".to_owned(),
        count => format!("**{count} faults were found.**"),
    };
    let longest = report.rounds.iter().map(|round| round.seconds).fold(0.0, f64::max);
    writeln!(
        out,
        "{verdict} It took {:.0} minutes, in {} rounds, each with a manager of its own, the longest of {longest:.0} s; \
         {} processors, {} MiB of memory, Linux {}, {} build; on average of the last quarter of an hour {:.1} processes \
         wanted a processor.\n",
        report.seconds / 60.0,
        report.rounds.len(),
        machine.processors,
        machine.memory_mib,
        machine.kernel,
        machine.build,
        machine.load
    )
}

fn calls(out: &mut String, report: &Report) -> std::fmt::Result {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    let all = report.outcomes.values().flatten();
    all.for_each(|(outcome, count)| *sums.entry(outcome).or_default() += count);
    let ended: u64 = sums.values().sum();
    writeln!(out, "### Calls\n")?;
    writeln!(
        out,
        "{} calls were made, and {ended} outcomes were given. The latest ended {:.2} s after its deadline; {:.0} s are \
         the grace.\n",
        report.calls, report.latest, report.grace
    )?;
    writeln!(out, "| outcome | calls |\n|---|---:|")?;
    let mut sums: Vec<(&str, u64)> = sums.into_iter().collect();
    sums.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    sums.iter().try_for_each(|(outcome, count)| writeln!(out, "| {} | {count} |", plain(outcome)))?;
    writeln!(out, "\n| way to call | calls | results |\n|---|---:|---:|")?;
    for (way, outcomes) in &report.outcomes {
        let of = |name: &str| outcomes.get(name).copied().unwrap_or(0);
        let results = of("result") + of("the error it asked for");
        writeln!(out, "| {way} | {} | {results} |", outcomes.values().sum::<u64>())?;
    }
    let (left, twice) = report
        .rounds
        .iter()
        .fold((0, 0), |(left, twice), round| (left + round.marks, twice + round.marks_twice));
    writeln!(
        out,
        "\n{left} calls had an effect that can be counted; {twice} of them had it twice, all of them of a method that is \
         declared idempotent.\n"
    )
}

fn failures(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        out,
        "### Why calls failed\n\n| the host says | the cause | calls | what the first was told |\n|---|---|---:|---|"
    )?;
    for (kind, causes) in &report.causes {
        for (cause, found) in causes {
            let mut first: String = found.first.chars().take(SHOWN).collect();
            if first.len() < found.first.len() {
                first.push('…');
            }
            writeln!(out, "| {} | {cause} | {} | {} |", plain(kind), found.calls, quoted(&first))?;
        }
    }
    writeln!(out)
}

fn table<'a>(
    out: &mut String,
    title: &str,
    count: &str,
    rows: impl Iterator<Item = (&'a String, &'a u64)>,
) -> std::fmt::Result {
    writeln!(out, "### {title}\n\n| what | {count} |\n|---|---:|")?;
    let mut rows = rows;
    rows.try_for_each(|(what, count)| writeln!(out, "| {} | {count} |", plain(what)))?;
    writeln!(out)
}

fn what_is_held(out: &mut String, report: &Report) -> std::fmt::Result {
    let times = &report.recovery;
    writeln!(
        out,
        "### Away\n\nFrom the kill of the only process of a plugin (by SIGKILL or SIGSEGV) to the first answer of another: \
         {:.0} ms in half of {} cases, {:.2} s in 99 of 100, {:.2} s at most. A plugin that was killed again and again is \
         rested on purpose.\n",
        times.p50 * 1000.0,
        times.count,
        times.p99,
        times.max
    )?;
    let stops = || report.rounds.iter().map(|round| round.stop_seconds);
    writeln!(
        out,
        "All plugins of a manager were stopped in {:.1} s at most, {:.1} s on average.\n",
        stops().fold(0.0, f64::max),
        stops().sum::<f64>() / f64::from(u32::try_from(report.rounds.len()).unwrap_or(1).max(1))
    )?;
    writeln!(out, "### Held\n\n| of the host | at the start | at most | at the end |\n|---|---:|---:|---:|")?;
    let row = |out: &mut String, what: &str, Span { start, peak, end }: Span, part: u64| {
        writeln!(out, "| {what} | {} | {} | {} |", start / part, peak / part, end / part)
    };
    row(out, "allocated, KiB", report.heap_kib, 1)?;
    row(out, "resident, MiB", report.resident_kib, 1024)?;
    row(out, "descriptors", report.descriptors, 1)?;
    row(out, "threads", report.threads, 1)?;
    row(out, "child processes", report.processes, 1)?;
    let (second, fourth) = report.heap_of_longest_kib;
    writeln!(
        out,
        "\nThe start and the end are between rounds, when no plugin runs. Within the longest round {second} KiB were allocated \
         in the second quarter, {fourth} KiB in the last (medians)."
    )
}

/// A text that may have marks of a table in it.
fn plain(text: &str) -> String {
    text.replace('|', "\\|").replace('_', "\\_")
}

/// The same, as it was said.
fn quoted(text: &str) -> String {
    format!("`{}`", text.replace('`', "'").replace('|', "¦").replace('\n', " "))
}
