//! One plugin of a run, as callers and the agent have it.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use plugline_host::manager::{ManagedPlugin, Manager, ManagerError};
use plugline_host::{Launch, PlaceState, Supervised};

use super::layout::{Kind, Make, Shape};
use crate::clock::Moment;
use crate::contract::ChaosClient;

/// One plugin of a run.
pub struct Member {
    /// What it is.
    pub kind: Kind,
    handle: Handle,
    typed: OnceLock<ChaosClient>,
    versions: Mutex<Versions>,
}

enum Handle {
    Managed(ManagedPlugin),
    /// How it is started is known to nobody else.
    Direct(Supervised, Box<Launch>),
}

/// Which versions there were of a plugin.
#[derive(Debug, Clone, Default)]
pub struct Versions {
    /// How many, broken ones included.
    count: u64,
    /// Those that work.
    good: BTreeSet<String>,
    /// The last that works, and since when it stands there.
    pub last: Option<(String, Moment)>,
    /// What stands there works.
    pub is_whole: bool,
}

impl Member {
    pub(super) fn managed(kind: Kind, plugin: ManagedPlugin) -> Self {
        Self { kind, handle: Handle::Managed(plugin), typed: OnceLock::new(), versions: Mutex::default() }
    }

    pub(super) fn direct(kind: Kind, plugin: Supervised, launch: Launch) -> Self {
        Self {
            kind,
            handle: Handle::Direct(plugin, Box::new(launch)),
            typed: OnceLock::new(),
            versions: Mutex::default(),
        }
    }

    fn versions(&self) -> MutexGuard<'_, Versions> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the host calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.kind.name
    }

    /// Its handle; it is started for that, if need be.
    ///
    /// # Errors
    /// Where no version works.
    pub fn supervised(&self) -> Result<Supervised, ManagerError> {
        match &self.handle {
            Handle::Managed(plugin) => plugin.supervised(),
            Handle::Direct(plugin, _) => Ok(plugin.clone()),
        }
    }

    /// The same, where it was used already; nothing is started.
    #[must_use]
    pub fn if_serving(&self) -> Option<Supervised> {
        match &self.handle {
            Handle::Managed(plugin) => plugin.serves().and_then(|_| plugin.supervised().ok()),
            Handle::Direct(plugin, _) => Some(plugin.clone()),
        }
    }

    /// As the manager has it.
    #[must_use]
    pub fn plugin(&self) -> Option<&ManagedPlugin> {
        match &self.handle {
            Handle::Managed(plugin) => Some(plugin),
            Handle::Direct(..) => None,
        }
    }

    /// How it is started, where the host does that by itself.
    #[must_use]
    pub fn launch(&self) -> Option<&Launch> {
        match &self.handle {
            Handle::Managed(_) => None,
            Handle::Direct(_, launch) => Some(launch),
        }
    }

    /// As an implementation of its contract's trait; made once.
    ///
    /// # Errors
    /// Where it does not provide the contract.
    pub fn typed(&self, manager: &Manager) -> Result<&ChaosClient, ManagerError> {
        if let Some(client) = self.typed.get() {
            return Ok(client);
        }
        let client = match &self.handle {
            Handle::Managed(_) => manager.client(self.name())?,
            Handle::Direct(plugin, _) => plugin.client()?,
        };
        Ok(self.typed.get_or_init(|| client))
    }

    /// The processes that serve.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let places = self.if_serving().map(|plugin| plugin.places()).unwrap_or_default();
        let pid =
            |place: PlaceState| if let PlaceState::Running { pid, .. } = place { Some(pid) } else { None };
        places.into_iter().filter_map(pid).collect()
    }

    /// Whether it has more than the calls that all have.
    #[must_use]
    pub fn has_feats(&self) -> bool {
        matches!(self.kind.make, Make::Rust | Make::Sdk)
    }

    /// Whether it is one process, so that what ends it ends all of it.
    #[must_use]
    pub fn is_one_process(&self) -> bool {
        !matches!(self.kind.shape, Shape::Pool(_))
    }

    /// A version that is to be put in its place: the next.
    pub fn next_version(&self) -> String {
        let mut versions = self.versions();
        versions.count += 1;
        format!("1.0.{}", versions.count)
    }

    /// That one works, and may answer from now on.
    pub fn works(&self, version: &str) {
        let mut versions = self.versions();
        versions.good.insert(version.to_owned());
    }

    /// That one stands there since now.
    pub fn stands(&self, version: &str) {
        let mut versions = self.versions();
        versions.last = Some((version.to_owned(), Moment::now()));
        versions.is_whole = true;
    }

    /// What stands there does not work.
    pub fn is_broken(&self) {
        self.versions().is_whole = false;
    }

    /// What stands there.
    #[must_use]
    pub fn standing(&self) -> Versions {
        self.versions().clone()
    }

    /// Whether that one may answer.
    #[must_use]
    pub fn may_answer(&self, version: &str) -> bool {
        self.versions().good.contains(version)
    }

    /// Goes on from the versions of the same plugin in another round.
    pub(super) fn follow(&self, before: u64) {
        self.versions().count = before;
    }

    /// How many versions there were.
    #[must_use]
    pub fn version_count(&self) -> u64 {
        self.versions().count
    }
}
