//! How long a plugin is away when its process is killed: until a call is answered by another process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Moment;

/// All times of a run.
#[derive(Debug, Default)]
pub struct Recovery {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    killed: HashMap<String, (u32, Moment)>,
    times: Vec<Duration>,
}

impl Recovery {
    /// That process was killed, and it was the only one of its plugin.
    pub fn killed(&self, plugin: &str, pid: u32) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.killed.insert(plugin.to_owned(), (pid, Moment::now()));
    }

    /// Something else was done to it, so that how long it is away tells nothing of the kill.
    pub fn disturbed(&self, plugin: &str) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).killed.remove(plugin);
    }

    /// That process has answered a call.
    pub fn answered(&self, plugin: &str, pid: u32) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((killed, at)) = state.killed.get(plugin).copied()
            && killed != pid
        {
            state.killed.remove(plugin);
            state.times.push(Moment::now().since(at));
        }
    }

    /// Whoever was killed and has not answered yet is waited for no more.
    pub fn forget(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).killed.clear();
    }

    /// All times, the shortest first.
    #[must_use]
    pub fn times(&self) -> Vec<Duration> {
        let mut times = self.state.lock().unwrap_or_else(PoisonError::into_inner).times.clone();
        times.sort_unstable();
        times
    }
}
