//! The manager with real processes and files: `shelf.py` is the plugin, and a file beside it says which version it is and
//! what goes wrong with it.

mod drivers;
mod examples;
mod lazy;
mod reload;
mod settings;
mod stores;
mod versions;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugline_host::Document;
use plugline_host::manager::{Manager, ManagerBuilder, ManagerEvent, ManagerEventKind};
use plugline_sdk::{CallFailed, ContractError, contract};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{PATIENCE, Processes, alone, eventually, python, status};

/// Where components are kept.
#[contract(name = "repository", version = "1.0.0")]
pub(crate) trait Repository: Send + Sync {
    /// Finds a component.
    #[idempotent]
    fn lookup(&self, component: &str) -> Result<Component, RepositoryError>;

    /// Who answers, and with what.
    fn about(&self) -> Result<About, RepositoryError>;
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Component {
    component: String,
    version: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct About {
    version: String,
    note: String,
    pid: u32,
    config: Value,
    key: Option<String>,
}

#[derive(Debug, thiserror::Error, ContractError)]
pub(crate) enum RepositoryError {
    #[error("no such component")]
    #[code(1)]
    NotFound,
    #[error(transparent)]
    Call(#[from] CallFailed),
}

/// The same in this process.
struct Here(Config);

#[derive(Debug, Deserialize)]
struct Config {
    #[serde(default)]
    components: BTreeMap<String, String>,
}

impl Repository for Here {
    fn lookup(&self, component: &str) -> Result<Component, RepositoryError> {
        let version = self.0.components.get(component).ok_or(RepositoryError::NotFound)?;
        Ok(Component { component: component.to_owned(), version: version.clone() })
    }

    fn about(&self) -> Result<About, RepositoryError> {
        let (version, note) = ("0.0.0".to_owned(), "built in".to_owned());
        Ok(About { version, note, pid: std::process::id(), config: Value::Null, key: None })
    }
}

fn here(config: Config) -> Result<Arc<dyn Repository>, String> {
    Ok(Arc::new(Here(config)))
}

/// A directory of plugins, and the processes that they become.
struct Bench {
    // Dropped first: what is in the directory is still there when a process ends.
    processes: Processes,
    dir: tempfile::TempDir,
}

fn document(name: &str, version: &str, types: &[&str]) -> Document {
    let mut document = RepositoryContract::document();
    document.info.title = name.to_owned();
    document.info.version = version.to_owned();
    document.plugline.provides[0].types = types.iter().map(|text| (*text).to_owned()).collect();
    document.plugline.config = serde_json::from_value(json!({"type": "object", "properties": {
        "components": {"type": "object", "additionalProperties": {"type": "string"}},
        "token": {"type": "string"}}, "additionalProperties": false}))
    .unwrap();
    document
}

impl Bench {
    fn new() -> Self {
        Self { processes: Processes::new(), dir: tempfile::tempdir().unwrap() }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A package, which is as `more` says.
    fn package(&self, at: &str, name: &str, version: &str, more: &Value) {
        self.package_of(at, name, version, &[], more);
    }

    fn package_of(&self, at: &str, name: &str, version: &str, types: &[&str], more: &Value) {
        let document = document(name, version, types);
        let mut shelf = json!({"manifest": document, "pids": self.processes.file()});
        shelf.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.write(&format!("{at}/shelf.json"), shelf.to_string());
        self.write(&format!("{at}/shelf.py"), include_str!("shelf.py"));
        self.write(&format!("{at}/manifest.json"), serde_json::to_vec(&document).unwrap());
        // Last: whoever looks before that finds no plugin.
        let command = json!([python(), "-SB", "shelf.py"]);
        let package = format!(
            "name = {name:?}\nversion = {version:?}\nmanifest = \"manifest.json\"\ncommand = {command}\n"
        );
        let package = package.replace(&json!(python()).to_string(), "\"python3\"");
        self.write(&format!("{at}/plugline.toml"), package);
    }

    /// The program alone: of a package it has nothing but what it reads itself.
    fn program(&self, at: &str, name: &str, version: &str) -> PathBuf {
        self.package(&format!("{at}.d"), name, version, &json!({}));
        let shelf = self.at(&format!("{at}.d/shelf.py"));
        self.write(at, format!("#!/bin/sh\nexec '{}' -SB '{}'\n", python(), shelf.display()));
        fs::set_permissions(self.at(at), fs::Permissions::from_mode(0o755)).unwrap();
        self.at(at)
    }

    fn builder(&self) -> ManagerBuilder {
        let builder = Manager::builder().environment([("", ""); 0]).without_store();
        builder.cache(self.at("cache")).search(self.at("plugins"))
    }

    fn manager(&self) -> Manager {
        self.builder().open().unwrap()
    }

    fn with_settings(&self, settings: &str) -> Manager {
        self.write("plugins.toml", settings);
        self.builder().settings_file(self.at("plugins.toml")).open().unwrap()
    }

    /// How many processes were started.
    fn started(&self) -> usize {
        self.processes.ids().len()
    }
}

/// Waits for an event of the kind that `pick` wants.
#[track_caller]
fn event<T>(manager: &Manager, what: &str, mut pick: impl FnMut(&ManagerEvent) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    let events = manager.events();
    let mut seen = Vec::new();
    loop {
        match events.recv_deadline(deadline) {
            Ok(event) => match pick(&event) {
                Some(picked) => return picked,
                None => seen.push(event.to_string()),
            },
            Err(_) => panic!("no event: {what}; there were {seen:#?}"),
        }
    }
}

fn stop(manager: &Manager) {
    manager.stop_all(Duration::from_secs(20));
}
