//! Where the answer of one call arrives, and where its caller sleeps until there is something to tell it or it is
//! offered the seat.
//!
//! Model-checked with `seat.rs` and `turn.rs`, in `models/`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::alarms::Alarm;
use super::error::CallError;
use super::returned::Returned;
use super::seat::Offer;
use super::stream::{Inbox, Items, Outlet, StreamFault};
use super::sync::{AtomicBool, Condvar, Mutex, MutexGuard, Ordering, PoisonError};
use super::timer::later_than;
use crate::lifecycle::messages::Progress;

/// Progress that nobody takes is dropped beyond this many reports a call.
const PROGRESS_KEPT: usize = 256;
/// … and beyond this much text in them; bytes. One report is always kept.
const PROGRESS_BYTES: usize = 256 * 1024;

/// Where the answer of one call arrives.
#[derive(Debug, Default)]
pub(super) struct Slot {
    state: Mutex<SlotState>,
    changed: Condvar,
    /// What its input may still send, where it has one.
    input: Option<Outlet>,
    /// Something was asked of this side in its handling, or told.
    called_back: AtomicBool,
}

#[derive(Debug, Default)]
struct SlotState {
    progress: VecDeque<Progress>,
    /// How much text is in them.
    progress_bytes: usize,
    /// What came of its output, where it has one.
    output: Option<Inbox>,
    outcome: Option<Result<Returned, CallError>>,
    /// The caller asked for the call to end.
    cancel: Option<CancelRequest>,
    rest: Rest,
    /// The task that awaits the call, where one does.
    alarm: Option<Alarm>,
}

/// What the caller does while there is nothing to tell it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// It reads, or does something else.
    #[default]
    Awake,
    /// It left word that it would read, and sleeps or is about to.
    Asleep,
    /// It was offered the seat.
    Offered,
}

impl SlotState {
    fn take_progress(&mut self) -> Option<Progress> {
        let progress = self.progress.pop_front()?;
        self.progress_bytes -= text_bytes(&progress);
        Some(progress)
    }
}

fn text_bytes(progress: &Progress) -> usize {
    progress.message.as_ref().map_or(0, String::len)
}

#[derive(Debug, Clone)]
struct CancelRequest {
    asked: Instant,
    /// When the caller stops waiting for the answer to that.
    wait_until: Instant,
}

/// What a waiting caller is told.
#[derive(Debug)]
pub(super) enum Told {
    Progress(Progress),
    Items(Items),
    Settled(Result<Returned, CallError>),
    TimedOut,
}

impl Slot {
    pub(super) fn new(output: Option<Inbox>, input: Option<Outlet>) -> Self {
        Self { state: Mutex::new(SlotState { output, ..SlotState::default() }), input, ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the outcome, unless there is one.
    pub(super) fn settle(&self, outcome: Result<Returned, CallError>) {
        let mut state = self.lock();
        state.outcome.get_or_insert(outcome);
        self.wake(state);
        self.end_input();
    }

    /// Only who sleeps needs to be woken: a wake-up is a system call even where nobody does. Without the lock: who is
    /// woken takes it first.
    fn wake(&self, mut state: MutexGuard<'_, SlotState>) {
        let (sleeps, alarm) = (state.rest != Rest::Awake, state.alarm.take());
        drop(state);
        if sleeps {
            self.changed.notify_all();
        }
        if let Some(alarm) = alarm {
            alarm.set();
        }
    }

    /// Has a task told when there is something to tell; not, where there is already.
    pub(super) fn tell_task(&self, alarm: Alarm) -> bool {
        let mut state = self.lock();
        let quiet = !state.has_news();
        state.alarm = quiet.then_some(alarm);
        quiet
    }

    /// What the call returned, where nobody took that.
    pub(super) fn take_returned(&self) -> Option<Returned> {
        self.lock().outcome.take()?.ok()
    }

    /// What the input of the call may still send, where it has one.
    pub(super) fn input(&self) -> Option<&Outlet> {
        self.input.as_ref()
    }

    /// Something was asked of this side in the handling of the call.
    pub(super) fn call_back(&self) {
        self.called_back.store(true, Ordering::Release);
    }

    pub(super) fn was_called_back(&self) -> bool {
        self.called_back.load(Ordering::Acquire)
    }

    fn end_input(&self) {
        self.input.iter().for_each(Outlet::end);
    }

    pub(super) fn items(&self, items: Items, line: usize) -> Result<(), StreamFault> {
        let mut state = self.lock();
        state.output.as_mut().ok_or(StreamFault::NoStream)?.put(items, line)?;
        self.wake(state);
        Ok(())
    }

    /// Counts what was taken of the output; says what to grant, where a grant is due.
    pub(super) fn took(&self, bytes: usize) -> Option<u64> {
        let mut state = self.lock();
        if state.outcome.is_some() {
            return None; // The callee sends no more.
        }
        state.output.as_mut()?.took(bytes)
    }

    /// Nobody waits any more.
    pub(super) fn abandon(&self) {
        self.lock().output.iter_mut().for_each(Inbox::clear);
        self.end_input();
    }

    pub(super) fn progress(&self, progress: Progress) {
        let mut state = self.lock();
        let size = text_bytes(&progress);
        while state.progress.len() == PROGRESS_KEPT || state.progress_bytes + size > PROGRESS_BYTES {
            if state.take_progress().is_none() {
                break; // One is always kept.
            }
        }
        state.progress_bytes += size;
        state.progress.push_back(progress);
        self.wake(state);
    }

    /// Ends the wait after `patience`, if the answer has not come by then.
    pub(super) fn cancel(&self, patience: Duration) {
        let asked = Instant::now();
        let mut state = self.lock();
        state.cancel.get_or_insert(CancelRequest { asked, wait_until: later_than(asked, patience) });
        self.wake(state);
        self.end_input();
    }

    /// When the caller asked for the call to end, if it did.
    pub(super) fn cancelled(&self) -> Option<Instant> {
        self.lock().cancel.as_ref().map(|cancel| cancel.asked)
    }

    /// The next thing to tell, if there is one; otherwise until when to wait for it.
    pub(super) fn tell(&self, deadline: Option<Instant>) -> Result<Told, Option<Instant>> {
        let mut state = self.lock();
        if state.outcome.is_some() {
            return Ok(state.next_news().expect("there is an outcome at least"));
        }
        let until = state.until(deadline);
        // Before progress: of that there may be more and more, and the wait has its end all the same.
        if until.is_some_and(|until| until <= Instant::now()) {
            let cancelled = state.cancel.as_ref().map(|cancel| cancel.wait_until);
            return Ok(if cancelled.is_some() && cancelled == until {
                Told::Settled(Err(CallError::Cancelled))
            } else {
                Told::TimedOut
            });
        }
        state.next_news().ok_or(until)
    }

    /// Whether there is something to tell, the end of a wait aside.
    pub(super) fn has_news(&self) -> bool {
        self.lock().has_news()
    }

    /// Whether there is something to tell; otherwise until when to wait for it.
    pub(super) fn news(&self, deadline: Option<Instant>) -> Result<(), Option<Instant>> {
        let state = self.lock();
        if state.has_news() { Ok(()) } else { Err(state.until(deadline)) }
    }

    /// The caller is about to sleep until there is something to tell or it is offered the seat.
    pub(super) fn lie_down(&self) {
        self.lock().rest = Rest::Asleep;
    }

    /// Sleeps; at most until the deadline.
    pub(super) fn sleep(&self, deadline: Option<Instant>) {
        let mut state = self.lock();
        while state.rest == Rest::Asleep && !state.has_news() {
            state = match state.until(deadline) {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let Some(left) = until.checked_duration_since(Instant::now()) else { return };
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// The caller sleeps no more; whether it was offered the seat, which it has to take or to pass on.
    pub(super) fn get_up(&self) -> bool {
        std::mem::take(&mut self.lock().rest) == Rest::Offered
    }
}

impl SlotState {
    fn has_news(&self) -> bool {
        self.outcome.is_some()
            || !self.progress.is_empty()
            || self.output.as_ref().is_some_and(|output| !output.is_empty())
    }

    /// The outcome comes last.
    fn next_news(&mut self) -> Option<Told> {
        if let Some(progress) = self.take_progress() {
            return Some(Told::Progress(progress));
        }
        if let Some(items) = self.output.as_mut().and_then(Inbox::pop) {
            return Some(Told::Items(items));
        }
        self.outcome.take().map(Told::Settled)
    }

    /// When the caller stops waiting.
    fn until(&self, deadline: Option<Instant>) -> Option<Instant> {
        let cancelled = self.cancel.as_ref().map(|cancel| cancel.wait_until);
        [deadline, cancelled].into_iter().flatten().min()
    }
}

impl Offer for Slot {
    fn offer(&self) -> bool {
        let mut state = self.lock();
        if state.rest == Rest::Awake {
            return false;
        }
        state.rest = Rest::Offered;
        drop(state);
        self.changed.notify_all();
        true
    }

    fn wants(&self) -> bool {
        self.lock().rest != Rest::Awake
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::RequestId;

    fn report(text: usize) -> Progress {
        let message = Some("x".repeat(text));
        Progress { id: RequestId::Number(0), progress: 1.0, total: None, message }
    }

    #[test]
    fn progress_that_never_ends_does_not_put_off_the_deadline() {
        let slot = Slot::default();
        slot.progress(report(1));
        assert!(matches!(slot.tell(Some(Instant::now())), Ok(Told::TimedOut)));
        slot.cancel(Duration::ZERO);
        assert!(matches!(slot.tell(None), Ok(Told::Settled(Err(CallError::Cancelled)))));
        // An answer that is there is told with all that came before it.
        slot.settle(Err(CallError::Refused(String::new())));
        assert!(matches!(slot.tell(Some(Instant::now())), Ok(Told::Progress(_))));
        assert!(matches!(slot.tell(None), Ok(Told::Settled(Err(CallError::Refused(_))))));
    }

    #[test]
    fn so_many_reports_are_kept_and_the_oldest_go() {
        let slot = Slot::default();
        (0..PROGRESS_KEPT).for_each(|_| slot.progress(report(0)));
        assert_eq!(slot.lock().progress.len(), PROGRESS_KEPT);
        slot.progress(report(1));
        let state = slot.lock();
        assert_eq!((state.progress.len(), state.progress_bytes), (PROGRESS_KEPT, 1));
    }

    #[test]
    fn progress_that_nobody_takes_is_bounded_in_bytes() {
        let slot = Slot::default();
        for _ in 0..1000 {
            slot.progress(report(PROGRESS_BYTES / 10));
        }
        assert_eq!(slot.lock().progress.len(), 10);
        slot.progress(report(2 * PROGRESS_BYTES));
        assert_eq!(slot.lock().progress.len(), 1);
    }
}
