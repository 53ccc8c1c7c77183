//! `plugline new`: a project of a plugin that works, in one of six languages.

mod name;
mod templates;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use self::name::Name;
use self::templates::{Language, Template};
use crate::failure::Failure;
use crate::output;

/// The SDKs, where this program was built from a checkout that is still there.
const CHECKOUT: &str = env!("CARGO_MANIFEST_DIR");

/// Make a new plugin: a folder with a contract, one method, a test and a README.
#[derive(Args)]
pub(crate) struct New {
    /// In which language.
    #[arg(value_name = "LANG")]
    language: Language,
    /// The plugin's name, and that of the folder that is made here.
    #[arg(value_name = "NAME", value_parser = Name::new)]
    name: Name,
    /// Where the SDK is, for rust and python: the folder of the crate plugline-sdk, or of the package plugline. Unless
    /// said, the one that this program was built with, or else a published one.
    #[arg(long, value_name = "FOLDER")]
    sdk: Option<PathBuf>,
}

impl New {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let template = self.language.template();
        let sdk = self.sdk(&template)?;
        let folder = Path::new(self.name.as_str());
        match fs::create_dir(folder) {
            Err(fault) if fault.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(Failure::Usage(format!(
                    "{} is there already, and nothing is overwritten: take another name, or remove it",
                    folder.display()
                )));
            }
            other => other.map_err(|fault| cannot_write(folder, &fault))?,
        }
        for (path, text) in template.files {
            let path = folder.join(path);
            if let Err(fault) = write(&path, &self.filled(text, &sdk)) {
                // What was begun is not left behind; if it cannot be removed either, the reason is the same.
                let _same = fs::remove_dir_all(folder);
                return Err(cannot_write(&path, &fault));
            }
        }
        output::print(&self.next_steps(&template))
    }

    /// A dependency on the SDK, as the language's own file wants it.
    fn sdk(&self, template: &Template) -> Result<String, Failure> {
        let Some(sdk) = &template.sdk else {
            if self.sdk.is_some() {
                let why = "a plugin in this language has no SDK, and needs none";
                return Err(Failure::Usage(format!("--sdk: {why}")));
            }
            return Ok(String::new());
        };
        let beside = Path::new(CHECKOUT).join(sdk.folder);
        let folder = match &self.sdk {
            Some(folder) if !folder.join(sdk.mark).is_file() => {
                let what =
                    format!("{} has no {}: the folder of the SDK is wanted", folder.display(), sdk.mark);
                return Err(Failure::Usage(format!("--sdk: {what}")));
            }
            Some(folder) => fs::canonicalize(folder).map_err(|fault| cannot_write(folder, &fault))?,
            None if beside.join(sdk.mark).is_file() => beside,
            None => return Ok((sdk.published)(env!("CARGO_PKG_VERSION"))),
        };
        let text = folder.to_str().ok_or_else(|| {
            Failure::Usage(format!("--sdk: {} is no text, so no file can name it", folder.display()))
        })?;
        Ok((sdk.local)(text, env!("CARGO_PKG_VERSION")))
    }

    /// The text of a template, in which a plugin is called my-plugin.
    fn filled(&self, text: &str, sdk: &str) -> String {
        text.replace("my_plugin", &self.name.contract())
            .replace("my-plugin", self.name.as_str())
            .replace("@SDK@", sdk)
    }

    fn next_steps(&self, template: &Template) -> String {
        let steps = template.steps.iter().map(|step| format!("  {}\n", self.filled(step, "")));
        format!(
            "{name}/ is a plugin; what it offers is the contract {contract} 0.1.0. Next:\n\n  cd {name}\n{steps}\n\
             README.md says more.\n",
            name = self.name.as_str(),
            contract = self.name.contract(),
            steps = steps.collect::<String>()
        )
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, text)
}

fn cannot_write(path: &Path, fault: &std::io::Error) -> Failure {
    Failure::System(format!("{}: {fault}", path.display()))
}
