//! The host's side of one connection: the callbacks it serves, and what becomes of all that is no call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use plugline_protocol::lifecycle::methods;
use plugline_protocol::peer::{Connection, Handler, Listener, Report, Route, Service};
use plugline_protocol::wire::{Error, Params, error, escape, quote};

use crate::event::{EventKind, Events};
use crate::plugin::Instance;
use crate::secrets::Cut;

/// So many stray lines of a connection are always reported …
const STRAY_ALWAYS: u64 = 10;
/// … and so many in each of these from then on.
const STRAY_PER_WINDOW: u64 = 10;
const STRAY_WINDOW: Duration = Duration::from_secs(1);

/// The host's side of one connection.
pub(crate) struct HostService {
    pub(crate) callbacks: HashMap<String, Handler>,
    pub(crate) listeners: HashMap<String, Listener>,
    pub(crate) events: Arc<Events>,
    /// Whose plugin this is; set when the connection is open.
    pub(crate) instance: OnceLock<Weak<Instance>>,
    pub(crate) stray: Mutex<Stray>,
}

/// Which stray lines were reported.
#[derive(Debug, Default)]
pub(crate) struct Stray {
    /// The first one, for errors.
    pub(crate) first: Option<String>,
    reported: u64,
    held_back: u64,
    window: Option<(Instant, u64)>,
}

impl Stray {
    /// Whether the next line is to be reported, and after how many that were not.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.reported >= STRAY_ALWAYS {
            let window = self.window.get_or_insert((now, 0));
            if now.duration_since(window.0) >= STRAY_WINDOW {
                *window = (now, 0);
            }
            if window.1 == STRAY_PER_WINDOW {
                self.held_back += 1;
                return None;
            }
            window.1 += 1;
        }
        self.reported += 1;
        Some(std::mem::take(&mut self.held_back))
    }
}

impl HostService {
    pub(crate) fn stray(&self) -> MutexGuard<'_, Stray> {
        self.stray.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn instance(&self) -> Option<Arc<Instance>> {
        self.instance.get().and_then(Weak::upgrade)
    }
}

impl Service for HostService {
    fn route(&self, connection: &Connection, method: &str, _: Params<'_>) -> Result<Route, Error> {
        // A host serves none of these, before the handshake as after it.
        let known_early = matches!(method, methods::INITIALIZE | methods::DISCOVER | methods::SHUTDOWN);
        if connection.remote().is_none() && !known_early {
            return Err(error::not_initialized(method));
        }
        let handler = self.callbacks.get(method).cloned();
        handler.map(Route::Run).ok_or_else(|| error::method_not_found(method))
    }

    fn listener(&self, method: &str) -> Option<Listener> {
        self.listeners.get(method).cloned()
    }

    fn report(&self, report: Report<'_>) {
        match report {
            Report::Stray(line) => {
                let mut stray = self.stray();
                // The first one is always told. Nobody needs the text of the others.
                if let Some(held_back) = stray.admit(Instant::now()) {
                    let text = self.events.redactor().redact_cut(quote(line), Cut::After);
                    stray.first.get_or_insert_with(|| text.clone());
                    self.events.send(EventKind::Stray { text, held_back });
                }
            }
            Report::Log(log) => self.events.send(EventKind::Log(log)),
            Report::Ignored(what) => self.events.send(EventKind::Ignored(escape(what.as_bytes()))),
            Report::Unanswered { method, .. } => self.events.send(EventKind::Unhealthy { method }),
            Report::Closed(_) => {
                if let Some(instance) = self.instance() {
                    instance.broken();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ten_stray_lines_always_and_then_ten_a_second() {
        let mut stray = Stray::default();
        let start = Instant::now();
        let reported = (0..1000).filter(|_| stray.admit(start).is_some()).count();
        assert_eq!(reported, 20);
        assert_eq!(stray.admit(start + STRAY_WINDOW), Some(980));
        assert_eq!(stray.admit(start + STRAY_WINDOW), Some(0));
    }
}
