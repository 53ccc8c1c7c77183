//! Opening files that somebody else made.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::retry_on_intr;

/// Opens a plain file, or a link to one, to read it. Whatever else is in its place is refused: a pipe that nobody writes
/// to, or a device that has no end, keeps whoever reads it for ever.
pub(crate) fn open_plain(path: &Path) -> io::Result<File> {
    // Opening a pipe waits for its other end, unless it is told not to.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(retry_on_intr(|| open(path, flags, Mode::empty()))?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no plain file")) }
}
