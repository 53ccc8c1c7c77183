//! Streams as a caller has them.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::flow::{NotSent, Outlet};
use super::pack::Pack;
use crate::lifecycle::messages::{Credit, InputEnd, Progress};
use crate::lifecycle::methods;
use crate::peer::begin::Time;
use crate::peer::connection::{Connection, Ended, Side};
use crate::peer::error::CallError;
use crate::peer::outbox::Bound;
use crate::peer::request::{PendingCall, RequestOptions, Stage, Step};
use crate::peer::returned::decode;
use crate::peer::scratch::Scratch;
use crate::peer::slot::Slot;
use crate::wire::{EncodeError, RequestId, encode};

impl PendingCall {
    /// Waits for the next item of the output. None where there is no more: [`wait`](Self::wait) then has the
    /// result at once. Where the call fails, that is the last item, after those that came before.
    ///
    /// An item of another type is an error too, and those after it can still be taken.
    pub fn next_item<T: DeserializeOwned>(&mut self) -> Option<Result<T, CallError>> {
        self.next_item_with_progress(|_| ())
    }

    /// Waits for the next item of the output; progress is given to the function, in this thread.
    pub fn next_item_with_progress<T: DeserializeOwned>(
        &mut self,
        mut progress: impl FnMut(Progress),
    ) -> Option<Result<T, CallError>> {
        loop {
            if let Some(items) = &mut self.items {
                if let Some((item, bytes)) = items.next(|item| decode("the item", item)) {
                    self.took(bytes);
                    return Some(item);
                }
                let bytes = items.skip();
                self.items = None;
                self.took(bytes);
            }
            if let Stage::Ended(_) = self.stage {
                return None;
            }
            match self.step(&mut progress) {
                Step::Items(items) => self.items = Some(items),
                Step::Ended(outcome) => {
                    let failed = outcome.as_ref().err().cloned();
                    self.stage = Stage::Ended(outcome);
                    return failed.map(Err);
                }
            }
        }
    }

    /// Counts what was taken, and has the callee send more where that is due.
    pub(in crate::peer) fn took(&self, bytes: usize) {
        let Some(bytes) = self.slot.took(bytes) else { return };
        let mut line = Vec::with_capacity(128);
        let credit = Credit { id: RequestId::Number(self.id), bytes };
        encode::notification(&mut line, self.connection.send_limit(), methods::OUTPUT_CREDIT, &credit)
            .expect("it is short");
        self.connection.send_urgent(&line);
    }
}

impl Connection {
    /// Sends a request whose input follows, to be sent from this thread or another. Where the method has output
    /// too, it must be another: a callee whose output is not taken may take no input.
    ///
    /// # Errors
    /// [`CallError`] where the request cannot be sent.
    pub fn request_with_input(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        mut options: RequestOptions,
    ) -> Result<(PendingCall, InputSender), CallError> {
        options.streams.input = true;
        let call = self.request(method, params, options)?;
        let input = InputSender {
            connection: self.clone(),
            id: RequestId::Number(call.id),
            slot: Arc::clone(&call.slot),
            time: call.time,
            finished: false,
        };
        Ok((call, input))
    }

    /// A feature is used only where both sides have it (`LIFE-29`), and hosts have no streams to offer (`CALL-16`).
    pub(in crate::peer) fn check_streams(&self) -> Result<(), CallError> {
        if self.inner.side == Side::Plugin {
            return Err(CallError::Unsupported("methods of a host have no streams"));
        }
        if self.remote().is_some_and(|remote| remote.streams) {
            Ok(())
        } else {
            Err(CallError::Unsupported("the plugin does not declare streams"))
        }
    }
}

/// Sends the input of one call, item by item, from whatever thread. It ends with the call.
///
/// Say with [`finish`](Self::finish) that it is complete. Dropped without, it cancels the call: half an input is
/// not to be taken for a whole one.
#[derive(Debug)]
pub struct InputSender {
    connection: Connection,
    id: RequestId,
    slot: Arc<Slot>,
    time: Time,
    finished: bool,
}

impl InputSender {
    /// Sends an item; waits, to the call's deadline, while the callee takes no more.
    ///
    /// # Errors
    /// [`CallError::Over`] where the callee answered: it wants no more. [`CallError::NotSent`] where the item
    /// cannot be sent; one that is longer than the callee takes ends the call. Otherwise why the call ended.
    pub fn send(&self, item: &(impl Serialize + ?Sized)) -> Result<(), CallError> {
        self.send_line(self.pack().line(&[item]))
    }

    /// Sends items that are there already, as many to a line as go well together. For many small ones this
    /// takes a fraction of the time.
    ///
    /// # Errors
    /// Those of [`send`](Self::send). Of the items, those in the lines before were sent.
    pub fn send_all(&self, items: &[impl Serialize]) -> Result<(), CallError> {
        self.pack().lines(items, |line| self.send_line(line))
    }

    /// Says that the input is complete. Where the call ended before, its outcome says what came of it.
    ///
    /// # Errors
    /// [`CallError`] where it cannot be said.
    pub fn finish(mut self) -> Result<(), CallError> {
        if self.outlet().has_ended() {
            return Ok(());
        }
        let mut line = Vec::with_capacity(128);
        let end = InputEnd { id: self.id.clone() };
        encode::notification(&mut line, self.connection.send_limit(), methods::INPUT_END, &end)?;
        self.put(&mut line)?;
        self.finished = true;
        Ok(())
    }

    fn outlet(&self) -> &Outlet {
        self.slot.input().expect("made for a call with input")
    }

    fn pack(&self) -> Pack<'_> {
        let limit = self.outlet().line_limit(self.connection.send_limit());
        Pack { method: methods::INPUT, id: &self.id, limit }
    }

    fn send_line(&self, line: Result<Scratch, EncodeError>) -> Result<(), CallError> {
        let mut line = line.map_err(|fault| {
            let is_too_long = matches!(fault, EncodeError::TooLarge { .. });
            let fault = CallError::from(fault);
            if is_too_long {
                self.fail(&fault);
            }
            fault
        })?;
        self.outlet().spend(line.len(), self.time.deadline).map_err(|fault| match fault {
            NotSent::Ended => self.over(),
            NotSent::TimedOut => self.timed_out(),
        })?;
        self.put(&mut line)
    }

    fn put(&self, line: &mut Vec<u8>) -> Result<(), CallError> {
        let sent = self.connection.send(line, Bound::Calls, self.time.deadline);
        sent.map_err(|fault| self.connection.not_sent(&fault, || self.timed_out()))
    }

    /// Ends the call at both sides (`FRAME-21`).
    fn fail(&self, fault: &CallError) {
        self.slot.settle(Err(fault.clone()));
        // The call's own thread may be the one who reads.
        self.connection.look_up();
        if let RequestId::Number(id) = self.id {
            self.connection.abandon(id, Ended::Now("an item of its input is too long"));
        }
    }

    /// Why the call takes no more.
    fn over(&self) -> CallError {
        match self.connection.closed() {
            Some(reason) => CallError::Closed(Arc::clone(reason)),
            None if self.slot.cancelled().is_some() => CallError::Cancelled,
            // The callee may have been the first to say so.
            None if self.time.is_over() => self.timed_out(),
            None => CallError::Over,
        }
    }

    fn timed_out(&self) -> CallError {
        self.time.timed_out()
    }
}

impl Drop for InputSender {
    fn drop(&mut self) {
        if !self.finished && !self.outlet().has_ended() {
            let RequestId::Number(id) = self.id else { return };
            self.connection.cancel(id, &self.slot, Some("its input was not completed"));
        }
    }
}
