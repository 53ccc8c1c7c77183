//! What holds for any bytes and any message.

use plugline_protocol::wire::{
    EncodeError, Error, Frame, LineDecoder, Message, Meta, Outcome, Params, RemoteError, RequestId, decode,
    encode, error,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use crate::arbitrary;

const NO_LIMIT: usize = usize::MAX;
/// What the decoder asks of a read at most, and may hold beyond its limit …
const READ_SIZE: usize = 64 * 1024;
/// … and what it asks at least.
const FIRST_READ: usize = 8 * 1024;

#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Line(Vec<u8>),
    TooLong,
    Skipped(usize),
}

fn drain(decoder: &mut LineDecoder, seen: &mut Vec<Seen>) {
    while let Some(frame) = decoder.next() {
        seen.push(match frame {
            Frame::Line { text, .. } => Seen::Line(text.to_vec()),
            Frame::TooLong { .. } => Seen::TooLong,
            Frame::Skipped { size, .. } => Seen::Skipped(size),
        });
    }
}

/// Copies the stream in, in chunks of these sizes again and again.
fn extended(limit: usize, stream: &[u8], sizes: &[usize]) -> Vec<Seen> {
    let (mut decoder, mut seen) = (LineDecoder::new(limit), Vec::new());
    for chunk in chopped(stream, sizes) {
        decoder.extend(chunk);
        drain(&mut decoder, &mut seen);
    }
    seen
}

/// Reads the stream in, as from a pipe.
fn advanced(limit: usize, stream: &[u8], sizes: &[usize]) -> Vec<Seen> {
    let (mut decoder, mut seen) = (LineDecoder::new(limit), Vec::new());
    for chunk in chopped(stream, sizes) {
        decoder.space()[..chunk.len()].copy_from_slice(chunk);
        decoder.advance(chunk.len());
        drain(&mut decoder, &mut seen);
    }
    seen
}

fn chopped<'a>(mut stream: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    sizes.iter().cycle().map_while(move |size| {
        let (chunk, rest) = stream.split_at((*size).min(stream.len()));
        stream = rest;
        (!chunk.is_empty()).then_some(chunk)
    })
}

/// The frames by the specification, from the whole stream at once.
fn specified(limit: usize, stream: &[u8]) -> Vec<Seen> {
    let mut lines: Vec<&[u8]> = stream.split(|byte| *byte == b'\n').collect();
    let unterminated = lines.pop().expect("a split has at least one part");
    let mut seen = Vec::new();
    for (number, line) in lines.into_iter().enumerate() {
        if line.len() > limit {
            seen.extend([Seen::TooLong, Seen::Skipped(line.len())]);
            continue;
        }
        let line = if number == 0 { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.iter().all(|byte| b" \t\r".contains(byte)) {
            seen.push(Seen::Line(line.to_vec()));
        }
    }
    if unterminated.len() > limit {
        seen.push(Seen::TooLong);
    }
    seen
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => vec(select(&b"ab{}\xff"[..]), 0..6),
        1 => vec(Just(b'x'), 0..80),
        4 => select(&["\n", "\r\n", "\r", " \t", "\u{feff}", "\n\n", "\u{2028}", "\u{85}"][..])
            .prop_map(|piece| piece.as_bytes().to_vec()),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Text that is nearly a message.
fn token_soup() -> impl Strategy<Value = Vec<u8>> {
    const TOKENS: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\n",
        "\r",
        " ",
        "null",
        "true",
        "-",
        "1",
        "2.0",
        "1e999",
        "\"",
        "\"jsonrpc\":\"2.0\"",
        "\"id\":1",
        "\"method\":\"m\"",
        "\"params\":{",
        "\"_meta\":{",
        "\"parent\":0",
        "\"result\":",
        "\"error\":{\"code\":1,\"message\":\"\"}",
        "\\u",
        "\\ud800",
        "\\",
        "\u{feff}",
        "\u{2028}",
    ];
    vec(select(TOKENS), 0..40).prop_map(|tokens| tokens.concat().into_bytes())
}

/// A request with one byte changed.
fn spoilt_request() -> impl Strategy<Value = Vec<u8>> {
    (
        arbitrary::id(),
        arbitrary::method(),
        arbitrary::params(),
        arbitrary::meta(),
        any::<Index>(),
        any::<u8>(),
    )
        .prop_map(|(id, method, params, meta, at, byte)| {
            let mut line = Vec::new();
            encode::request(&mut line, NO_LIMIT, &id, &method, &params, &meta).expect("it may be sent");
            let at = at.index(line.len());
            line[at] = byte;
            line
        })
}

/// Everything that is done to what a line holds before a handler sees it.
fn take(line: &[u8]) {
    let read = |params: Params<'_>| {
        let _read = (params.meta(), params.decode::<Value>(), params.decode_open::<()>());
    };
    match decode(line) {
        Ok(Message::Request(request)) => read(request.params),
        Ok(Message::Notification(notification)) => read(notification.params),
        Ok(Message::Response(response)) => {
            if let Outcome::Error(error) = response.outcome {
                let _read = error.to_error();
            }
        }
        Err(fault) => drop(fault.to_string()),
    }
}

/// The line without its LF, which is its only one.
fn whole(line: &[u8]) -> &[u8] {
    let body = line.strip_suffix(b"\n").expect("a line ends with LF");
    assert!(!body.iter().any(|byte| matches!(byte, b'\n' | b'\r')), "{}", body.escape_ascii());
    body
}

fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).expect("it was JSON when it was sent")
}

/// A call as its receiver sees it: `_meta` read apart.
fn received(params: Params<'_>) -> (Value, Meta) {
    (params.decode().expect("any object is one"), params.meta())
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(
        stream in prop_oneof![vec(any::<u8>(), 0..400), token_soup(), spoilt_request()],
        limit in prop_oneof![0_usize..64, Just(NO_LIMIT)],
        sizes in vec(1_usize..40, 1..8),
    ) {
        for seen in extended(limit, &stream, &sizes) {
            if let Seen::Line(line) = seen {
                take(&line);
            }
        }
        take(&stream);
    }

    #[test]
    fn chunks_do_not_matter(
        stream in stream(),
        limit in 0_usize..40,
        sizes in vec(1_usize..20, 1..8),
    ) {
        let wanted = specified(limit, &stream);
        prop_assert_eq!(&extended(limit, &stream, &[NO_LIMIT]), &wanted, "whole");
        prop_assert_eq!(&extended(limit, &stream, &sizes), &wanted, "copied in chunks");
        prop_assert_eq!(&advanced(limit, &stream, &sizes), &wanted, "read in chunks");
        prop_assert_eq!(&advanced(limit, &stream, &[1]), &wanted, "byte by byte");
    }

    #[test]
    fn requests_come_out_as_they_went_in(
        id in arbitrary::id(),
        method in arbitrary::method(),
        params in arbitrary::params(),
        meta in arbitrary::meta(),
    ) {
        let mut line = Vec::new();
        encode::request(&mut line, NO_LIMIT, &id, &method, &params, &meta).expect("it may be sent");
        let Ok(Message::Request(seen)) = decode(whole(&line)) else { panic!("{}", line.escape_ascii()) };
        prop_assert_eq!(seen.id, id);
        prop_assert_eq!(seen.method, method);
        prop_assert_eq!(received(seen.params), (Value::from(params), meta));
    }

    #[test]
    fn notifications_come_out_as_they_went_in(
        method in arbitrary::method(),
        params in option::of(arbitrary::params()),
    ) {
        let mut line = Vec::new();
        encode::notification(&mut line, NO_LIMIT, &method, &params).expect("it may be sent");
        let Ok(Message::Notification(seen)) = decode(whole(&line)) else { panic!("{}", line.escape_ascii()) };
        prop_assert_eq!(seen.method, method);
        let params = Value::from(params.unwrap_or_default());
        prop_assert_eq!(received(seen.params), (params, Meta::default()));
    }

    #[test]
    fn results_come_out_as_they_went_in(id in arbitrary::id(), result in arbitrary::deep_json()) {
        // Someone else's formatting, newlines in it, as a handler of raw results may bring.
        let pretty = RawValue::from_string(serde_json::to_string_pretty(&result).unwrap()).unwrap();
        for raw in [to_raw_value(&result).unwrap(), pretty] {
            let mut line = Vec::new();
            encode::result(&mut line, NO_LIMIT, &id, &raw).expect("it may be sent");
            let Ok(Message::Response(seen)) = decode(whole(&line)) else { panic!("{}", line.escape_ascii()) };
            prop_assert_eq!(&seen.id, &id);
            let Outcome::Result(seen) = seen.outcome else { panic!("{}", line.escape_ascii()) };
            prop_assert_eq!(value(seen), result.clone());
        }
    }

    #[test]
    fn errors_come_out_as_they_went_in(
        id in option::of(arbitrary::id()),
        code in prop_oneof![arbitrary::integer(), -32800_i64..-31900],
        message in arbitrary::text(),
        data in option::of(arbitrary::json()),
    ) {
        let sent = error::application(code, message, data);
        let mut line = Vec::new();
        encode::error(&mut line, NO_LIMIT, id.as_ref(), &sent).expect("it may be sent");
        let (seen_id, seen) = decoded_error(whole(&line));
        prop_assert_eq!(seen_id, id);
        match seen {
            Ok(seen) => prop_assert_eq!(seen, sent),
            Err((code, message)) => prop_assert_eq!((code, message), (sent.code.code(), sent.message)),
        }
    }

    #[test]
    fn what_may_not_be_sent_is_not(
        params in arbitrary::params(),
        reserved in arbitrary::json(),
        room in any::<Index>(),
    ) {
        let send = |limit: usize, params: &Map<String, Value>| {
            let mut out = b"before".to_vec();
            let sent = encode::notification(&mut out, limit, "m", params);
            assert!(sent.is_ok() || out == b"before", "{sent:?} left something behind");
            sent.map(|()| out.len() - b"before".len() - b"\n".len())
        };
        let size = send(NO_LIMIT, &params).expect("it may be sent");
        let room = room.index(2 * size);
        match send(room, &params) {
            Ok(_) => prop_assert!(size <= room),
            Err(EncodeError::TooLarge { limit, size: seen }) => {
                prop_assert_eq!((limit, seen), (room, size));
                prop_assert!(size > room);
            }
            Err(other) => panic!("{other:?}"),
        }
        let mut taken = params.clone();
        taken.insert("_meta".into(), reserved);
        prop_assert!(matches!(send(NO_LIMIT, &taken), Err(EncodeError::ReservedMember)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_line_takes_no_more_memory_than_the_limit(
        limit in prop_oneof![0_usize..4096, 60_000_usize..70_000, Just(300_000)],
        reads in vec((any::<Index>(), option::weighted(0.2, any::<Index>())), 1..24),
    ) {
        let mut decoder = LineDecoder::new(limit);
        let mut line = 0;
        for (count, newline) in reads {
            // What was read of a line that is not over the limit yet is held; all else may not be.
            let held = if line > limit { 0 } else { line };
            let space = decoder.space();
            prop_assert!(space.len() >= FIRST_READ);
            prop_assert!(held + space.len() <= limit + 1 + READ_SIZE, "{held} + {} held", space.len());
            let count = count.index(space.len() + 1);
            space[..count].fill(b'x');
            line += count;
            if let Some(at) = newline.filter(|_| count > 0).map(|at| at.index(count)) {
                space[at] = b'\n';
                line = count - at - 1;
            }
            decoder.advance(count);
            drain(&mut decoder, &mut Vec::new());
        }
    }
}

/// An error response; where its id is null, only code and message are kept.
fn decoded_error(line: &[u8]) -> (Option<RequestId>, Result<Error, (i64, String)>) {
    use plugline_protocol::wire::Malformed;
    match decode(line) {
        Ok(Message::Response(response)) => {
            let Outcome::Error(error) = response.outcome else { panic!("{}", line.escape_ascii()) };
            (Some(response.id), Ok(to_error(&error)))
        }
        Err(Malformed::Unaddressed { code, message }) => (None, Err((code, message))),
        other => panic!("{other:?}: {}", line.escape_ascii()),
    }
}

fn to_error(error: &RemoteError<'_>) -> Error {
    error.to_error().expect("its data were JSON when they were sent")
}

#[test]
fn nesting_may_reach_the_limit_and_not_pass_it() {
    let id = RequestId::Number(0);
    let nested = |depth: usize| to_raw_value(&(0..depth).fold(json!(0), |inner, _| json!([inner]))).unwrap();
    let mut line = Vec::new();
    encode::result(&mut line, NO_LIMIT, &id, &nested(encode::MAX_DEPTH - 1)).unwrap();
    assert!(matches!(decode(whole(&line)), Ok(Message::Response(_))));
    let over = encode::result(&mut Vec::new(), NO_LIMIT, &id, &nested(encode::MAX_DEPTH));
    assert!(matches!(over, Err(EncodeError::TooDeep)), "{over:?}");
}
