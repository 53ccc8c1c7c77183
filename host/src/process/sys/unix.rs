//! What happens in the child between fork and exec, and the exec.

use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicPtr;

use libc::c_char;

use super::super::sandbox::Confinement;

/// The first descriptor after stdin, stdout and stderr.
const FIRST_OTHER: libc::c_uint = 3;
/// The real-time signals of Linux included; elsewhere there are fewer, and what does not exist is refused.
const LAST_SIGNAL: libc::c_int = 64;

/// Where a word is looked up for a child that has no `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A program with its arguments and environment as execve(2) takes them, made before the fork: a child may not allocate.
///
/// Not execvp(3), which the standard library calls: that runs a file that the kernel cannot start, a half-written
/// program or one for another machine, as a shell script.
pub(in crate::process) struct Image {
    /// Where the program is, or may be.
    paths: Vec<CString>,
    args: Words,
    env: Words,
}

/// Texts, and the list of pointers to them that ends with a null pointer.
struct Words {
    _texts: Vec<CString>,
    /// Atomic only since such a list may go to another thread; nobody writes to it.
    pointers: Vec<AtomicPtr<c_char>>,
}

impl Words {
    fn new(texts: impl Iterator<Item = Vec<u8>>) -> io::Result<Self> {
        let texts = texts.map(CString::new).collect::<Result<Vec<CString>, _>>()?;
        let pointers = texts.iter().map(|text| AtomicPtr::new(text.as_ptr().cast_mut()));
        let pointers = pointers.chain([AtomicPtr::default()]).collect();
        Ok(Self { _texts: texts, pointers })
    }

    fn as_ptr(&self) -> *const *const c_char {
        // An atomic pointer is represented as the pointer is.
        self.pointers.as_ptr().cast()
    }
}

impl Image {
    /// A word without a slash is looked up in the `PATH` of `env`.
    ///
    /// # Errors
    /// Where there is a NUL in a text.
    pub(in crate::process) fn new(
        program: &Path,
        args: &[OsString],
        env: &BTreeMap<OsString, OsString>,
    ) -> io::Result<Self> {
        let path = env.get(std::ffi::OsStr::new("PATH")).cloned().unwrap_or_else(|| DEFAULT_PATH.into());
        let word = program.as_os_str().as_bytes();
        let paths: Vec<PathBuf> = if word.is_empty() || word.contains(&b'/') {
            vec![program.to_owned()]
        } else {
            std::env::split_paths(&path).map(|dir| dir.join(program)).collect()
        };
        let paths = paths.into_iter().map(|path| CString::new(path.into_os_string().into_encoded_bytes()));
        let args = std::iter::once(program.as_os_str()).chain(args.iter().map(OsString::as_os_str));
        let variable =
            |(name, value): (&OsString, &OsString)| [name.as_bytes(), b"=", value.as_bytes()].concat();
        Ok(Self {
            paths: paths.collect::<Result<_, _>>()?,
            args: Words::new(args.map(|arg| arg.as_bytes().to_vec()))?,
            env: Words::new(env.iter().map(variable))?,
        })
    }

    /// Becomes the program. Returns why not, where it does not.
    fn exec(&self) -> io::Error {
        let mut why = libc::ENOENT;
        for path in &self.paths {
            // SAFETY: the texts and lists end as execve wants it, and live as long as this.
            unsafe { libc::execve(path.as_ptr(), self.args.as_ptr(), self.env.as_ptr()) };
            let fault = io::Error::last_os_error();
            match fault.raw_os_error() {
                Some(libc::ENOENT | libc::ENOTDIR) => {}
                // There may be another that may be started.
                Some(libc::EACCES) => why = libc::EACCES,
                _ => return fault,
            }
        }
        io::Error::from_raw_os_error(why)
    }
}

/// Has the child, before it becomes the program: lead a session of its own, take the default action for every
/// signal (an ignored one would stay ignored) and block none, die with its parent (Linux), keep no descriptor but its
/// stdio, and, if so told, confine itself. The standard library changes the directory before that. What the command
/// says of program, arguments and environment is not asked: `image` has them.
pub(in crate::process) fn prepare_child(
    command: &mut Command,
    image: Image,
    confinement: Option<Confinement>,
) {
    let parent = std::process::id();
    // SAFETY: the closure runs in the child of a process that may have many threads, so it may do only what is
    // async-signal-safe: it makes system calls and touches no memory but its own stack and what was made for it; it neither
    // allocates nor locks, and builds its errors from errno.
    unsafe {
        command.pre_exec(move || {
            if libc::setsid() == -1 {
                return Err(io::Error::last_os_error());
            }
            for signal in 1..=LAST_SIGNAL {
                // SIGKILL and SIGSTOP refuse, and are at their default anyway; so do those that the C library
                // keeps to itself.
                libc::signal(signal, libc::SIG_DFL);
            }
            block_nothing()?;
            die_with(parent)?;
            close_other_descriptors()?;
            if let Some(confinement) = &confinement {
                confined(confinement, parent)?;
            }
            Err(image.exec())
        });
    }
}

#[cfg(target_os = "linux")]
fn confined(steps: &Confinement, parent: u32) -> io::Result<()> {
    super::linux::become_confined(steps, parent)
}

#[cfg(not(target_os = "linux"))]
fn confined(never: &Confinement, _: u32) -> io::Result<()> {
    match *never {}
}

/// Has the child lead a session of its own and keep no descriptor but its stdio; it outlives its parent.
pub(in crate::process) fn detach(command: &mut Command) {
    // SAFETY: as above: system calls only.
    unsafe {
        command.pre_exec(|| {
            if libc::setsid() == -1 {
                return Err(io::Error::last_os_error());
            }
            block_nothing()?;
            close_other_descriptors()
        });
    }
}

/// Empties the signal mask: a child has that of the thread that forked, and a plugin would never see what is blocked.
fn block_nothing() -> io::Result<()> {
    let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both write to `none` alone, which is on this stack, and the first of them initialises it.
    unsafe {
        if libc::sigemptyset(none.as_mut_ptr()) == -1
            || libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut()) == -1
        {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Asks for SIGTERM when the thread that forked ends, and makes sure that it had not ended before.
#[cfg(target_os = "linux")]
pub(super) fn die_with(parent: u32) -> io::Result<()> {
    // SAFETY: prctl and getppid take integers and touch no memory of this process.
    unsafe {
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) == -1 {
            return Err(io::Error::last_os_error());
        }
        if libc::getppid().unsigned_abs() != parent {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature everywhere")]
fn die_with(_: u32) -> io::Result<()> {
    Ok(())
}

/// Marks every other descriptor close-on-exec: what a library of the host opened without that flag must not
/// reach the plugin. Marked rather than closed, since one of them reports a failed exec to the parent.
fn close_other_descriptors() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    // SAFETY: close_range takes integers and, with this flag, closes nothing now.
    unsafe {
        let flag = libc::CLOSE_RANGE_CLOEXEC;
        if libc::syscall(libc::SYS_close_range, FIRST_OTHER, libc::c_uint::MAX, flag) == 0 {
            return Ok(());
        }
        // Before Linux 5.11 there is no such call or flag; the loop below does the same.
    }
    // SAFETY: getrlimit writes to the struct on this stack; fcntl on a descriptor that is not open fails and
    // does nothing.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == -1 {
            return Err(io::Error::last_os_error());
        }
        let end = libc::c_int::try_from(limit.rlim_cur.min(65_536)).unwrap_or(65_536);
        for descriptor in FIRST_OTHER.cast_signed()..end {
            let flags = libc::fcntl(descriptor, libc::F_GETFD);
            if flags != -1 {
                libc::fcntl(descriptor, libc::F_SETFD, flags | libc::FD_CLOEXEC);
            }
        }
    }
    Ok(())
}
