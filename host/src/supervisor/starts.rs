//! How many plugins start at once: hundreds of processes that all load their libraries at the same time start later than
//! a few after a few.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

type Task = Box<dyn FnOnce() + Send>;

/// How many plugins start at once. Clones are the same limit.
#[derive(Clone)]
pub struct Starts(Arc<Shared>);

struct Shared {
    most: usize,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    /// Threads that start plugins, one after another.
    running: usize,
    waiting: VecDeque<Task>,
}

impl Starts {
    /// So many at once, unless said otherwise.
    pub const USUAL: NonZeroUsize = NonZeroUsize::new(16).expect("16 is not 0");

    /// So many at once, of all that are given this or a clone of it.
    pub fn at_most(most: NonZeroUsize) -> Self {
        Self(Arc::new(Shared { most: most.get(), line: Mutex::default() }))
    }

    /// 16 at once, of all in this process that are given none of their own.
    pub fn of_the_process() -> Self {
        static ALL: OnceLock<Starts> = OnceLock::new();
        ALL.get_or_init(|| Self::at_most(Self::USUAL)).clone()
    }

    /// Runs a start on a thread, in its turn.
    pub(super) fn run(&self, start: Task) -> io::Result<()> {
        let mut line = self.0.lock();
        if line.running >= self.0.most {
            line.waiting.push_back(start);
            return Ok(());
        }
        let shared = Arc::clone(&self.0);
        std::thread::Builder::new().name("plugline-start".into()).spawn(move || shared.run(start))?;
        line.running += 1;
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut start: Task) {
        loop {
            // The panic hook has reported it; the others are to start all the same.
            let _panicked = catch_unwind(AssertUnwindSafe(start));
            let mut line = self.lock();
            let Some(next) = line.waiting.pop_front() else {
                line.running -= 1;
                return;
            };
            start = next;
        }
    }
}

impl fmt::Debug for Starts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.0.lock();
        f.debug_struct("Starts")
            .field("most", &self.0.most)
            .field("running", &line.running)
            .field("waiting", &line.waiting.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn no_more_than_that_many_at_once_and_all_of_them() {
        let starts = Starts::at_most(NonZeroUsize::new(3).unwrap());
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let full = Arc::new(Barrier::new(3));
        let (done, all_done) = channel();
        for number in 0..100 {
            let (running, most, full, done) =
                (Arc::clone(&running), Arc::clone(&most), Arc::clone(&full), done.clone());
            let start = move || {
                most.fetch_max(running.fetch_add(1, Ordering::AcqRel) + 1, Ordering::AcqRel);
                if number < 3 {
                    full.wait(); // Three are there at once, or this never ends.
                }
                running.fetch_sub(1, Ordering::AcqRel);
                done.send(number).unwrap();
                assert!(number != 50, "one that panics keeps no other from starting");
            };
            starts.run(Box::new(start)).unwrap();
        }
        let mut started: Vec<i32> = all_done.iter().take(100).collect();
        started.sort_unstable();
        assert_eq!(started, (0..100).collect::<Vec<_>>());
        assert_eq!(most.load(Ordering::Acquire), 3);
    }
}
