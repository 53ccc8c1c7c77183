//! In place of `io.rs`: the ends of the pipes, without ever waiting, and the waits beside them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::system::{change, system, wait_for};

#[derive(Debug)]
pub(super) enum End {
    In,
    /// With how often it was closed, which the checker need not know.
    Out(Arc<AtomicUsize>),
}

impl Drop for End {
    fn drop(&mut self) {
        if let Self::Out(closings) = self {
            closings.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl End {
    pub(super) fn read(&self, into: &mut [u8]) -> io::Result<Option<usize>> {
        assert!(matches!(self, Self::In));
        let mut state = system();
        if state.incoming.is_empty() {
            return Ok(state.ended.then_some(0));
        }
        let count = into.len().min(state.incoming.len());
        for (to, from) in into.iter_mut().zip(state.incoming.drain(..count)) {
            *to = from;
        }
        Ok(Some(count))
    }

    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        assert!(matches!(self, Self::Out(_)));
        let mut state = system();
        let count = bytes.len().min(state.room);
        state.room -= count;
        state.outgoing.extend(&bytes[..count]);
        Ok((count > 0).then_some(count))
    }
}

/// Whether the process at the other end is gone, which no model is about; and what ends the waits of the outbox.
#[derive(Debug)]
pub(super) struct Wake;

#[derive(Debug)]
pub(super) struct Waited {
    pub(super) raised: bool,
}

impl Wake {
    #[expect(clippy::unnecessary_wraps, reason = "what it stands for can fail")]
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    pub(super) fn raise(&self) {
        change(|state| state.aborted = true);
    }

    pub(super) fn is_raised(&self) -> bool {
        false
    }

    #[expect(clippy::unnecessary_wraps, reason = "what it stands for can fail")]
    pub(super) fn wait_writable(&self, _: &End) -> io::Result<Waited> {
        Ok(wait_for(|state| (state.room > 0 || state.aborted).then_some(Waited { raised: state.aborted })))
    }
}

#[derive(Debug)]
pub(super) struct Bell;

#[derive(Debug)]
pub(super) struct Slept {
    pub(super) ended: bool,
}

impl Bell {
    pub(super) fn ring(&self) {
        change(|state| state.rung = true);
    }

    /// A sleep with an end is over at once: those of the models end now.
    #[expect(clippy::unnecessary_wraps, reason = "what it stands for can fail")]
    pub(super) fn sleep(&self, _: &End, _: &Wake, until: Option<Instant>) -> io::Result<Slept> {
        wait_for(|state| {
            let ready = !state.incoming.is_empty() || state.ended;
            (std::mem::take(&mut state.rung) || ready || until.is_some()).then_some(())
        });
        Ok(Slept { ended: false })
    }
}
