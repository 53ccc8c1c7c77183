//! What the examples call, and a plugin of it: this program, under whatever name and version it is told.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use plugline_sdk::{CallFailed, Instances, Plugin, contract};
use serde::Deserialize;

/// Says hello.
#[contract(name = "greet", version = "1.0.0")]
pub(crate) trait Greet: Send + Sync {
    /// Says hello to somebody.
    #[idempotent]
    fn hello(&self, name: &str) -> Result<String, CallFailed>;
}

/// How a greeter is configured, here and in a process of its own.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct GreetConfig {
    /// What comes before the name.
    pub(crate) words: Option<String>,
    /// What nobody is to see.
    pub(crate) token: Option<String>,
}

/// Greets, as whoever it is.
pub(crate) struct Greeter {
    pub(crate) who: String,
    pub(crate) config: GreetConfig,
}

impl Greet for Greeter {
    fn hello(&self, name: &str) -> Result<String, CallFailed> {
        let words = self.config.words.as_deref().unwrap_or("Hello");
        let token = if self.config.token.is_some() { ", who knows the token" } else { "" };
        Ok(format!("{words}, {name}! ({}{token})", self.who))
    }
}

fn plugin(name: &str, version: &str) -> Plugin<Greeter> {
    let who = format!("{name} {version}");
    let make = move |config: GreetConfig| Ok::<_, String>(Greeter { who: who.clone(), config });
    Plugin::configured(name, version, make).contract(GreetContract).instances(Instances::Many)
}

/// The plugin.
pub(crate) fn serve(name: &str, version: &str) -> ExitCode {
    plugin(name, version).serve()
}

/// Writes a package of it, as an author would.
pub(crate) fn package(directory: &Path, name: &str, version: &str) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(directory)?;
    let program = std::env::current_exe()?;
    fs::write(directory.join("run.sh"), format!("exec '{}' serve {name} {version}\n", program.display()))?;
    fs::write(directory.join("manifest.json"), serde_json::to_string(&plugin(name, version).manifest())?)?;
    let package = format!(
        "name = {name:?}\nversion = {version:?}\nmanifest = \"manifest.json\"\ncommand = [\"sh\", \"run.sh\"]\n"
    );
    Ok(fs::write(directory.join("plugline.toml"), package)?)
}
