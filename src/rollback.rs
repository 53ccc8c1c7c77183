//! `plugline rollback`: back to the release before.

use clap::Args;
use plugline_host::package::PackageName;
use serde_json::json;

use crate::failure::Failure;
use crate::output::{self, Format};
use crate::storage::{self, Progress, StoreOptions};

/// Make the release current that was before. A second rollback undoes the first.
#[derive(Args)]
pub(crate) struct Rollback {
    /// The plugin.
    #[arg(value_name = "NAME", value_parser = PackageName::new)]
    name: PackageName,
    #[command(flatten)]
    store: StoreOptions,
}

impl Rollback {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        let store = self.store.open()?;
        let progress = Progress::new();
        let plugin = store.rollback(&self.name, &mut |step| progress.show(step));
        drop(progress);
        let plugin = plugin?;
        let current = plugin.current();
        if format == Format::Json {
            let report = json!({ "name": plugin.name, "release": storage::release(&plugin, current) });
            return output::print(&(output::escape_json(&report.to_string()) + "\n"));
        }
        let before = plugin.previous().map(|it| format!(", in place of {}", it.version)).unwrap_or_default();
        output::print(&format!("{} {} is current{before}\n", plugin.name, current.version))
    }
}
