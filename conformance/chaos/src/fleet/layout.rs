//! Where the plugins of a run are: directories with a package each, a store, and the settings of the host.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use plugline_host::store::{InstallOptions, Source, Store, StoreError};
use serde_json::json;

use crate::contract::{CONFESSIONS, ChaosContract, MARKS};

/// What a plugin is written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// The Rust SDK.
    Rust,
    /// The Python SDK.
    Sdk,
    /// Python alone.
    Plain,
    /// The same, and it misbehaves now and then by itself.
    Wild,
}

/// How many processes serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One, though there might be more.
    Single,
    /// So many.
    Pool(usize),
    /// One, as there may be no other.
    One,
}

/// How the host comes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A package that the manager watches.
    Package,
    /// A package in a store.
    Store,
    /// What the host starts, supervises and swaps by itself.
    Direct,
}

/// A plugin of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// How the host calls it.
    pub name: String,
    /// What it is written with.
    pub make: Make,
    /// How many serve.
    pub shape: Shape,
    /// Where it is.
    pub place: Place,
}

/// The directory of a run, and what is in it.
#[derive(Debug)]
pub struct Layout {
    /// All of it.
    pub directory: PathBuf,
    /// The program over the Rust SDK.
    program: PathBuf,
    /// The interpreter that has the Python SDK.
    python: PathBuf,
}

impl Layout {
    /// Makes the directories.
    ///
    /// # Errors
    /// Where they cannot be made, or a program is not there.
    pub fn new(directory: &Path, program: &Path, python: &Path) -> io::Result<Self> {
        for name in ["plugins", "store", "cache", "tmp", MARKS] {
            fs::create_dir(directory.join(name))?;
        }
        fs::write(directory.join(CONFESSIONS), "")?;
        let copy = directory.join("chaos-plugin");
        // What is built anew meanwhile is not to be what is started here.
        fs::copy(program, &copy)?;
        Ok(Self { directory: directory.to_owned(), program: copy, python: python.to_owned() })
    }

    /// Where the temporary files of plugins go.
    #[must_use]
    pub fn temporary(&self) -> PathBuf {
        self.directory.join("tmp")
    }

    /// The package of a plugin.
    #[must_use]
    pub fn package(&self, kind: &Kind) -> PathBuf {
        self.directory.join("plugins").join(&kind.name)
    }

    /// The words that start it, in its package.
    #[must_use]
    pub fn command(&self, kind: &Kind, version: &str, broken: Option<&str>) -> Vec<String> {
        let words: &[&str] = match kind.make {
            Make::Rust => &["./chaos-plugin"],
            Make::Sdk => &["./python", "-B", "sdk.py"],
            Make::Plain | Make::Wild => &["python3", "-SEB", "plain.py"],
        };
        let more = std::iter::once(version).chain(broken);
        words.iter().copied().chain(more).map(str::to_owned).collect()
    }

    /// Lays out the package of a plugin.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub fn lay_out(&self, kind: &Kind, version: &str) -> io::Result<()> {
        let package = self.package(kind);
        fs::create_dir_all(&package)?;
        match kind.make {
            Make::Rust => fs::hard_link(&self.program, package.join("chaos-plugin"))?,
            Make::Sdk => {
                fs::write(package.join("sdk.py"), include_str!("../../plugins/sdk.py"))?;
                let python = package.join("python");
                fs::write(&python, format!("#!/bin/sh\nexec '{}' \"$@\"\n", self.python.display()))?;
                fs::set_permissions(&python, fs::Permissions::from_mode(0o755))?;
            }
            Make::Plain | Make::Wild => {
                fs::write(package.join("plain.py"), include_str!("../../plugins/plain.py"))?;
            }
        }
        self.put(kind, version, None)
    }

    /// Puts a version in the place of what is there, in one step.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub fn put(&self, kind: &Kind, version: &str, broken: Option<&str>) -> io::Result<()> {
        let package = self.package(kind);
        let mut text = format!("name = {:?}\nversion = {version:?}\n", kind.name);
        if matches!(kind.make, Make::Plain | Make::Wild) {
            let mut document = ChaosContract::document();
            document.info.title.clone_from(&kind.name);
            version.clone_into(&mut document.info.version);
            let mut document = serde_json::to_value(&document)?;
            let instances = if kind.shape == Shape::One { "one" } else { "many" };
            document["x-plugline"]["instances"] = json!(instances);
            replace(&package.join("manifest.json"), document.to_string().as_bytes())?;
            text += "manifest = \"manifest.json\"\n";
        }
        let command = json!(self.command(kind, version, broken));
        // JSON's texts are TOML's.
        writeln!(text, "command = {command}").map_err(io::Error::other)?;
        replace(&package.join("plugline.toml"), text.as_bytes())
    }

    /// Has half a package stand there.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub fn tear(&self, kind: &Kind) -> io::Result<()> {
        fs::write(self.package(kind).join("plugline.toml"), format!("name = {:?}\nversion = \"1.", kind.name))
    }

    /// Where the settings of the host are.
    #[must_use]
    pub fn settings(&self) -> PathBuf {
        self.directory.join("plugins.toml")
    }

    /// Writes the settings of the host.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub fn write_settings(&self, kinds: &[Kind]) -> io::Result<()> {
        let mut text = String::from(SETTINGS);
        for kind in kinds.iter().filter(|kind| kind.place != Place::Direct) {
            let driver = match kind.place {
                Place::Store => kind.name.clone(),
                Place::Package | Place::Direct => format!("./plugins/{}", kind.name),
            };
            let idle = if kind.name.ends_with('3') { "idle = \"2s\"\n" } else { "" };
            let pool = match kind.shape {
                Shape::Pool(count) => format!("pool = {count}\n"),
                Shape::Single | Shape::One => String::new(),
            };
            write!(text, "\n[plugins.{}]\ndriver = {driver:?}\n{pool}{idle}", kind.name)
                .map_err(io::Error::other)?;
        }
        replace(&self.settings(), text.as_bytes())
    }

    /// The store of the run.
    ///
    /// # Errors
    /// Where there is none.
    pub fn store(&self) -> Result<Store, StoreError> {
        Store::at(self.directory.join("store"))
    }

    /// Installs what stands in a plugin's directory.
    ///
    /// # Errors
    /// Where that is refused.
    pub fn install(&self, kind: &Kind) -> Result<(), StoreError> {
        let source = Source::Path(self.package(kind));
        self.store()?.install(&source, &InstallOptions::default(), &mut |_| {}).map(drop)
    }
}

/// Short times, so that much happens; otherwise what a host would write.
const SETTINGS: &str = r#"# The settings of a run.
[defaults]
watch = true
health = "1s"
limits = { max_line_bytes = 1048576 }
timeouts = { start = "8s", call = "15s", grace = "1s", exit = "1s", term = "1s", unanswered = "2s", drain = "4s" }
restart = { backoff = "50ms", backoff_most = "1s", crashes = 6, within = "10s", rest = "2s" }
"#;

/// Writes a file in one step.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("draft");
    fs::write(&draft, bytes)?;
    fs::rename(draft, path)
}
