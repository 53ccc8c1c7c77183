//! The codec alone: a request out, a response in, typed and raw.

use std::borrow::Cow;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use plugline_benches::params::ById;
use plugline_benches_driver::{User, einstein};
use plugline_protocol::wire::{Frame, LineDecoder, Message, Meta, Outcome, RequestId, decode, encode};
use serde_json::value::{RawValue, to_raw_value};

const LIMIT: usize = 1 << 20;

fn encoding(criterion: &mut Criterion) {
    let einstein = einstein();
    let params = ById { id: Cow::Borrowed(&einstein.id) };
    let id = RequestId::Number(12_345);
    let mut group = criterion.benchmark_group("encode");
    let mut out = Vec::with_capacity(1024);
    group.bench_function("request", |bencher| {
        bencher.iter(|| {
            out.clear();
            let meta = Meta::default();
            encode::request(&mut out, LIMIT, &id, "users.get_user", black_box(&params), &meta)
        });
    });
    group.bench_function("request with a deadline", |bencher| {
        bencher.iter(|| {
            out.clear();
            let meta = Meta { deadline_ms: Some(30_000), ..Meta::default() };
            encode::request(&mut out, LIMIT, &id, "users.get_user", black_box(&params), &meta)
        });
    });
    group.bench_function("response", |bencher| {
        bencher.iter(|| {
            out.clear();
            let result = to_raw_value(black_box(&einstein)).expect("a user is plain JSON");
            encode::result(&mut out, LIMIT, &id, &result)
        });
    });
    group.finish();
}

/// A response to `GetUser`, without its LF.
fn response() -> Vec<u8> {
    let mut line = Vec::new();
    let result = to_raw_value(&einstein()).expect("a user is plain JSON");
    encode::result(&mut line, LIMIT, &RequestId::Number(12_345), &result).expect("a short line");
    line.pop();
    line
}

fn result(line: &[u8]) -> &RawValue {
    match decode(line) {
        Ok(Message::Response(response)) => match response.outcome {
            Outcome::Result(raw) => raw,
            Outcome::Error(_) => panic!("an error"),
        },
        other => panic!("{other:?}"),
    }
}

fn decoding(criterion: &mut Criterion) {
    let line = response();
    let mut group = criterion.benchmark_group("decode");
    group.bench_function("response, typed", |bencher| {
        bencher.iter(|| {
            let user: User = serde_json::from_str(result(black_box(&line)).get()).expect("a user");
            user
        });
    });
    group.bench_function("response, raw", |bencher| {
        bencher.iter(|| result(black_box(&line)).get().len());
    });
    let lines = [&line[..], b"\n"].concat().repeat(64);
    let mut decoder = LineDecoder::new(LIMIT);
    group.bench_function("64 lines, split", |bencher| {
        bencher.iter(|| {
            decoder.extend(black_box(&lines));
            let mut bytes = 0;
            while let Some(Frame::Line { text: line, .. }) = decoder.next() {
                bytes += line.len();
            }
            bytes
        });
    });
    group.finish();
}

criterion_group!(benches, encoding, decoding);
criterion_main!(benches);
