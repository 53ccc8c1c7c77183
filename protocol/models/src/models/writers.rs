//! Writers, whose lines are written by one of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{check, join};
use crate::io::End;
use crate::outbox::{Outbox, Wrote};
use crate::sync::Arc;
use crate::system::{change, system};

/// An outbox whose pipe takes so many bytes, and how often that was closed.
fn outbox(room: usize) -> (Arc<Outbox>, Arc<AtomicUsize>) {
    change(|state| state.room = room);
    let closings = Arc::default();
    (Arc::new(Outbox::new(End::Out(Arc::clone(&closings))).unwrap()), closings)
}

fn assert_closed(outbox: &Outbox, closings: &AtomicUsize) {
    assert!(outbox.wait_closed(None));
    assert_eq!(closings.load(Ordering::Relaxed), 1);
}

/// What `Connection::write_out` does, the thread that waits for the pipe's reader included.
fn write_out(outbox: &Outbox) {
    let Some(pen) = outbox.pen() else { return };
    match outbox.write(pen) {
        Wrote::All => {}
        Wrote::Full(pen) => assert!(matches!(outbox.write_out(pen), Wrote::All)),
        Wrote::Failed(fault) => panic!("{fault}"),
    }
}

fn send(outbox: &Outbox, line: u8) {
    outbox.push(&[line]).unwrap();
    write_out(outbox);
}

/// Each of them was written once, and those of one writer in their order.
fn assert_written(lines: &[&[u8]]) {
    let written = system().outgoing.clone();
    let places: BTreeMap<u8, usize> = written.iter().copied().zip(0..).collect();
    assert_eq!(written.len(), lines.concat().len(), "{written:?}");
    assert_eq!(written.len(), places.len(), "{written:?}");
    for lines in lines {
        assert!(lines.is_sorted_by_key(|line| places[line]), "{written:?}");
    }
}

/// When everybody has returned, all was written.
pub fn writers_combine() {
    check(3, || {
        let (outbox, _) = outbox(100);
        let writers = [b"ab", b"cd"].map(|lines| {
            let outbox = Arc::clone(&outbox);
            loom::thread::spawn(move || lines.iter().for_each(|line| send(&outbox, *line)))
        });
        outbox.push(b"e").unwrap();
        outbox.push(b"f").unwrap();
        write_out(&outbox);
        join(writers);
        assert_written(&[b"ab", b"cd", b"ef"]);
    });
}

/// The same, where the pipe is full in between; and then the pipe is closed, once.
pub fn writers_combine_where_the_pipe_is_full() {
    check(3, || {
        let (outbox, closings) = outbox(1);
        let writers = [b"ab", b"cd"].map(|lines| {
            let outbox = Arc::clone(&outbox);
            loom::thread::spawn(move || lines.iter().for_each(|line| send(&outbox, *line)))
        });
        change(|state| state.room += 3);
        join(writers);
        assert_written(&[b"ab", b"cd"]);
        outbox.finish();
        write_out(&outbox);
        assert_closed(&outbox, &closings);
    });
}

/// A pen that is put back is taken by whoever writes next, with what was not written before what came since.
pub fn a_pen_is_put_back() {
    check(3, || {
        let (outbox, _) = outbox(1);
        let writer = {
            let outbox = Arc::clone(&outbox);
            loom::thread::spawn(move || send(&outbox, b'a'))
        };
        outbox.push(b"b").unwrap();
        outbox.push(b"c").unwrap();
        if let Some(pen) = outbox.pen() {
            let Wrote::Full(pen) = outbox.write(pen) else { panic!("there is no room") };
            outbox.push(b"d").unwrap();
            outbox.put_back(pen);
        } else {
            outbox.push(b"d").unwrap();
        }
        change(|state| state.room = 4);
        write_out(&outbox);
        join([writer]);
        assert_written(&[b"a", b"bcd"]);
    });
}

/// What is queued when no more is taken is written, and then whoever waits for the end is told.
pub fn the_last_line_is_written_before_the_pipe_is_closed() {
    check(3, || {
        let (outbox, closings) = outbox(100);
        let writer = {
            let outbox = Arc::clone(&outbox);
            loom::thread::spawn(move || {
                let sent = outbox.push(b"a").is_ok();
                write_out(&outbox);
                sent
            })
        };
        let waiter = {
            let (outbox, closings) = (Arc::clone(&outbox), Arc::clone(&closings));
            loom::thread::spawn(move || assert_closed(&outbox, &closings))
        };
        outbox.finish();
        write_out(&outbox);
        let sent = writer.join().unwrap();
        waiter.join().unwrap();
        assert_written(if sent { &[b"a"] } else { &[] });
    });
}

/// An abort ends a write that waits for its reader.
pub fn an_abort_ends_a_write() {
    check(3, || {
        let (outbox, closings) = outbox(0);
        let writer = {
            let outbox = Arc::clone(&outbox);
            loom::thread::spawn(move || {
                if outbox.push(b"a").is_ok() {
                    write_out(&outbox);
                }
            })
        };
        outbox.abort();
        assert_closed(&outbox, &closings);
        join([writer]);
        assert_written(&[]);
    });
}
