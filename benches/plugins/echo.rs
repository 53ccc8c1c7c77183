//! Answers bytes with bytes, or pours them out: no messages at all.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io;
use std::os::fd::AsFd;

use plugline_benches::echo::{Ends, REQUEST, RESPONSE, Wait};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let wait: Wait = args.next().ok_or("usage: echo-plugin blocking|polling [CHUNK BYTES]")?.parse()?;
    // Past the buffers that the standard library puts around both.
    let read = std::fs::File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let write = std::fs::File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut ends = Ends::new(read, write, wait)?;
    if let (Some(chunk), Some(bytes)) = (args.next(), args.next()) {
        let (chunk, bytes): (usize, usize) = (chunk.parse()?, bytes.parse()?);
        let data = vec![b'x'; chunk];
        for sent in (0..bytes).step_by(chunk) {
            ends.send(&data[..chunk.min(bytes - sent)])?;
        }
        return Ok(());
    }
    let mut request = [0; REQUEST.len()];
    while ends.receive(&mut request).is_ok() {
        if request != REQUEST {
            return Err("the request is wrong".into());
        }
        ends.send(&RESPONSE)?;
    }
    Ok(())
}
