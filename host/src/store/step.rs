//! How far a change of the store is: for a progress bar, and for tests, which end a process at each of them.

/// A step of a change of the store. Between two that are told there is at most one change that a reader could see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step<'a> {
    /// Another process changes the store; this one waits.
    Waiting {
        /// Who, as far as is known.
        holder: &'a str,
    },
    /// The store's lock is held.
    Locked,
    /// Something that a process left behind when it was killed is being deleted.
    Sweeping,
    /// There is a place to fetch and to unpack to.
    Staged,
    /// The package is coming.
    Fetching {
        /// So many bytes are there.
        done: u64,
        /// Of so many, where that is known.
        total: Option<u64>,
    },
    /// It is there, and its SHA-256 and its signature are what they should be.
    Checked,
    /// A file was written.
    Unpacked {
        /// Its path.
        path: &'a str,
        /// All files until now; bytes.
        done: u64,
    },
    /// All files and their list are written out to the disk.
    Written,
    /// They are where they stay, and nobody knows of them.
    Placed,
    /// What the store is to say of the plugin is written out, beside what it says.
    Recorded,
    /// The store says so: the change is made.
    Switched,
    /// Something that nobody names any more was moved away.
    Discarded,
    /// And deleted.
    Deleted,
}
