//! What this kernel has to enforce a sandbox with.

use std::fmt;

/// What a system has to enforce sandboxes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Support {
    /// The version of Landlock, as far as it is made use of; 0 where there is none, or it was not switched on at boot.
    pub landlock: u32,
    /// Whether the kernel takes filters of system calls, and this program knows the calls of this architecture.
    pub system_calls: bool,
    /// Whether this user may make a user namespace, within which the kernel counts a plugin's processes by themselves.
    pub user_namespaces: bool,
    /// Whether this process is root's: the kernel does not count root's processes.
    pub root: bool,
}

/// What Landlock needs to deny the shortening of files, without which a rule about files has a hole (Linux 6.2).
pub(super) const LANDLOCK_TRUNCATE: u32 = 3;
/// … TCP (Linux 6.7).
pub(super) const LANDLOCK_TCP: u32 = 4;
/// … signals (Linux 6.12).
pub(super) const LANDLOCK_SIGNALS: u32 = 6;

impl Support {
    /// Nothing.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn here() -> Self {
        Self { landlock: 0, system_calls: false, user_namespaces: false, root: false }
    }

    /// What this system has; found out once in the life of a process, but for whose process it is.
    #[cfg(target_os = "linux")]
    pub(super) fn here() -> Self {
        use super::super::sys;
        use std::sync::OnceLock;
        static HERE: OnceLock<Support> = OnceLock::new();
        let root = rustix::process::geteuid().is_root();
        let here = HERE.get_or_init(|| Self {
            landlock: super::files::version(),
            system_calls: super::syscalls::ARCHITECTURE.is_some() && sys::takes_filters(),
            user_namespaces: sys::makes_user_namespaces(&super::confine::maps()),
            root,
        });
        Self { root, ..*here }
    }
}

/// As a person reads it, in one line.
impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { landlock, system_calls, user_namespaces, .. } = self;
        match landlock {
            0 => f.write_str("no Landlock")?,
            version => write!(f, "Landlock ABI {version}")?,
        }
        f.write_str(if *system_calls { ", seccomp" } else { ", no seccomp" })?;
        f.write_str(if *user_namespaces { ", user namespaces" } else { ", no user namespaces" })
    }
}
