//! What happens to a plugin besides calls, as events on a channel that is bounded in bytes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crossbeam_channel::Receiver;
use plugline_protocol::lifecycle::messages::Log;
use plugline_protocol::lifecycle::{Identity, InitializeResult};
use plugline_protocol::peer::timer;
use plugline_protocol::wire::shown;

use crate::process::Exit;
use crate::queue::{Charge, Queue};
use crate::rate::{Rates, Told};
use crate::secrets::Redactor;
use crate::supervisor::Decision;

/// What may wait in the channel; bytes, roughly. One event always may.
const QUEUE_BYTES: usize = 1024 * 1024;
/// … and what must not be lost, so much more. A plugin that is started anew for ever has no end of it.
const LIFE_BYTES: usize = 3 * QUEUE_BYTES;
/// What an event costs besides its text.
const EVENT_BYTES: usize = 64;

/// Something that happened to a plugin.
#[derive(Debug)]
pub struct Event {
    /// What it was.
    pub kind: EventKind,
    /// Which instance of a supervised plugin it happened to, counted from 1; 0 where it was to none in particular, or
    /// nobody supervises it.
    pub instance: u64,
    /// How many events before this one were dropped because nobody took them.
    pub dropped: u64,
    _charge: Charge,
}

/// What happened. Its `Display` and its `Debug` are one line without control characters, for a terminal or a log. Of the
/// texts within, those that are for people are escaped; as they came are those of [`EventKind::Log`] and
/// [`EventKind::Ready`]: [`escape`](crate::escape) them before a terminal sees them. No [secret](crate::Launch::secret) is
/// in any.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum EventKind {
    /// The process runs.
    Started {
        /// Its process id.
        pid: u32,
    },
    /// The handshake is done.
    Ready(InitializeResult),
    /// The plugin wrote to the log.
    Log(Log),
    /// A line on standard error.
    Stderr(String),
    /// A line on standard output that is no message.
    Stray {
        /// Its first 200 bytes, escaped.
        text: String,
        /// How many stray lines before this one were not reported.
        held_back: u64,
    },
    /// A message was ignored, and why.
    Ignored(String),
    /// The plugin says more than is told: so much of it was not, in the second before.
    HeldBack {
        /// What.
        what: Told,
        /// How many of them.
        count: u64,
    },
    /// What passes is not checked, though it was to be where it can; and why.
    Unchecked(String),
    /// A call that ended for its caller was not answered in due time.
    Unhealthy {
        /// What was called.
        method: String,
    },
    /// A plugin that somebody else started was attached to.
    Attached,
    /// The plugin runs without a part of its sandbox, which this system cannot enforce; its user allowed that.
    Unenforced {
        /// What it is about, as [`Measure`](crate::Measure) has it.
        measure: &'static str,
        /// Why it is not enforced.
        why: String,
    },
    /// The temporary directory of a plugin in a sandbox could not be removed at its end, or not within a second, and why.
    /// It is gone on with while this host lives; what is left then, a later one removes.
    Leftover(String),
    /// The process is gone and reaped.
    Exited {
        /// How it ended.
        exit: Exit,
        /// Whether this side had asked for it.
        wanted: bool,
        /// Its last lines on standard error, escaped.
        stderr_tail: Vec<String>,
    },
    /// What the supervisor of the plugin decided.
    Supervision(Decision),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dropped > 0 {
            write!(f, "({} events before this one were dropped) ", self.dropped)?;
        }
        self.kind.fmt(f)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |text: &str| shown(text);
        match self {
            Self::HeldBack { what, count } => {
                write!(f, "{count} {what} more came within a second, and are not told")
            }
            Self::Unenforced { measure, why } => {
                write!(f, "a part of the sandbox is not enforced: {measure}: {}", text(why))
            }
            Self::Leftover(why) => write!(f, "its temporary directory is left: {}", text(why)),
            Self::Started { pid } => write!(f, "started as process {pid}"),
            Self::Ready(hello) => {
                let Identity { name, version } = &hello.plugin;
                write!(f, "{} {} is ready", text(name), text(version))
            }
            Self::Log(log) => {
                write!(f, "[{}] ", log.level.as_str())?;
                if let Some(target) = &log.target {
                    write!(f, "{}: ", text(target))?;
                }
                f.write_str(&text(&log.message))?;
                log.fields
                    .iter()
                    .try_for_each(|(name, value)| write!(f, " {}={}", text(name), text(&value.to_string())))
            }
            Self::Stderr(line) => write!(f, "standard error: {}", text(line)),
            Self::Stray { text: line, held_back: 0 } => write!(f, "stray output: {}", text(line)),
            Self::Stray { text: line, held_back } => {
                write!(f, "stray output: {} ({held_back} lines before it not shown)", text(line))
            }
            Self::Ignored(what) => write!(f, "ignored: {}", text(what)),
            Self::Unchecked(why) => write!(f, "nothing is checked: {}", text(why)),
            Self::Unhealthy { method } => write!(f, "{} is not answered even now", text(method)),
            Self::Attached => f.write_str("attached"),
            Self::Exited { exit, wanted: true, .. } => write!(f, "{exit}, as it was asked to"),
            Self::Exited { exit, wanted: false, stderr_tail } => {
                write!(f, "{exit}")?;
                match stderr_tail.last() {
                    Some(last) => write!(f, "; its last words: {}", text(last)),
                    None => Ok(()),
                }
            }
            Self::Supervision(decision) => decision.fmt(f),
        }
    }
}

impl EventKind {
    /// How much may wait before this one is dropped. What happens once in a plugin's life is told though nobody took
    /// what the plugin had to say.
    fn most(&self) -> usize {
        match self {
            Self::Log(_)
            | Self::Stderr(_)
            | Self::Stray { .. }
            | Self::Ignored(_)
            | Self::Unhealthy { .. } => QUEUE_BYTES,
            Self::Unchecked(_)
            | Self::HeldBack { .. }
            | Self::Started { .. }
            | Self::Attached
            | Self::Unenforced { .. }
            | Self::Leftover(_)
            | Self::Ready(_)
            | Self::Exited { .. }
            | Self::Supervision(_) => QUEUE_BYTES + LIFE_BYTES,
        }
    }

    /// What a plugin can say without end.
    fn told(&self) -> Option<Told> {
        match self {
            Self::Log(_) => Some(Told::Logs),
            Self::Stderr(_) => Some(Told::StderrLines),
            Self::Ignored(_) => Some(Told::IgnoredMessages),
            _ => None,
        }
    }

    /// How many bytes it holds, roughly: all that a plugin chose the length of is counted.
    pub(crate) fn size(&self) -> usize {
        EVENT_BYTES
            + match self {
                Self::Log(log) => {
                    let fields = log.fields.iter().map(|(name, value)| name.len() + value.to_string().len());
                    let target = log.target.as_ref().map_or(0, String::len);
                    log.message.len() + target + fields.sum::<usize>()
                }
                Self::Stderr(text)
                | Self::Stray { text, .. }
                | Self::Ignored(text)
                | Self::Leftover(text)
                | Self::Unchecked(text) => text.len(),
                Self::Unenforced { why, .. } => why.len(),
                Self::Unhealthy { method } => method.len(),
                Self::Exited { stderr_tail, .. } => stderr_tail.iter().map(String::len).sum(),
                Self::Supervision(decision) => decision.size(),
                Self::Ready(hello) => {
                    let provided = hello.provides.iter().map(|it| {
                        let types = it.types.iter().map(|name| EVENT_BYTES + name.len());
                        EVENT_BYTES + it.contract.len() + it.version.len() + types.sum::<usize>()
                    });
                    hello.plugin.name.len() + hello.plugin.version.len() + provided.sum::<usize>()
                }
                Self::HeldBack { .. } | Self::Started { .. } | Self::Attached => 0,
            }
    }
}

impl Queue<Event> {
    /// Adds what happened to an instance.
    pub(crate) fn tell(&self, instance: u64, kind: EventKind) {
        let (bytes, most) = (kind.size(), kind.most());
        self.send(bytes, most, |dropped, charge| Event { kind, instance, dropped, _charge: charge });
    }
}

/// Sees each event of an instance before whoever takes it. It must not wait, and may be called under a lock.
type Tap = Box<dyn Fn(&EventKind) + Send + Sync>;

/// Where the events of one instance go.
pub(crate) struct Events {
    queue: Arc<Queue<Event>>,
    instance: u64,
    rates: Arc<Mutex<Rates>>,
    tap: Option<Tap>,
    redactor: Redactor,
}

impl Events {
    /// Of a plugin that nobody supervises; so many of each kind in a second.
    pub(crate) fn new(per_second: u32, redactor: Redactor) -> Self {
        Self { queue: Arc::new(Queue::new()), instance: 0, rates: rates(per_second), tap: None, redactor }
    }

    /// Of one instance of a supervised plugin.
    pub(crate) fn tapped(
        queue: &Arc<Queue<Event>>,
        instance: u64,
        per_second: u32,
        redactor: Redactor,
        tap: Tap,
    ) -> Self {
        Self { queue: Arc::clone(queue), instance, rates: rates(per_second), tap: Some(tap), redactor }
    }

    /// What keeps secrets out of what is told.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    pub(crate) fn receiver(&self) -> Receiver<Event> {
        self.queue.receiver()
    }

    pub(crate) fn send(&self, kind: EventKind) {
        if let Some(tap) = &self.tap {
            tap(&kind);
        }
        if let Some(told) = kind.told() {
            let admission = lock(&self.rates).admit(told, Instant::now());
            tell_held_back(&self.queue, self.instance, told, admission.held_back);
            if let Some(then) = admission.look_at {
                self.look_at(then, told);
            }
            if !admission.admitted {
                return;
            }
        }
        if matches!(kind, EventKind::Exited { .. }) {
            for told in Told::ALL {
                let held_back = lock(&self.rates).rest(told);
                tell_held_back(&self.queue, self.instance, told, held_back);
            }
        }
        self.queue.tell(self.instance, self.redactor.event(kind));
    }

    /// Tells what was held back, also where nothing more comes.
    fn look_at(&self, then: Instant, told: Told) {
        let (queue, instance, rates) = (Arc::clone(&self.queue), self.instance, Arc::clone(&self.rates));
        timer::at(
            then,
            Box::new(move || {
                let held_back = lock(&rates).over(told, Instant::now());
                tell_held_back(&queue, instance, told, held_back);
            }),
        );
    }
}

fn rates(per_second: u32) -> Arc<Mutex<Rates>> {
    Arc::new(Mutex::new(Rates::at_most(per_second)))
}

fn lock(rates: &Mutex<Rates>) -> std::sync::MutexGuard<'_, Rates> {
    rates.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tell_held_back(queue: &Queue<Event>, instance: u64, what: Told, count: u64) {
    if count > 0 {
        queue.tell(instance, EventKind::HeldBack { what, count });
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("instance", &self.instance).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use plugline_protocol::lifecycle::messages::Level;
    use serde_json::Map;

    use super::*;

    #[test]
    fn what_nobody_takes_is_dropped_and_counted() {
        let events = Events::new(u32::MAX, Redactor::default());
        let text = "x".repeat(100_000);
        for _ in 0..1000 {
            events.send(EventKind::Stderr(text.clone()));
        }
        let kept = events.receiver().try_iter().count();
        assert!((9..=11).contains(&kept), "{kept}");
        events.send(EventKind::Stderr("last".into()));
        let last = events.receiver().try_recv().unwrap();
        assert_eq!(last.dropped, 1000 - kept as u64);
        assert_eq!(events.queue.held(), last.kind.size());
    }

    #[test]
    fn events_without_text_are_bounded_too() {
        let events = Events::new(u32::MAX, Redactor::default());
        for _ in 0..100_000 {
            events.send(EventKind::Stderr(String::new()));
        }
        assert!(events.queue.held() <= QUEUE_BYTES);
        let log = |target: String| {
            let message = String::new();
            Log { level: Level::Info, message, target: Some(target), fields: Map::new() }
        };
        for _ in 0..100 {
            events.send(EventKind::Log(log("x".repeat(QUEUE_BYTES / 2))));
        }
        let held: usize = events.receiver().try_iter().map(|event| event.kind.size()).sum();
        assert!(held <= QUEUE_BYTES, "{held}");
    }

    #[test]
    fn what_a_plugin_calls_itself_counts() {
        let events = Events::new(u32::MAX, Redactor::default());
        let text = r#"{"protocolVersion": 1, "plugin": {"name": "NAME", "version": "1"}, "provides": []}"#;
        let hello = InitializeResult::read(&text.replace("NAME", &"x".repeat(QUEUE_BYTES))).unwrap();
        for _ in 0..100 {
            events.send(EventKind::Ready(hello.clone()));
        }
        assert_eq!(events.receiver().try_iter().count(), (QUEUE_BYTES + LIFE_BYTES) / QUEUE_BYTES - 1);
    }

    #[test]
    fn a_flood_is_told_of_in_part_and_what_is_not_told_is_counted() {
        let events = Events::new(3, Redactor::default());
        for number in 0..10 {
            events.send(EventKind::Stderr(number.to_string()));
        }
        // One of another kind is told, and so is the end, after how much was not.
        events.send(EventKind::Ignored("a response".into()));
        let exit = Exit { code: Some(0), signal: None };
        events.send(EventKind::Exited { exit, wanted: true, stderr_tail: Vec::new() });
        let told: Vec<EventKind> = events.receiver().try_iter().map(|event| event.kind).collect();
        let [
            EventKind::Stderr(_),
            EventKind::Stderr(_),
            EventKind::Stderr(last),
            EventKind::Ignored(_),
            EventKind::HeldBack { what: Told::StderrLines, count: 7 },
            EventKind::Exited { .. },
        ] = &told[..]
        else {
            panic!("{told:?}")
        };
        assert_eq!(last, "2");
    }

    #[test]
    fn what_is_held_back_is_told_though_nothing_more_comes() {
        let events = Events::new(1, Redactor::default());
        (0..5).for_each(|_| events.send(EventKind::Stderr(String::new())));
        let told = events.receiver();
        let next = || told.recv_timeout(std::time::Duration::from_secs(60)).unwrap().kind;
        assert!(matches!(next(), EventKind::Stderr(_)));
        assert!(matches!(next(), EventKind::HeldBack { what: Told::StderrLines, count: 4 }));
    }

    #[test]
    fn lives_without_end_are_bounded_too() {
        let events = Events::new(u32::MAX, Redactor::default());
        events.send(EventKind::Stderr("x".repeat(QUEUE_BYTES)));
        for pid in 0..100_000 {
            events.send(EventKind::Started { pid });
        }
        assert!(events.queue.held() <= QUEUE_BYTES + LIFE_BYTES);
        let started = |event: &Event| matches!(event.kind, EventKind::Started { .. });
        assert!(events.receiver().try_iter().filter(started).count() > 10_000);
    }
}
