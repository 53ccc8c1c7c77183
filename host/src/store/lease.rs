//! What keeps a release from being deleted while somebody uses it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use super::held::Held;
use super::place::LEASE;

/// Held as long as a release is in use: while there is one, in whatever process, its files stay. Clones are the same one.
///
/// It ends with the process that has it, however that ends.
#[derive(Debug, Clone)]
pub struct Lease {
    _held: Arc<Held>,
}

impl Lease {
    /// Takes a lease of that directory of `content`; nothing where it is not there, or is being deleted.
    pub(super) fn shared(content: &Path) -> io::Result<Option<Self>> {
        let path = content.join(LEASE);
        let file = match File::open(&path) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let id = file.metadata()?.ino();
        let Some(held) = Held::shared(file)? else { return Ok(None) };
        // It may have been moved away between the two.
        match fs::metadata(&path) {
            Ok(there) if there.ino() == id => Ok(Some(Self { _held: Arc::new(held) })),
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
            _ => Ok(None),
        }
    }

    /// Takes the only one, to delete; nothing where somebody has another.
    pub(super) fn exclusive(content: &Path) -> io::Result<Option<Self>> {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).open(content.join(LEASE))?;
        Ok(Held::exclusive(file)?.map(|held| Self { _held: Arc::new(held) }))
    }
}
