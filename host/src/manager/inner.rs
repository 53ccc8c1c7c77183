//! What all handles of a manager share: which plugins there are, and how one comes up.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;

use plugline_protocol::lifecycle::Identity;

use super::build::Builds;
use super::builtin::BuiltIns;
use super::discovery::{Catalogue, Places};
use super::driver::Remote;
use super::entry::{Entry, Meaning, NotYet, Patience, Relied, Serving, Turn};
use super::error::ManagerError;
use super::event::{Events, ManagerEventKind};
use super::fallback::first_that_works;
use super::fetch;
use super::prepare::{self, Building, Prepared, Workshop};
use super::resolve::{Candidate, Resolution, Resolver, Wish};
use super::settings::{Common, Conflict, Environment, Loaded, PluginSettings};
use super::steward::Steward;
use super::version::{Choice, Rejection, choose};
use crate::launch::Launch;
use crate::secrets::Redactor;
use crate::store::InstallOptions;
use crate::supervisor::Starts;
use crate::validation::Validation;

/// Changes how a plugin is started.
pub(crate) type Prepare = Box<dyn Fn(&str, Launch) -> Launch + Send + Sync>;

/// What all handles of a manager share.
pub(crate) struct Inner {
    pub(crate) loaded: Loaded,
    environment: Environment,
    places: Places,
    catalogue: RwLock<Arc<Catalogue>>,
    /// Held by whoever looks which plugins there are: what began to look earlier is not to be the last word.
    scanning: Mutex<()>,
    pub(crate) builtins: BuiltIns,
    builds: Option<Builds>,
    starts: Starts,
    host: Option<Identity>,
    prepare: Option<Prepare>,
    install: InstallOptions,
    pub(crate) events: Events,
    redactor: Redactor,
    entries: Mutex<Entries>,
    pub(crate) steward: Steward,
}

#[derive(Default)]
struct Entries {
    by_name: BTreeMap<String, Arc<Entry>>,
    stopped: bool,
}

impl Inner {
    #[expect(clippy::too_many_arguments, reason = "what a builder has, once")]
    pub(crate) fn open(
        loaded: Loaded,
        environment: Environment,
        places: Places,
        builtins: BuiltIns,
        builds: Option<Builds>,
        starts: Starts,
        host: Option<Identity>,
        prepare: Option<Prepare>,
        install: InstallOptions,
    ) -> Arc<Self> {
        let redactor = Redactor::default();
        let inner = Arc::new_cyclic(|inner| Self {
            loaded,
            environment,
            catalogue: RwLock::new(Arc::default()),
            scanning: Mutex::default(),
            places,
            builtins,
            builds,
            starts,
            host,
            prepare,
            install,
            events: Events::new(redactor.clone()),
            redactor,
            entries: Mutex::default(),
            steward: Steward::of(inner.clone()),
        });
        inner.rescan();
        inner
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that the host used, in the order of their names.
    pub(crate) fn used(&self) -> Vec<Arc<Entry>> {
        self.entries().by_name.values().cloned().collect()
    }

    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.catalogue.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks again which plugins there are. What is broken or in the way of another is told when it is new.
    pub(crate) fn rescan(&self) -> Arc<Catalogue> {
        let _one_at_a_time = self.scanning.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Arc::new(Catalogue::of(&self.places));
        let before = {
            let place = &mut *self.catalogue.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(place, Arc::clone(&fresh))
        };
        for broken in fresh.broken.iter().filter(|broken| !before.broken.contains(broken)) {
            self.events.send("", ManagerEventKind::Broken(broken.clone()));
        }
        if before.found != fresh.found {
            self.tell_of_conflicts(&fresh);
        }
        fresh
    }

    fn tell_of_conflicts(&self, catalogue: &Catalogue) {
        for same_name in catalogue.found.chunk_by(|one, other| one.name == other.name) {
            let Choice { acceptable, rejected } = choose(same_name.to_vec(), None);
            for (found, why) in rejected {
                let by = acceptable.iter().find(|other| other.version == found.version);
                if let (Rejection::Shadowed, Some(by), Conflict::First) =
                    (why, by, self.loaded.settings.conflict)
                {
                    let shadowed =
                        ManagerEventKind::Shadowed { found: found.to_string(), by: by.to_string() };
                    self.events.send(&found.name, shadowed);
                }
            }
        }
    }

    /// The settings of what the host calls so.
    fn settings_of(&self, name: &str) -> (PluginSettings, Common) {
        let settings = self.loaded.settings.plugins.get(name).cloned().unwrap_or_default();
        let common = settings.common().over(&self.loaded.settings.defaults);
        (settings, common)
    }

    /// How long a call takes where nothing is said.
    pub(crate) fn usual_timeout(&self, name: &str) -> Option<std::time::Duration> {
        self.settings_of(name).1.timeouts().call
    }

    /// Whether changes of its files are looked for.
    pub(crate) fn is_watched(&self, name: &str) -> bool {
        self.settings_of(name).1.watch.unwrap_or_default()
    }

    /// The config of a built-in, with the secrets in it.
    pub(crate) fn config_of(&self, name: &str) -> Result<serde_json::Value, String> {
        let (settings, _) = self.settings_of(name);
        Ok(settings.reveal(&self.loaded.dir, &self.environment, &self.redactor)?.config)
    }

    /// What a driver means, or a type; `failed` says which versions are not tried.
    pub(crate) fn resolve(
        &self,
        meaning: &Meaning,
        wishes: &[Wish],
        failed: &dyn Fn(&super::found::Found) -> Option<String>,
    ) -> Result<Resolution, ManagerError> {
        let catalogue = self.catalogue();
        let fetch = |remote: &Remote| match &self.places.store {
            Some(store) => fetch::fetch(remote, store, &self.install),
            None => Err(fetch::no_store(remote)),
        };
        let resolver = Resolver {
            settings: &self.loaded.settings,
            dir: &self.loaded.dir,
            builtins: &self.builtins,
            places: &self.places,
            catalogue: &catalogue,
            failed,
            fetch: &fetch,
        };
        match meaning {
            Meaning::Driver(driver) => resolver.resolve(driver, wishes),
            Meaning::OfType(of_type) => resolver.of_type(of_type, wishes),
        }
    }

    /// What the host calls so, from here on.
    pub(crate) fn entry(&self, name: String, meaning: Meaning) -> Result<Arc<Entry>, ManagerError> {
        let mut entries = self.entries();
        if entries.stopped {
            return Err(ManagerError::Stopped);
        }
        let fresh = || Arc::new(Entry::new(name.clone(), meaning));
        Ok(Arc::clone(entries.by_name.entry(name.clone()).or_insert_with(fresh)))
    }

    /// Nothing is used any more; gives what was.
    pub(crate) fn close(&self) -> Vec<Arc<Entry>> {
        let mut entries = self.entries();
        entries.stopped = true;
        entries.by_name.values().cloned().collect()
    }

    /// Makes a candidate ready to be started, as what the host calls so.
    pub(crate) fn ready(&self, name: &str, candidate: &Candidate) -> Result<Prepared, ManagerError> {
        let (settings, common) = self.settings_of(name);
        let building = |building| {
            let kind = match building {
                Building::Begins => ManagerEventKind::Building,
                Building::Done => ManagerEventKind::Built,
            };
            self.events.send(name, kind);
        };
        let workshop = Workshop {
            builds: self.builds.as_ref(),
            store: self.places.store.as_ref(),
            building: &building,
            is_unwanted: &|| self.entries().stopped,
        };
        let Prepared { launch, manifest } = workshop.prepare(candidate)?;
        let revealed = settings.reveal(&self.loaded.dir, &self.environment, &self.redactor);
        let revealed = revealed.map_err(|why| ManagerError::Secret { plugin: name.to_owned(), why })?;
        let mut launch = launch
            .instance(name)
            .config(revealed.config)
            .limits(common.limits())
            .events_per_second(common.events_per_second())
            .timeouts(common.timeouts())
            .redacted_by(&self.redactor);
        for (variable, value) in revealed.env {
            launch = launch.env(variable, value);
        }
        if let Some(sandbox) = common.sandbox.as_ref().and_then(|choice| choice.sandbox(&self.loaded.dir)) {
            launch = launch.sandbox(sandbox);
        }
        if let Some(Identity { name, version }) = &self.host {
            launch = launch.host(name.clone(), version.clone());
        }
        launch = match &manifest {
            // Against what was installed, before anything is started.
            Some(known) => launch
                .manifest(Arc::clone(&known.document))
                .validate(Validation::By(Arc::clone(&known.validators))),
            None => launch.validate(Validation::Offered),
        };
        if let Some(prepare) = &self.prepare {
            launch = prepare(name, launch);
        }
        Ok(Prepared { launch, manifest })
    }

    /// What serves; it is chosen and started if need be, once however many ask.
    pub(crate) fn serving(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        patience: &Patience<'_>,
    ) -> Result<Arc<Serving>, ManagerError> {
        match entry.turn()? {
            Turn::Use(serving) => return Ok(serving),
            Turn::Wait => {}
            Turn::Choose => {
                // Not on the caller's thread: whoever asked may give up, and the others go on waiting.
                let (this, chosen) = (Arc::clone(self), Arc::clone(entry));
                let chooser = thread::Builder::new().name("plugline-choose".into());
                if let Err(source) = chooser.spawn(move || this.choose(&chosen)) {
                    let doing = "start a thread that starts the plugin".to_owned();
                    return Err(ManagerError::Again(entry.failed(ManagerError::Io { doing, source })));
                }
            }
        }
        entry.wait(patience)
    }

    /// Chooses what serves: the newest that works.
    fn choose(self: &Arc<Self>, entry: &Arc<Entry>) {
        let _changing = entry.change();
        let chosen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.newest_that_works(entry)));
        let chosen = chosen.unwrap_or_else(|_| {
            // The panic hook has reported it; whoever waits is told.
            let source = std::io::Error::other("it panicked");
            Err(ManagerError::Io { doing: format!("choose what serves {}", entry.name), source })
        });
        match chosen {
            Ok(_) => {}
            Err(why) => drop(entry.failed(why)),
        }
    }

    /// What was started serves from now on, if it is fit for all who rely on it by then.
    fn publish(&self, entry: &Arc<Entry>, serving: &Arc<Serving>) -> Result<(), ManagerError> {
        // Before anybody knows that it serves: whatever they change then is seen.
        self.steward.look_after(entry, serving);
        loop {
            match entry.serve(serving) {
                Ok(before) => {
                    // Calls in flight at what served before end first; nobody waits for that.
                    if let Some(before) = before {
                        stop_later(before);
                    }
                    return Ok(());
                }
                Err(NotYet::Stopped) => return Err(ManagerError::Stopped),
                Err(NotYet::Unproven(relies)) => {
                    relies.iter().try_for_each(|rely| serving.prove(rely))?;
                }
            }
        }
    }

    /// Has the newest serve that works.
    pub(crate) fn newest_that_works(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
    ) -> Result<Arc<Serving>, ManagerError> {
        let resolution = self.resolve(&entry.meaning, &entry.wishes(), &|found| entry.why_not(found))?;
        first_that_works(&entry.name, &resolution.candidates, &self.events, |candidate| {
            if entry.is_stopped() { Err(ManagerError::Stopped) } else { self.bring_up(entry, candidate) }
        })
    }

    /// Starts a candidate, looks whether it has what is wanted of it, and lets it serve.
    fn bring_up(&self, entry: &Arc<Entry>, candidate: &Candidate) -> Result<Arc<Serving>, ManagerError> {
        // Before it is read: what changes from here on is seen as a change.
        let fingerprint = prepare::fingerprint(candidate);
        let Prepared { launch, .. } = self.ready(&entry.name, candidate)?;
        let (_, common) = self.settings_of(&entry.name);
        let supervised = launch.supervise(common.supervision(self.starts.clone()));
        // What it says as it starts is told, too.
        self.steward.listen(&entry.name, &supervised);
        entry.comes(&supervised)?;
        let relied_on = Relied::default();
        let serving = Arc::new(Serving { supervised, candidate: candidate.clone(), fingerprint, relied_on });
        let prove = || {
            // Where the manifest is known, nothing is started for that.
            entry.relied_on().iter().try_for_each(|rely| serving.prove(rely))?;
            serving.supervised.start()?;
            self.publish(entry, &serving)
        };
        match prove() {
            Ok(()) => Ok(serving),
            Err(fault) => {
                entry.does_not_come();
                // It is gone before an older one is tried: only one of them may be there.
                serving.supervised.stop();
                Err(fault)
            }
        }
    }
}

/// Stops what served, once its calls have ended.
pub(crate) fn stop_later(serving: Arc<Serving>) {
    let stopper = thread::Builder::new().name("plugline-stop".into());
    // Where there is no thread, dropping the last handle stops it in the background.
    drop(stopper.spawn(move || serving.supervised.stop()));
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("places", &self.places).finish_non_exhaustive()
    }
}

/// For those who look: where plugins are looked for.
impl Inner {
    pub(crate) fn search(&self) -> &[PathBuf] {
        &self.places.search
    }
}
