//! The store, as commands name it, and what they say of how far a change of it is.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use plugline_host::escape;
use plugline_host::package::PackageName;
use plugline_host::store::{Release, Step, Store, StoredPlugin};
use semver::Version;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output;

/// Which store.
#[derive(Args)]
pub(crate) struct StoreOptions {
    /// The store; otherwise the one that PLUGLINE_STORE names, or else this user's.
    #[arg(long, value_name = "DIRECTORY")]
    store: Option<PathBuf>,
}

impl StoreOptions {
    pub(crate) fn open(&self) -> Result<Store, Failure> {
        Ok(match &self.store {
            Some(root) => Store::at(root)?,
            None => Store::of_this_user()?,
        })
    }
}

/// A plugin of the store, and which version of it.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) name: PackageName,
    pub(crate) version: Option<Version>,
}

/// `NAME` or `NAME@VERSION`.
pub(crate) fn named(text: &str) -> Result<Named, String> {
    let (name, version) = match text.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (text, None),
    };
    let version = version.map(|version| {
        Version::parse(version)
            .map_err(|fault| format!("{version:?} is no version: {fault}; one is like 1.2.3"))
    });
    Ok(Named { name: name.parse()?, version: version.transpose()? })
}

/// A release for programs.
pub(crate) fn release(plugin: &StoredPlugin, release: &Release) -> Value {
    json!({
        "version": release.version,
        "hash": release.hash,
        "directory": release.directory,
        "current": release.hash == plugin.current,
        "previous": Some(&release.hash) == plugin.previous.as_ref(),
        "installed": release.installed,
        "source": release.origin.source,
        "commit": release.origin.commit,
        "archive": release.origin.archive,
        "signed_by": release.origin.signed_by,
    })
}

/// A bar, where somebody looks at it.
pub(crate) struct Progress(ProgressBar);

const BYTES: &str = "{msg:.dim} {wide_bar:.cyan} {bytes}/{total_bytes}";
const SPINNER: &str = "{spinner:.cyan} {wide_msg:.dim}";

impl Progress {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.set_style(ProgressStyle::with_template(SPINNER).expect("the template is right"));
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    /// Shows a step. What it names is somebody else's text.
    pub(crate) fn show(&self, step: Step<'_>) {
        match step {
            Step::Waiting { holder } => {
                self.0.suspend(|| output::note(&format!("waiting for {holder}, which changes the store")));
                self.0.set_message("waiting for the store");
            }
            Step::Fetching { done, total: Some(total) } => {
                if self.0.length() != Some(total) {
                    self.0.set_style(ProgressStyle::with_template(BYTES).expect("the template is right"));
                    self.0.set_message("fetching");
                    self.0.set_length(total);
                }
                self.0.set_position(done);
            }
            Step::Fetching { done, total: None } => self.0.set_message(match done {
                0 => "fetching".to_owned(),
                done => format!("fetching: {}", indicatif::HumanBytes(done)),
            }),
            Step::Unpacked { path, .. } => {
                if self.0.length().is_some() {
                    self.0.unset_length();
                    self.0.set_style(ProgressStyle::with_template(SPINNER).expect("the template is right"));
                }
                self.0.set_message(format!("unpacking {}", escape(path.as_bytes())));
            }
            Step::Sweeping => self.0.set_message("deleting what nobody uses any more"),
            Step::Checked => self.0.set_message("checked"),
            Step::Written => self.0.set_message("written"),
            _ => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions() {
        let read = |text| named(text).map(|it| (it.name.to_string(), it.version.map(|it| it.to_string())));
        assert_eq!(read("users"), Ok(("users".into(), None)));
        assert_eq!(read("users@1.2.3-rc.1"), Ok(("users".into(), Some("1.2.3-rc.1".into()))));
        for text in ["", "@1.0.0", "users@", "users@1", "Users", "a/b", "users@1.0.0@2.0.0"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
