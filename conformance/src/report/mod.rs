//! What a run comes to, for people and for programs. What an implementation said is escaped before it gets here.

mod html;
mod junit;
mod text;

pub use html::html;
pub use junit::junit;
pub use text::{explain, failure, text, transcript};

use crate::run::Report;

/// The report as JSON, by `report.schema.json`.
#[must_use]
pub fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report).expect("a report has only texts and numbers") + "\n"
}

/// The JSON Schema of a report.
pub const SCHEMA: &str = include_str!("../../report.schema.json");
