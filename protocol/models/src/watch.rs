//! In place of `watch.rs`: the watch over the one connection, whose thread is a thread of the model.

use crate::connection::Connection;
use crate::system::{change, system, wait_for};
use crate::workers::Job;
use crate::{seat, turn};

pub(super) struct Watch {
    /// It does nothing, so that who needs it to go on is seen to hang.
    pub(super) blind: bool,
}

impl Watch {
    pub(super) fn looking(&self) {
        system().look_wanted = false;
    }
}

impl seat::Watch for Watch {
    fn arm(&self) {
        change(|state| state.armed = true);
    }

    fn disarm(&self) {
        change(|state| state.armed = false);
    }

    fn look_later(&self) {
        change(|state| {
            if !std::mem::replace(&mut state.look_wanted, true) {
                state.look_due = true;
            }
        });
    }

    fn retire(&self) {
        change(|state| state.armed = false);
    }
}

enum Event {
    Job(Job),
    Look,
    Fired,
    Over,
}

/// The watch's thread, and the workers: does what there is to do, until there is nothing and all `threads` are over
/// and all that came was read.
pub(super) fn watch(connection: &Connection, threads: usize) {
    let sees = !connection.inner.seat.watch().blind;
    loop {
        let event = wait_for(|state| {
            let arrived = !state.incoming.is_empty() || state.ended;
            if let Some(job) = state.jobs.pop_front() {
                Some(Event::Job(job))
            } else if sees && std::mem::take(&mut state.look_due) {
                Some(Event::Look)
            } else if sees && arrived && std::mem::take(&mut state.armed) {
                Some(Event::Fired)
            } else {
                (state.over == threads && (state.incoming.is_empty() || !sees)).then_some(Event::Over)
            }
        });
        match event {
            Event::Job(job) => job(),
            Event::Look => turn::look(connection.clone()),
            Event::Fired => turn::serve_what_came(connection.clone()),
            Event::Over => return,
        }
    }
}
