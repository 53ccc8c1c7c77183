//! What sits on the seat: the pipe, what was read of it, and how to wait for more.

use std::io;
use std::time::{Duration, Instant};

use super::error::CloseReason;
use super::interrupt::Interrupt;
use super::io::{End, Wake};
use super::patience::{BUDGET, Patience};
use super::sync::Arc;
use crate::wire::LineDecoder;

/// What may still stand in the pipe when the process at the other end is gone; more than any pipe holds.
const LEFT_BYTES: usize = 2 * 1024 * 1024;
/// A turn of the loop that took this long had its core taken away.
const LOST_CORE: Duration = Duration::from_micros(25);

/// The receiving half of a connection.
pub(super) struct Reader {
    end: Arc<End>,
    pub(super) decoder: LineDecoder,
    /// How much may still be read, once the process at the other end is gone.
    left: Option<usize>,
    patience: Patience,
    /// The last wait ended in sleep.
    slept: bool,
}

/// What a wait for more came to.
pub(super) enum Filled {
    /// There is more.
    More,
    /// There is not: the time is over, or somebody asked to look up.
    Nothing,
    /// There never will be.
    End(CloseReason),
}

/// How to wait for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Until something comes, at most until then.
    Until(Option<Instant>),
    /// Only as long as looking is worth it.
    Briefly,
}

impl Reader {
    pub(super) fn new(end: Arc<End>, limit: usize) -> Self {
        Self {
            end,
            decoder: LineDecoder::new(limit),
            left: None,
            patience: Patience::default(),
            slept: false,
        }
    }

    /// Takes more in, waiting for it if need be.
    pub(super) fn fill(&mut self, wait: Wait, ended: &Wake, interrupt: &Interrupt) -> Filled {
        match self.read_or_wait(wait, ended, interrupt) {
            Ok(filled) => filled,
            Err(fault) => Filled::End(CloseReason::Read(fault)),
        }
    }

    fn read_or_wait(&mut self, wait: Wait, ended: &Wake, interrupt: &Interrupt) -> io::Result<Filled> {
        // Where the last wait ended in sleep, there is hardly something by now: going to sleep asks for it anyway.
        if !self.slept || self.left.is_some() {
            // Where there is always more, it never sleeps, and would not see it there.
            if self.left.is_none() && ended.is_raised() {
                self.left = Some(LEFT_BYTES);
            }
            if let Some(filled) = self.read()? {
                return Ok(filled);
            }
            if self.left.is_some() {
                return Ok(Filled::End(CloseReason::EndOfFile)); // What it left was read.
            }
        }
        if let Some(looking) = self.patience.look() {
            let since = Instant::now();
            let mut last = since;
            loop {
                if let Some(filled) = self.read()? {
                    self.patience.worth_it();
                    self.slept = false;
                    return Ok(filled);
                }
                if interrupt.take() {
                    return Ok(Filled::Nothing);
                }
                std::hint::spin_loop();
                let now = Instant::now();
                if now - since > BUDGET || now - last > LOST_CORE {
                    break;
                }
                last = now;
            }
            drop(looking);
            self.patience.in_vain();
            self.sleep(wait, ended, interrupt)
        } else {
            let since = Instant::now();
            let filled = self.sleep(wait, ended, interrupt)?;
            if matches!(filled, Filled::More) {
                self.patience.slept(since.elapsed());
            }
            Ok(filled)
        }
    }

    fn sleep(&mut self, wait: Wait, ended: &Wake, interrupt: &Interrupt) -> io::Result<Filled> {
        let until = match wait {
            Wait::Until(until) => until,
            Wait::Briefly => Some(Instant::now()),
        };
        self.slept = true;
        let slept = interrupt.sleep(&self.end, ended, until)?;
        if slept.ended {
            self.left.get_or_insert(LEFT_BYTES);
        }
        interrupt.take();
        match self.read()? {
            Some(filled) => Ok(filled),
            None if self.left.is_some() => Ok(Filled::End(CloseReason::EndOfFile)),
            None => Ok(Filled::Nothing),
        }
    }

    /// Reads what is there, if anything is.
    fn read(&mut self) -> io::Result<Option<Filled>> {
        if self.left == Some(0) {
            return Ok(Some(Filled::End(CloseReason::EndOfFile)));
        }
        let Some(count) = self.end.read(self.decoder.space())? else { return Ok(None) };
        if count == 0 {
            return Ok(Some(Filled::End(CloseReason::EndOfFile)));
        }
        self.left = self.left.map(|left| left.saturating_sub(count));
        self.decoder.advance(count);
        Ok(Some(Filled::More))
    }
}
