//! What a host says of its plugins before it uses any.

use std::ffi::OsString;
use std::fmt::Display;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugline_protocol::lifecycle::Identity;
use plugline_protocol::typed::Contract;
use serde::de::DeserializeOwned;

use super::build::Builds;
use super::builtin::BuiltIns;
use super::discovery::{Places, cache_file};
use super::error::ManagerError;
use super::facade::Manager;
use super::inner::{Inner, Prepare};
use super::prepare::absolute;
use super::settings::{Environment, Loaded, Prefer, Settings};
use crate::launch::Launch;
use crate::store::{InstallOptions, Store, StoreError};
use crate::supervisor::Starts;

/// Directories in which plugins are looked for before all others, separated as in `PATH`.
pub(crate) const PATH_VARIABLE: &str = "PLUGLINE_PATH";

/// A manager that is about to be opened. Made by [`Manager::builder`].
pub struct ManagerBuilder {
    settings: Said,
    prefer: Option<Prefer>,
    search: Vec<PathBuf>,
    store: StoreSaid,
    cache: Option<PathBuf>,
    environment: Environment,
    builtins: BuiltIns,
    host: Option<Identity>,
    prepare: Option<Prepare>,
    install: InstallOptions,
}

enum Said {
    Nothing,
    File(PathBuf),
    Given(Box<Settings>, PathBuf),
}

enum StoreSaid {
    OfThisUser,
    None,
    At(Store),
}

impl ManagerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            settings: Said::Nothing,
            prefer: None,
            search: Vec::new(),
            store: StoreSaid::OfThisUser,
            cache: None,
            environment: Environment::default(),
            builtins: BuiltIns::default(),
            host: None,
            prepare: None,
            install: InstallOptions::default(),
        }
    }

    /// Reads that `plugins.toml`.
    #[must_use]
    pub fn settings_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.settings = Said::File(file.into());
        self
    }

    /// Takes these settings; paths in them go from that directory.
    #[must_use]
    pub fn settings(mut self, settings: Settings, dir: impl Into<PathBuf>) -> Self {
        self.settings = Said::Given(Box::new(settings), dir.into());
        self
    }

    /// Which of the two a plain word means, whatever the settings say.
    #[must_use]
    pub fn prefer(mut self, prefer: Prefer) -> Self {
        self.prefer = Some(prefer);
        self
    }

    /// Looks for plugins in that directory, too: after those of `PLUGLINE_PATH` and of the settings.
    #[must_use]
    pub fn search(mut self, directory: impl Into<PathBuf>) -> Self {
        self.search.push(directory.into());
        self
    }

    /// Takes plugins from that store in place of this user's.
    #[must_use]
    pub fn store(mut self, store: Store) -> Self {
        self.store = StoreSaid::At(store);
        self
    }

    /// Takes plugins from no store, and so fetches none.
    #[must_use]
    pub fn without_store(mut self) -> Self {
        self.store = StoreSaid::None;
        self
    }

    /// Keeps what is remembered of manifests, and what is built, in that directory in place of this user's
    /// (`$XDG_CACHE_HOME/plugline`, `~/.cache/plugline`).
    #[must_use]
    pub fn cache(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cache = Some(directory.into());
        self
    }

    /// Takes these variables for the environment of this process: those that say what settings are, and those that hold
    /// secrets.
    #[must_use]
    pub fn environment<N: Into<OsString>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.environment = Environment::Given(variables.collect());
        self
    }

    /// Has a plain word mean an implementation of this host's own. It is made on first use, from the same config that a
    /// plugin would be given; a call of it is a direct call.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use plugline_host::manager::Manager;
    /// # use plugline_sdk::{CallFailed, contract};
    /// #[contract(name = "greet", version = "1.0.0")]
    /// trait Greet: Send + Sync { fn hello(&self, name: &str) -> Result<String, CallFailed>; }
    /// struct Here;
    /// impl Greet for Here {
    ///     fn hello(&self, name: &str) -> Result<String, CallFailed> { Ok(format!("Hello, {name}!")) }
    /// }
    /// let manager = Manager::builder()
    ///     .builtin("here", GreetContract, |_: serde_json::Value| Ok::<_, String>(Arc::new(Here) as Arc<dyn Greet>))
    /// #   .environment([("", ""); 0]).without_store()
    ///     .open()?;
    /// let greet: GreetClient = manager.client("here")?;
    /// assert_eq!(greet.hello("you")?, "Hello, you!");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn builtin<C, P, E>(
        mut self,
        name: impl Into<String>,
        _: C,
        make: impl Fn(P) -> Result<Arc<C::Interface>, E> + Send + Sync + 'static,
    ) -> Self
    where
        C: Contract,
        P: DeserializeOwned,
        E: Display,
    {
        self.builtins.add::<C, P, E>(name.into(), make);
        self
    }

    /// Who the host says it is.
    #[must_use]
    pub fn host(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.host = Some(Identity { name: name.into(), version: version.into() });
        self
    }

    /// Changes how plugins are started: what the host serves to them, a guard, and whatever else no setting says. The
    /// function is given what the host calls the plugin.
    #[must_use]
    pub fn prepare(mut self, prepare: impl Fn(&str, Launch) -> Launch + Send + Sync + 'static) -> Self {
        self.prepare = Some(Box::new(prepare));
        self
    }

    /// What is wanted of packages that drivers have fetched: keys that must have signed them, and what they may cost.
    #[must_use]
    pub fn install_options(mut self, options: InstallOptions) -> Self {
        self.install = options;
        self
    }

    /// Opens the manager: reads the settings, and looks which plugins there are. Starts none.
    ///
    /// # Errors
    /// [`ManagerError::Settings`], and where the store that was named cannot be had. A plugin that is broken is none: see
    /// [`Manager::broken`].
    pub fn open(self) -> Result<Manager, ManagerError> {
        let environment = self.environment;
        let mut loaded = match self.settings {
            Said::File(file) => Loaded::read(&file, &environment)?,
            Said::Given(settings, dir) => Loaded::given(&settings, dir, &environment)?,
            Said::Nothing => Loaded::given(&Settings::default(), PathBuf::new(), &environment)?,
        };
        loaded.settings.prefer = self.prefer.unwrap_or(loaded.settings.prefer);
        let store = match self.store {
            StoreSaid::None => None,
            StoreSaid::At(store) => Some(store),
            StoreSaid::OfThisUser => match of_this_user(&environment) {
                Ok(store) => Some(store),
                Err(StoreError::Nowhere) => None,
                Err(fault) => return Err(fault.into()),
            },
        };
        let listed = environment.get(PATH_VARIABLE).unwrap_or_default();
        let listed = std::env::split_paths(&listed).filter(|path| !path.as_os_str().is_empty());
        let said = loaded.settings.search.iter().map(|path| loaded.dir.join(path));
        // What watches them says what changed by absolute paths.
        let search: Vec<PathBuf> = listed.chain(said).chain(self.search).map(absolute).collect();
        let cache = self.cache.or_else(|| user_cache(&environment));
        let places =
            Places { cache: cache.as_deref().map(|cache| cache_file(cache, &search)), search, store };
        let most = loaded.settings.concurrent_starts.and_then(NonZeroUsize::new);
        Ok(Manager::of(Inner::open(
            loaded,
            environment,
            places,
            self.builtins,
            cache.map(|cache| Builds::at(cache.join("builds"))),
            most.map_or_else(Starts::of_the_process, Starts::at_most),
            self.host,
            self.prepare,
            self.install,
        )))
    }
}

fn of_this_user(environment: &Environment) -> Result<Store, StoreError> {
    match environment {
        Environment::OfThisProcess => Store::of_this_user(),
        Environment::Given(_) => match environment.get(crate::store::VARIABLE) {
            Some(root) => Store::at(Path::new(&root)),
            None => Err(StoreError::Nowhere),
        },
    }
}

/// The user's directory for caches of Plugline, if there is one.
fn user_cache(environment: &Environment) -> Option<PathBuf> {
    let absolute = |name: &str| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("plugline"))
}
