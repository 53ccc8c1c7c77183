//! Bytes in chunks of any size → frames. However they are cut, the frames are those of the whole; the model below says
//! which; and room is never made for more than the limit asks for.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use plugline_protocol::wire::{Frame, LineDecoder};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    limit: u8,
    pieces: Vec<Piece<'a>>,
    /// How the whole is cut; where there are no more cuts, the rest comes at once.
    cuts: Vec<u8>,
    /// Another limit, after so many chunks.
    later: Option<(u8, u8)>,
}

/// A part of a stream.
#[derive(Debug, Arbitrary)]
enum Piece<'a> {
    Bytes(&'a [u8]),
    Run { byte: u8, count: u8 },
    Text(Awkward),
}

#[derive(Debug, Arbitrary, Clone, Copy)]
enum Awkward {
    Lf,
    CrLf,
    Cr,
    Bom,
    Separators,
    White,
}

/// A frame, owned.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Line { text: Vec<u8>, size: usize },
    TooLong { limit: usize },
    Skipped { limit: usize, size: usize },
}

fuzz_target!(|input: Input<'_>| {
    let mut stream = Vec::new();
    for piece in &input.pieces {
        match piece {
            Piece::Bytes(bytes) => stream.extend_from_slice(bytes),
            Piece::Run { byte, count } => stream.extend(std::iter::repeat_n(*byte, usize::from(*count) * 4)),
            Piece::Text(awkward) => stream.extend_from_slice(match awkward {
                Awkward::Lf => b"\n",
                Awkward::CrLf => b"\r\n",
                Awkward::Cr => b"\r",
                Awkward::Bom => b"\xEF\xBB\xBF",
                Awkward::Separators => b"\xC2\x85\xE2\x80\xA8",
                Awkward::White => b" \t \r",
            }),
        }
    }
    let limit = usize::from(input.limit) * 4;
    let chopped = frames(limit, &chunks(&stream, &input.cuts), None);
    assert_eq!(chopped, wanted(limit, &stream));
    assert_eq!(frames(limit, &[&stream], None), chopped);
    // When a limit counts depends on when the bytes come: no more is said than that nothing breaks.
    frames(limit, &chunks(&stream, &input.cuts), input.later);
});

fn chunks<'a>(stream: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    let mut rest = stream;
    let mut chunks = Vec::new();
    for cut in cuts {
        let (chunk, after) = rest.split_at(usize::from(*cut).min(rest.len()));
        chunks.push(chunk);
        rest = after;
    }
    chunks.push(rest);
    chunks
}

fn frames(limit: usize, chunks: &[&[u8]], later: Option<(u8, u8)>) -> Vec<Seen> {
    const ROOM: usize = 2 * 64 * 1024;
    let mut decoder = LineDecoder::new(limit);
    let mut highest = limit;
    let mut seen = Vec::new();
    for (at, chunk) in chunks.iter().enumerate() {
        if let Some((after, other)) = later
            && usize::from(after) == at
        {
            decoder.set_limit(usize::from(other) * 4);
            highest = highest.max(decoder.limit());
        }
        let mut rest = *chunk;
        while !rest.is_empty() {
            let space = decoder.space();
            assert!(!space.is_empty() && space.len() <= highest + ROOM, "room for {}", space.len());
            let count = rest.len().min(space.len());
            space[..count].copy_from_slice(&rest[..count]);
            decoder.advance(count);
            rest = &rest[count..];
            loop {
                let is_there = decoder.has_line();
                let frame = decoder.next();
                assert!(is_there || !matches!(frame, Some(Frame::Line { .. })), "a line that was not there");
                match frame {
                    None => break,
                    Some(Frame::Line { text, size }) => {
                        assert!(text.len() < size && size <= highest + 1);
                        seen.push(Seen::Line { text: text.to_vec(), size });
                    }
                    Some(Frame::TooLong { limit }) => seen.push(Seen::TooLong { limit }),
                    Some(Frame::Skipped { limit, size }) => {
                        assert!(size > limit);
                        seen.push(Seen::Skipped { limit, size });
                    }
                }
            }
        }
    }
    seen
}

/// What the whole stream says, by the specification and without any state.
fn wanted(limit: usize, stream: &[u8]) -> Vec<Seen> {
    let mut lines: Vec<&[u8]> = stream.split(|&byte| byte == b'\n').collect();
    let unfinished = lines.pop().expect("there is always a last one");
    let mut seen = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if line.len() > limit {
            seen.push(Seen::TooLong { limit });
            seen.push(Seen::Skipped { limit, size: line.len() });
            continue;
        }
        let text = if at == 0 { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line };
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.iter().any(|byte| !b" \t\r".contains(byte)) {
            seen.push(Seen::Line { text: text.to_vec(), size: line.len() + 1 });
        }
    }
    if unfinished.len() > limit {
        seen.push(Seen::TooLong { limit });
    }
    seen
}
