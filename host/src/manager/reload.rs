//! Another version takes over: because files changed, or because the one that serves crashes again and again.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossbeam_channel::Receiver;

use super::entry::{Entry, Serving};
use super::error::ManagerError;
use super::event::ManagerEventKind;
use super::facade::Reload;
use super::found::Place;
use super::inner::Inner;
use super::prepare::{self, Prepared};
use super::resolve::Candidate;
use crate::event::Event;
use crate::package::{PackageName, Sha256};
use crate::store::StoreError;

/// Files that change while what they were takes over are looked at again, so often.
const ROUNDS: usize = 5;
/// A release that was installed so shortly before it crashed is taken back in the store, too.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

impl Inner {
    /// Has what is there now take over, if it is not what serves.
    pub(crate) fn reload(self: &Arc<Self>, entry: &Arc<Entry>) -> Result<Reload, ManagerError> {
        let _changing = entry.change();
        entry.reloads();
        let mut done = Reload::Nothing;
        for _ in 0..ROUNDS {
            let Some(serving) = entry.serving() else {
                // Whoever uses it next finds what is there then.
                entry.try_again();
                return Ok(done);
            };
            match self.round(entry, &serving) {
                Ok(Reload::Nothing) => return Ok(done),
                Ok(reloaded) => done = reloaded,
                Err(fault) => {
                    let why = fault.in_full();
                    self.events.send(&entry.name, ManagerEventKind::NotReloaded { why });
                    return Err(fault);
                }
            }
        }
        Ok(done)
    }

    fn round(self: &Arc<Self>, entry: &Arc<Entry>, serving: &Serving) -> Result<Reload, ManagerError> {
        let resolution = self.resolve(&entry.meaning, &entry.wishes(), &|found| entry.why_not(found))?;
        let mut candidates = resolution.candidates.into_iter();
        let Some(candidate) = candidates.find(|candidate| !candidate.is_built_in()) else {
            return Ok(Reload::Nothing);
        };
        let fingerprint = prepare::fingerprint(&candidate);
        if fingerprint == serving.fingerprint || entry.is_refused(&fingerprint) {
            return Ok(Reload::Nothing);
        }
        self.events.send(&entry.name, ManagerEventKind::Reloading);
        match self.take_over(entry, serving, &candidate, fingerprint.clone()) {
            Ok(()) => {
                entry.refuse(None);
                self.events.send(&entry.name, ManagerEventKind::Reloaded { to: candidate.to_string() });
                Ok(Reload::Done { to: candidate })
            }
            Err(fault) => {
                entry.refuse(Some(fingerprint));
                Err(fault)
            }
        }
    }

    fn take_over(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        serving: &Serving,
        candidate: &Candidate,
        fingerprint: Sha256,
    ) -> Result<(), ManagerError> {
        let Prepared { launch, .. } = self.ready(&entry.name, candidate)?;
        let supervised = serving.supervised.clone();
        supervised.swap(launch).map_err(|fault| ManagerError::Swap(Box::new(fault)))?;
        let (candidate, relied_on) = (candidate.clone(), Arc::clone(&serving.relied_on));
        let fresh = Serving { supervised, candidate, fingerprint, relied_on };
        self.steward.look_after(entry, &fresh);
        entry.serve_on(fresh);
        Ok(())
    }

    /// What serves crashes again and again: the next best takes its place, if there is one.
    pub(crate) fn roll_back(self: &Arc<Self>, entry: &Arc<Entry>, told_by: &Receiver<Event>, why: String) {
        let _changing = entry.change();
        let Some(serving) = entry.serving() else { return };
        if !serving.supervised.events().same_channel(told_by) {
            return; // Another serves already.
        }
        let crashed = &serving.candidate;
        entry.crashed(crashed, serving.fingerprint.clone(), why.clone());
        let taken_back = self.take_back(crashed);
        if let Err(fault) = &taken_back {
            let why = format!("the store cannot be rolled back: {fault}");
            self.events.send(&entry.name, ManagerEventKind::NotReloaded { why });
        }
        if let Ok(true) = taken_back {
            self.rescan();
        }
        let resolution = self.resolve(&entry.meaning, &entry.wishes(), &|found| entry.why_not(found));
        let others: Vec<Candidate> = resolution.map_or_else(|_| Vec::new(), |it| it.candidates);
        // A file that is installed anew is the same for all that it was installed later.
        let is_the_same = |candidate: &Candidate| prepare::fingerprint(candidate) == serving.fingerprint;
        let mut others = others.iter().filter(|candidate| !candidate.is_built_in()).peekable();
        if others.peek().is_none() || others.any(is_the_same) {
            // Nothing else would do: its supervisor tries it again after a rest.
            entry.pardon(crashed);
            return;
        }
        match self.newest_that_works(entry) {
            Ok(next) => {
                let (from, to) = (crashed.to_string(), next.candidate.to_string());
                self.events.send(&entry.name, ManagerEventKind::RolledBack { from, to, why });
            }
            Err(fault) => {
                entry.pardon(crashed);
                let why =
                    format!("it crashes, and what was before does not work either: {}", fault.in_full());
                self.events.send(&entry.name, ManagerEventKind::NotReloaded { why });
            }
        }
    }

    /// Goes back in the store from a release that was installed a short while ago; says whether it did.
    fn take_back(&self, crashed: &Candidate) -> Result<bool, StoreError> {
        let (Candidate::Found(found), Some(store)) = (crashed, &self.places().store) else {
            return Ok(false);
        };
        let (Place::Store(release), Ok(name)) = (&found.place, PackageName::new(&found.name)) else {
            return Ok(false);
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if now.as_secs().saturating_sub(release.installed) > FRESH.as_secs() {
            return Ok(false);
        }
        store.rollback_from(&name, &release.hash)
    }
}
