//! Copying a package from its directory.

use std::fs::{self, File};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::draft::{Draft, Executable};
use super::error::{EntryFault, StoreError};
use super::step::Step;

/// What of a directory is no part of the package.
const LEFT_OUT: [&str; 1] = [".git"];

/// Copies what is in that directory.
pub(super) fn copy(
    directory: &Path,
    draft: &mut Draft<'_>,
    watch: &mut dyn FnMut(Step<'_>),
) -> Result<(), StoreError> {
    let mut open = vec![(String::new(), directory.to_owned())];
    while let Some((prefix, at)) = open.pop() {
        let read = || StoreError::io("read", &at);
        let mut entries = fs::read_dir(&at).map_err(read())?.collect::<Result<Vec<_>, _>>().map_err(read())?;
        // What is wrong is found in the same order each time.
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let path = format!("{prefix}{}", name.to_string_lossy());
            let refused = |fault| Err(StoreError::Entry { entry: path.clone(), fault });
            if name.to_str().is_none() {
                return refused(EntryFault::Path("the path is not UTF-8".into()));
            }
            if prefix.is_empty() && LEFT_OUT.iter().any(|left_out| name == *left_out) {
                continue;
            }
            let kind = entry.file_type().map_err(read())?;
            if kind.is_dir() {
                draft.directory(&path)?;
                open.push((path + "/", entry.path()));
            } else if kind.is_file() {
                let from = entry.path();
                let mut options = File::options();
                // What became a link or a pipe since is not followed, and not waited for.
                options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
                let mut file = options.open(&from).map_err(StoreError::io("read", &from))?;
                let metadata = file.metadata().map_err(StoreError::io("read", &from))?;
                if !metadata.is_file() {
                    return refused(EntryFault::Special("no plain file any more"));
                }
                let mode = metadata.permissions().mode();
                if mode & 0o6000 != 0 {
                    return refused(EntryFault::SpecialBits(mode & 0o7777));
                }
                draft.file(&path, Executable::by_mode(mode), &mut file, watch)?;
            } else if kind.is_symlink() {
                let target = fs::read_link(entry.path()).unwrap_or_default();
                return refused(EntryFault::Link(target.to_string_lossy().into_owned()));
            } else {
                return refused(EntryFault::Special("a device, a pipe or a socket"));
            }
        }
    }
    Ok(())
}
