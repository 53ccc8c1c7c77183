//! Calls with streams.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use plugline_protocol::lifecycle::messages::Progress;
use plugline_protocol::peer::{CallError, Canceller, InputSender};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::call::{CallOptions, RunningCall, may_be_repeated};
use crate::error::Error;
use crate::plugin::{Instance, Plugin};
use crate::supervisor::Again;
use crate::using::Using;

/// The call's deadline holds for all of it, the last item and the summary included.
impl Plugin {
    /// Calls a method with output: an iterator over its items, then its [summary](OutputStream::finish).
    ///
    /// ```no_run
    /// # use plugline_host::{CallOptions, Plugin};
    /// # let plugin = Plugin::command("./counter").start()?;
    /// let params = serde_json::json!({"end": 10});
    /// let mut numbers = plugin.stream::<u32, ()>("math.count", &params, CallOptions::no_timeout())?;
    /// for number in &mut numbers {
    ///     println!("{}", number?);
    /// }
    /// numbers.finish()?;
    /// # Ok::<(), plugline_host::Error>(())
    /// ```
    ///
    /// Without [`finish`](OutputStream::finish) too, nothing is lost: where the call fails, that is the last
    /// item. A method without output gives no items.
    ///
    /// # Errors
    /// [`Error`] where the call cannot be sent; [`Kind::Unsupported`](crate::Kind::Unsupported) where the plugin
    /// has no streams.
    pub fn stream<T: DeserializeOwned, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> Result<OutputStream<T, R>, Error> {
        self.using().stream(method, params, options)
    }

    /// Calls a method with input, which is sent from here on, before the result is waited for.
    ///
    /// ```no_run
    /// # use plugline_host::{CallOptions, Plugin};
    /// # let plugin = Plugin::command("./counter").start()?;
    /// let (input, call) = plugin.begin_with_input::<i64>("math.sum", &(), CallOptions::default())?;
    /// input.send(&40)?;
    /// input.send(&2)?;
    /// input.finish()?;
    /// assert_eq!(call.wait::<i64>()?, 42);
    /// # Ok::<(), plugline_host::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`stream`](Self::stream).
    pub fn begin_with_input<I: Serialize>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> Result<(Input<I>, RunningCall), Error> {
        self.using().begin_with_input(method, params, options)
    }

    /// Calls a method with both. The input is to be sent from another thread than the one that takes the output:
    /// a method whose output nobody takes may take no input.
    ///
    /// # Errors
    /// Those of [`stream`](Self::stream).
    pub fn stream_with_input<I: Serialize, T: DeserializeOwned, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> Result<(Input<I>, OutputStream<T, R>), Error> {
        self.using().stream_with_input(method, params, options)
    }
}

impl Using {
    pub(crate) fn stream<T: DeserializeOwned, R: DeserializeOwned>(
        self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> Result<OutputStream<T, R>, Error> {
        self.params_fit(method, params)?;
        let call = self.send(method, options, |connection, options| {
            connection.request(method, params, options.output())
        })?;
        let call = RunningCall { using: self, method: method.to_owned(), call, again: None };
        Ok(OutputStream { call, seen: false, types: PhantomData })
    }

    pub(crate) fn begin_with_input<I: Serialize>(
        self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> Result<(Input<I>, RunningCall), Error> {
        self.params_fit(method, params)?;
        let (call, sender) = self.send(method, options, |connection, options| {
            connection.request_with_input(method, params, options)
        })?;
        let input = Input::new(self.instance(), method, sender);
        Ok((input, RunningCall { using: self, method: method.to_owned(), call, again: None }))
    }

    pub(crate) fn stream_with_input<I: Serialize, T: DeserializeOwned, R: DeserializeOwned>(
        self,
        method: &str,
        params: &(impl Serialize + ?Sized),
        options: CallOptions,
    ) -> Result<(Input<I>, OutputStream<T, R>), Error> {
        self.params_fit(method, params)?;
        let (call, sender) = self.send(method, options, |connection, options| {
            connection.request_with_input(method, params, options.output())
        })?;
        let input = Input::new(self.instance(), method, sender);
        let call = RunningCall { using: self, method: method.to_owned(), call, again: None };
        Ok((input, OutputStream { call, seen: false, types: PhantomData }))
    }
}

/// The output of a call, item by item. Dropping it cancels the call.
///
/// The plugin sends no more than the host's window (`Limits::stream_window_bytes`) beyond what was taken here. An
/// item of another type is an error, and those after it can still be taken; where the call fails, that is the last
/// item.
pub struct OutputStream<T, R> {
    call: RunningCall,
    /// An item of it was seen: it is not made once more then.
    seen: bool,
    types: PhantomData<fn() -> (T, R)>,
}

impl<T: DeserializeOwned, R: DeserializeOwned> OutputStream<T, R> {
    /// Waits for the next item; progress is given to the function, in this thread.
    pub fn next_with_progress(&mut self, mut progress: impl FnMut(Progress)) -> Option<Result<T, Error>> {
        loop {
            let RunningCall { using, method, call, again } = &mut self.call;
            let mut progress = |report| progress(using.redactor().progress(report));
            let item = if using.is_checked(method) {
                let item = call.next_item_with_progress::<Box<RawValue>>(&mut progress)?;
                item.map(|item| using.output_fits(method, &item).and_then(|()| using.read(method, &item)))
            } else {
                call.next_item_with_progress(&mut progress)?.map(Ok)
            };
            match (item, again.is_some()) {
                (Ok(item), _) => {
                    self.seen = true;
                    return Some(item);
                }
                (Err(cause), true) if !self.seen && may_be_repeated(&cause, &call.trace()) => {
                    if let Err(fault) = self.once_more(cause) {
                        return Some(Err(fault));
                    }
                }
                (Err(cause), _) => return Some(Err(using.call_failed(method, cause))),
            }
        }
    }

    /// Makes the call once more, over another instance.
    fn once_more(&mut self, cause: CallError) -> Result<(), Error> {
        let RunningCall { using, method, again, .. } = &mut self.call;
        let failed = using.call_failed(method, cause);
        let Some(again) = again.take() else { return Err(failed) };
        self.call = again.stream::<T, R>(method, failed)?.call;
        Ok(())
    }

    /// It may be made once more, while nothing was seen of it.
    pub(crate) fn again(mut self, again: Option<Again>) -> Self {
        self.call.again = again;
        self
    }

    /// Waits for the summary. Items that were not taken are let go.
    ///
    /// # Errors
    /// [`Error`] where the call failed, or the summary is of another type.
    pub fn finish(mut self) -> Result<R, Error> {
        if self.seen {
            self.call.again = None;
        }
        self.call.wait_or(|again, method, failed| again.stream::<T, R>(method, failed)?.finish())
    }

    /// A handle that cancels this call from another thread.
    pub fn canceller(&self) -> Canceller {
        self.call.canceller()
    }
}

impl<T: DeserializeOwned, R: DeserializeOwned> Iterator for OutputStream<T, R> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_with_progress(|_| ())
    }
}

impl<T, R> fmt::Debug for OutputStream<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OutputStream").field(&self.call).finish()
    }
}

/// The input of a call, to be sent from whatever thread.
///
/// Say with [`finish`](Self::finish) that it is complete. Dropped without, it cancels the call: half an input is
/// not to be taken for a whole one.
pub struct Input<I> {
    instance: Arc<Instance>,
    method: String,
    sender: InputSender,
    item: PhantomData<fn(&I)>,
}

impl<I: Serialize> Input<I> {
    fn new(instance: &Arc<Instance>, method: &str, sender: InputSender) -> Self {
        Self { instance: Arc::clone(instance), method: method.to_owned(), sender, item: PhantomData }
    }

    /// Sends an item; waits, to the call's deadline, while the plugin takes no more.
    ///
    /// # Errors
    /// [`Error`] where it was not sent, as the call ended (the plugin answers when it has enough) or the item
    /// cannot be. One that is longer than the plugin takes ends the call.
    pub fn send(&self, item: &I) -> Result<(), Error> {
        self.instance.input_fits(&self.method, item)?;
        self.sender.send(item).map_err(|cause| self.instance.call_failed(&self.method, cause))
    }

    /// Sends items that are there already, as many to a line as go well together. For many small ones this
    /// takes a fraction of the time.
    ///
    /// # Errors
    /// Those of [`send`](Self::send). Of the items, those in the lines before were sent.
    pub fn send_all(&self, items: &[I]) -> Result<(), Error> {
        items.iter().try_for_each(|item| self.instance.input_fits(&self.method, item))?;
        self.sender.send_all(items).map_err(|cause| self.instance.call_failed(&self.method, cause))
    }

    /// Says that the input is complete. Where the call ended before, its outcome says what came of it.
    ///
    /// # Errors
    /// [`Error`] where it cannot be said.
    pub fn finish(self) -> Result<(), Error> {
        let Self { instance, method, sender, .. } = self;
        sender.finish().map_err(|cause| instance.call_failed(&method, cause))
    }
}

impl<I> fmt::Debug for Input<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Input").field(&self.sender).finish()
    }
}
