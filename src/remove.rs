//! `plugline remove`: a version of a plugin, or all of it, out of the store.

use clap::Args;
use serde_json::json;

use crate::failure::Failure;
use crate::output::{self, Format};
use crate::storage::{Named, Progress, StoreOptions, named};

/// Remove a version of a plugin, or all of it. What runs goes on; its files are deleted by the first change after it.
#[derive(Args)]
pub(crate) struct Remove {
    /// NAME removes all versions.
    #[arg(value_name = "NAME[@VERSION]", value_parser = named)]
    plugin: Named,
    #[command(flatten)]
    store: StoreOptions,
}

impl Remove {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        let store = self.store.open()?;
        let Named { name, version } = self.plugin;
        let progress = Progress::new();
        let removed = store.remove(&name, version.as_ref(), &mut |step| progress.show(step));
        drop(progress);
        let removed = removed?;
        let versions: Vec<String> = removed.releases.iter().map(|it| it.version.to_string()).collect();
        let current = removed.left.as_ref().map(|plugin| plugin.current().version.to_string());
        if format == Format::Json {
            let report = json!({
                "name": name,
                "removed": versions,
                "current": current,
                "in_use": removed.in_use,
            });
            return output::print(&format!("{report}\n"));
        }
        let mut text = format!("{name} {} removed\n", versions.join(", "));
        if let Some(current) = current {
            text += &format!("{current} is current\n");
        }
        if removed.in_use > 0 {
            text += "it is in use, or something that was removed before it is; the files go with the first change of the store after that\n";
        }
        output::print(&text)
    }
}
