//! A plugin's own temporary directory, and its removal, whatever the plugin made of it.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, Dir, FlockOperation, Mode, OFlags, chmod, flock, fstat, openat, renameat, stat, unlinkat,
};
use rustix::io::Errno;

use super::rules::User;

/// What the names of these directories begin with.
const PREFIX: &str = "plugline-sandbox-";
/// More directories within one another than a plugin makes in its life.
const ROUNDS: usize = 1 << 20;
/// How often a directory is emptied again, and after which time, where somebody still writes to it.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(10);
/// So long is worked at one directory that was left over: somebody may go on filling one.
const SWEEP: Duration = Duration::from_secs(10 * 60);

/// A directory of one process. Whoever has it, has a lock on it: one without is left over from a host that was killed.
#[derive(Debug)]
pub(super) struct PrivateDirectory {
    path: PathBuf,
    handle: OwnedFd,
    is_removed: bool,
}

/// Where nobody removed it, because the process never ran.
impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        if !self.is_removed {
            // What is left is swept by a later host.
            let _swept_later = self.try_remove(Instant::now() + SWEEP);
        }
    }
}

impl PrivateDirectory {
    /// Makes one, for that user. When the first is made, those that were left over begin to be removed.
    pub(super) fn new(user: Option<User>) -> io::Result<Self> {
        static SWEPT: Once = Once::new();
        let place = std::path::absolute(std::env::temp_dir())?;
        SWEPT.call_once(|| sweep_beside(place.clone()));
        loop {
            let closed = fs::Permissions::from_mode(0o700);
            let path = tempfile::Builder::new().prefix(PREFIX).permissions(closed).tempdir_in(&place)?.keep();
            // Between its making and the lock somebody may sweep.
            let handle = match open(CWD, &path) {
                Err(Errno::NOENT) => continue,
                handle => handle?,
            };
            if flock(&handle, FlockOperation::NonBlockingLockExclusive).is_err() || !is_there(&handle, &path)
            {
                continue;
            }
            let this = Self { path, handle, is_removed: false };
            if let Some(User { uid, gid }) = user {
                let (uid, gid) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
                rustix::fs::fchown(&this.handle, Some(uid), Some(gid))?;
            }
            return Ok(this);
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it with all that is in it; says whether that was done by then. If not, it is gone on with beside.
    pub(super) fn remove(mut self, until: Instant) -> io::Result<bool> {
        self.is_removed = true;
        let is_done = self.try_remove(until)?;
        let place = self.path.parent().map(Path::to_owned);
        // With its lock: nobody has it any more.
        drop(self);
        if let Some(place) = place.filter(|_| !is_done) {
            sweep_beside(place);
        }
        Ok(is_done)
    }

    fn try_remove(&self, until: Instant) -> io::Result<bool> {
        // Who may write to it may have closed it to all.
        open_up(&self.handle)?;
        let mut tries = 0;
        // A number that nobody knew beforehand: names that are there already are passed over one by one.
        while empty(&self.handle, until, RandomState::new().hash_one(tries))? {
            match fs::remove_dir(&self.path) {
                // Who was killed may be about to end.
                Err(fault) if fault.kind() == io::ErrorKind::DirectoryNotEmpty && tries < TRIES => {
                    tries += 1;
                    std::thread::sleep(PAUSE);
                }
                done => return done.map(|()| true),
            }
        }
        Ok(false)
    }
}

fn open(at: impl AsFd, path: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, path, flags, Mode::empty())
}

/// Whether that path is still that directory.
fn is_there(handle: &OwnedFd, path: &Path) -> bool {
    match (fstat(handle), stat(path)) {
        (Ok(held), Ok(found)) => (held.st_dev, held.st_ino) == (found.st_dev, found.st_ino),
        _ => false,
    }
}

/// Removes on a thread of its own what nobody has there: nobody knows how much that is. There is one such thread at a time.
fn sweep_beside(place: PathBuf) {
    struct Sweeper {
        runs: bool,
        places: BTreeSet<PathBuf>,
    }
    static SWEEPER: Mutex<Sweeper> = Mutex::new(Sweeper { runs: false, places: BTreeSet::new() });
    let next = || {
        let mut sweeper = SWEEPER.lock().unwrap_or_else(PoisonError::into_inner);
        let place = sweeper.places.pop_first();
        sweeper.runs = place.is_some();
        place
    };
    let mut sweeper = SWEEPER.lock().unwrap_or_else(PoisonError::into_inner);
    sweeper.places.insert(place);
    if !sweeper.runs {
        let sweeps = move || std::iter::from_fn(next).for_each(|place| sweep(&place));
        // Where there is no thread to be had, a later one sweeps.
        sweeper.runs = std::thread::Builder::new().name("plugline-sweep".into()).spawn(sweeps).is_ok();
    }
}

/// Removes what nobody has there: what hosts left that were killed, or that was too much to wait for.
fn sweep(place: &Path) {
    // Where it cannot be read, nothing is found; who uses it is told so.
    let Ok(entries) = fs::read_dir(place) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let Some(handle) = is_ours.then(|| left_over(&entry.path()).ok()).flatten() else { continue };
        if flock(&handle, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let left = PrivateDirectory { path: entry.path(), handle, is_removed: true };
            // The next host tries again.
            let _removed = left.try_remove(Instant::now() + SWEEP);
        }
    }
}

/// Opens a directory that may have been left over, where it is this user's. Root has those that it gave to other users.
fn left_over(path: &Path) -> io::Result<OwnedFd> {
    let seen = openat(CWD, path, AS_A_PLACE, Mode::empty())?;
    let (status, me) = (fstat(&seen)?, rustix::process::geteuid());
    if !me.is_root() && status.st_uid != me.as_raw() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    open_up(&seen)?;
    let handle = open(CWD, path)?;
    let opened = fstat(&handle)?;
    if (opened.st_dev, opened.st_ino) == (status.st_dev, status.st_ino) {
        Ok(handle)
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Removes all that is in a directory; says whether that was done by then. Directories within are emptied into it before: so
/// it takes neither stack nor descriptors however deep they are, and no memory however many. They get numbers from `moved` on
/// for names. No link is followed.
fn empty(top: &OwnedFd, until: Instant, mut moved: u64) -> io::Result<bool> {
    let is_late = || Instant::now() >= until;
    for _ in 0..ROUNDS {
        let mut is_empty = true;
        // What is removed or added while it is read may be told or not, in which case the next round sees it.
        for name in names(top)? {
            let name = name?;
            is_empty = false;
            if is_late() {
                return Ok(false);
            }
            if is_unlinked(top, &name)? {
                continue;
            }
            let within = accessible(top, &name)?;
            for inner in names(&within)? {
                let inner = inner?;
                if is_late() {
                    return Ok(false);
                }
                if is_unlinked(&within, &inner)? {
                    continue;
                }
                // A directory can be moved by who may write to it.
                drop(accessible(&within, &inner)?);
                loop {
                    moved = moved.wrapping_add(1);
                    // A name that is there, as a file or a full directory, is not taken.
                    match renameat(&within, &inner, top, format!("{PREFIX}{moved}")) {
                        Ok(()) => break,
                        Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
                        Err(fault) => return Err(fault.into()),
                    }
                }
            }
            match unlinkat(top, &name, AtFlags::REMOVEDIR) {
                // Somebody who is about to end wrote to it: in the next round, then.
                Ok(()) | Err(Errno::NOTEMPTY) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        if is_empty {
            return Ok(true);
        }
    }
    Err(io::Error::other("somebody goes on making files in it"))
}

/// Removes a file; not a directory.
fn is_unlinked(directory: &OwnedFd, name: &CString) -> io::Result<bool> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::ISDIR) => Ok(false),
        Err(fault) => Err(fault.into()),
    }
}

/// What is in a directory, as it is read.
fn names(directory: &OwnedFd) -> io::Result<impl Iterator<Item = io::Result<CString>>> {
    let named = |entry: rustix::io::Result<rustix::fs::DirEntry>| match entry {
        Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => None,
        Ok(entry) => Some(Ok(entry.file_name().to_owned())),
        Err(fault) => Some(Err(fault.into())),
    };
    Ok(Dir::read_from(directory)?.filter_map(named))
}

/// What can be looked at, and have its mode changed, whatever its mode is.
const AS_A_PLACE: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens a directory, which its maker may have made so that nobody may.
fn accessible(at: &OwnedFd, name: &CString) -> io::Result<OwnedFd> {
    open_up(&openat(at, name, AS_A_PLACE, Mode::empty())?)?;
    Ok(open(at, name)?)
}

fn open_up(directory: &OwnedFd) -> io::Result<()> {
    if fstat(directory)?.st_mode & 0o700 != 0o700 {
        // By its descriptor: the name may be a link by now.
        chmod(format!("/proc/self/fd/{}", directory.as_raw_fd()), Mode::RWXU)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + SWEEP
    }

    #[test]
    fn it_is_removed_whatever_is_in_it() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "x").unwrap();
        let directory = PrivateDirectory::new(None).unwrap();
        let path = directory.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        symlink(outside.path(), path.join("link")).unwrap();
        fs::create_dir_all(path.join("a/b/c")).unwrap();
        symlink(outside.path(), path.join("a/b/link")).unwrap();
        fs::write(path.join("a/b/c/file"), "x").unwrap();
        fs::create_dir_all(path.join(format!("a/{PREFIX}1/full"))).unwrap();
        fs::create_dir_all(path.join(format!("{PREFIX}2/full"))).unwrap();
        fs::write(path.join(format!("{PREFIX}3")), "x").unwrap();
        for closed in ["a/b/c", "a/b", "a", ""] {
            fs::set_permissions(path.join(closed), fs::Permissions::from_mode(0o000)).unwrap();
        }
        // The names that are there are the next ones to be given.
        open_up(&directory.handle).unwrap();
        assert!(empty(&directory.handle, soon(), 0).unwrap());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        assert!(directory.remove(soon()).unwrap());
        assert!(!path.exists());
        assert!(outside.path().join("kept").exists());
    }

    #[test]
    fn no_depth_takes_all_descriptors_or_the_stack() {
        let directory = PrivateDirectory::new(None).unwrap();
        let path = directory.path().to_owned();
        let mut at = open(CWD, &path).unwrap();
        for _ in 0..5_000 {
            rustix::fs::mkdirat(&at, "deeper", Mode::RWXU).unwrap();
            at = open(&at, "deeper").unwrap();
        }
        assert!(directory.remove(soon()).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn what_takes_long_is_gone_on_with_beside() {
        let directory = PrivateDirectory::new(None).unwrap();
        let path = directory.path().to_owned();
        fs::create_dir(path.join("a")).unwrap();
        fs::write(path.join("a/file"), "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        assert!(!directory.remove(Instant::now()).unwrap());
        let until = soon();
        while path.exists() {
            assert!(Instant::now() < until, "it is still there");
            std::thread::sleep(PAUSE);
        }
    }

    #[test]
    fn what_nobody_holds_is_swept_and_what_somebody_holds_is_not() {
        let place = tempfile::tempdir().unwrap();
        let left = place.path().join(format!("{PREFIX}left"));
        fs::create_dir_all(left.join("deep/er")).unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o000)).unwrap();
        let held = place.path().join(format!("{PREFIX}held"));
        fs::create_dir(&held).unwrap();
        let other = place.path().join("other");
        fs::create_dir(&other).unwrap();
        let lock = open(CWD, &held).unwrap();
        flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
        sweep(place.path());
        assert_eq!((left.exists(), held.exists(), other.exists()), (false, true, true));
    }
}
