//! Streams as a handler has them.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::flow::{Inlet, NotSent, Outlet, Received};
use super::items::Items;
use super::pack::Pack;
use crate::lifecycle::messages::Credit;
use crate::lifecycle::methods;
use crate::peer::call::Call;
use crate::peer::outbox::Bound;
use crate::peer::scratch::Scratch;
use crate::wire::{EncodeError, Error, ParamFault, encode, error, without_value};

impl Call {
    /// Where the output of this call goes; none where its method was not declared to have any.
    pub fn output<T: Serialize>(&self) -> Option<Output<'_, T>> {
        let outlet = self.incoming.flow.output.as_ref()?;
        Some(Output { call: self, outlet, item: PhantomData })
    }

    /// The input of this call, to be taken once; none where its method was not declared to have any.
    pub fn input<T: DeserializeOwned>(&self) -> Option<Input<'_, T>> {
        self.incoming.flow.input.as_ref()?;
        Some(Input::new(Cow::Borrowed(self)))
    }

    /// The same, to be kept: the input of a call that was answered has ended.
    pub fn into_input<T: DeserializeOwned>(self) -> Option<Input<'static, T>> {
        self.incoming.flow.input.as_ref()?;
        Some(Input::new(Cow::Owned(self)))
    }
}

/// The output of a call, item by item. Its caller has all of it before it has what the handler returns.
///
/// A caller that does not take what is sent has the handler wait, in [`send`](Self::send): what is sent and not
/// taken never exceeds the caller's window by more than a line.
pub struct Output<'c, T> {
    call: &'c Call,
    outlet: &'c Outlet,
    item: PhantomData<fn(&T)>,
}

impl<T: Serialize> Output<'_, T> {
    /// Sends an item, at once where the caller takes it.
    ///
    /// # Errors
    /// To be returned from the handler: -32004 or -32005 where nobody waits for the answer any more. -32007
    /// where the item is longer than the caller takes; the call has failed of it then, whatever its handler
    /// returns. -32603 where it has no JSON form.
    pub fn send(&self, item: &T) -> Result<(), Error> {
        self.call.check()?;
        self.send_line(self.pack().line(&[item]))
    }

    /// Sends items that are there already, as many to a line as go well together. For many small ones this
    /// takes a fraction of the time.
    ///
    /// # Errors
    /// Those of [`send`](Self::send). Of the items, those in the lines before were sent.
    pub fn send_all(&self, items: &[T]) -> Result<(), Error> {
        self.call.check()?;
        self.pack().lines(items, |line| self.send_line(line))
    }

    fn pack(&self) -> Pack<'_> {
        let limit = self.outlet.line_limit(self.call.connection.send_limit());
        Pack { method: methods::OUTPUT, id: self.call.id(), limit }
    }

    fn send_line(&self, line: Result<Scratch, EncodeError>) -> Result<(), Error> {
        let Call { connection, incoming, .. } = self.call;
        let mut line = line.map_err(|fault| match fault {
            EncodeError::TooLarge { limit, size } => {
                // What comes after it would be taken for all that there is.
                incoming.fail(error::too_large(limit, Some(size)));
                self.call.check().err().unwrap_or_else(|| error::too_large(limit, Some(size)))
            }
            other => error::internal(format!("the item cannot be sent: {other}")),
        })?;
        if incoming.is_answered() {
            return Err(self.over());
        }
        self.outlet.spend(line.len(), incoming.deadline).map_err(|fault| match fault {
            NotSent::Ended => self.over(),
            NotSent::TimedOut => error::deadline_exceeded(),
        })?;
        connection.send(&mut line, Bound::Calls, incoming.deadline).map_err(|_| self.over())
    }

    /// Nobody takes it any more.
    fn over(&self) -> Error {
        self.call.check().err().unwrap_or_else(|| error::cancelled(Some("nobody takes the output any more")))
    }
}

impl<T> fmt::Debug for Output<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("call", self.call.id()).finish_non_exhaustive()
    }
}

/// The input of a call, item by item. It ends where the caller said that it is complete; an error is its last
/// item, and is to be returned from the handler.
///
/// A handler that has enough of it returns.
pub struct Input<'c, T> {
    call: Cow<'c, Call>,
    /// The line in hand.
    items: Option<Items>,
    /// How many were taken.
    count: u64,
    ended: bool,
    item: PhantomData<fn() -> T>,
}

impl<'c, T: DeserializeOwned> Input<'c, T> {
    fn new(call: Cow<'c, Call>) -> Self {
        Self { call, items: None, count: 0, ended: false, item: PhantomData }
    }

    fn inlet(&self) -> &Inlet {
        self.call.incoming.flow.input.as_ref().expect("made for a call with input")
    }

    /// -32004 or -32005 where nobody waits for the answer any more; -32602 where the item is not of the type.
    fn take(&mut self) -> Result<Option<T>, Error> {
        loop {
            if let Some(items) = &mut self.items {
                let number = self.count + 1;
                if let Some((item, bytes)) = items.next(|item| decode(item.get(), number)) {
                    self.count = number;
                    self.took(bytes);
                    return item.map(Some);
                }
                let bytes = items.skip();
                self.items = None;
                self.took(bytes);
            }
            self.call.check()?;
            match self.inlet().wait(self.call.deadline()) {
                Received::Items(items) => self.items = Some(items),
                Received::Complete => return Ok(None),
                Received::Ended => {
                    self.call.check()?;
                    return Err(error::cancelled(Some("its input ended without being complete")));
                }
                Received::TimedOut => return Err(error::deadline_exceeded()),
            }
        }
    }

    fn took(&self, bytes: usize) {
        let Some(bytes) = self.inlet().took(bytes) else { return };
        let connection = &self.call.connection;
        let mut line = Vec::with_capacity(128);
        let credit = Credit { id: self.call.id().clone(), bytes };
        encode::notification(&mut line, connection.send_limit(), methods::INPUT_CREDIT, &credit)
            .expect("it is short");
        connection.send_urgent(&line);
    }
}

impl<T: DeserializeOwned> Iterator for Input<'_, T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let taken = self.take();
        self.ended = !matches!(taken, Ok(Some(_)));
        taken.transpose()
    }
}

impl<T> fmt::Debug for Input<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("call", self.call.id())
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

fn decode<T: DeserializeOwned>(item: &str, number: u64) -> Result<T, Error> {
    let mut json = serde_json::Deserializer::from_str(item);
    serde_path_to_error::deserialize(&mut json).map_err(|fault| {
        let path = crate::wire::pointer(fault.path());
        let message = format!("item {number} of the input: {}", without_value(fault.inner()));
        error::invalid_params(&[ParamFault { path, message }])
    })
}
