//! What somebody wants of a sandbox.

use std::path::PathBuf;
use std::time::Duration;

use super::support::Support;

/// What a plugin's process, and all that it starts, may reach. Linux only.
///
/// Without a word more it may read and execute its own files (its program, and the directory it was told to run in),
/// the system's programs and libraries, and little else; write to a temporary directory of its own, which is removed when
/// it ends; use no network; and signal and trace nobody outside. It has no privileges and few environment variables:
/// `PATH LANG LC_* TZ` of the host, `HOME` and `TMPDIR` (that directory), and what [`Launch::env`](crate::Launch::env)
/// sets. `docs/sandbox.md` has all of it, with what enforces it, from which kernel on, and what is not covered.
///
/// ```no_run
/// use plugline_host::{Plugin, Sandbox};
///
/// let plugin = Plugin::command("./resize").sandbox(Sandbox::new().read("/srv/pictures")).start()?;
/// for measure in plugin.sandbox().expect("it has one").measures() {
///     println!("{measure}");
/// }
/// # Ok::<(), plugline_host::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    pub(super) read: Vec<PathBuf>,
    pub(super) write: Vec<PathBuf>,
    pub(super) network: bool,
    pub(super) user: Option<User>,
    pub(super) memory: Option<u64>,
    pub(super) cpu: Option<Duration>,
    pub(super) processes: Option<u64>,
    pub(super) descriptors: Option<u64>,
    pub(super) file_size: Option<u64>,
    pub(super) unenforced: Unenforced,
}

/// Who a plugin runs as, where its host is root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// What happens where this system cannot enforce all of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unenforced {
    /// The plugin is not started, and the error names what is missing.
    #[default]
    Error,
    /// It is started with the rest of it, and an [`Unenforced`](crate::EventKind::Unenforced) event names what is missing.
    Warn,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox {
    /// Memory of each process unless said; bytes.
    pub const MEMORY: u64 = 1 << 30;
    /// Processes and threads unless said.
    pub const PROCESSES: u64 = 128;
    /// Descriptors of each process unless said.
    pub const DESCRIPTORS: u64 = 256;
    /// The size of a file that is written unless said; bytes.
    pub const FILE_SIZE: u64 = 256 << 20;

    /// The usual one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            read: Vec::new(),
            write: Vec::new(),
            network: false,
            user: None,
            memory: Some(Self::MEMORY),
            cpu: None,
            processes: Some(Self::PROCESSES),
            descriptors: Some(Self::DESCRIPTORS),
            file_size: Some(Self::FILE_SIZE),
            unenforced: Unenforced::Error,
        }
    }

    /// Lets it read and execute that file, or all in that directory. A path that is not there is an error at the start.
    #[must_use]
    pub fn read(mut self, path: impl Into<PathBuf>) -> Self {
        self.read.push(path.into());
        self
    }

    /// Lets it read and write that file, or read, write, make and remove what it likes in that directory. It may execute
    /// none of it, unless [`read`](Self::read) names it, too.
    #[must_use]
    pub fn write(mut self, path: impl Into<PathBuf>) -> Self {
        self.write.push(path.into());
        self
    }

    /// Lets it use IPv4 and IPv6, and read what names are resolved with. Unix sockets of others stay out of its reach.
    #[must_use]
    pub fn network(mut self) -> Self {
        self.network = true;
        self
    }

    /// Runs it as that user and group, without any other group. Only root can do that; and only so does a bound on
    /// processes hold for a plugin of root.
    #[must_use]
    pub fn user(mut self, uid: u32, gid: u32) -> Self {
        self.user = Some(User { uid, gid });
        self
    }

    /// How much writable memory each of its processes may have, in bytes. What is reserved and not writable does not count,
    /// up to 512 times as much.
    #[must_use]
    pub fn memory(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.memory = bytes.into();
        self
    }

    /// How long each of its processes may compute, from its start on: it gets SIGXCPU then, and a second later SIGKILL. Whole
    /// seconds; no bound unless said, as a plugin may live long.
    #[must_use]
    pub fn cpu(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.cpu = time.into();
        self
    }

    /// How many processes and threads there may be of it at the same time.
    #[must_use]
    pub fn processes(mut self, count: impl Into<Option<u64>>) -> Self {
        self.processes = count.into();
        self
    }

    /// How many descriptors each of its processes may have open.
    #[must_use]
    pub fn descriptors(mut self, count: impl Into<Option<u64>>) -> Self {
        self.descriptors = count.into();
        self
    }

    /// How large a file may become by what it writes, in bytes. What all its files take together has no bound.
    #[must_use]
    pub fn file_size(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.file_size = bytes.into();
        self
    }

    /// What happens where this system cannot enforce all of it.
    #[must_use]
    pub fn unenforced(mut self, unenforced: Unenforced) -> Self {
        self.unenforced = unenforced;
        self
    }

    /// What this system has to enforce sandboxes with.
    #[must_use]
    pub fn support() -> Support {
        Support::here()
    }
}
