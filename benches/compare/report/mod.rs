//! The results as a document.

mod goals;
mod peers;
mod plugline;

use std::fmt::Write;

use crate::figures::{Figures, Run};
use crate::peers::Places;
use crate::plots::Plot;
use crate::table::NONE;

const NOT_FAIR: &str = include_str!("../not-fair.md");

/// The document, but for its plots.
pub(crate) fn write(run: &Run, places: &Places) -> String {
    let mut out = String::from("# Benchmarks: results\n\n");
    out.push_str(
        "Written by `compare`; every figure is of one run. [README.md](README.md) says what is measured.\n\n",
    );
    about(&mut out, run);
    goals::write(&mut out, run, &places.benches.join("limits"));
    peers::write(&mut out, run);
    plugline::write(&mut out, run);
    out.push_str("## What was not fair\n\n");
    out.push_str(NOT_FAIR);
    out
}

/// The end of the document: the plots, which are in `plots/` beside it.
pub(crate) fn plots(plots: &[Plot]) -> String {
    let images = plots.iter().map(|plot| format!("![{}](plots/{})\n", plot.title, plot.file));
    format!("\n## Plots\n\n{}", images.collect::<Vec<_>>().join("\n"))
}

fn about(out: &mut String, run: &Run) {
    let machine = &run.machine;
    let _ = writeln!(
        out,
        "- machine: {}, {} cores, {} of memory, Linux {}\n- date: {}\n\
         - command: `{}`; it took {} min {} s, {} rounds over all peers",
        machine.processor,
        machine.cores,
        machine.memory,
        machine.kernel,
        machine.date,
        run.command,
        run.seconds / 60,
        run.seconds % 60,
        run.rounds,
    );
    let versions: Vec<_> =
        machine.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let _ = writeln!(out, "- versions: {}", versions.join(", "));
    for (peer, why) in &run.missing {
        let _ = writeln!(out, "- **missing**: {peer}: {why}");
    }
    for failure in &run.failures {
        let _ = writeln!(out, "- **failed**: {failure}");
    }
    out.push('\n');
}

/// A figure as people read it.
fn cell(value: Option<f64>, write: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| NONE.into(), write)
}

/// A figure with the least and the greatest of the rounds.
fn with_spread(figures: &Figures, name: &str, write: impl Fn(f64) -> String) -> String {
    match (figures.get(name), figures.spread(name)) {
        (Some(value), Some((least, greatest))) if least < greatest => {
            format!("{} ({} – {})", write(value), write(least), write(greatest))
        }
        (value, _) => cell(value, write),
    }
}
