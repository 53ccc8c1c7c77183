//! Takes the host's descriptors away, and gives them back.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// While this is there, this process can open hardly anything.
#[derive(Debug)]
pub(super) struct Taken(Rlimit);

impl Taken {
    /// Leaves as many as there are, and a few more.
    ///
    /// # Errors
    /// Where the limit cannot be set.
    pub(super) fn all_but(few: u64) -> io::Result<Self> {
        let before = getrlimit(Resource::Nofile);
        let entries = std::fs::read_dir("/proc/self/fd")?;
        let highest = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok()).max();
        let current = highest.unwrap_or(0) + 1 + few;
        setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: before.maximum })?;
        Ok(Self(before))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // What was allowed before is.
        let _as_before =
            setrlimit(Resource::Nofile, Rlimit { current: self.0.current, maximum: self.0.maximum });
    }
}
