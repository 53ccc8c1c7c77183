//! The other side writes without end, or reads nothing: what holds all the same.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::unbounded as channel;
use plugline_protocol::peer::{Call, CallError, CloseReason, Direction, Handler, Kind, RequestOptions, pair};
use plugline_protocol::wire::Error;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::ends::{End, PATIENCE};

/// Writes a line whenever it is called, so that there is always more to read; not for ever, so that a test ends.
fn flood(write: OwnedFd) -> impl Fn() + Send + Sync {
    let (write, since) = (File::from(write), Instant::now());
    move || {
        if since.elapsed() < PATIENCE {
            let progress =
                json!({"jsonrpc": "2.0", "method": "rpc.progress", "params": {"id": 9, "progress": 1}});
            // Once it is over, nobody reads.
            let _over = (&write).write_all(format!("{progress}\n").as_bytes());
        }
    }
}

#[test]
fn where_there_is_always_more_to_read_a_deadline_holds() {
    let (pipes, plugin) = pair().unwrap();
    let more = flood(plugin.write);
    let host = End::host().transcript(move |_, _| more()).open(pipes);
    let since = Instant::now();
    let failed = host
        .connection
        .call::<()>("b.any", &json!({}), RequestOptions::timeout(Duration::from_millis(30)))
        .unwrap_err();
    assert_eq!(failed.kind(), Kind::Timeout);
    assert!(since.elapsed() < PATIENCE / 2, "{:?}", since.elapsed());
}

#[test]
fn where_there_is_always_more_to_read_the_end_of_the_process_is_seen() {
    let (pipes, plugin) = pair().unwrap();
    let more = flood(plugin.write);
    let host = End::host();
    let ended = host.ended();
    let host = host.transcript(move |direction, _| {
        if direction == Direction::Received {
            ended.raise();
        }
        more();
    });
    let (host, since) = (host.open(pipes), Instant::now());
    let failed = host.call("b.any", &json!({})).unwrap_err();
    assert!(
        matches!(&failed, CallError::Closed(reason) if matches!(**reason, CloseReason::EndOfFile)),
        "{failed}"
    );
    assert!(since.elapsed() < PATIENCE / 2, "{:?}", since.elapsed());
}

#[test]
fn answers_that_nobody_reads_are_bounded_though_no_handler_runs() {
    let (pipes, plugin) = pair().unwrap();
    let any = Handler::new(|params: Value, _: &Call| Ok::<_, Error>(params));
    let host = End::host().on("a.any", any).open(pipes);
    let mut write = BufWriter::new(File::from(plugin.write));
    for id in 0..20_000 {
        let late = json!({"_meta": {"deadlineMs": 0}});
        let request =
            json!({"jsonrpc": "2.0", "id": format!("{id:0256}"), "method": "a.any", "params": late});
        writeln!(write, "{request}").unwrap();
    }
    write.flush().unwrap();
    assert!(matches!(host.end(), CloseReason::Overloaded(_)), "{:?}", host.end());
    drop(plugin.read);
}

#[test]
fn a_caller_does_not_wait_for_room_for_the_answers_to_its_callbacks() {
    const LONG: usize = 64 * 1024;
    let (pipes, plugin) = pair().unwrap();
    let answer = RawValue::from_string(json!("x".repeat(LONG)).to_string()).unwrap();
    // Fast, and so run by the caller that reads.
    let host = End::host().on("a.long", Handler::raw(move |_, _| Ok(answer.clone()))).open(pipes);
    let (over, is_over) = channel();
    thread::scope(|scope| {
        let connection = &host.connection;
        scope.spawn(move || {
            let options = RequestOptions::timeout(Duration::from_millis(500));
            let _gone = over.send(connection.call::<()>("b.any", &json!({}), options).unwrap_err().kind());
        });
        let (mut read, mut write) = (BufReader::new(File::from(plugin.read)), File::from(plugin.write));
        let mut call = |id: usize| {
            let params = json!({"_meta": {"parent": 0}});
            let request = json!({"jsonrpc": "2.0", "id": id, "method": "a.long", "params": params});
            writeln!(write, "{request}").unwrap();
        };
        read.read_line(&mut String::new()).unwrap();
        for id in 0..10 {
            call(id);
            read.read_line(&mut String::new()).unwrap();
        }
        // More than may be queued, and none of it is read.
        (10..10 + 2 * 8 * 1024 * 1024 / LONG).for_each(call);
        assert_eq!(is_over.recv_timeout(PATIENCE), Ok(Kind::Timeout));
    });
}
