//! Signatures by minisign: over the archive, before anything is done with it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;
use std::str::FromStr;

use minisign_verify::{Error as Fault, PublicKey, Signature};

use super::error::StoreError;

/// So long may a signature be, in bytes; they are a few lines.
pub(super) const SIGNATURE_BYTES: u64 = 16 * 1024;

/// What the name of an archive has after it, for its signature.
pub(super) const SUFFIX: &str = ".minisig";

/// A public key of minisign.
#[derive(Clone)]
pub struct Key {
    key: PublicKey,
    text: String,
}

impl Key {
    /// Reads a key from a file as `minisign -G` writes it.
    ///
    /// # Errors
    /// Says what it is not.
    pub fn from_file(path: &Path) -> Result<Self, String> {
        let shown = super::error::shown(path);
        let mut text = String::new();
        let file = File::open(path).map_err(|fault| format!("{shown}: {fault}"))?;
        let read = file.take(SIGNATURE_BYTES).read_to_string(&mut text);
        read.map_err(|fault| format!("{shown}: {fault}"))?;
        // A comment, then the key.
        let key = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        key.trim().parse().map_err(|_| format!("{shown} is no public key of minisign"))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The key itself, as `minisign -G` prints it.
impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let key = PublicKey::from_base64(text)
            .map_err(|_| format!("{text:?} is no public key of minisign: those begin with RW"))?;
        Ok(Self { key, text: text.to_owned() })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.text)
    }
}

/// Gives the key of those that signed that file.
pub(super) fn verify<'a>(
    archive: &mut File,
    name: &str,
    signature: &str,
    keys: &'a [Key],
) -> Result<&'a Key, StoreError> {
    let refused = |why: &str| StoreError::Signature { archive: name.to_owned(), why: why.to_owned() };
    let signature = Signature::decode(signature)
        .map_err(|_| refused("what stands beside it is no signature of minisign"))?;
    let mut why = "it is signed with a key that is not among those that were listed";
    for key in keys {
        match check(archive, key, &signature) {
            Ok(()) => return Ok(key),
            Err(Check::Read(fault)) => return Err(StoreError::reading(name, fault)),
            // Of another key.
            Err(Check::Signature(Fault::UnexpectedKeyId)) => {}
            Err(Check::Signature(Fault::UnsupportedLegacyMode)) => {
                why = "it is signed in minisign's old way, which cannot be checked while reading; sign it with -H";
            }
            Err(Check::Signature(_)) => why = "the signature is not of this archive",
        }
    }
    Err(refused(why))
}

enum Check {
    Read(io::Error),
    Signature(Fault),
}

fn check(archive: &mut File, key: &Key, signature: &Signature) -> Result<(), Check> {
    let mut verifier = key.key.verify_stream(signature).map_err(Check::Signature)?;
    archive.rewind().map_err(Check::Read)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match archive.read(&mut buffer) {
            Ok(0) => return verifier.finalize().map_err(Check::Signature),
            Ok(read) => verifier.update(&buffer[..read]),
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            Err(fault) => return Err(Check::Read(fault)),
        }
    }
}
