//! A file that lists implementations to be judged one after another.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::library;
use crate::model::Side;

/// An implementation, and how it is judged.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What it is called in the matrix.
    pub name: String,
    /// Which side it is.
    #[serde(default = "plugin")]
    pub side: Side,
    /// How it is started: words.
    pub command: Vec<String>,
    /// `auto`, `fixture` or `black-box`.
    #[serde(default)]
    pub profile: Option<String>,
    /// The config that it gets.
    #[serde(default)]
    pub config: Option<Value>,
    /// Variables of its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// A file of expected failures.
    #[serde(default)]
    pub expect: Option<String>,
    /// Programs without which it cannot be made or run.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Whether it may be left out everywhere; otherwise only where nobody said that this is CI.
    #[serde(default)]
    pub optional: bool,
}

fn plugin() -> Side {
    Side::Plugin
}

impl Entry {
    /// The first program that it needs and that is not in any of these folders.
    #[must_use]
    pub fn lacks(&self, folders: &[PathBuf]) -> Option<&str> {
        let is_there = |program: &&String| folders.iter().any(|folder| folder.join(program).is_file());
        self.needs.iter().find(|program| !is_there(program)).map(String::as_str)
    }
}

/// Reads such a file.
///
/// # Errors
/// What is wrong with it.
pub fn read(text: &str) -> Result<Vec<Entry>, String> {
    let entries: Vec<Entry> = library::from_yaml(text)?;
    match entries.iter().find(|entry| entry.command.is_empty()) {
        Some(entry) => Err(format!("{}: a command is needed", entry.name)),
        None if entries.is_empty() => Err("no implementation is listed".to_owned()),
        None => Ok(entries),
    }
}
