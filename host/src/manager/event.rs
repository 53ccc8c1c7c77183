//! What the manager does by itself, told to whoever wants to know.

use std::fmt;

use crossbeam_channel::Receiver;

use super::discovery::Broken;
use crate::event::EventKind;
use crate::queue::{Charge, Queue};
use crate::secrets::Redactor;

/// What may wait in the channel; bytes, roughly. More is counted. One event always may.
const WAITING: usize = 4 * 1024 * 1024;
/// What an event costs besides its text.
const EVENT_BYTES: usize = 256;

/// Something that the manager did, or found.
#[derive(Debug)]
pub struct ManagerEvent {
    /// The plugin, as the host calls it; empty where it is about none.
    pub plugin: String,
    /// What it was.
    pub kind: ManagerEventKind,
    /// How many events before this one were dropped because nobody took them.
    pub dropped: u64,
    _charge: Charge,
}

/// What the manager did, or found. Text that others wrote is escaped, and has no secret of the settings in it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ManagerEventKind {
    /// What happened to an instance of it, or what its supervisor decided.
    Plugin(EventKind),
    /// Something among the plugins cannot be used; the others can.
    Broken(Broken),
    /// The same version was found twice.
    Shadowed {
        /// The one that is not taken.
        found: String,
        /// The one that is.
        by: String,
    },
    /// A version does not work, and an older one is tried.
    FellBack {
        /// What did not work.
        from: String,
        /// What is tried now.
        to: String,
        /// Why.
        why: String,
    },
    /// It is being built.
    Building,
    /// It was built.
    Built,
    /// Files of it changed: what is there now is started beside what runs.
    Reloading,
    /// What is there now has taken over.
    Reloaded {
        /// What serves now.
        to: String,
    },
    /// What is there now does not work. What ran before goes on.
    NotReloaded {
        /// Why.
        why: String,
    },
    /// A version crashed again and again, and the one before it has taken over.
    RolledBack {
        /// What crashed.
        from: String,
        /// What serves now.
        to: String,
        /// How it crashed.
        why: String,
    },
    /// Files cannot be watched, so that changes are not seen.
    NotWatched {
        /// Why.
        why: String,
    },
}

impl fmt::Display for ManagerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.plugin.is_empty() {
            write!(f, "{}: ", self.plugin)?;
        }
        self.kind.fmt(f)
    }
}

impl fmt::Display for ManagerEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plugin(kind) => kind.fmt(f),
            Self::Broken(broken) => write!(f, "not a plugin that can be used: {broken}"),
            Self::Shadowed { found, by } => write!(f, "{found} is not taken: {by} stands before it"),
            Self::FellBack { from, to, why } => write!(f, "{from} does not work, {to} is tried: {why}"),
            Self::Building => f.write_str("is being built"),
            Self::Built => f.write_str("was built"),
            Self::Reloading => f.write_str("its files changed: what is there now is started beside it"),
            Self::Reloaded { to } => write!(f, "{to} has taken over"),
            Self::NotReloaded { why } => write!(f, "not reloaded, what ran before goes on: {why}"),
            Self::RolledBack { from, to, why } => write!(f, "{from} crashes, {to} has taken over: {why}"),
            Self::NotWatched { why } => write!(f, "changes of its files are not seen: {why}"),
        }
    }
}

/// The sending end. Never waits.
#[derive(Debug)]
pub(crate) struct Events {
    queue: Queue<ManagerEvent>,
    redactor: Redactor,
}

impl Events {
    pub(crate) fn new(redactor: Redactor) -> Self {
        Self { queue: Queue::new(), redactor }
    }

    pub(crate) fn receiver(&self) -> Receiver<ManagerEvent> {
        self.queue.receiver()
    }

    pub(crate) fn send(&self, plugin: &str, kind: ManagerEventKind) {
        let kind = self.redacted(kind);
        let bytes = EVENT_BYTES + plugin.len() + text_of(&kind);
        self.queue.send(bytes, WAITING, |dropped, charge| ManagerEvent {
            plugin: plugin.to_owned(),
            kind,
            dropped,
            _charge: charge,
        });
    }

    /// A plugin may say what it was given, in whatever it says.
    fn redacted(&self, kind: ManagerEventKind) -> ManagerEventKind {
        use ManagerEventKind::{FellBack, NotReloaded, Plugin, RolledBack};
        let clean = |why| self.redactor.redact(why);
        match kind {
            FellBack { from, to, why } => FellBack { from, to, why: clean(why) },
            NotReloaded { why } => NotReloaded { why: clean(why) },
            RolledBack { from, to, why } => RolledBack { from, to, why: clean(why) },
            Plugin(kind) => Plugin(self.redactor.event(kind)),
            other => other,
        }
    }
}

/// How much text is in an event, roughly.
fn text_of(kind: &ManagerEventKind) -> usize {
    use ManagerEventKind as Is;
    match kind {
        Is::Plugin(kind) => kind.size(),
        Is::Broken(Broken { path, why }) => path.as_os_str().len() + why.len(),
        Is::FellBack { from, to, why } | Is::RolledBack { from, to, why } => {
            from.len() + to.len() + why.len()
        }
        Is::Shadowed { found, by } => found.len() + by.len(),
        Is::NotReloaded { why } | Is::NotWatched { why } => why.len(),
        Is::Reloaded { to } => to.len(),
        Is::Building | Is::Built | Is::Reloading => 0,
    }
}

#[cfg(test)]
mod tests {
    use plugline_protocol::lifecycle::messages::Log;

    use super::*;

    #[test]
    fn what_nobody_takes_is_counted() {
        let events = Events::new(Redactor::default());
        let said = || ManagerEventKind::Plugin(EventKind::Stderr("x".repeat(1024)));
        let sent = 10_000_u64;
        (0..sent).for_each(|_| events.send("p", said()));
        let kept = events.receiver().try_iter().count() as u64;
        assert!(kept > 1000 && kept < sent, "{kept}");
        events.send("p", ManagerEventKind::Built);
        assert_eq!(events.receiver().try_recv().unwrap().dropped, sent - kept);
    }

    #[test]
    fn whatever_a_plugin_says_has_no_secret_in_it() {
        let (dir, redactor) = (tempfile::tempdir().unwrap(), Redactor::default());
        std::fs::write(dir.path().join("s"), "hunter2").unwrap();
        let reference = crate::manager::Reference::File("s".into());
        redactor.hide(reference.read(dir.path(), &|_| None).unwrap().reveal());
        let events = Events::new(redactor);
        let log = Log {
            level: plugline_protocol::lifecycle::messages::Level::Info,
            message: "it is hunter2".into(),
            target: Some("hunter2".into()),
            fields: serde_json::json!({"deep": [{"x": "hunter2"}], "n": 1}).as_object().unwrap().clone(),
        };
        let why = "it answered: hunter2 is no password".to_owned();
        for kind in [
            ManagerEventKind::Plugin(EventKind::Log(log)),
            ManagerEventKind::Plugin(EventKind::Stderr("hunter2".into())),
            ManagerEventKind::Plugin(EventKind::Stray { text: "hunter2".into(), held_back: 0 }),
            ManagerEventKind::NotReloaded { why: why.clone() },
            ManagerEventKind::FellBack { from: "a".into(), to: "b".into(), why },
        ] {
            events.send("p", kind);
            let event = events.receiver().try_recv().unwrap();
            assert!(!format!("{event:?} {event}").contains("hunter2"), "{event:?}");
            assert!(format!("{event:?}").contains("[secret]"), "{event:?}");
        }
    }
}
