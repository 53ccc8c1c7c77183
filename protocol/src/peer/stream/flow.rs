//! What came and was not taken yet, and what may go: credit joined with queues and waits.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::Streams;
use super::credit::{Credit, Spent, Taken};
use super::items::Items;

/// How the sender of a stream broke its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    /// Items came where no credit was left.
    #[error("items without credit")]
    Overdrawn,
    /// A line of items is longer than the whole window.
    #[error("a line of {size} bytes, over the window of {window}")]
    TooLong {
        /// The receiver's window; bytes.
        window: usize,
        /// The line's length, LF counted; bytes.
        size: usize,
    },
    /// Items came after the stream's end was said.
    #[error("items after the end")]
    AfterEnd,
    /// Items came where there is no such stream.
    #[error("items where there is no stream")]
    NoStream,
}

/// Items that came and were not taken yet, never more than a window and a line.
#[derive(Debug)]
pub(in crate::peer) struct Inbox {
    lines: VecDeque<Items>,
    window: usize,
    credit: Credit,
    taken: Taken,
}

impl Inbox {
    pub(in crate::peer) fn new(window: usize) -> Self {
        Self { lines: VecDeque::new(), window, credit: Credit::new(window), taken: Taken::new(window) }
    }

    pub(in crate::peer) fn put(&mut self, items: Items, line: usize) -> Result<(), StreamFault> {
        if line > self.window {
            return Err(StreamFault::TooLong { window: self.window, size: line });
        }
        self.credit.spend(line).map_err(|Spent| StreamFault::Overdrawn)?;
        self.lines.push_back(items);
        Ok(())
    }

    pub(in crate::peer) fn pop(&mut self) -> Option<Items> {
        self.lines.pop_front()
    }

    pub(in crate::peer) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(in crate::peer) fn clear(&mut self) {
        self.lines = VecDeque::new();
    }

    /// Counts what the consumer took. What is to be granted counts as granted from here on.
    pub(in crate::peer) fn took(&mut self, bytes: usize) -> Option<u64> {
        let grant = self.taken.count(bytes)?;
        self.credit.give(grant);
        Some(grant)
    }
}

/// How it goes on with a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// Nothing more comes; what has come is used.
    Dry,
    /// The sender said that it is complete.
    Complete,
    /// Over, whatever is left.
    Ended,
}

/// The receiving end of a callee's input.
#[derive(Debug)]
pub(super) struct Inlet {
    state: Mutex<(Inbox, Stage)>,
    changed: Condvar,
}

/// What a consumer is given.
#[derive(Debug)]
pub(super) enum Received {
    Items(Items),
    /// There is no more.
    Complete,
    /// The call ended, or nobody is there to send more.
    Ended,
    TimedOut,
}

impl Inlet {
    fn new(window: usize) -> Self {
        Self { state: Mutex::new((Inbox::new(window), Stage::Open)), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, (Inbox, Stage)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, items: Items, line: usize) -> Result<(), StreamFault> {
        let (inbox, stage) = &mut *self.lock();
        match stage {
            Stage::Open | Stage::Dry => inbox.put(items, line)?,
            Stage::Complete => return Err(StreamFault::AfterEnd),
            Stage::Ended => {}
        }
        self.changed.notify_all();
        Ok(())
    }

    pub(super) fn complete(&self) {
        let (_, stage) = &mut *self.lock();
        if matches!(stage, Stage::Open | Stage::Dry) {
            *stage = Stage::Complete;
        }
        self.changed.notify_all();
    }

    fn dry_up(&self) {
        let (_, stage) = &mut *self.lock();
        if *stage == Stage::Open {
            *stage = Stage::Dry;
        }
        self.changed.notify_all();
    }

    fn end(&self) {
        let (inbox, stage) = &mut *self.lock();
        *stage = Stage::Ended;
        inbox.clear();
        self.changed.notify_all();
    }

    pub(super) fn took(&self, bytes: usize) -> Option<u64> {
        self.lock().0.took(bytes)
    }

    /// Waits for the next line.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Received {
        let mut state = self.lock();
        loop {
            let (inbox, stage) = &mut *state;
            if *stage == Stage::Ended {
                return Received::Ended;
            }
            if let Some(items) = inbox.pop() {
                return Received::Items(items);
            }
            match stage {
                Stage::Open => {}
                Stage::Complete => return Received::Complete,
                Stage::Dry | Stage::Ended => return Received::Ended,
            }
            let Some(changed) = wait(&self.changed, state, deadline) else { return Received::TimedOut };
            state = changed;
        }
    }
}

/// The sending end of a stream: a callee's output or a caller's input.
#[derive(Debug)]
pub(in crate::peer) struct Outlet {
    state: Mutex<(Credit, Stage)>,
    changed: Condvar,
    /// The longest line, LF counted; bytes.
    window: usize,
}

/// Why nothing may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotSent {
    /// The call ended, or nobody is there to give credit.
    Ended,
    TimedOut,
}

impl Outlet {
    pub(in crate::peer) fn new(window: usize) -> Self {
        Self { state: Mutex::new((Credit::new(window), Stage::Open)), changed: Condvar::new(), window }
    }

    fn lock(&self) -> MutexGuard<'_, (Credit, Stage)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The longest line without its LF, where the other side takes lines up to that limit; bytes.
    pub(super) fn line_limit(&self, limit: usize) -> usize {
        limit.min(self.window - 1)
    }

    pub(in crate::peer) fn give(&self, bytes: u64) {
        self.lock().0.give(bytes);
        self.changed.notify_all();
    }

    /// No more credit will come; what is left may be used.
    fn dry_up(&self) {
        let (_, stage) = &mut *self.lock();
        if *stage == Stage::Open {
            *stage = Stage::Dry;
        }
        self.changed.notify_all();
    }

    pub(in crate::peer) fn end(&self) {
        self.lock().1 = Stage::Ended;
        self.changed.notify_all();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().1 == Stage::Ended
    }

    /// Waits until a line may be sent, and counts it.
    pub(super) fn spend(&self, line: usize, deadline: Option<Instant>) -> Result<(), NotSent> {
        let mut state = self.lock();
        loop {
            let (credit, stage) = &mut *state;
            if *stage == Stage::Ended {
                return Err(NotSent::Ended);
            }
            if credit.spend(line).is_ok() {
                return Ok(());
            }
            if *stage == Stage::Dry {
                return Err(NotSent::Ended);
            }
            state = wait(&self.changed, state, deadline).ok_or(NotSent::TimedOut)?;
        }
    }
}

/// Waits for a change, or not at all where the deadline has passed.
fn wait<'a, T>(
    changed: &Condvar,
    state: MutexGuard<'a, T>,
    deadline: Option<Instant>,
) -> Option<MutexGuard<'a, T>> {
    let Some(deadline) = deadline else {
        return Some(changed.wait(state).unwrap_or_else(PoisonError::into_inner));
    };
    let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
    Some(changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0)
}

/// The streams of a call that is being handled.
#[derive(Debug, Default)]
pub(in crate::peer) struct Flow {
    pub(super) output: Option<Outlet>,
    pub(super) input: Option<Inlet>,
}

impl Flow {
    /// With this side's window for what comes, and the other's for what goes.
    pub(in crate::peer) fn new(streams: Streams, own: usize, other: usize) -> Self {
        Self {
            output: streams.output.then(|| Outlet::new(other)),
            input: streams.input.then(|| Inlet::new(own)),
        }
    }

    /// The other side is gone: what came is used, and nobody waits for more.
    pub(in crate::peer) fn dry_up(&self) {
        self.output.iter().for_each(Outlet::dry_up);
        self.input.iter().for_each(Inlet::dry_up);
    }

    /// The handler is to stop.
    pub(in crate::peer) fn end(&self) {
        self.output.iter().for_each(Outlet::end);
        self.input.iter().for_each(Inlet::end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(line: usize) -> Items {
        Items::one(line)
    }

    #[test]
    fn an_inbox_holds_a_window_and_a_line() {
        let mut inbox = Inbox::new(100);
        assert_eq!(inbox.put(items(101), 101), Err(StreamFault::TooLong { window: 100, size: 101 }));
        assert_eq!(inbox.put(items(99), 99), Ok(()));
        assert_eq!(inbox.put(items(100), 100), Ok(()));
        assert_eq!(inbox.put(items(1), 1), Err(StreamFault::Overdrawn));
        assert_eq!(inbox.pop().unwrap().skip(), 99);
        assert_eq!(inbox.took(99), Some(99));
        assert_eq!(inbox.put(items(1), 1), Err(StreamFault::Overdrawn), "a line may be overdrawn only once");
        assert_eq!(inbox.took(100), Some(100));
        assert_eq!(inbox.put(items(1), 1), Ok(()));
    }

    #[test]
    fn what_came_is_used_when_the_other_side_goes() {
        let now = || Some(Instant::now());
        let flow = Flow::new(Streams { output: true, input: true }, 100, 100);
        let (output, input) = (flow.output.as_ref().unwrap(), flow.input.as_ref().unwrap());
        input.put(items(10), 10).unwrap();
        assert!(matches!(input.wait(now()), Received::Items(_)));
        assert!(matches!(input.wait(now()), Received::TimedOut));
        input.put(items(10), 10).unwrap();
        flow.dry_up();
        assert!(matches!(input.wait(None), Received::Items(_)));
        assert!(matches!(input.wait(None), Received::Ended));
        assert_eq!(output.spend(100, None), Ok(()));
        assert_eq!(output.spend(1, None), Err(NotSent::Ended));
        flow.end();
        assert_eq!(input.put(items(10), 10), Ok(()), "it crossed with the end");
        assert!(matches!(input.wait(None), Received::Ended));
    }

    #[test]
    fn a_complete_input_takes_no_more() {
        let inlet = Inlet::new(100);
        inlet.put(items(10), 10).unwrap();
        inlet.complete();
        assert_eq!(inlet.put(items(10), 10), Err(StreamFault::AfterEnd));
        assert!(matches!(inlet.wait(None), Received::Items(_)));
        assert!(matches!(inlet.wait(None), Received::Complete));
        assert!(matches!(inlet.wait(None), Received::Complete));
    }
}
