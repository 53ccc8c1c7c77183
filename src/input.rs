//! The input of a call, from a file or from standard input: JSON lines.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::str::FromStr;

use crossbeam_channel::{Receiver, bounded};
use plugline_host::Input;
use serde_json::value::RawValue;

use crate::failure::Failure;

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
}

impl Source {
    pub(crate) fn open(&self) -> Result<Lines, Failure> {
        Ok(match self {
            Self::StandardInput => {
                Lines { name: "standard input".to_owned(), lines: Box::new(BufReader::new(io::stdin())) }
            }
            Self::File(path) => {
                let file =
                    File::open(path).map_err(|fault| Failure::Usage(format!("--input {path}: {fault}")))?;
                Lines { name: path.clone(), lines: Box::new(BufReader::new(file)) }
            }
        })
    }
}

impl Lines {
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
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            let read = self.lines.read_until(b'\n', &mut line);
            if read.map_err(|fault| Failure::System(format!("cannot read {}: {fault}", self.name)))? == 0 {
                break;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let item = serde_json::from_slice(&line).map_err(|fault| {
                Failure::Usage(format!("{}, line {number}: not JSON: {fault}", self.name))
            })?;
            input.send(&item)?;
        }
        Ok(())
    }
}
