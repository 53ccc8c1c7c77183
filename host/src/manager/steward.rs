//! The thread that looks after plugins that are used: it passes on what they tell, has another version take over from one
//! that crashes again and again, and looks for changes of files. There is none before a plugin is used.
//!
//! A burst of changes is one reload: it is looked at once it is quiet for a moment, and then what counts is what is in the
//! files. One that is written again as it was, or that is no part of a plugin, changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Select, Sender, unbounded};
use notify::event::{AccessKind, AccessMode, EventKind as FileEvent};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::entry::{Entry, Serving};
use super::event::ManagerEventKind;
use super::inner::Inner;
use super::prepare::{self, absolute};
use crate::event::{Event, EventKind};
use crate::supervisor::{Decision, Supervised};

/// So long nothing changes before it is looked at what did …
const QUIET: Duration = Duration::from_millis(100);
/// … but no later than this after the first change.
const LONGEST: Duration = Duration::from_secs(2);
/// Of more changes at once it is not remembered what they were.
const MOST_PATHS: usize = 10_000;

/// What is to be done.
enum Order {
    /// Pass on what that plugin tells.
    Listen { name: String, events: Receiver<Event> },
    /// Look for changes of its files.
    Watch(Weak<Entry>),
    /// These changed.
    Changed(Vec<PathBuf>),
    /// It cannot be said what changed.
    Overflow,
}

/// Gives orders to the thread.
pub(crate) struct Steward {
    inner: Weak<Inner>,
    orders: OnceLock<Sender<Order>>,
    watching: Mutex<Watching>,
}

/// What watches files, once that is wanted.
#[derive(Default)]
struct Watching {
    watcher: Option<RecommendedWatcher>,
    /// Which directory was there: another may have taken its place, and that one is not watched.
    watched: BTreeMap<PathBuf, Identity>,
}

/// Tells a directory from another of the same name. A number may be given again, so the time counts, where there is one.
#[derive(PartialEq, Eq)]
struct Identity {
    device: u64,
    number: u64,
    made: Option<SystemTime>,
}

/// Which directory is there, if one is.
fn identity(directory: &Path) -> Option<Identity> {
    let metadata = std::fs::metadata(directory).ok().filter(std::fs::Metadata::is_dir)?;
    Some(Identity { device: metadata.dev(), number: metadata.ino(), made: metadata.created().ok() })
}

impl Steward {
    pub(crate) fn of(inner: Weak<Inner>) -> Self {
        Self { inner, orders: OnceLock::new(), watching: Mutex::default() }
    }

    fn order(&self, order: Order) {
        let orders = self.orders.get_or_init(|| {
            let (orders, received) = unbounded();
            let inner = self.inner.clone();
            let thread = thread::Builder::new().name("plugline-steward".into());
            // Without one, plugins are used all the same: nothing is passed on, and nothing watched.
            drop(thread.spawn(move || Rounds::new(inner, received).run()));
            orders
        });
        // The thread ends with the manager, or could not be started.
        drop(orders.send(order));
    }

    /// Passes on what a plugin tells.
    pub(crate) fn listen(&self, name: &str, plugin: &Supervised) {
        self.order(Order::Listen { name: name.to_owned(), events: plugin.events() });
    }

    /// Looks for changes of the files of what is about to serve, where that is wanted.
    pub(crate) fn look_after(&self, entry: &Arc<Entry>, serving: &Serving) {
        let Some(inner) = self.inner.upgrade() else { return };
        if !inner.is_watched(&entry.name) {
            return;
        }
        self.order(Order::Watch(Arc::downgrade(entry)));
        let directories = prepare::directories(&serving.candidate);
        self.watch_all(&inner, &entry.name, directories.iter().chain(&places(&inner)));
        // It may have changed since it was read, and before it was watched.
        if prepare::fingerprint(&serving.candidate) != serving.fingerprint {
            self.order(Order::Changed(directories));
        }
    }

    /// Watches what is there of these directories. Of one that is not, it is watched where it would be made.
    fn watch_all<'a>(&self, inner: &Inner, name: &str, directories: impl Iterator<Item = &'a PathBuf>) {
        for directory in directories {
            if let Some(there) = directory.ancestors().find(|path| path.is_dir()) {
                self.watch(inner, name, there);
            }
        }
    }

    fn watch(&self, inner: &Inner, name: &str, directory: &Path) {
        let mut watching = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(identity) = identity(directory) else { return };
        if watching.watched.get(directory) == Some(&identity) {
            return;
        }
        watching.forget(directory);
        let watched = match &mut watching.watcher {
            Some(watcher) => watcher.watch(directory, RecursiveMode::NonRecursive),
            none => self
                .watcher()
                .and_then(|watcher| none.insert(watcher).watch(directory, RecursiveMode::NonRecursive)),
        };
        match watched {
            Ok(()) => drop(watching.watched.insert(directory.to_owned(), identity)),
            Err(fault) => {
                let why = format!("{}: {fault}", directory.display());
                inner.events.send(name, ManagerEventKind::NotWatched { why });
            }
        }
    }

    fn watcher(&self) -> notify::Result<RecommendedWatcher> {
        let inner = self.inner.clone();
        notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Some(inner) = inner.upgrade() else { return };
            match event {
                // That something was read, by whoever looks at it, is no change.
                Ok(event) if is_read(&event.kind) => {}
                Ok(event) if event.need_rescan() => inner.steward.order(Order::Overflow),
                Ok(event) => inner.steward.order(Order::Changed(event.paths)),
                Err(_) => inner.steward.order(Order::Overflow),
            }
        })
    }

    /// A directory that is gone is watched anew when it is there again.
    fn forget_gone(&self) {
        let mut watching = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<PathBuf> = watching.watched.keys().filter(|path| !path.is_dir()).cloned().collect();
        gone.iter().for_each(|path| watching.forget(path));
    }
}

impl Watching {
    fn forget(&mut self, directory: &Path) {
        if self.watched.remove(directory).is_some()
            && let Some(watcher) = &mut self.watcher
        {
            // It mostly knows already.
            drop(watcher.unwatch(directory));
        }
    }
}

fn is_read(kind: &FileEvent) -> bool {
    matches!(kind, FileEvent::Access(access) if *access != AccessKind::Close(AccessMode::Write))
}

/// Where another version of a plugin may turn up: the search paths, what is in them, and the store.
fn places(inner: &Inner) -> Vec<PathBuf> {
    let mut places = Vec::new();
    for directory in inner.search() {
        let inside = std::fs::read_dir(directory).into_iter().flatten().flatten();
        places.extend(inside.map(|entry| entry.path()).filter(|path| path.is_dir()));
        places.push(directory.clone());
    }
    places.extend(inner.places().store.as_ref().map(|store| absolute(store.root().join("names"))));
    places
}

/// What the thread knows.
struct Rounds {
    inner: Weak<Inner>,
    orders: Receiver<Order>,
    listened: Vec<(String, Receiver<Event>)>,
    watched: BTreeMap<String, Weak<Entry>>,
    changes: Option<Changes>,
}

/// What changed since it was looked at.
struct Changes {
    first: Instant,
    last: Instant,
    /// `None`, where too much did.
    paths: Option<BTreeSet<PathBuf>>,
}

impl Changes {
    fn due(&self) -> Instant {
        (self.last + QUIET).min(self.first + LONGEST)
    }
}

impl Rounds {
    fn new(inner: Weak<Inner>, orders: Receiver<Order>) -> Self {
        Self { inner, orders, listened: Vec::new(), watched: BTreeMap::new(), changes: None }
    }

    fn run(mut self) {
        loop {
            let due = self.changes.as_ref().map(Changes::due);
            let mut select = Select::new();
            select.recv(&self.orders);
            for (_, events) in &self.listened {
                select.recv(events);
            }
            let ready = match due {
                Some(due) => select.ready_deadline(due).ok(),
                None => Some(select.ready()),
            };
            match ready {
                None => self.look_at_changes(),
                Some(0) => match self.orders.try_recv() {
                    Ok(order) => self.follow(order),
                    Err(fault) if fault.is_disconnected() => return,
                    Err(_) => {}
                },
                Some(index) => self.pass_on(index - 1),
            }
        }
    }

    fn follow(&mut self, order: Order) {
        match order {
            Order::Listen { name, events } => self.listened.push((name, events)),
            Order::Watch(entry) => {
                if let Some(name) = entry.upgrade().map(|entry| entry.name.clone()) {
                    self.watched.insert(name, entry);
                }
            }
            Order::Changed(paths) => self.changed(Some(paths)),
            Order::Overflow => self.changed(None),
        }
    }

    fn changed(&mut self, paths: Option<Vec<PathBuf>>) {
        let now = Instant::now();
        let fresh = || Changes { first: now, last: now, paths: Some(BTreeSet::new()) };
        let changes = self.changes.get_or_insert_with(fresh);
        changes.last = now;
        match (&mut changes.paths, paths) {
            (Some(known), Some(paths)) if known.len() < MOST_PATHS => known.extend(paths),
            _ => changes.paths = None,
        }
    }

    /// Tells what a plugin told.
    fn pass_on(&mut self, index: usize) {
        let (name, events) = &self.listened[index];
        let event = match events.try_recv() {
            Ok(event) => event,
            Err(fault) if fault.is_empty() => return,
            Err(_) => return drop(self.listened.swap_remove(index)),
        };
        let Some(inner) = self.inner.upgrade() else { return };
        if let EventKind::Supervision(Decision::CrashLoop { failures, .. }) = &event.kind {
            let why = failures.last().map(|failure| failure.reason.clone()).unwrap_or_default();
            let (name, events, inner) = (name.clone(), events.clone(), Arc::clone(&inner));
            let doing = thread::Builder::new().name("plugline-rollback".into());
            let roll_back = move || {
                let used = inner.used();
                if let Some(entry) = used.iter().find(|entry| entry.name == name) {
                    inner.roll_back(entry, &events, why);
                }
            };
            // Without a thread it stays as it is, and calls say so.
            drop(doing.spawn(roll_back));
        }
        inner.events.send(name, ManagerEventKind::Plugin(event.kind));
    }

    /// Has what changed take over. That takes as long as it takes, on other threads.
    fn look_at_changes(&mut self) {
        let Some(changes) = self.changes.take() else { return };
        let Some(inner) = self.inner.upgrade() else { return };
        self.watched.retain(|_, entry| entry.strong_count() > 0);
        let entries: Vec<Arc<Entry>> = self.watched.values().filter_map(Weak::upgrade).collect();
        inner.steward.forget_gone();
        let places = places(&inner);
        // What is new is watched before it is looked at, whatever comes of that: what is wrong with it may be mended.
        if let Some(entry) = entries.first() {
            inner.steward.watch_all(&inner, &entry.name, places.iter());
        }
        let entries: Vec<(Arc<Entry>, Vec<PathBuf>)> = entries
            .into_iter()
            .map(|entry| {
                let serving = entry.serving();
                let directories =
                    serving.map_or_else(Vec::new, |serving| prepare::directories(&serving.candidate));
                inner.steward.watch_all(&inner, &entry.name, directories.iter());
                (entry, directories)
            })
            .collect();
        let touched = |directories: &[PathBuf]| match &changes.paths {
            None => true,
            Some(paths) => paths.iter().any(|path| {
                let parent = path.parent().unwrap_or(path);
                // Also where what it is in comes or goes.
                directories.iter().any(|directory| directory == parent || directory.starts_with(path))
            }),
        };
        let all = touched(&places);
        let affected: Vec<Arc<Entry>> = entries
            .into_iter()
            .filter(|(_, directories)| all || touched(directories))
            .map(|(entry, _)| entry)
            // One that waits for its turn looks at what is there then.
            .filter(|entry| entry.is_to_reload())
            .collect();
        if affected.is_empty() {
            return;
        }
        let reload = |inner: &Arc<Inner>, entry: Arc<Entry>| {
            let (this, reloaded) = (Arc::clone(inner), Arc::clone(&entry));
            let reload = move || {
                // Told as an event.
                drop(this.reload(&reloaded));
            };
            if let Err(fault) = thread::Builder::new().name("plugline-reload".into()).spawn(reload) {
                not_reloaded(inner, &entry, &fault);
            }
        };
        let round = {
            let (inner, affected) = (Arc::clone(&inner), affected.clone());
            move || {
                inner.rescan();
                affected.into_iter().for_each(|entry| reload(&inner, entry));
            }
        };
        if let Err(fault) = thread::Builder::new().name("plugline-reload".into()).spawn(round) {
            affected.iter().for_each(|entry| not_reloaded(&inner, entry, &fault));
        }
    }
}

/// No thread can be had: the next change is looked at.
fn not_reloaded(inner: &Inner, entry: &Entry, fault: &std::io::Error) {
    entry.reloads();
    let why = format!("no thread can be started: {fault}");
    inner.events.send(&entry.name, ManagerEventKind::NotReloaded { why });
}
