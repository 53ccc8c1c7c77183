//! The socket to the runner: frames both ways.
//!
//! A frame is its length (four bytes, big-endian, what follows counted), a byte that says what it is, and the rest:
//!
//! | byte | direction | rest |
//! |---|---|---|
//! | `I` | to the runner | bytes read from standard input |
//! | `J` | to the runner | a report: `hello`, `eof`, `signal`, `done`, `fault` |
//! | `O` | from the runner | bytes for standard output |
//! | `E` | from the runner | bytes for standard error |
//! | `J` | from the runner | an order: `{seq, do, …}`, answered with `{done: seq, …}` |
//!
//! The runner's end of it is `conformance/src/host/puppet.rs`.

use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// More than the runner ever says in one frame.
const MAX_FRAME: usize = 64 * 1024 * 1024;

/// What the runner says.
pub(crate) enum Frame {
    /// For standard output.
    Output(Vec<u8>),
    /// For standard error.
    Complaint(Vec<u8>),
    /// Something to do.
    Order(Value),
}

/// The sending half, shared by all threads.
pub(crate) struct Link(Mutex<UnixStream>);

/// The receiving half.
pub(crate) struct Orders(BufReader<UnixStream>);

impl Link {
    pub(crate) fn connect(address: &str) -> io::Result<(Self, Orders)> {
        let stream = UnixStream::connect(address)?;
        let orders = Orders(BufReader::new(stream.try_clone()?));
        Ok((Self(Mutex::new(stream)), orders))
    }

    pub(crate) fn intake(&self, bytes: &[u8]) -> io::Result<()> {
        self.send(b'I', bytes)
    }

    pub(crate) fn report(&self, report: &Value) -> io::Result<()> {
        self.send(b'J', report.to_string().as_bytes())
    }

    fn send(&self, kind: u8, rest: &[u8]) -> io::Result<()> {
        let length = u32::try_from(rest.len() + 1).map_err(io::Error::other)?;
        let mut frame = Vec::with_capacity(rest.len() + 5);
        frame.extend_from_slice(&length.to_be_bytes());
        frame.push(kind);
        frame.extend_from_slice(rest);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&frame)
    }
}

impl Orders {
    pub(crate) fn next(&mut self) -> io::Result<Frame> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if !(1..=MAX_FRAME).contains(&length) {
            return Err(io::Error::other(format!("the runner sent a frame of {length} bytes")));
        }
        let mut frame = vec![0; length];
        self.0.read_exact(&mut frame)?;
        match frame.remove(0) {
            b'O' => Ok(Frame::Output(frame)),
            b'E' => Ok(Frame::Complaint(frame)),
            b'J' => Ok(Frame::Order(serde_json::from_slice(&frame)?)),
            other => Err(io::Error::other(format!("the runner sent a frame of kind {other}"))),
        }
    }
}
