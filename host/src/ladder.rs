//! Stopping a plugin: `rpc.shutdown`, closing stdin, SIGTERM, SIGKILL, each with its time, and the reaping.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use plugline_protocol::lifecycle::messages::Shutdown;
use plugline_protocol::lifecycle::methods;
use plugline_protocol::peer::RequestOptions;

use crate::error::is_loss;
use crate::plugin::Instance;
use crate::process::{Exit, Signal};
use crate::timeouts::A_YEAR;

/// What the answer to `rpc.shutdown` may take beyond its grace.
const AFTER_GRACE: Duration = Duration::from_millis(500);
/// SIGKILL cannot be refused, but the kernel may be busy, or the process in a system call that never ends.
const AFTER_KILL: Duration = Duration::from_secs(10);

/// What it took to end a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    /// It was gone already.
    Gone,
    /// `rpc.shutdown` or closing stdin.
    Asked,
    /// SIGTERM.
    Terminated,
    /// SIGKILL.
    Killed,
}

/// How a plugin was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// How its process ended; `None` where not even SIGKILL ended it in time.
    pub exit: Option<Exit>,
    /// What it took.
    pub rung: Rung,
}

/// Where a ladder begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Shutdown,
    ClosingStdin,
}

/// Descends the ladder; returns when the process is reaped.
pub(crate) fn descend(instance: &Instance, from: From) -> Stopped {
    let Instance { connection, process, timeouts, .. } = instance;
    let gone = process.exit().is_some();
    if from == From::Shutdown && !gone {
        let shutdown = Shutdown { grace_ms: u64::try_from(timeouts.grace.as_millis()).unwrap_or(u64::MAX) };
        let options = RequestOptions::timeout(timeouts.grace + AFTER_GRACE);
        // Whatever it answers, or if it does not: the next rung follows.
        let _answer = connection.call::<serde_json::Value>(methods::SHUTDOWN, &shutdown, options);
    }
    connection.shut();
    if process.let_go() {
        connection.abort();
        connection.join();
        return Stopped { exit: process.exit(), rung: if gone { Rung::Gone } else { Rung::Asked } };
    }
    let rungs = [
        (Rung::Asked, None, timeouts.exit),
        (Rung::Terminated, Some(Signal::Terminate), timeouts.term),
        (Rung::Killed, Some(Signal::Kill), AFTER_KILL),
    ];
    let mut stopped = Stopped { exit: None, rung: Rung::Killed };
    for (rung, signal, patience) in rungs {
        if let Some(signal) = signal {
            process.signal(signal);
        }
        if let Some(exit) = process.wait(patience) {
            stopped = Stopped { exit: Some(exit), rung: if gone { Rung::Gone } else { rung } };
            break;
        }
    }
    // What is still queued has no reader; a descendant that left the group may hold the pipe open.
    connection.abort();
    if stopped.exit.is_some() {
        connection.join();
    }
    stopped
}

/// Ladders that are being descended in the background.
static DESCENDING: Mutex<usize> = Mutex::new(0);
static DESCENDED: Condvar = Condvar::new();

/// Descends the ladder on a thread of its own.
pub(crate) fn descend_later(instance: Arc<Instance>) {
    struct Count;
    impl Drop for Count {
        fn drop(&mut self) {
            *DESCENDING.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            DESCENDED.notify_all();
        }
    }
    *DESCENDING.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    let count = Count;
    let descent = {
        let instance = Arc::clone(&instance);
        move || {
            let _count = count;
            if instance.connection.closed().is_some_and(|reason| is_loss(reason)) {
                // Before anything is done that could end it.
                instance.lost();
            }
            let stopped = descend(&instance, From::ClosingStdin);
            instance.stopped(stopped);
        }
    };
    if std::thread::Builder::new().name("plugline-ladder".into()).spawn(descent).is_err() {
        // No thread can be had: what needs no waiting is done here, and the rest by whoever stops it.
        instance.connection.abort();
        instance.process.signal(Signal::Kill);
        instance.not_descended();
    }
}

/// Waits until every plugin whose last handle was dropped, or that failed to start, is stopped and reaped; at
/// most that long. For a program that is about to end. Says whether all are.
pub fn settle(at_most: Duration) -> bool {
    let deadline = Instant::now() + at_most.min(A_YEAR);
    let mut descending = DESCENDING.lock().unwrap_or_else(PoisonError::into_inner);
    while *descending > 0 {
        let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
        descending = DESCENDED.wait_timeout(descending, left).unwrap_or_else(PoisonError::into_inner).0;
    }
    true
}
