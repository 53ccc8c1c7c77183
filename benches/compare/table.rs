//! A table in Markdown.

use std::fmt;

/// A table; the first column is text, the others are numbers and stand to the right.
#[derive(Debug)]
pub(crate) struct Table {
    columns: usize,
    rows: Vec<Vec<String>>,
}

/// What stands where there is no figure.
pub(crate) const NONE: &str = "–";

impl Table {
    /// A table with that head.
    pub(crate) fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Self {
        let head: Vec<String> = head.into_iter().map(Into::into).collect();
        Self { columns: head.len(), rows: vec![head] }
    }

    /// Adds a row; where it is short, the rest has no figures.
    pub(crate) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let mut row: Vec<String> = cells.into_iter().map(Into::into).collect();
        row.resize(self.columns, NONE.into());
        self.rows.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, row: &[String]| {
            let cells: Vec<_> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
            writeln!(f, "| {} |", cells.join(" | "))
        };
        for (at, row) in self.rows.iter().enumerate() {
            line(f, row)?;
            if at == 0 {
                writeln!(f, "|---|{}", "---:|".repeat(self.columns.saturating_sub(1)))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_as_long_as_the_head() {
        let mut table = Table::new(["system", "p50", "p99"]);
        table.row(["a|b", "1 µs"]);
        table.row(["c", "2 µs", "3 µs"]);
        let expected = "| system | p50 | p99 |\n|---|---:|---:|\n| a\\|b | 1 µs | – |\n| c | 2 µs | 3 µs |\n";
        assert_eq!(table.to_string(), expected);
    }
}
