//! Writes into the journal what the host tells, and what plugins say that they are about to do.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use plugline_host::manager::{ManagerEvent, ManagerEventKind};
use plugline_host::{Decision, Event, EventKind};

use crate::clock::Moment;
use crate::contract::CONFESSIONS;
use crate::journal::{Entry, Journal, What};

const LOOK: Duration = Duration::from_millis(50);

/// Takes what a manager tells until that is over and nothing is left.
pub fn of_manager(events: &Receiver<ManagerEvent>, journal: &Journal, over: &AtomicBool) {
    take(events, over, |event: ManagerEvent| {
        journal.dropped(event.dropped);
        match event.kind {
            ManagerEventKind::Plugin(kind) => of_plugin(&event.plugin, kind, journal),
            ManagerEventKind::Reloaded { .. } | ManagerEventKind::RolledBack { .. } => {
                journal.note(&event.plugin, What::TookOver);
            }
            ManagerEventKind::NotReloaded { why } => {
                journal.note(&event.plugin, What::NotTakenOver);
                journal.note(&event.plugin, What::Told(format!("NotReloaded: {why}")));
            }
            kind => journal.note(&event.plugin, What::Told(format!("{kind:?}"))),
        }
    });
}

/// Takes what a plugin tells that the host supervises by itself.
pub fn of_supervised(name: &str, events: &Receiver<Event>, journal: &Journal, over: &AtomicBool) {
    take(events, over, |event: Event| {
        journal.dropped(event.dropped);
        of_plugin(name, event.kind, journal);
    });
}

fn take<E>(events: &Receiver<E>, over: &AtomicBool, mut told: impl FnMut(E)) {
    loop {
        match events.recv_timeout(LOOK) {
            Ok(event) => told(event),
            Err(RecvTimeoutError::Timeout) if over.load(Ordering::Relaxed) => return,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Writes down what a plugin tells.
pub fn of_plugin(name: &str, kind: EventKind, journal: &Journal) {
    let what = match kind {
        EventKind::Exited { exit, .. } => What::Exited(exit),
        EventKind::Supervision(decision) => match decision {
            Decision::Replaced { reason } => What::GivenUp(reason),
            Decision::CrashLoop { .. } => What::CrashLoop,
            Decision::Swapped { .. } => What::TookOver,
            Decision::SwapFailed { reason } => {
                journal.note(name, What::Told(format!("SwapFailed: {reason}")));
                What::NotTakenOver
            }
            Decision::StoppedIdle { .. } => What::Idle,
            other => What::Told(format!("{other:?}")),
        },
        // Of these there are too many to keep each.
        EventKind::Log(_) => return journal.heard("log records"),
        EventKind::Stderr(_) => return journal.heard("lines on standard error"),
        EventKind::Stray { held_back, .. } => {
            return (0..=held_back)
                .for_each(|_| journal.heard("lines on standard output that are no message"));
        }
        EventKind::Ignored(_) => return journal.heard("messages that were ignored"),
        EventKind::Started { .. } => return journal.heard("processes started"),
        EventKind::Ready(_) => return journal.heard("handshakes done"),
        other => What::Told(format!("{other:?}")),
    };
    journal.note(name, what);
}

/// Takes what plugins confess, until that is over.
///
/// # Errors
/// Where it cannot be read.
pub fn of_confessions(directory: &Path, journal: &Journal, over: &AtomicBool) -> std::io::Result<()> {
    let mut lines = BufReader::new(File::open(directory.join(CONFESSIONS))?);
    let mut line = String::new();
    loop {
        // The file is appended to in whole lines.
        let is_over = over.load(Ordering::Relaxed);
        while lines.read_line(&mut line)? > 0 {
            if let Some(entry) = confession(line.trim_end()) {
                journal.add(entry);
            }
            line.clear();
        }
        if is_over {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
}

fn confession(line: &str) -> Option<Entry> {
    let mut words = line.splitn(4, ' ');
    let at = Moment::of_nanos(words.next()?.parse().ok()?);
    let plugin = words.next()?.to_owned();
    let (_pid, what) = (words.next()?, words.next()?);
    // What it does may last, and what is done to it of that comes later.
    let until = at.after(Duration::from_secs(10));
    Some(Entry { at, until, plugin, what: What::Misbehaved(what.to_owned()) })
}
