//! The manager as a host has it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use plugline_protocol::typed::{CallFailed, Caller, Client, Context, Contract, MakeCall, MethodInfo};
use semver::VersionReq;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::discovery::Broken;
use super::entry::{Entry, Meaning, Patience, Rely};
use super::error::ManagerError;
use super::event::ManagerEvent;
use super::fallback::first_that_works;
use super::found::{Found, Query};
use super::inner::Inner;
use super::open::ManagerBuilder;
use super::resolve::{Candidate, Resolution, Wish};
use super::{ManagerEventKind, Work};
use crate::call::CallOptions;
use crate::ladder::Stopped;
use crate::launch::Launch;
use crate::plugin::Plugin;
use crate::supervisor::{self, Supervised};
use crate::timeouts::A_YEAR;

/// The plugins of a host: which there are, which of them a driver means, and one handle for each that is used. Clones are
/// the same manager.
///
/// ```no_run
/// # use plugline_host::manager::Manager;
/// # use plugline_sdk::{CallFailed, contract};
/// # #[contract(name = "greet", version = "1.0.0")]
/// # trait Greet: Send + Sync { fn hello(&self, name: &str) -> Result<String, CallFailed>; }
/// let manager = Manager::builder().settings_file("plugins.toml").open()?;
/// let greet: GreetClient = manager.client("greeter")?;
/// assert_eq!(greet.hello("you")?, "Hello, you!");
/// manager.stop_all(std::time::Duration::from_secs(10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Nothing is started before it is called. A plugin that is used is kept alive, and stopped when the last handle of it and
/// of the manager is dropped, or by [`stop_all`](Self::stop_all).
#[derive(Debug, Clone)]
pub struct Manager {
    inner: Arc<Inner>,
}

impl Manager {
    /// A manager that is about to be opened.
    #[must_use]
    pub fn builder() -> ManagerBuilder {
        ManagerBuilder::new()
    }

    pub(crate) fn of(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// What a driver means, as an implementation of a contract's trait: a built-in of this host, or a plugin. The driver is
    /// a name of the settings, a word, a path or a URL.
    ///
    /// A plugin is not started for it. The first call does that, and may fail of it; it also finds out whether the plugin
    /// has all the contract's methods.
    ///
    /// # Errors
    /// [`ManagerError`] where there is no such thing, or what there is does not provide the contract.
    pub fn client<C: Client + Send + Sync + 'static>(&self, driver: &str) -> Result<C, ManagerError> {
        self.client_of(Meaning::Driver(driver.to_owned()))
    }

    /// What provides a contract for a kind of thing: a built-in of that name, or the plugins that declare the type.
    ///
    /// # Errors
    /// [`ManagerError`] where there is none.
    pub fn client_for_type<C: Client + Send + Sync + 'static>(
        &self,
        of_type: &str,
    ) -> Result<C, ManagerError> {
        self.client_of(Meaning::OfType(of_type.to_owned()))
    }

    fn client_of<C: Client + Send + Sync + 'static>(&self, meaning: Meaning) -> Result<C, ManagerError> {
        let wish = Wish {
            contract: C::Contract::NAME,
            version: VersionReq::parse(&format!("^{}", C::Contract::VERSION)).unwrap_or(VersionReq::STAR),
        };
        let resolution = self.inner.resolve(&meaning, std::slice::from_ref(&wish), &|_| None)?;
        if let Some(Candidate::BuiltIn(name)) = resolution.candidates.first() {
            let known_as = &resolution.name;
            let config = || self.inner.config_of(known_as);
            let made = self.inner.builtins.get::<C::Contract>(name, known_as, config);
            return made.map(C::of).map_err(|why| ManagerError::BuiltIn { name: name.clone(), why });
        }
        let plugin = self.managed(resolution, meaning)?;
        let rely: Rely = Arc::new(|plugin: &Supervised| Ok(Box::new(plugin.client::<C>()?)));
        // First: whatever is chosen meanwhile is chosen with it. What was wished before is seen to already.
        if plugin.entry.wish(&wish, &rely)
            && let Some(serving) = plugin.entry.serving()
        {
            // It serves others already, so what it has is known.
            serving.prove(&rely).inspect_err(|_| plugin.entry.unwish(&wish))?;
        }
        Ok(C::over(Arc::new(plugin)))
    }

    /// The plugin that a driver means, to be called by the names of its methods. It is not started for it.
    ///
    /// # Errors
    /// [`ManagerError`] where there is no such plugin.
    pub fn plugin(&self, driver: &str) -> Result<ManagedPlugin, ManagerError> {
        let meaning = Meaning::Driver(driver.to_owned());
        let resolution = self.inner.resolve(&meaning, &[], &|_| None)?;
        if let [Candidate::BuiltIn(name)] = &resolution.candidates[..] {
            let why = "it has no process: it is called through the client of its contract".to_owned();
            return Err(ManagerError::BuiltIn { name: name.clone(), why });
        }
        self.managed(resolution, meaning)
    }

    fn managed(&self, resolution: Resolution, meaning: Meaning) -> Result<ManagedPlugin, ManagerError> {
        let entry = self.inner.entry(resolution.name, meaning)?;
        Ok(ManagedPlugin { inner: Arc::clone(&self.inner), entry })
    }

    /// What a driver means, and why. Starts nothing, but fetches what has to be fetched to know that.
    ///
    /// # Errors
    /// [`ManagerError::NotFound`] with all that was tried; others where a package cannot be read or fetched.
    pub fn which(&self, driver: &str) -> Result<Resolution, ManagerError> {
        self.inner.resolve(&Meaning::Driver(driver.to_owned()), &[], &|_| None)
    }

    /// Starts one instance of what a driver means, which nobody supervises: for programs that make one call. The function
    /// changes how it is started. Where a version does not work, an older one is tried.
    ///
    /// # Errors
    /// [`ManagerError`] where there is none, or none works.
    pub fn start(&self, driver: &str, change: impl Fn(Launch) -> Launch) -> Result<Plugin, ManagerError> {
        let resolution = self.which(driver)?;
        first_that_works(&resolution.name, &resolution.candidates, &self.inner.events, |candidate| {
            let prepared = self.inner.ready(&resolution.name, candidate)?;
            Ok(change(prepared.launch).start()?)
        })
    }

    /// The first of what a driver means, ready to be started by whoever wants to do that otherwise.
    ///
    /// # Errors
    /// [`ManagerError`] where there is none.
    pub fn launch(&self, driver: &str) -> Result<Launch, ManagerError> {
        let resolution = self.which(driver)?;
        Ok(self.inner.ready(&resolution.name, &resolution.candidates[0])?.launch)
    }

    /// The plugins that are there, as far as they are looked for; by name, newest first. Starts nothing.
    #[must_use]
    pub fn find(&self, query: &Query) -> Vec<Found> {
        self.inner.catalogue().find(query).into_iter().cloned().collect()
    }

    /// What was found, and cannot be used.
    #[must_use]
    pub fn broken(&self) -> Vec<Broken> {
        self.inner.catalogue().broken.clone()
    }

    /// Where plugins are looked for, in that order; the store comes after.
    #[must_use]
    pub fn search(&self) -> Vec<std::path::PathBuf> {
        self.inner.search().to_vec()
    }

    /// Looks again which plugins there are, and says how much had to be read for that. Those that are used go on as they
    /// are.
    pub fn rescan(&self) -> Work {
        self.inner.rescan().work
    }

    /// What happens to the plugins that are used, and what the manager does by itself. All receivers share one queue.
    #[must_use]
    pub fn events(&self) -> Receiver<ManagerEvent> {
        self.inner.events.receiver()
    }

    /// Stops all plugins, and returns when their processes are reaped: how each instance of each ended. What takes longer
    /// than that, all together, is killed, and so is what is being built. It is for good: calls fail from then on.
    pub fn stop_all(&self, within: Duration) -> Vec<(String, Vec<Stopped>)> {
        let deadline = Instant::now() + within.min(A_YEAR);
        let entries = self.inner.close();
        let plugins: Vec<(String, Supervised)> = entries
            .iter()
            .flat_map(|entry| entry.stop().into_iter().map(move |plugin| (entry.name.clone(), plugin)))
            .collect();
        self.inner.builtins.forget();
        let stopped = supervisor::stop_all(plugins.iter().map(|(_, plugin)| plugin), within);
        // What was being built or started sees that it is not wanted.
        entries.iter().for_each(|entry| entry.settled(deadline));
        plugins.into_iter().map(|(name, _)| name).zip(stopped).collect()
    }
}

/// A plugin that a manager looks after. Clones are handles of the same one.
///
/// The first use chooses a version, builds it if need be, and starts it. It survives the end of its process, and is
/// replaced by another version where its files change and that is wanted.
#[derive(Clone)]
pub struct ManagedPlugin {
    inner: Arc<Inner>,
    entry: Arc<Entry>,
}

impl ManagedPlugin {
    /// What the host calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// What serves, if it was used already.
    #[must_use]
    pub fn serves(&self) -> Option<Candidate> {
        self.entry.serving().map(|serving| serving.candidate.clone())
    }

    /// Its handle, with all the ways to call it. It is started for that, if need be; the handle itself does not follow
    /// where another version takes over after a crash loop, so ask for it anew.
    ///
    /// # Errors
    /// [`ManagerError`] where no version works.
    pub fn supervised(&self) -> Result<Supervised, ManagerError> {
        let patience = Patience { asked: Instant::now(), deadline: None, cancelled: None };
        self.inner.serving(&self.entry, &patience).map(|serving| serving.supervised.clone())
    }

    /// Calls a method and waits for its result. Where the plugin has to be built or started for that, that counts against
    /// the time which a call may take.
    ///
    /// # Errors
    /// [`ManagerError`] where there is none, or one of another type.
    pub fn call<R: DeserializeOwned>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
    ) -> Result<R, ManagerError> {
        if let Some(serving) = &*self.entry.in_use() {
            return Ok(serving.supervised.call(method, params)?);
        }
        let asked = Instant::now();
        let deadline = self.usual_deadline(asked);
        let serving = self.inner.serving(&self.entry, &Patience { asked, deadline, cancelled: None })?;
        Ok(serving.supervised.call_with(method, params, CallOptions::until(deadline))?)
    }

    /// Until when a call that is made then is waited for, where nothing else is said.
    fn usual_deadline(&self, asked: Instant) -> Option<Instant> {
        asked.checked_add(self.inner.usual_timeout(&self.entry.name)?)
    }

    /// Looks whether its files have changed, and has what is there now take over; says whether it did. With `watch` in its
    /// settings that is done whenever they change.
    ///
    /// # Errors
    /// [`ManagerError`] where what is there now does not work. What ran before goes on.
    pub fn reload(&self) -> Result<Reload, ManagerError> {
        self.inner.rescan();
        self.inner.reload(&self.entry)
    }
}

/// What came of looking for changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// There is nothing new, or the plugin is not used yet.
    Nothing,
    /// What is there now has taken over.
    Done {
        /// What serves now.
        to: Candidate,
    },
}

impl fmt::Debug for ManagedPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedPlugin")
            .field("name", &self.entry.name)
            .field("serves", &self.serves())
            .finish()
    }
}

impl Caller for ManagedPlugin {
    fn call(
        &self,
        method: &'static MethodInfo,
        context: Option<&Context>,
        make: &mut MakeCall<'_>,
    ) -> Result<(), CallFailed> {
        // The way of nearly all calls.
        if let Some(serving) = &*self.entry.in_use() {
            return Caller::call(&serving.supervised, method, context, make);
        }
        let asked = Instant::now();
        let deadline = context.and_then(Context::deadline).or_else(|| self.usual_deadline(asked));
        let is_cancelled = || context.is_some_and(Context::is_cancelled);
        let cancelled = context.is_some().then_some(&is_cancelled as &dyn Fn() -> bool);
        let serving = self.inner.serving(&self.entry, &Patience { asked, deadline, cancelled })?;
        serving.supervised.call_since(asked, method, context, make)
    }

    fn lost(&self, method: &'static MethodInfo, failed: CallFailed) {
        let what = format!("{} was not sent: {failed}", method.name);
        self.inner.events.send(&self.entry.name, ManagerEventKind::Plugin(crate::EventKind::Ignored(what)));
    }
}
