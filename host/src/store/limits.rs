//! What a package may cost to fetch and to unpack.

use std::time::Duration;

/// What a package may cost. Each has a name, which errors say, and a default that is far beyond what plugins need.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackageLimits {
    /// An archive, or what git fetches, as it comes; bytes. 512 MiB.
    pub archive_bytes: u64,
    /// All files together, unpacked; bytes. 2 GiB.
    pub unpacked_bytes: u64,
    /// Files and directories. 100,000.
    pub entries: u64,
    /// How many bytes one byte of an archive may become, beyond the first 16 MiB. 200.
    pub ratio: u64,
    /// What stands between two files of an archive: their headers and their long names; bytes. 256 KiB.
    pub header_bytes: u64,
    /// Fetching all of it. 15 minutes.
    pub fetch_time: Duration,
    /// Between two bytes that come, and for a connection. 30 s.
    pub silence: Duration,
    /// From address to address. 5.
    pub redirects: u32,
    /// Waiting for another process that changes the store. 2 minutes.
    pub lock_wait: Duration,
}

/// Below this, a package may be packed as tight as it likes; bytes.
pub(super) const RATIO_FROM: u64 = 16 * 1024 * 1024;

impl Default for PackageLimits {
    fn default() -> Self {
        Self {
            archive_bytes: 512 * 1024 * 1024,
            unpacked_bytes: 2 * 1024 * 1024 * 1024,
            entries: 100_000,
            ratio: 200,
            header_bytes: 256 * 1024,
            fetch_time: Duration::from_secs(15 * 60),
            silence: Duration::from_secs(30),
            redirects: 5,
            lock_wait: Duration::from_secs(120),
        }
    }
}
