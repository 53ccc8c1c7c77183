//! What happens to a plugin besides calls, as events on a channel that is bounded in bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, unbounded};
use plugline_protocol::lifecycle::InitializeResult;
use plugline_protocol::lifecycle::messages::Log;

use crate::process::Exit;

/// What may wait in the channel; bytes, roughly. One event always may.
const QUEUE_BYTES: usize = 1024 * 1024;
/// What an event costs besides its text.
const EVENT_BYTES: usize = 64;

/// Something that happened to a plugin.
#[derive(Debug)]
pub struct Event {
    /// What it was.
    pub kind: EventKind,
    /// How many events before this one were dropped because nobody took them.
    pub dropped: u64,
    _charge: Charge,
}

/// What happened. Text that comes from the plugin is escaped where it is for people, and as it came in
/// [`EventKind::Log`]: escape that with [`escape`](crate::escape) before a terminal sees it.
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
    /// A call that ended for its caller was not answered in due time.
    Unhealthy {
        /// What was called.
        method: String,
    },
    /// The process is gone and reaped.
    Exited {
        /// How it ended.
        exit: Exit,
        /// Whether this side had asked for it.
        wanted: bool,
        /// Its last lines on standard error, escaped.
        stderr_tail: Vec<String>,
    },
}

impl EventKind {
    /// Whether it may be dropped where nobody takes it. What happens once in a plugin's life is always told.
    fn is_droppable(&self) -> bool {
        match self {
            Self::Log(_)
            | Self::Stderr(_)
            | Self::Stray { .. }
            | Self::Ignored(_)
            | Self::Unhealthy { .. } => true,
            Self::Started { .. } | Self::Ready(_) | Self::Exited { .. } => false,
        }
    }

    fn size(&self) -> usize {
        EVENT_BYTES
            + match self {
                Self::Log(log) => {
                    let fields = log.fields.iter().map(|(name, value)| name.len() + value.to_string().len());
                    let target = log.target.as_ref().map_or(0, String::len);
                    log.message.len() + target + fields.sum::<usize>()
                }
                Self::Stderr(text) | Self::Stray { text, .. } | Self::Ignored(text) => text.len(),
                Self::Unhealthy { method } => method.len(),
                Self::Started { .. } | Self::Ready(_) | Self::Exited { .. } => 0,
            }
    }
}

/// The bytes that an event holds in the channel; given back when it is dropped.
#[derive(Debug)]
struct Charge {
    bytes: usize,
    total: Arc<AtomicUsize>,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// The sending end. Never waits: what nobody takes is dropped and counted.
#[derive(Debug)]
pub(crate) struct Events {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
    held: Arc<AtomicUsize>,
    dropped: AtomicU64,
}

impl Events {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = unbounded();
        Self { sender, receiver, held: Arc::default(), dropped: AtomicU64::new(0) }
    }

    pub(crate) fn receiver(&self) -> Receiver<Event> {
        self.receiver.clone()
    }

    pub(crate) fn send(&self, kind: EventKind) {
        let bytes = kind.size();
        let held = self.held.fetch_add(bytes, Ordering::AcqRel);
        let charge = Charge { bytes, total: Arc::clone(&self.held) };
        if kind.is_droppable() && held > 0 && held + bytes > QUEUE_BYTES {
            self.dropped.fetch_add(1, Ordering::AcqRel);
            return;
        }
        let dropped = self.dropped.swap(0, Ordering::AcqRel);
        // The receiver lives in this struct.
        let _sent = self.sender.send(Event { kind, dropped, _charge: charge });
    }
}

#[cfg(test)]
mod tests {
    use plugline_protocol::lifecycle::messages::Level;
    use serde_json::Map;

    use super::*;

    #[test]
    fn what_nobody_takes_is_dropped_and_counted() {
        let events = Events::new();
        let text = "x".repeat(100_000);
        for _ in 0..1000 {
            events.send(EventKind::Stderr(text.clone()));
        }
        let kept = events.receiver().try_iter().count();
        assert!((9..=11).contains(&kept), "{kept}");
        events.send(EventKind::Stderr("last".into()));
        let last = events.receiver().try_recv().unwrap();
        assert_eq!(last.dropped, 1000 - kept as u64);
        assert_eq!(events.held.load(Ordering::Acquire), last._charge.bytes);
    }

    #[test]
    fn events_without_text_are_bounded_too() {
        let events = Events::new();
        for _ in 0..100_000 {
            events.send(EventKind::Stderr(String::new()));
        }
        assert!(events.held.load(Ordering::Acquire) <= QUEUE_BYTES);
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
}
