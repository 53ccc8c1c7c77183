//! All go: of one plugin, or of many by a deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::decision::Decision;
use super::handle::Supervised;
use super::live::Live;
use super::roster::Supervisor;
use super::state::{Phase, Stage};
use crate::ladder::Stopped;
use crate::plugin::Instance;
use crate::process::Signal;
use crate::timeouts::A_YEAR;

/// So many ladders are descended at once. They mostly wait.
const AT_ONCE: usize = 64;

/// Stops plugins, many at once, and returns when all their processes are reaped: how each instance of each ended. What
/// takes longer than that, all together, is killed.
///
/// It is for good: calls fail from then on ([`Supervised::stop`]).
pub fn stop_all<'a>(
    plugins: impl IntoIterator<Item = &'a Supervised>,
    within: Duration,
) -> Vec<Vec<Stopped>> {
    let supervisors: Vec<&Arc<Supervisor>> = plugins.into_iter().map(Supervised::supervisor).collect();
    let deadline = Instant::now() + within.min(A_YEAR);
    let (next, (done, all_done)) = (AtomicUsize::new(0), channel());
    let stop = |done: &std::sync::mpsc::Sender<_>| {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(supervisor) = supervisors.get(index) else { return };
            if deadline <= Instant::now() {
                supervisor.kill();
            }
            let stopped = supervisor.stop();
            // Whoever waits for it holds the other end.
            let _heard = done.send((index, stopped));
        }
    };
    let mut all = vec![Vec::new(); supervisors.len()];
    std::thread::scope(|scope| {
        let mut threads = 0;
        for _ in 0..supervisors.len().min(AT_ONCE) {
            let (stop, done) = (&stop, done.clone());
            let thread = std::thread::Builder::new().name("plugline-stop".into());
            if thread.spawn_scoped(scope, move || stop(&done)).is_ok() {
                threads += 1;
            }
        }
        if threads == 0 {
            // None can be had: there is no time to ask each of them nicely, one after another.
            supervisors.iter().for_each(|supervisor| supervisor.kill());
            stop(&done);
        }
        drop(done);
        let mut patience = Some(deadline);
        loop {
            let heard = match patience {
                Some(deadline) => all_done.recv_timeout(deadline.saturating_duration_since(Instant::now())),
                None => all_done.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match heard {
                Ok((index, stopped)) => all[index] = stopped,
                Err(RecvTimeoutError::Timeout) => {
                    patience = None;
                    supervisors.iter().for_each(|supervisor| supervisor.kill());
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    });
    all
}

/// Descends the ladder of each, at once.
pub(super) fn stop_instances(instances: &[Arc<Instance>]) -> Vec<Stopped> {
    match instances {
        [] => Vec::new(),
        [only] => vec![only.stop()],
        many => std::thread::scope(|scope| {
            let stop = |instance: &Arc<Instance>| {
                let instance = Arc::clone(instance);
                let thread = std::thread::Builder::new().name("plugline-stop".into());
                let this = Arc::clone(&instance);
                thread.spawn_scoped(scope, move || this.stop()).map_err(|_| instance)
            };
            let stopping: Vec<_> = many.iter().map(stop).collect();
            stopping
                .into_iter()
                .map(|stopping| match stopping {
                    Ok(thread) => thread.join().expect("a ladder does not panic"),
                    Err(instance) => instance.stop(),
                })
                .collect()
        }),
    }
}

/// What was there when all was to go.
#[derive(Default)]
pub(super) struct Closing {
    /// It is held, since letting go of it would be another way to stop it.
    serving: Vec<Arc<Live>>,
    starting: Vec<Arc<Instance>>,
}

impl Closing {
    fn instances(&self) -> Vec<Arc<Instance>> {
        let serving = self.serving.iter().map(|live| live.instance());
        serving.chain(&self.starting).map(Arc::clone).collect()
    }
}

impl Supervisor {
    /// From here on nothing is started, and no call begins. What there is, is to be stopped.
    fn close(&self) -> Vec<Arc<Instance>> {
        let mut state = self.lock();
        if state.stage == Stage::Stopped {
            // A start that had begun has a process by now.
            for instance in state.starting().collect::<Vec<_>>() {
                if !state.closing.starting.iter().any(|known| Arc::ptr_eq(known, &instance)) {
                    state.closing.starting.push(instance);
                }
            }
            return state.closing.instances();
        }
        state.stage = Stage::Stopped;
        state.launch.give_up();
        let mut closing = Closing { starting: state.starting().collect(), ..Closing::default() };
        closing.serving.append(&mut state.replaced);
        for place in &mut state.places {
            match std::mem::replace(&mut place.phase, Phase::Empty) {
                Phase::Up(live) | Phase::Leaving(live, _) => {
                    live.usage.retire();
                    closing.serving.push(live);
                }
                Phase::Empty | Phase::Starting(_) | Phase::Resting { .. } | Phase::Looping { .. } => {}
            }
        }
        let started = closing.starting.clone();
        let instances = closing.instances();
        state.closing = closing;
        self.publish(&mut state);
        drop(state);
        // There is nothing to be shut down gently yet.
        started.iter().for_each(|instance| instance.stop_later());
        instances
    }

    pub(super) fn stop(&self) -> Vec<Stopped> {
        let first = self.lock().stage != Stage::Stopped;
        let stopped = stop_instances(&self.close());
        // A start that had begun sees that it is not wanted, or its connection end; then its process is reaped.
        let mut state = self.lock();
        while !state.flights.is_empty() {
            state = self.wait(state, None);
        }
        drop(state);
        if first {
            self.tell(0, Decision::Stopped);
        }
        stopped
    }

    /// The last handle is gone: nobody waits for the end.
    pub(super) fn abandon(&self) {
        for instance in self.close() {
            instance.stop_later();
        }
        // Whoever holds on to a call or a stream of it is not to keep the rest.
        let closing = std::mem::take(&mut self.lock().closing);
        drop(closing);
    }

    /// There is no more time.
    fn kill(&self) {
        for instance in self.close() {
            instance.process.signal(Signal::Kill);
        }
    }
}
