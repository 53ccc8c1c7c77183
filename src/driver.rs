//! Drivers: how a user names a plugin, and where names are looked up.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use clap::Args;
use plugline_host::manager::{Manager, ManagerEventKind};
use plugline_host::store::Store;
use plugline_host::{Launch, Plugin, Validation};

use crate::failure::Failure;
use crate::output;

/// Where names of plugins are looked up, besides the search paths and the store.
#[derive(Args, Default)]
pub(crate) struct Names {
    /// Take names, and what is said of them, from this plugins.toml.
    #[arg(long, value_name = "FILE")]
    plugins: Option<PathBuf>,
}

/// What keeps the files of installed plugins as long as this program runs.
static KEPT: Mutex<Vec<Manager>> = Mutex::new(Vec::new());

impl Names {
    /// The manager that knows them; of that store, or this user's.
    pub(crate) fn manager(&self, store: Option<Store>) -> Result<Manager, Failure> {
        let mut builder = Manager::builder().host("plugline", env!("CARGO_PKG_VERSION"));
        if let Some(file) = &self.plugins {
            builder = builder.settings_file(file);
        }
        if let Some(store) = store {
            builder = builder.store(store);
        }
        let manager = builder.open()?;
        KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(manager.clone());
        Ok(manager)
    }
}

/// The plugin that a command line means.
pub(crate) enum Meant {
    /// A command.
    Command(Box<Launch>),
    /// What a driver means.
    Driver(String, Manager),
}

impl Meant {
    /// Ready to be started. What passes is not checked, unless whoever starts it wants that.
    pub(crate) fn launch(self) -> Result<Launch, Failure> {
        match self {
            Self::Command(launch) => Ok(*launch),
            Self::Driver(driver, manager) => {
                let launch = manager.launch(&driver);
                tell(&manager);
                Ok(launch?.validate(Validation::Off))
            }
        }
    }

    /// Started, as the function changes it; where a version does not work, an older one.
    pub(crate) fn start(self, change: impl Fn(Launch) -> Launch) -> Result<Plugin, Failure> {
        match self {
            Self::Command(launch) => Ok(change(*launch).start()?),
            Self::Driver(driver, manager) => {
                let plugin = manager.start(&driver, change);
                tell(&manager);
                Ok(plugin?)
            }
        }
    }
}

/// What the manager did on the way.
fn tell(manager: &Manager) {
    for event in manager.events().try_iter() {
        match &event.kind {
            ManagerEventKind::FellBack { .. } => output::warning(&event.to_string()),
            ManagerEventKind::Building | ManagerEventKind::Built => output::note(&event.to_string()),
            // `which` tells of what is in the way of something.
            _ => {}
        }
    }
}

/// The plugin that a command line starts, its words split as a shell would, without one.
pub(crate) fn command(line: &str) -> Result<Launch, Failure> {
    let words = words(line)?;
    let (program, args) =
        words.split_first().ok_or_else(|| Failure::Usage("--command names no program".into()))?;
    Ok(Plugin::command(program).args(args))
}

/// The words of a command line.
pub(crate) fn words(line: &str) -> Result<Vec<String>, Failure> {
    shell_words::split(line).map_err(|fault| Failure::Usage(format!("--command {line:?}: {fault}")))
}
