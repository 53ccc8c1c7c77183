//! How a child confines itself between fork and exec, and what the kernel has for that.

use std::ffi::CStr;
use std::io;

use libc::{c_int, c_long, c_ulong};
use rustix::process::{Rlimit, setrlimit};

use super::super::sandbox::{Bound, Confinement, Maps, Step};

/// Confines this process, which a moment ago was forked and has one thread. It makes system calls and touches no memory
/// but its own stack and what the parent made for it; it neither allocates nor locks.
pub(super) fn become_confined(steps: &Confinement, parent: u32) -> io::Result<()> {
    // Who becomes another user, or enters a namespace, has other privileges then.
    Step::Privileges.of(gain_no_privileges())?;
    if let Some((uid, gid)) = steps.user {
        Step::User.of(become_user(uid, gid))?;
    }
    if let Some(maps) = &steps.namespace {
        Step::Namespace.of(enter_namespace(maps))?;
    }
    Step::Privileges.of(drop_privileges())?;
    // Another user or other privileges would take it back.
    Step::Privileges.of(super::unix::die_with(parent))?;
    for Bound { resource, soft, hard } in &steps.bounds {
        let finite = |value: &u64| Some(*value).filter(|value| *value != u64::MAX);
        let limit = Rlimit { current: finite(soft), maximum: finite(hard) };
        Step::Bounds.of(setrlimit(*resource, limit).map_err(io::Error::from))?;
    }
    if let Some(ruleset) = &steps.ruleset {
        use std::os::fd::AsRawFd;
        // SAFETY: takes a descriptor, which is open as long as the reference, and a number.
        let restricted = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) };
        Step::Files.of(done(restricted))?;
    }
    if let Some(filter) = &steps.filter {
        let length = u16::try_from(filter.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        let program = libc::sock_fprog { len: length, filter: filter.as_ptr().cast_mut() };
        // SAFETY: the kernel reads so many instructions from there, and keeps a copy; it writes nothing.
        let filtered =
            unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
        Step::Calls.of(done(filtered))?;
    }
    Ok(())
}

fn done(returned: c_long) -> io::Result<()> {
    if returned == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    // The system calls themselves: those of the C library would tell other threads, of which there are none.
    // SAFETY: they take integers; an empty list of groups is read from nowhere.
    unsafe {
        done(libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()))?;
        done(libc::syscall(libc::SYS_setresgid, gid, gid, gid))?;
        done(libc::syscall(libc::SYS_setresuid, uid, uid, uid))
    }
}

fn enter_namespace(maps: &Maps) -> io::Result<()> {
    // SAFETY: takes an integer.
    unsafe { done(libc::syscall(libc::SYS_unshare, libc::CLONE_NEWUSER))? };
    // Who maps a group has to give up setgroups before (user_namespaces(7)). Some systems allow the namespace and not the
    // map (AppArmor's restriction, in Ubuntu): its user is then shown as 65534, and is who it was for all that counts.
    let _shown_as_nobody = write(c"/proc/self/setgroups", b"deny")
        .and_then(|()| write(c"/proc/self/uid_map", maps.uid.as_bytes()))
        .and_then(|()| write(c"/proc/self/gid_map", maps.gid.as_bytes()));
    Ok(())
}

fn write(path: &CStr, text: &[u8]) -> io::Result<()> {
    // SAFETY: the path ends with a NUL; so many bytes are read from the text; the descriptor is this function's own.
    unsafe {
        let file = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if file == -1 {
            return Err(io::Error::last_os_error());
        }
        let written = libc::write(file, text.as_ptr().cast(), text.len());
        let outcome = if written == -1 { Err(io::Error::last_os_error()) } else { Ok(()) };
        libc::close(file);
        outcome
    }
}

const NONE: c_ulong = 0;

/// No privileges by those of a file, and no capability to be had by starting a program.
fn gain_no_privileges() -> io::Result<()> {
    /// More than there are; those that there are not are refused.
    const CAPABILITIES: c_ulong = 64;
    const YES: c_ulong = 1;
    // SAFETY: prctl takes integers.
    unsafe {
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, YES, NONE, NONE, NONE) == -1 {
            return Err(io::Error::last_os_error());
        }
        for capability in 0..CAPABILITIES {
            // Who has no capability may not drop them from here, and gains none with no_new_privs.
            libc::prctl(libc::PR_CAPBSET_DROP, capability, NONE, NONE, NONE);
        }
    }
    Ok(())
}

/// No capability.
fn drop_privileges() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    /// `_LINUX_CAPABILITY_VERSION_3`: two words of each set.
    const VERSION: u32 = 0x2008_0522;
    // In a namespace of its own, it may.
    gain_no_privileges()?;
    // SAFETY: prctl takes integers; capset reads the header and two times three words from this stack.
    unsafe {
        // Before Linux 4.3 there are none of these.
        let clear = c_ulong::from(libc::PR_CAP_AMBIENT_CLEAR_ALL.unsigned_abs());
        libc::prctl(libc::PR_CAP_AMBIENT, clear, NONE, NONE, NONE);
        let header = Header { version: VERSION, pid: 0 };
        let none = [0_u32; 6];
        done(libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()))
    }
}

/// Whether the kernel takes filters that refuse calls with an error.
pub(in crate::process) fn takes_filters() -> bool {
    let action = libc::SECCOMP_RET_ERRNO;
    // SAFETY: the kernel reads one integer.
    unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) == 0 }
}

/// The version of Landlock that the kernel has; 0 where there is none, or it was not switched on.
pub(in crate::process) fn landlock_version() -> u32 {
    const VERSION: c_ulong = 1;
    // SAFETY: without attributes, of no length, it only tells its version.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0 as c_ulong, VERSION)
    };
    u32::try_from(version).unwrap_or(0)
}

/// Whether this process may make a user namespace: a child tries.
pub(in crate::process) fn makes_user_namespaces(maps: &Maps) -> bool {
    // SAFETY: the child makes system calls only (async-signal-safe, as become_confined says), and leaves by _exit.
    let child = unsafe { libc::fork() };
    match child {
        -1 => false,
        0 => {
            let code = c_int::from(enter_namespace(maps).is_err());
            // SAFETY: ends the child, without anything of its parent's being run.
            unsafe { libc::_exit(code) }
        }
        child => {
            let mut status = 0;
            loop {
                // SAFETY: writes one integer to this stack.
                let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
                if waited == child {
                    return libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0;
                }
                // Interrupted, it goes on. Where the host reaps children itself, how this one ended is not known.
                if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                    return false;
                }
            }
        }
    }
}
