//! Bytes in chunks of any size → lines → messages → lines again → the same messages.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugline_protocol::wire::{
    Frame, LineDecoder, Message, Meta, Outcome, Request, Response, decode, encode,
};
use serde_json::value::RawValue;

const LIMIT: usize = 64 * 1024;

fuzz_target!(|input: (u64, &[u8])| {
    let (mut seed, mut stream) = input;
    let mut decoder = LineDecoder::new(LIMIT);
    while !stream.is_empty() {
        let (chunk, rest) = stream.split_at(chunk_size(&mut seed).min(stream.len()));
        stream = rest;
        decoder.space()[..chunk.len()].copy_from_slice(chunk);
        decoder.advance(chunk.len());
        while let Some(frame) = decoder.next() {
            if let Frame::Line { text, .. } = frame {
                check(text);
            }
        }
    }
});

/// Xorshift: from 1 to 64 bytes.
fn chunk_size(seed: &mut u64) -> usize {
    *seed |= 1;
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed % 64) as usize + 1
}

fn check(line: &[u8]) {
    match decode(line) {
        Ok(Message::Request(request)) => check_request(&request),
        Ok(Message::Response(response)) => check_response(&response),
        Ok(Message::Notification(notification)) => drop(notification.params.meta()),
        Err(fault) => drop(fault.to_string()),
    }
}

/// What cannot be sent again (an array, `_meta`, too deep) is none of this target's business.
fn check_request(request: &Request<'_>) {
    let _meta = request.params.meta();
    let params: &RawValue = serde_json::from_str(request.params.get()).expect("decode checked it");
    let mut line = Vec::new();
    if encode::request(&mut line, usize::MAX, &request.id, &request.method, params, &Meta::default()).is_err()
    {
        return;
    }
    let Ok(Message::Request(again)) = decode(whole(&line)) else { panic!("no request any more") };
    assert_eq!(again.id, request.id);
    assert_eq!(again.method, request.method);
    assert_eq!(normal(again.params.get()), normal(request.params.get()));
}

fn check_response(response: &Response<'_>) {
    let mut line = Vec::new();
    let encoded = match &response.outcome {
        Outcome::Result(result) => encode::result(&mut line, usize::MAX, &response.id, result),
        Outcome::Error(error) => match error.to_error() {
            Ok(error) => encode::error(&mut line, usize::MAX, Some(&response.id), &error),
            Err(_) => return,
        },
    };
    if encoded.is_err() {
        return;
    }
    let Ok(Message::Response(again)) = decode(whole(&line)) else { panic!("no response any more") };
    assert_eq!(again.id, response.id);
    match (&again.outcome, &response.outcome) {
        (Outcome::Result(again), Outcome::Result(result)) => {
            assert_eq!(normal(again.get()), normal(result.get()));
        }
        (Outcome::Error(again), Outcome::Error(error)) => {
            assert_eq!(again.to_error().expect("it was sent"), error.to_error().expect("checked above"));
        }
        _ => panic!("a result became an error, or the other way round"),
    }
}

fn whole(line: &[u8]) -> &[u8] {
    let body = line.strip_suffix(b"\n").expect("a line ends with LF");
    assert!(!body.iter().any(|byte| matches!(byte, b'\n' | b'\r')), "a second line");
    body
}

/// A raw CR, white space there, is sent as a space; an empty object is not sent at all.
fn normal(json: &str) -> String {
    match json.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(inner) if inner.trim().is_empty() => "{}".to_owned(),
        _ => json.replace('\r', " "),
    }
}
