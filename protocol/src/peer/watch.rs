//! The watch: one thread for all connections of the process, asleep until something arrives on one that nobody
//! reads, or until a seat that was put back is to be looked after.
//!
//! While callers are active on a connection it is not watched, so that no arrival wakes this thread for nothing;
//! where nothing goes on, no timer ticks.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use super::connection::{Connection, Inner};
use super::io::{End, Wake};
use super::poller::{Poller, Token, Told};
use super::{seat, turn};

/// How long a seat may lie unused before the watch sees to it; also how long a handler may keep the thread that
/// reads.
const LOOK_AFTER: Duration = Duration::from_millis(1);

struct Watchman {
    poller: Poller,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_token: Token,
    watched: HashMap<Token, Weak<Inner>>,
    /// Whose seats are to be looked after next.
    looks: Vec<Token>,
}

/// The thread's, and everybody's; an error where the system had no descriptors or threads left.
fn watchman() -> io::Result<&'static Watchman> {
    static WATCHMAN: OnceLock<Watchman> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(watchman) = WATCHMAN.get() {
        return Ok(watchman);
    }
    let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if WATCHMAN.get().is_none() {
        let watchman = Watchman { poller: Poller::new()?, state: Mutex::default() };
        std::thread::Builder::new().name("plugline-watch".into()).spawn(|| WATCHMAN.wait().run())?;
        // Nobody else sets it: they would have to hold the lock.
        WATCHMAN.get_or_init(|| watchman);
    }
    Ok(WATCHMAN.wait())
}

/// The watch over one connection.
pub(super) struct Watch {
    token: Token,
    watchman: &'static Watchman,
    /// Its seat will be looked after.
    look: AtomicBool,
    /// What can be read, and the end of the process that would write it; `None` once both have ended.
    ends: Mutex<Option<(Arc<End>, Arc<Wake>)>>,
}

impl Watch {
    /// A watch that is not armed.
    pub(super) fn new(read: Arc<End>, ended: Arc<Wake>) -> io::Result<Self> {
        let watchman = watchman()?;
        let token = {
            let mut state = watchman.lock();
            state.last_token += 1;
            state.last_token
        };
        watchman.poller.add(read.as_fd(), token)?;
        if let Err(fault) = watchman.poller.add(ended.as_fd(), token) {
            watchman.poller.remove(read.as_fd());
            return Err(fault);
        }
        let look = AtomicBool::new(false);
        Ok(Self { token, watchman, look, ends: Mutex::new(Some((read, ended))) })
    }

    /// Says whom to tell.
    pub(super) fn tell(&self, inner: &Arc<Inner>) {
        self.watchman.lock().watched.insert(self.token, Arc::downgrade(inner));
    }

    /// The seat is about to be looked after; whoever wants that from now on has to say so again.
    pub(super) fn looking(&self) {
        self.look.store(false, Ordering::SeqCst);
    }

    fn each(&self, act: impl Fn(&Poller, BorrowedFd<'_>, Token)) {
        if let Some((read, ended)) = &*self.ends.lock().unwrap_or_else(PoisonError::into_inner) {
            act(&self.watchman.poller, read.as_fd(), self.token);
            act(&self.watchman.poller, ended.as_fd(), self.token);
        }
    }
}

impl seat::Watch for Watch {
    fn arm(&self) {
        self.each(Poller::arm);
    }

    fn disarm(&self) {
        self.each(Poller::disarm);
    }

    fn look_later(&self) {
        if !self.look.swap(true, Ordering::SeqCst) {
            self.watchman.look_later(self.token);
        }
    }

    fn retire(&self) {
        self.each(|poller, fd, _| poller.remove(fd));
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.watchman.lock().watched.remove(&self.token);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        seat::Watch::retire(self);
    }
}

impl Watchman {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_later(&self, token: Token) {
        let mut state = self.lock();
        if state.looks.is_empty() {
            self.poller.set_timer(LOOK_AFTER);
        }
        state.looks.push(token);
    }

    fn run(&self) {
        loop {
            let told = self.poller.wait().expect("waiting for descriptors cannot fail");
            for told in told {
                match told {
                    Told::Timer => {
                        let looks = std::mem::take(&mut self.lock().looks);
                        for token in looks {
                            self.with(token, turn::look);
                        }
                    }
                    Told::Ready(token) => self.with(token, turn::serve_what_came),
                }
            }
        }
    }

    fn with(&self, token: Token, act: impl FnOnce(Connection)) {
        let inner = self.lock().watched.get(&token).and_then(Weak::upgrade);
        if let Some(inner) = inner {
            act(Connection { inner });
        }
    }
}
