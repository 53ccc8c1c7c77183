//! JSON that somebody else wrote, from a file or from standard input: one text, or the input of a call, a line an item.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::str::FromStr;

use crossbeam_channel::{Receiver, bounded};
use plugline_host::Input;
use serde_json::value::RawValue;

use crate::failure::Failure;

/// The longest text that is read, and the longest line of an input without its LF; bytes. Four times what a plugin takes
/// unless it says otherwise.
const LONGEST: u64 = 64 * 1024 * 1024;

/// All of a text, if it is no longer than one may be.
pub(crate) fn text(from: impl Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let read = from.take(LONGEST + 1).read_to_end(&mut text);
    read.map_err(|fault| Failure::Usage(format!("{name}: {fault}")))?;
    if text.len() as u64 > LONGEST { Err(too_long(name)) } else { Ok(text) }
}

fn too_long(name: &str) -> Failure {
    Failure::Usage(format!("{name}: longer than {LONGEST} bytes, and no more is read"))
}

/// Where the items stand, one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    StandardInput,
    File(String),
}

impl FromStr for Source {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "-" { Self::StandardInput } else { Self::File(text.to_owned()) })
    }
}

/// Items that are about to be sent.
pub(crate) struct Lines {
    name: String,
    lines: Box<dyn BufRead + Send>,
    /// The last one that was read, and which it was.
    line: Vec<u8>,
    number: u64,
}

impl Source {
    pub(crate) fn open(&self) -> Result<Lines, Failure> {
        Ok(match self {
            Self::StandardInput => Lines::new("standard input", io::stdin()),
            Self::File(path) => {
                let file =
                    File::open(path).map_err(|fault| Failure::Usage(format!("--input {path}: {fault}")))?;
                Lines::new(path, file)
            }
        })
    }
}

impl Lines {
    fn new(name: &str, from: impl Read + Send + 'static) -> Self {
        Self { name: name.to_owned(), lines: Box::new(BufReader::new(from)), line: Vec::new(), number: 0 }
    }

    /// Sends all of them from another thread, which nobody waits for: standard input may have no end. Where
    /// something is wrong with them, that is told, and then the call cancelled.
    pub(crate) fn send(self, input: Input<Box<RawValue>>) -> Receiver<Failure> {
        let (told, faults) = bounded(1);
        let sending = move || match self.send_all(&input) {
            Ok(()) => {
                // The call says what came of it.
                let _ended = input.finish();
            }
            Err(fault) => {
                // Before the input is dropped: who finds the call cancelled finds the reason there.
                let _unheard = told.send(fault);
                drop(input);
            }
        };
        std::thread::spawn(sending);
        faults
    }

    fn send_all(mut self, input: &Input<Box<RawValue>>) -> Result<(), Failure> {
        while let Some(item) = self.next()? {
            input.send(&item)?;
        }
        Ok(())
    }

    /// The next item; lines without one are passed over.
    fn next(&mut self) -> Result<Option<Box<RawValue>>, Failure> {
        loop {
            self.line.clear();
            let read = self.lines.by_ref().take(LONGEST + 1).read_until(b'\n', &mut self.line);
            if read.map_err(|fault| Failure::System(format!("cannot read {}: {fault}", self.name)))? == 0 {
                return Ok(None);
            }
            self.number += 1;
            let place = || format!("{}, line {}", self.name, self.number);
            if self.line.len() as u64 > LONGEST && !self.line.ends_with(b"\n") {
                return Err(too_long(&place()));
            }
            if !self.line.trim_ascii().is_empty() {
                let item = serde_json::from_slice(&self.line);
                return item
                    .map(Some)
                    .map_err(|fault| Failure::Usage(format!("{}: not JSON: {fault}", place())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_so_many_bytes_and_no_more() {
        let spaces = |count| text(io::repeat(b' ').take(count), "it").map(|text| text.len() as u64);
        assert_eq!(spaces(LONGEST).unwrap(), LONGEST);
        assert!(matches!(spaces(LONGEST + 1), Err(Failure::Usage(what)) if what.starts_with("it: longer")));
    }

    #[test]
    fn a_line_has_so_many_bytes_and_no_more() {
        let items = |longest: u64| {
            let text = io::repeat(b' ').take(longest).chain(&b"\n7"[..]);
            let mut lines = Lines::new("it", text);
            let mut items = Vec::new();
            while let Some(item) = lines.next()? {
                items.push(item.get().to_owned());
            }
            Ok(items)
        };
        assert_eq!(items(LONGEST).unwrap(), ["7"]);
        assert!(
            matches!(items(LONGEST + 1), Err(Failure::Usage(what)) if what.starts_with("it, line 1: longer"))
        );
    }
}
