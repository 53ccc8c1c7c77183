//! `plugline install`: a package into the store.

use std::path::Path;

use clap::Args;
use plugline_host::package::Sha256;
use plugline_host::store::{Change, Existing, InstallOptions, Key, Source};
use serde_json::json;

use crate::failure::Failure;
use crate::output::{self, Format};
use crate::storage::{self, Progress, StoreOptions};

/// What it does, for `--help`.
const MEANING: &str = "\
What is fetched is checked before it is unpacked, unpacked where nobody looks for it, and made current in one step.
Nothing of it is run.";

/// Install a plugin from a directory, an archive or an address.
#[derive(Args)]
#[command(after_help = MEANING.replace('\n', " "))]
pub(crate) struct Install {
    /// A directory with a plugline.toml, a .tar.gz, file:///PATH, https://HOST/FILE.tar.gz,
    /// git+https://HOST/PATH[#BRANCH|TAG|COMMIT] or HOST.TLD/OWNER/NAME.
    source: String,
    /// Take only an archive that is signed with this key (several: one of them): a public key of minisign, or its file.
    /// The signature stands beside the archive, with .minisig after its name.
    #[arg(long, value_name = "KEY|FILE", value_parser = key)]
    require_signature: Vec<Key>,
    /// Take only an archive with this SHA-256.
    #[arg(long, value_name = "SHA-256", value_parser = Sha256::new)]
    sha256: Option<Sha256>,
    /// Replace the same version with other contents. A rollback leads back to it.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    store: StoreOptions,
}

/// A key, or the file that has it.
fn key(text: &str) -> Result<Key, String> {
    if Path::new(text).is_file() { Key::from_file(Path::new(text)) } else { text.parse() }
}

impl Install {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        let store = self.store.open()?;
        let source: Source = self.source.parse()?;
        let options = InstallOptions {
            sha256: self.sha256,
            keys: self.require_signature,
            existing: if self.force { Existing::Replace } else { Existing::Keep },
            ..InstallOptions::default()
        };
        let progress = Progress::new();
        let installed = store.install(&source, &options, &mut |step| progress.show(step));
        drop(progress);
        let installed = installed?;
        let plugin = &installed.plugin;
        let release = plugin.current();
        if format == Format::Json {
            let change = match installed.change {
                Change::New => "new",
                Change::Replaced => "replaced",
                Change::Selected => "selected",
                Change::Nothing => "nothing",
            };
            let report = json!({
                "name": plugin.name,
                "change": change,
                "release": storage::release(plugin, release),
            });
            return output::print(&(output::escape_json(&report.to_string()) + "\n"));
        }
        let what = match installed.change {
            Change::New => "installed",
            Change::Replaced => "installed, in place of the same version with other contents",
            Change::Selected => "was installed already, and is current now",
            Change::Nothing => "was installed already, and is current",
        };
        let mut text = format!("{} {} {what}\n", plugin.name, release.version);
        if let Some(previous) = plugin.previous()
            && matches!(installed.change, Change::New | Change::Replaced | Change::Selected)
        {
            let (name, version) = (&plugin.name, &previous.version);
            text += &format!("`plugline rollback {name}` goes back to {version}\n");
        }
        output::print(&text)
    }
}
