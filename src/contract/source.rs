//! Where a document comes from: a file, or a plugin that is asked for it.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use plugline_host::Launch;
use plugline_protocol::contract::{Faults, Manifest};

use crate::arguments::PluginOptions;
use crate::failure::Failure;

/// Where a document comes from.
pub(crate) enum Source {
    /// A file that holds a document, or is to hold one.
    File(String),
    /// A plugin.
    Plugin(Box<Launch>),
}

impl Source {
    /// What a word names, with the options of a plugin.
    pub(crate) fn of(words: &mut Vec<String>, plugin: &PluginOptions) -> Result<Self, Failure> {
        match words.first() {
            Some(word) if !plugin.has_command() && is_document(word) => Ok(Self::File(words.remove(0))),
            _ => plugin.launch(words).map(|launch| Self::Plugin(Box::new(launch))),
        }
    }

    /// The text of the document.
    pub(crate) fn text(self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::File(path) => file(&path),
            Self::Plugin(launch) => {
                let text = launch.discover_raw().map_err(|fault| Failure::NoManifest(Box::new(fault)))?;
                Ok(text.get().as_bytes().to_vec())
            }
        }
    }

    /// The document, where nothing is wrong with it; `name` says which one is meant.
    pub(crate) fn manifest(self, name: &str) -> Result<Manifest, Failure> {
        read(&self.text()?, name)
    }
}

/// A document that has to be right.
pub(crate) fn read(text: &[u8], name: &str) -> Result<Manifest, Failure> {
    Manifest::read(text).map_err(|faults: Faults| Failure::Document { name: name.to_owned(), faults })
}

/// The text of a file, if it is no longer than a document may be.
pub(crate) fn file(path: &str) -> Result<Vec<u8>, Failure> {
    let fault = |fault: std::io::Error| Failure::Usage(format!("{path}: {fault}"));
    let mut text = Vec::new();
    let longest = Manifest::LONGEST_TEXT as u64 + 1;
    File::open(path).map_err(fault)?.take(longest).read_to_end(&mut text).map_err(fault)?;
    Ok(text)
}

/// Whether a word names a document, and no plugin: a file that begins as an object does; any other that is named as a file
/// is, by its path or as `.json`, unless it begins as a program or could be started as one.
fn is_document(word: &str) -> bool {
    let path = Path::new(word);
    let Some(metadata) = path.metadata().ok().filter(Metadata::is_file) else { return false };
    let mut head = Vec::new();
    // What cannot be read is told of by whoever reads it as what it is taken for.
    let _unread = File::open(path).and_then(|file| file.take(4096).read_to_end(&mut head));
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
    if text.trim_ascii_start().first() == Some(&b'{') {
        return true;
    }
    let is_program = head.starts_with(b"#!") || head.starts_with(b"\x7fELF");
    let is_executable = metadata.permissions().mode() & 0o111 != 0;
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    !is_program && (is_json || (word.contains('/') && !is_executable))
}
