//! One child process: who signals it, who reaps it, and in which order.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use plugline_protocol::peer::Wake;
use rustix::process::{Pid, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::guard::Guard;
use super::sandbox::{Enforcement, Held};
use super::stderr::{self, Tail};

/// What a plugin that lost its host has for its end: the ladder that it would have got from a living one.
const LADDER: Duration = Duration::from_secs(5);

/// So long is waited at most for a plugin's directory to be removed before its end is told: who made more files than that
/// keeps nobody waiting for it.
const REMOVAL: Duration = Duration::from_secs(1);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Its exit status, where it exited by itself.
    pub code: Option<i32>,
    /// The signal that ended it, where one did. Both are unknown where somebody else reaped it.
    pub signal: Option<i32>,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exited with status {code}"),
            (None, Some(signal)) => match signal_name(signal) {
                Some(name) => write!(f, "was killed by {name}"),
                None => write!(f, "was killed by signal {signal}"),
            },
            (None, None) => f.write_str("ended; somebody else took its exit status"),
        }
    }
}

fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGSYS => "SIGSYS",
        _ => return None,
    })
}

/// A signal to a process group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, as a terminal sends it to all that run there. No rung of the ladder.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// A running process, and what is known of it when it has ended.
///
/// A thread waits for it to end and reaps it, whether anybody holds this or not; nobody ends it by dropping this. One
/// that somebody else started is neither signalled nor reaped: it is let go.
#[derive(Debug)]
pub struct Process {
    whose: Whose,
    state: Mutex<State>,
    changed: Condvar,
    ended: Arc<Wake>,
    stderr: Arc<Tail>,
    sandbox: Option<Enforcement>,
    /// What could not be removed after its end, or not in time.
    leftover: OnceLock<String>,
}

enum Whose {
    /// Started here; it leads a group of that id.
    Ours(Pid),
    /// Started by somebody else; who is to be told when it is let go.
    Theirs(Mutex<Option<Told>>),
}

type Told = Box<dyn FnOnce(Exit) + Send>;

impl std::fmt::Debug for Whose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ours(pid) => f.debug_tuple("Ours").field(pid).finish(),
            Self::Theirs(_) => f.write_str("Theirs"),
        }
    }
}

#[derive(Debug)]
enum State {
    /// Not reaped: its id, and its group's, are its own.
    Running,
    /// Reaped: its id may be somebody else's.
    Reaped(Exit),
}

/// A child that nobody reaps yet: where no thread can be started for that, it does not stay.
struct Unwatched(Option<Child>);

impl Unwatched {
    fn watched(mut self) -> Option<Child> {
        self.0.take()
    }
}

impl Drop for Unwatched {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // Both fail where it is gone already, which is what is wanted.
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }
}

/// Returns when that child has ended, also in an application that ignores SIGCHLD: wait(2) would then wait for
/// all its children.
#[cfg(target_os = "linux")]
fn wait_for_end(pid: Pid) {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::process::{PidfdFlags, pidfd_open};
    // Where there is no such descriptor, waitid does the waiting.
    if let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) {
        while poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], None) == Err(rustix::io::Errno::INTR) {}
    }
}

#[cfg(not(target_os = "linux"))]
fn wait_for_end(_: Pid) {}

impl Process {
    pub(super) fn watch(
        child: Child,
        stderr: OwnedFd,
        guarded: bool,
        held: Option<Held>,
        listen: impl FnMut(&[u8]) + Send + 'static,
        exited: impl FnOnce(Exit) + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        let leader = child.id();
        let child = Unwatched(Some(child));
        let guard = if guarded { Some(Guard::start(leader, LADDER)?) } else { None };
        let pid = i32::try_from(leader).ok().and_then(Pid::from_raw).expect("a child has a process id");
        let this = Arc::new(Self {
            whose: Whose::Ours(pid),
            state: Mutex::new(State::Running),
            changed: Condvar::new(),
            ended: Arc::new(Wake::new()?),
            stderr: Arc::default(),
            sandbox: held.as_ref().map(|held| held.enforcement().clone()),
            leftover: OnceLock::new(),
        });
        let (ended, tail) = (Arc::clone(&this.ended), Arc::clone(&this.stderr));
        let drain = std::thread::Builder::new()
            .name("plugline-stderr".into())
            .spawn(move || stderr::drain(&stderr, &ended, &tail, listen))?;
        let (reaped, settles) = (Arc::clone(&this), Arc::clone(&this));
        std::thread::Builder::new().name("plugline-reaper".into()).spawn(move || {
            let settled = || {
                // A panic there was reported by the panic hook.
                let _panicked = drain.join();
                drop(guard);
                let why = match held.map(|held| held.settle(Instant::now() + REMOVAL)) {
                    None | Some(Ok(true)) => return,
                    Some(Ok(false)) => "so much is in it that it is still being removed".to_owned(),
                    Some(Err(fault)) => fault.to_string(),
                };
                settles.leftover.get_or_init(|| why);
            };
            reaped.reap(pid, child, settled, exited);
        })?;
        Ok(this)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the leader to end, kills what is left of its group while the id is still its own, and only
    /// then reaps it.
    fn reap(&self, pid: Pid, child: Unwatched, settled: impl FnOnce(), exited: impl FnOnce(Exit)) {
        wait_for_end(pid);
        let status = loop {
            match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(status) => break status,
                // The host application reaps children itself.
                Err(_) => break None,
            }
        };
        let exit = Exit {
            code: status.as_ref().and_then(|status| status.exit_status()),
            signal: status.as_ref().and_then(|status| status.terminating_signal()),
        };
        self.signal(Signal::Kill);
        self.ended.raise();
        settled();
        let mut state = self.lock();
        if let Some(mut child) = child.watched() {
            // Fails where somebody else reaped it between the two waits.
            let _reaped_elsewhere = child.wait();
        }
        *state = State::Reaped(exit);
        // Before those who wait for it go on.
        exited(exit);
        self.changed.notify_all();
    }

    /// One that somebody else started; `told` is called once, when it is let go.
    pub(crate) fn attached(told: impl FnOnce(Exit) + Send + 'static) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            whose: Whose::Theirs(Mutex::new(Some(Box::new(told)))),
            state: Mutex::new(State::Running),
            changed: Condvar::new(),
            ended: Arc::new(Wake::new()?),
            stderr: Arc::default(),
            sandbox: None,
            leftover: OnceLock::new(),
        }))
    }

    /// Has no more to do with it, where somebody else started it; says whether that is so.
    pub(crate) fn let_go(&self) -> bool {
        let Whose::Theirs(told) = &self.whose else { return false };
        let told = told.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(told) = told {
            let exit = Exit { code: None, signal: None };
            *self.lock() = State::Reaped(exit);
            self.ended.raise();
            told(exit);
            self.changed.notify_all();
        }
        true
    }

    /// The process id; 0, where somebody else started it.
    pub fn id(&self) -> u32 {
        match &self.whose {
            Whose::Ours(pid) => pid.as_raw_nonzero().get().unsigned_abs(),
            Whose::Theirs(_) => 0,
        }
    }

    /// Whether somebody else started it.
    pub fn is_attached(&self) -> bool {
        matches!(self.whose, Whose::Theirs(_))
    }

    /// What of its sandbox is enforced, where it has one.
    pub fn sandbox(&self) -> Option<&Enforcement> {
        self.sandbox.as_ref()
    }

    /// Why its temporary directory could not be removed, where it has ended and that is so.
    pub fn leftover(&self) -> Option<&str> {
        self.leftover.get().map(String::as_str)
    }

    /// Raised when the process has ended and nothing more will come from it.
    pub fn ended(&self) -> Arc<Wake> {
        Arc::clone(&self.ended)
    }

    /// The last lines of its standard error, escaped.
    pub fn stderr_tail(&self) -> Vec<String> {
        self.stderr.lines()
    }

    /// Signals the whole group, unless it was reaped: then its id may be somebody else's. Never one that somebody else
    /// started.
    pub fn signal(&self, signal: Signal) {
        let Whose::Ours(pid) = self.whose else { return };
        let state = self.lock();
        if matches!(*state, State::Running) {
            let signal = match signal {
                Signal::Interrupt => rustix::process::Signal::INT,
                Signal::Terminate => rustix::process::Signal::TERM,
                Signal::Kill => rustix::process::Signal::KILL,
            };
            // Fails where nothing is left of the group, which is what is wanted.
            let _empty = kill_process_group(pid, signal);
        }
        drop(state);
    }

    /// How it ended, if it was reaped within that time.
    pub fn wait(&self, at_most: Duration) -> Option<Exit> {
        let deadline = Instant::now() + at_most;
        let mut state = self.lock();
        loop {
            if let State::Reaped(exit) = *state {
                return Some(exit);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// How it ended, if it was reaped.
    pub fn exit(&self) -> Option<Exit> {
        match *self.lock() {
            State::Running => None,
            State::Reaped(exit) => Some(exit),
        }
    }
}
