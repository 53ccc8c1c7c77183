//! One plugin that the host uses: what is known of it before it is started, and what serves since.
//!
//! Its state is changed by one choice, reload or fallback at a time (`changing`), and looked at under a short lock
//! (`state`), for which nobody waits long. What serves is read without either.

use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwapOption, Guard};

use super::error::ManagerError;
use super::found::Found;
use super::prepare;
use super::resolve::{Candidate, Wish};
use crate::error::Error;
use crate::package::Sha256;
use crate::supervisor::Supervised;

/// How long after a failure nothing is tried again; twice as long after the next.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What an entry stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// What a driver means.
    Driver(String),
    /// What provides the wanted contract for a kind of thing.
    OfType(String),
}

/// One plugin that the host uses.
pub(crate) struct Entry {
    /// What the host calls it.
    pub(crate) name: String,
    pub(crate) meaning: Meaning,
    serving: ArcSwapOption<Serving>,
    state: Mutex<State>,
    changed: Condvar,
    changing: Mutex<()>,
    /// Somebody is about to look for changes, and has not begun.
    to_reload: AtomicBool,
}

/// Makes a client of what serves, so that whatever serves later has to fit it.
pub(crate) type Rely = Arc<dyn Fn(&Supervised) -> Result<Box<dyn Any + Send + Sync>, Error> + Send + Sync>;

/// Clients that were made of what serves, and what made each.
pub(crate) type Relied = Arc<Mutex<Vec<(Rely, Box<dyn Any + Send + Sync>)>>>;

#[derive(Default)]
struct State {
    stage: Stage,
    /// Choices that failed, since one worked.
    failures: u32,
    wishes: Vec<Wish>,
    relied_on: Vec<Rely>,
    /// Versions that crashed, with what they were made of and why they are not tried again.
    crashed: HashMap<String, (Sha256, String)>,
    /// What could not take over. It is not tried again while it stays as it is.
    refused: Option<Sha256>,
    /// What is being started, until it serves: it is stopped with the rest.
    coming: Option<Supervised>,
}

#[derive(Default)]
enum Stage {
    /// Nobody needed it yet.
    #[default]
    Idle,
    /// Somebody chooses what serves.
    Choosing,
    /// Nothing works. Who asks before then is told so.
    Failed {
        why: Arc<ManagerError>,
        until: Instant,
        in_a_row: u32,
    },
    Serving,
    /// The manager was stopped.
    Stopped,
}

/// What serves.
pub(crate) struct Serving {
    pub(crate) supervised: Supervised,
    pub(crate) candidate: Candidate,
    /// What it was made of when it was started.
    pub(crate) fingerprint: Sha256,
    /// Clients that keep it to its contracts.
    pub(crate) relied_on: Relied,
}

impl Serving {
    /// Holds it to what is relied on.
    pub(crate) fn prove(&self, rely: &Rely) -> Result<(), Error> {
        let client = rely(&self.supervised)?;
        self.relied_on().push((Arc::clone(rely), client));
        Ok(())
    }

    fn relied_on(&self) -> MutexGuard<'_, Vec<(Rely, Box<dyn Any + Send + Sync>)>> {
        self.relied_on.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why what was chosen does not serve.
pub(crate) enum NotYet {
    /// Somebody relies on this since it was looked at.
    Unproven(Vec<Rely>),
    /// The manager was stopped.
    Stopped,
}

/// What whoever needs a plugin has to do.
pub(crate) enum Turn {
    /// Use it.
    Use(Arc<Serving>),
    /// Choose what serves, for all who wait.
    Choose,
    /// Wait.
    Wait,
}

/// Until when somebody waits for a plugin.
pub(crate) struct Patience<'a> {
    pub(crate) asked: Instant,
    pub(crate) deadline: Option<Instant>,
    pub(crate) cancelled: Option<&'a dyn Fn() -> bool>,
}

impl Entry {
    pub(crate) fn new(name: String, meaning: Meaning) -> Self {
        Self {
            name,
            meaning,
            serving: ArcSwapOption::empty(),
            state: Mutex::default(),
            changed: Condvar::new(),
            changing: Mutex::default(),
            to_reload: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held by whoever changes what serves.
    pub(crate) fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has somebody look for changes, unless somebody is about to.
    pub(crate) fn is_to_reload(&self) -> bool {
        !self.to_reload.swap(true, Ordering::AcqRel)
    }

    /// Somebody looks for changes now: whatever changes from here on is for the next.
    pub(crate) fn reloads(&self) {
        self.to_reload.store(false, Ordering::Release);
    }

    /// What serves, if anything does.
    pub(crate) fn serving(&self) -> Option<Arc<Serving>> {
        self.serving.load_full()
    }

    /// The same, for the length of a call.
    pub(crate) fn in_use(&self) -> Guard<Option<Arc<Serving>>> {
        self.serving.load()
    }

    /// Whatever serves from now on has to have that, too. Says whether that is new.
    pub(crate) fn wish(&self, wish: &Wish, rely: &Rely) -> bool {
        let mut state = self.lock();
        let is_new = !state.wishes.contains(wish);
        if is_new {
            state.wishes.push(wish.clone());
            state.relied_on.push(Arc::clone(rely));
        }
        is_new
    }

    /// Nobody wishes that any more.
    pub(crate) fn unwish(&self, wish: &Wish) {
        let mut state = self.lock();
        if let Some(place) = state.wishes.iter().position(|other| other == wish) {
            state.wishes.remove(place);
            state.relied_on.remove(place);
        }
    }

    pub(crate) fn wishes(&self) -> Vec<Wish> {
        self.lock().wishes.clone()
    }

    pub(crate) fn relied_on(&self) -> Vec<Rely> {
        self.lock().relied_on.clone()
    }

    /// What is to be done by somebody who needs it.
    pub(crate) fn turn(&self) -> Result<Turn, ManagerError> {
        if let Some(serving) = self.serving() {
            return Ok(Turn::Use(serving));
        }
        let mut state = self.lock();
        match &state.stage {
            Stage::Stopped => Err(ManagerError::Stopped),
            Stage::Choosing => Ok(Turn::Wait),
            // Between the two looks somebody was done.
            Stage::Serving => Ok(self.serving().map_or(Turn::Wait, Turn::Use)),
            Stage::Failed { why, until, .. } if Instant::now() < *until => {
                Err(ManagerError::Again(Arc::clone(why)))
            }
            Stage::Idle | Stage::Failed { .. } => {
                // Kept for the pause after the next failure.
                let before = std::mem::replace(&mut state.stage, Stage::Choosing);
                if let Stage::Failed { in_a_row, .. } = before {
                    state.failures = in_a_row;
                }
                Ok(Turn::Choose)
            }
        }
    }

    /// Waits for whoever chooses.
    ///
    /// # Errors
    /// Where that takes too long, or nothing works.
    pub(crate) fn wait(&self, patience: &Patience<'_>) -> Result<Arc<Serving>, ManagerError> {
        /// How often it is looked whether the call was cancelled.
        const LOOK: Duration = Duration::from_millis(20);
        let mut state = self.lock();
        loop {
            match &state.stage {
                Stage::Choosing | Stage::Idle => {}
                Stage::Serving => match self.serving() {
                    Some(serving) => return Ok(serving),
                    None => return Err(ManagerError::Stopped),
                },
                Stage::Failed { why, .. } => return Err(ManagerError::Again(Arc::clone(why))),
                Stage::Stopped => return Err(ManagerError::Stopped),
            }
            if patience.cancelled.is_some_and(|cancelled| cancelled()) {
                return Err(ManagerError::Cancelled);
            }
            let now = Instant::now();
            if patience.deadline.is_some_and(|deadline| deadline <= now) {
                let after = now.saturating_duration_since(patience.asked);
                return Err(ManagerError::NotYet { plugin: self.name.clone(), after });
            }
            let left = patience.deadline.map(|deadline| deadline - now);
            let look = patience.cancelled.map(|_| LOOK);
            state = match [left, look].into_iter().flatten().min() {
                Some(pause) => {
                    self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// What was chosen serves from now on; gives what did before. Not where the manager was stopped meanwhile, or a client
    /// was made that it was not held to.
    pub(crate) fn serve(&self, serving: &Arc<Serving>) -> Result<Option<Arc<Serving>>, NotYet> {
        let mut state = self.lock();
        if matches!(state.stage, Stage::Stopped) {
            return Err(NotYet::Stopped);
        }
        let unproven: Vec<Rely> = {
            let proven = serving.relied_on();
            let is_new = |rely: &&Rely| !proven.iter().any(|(known, _)| Arc::ptr_eq(known, rely));
            state.relied_on.iter().filter(is_new).cloned().collect()
        };
        if !unproven.is_empty() {
            return Err(NotYet::Unproven(unproven));
        }
        let before = self.serving.swap(Some(Arc::clone(serving)));
        state.stage = Stage::Serving;
        state.failures = 0;
        // Whoever stops all finds it in the one place or in the other.
        let coming = state.coming.take();
        self.changed.notify_all();
        drop(state);
        // What its end does, it does without the lock.
        drop(coming);
        Ok(before)
    }

    /// The same plugin serves, made of something else.
    pub(crate) fn serve_on(&self, serving: Serving) {
        let state = self.lock();
        // Where the manager was stopped meanwhile, so was the plugin.
        if !matches!(state.stage, Stage::Stopped) {
            let before = self.serving.swap(Some(Arc::new(serving)));
            drop(state);
            drop(before);
        }
    }

    /// Nothing works. All who wait are told why.
    pub(crate) fn failed(&self, why: ManagerError) -> Arc<ManagerError> {
        let mut state = self.lock();
        let why = Arc::new(why);
        if !matches!(state.stage, Stage::Stopped) {
            let in_a_row = state.failures.saturating_add(1);
            let factor = 2_u32.checked_pow(in_a_row - 1);
            let pause = factor.and_then(|factor| FIRST_PAUSE.checked_mul(factor)).unwrap_or(LONGEST_PAUSE);
            let until = Instant::now() + pause.min(LONGEST_PAUSE);
            state.stage = Stage::Failed { why: Arc::clone(&why), until, in_a_row };
        }
        self.changed.notify_all();
        why
    }

    /// Something changed, so what failed may work: who asks next, tries.
    pub(crate) fn try_again(&self) {
        let mut state = self.lock();
        if let Stage::Failed { until, .. } = &mut state.stage {
            *until = Instant::now();
        }
    }

    /// It is over; gives what served, and what was about to.
    pub(crate) fn stop(&self) -> Vec<Supervised> {
        let mut state = self.lock();
        state.stage = Stage::Stopped;
        let serving = self.serving.swap(None).map(|serving| serving.supervised.clone());
        self.changed.notify_all();
        serving.into_iter().chain(state.coming.take()).collect()
    }

    /// Waits until nobody changes what serves, at most until then. It was stopped, so nobody begins to.
    pub(crate) fn settled(&self, deadline: Instant) {
        /// How often it is looked.
        const LOOK: Duration = Duration::from_millis(5);
        while let Err(TryLockError::WouldBlock) = self.changing.try_lock() {
            if deadline <= Instant::now() {
                return;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// That is about to be started.
    ///
    /// # Errors
    /// Where all was stopped meanwhile.
    pub(crate) fn comes(&self, plugin: &Supervised) -> Result<(), ManagerError> {
        let mut state = self.lock();
        if matches!(state.stage, Stage::Stopped) {
            return Err(ManagerError::Stopped);
        }
        state.coming = Some(plugin.clone());
        Ok(())
    }

    /// It does not serve after all.
    pub(crate) fn does_not_come(&self) {
        let coming = self.lock().coming.take();
        drop(coming);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.lock().stage, Stage::Stopped)
    }

    /// A version crashed again and again, and is not tried again while it stays as it is.
    pub(crate) fn crashed(&self, candidate: &Candidate, fingerprint: Sha256, why: String) {
        self.lock().crashed.insert(candidate.to_string(), (fingerprint, why));
    }

    /// That version may be tried again.
    pub(crate) fn pardon(&self, candidate: &Candidate) {
        self.lock().crashed.remove(&candidate.to_string());
    }

    /// Why a version is not tried.
    pub(crate) fn why_not(&self, found: &Found) -> Option<String> {
        let (fingerprint, why) = self.lock().crashed.get(&found.to_string()).cloned()?;
        (prepare::fingerprint(&Candidate::of(found.clone())) == fingerprint).then_some(why)
    }

    /// What could not take over is not tried again while it stays as it is.
    pub(crate) fn refuse(&self, fingerprint: Option<Sha256>) {
        self.lock().refused = fingerprint;
    }

    pub(crate) fn is_refused(&self, fingerprint: &Sha256) -> bool {
        self.lock().refused.as_ref() == Some(fingerprint)
    }
}
