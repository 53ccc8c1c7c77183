//! `plugline list`: what is in the store.

use clap::Args;
use comfy_table::Table;
use plugline_host::escape;
use plugline_host::store::StoredPlugin;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{self, Format};
use crate::storage::{self, StoreOptions};

/// List what is installed. `--json` says all that is known of it.
#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    store: StoreOptions,
}

impl List {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        let store = self.store.open()?;
        let listing = store.list()?;
        if format == Format::Json {
            let plugins = listing.plugins.iter().map(|plugin| {
                let releases: Vec<Value> =
                    plugin.releases.iter().map(|release| storage::release(plugin, release)).collect();
                json!({ "name": plugin.name, "releases": releases })
            });
            let faults = listing.faults.iter().map(ToString::to_string);
            let report = json!({
                "store": store.root(),
                "plugins": plugins.collect::<Vec<_>>(),
                "faults": faults.collect::<Vec<_>>(),
            });
            return output::print(&(output::escape_json(&report.to_string()) + "\n"));
        }
        for fault in &listing.faults {
            output::warning(&fault.to_string());
        }
        if listing.plugins.is_empty() {
            return output::print(&format!(
                "nothing is installed in {}\n",
                escape(store.root().as_os_str().as_encoded_bytes())
            ));
        }
        output::print(&format!("{}\n", table(&listing.plugins)))
    }
}

fn table(plugins: &[StoredPlugin]) -> Table {
    let mut table = Table::new();
    let header = ["plugin", "version", "", "installed", "from"];
    table.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY).set_header(header);
    for plugin in plugins {
        for (at, release) in plugin.releases.iter().enumerate() {
            let name = if at == 0 { plugin.name.as_str() } else { "" };
            let role = if release.hash == plugin.current {
                "current"
            } else if Some(&release.hash) == plugin.previous.as_ref() {
                "previous"
            } else {
                ""
            };
            let version = release.version.to_string();
            let from = escape(release.origin.source.as_bytes());
            table.add_row([name, &version, role, &date(release.installed), &from]);
        }
    }
    table
}

/// The day of a time, in UTC: `2026-01-31`. By the rules of the calendar since 1582 (Hinnant, "chrono-Compatible Low-Level
/// Date Algorithms").
fn date(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days() {
        let rows = [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_798_761_599, "2026-12-31"),
            (1_798_761_600, "2027-01-01"),
            (4_107_542_400, "2100-03-01"),
        ];
        for (seconds, wanted) in rows {
            assert_eq!(date(seconds), wanted);
        }
    }
}
