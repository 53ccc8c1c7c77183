//! The goals, what was measured, and what limits those that were not met.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::figures::Run;
use crate::goals::{Verdict, judge};
use crate::table::Table;

pub(super) fn write(out: &mut String, run: &Run, limits: &Path) {
    let goals = judge(run);
    let mut table = Table::new(["figure", "goal", "measured", ""]);
    for goal in &goals {
        let (measured, word) = match &goal.verdict {
            Verdict::Met(value) => (value.clone(), "met"),
            Verdict::NotMet(value) => (value.clone(), "**not met**"),
            Verdict::NotMeasured(why) => ((*why).to_owned(), "not measured"),
        };
        table.row([goal.figure, &goal.wanted, &measured, word]);
    }
    let count = |is: fn(&Verdict) -> bool| goals.iter().filter(|goal| is(&goal.verdict)).count();
    let _ = writeln!(
        out,
        "## Goals\n\n{} met, {} not met, {} not measured.\n\n{table}",
        count(|verdict| matches!(verdict, Verdict::Met(_))),
        count(|verdict| matches!(verdict, Verdict::NotMet(_))),
        count(|verdict| matches!(verdict, Verdict::NotMeasured(_))),
    );
    for goal in &goals {
        if let Verdict::NotMet(value) = &goal.verdict {
            let _ = writeln!(out, "### Not met: {} ({value}, wanted {})\n", goal.figure, goal.wanted);
            let written = fs::read_to_string(limits.join(format!("{}.md", goal.id)));
            let text = written.unwrap_or_else(|_| {
                format!("What limits it is not known yet (`benches/limits/{}.md` is not written).", goal.id)
            });
            let _ = writeln!(out, "{}\n", text.trim());
        }
    }
}
