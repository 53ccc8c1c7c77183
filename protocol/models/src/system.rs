//! What the engine finds outside itself: a pipe in and a pipe out, the watch's thread, and workers. One of it an
//! execution, behind one lock that is held for moments, so that it adds little to what is to be explored.

use std::collections::VecDeque;

use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::workers::Job;

#[derive(Default)]
pub(crate) struct System {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
pub(crate) struct State {
    /// The pipe in: each byte is a message.
    pub(crate) incoming: VecDeque<u8>,
    /// Nobody will write to it any more.
    pub(crate) ended: bool,
    /// The bell was rung.
    pub(crate) rung: bool,
    /// The pipe out, how much more it takes, and whether its waits were ended.
    pub(crate) outgoing: Vec<u8>,
    pub(crate) room: usize,
    pub(crate) aborted: bool,
    /// The watch tells of what is in the pipe.
    pub(crate) armed: bool,
    /// A look was asked for, and has not begun.
    pub(crate) look_wanted: bool,
    /// The watch's thread knows of it.
    pub(crate) look_due: bool,
    /// What workers are to do.
    pub(crate) jobs: VecDeque<Job>,
    /// How many threads of the model have done what they were to do.
    pub(crate) over: usize,
}

loom::lazy_static! {
    static ref SYSTEM: System = System::default();
}

/// The system, as it is at this moment.
pub(crate) fn system() -> MutexGuard<'static, State> {
    SYSTEM.state.lock().expect("no model panics while it holds this")
}

/// Changes the system, and wakes who waits for that.
pub(crate) fn change<T>(act: impl FnOnce(&mut State) -> T) -> T {
    let result = act(&mut system());
    SYSTEM.changed.notify_all();
    result
}

/// Waits until there is something to be had of the system.
pub(crate) fn wait_for<T>(mut get: impl FnMut(&mut State) -> Option<T>) -> T {
    let mut state = system();
    loop {
        if let Some(result) = get(&mut state) {
            return result;
        }
        state = SYSTEM.changed.wait(state).expect("no model panics while it holds this");
    }
}

/// The other side says something.
pub(crate) fn say(messages: &[u8]) {
    change(|state| state.incoming.extend(messages));
}

/// The other side closes the pipe.
pub(crate) fn hang_up() {
    change(|state| state.ended = true);
}

/// A thread of the model has done what it was to do.
pub(crate) fn is_over() {
    change(|state| state.over += 1);
}
