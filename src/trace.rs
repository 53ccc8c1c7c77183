//! `--trace FILE`: every line that passes, with its time and its way. Who looks at it in a terminal sees text: characters
//! that are not what they look like are written as JSON's escapes, which leaves a message the same.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use plugline_host::{Direction, escape};

use crate::failure::Failure;
use crate::output::escape_json;

/// No trace is longer, so that a plugin that never stops does not fill the disk; bytes.
const TRACE_BYTES: u64 = 1 << 30;

/// A trace that is being written.
pub(crate) struct Trace(Mutex<Lines<File>>);

struct Lines<W> {
    to: W,
    start: Instant,
    /// How much more may be written; none, where no more is.
    left: Option<u64>,
}

impl Trace {
    pub(crate) fn create(file: &Path) -> Result<Self, Failure> {
        let failed = |fault| Failure::System(format!("cannot write {}: {fault}", file.display()));
        let to = File::create(file).map_err(failed)?;
        Ok(Self(Mutex::new(Lines { to, start: Instant::now(), left: Some(TRACE_BYTES) })))
    }

    pub(crate) fn line(&self, direction: Direction, line: &[u8]) {
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner).write(direction, line);
        if let Err(fault) = written {
            // Once: nothing is written from here on.
            crate::output::warning(&format!("the trace is incomplete: {fault}"));
        }
    }
}

impl<W: Write> Lines<W> {
    fn write(&mut self, direction: Direction, line: &[u8]) -> io::Result<()> {
        let Some(left) = self.left.take() else { return Ok(()) };
        let arrow = match direction {
            Direction::Sent => "→",
            Direction::Received => "←",
        };
        let mut record = format!("{:.6} {arrow} ", self.start.elapsed().as_secs_f64()).into_bytes();
        let shown = match std::str::from_utf8(line) {
            Ok(text) => escape_json(text),
            Err(_) => escape(line),
        };
        record.extend_from_slice(shown.as_bytes());
        record.push(b'\n');
        let Some(left) = left.checked_sub(record.len() as u64) else {
            return Err(io::Error::other(format!("it has {TRACE_BYTES} bytes, and no more is written")));
        };
        self.to.write_all(&record)?;
        self.left = Some(left);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written of lines of ten bytes each, and how often it is said that it is incomplete.
    fn traced(limit: u64, lines: usize, to: impl Write) -> (u64, usize) {
        let mut trace = Lines { to, start: Instant::now(), left: Some(limit) };
        let told = (0..lines).filter(|_| trace.write(Direction::Sent, b"0123456789").is_err()).count();
        (trace.left.map_or(limit, |left| limit - left), told)
    }

    /// Seconds, an arrow, two spaces, the line and its end, while less than ten seconds have passed.
    const RECORD: u64 = 8 + 1 + 3 + 1 + 10 + 1;

    #[test]
    fn a_trace_has_so_many_bytes_and_no_more() {
        assert_eq!(traced(2 * RECORD, 2, io::sink()), (2 * RECORD, 0));
        // One byte too few, and the second line is not written, which is said once.
        assert_eq!(traced(2 * RECORD - 1, 5, io::sink()).1, 1);
    }

    #[test]
    fn a_full_disk_is_told_of_once() {
        let mut disk = [0; 10];
        assert_eq!(traced(TRACE_BYTES, 5, &mut disk[..]).1, 1);
    }
}
