//! The suite itself: its data, its verdicts against real processes, its reports.

mod data;
mod verdicts;
