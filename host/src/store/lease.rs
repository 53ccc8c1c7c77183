//! What keeps a release from being deleted while somebody uses it.

use std::fs::File;
use std::io;
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
        let held = Held::shared_at(&content.join(LEASE))?;
        Ok(held.map(|held| Self { _held: Arc::new(held) }))
    }

    /// Takes the only one, to delete; nothing where somebody has another.
    pub(super) fn exclusive(content: &Path) -> io::Result<Option<Self>> {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).open(content.join(LEASE))?;
        Ok(Held::exclusive(file)?.map(|held| Self { _held: Arc::new(held) }))
    }
}
