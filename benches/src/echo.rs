//! A request and a response as bytes, and two ways to wait for them: the limits that pipes set.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::str::FromStr;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// A line about as long as that of a `GetUser` request: 143 bytes in the prototype that the goals were set by.
pub const REQUEST: [u8; 143] = line();
/// A line about as long as that of its response; 294 bytes there.
pub const RESPONSE: [u8; 294] = line();
/// So long a reader polls before it blocks.
const BUDGET: Duration = Duration::from_micros(50);

const fn line<const N: usize>() -> [u8; N] {
    let mut line = [b'x'; N];
    line[N - 1] = b'\n';
    line
}

/// How a reader waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// In read(2).
    Blocking,
    /// It asks again and again for up to 50 µs, then blocks.
    Polling,
}

impl Wait {
    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::Polling => "polling",
        }
    }
}

impl FromStr for Wait {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Self::Blocking, Self::Polling]
            .into_iter()
            .find(|wait| wait.name() == name)
            .ok_or_else(|| format!("{name} is neither blocking nor polling"))
    }
}

/// Both ends of a pair of pipes, of which this side reads one and writes the other.
#[derive(Debug)]
pub struct Ends<R, W> {
    read: R,
    write: W,
    wait: Wait,
}

impl<R: Read + AsFd, W: Write> Ends<R, W> {
    /// Takes two pipe ends into service. No other process may share the reading one's file description.
    ///
    /// # Errors
    /// Where it is no file descriptor to read from.
    pub fn new(read: R, write: W, wait: Wait) -> io::Result<Self> {
        if wait == Wait::Polling {
            fcntl_setfl(&read, fcntl_getfl(&read)? | OFlags::NONBLOCK)?;
        }
        Ok(Self { read, write, wait })
    }

    /// Writes all of that at once.
    ///
    /// # Errors
    /// Where nobody reads.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write.write_all(bytes)?;
        self.write.flush()
    }

    /// Fills the buffer.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] where the other side ends first.
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.wait == Wait::Blocking {
            return self.read.read(buffer);
        }
        let mut began = None;
        loop {
            match self.read.read(buffer) {
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            if began.get_or_insert_with(Instant::now).elapsed() > BUDGET {
                poll(&mut [PollFd::new(&self.read, PollFlags::IN)], None)?;
                began = None;
            }
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn check(wait: Wait) {
        let (to_plugin, from_host) = os_pipe::pipe().unwrap();
        let (to_host, from_plugin) = os_pipe::pipe().unwrap();
        let plugin = thread::spawn(move || {
            let mut ends = Ends::new(to_plugin, from_plugin, wait).unwrap();
            let mut request = [0; REQUEST.len()];
            while ends.receive(&mut request).is_ok() {
                assert_eq!(request, REQUEST);
                ends.send(&RESPONSE).unwrap();
            }
        });
        let mut ends = Ends::new(to_host, from_host, wait).unwrap();
        for _ in 0..10 {
            let mut response = [0; RESPONSE.len()];
            ends.send(&REQUEST).unwrap();
            ends.receive(&mut response).unwrap();
            assert_eq!(response, RESPONSE);
            thread::sleep(Duration::from_millis(1));
        }
        drop(ends);
        plugin.join().unwrap();
    }

    #[test]
    fn what_is_sent_arrives_blocking() {
        check(Wait::Blocking);
    }

    #[test]
    fn what_is_sent_arrives_polling() {
        check(Wait::Polling);
    }
}
