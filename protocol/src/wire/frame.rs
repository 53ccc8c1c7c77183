//! Framing: a byte stream in, lines out, with memory bounded by the limit.
//!
//! Knows nothing of JSON. Splits on LF alone (`FRAME-6`), drops a CR before it, white-space lines and
//! one BOM at the very start, and never holds more of a line than the limit allows.

/// What the decoder found next.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A line. Never only white space.
    Line {
        /// Without its LF, the CR before it, and the stream's BOM.
        text: &'a [u8],
        /// What it took on the wire, all of these counted; bytes. What the credit of streams is counted in.
        size: usize,
    },
    /// The line being received has just passed the limit (bytes). Reported once for that line; what is
    /// left of it is dropped as it comes.
    TooLong {
        /// The limit that it passed.
        limit: usize,
    },
    /// The LF of a line that was too long has come: the stream is in step again.
    Skipped {
        /// The limit that the line passed.
        limit: usize,
        /// Its length, without LF; bytes.
        size: usize,
    },
}

/// How much room a read gets at first: most connections have short lines, and are idle most of the time.
const FIRST_READ: usize = 8 * 1024;
/// How much it gets at least, once reads were filled. A pipe holds 64 KiB, so one read can empty it.
const READ_SIZE: usize = 64 * 1024;
/// A buffer larger than this is given back when it is empty.
const KEEP_SIZE: usize = 256 * 1024;
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Splits a byte stream into lines.
///
/// ```
/// use plugline_protocol::wire::{Frame, LineDecoder};
/// let mut decoder = LineDecoder::new(1024);
/// decoder.extend(b"{\"a\":1}\r\n \n{\"b\"");
/// assert_eq!(decoder.next(), Some(Frame::Line { text: b"{\"a\":1}", size: 9 }));
/// assert_eq!(decoder.next(), None);
/// ```
#[derive(Debug)]
pub struct LineDecoder {
    /// Bytes received and not yet given out: `buffer[start..filled]`; `start <= scanned <= filled`.
    buffer: Vec<u8>,
    start: usize,
    /// Up to here there is no LF.
    scanned: usize,
    filled: usize,
    /// How much room the next read gets at least.
    room: usize,
    limit: usize,
    /// The size so far of a line that is being dropped, and the limit it passed.
    dropping: Option<(usize, usize)>,
    at_stream_start: bool,
}

impl LineDecoder {
    /// A decoder that takes lines of at most `limit` bytes before LF, a CR or BOM counted.
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            filled: 0,
            room: FIRST_READ,
            limit,
            dropping: None,
            at_stream_start: true,
        }
    }

    /// Changes the limit for lines not yet given out.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The limit in force; bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Room for the next read; report what was read with [`advance`](Self::advance).
    ///
    /// Take all frames with [`next`](Self::next) first: that is what keeps memory bounded.
    pub fn space(&mut self) -> &mut [u8] {
        self.move_to_front();
        if self.filled == 0 && self.buffer.len() > KEEP_SIZE {
            self.buffer = Vec::new();
            self.room = FIRST_READ;
        }
        if self.buffer.len() - self.filled < self.room {
            // Grow by doubling, so that a long line is copied a few times only, but not past what
            // the limit can ask for.
            let ceiling = self.limit.saturating_add(1 + READ_SIZE);
            let wanted = (self.buffer.len() * 2).min(ceiling).max(self.filled + self.room);
            self.buffer.resize(wanted, 0);
        }
        &mut self.buffer[self.filled..]
    }

    /// Says that `count` bytes of [`space`](Self::space) were filled.
    ///
    /// # Panics
    /// Where `count` is more than there was room for.
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.buffer.len() - self.filled, "advanced past the space given");
        self.filled += count;
        if self.filled == self.buffer.len() {
            self.room = (2 * self.room).min(READ_SIZE);
        }
    }

    /// Copies bytes in; for tests and for sources that are not read into a buffer.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.move_to_front();
        let end = self.filled + bytes.len();
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        self.buffer[self.filled..end].copy_from_slice(bytes);
        self.filled = end;
    }

    /// The next frame, or `None` until more bytes come.
    ///
    /// Not an `Iterator`: a frame borrows from the decoder.
    #[expect(clippy::should_implement_trait, reason = "a lending iterator, which std has no trait for")]
    pub fn next(&mut self) -> Option<Frame<'_>> {
        loop {
            let pending = &self.buffer[self.scanned..self.filled];
            let Some(at) = memchr::memchr(b'\n', pending) else {
                self.scanned = self.filled;
                return self.unfinished();
            };
            let (line_start, line_end) = (self.start, self.scanned + at);
            let size = line_end - line_start;
            if let Some((dropped, limit)) = self.dropping.take() {
                self.consume(line_end + 1);
                return Some(Frame::Skipped { limit, size: dropped + size });
            }
            if size > self.limit {
                // Report the fault first, the LF on the next turn.
                self.dropping = Some((0, self.limit));
                self.scanned = line_end;
                self.at_stream_start = false;
                return Some(Frame::TooLong { limit: self.limit });
            }
            self.consume(line_end + 1);
            let (from, to) = self.trim(line_start, line_end);
            if !self.buffer[from..to].iter().all(|b| matches!(b, b' ' | b'\t' | b'\r')) {
                return Some(Frame::Line { text: &self.buffer[from..to], size: size + 1 });
            }
        }
    }

    /// Whether [`next`](Self::next) can give something out without more bytes. It may be nothing but white space.
    pub fn has_line(&self) -> bool {
        memchr::memchr(b'\n', &self.buffer[self.scanned..self.filled]).is_some()
    }

    /// No LF in what is there: bounds what is kept of the line.
    fn unfinished(&mut self) -> Option<Frame<'_>> {
        let size = self.filled - self.start;
        match self.dropping {
            Some((dropped, limit)) => {
                self.dropping = Some((dropped + size, limit));
                self.consume(self.filled);
                None
            }
            None if size > self.limit => {
                self.dropping = Some((size, self.limit));
                self.at_stream_start = false;
                self.consume(self.filled);
                Some(Frame::TooLong { limit: self.limit })
            }
            None => None,
        }
    }

    fn move_to_front(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.filled, 0);
            self.filled -= self.start;
            self.scanned -= self.start;
            self.start = 0;
        }
    }

    fn consume(&mut self, up_to: usize) {
        self.start = up_to;
        self.scanned = up_to;
    }

    fn trim(&mut self, mut from: usize, mut to: usize) -> (usize, usize) {
        if std::mem::take(&mut self.at_stream_start) && self.buffer[from..to].starts_with(BOM) {
            from += BOM.len();
        }
        if to > from && self.buffer[to - 1] == b'\r' {
            to -= 1;
        }
        (from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frames of a stream that arrives in these chunks, as text.
    fn frames(limit: usize, chunks: &[&[u8]]) -> Vec<String> {
        let mut decoder = LineDecoder::new(limit);
        let mut seen = Vec::new();
        for chunk in chunks {
            decoder.extend(chunk);
            while let Some(frame) = decoder.next() {
                seen.push(match frame {
                    Frame::Line { text, .. } => String::from_utf8_lossy(text).into_owned(),
                    Frame::TooLong { limit } => format!("<over {limit}>"),
                    Frame::Skipped { limit, size } => format!("<{size} over {limit}>"),
                });
            }
        }
        seen
    }

    fn check(limit: usize, stream: &str, wanted: &[&str]) {
        let bytes = stream.as_bytes();
        assert_eq!(frames(limit, &[bytes]), wanted, "{stream:?} whole");
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(frames(limit, &single), wanted, "{stream:?} byte by byte");
    }

    #[test]
    fn only_lf_ends_a_line() {
        check(99, "a\nb\n", &["a", "b"]);
        check(99, "a\rb\u{85}c\u{2028}d\u{2029}e\n", &["a\rb\u{85}c\u{2028}d\u{2029}e"]);
        check(99, "a\r\n", &["a"]);
        check(99, "a\r\r\n", &["a\r"]);
    }

    #[test]
    fn blank_lines_and_the_first_bom_are_nothing() {
        check(99, "\n \t\n\r\na\n", &["a"]);
        check(99, "\u{feff}a\n\u{feff}b\n", &["a", "\u{feff}b"]);
        check(99, "\u{feff}\na\n", &["a"]);
        check(99, "\n\u{feff}a\n", &["\u{feff}a"]);
    }

    #[test]
    fn an_unterminated_line_is_not_a_line() {
        check(99, "a\nb", &["a"]);
    }

    #[test]
    fn the_limit_counts_bytes_before_lf() {
        check(3, "abc\n", &["abc"]);
        check(3, "ab\r\n", &["ab"]);
        check(3, "abcd\nx\n", &["<over 3>", "<4 over 3>", "x"]);
        check(3, "abc\r\nx\n", &["<over 3>", "<4 over 3>", "x"]);
        check(3, "abcdefgh\nabcdefg\nx\n", &["<over 3>", "<8 over 3>", "<over 3>", "<7 over 3>", "x"]);
        check(3, "\u{feff}a\nx\n", &["<over 3>", "<4 over 3>", "x"]);
    }

    #[test]
    fn a_line_costs_all_its_bytes() {
        let mut decoder = LineDecoder::new(99);
        decoder.extend("\u{feff}a\r\n \n\tb \n".as_bytes());
        assert_eq!(decoder.next(), Some(Frame::Line { text: b"a", size: 6 }));
        assert_eq!(decoder.next(), Some(Frame::Line { text: b"\tb ", size: 4 }));
    }

    #[test]
    fn a_changed_limit_holds_for_what_is_buffered() {
        let mut decoder = LineDecoder::new(2);
        decoder.extend(b"a\nabcd\n");
        assert_eq!(decoder.next(), Some(Frame::Line { text: b"a", size: 2 }));
        decoder.set_limit(4);
        assert_eq!(decoder.next(), Some(Frame::Line { text: b"abcd", size: 5 }));
    }

    #[test]
    fn reads_that_are_filled_get_more_room() {
        let mut decoder = LineDecoder::new(1 << 20);
        let read = |decoder: &mut LineDecoder, count: usize| {
            decoder.space()[..count].fill(b'\n');
            decoder.advance(count);
            assert_eq!(decoder.next(), None);
        };
        for _ in 0..1000 {
            read(&mut decoder, 1000);
        }
        assert_eq!(decoder.buffer.len(), FIRST_READ);
        for _ in 0..100 {
            let all = decoder.space().len();
            read(&mut decoder, all);
        }
        assert_eq!(decoder.buffer.len(), READ_SIZE);
    }

    #[test]
    fn an_endless_line_holds_no_more_than_the_limit() {
        let limit = 300_000;
        let mut decoder = LineDecoder::new(limit);
        for _ in 0..10_000 {
            let space = decoder.space();
            let count = space.len();
            space.fill(b'x');
            decoder.advance(count);
            while decoder.next().is_some() {}
            assert!(decoder.buffer.capacity() <= 2 * (limit + 1 + READ_SIZE));
        }
    }
}
