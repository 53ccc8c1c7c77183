//! What a plugin says besides results, and how it ended: shown on standard error.

use crossbeam_channel::{bounded, select};
use indicatif::ProgressBar;
use plugline_host::{Event, EventKind, Plugin};

use crate::failure::Failure;
use crate::output;

/// Does something while what the plugin says is shown as it comes.
pub(crate) fn beside<T>(plugin: &Plugin, bar: &ProgressBar, work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        let (_ended, ending) = bounded::<()>(0);
        let events = plugin.events();
        // The thread ends when `_ended` is dropped.
        scope.spawn(move || {
            loop {
                select! {
                    recv(events) -> event => match event {
                        Ok(event) => bar.suspend(|| show_one(&event)),
                        Err(_) => return,
                    },
                    recv(ending) -> _ => return,
                }
            }
        });
        work()
    })
}

/// Shows what was not shown yet.
pub(crate) fn show(plugin: &Plugin) {
    for event in plugin.events().try_iter() {
        show_one(&event);
    }
}

fn show_one(event: &Event) {
    if !matches!(event.kind, EventKind::Started { .. } | EventKind::Ready(_) | EventKind::Exited { .. }) {
        output::event(event);
    }
}

/// Stops a plugin after what was done with it, and warns of a bad end where that went well.
pub(crate) fn stop(plugin: &Plugin, done: Result<(), Failure>) -> Result<(), Failure> {
    let stopped = plugin.stop();
    show(plugin);
    done?;
    match stopped.exit {
        Some(exit) if exit.code == Some(0) => {}
        Some(exit) => output::warning(&format!("after its answer the plugin {exit}")),
        None => output::warning("after its answer the plugin could not be stopped"),
    }
    Ok(())
}
