//! A plugin's standard error: always drained, its end kept, escaped before anyone sees it.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use plugline_protocol::peer::{Block, Wake};
use plugline_protocol::wire::escape;

/// How much of the end is kept; bytes.
const TAIL_BYTES: usize = 16 * 1024;
/// How many lines of it are shown.
const TAIL_LINES: usize = 20;
/// What may still stand in the pipe when the process is gone; more than any pipe holds.
const LEFT_BYTES: usize = 2 * 1024 * 1024;

/// The end of what a process wrote to its standard error.
#[derive(Debug, Default)]
pub(super) struct Tail(Mutex<VecDeque<u8>>);

impl Tail {
    fn lock(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, bytes: &[u8]) {
        let mut tail = self.lock();
        let bytes = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
        let excess = (tail.len() + bytes.len()).saturating_sub(TAIL_BYTES);
        tail.drain(..excess);
        tail.extend(bytes);
    }

    /// The last lines, escaped.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut tail = self.lock();
        let lines: Vec<&[u8]> = tail
            .make_contiguous()
            .split(|b| *b == b'\n')
            .filter(|line| !line.trim_ascii().is_empty())
            .collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| escape(line)).collect()
    }
}

/// Reads until the end, or until the process is gone and what it left has been read. A line at a time goes to
/// `listen`; of a line longer than what is kept, its pieces.
pub(super) fn drain(pipe: &OwnedFd, ended: &Wake, tail: &Tail, mut listen: impl FnMut(&[u8])) {
    let mut chunk = vec![0; 16 * 1024];
    let mut line = Vec::new();
    let mut left = None;
    loop {
        let block = if left.is_some() { Block::No } else { Block::Yes };
        let Ok(waited) = ended.wait_readable(pipe, block) else { break };
        if waited.raised {
            left.get_or_insert(LEFT_BYTES);
        }
        if left == Some(0) || (waited.raised && !waited.ready) {
            break;
        }
        let count = match rustix::io::read(pipe, &mut chunk[..]) {
            Ok(0) => break,
            Ok(count) => count,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => continue,
            Err(_) => break,
        };
        left = left.map(|left: usize| left.saturating_sub(count));
        let chunk = &chunk[..count];
        tail.push(chunk);
        for piece in chunk.split_inclusive(|b| *b == b'\n') {
            line.extend_from_slice(piece);
            if line.ends_with(b"\n") || line.len() >= TAIL_BYTES {
                listen(line.trim_ascii_end());
                line.clear();
            }
        }
    }
    if !line.is_empty() {
        listen(line.trim_ascii_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_have_so_many_bytes_and_a_longer_one_comes_in_pieces() {
        let lines = |length: usize| {
            let (reader, mut writer) = os_pipe::pipe().unwrap();
            let writing = std::thread::spawn(move || {
                // More than a pipe holds may be written.
                std::io::Write::write_all(&mut writer, &[vec![b'x'; length], b"\n".to_vec()].concat())
                    .unwrap();
            });
            let mut lines = Vec::new();
            let listen = |line: &[u8]| lines.push(line.len());
            drain(&OwnedFd::from(reader), &Wake::new().unwrap(), &Tail::default(), listen);
            writing.join().unwrap();
            lines
        };
        assert_eq!(lines(TAIL_BYTES - 1), [TAIL_BYTES - 1]);
        let pieces = lines(3 * TAIL_BYTES);
        assert!(pieces.iter().all(|piece| *piece < 2 * TAIL_BYTES), "{pieces:?}");
        assert_eq!(pieces.iter().sum::<usize>(), 3 * TAIL_BYTES);
    }

    #[test]
    fn the_tail_is_bounded_and_keeps_the_end() {
        let tail = Tail::default();
        for number in 0..100_000 {
            tail.push(format!("line {number}\n").as_bytes());
            assert!(tail.lock().len() <= TAIL_BYTES);
        }
        tail.push(&vec![b'x'; 3 * TAIL_BYTES]);
        assert_eq!(tail.lock().len(), TAIL_BYTES);
        tail.push(b"\nlast\n");
        assert_eq!(tail.lines().last().map(String::as_str), Some("last"));
        assert!(tail.lines().len() <= TAIL_LINES);
    }
}
