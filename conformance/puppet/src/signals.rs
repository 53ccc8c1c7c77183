//! Signals: reported all, and heeded or not as the runner says.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::link::Link;

/// Whether SIGTERM ends this process: with 0, as it ends a plugin that keeps the specification.
pub(crate) struct Heed(AtomicBool);

impl Heed {
    pub(crate) fn set(&self, heeds: bool) {
        self.0.store(heeds, Ordering::Release);
    }
}

pub(crate) fn watch(link: &Arc<Link>) -> io::Result<Arc<Heed>> {
    let heed = Arc::new(Heed(AtomicBool::new(true)));
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2])?;
    let (link, heeded) = (Arc::clone(link), Arc::clone(&heed));
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in &mut signals {
            let told = link.report(&json!({"signal": signal}));
            if told.is_err() || (signal == SIGTERM && heeded.0.load(Ordering::Acquire)) {
                std::process::exit(0);
            }
        }
    })?;
    Ok(heed)
}
