//! Unpacking archives. What the `tar` crate writes by itself is not used: it only reads here, and a draft writes.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::rc::Rc;

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::draft::{Draft, Executable};
use super::error::{EntryFault, StoreError};
use super::limits::{PackageLimits, RATIO_FROM};
use super::step::Step;

/// How the names of those records begin that make a file a sparse one.
const SPARSE: &[u8] = b"GNU.sparse.";

/// A limit that was hit while something was read that knows of none.
#[derive(Debug, thiserror::Error)]
#[error("{limit} allows {allowed}")]
pub(super) struct Hit {
    pub(super) limit: &'static str,
    pub(super) allowed: u64,
}

/// Counts what is read.
struct Counted<R> {
    from: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

/// What comes out of an archive's compression, within the limits. What is in the files is counted by the draft; this
/// counts what stands between them, which is held in memory, and how much becomes of how little.
struct Metered<'a, R> {
    from: R,
    limits: &'a PackageLimits,
    /// What went in, if it was compressed.
    packed: Option<Rc<Cell<u64>>>,
    unpacked: u64,
    /// So much may be read until the next file; without, it is a file's.
    between: Rc<Cell<Option<u64>>>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.unpacked += read as u64;
        let hit = |limit, allowed| Err(io::Error::other(Hit { limit, allowed }));
        if let Some(left) = self.between.get() {
            match left.checked_sub(read as u64) {
                Some(left) => self.between.set(Some(left)),
                None => return hit("header_bytes", self.limits.header_bytes),
            }
        }
        if let Some(packed) = &self.packed
            && self.unpacked > RATIO_FROM
            && self.unpacked / self.limits.ratio > packed.get()
        {
            return hit("ratio", self.limits.ratio);
        }
        Ok(read)
    }
}

/// Unpacks a `.tar.gz`.
pub(super) fn unpack_gzip(
    file: &File,
    draft: &mut Draft<'_>,
    limits: &PackageLimits,
    watch: &mut dyn FnMut(Step<'_>),
) -> Result<(), StoreError> {
    let packed = Rc::new(Cell::new(0));
    let counted = Counted { from: file, count: Rc::clone(&packed) };
    unpack(MultiGzDecoder::new(counted), Some(packed), draft, limits, watch)
}

/// Unpacks a tar archive that is not compressed.
pub(super) fn unpack_tar(
    from: impl Read,
    draft: &mut Draft<'_>,
    limits: &PackageLimits,
    watch: &mut dyn FnMut(Step<'_>),
) -> Result<(), StoreError> {
    unpack(from, None, draft, limits, watch)
}

fn unpack(
    from: impl Read,
    packed: Option<Rc<Cell<u64>>>,
    draft: &mut Draft<'_>,
    limits: &PackageLimits,
    watch: &mut dyn FnMut(Step<'_>),
) -> Result<(), StoreError> {
    let between = Rc::new(Cell::new(None));
    let metered = Metered { from, limits, packed, unpacked: 0, between: Rc::clone(&between) };
    let mut archive = Archive::new(metered);
    let mut last = String::new();
    let mut entries = archive.entries().map_err(|fault| StoreError::reading("", fault))?;
    loop {
        between.set(Some(limits.header_bytes));
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(|fault| StoreError::reading(&last, fault))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let refused = |fault| Err(StoreError::Entry { entry: name.clone(), fault });
        if std::str::from_utf8(&entry.path_bytes()).is_err() {
            return refused(EntryFault::Path("the path is not UTF-8".into()));
        }
        if let Some(fault) = extended(&mut entry, &name)? {
            return refused(fault);
        }
        let mode = entry.header().mode().map_err(|fault| StoreError::reading(&name, fault))?;
        match entry.header().entry_type() {
            EntryType::Regular if name.ends_with('/') => draft.directory(&name)?,
            EntryType::Regular | EntryType::Continuous => {
                if mode & 0o7000 != 0 {
                    return refused(EntryFault::SpecialBits(mode));
                }
                between.set(None);
                draft.file(&name, Executable::by_mode(mode), &mut entry, watch)?;
            }
            EntryType::Directory => draft.directory(&name)?,
            EntryType::Symlink | EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                return refused(EntryFault::Link(String::from_utf8_lossy(&target).into_owned()));
            }
            EntryType::XGlobalHeader => only_a_comment(&mut entry, &name)?,
            EntryType::Char | EntryType::Block => return refused(EntryFault::Special("a device")),
            EntryType::Fifo => return refused(EntryFault::Special("a named pipe")),
            EntryType::GNUSparse => return refused(EntryFault::Special("a sparse file")),
            _ => return refused(EntryFault::Special("of a kind that packages do not have")),
        }
        last = name;
    }
    // Zeros fill the last block. What else there were, another program might take for files.
    between.set(Some(limits.header_bytes));
    let mut rest = archive.into_inner();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match rest.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) if buffer[..read].iter().all(|&byte| byte == 0) => {}
            Ok(_) => return Err(StoreError::Entry { entry: last, fault: EntryFault::DataAfterTheEnd }),
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            Err(fault) => return Err(StoreError::reading(&last, fault)),
        }
    }
}

/// What other programs would take from the extended header before a file, and this one does not: in POSIX's format the
/// map of a sparse file, and its name, stand there, and not in the kind of the entry. In a record that cannot be read
/// (its value has a line feed) there may be anything.
fn extended(entry: &mut Entry<'_, impl Read>, name: &str) -> Result<Option<EntryFault>, StoreError> {
    if entry.header().entry_type() == EntryType::XGlobalHeader {
        return Ok(None);
    }
    let records = entry.pax_extensions().map_err(|fault| StoreError::reading(name, fault))?;
    let fault = |record: io::Result<tar::PaxExtension<'_>>| match record {
        Ok(record) if record.key_bytes().starts_with(SPARSE) => Some(EntryFault::Special("a sparse file")),
        Ok(_) => None,
        Err(_) => Some(EntryFault::ExtendedHeader),
    };
    Ok(records.into_iter().flatten().find_map(fault))
}

/// `git archive` writes the commit into a header for all files. One that says more than a comment would mean something
/// to other programs, and means nothing here.
fn only_a_comment(entry: &mut impl Read, name: &str) -> Result<(), StoreError> {
    let mut text = Vec::new();
    entry.read_to_end(&mut text).map_err(|fault| StoreError::reading(name, fault))?;
    let comment = |record: io::Result<tar::PaxExtension<'_>>| {
        record.is_ok_and(|record| record.key_bytes() == b"comment")
    };
    if tar::PaxExtensions::new(&text).all(comment) {
        Ok(())
    } else {
        Err(StoreError::Entry { entry: name.into(), fault: EntryFault::Special("a header for all files") })
    }
}
