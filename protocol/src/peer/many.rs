//! One method called many times from one thread, with as many calls under way as the other side takes.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::begin::{Room, Time};
use super::connection::Connection;
use super::error::CallError;
use super::request::{PendingCall, RequestOptions};

/// So many calls are under way at most, however many the other side takes: it may say any number, and answer none.
const MOST_UNDER_WAY: usize = 4096;

impl Connection {
    /// Calls a method once for each of these params; the results come in the same order. As many calls are under
    /// way as the other side takes at once, though no more than 4096, and their requests travel together. Nothing is
    /// sent before the first result is asked for, and each call's deadline counts from when it is sent.
    pub fn call_many<R, I>(
        &self,
        method: &str,
        params: I,
        options: RequestOptions,
    ) -> CallMany<R, I::IntoIter>
    where
        R: DeserializeOwned,
        I: IntoIterator<Item: Serialize>,
    {
        CallMany {
            connection: self.clone(),
            method: method.to_owned(),
            params: params.into_iter(),
            next: None,
            options,
            under_way: VecDeque::new(),
            failed: None,
            result: PhantomData,
        }
    }
}

/// The results of many calls. Dropping it cancels those that are under way.
pub struct CallMany<R, I: Iterator> {
    connection: Connection,
    method: String,
    params: I,
    /// Params for which there was no room.
    next: Option<I::Item>,
    options: RequestOptions,
    under_way: VecDeque<PendingCall>,
    /// Why the call after those under way was not sent.
    failed: Option<CallError>,
    result: PhantomData<fn() -> R>,
}

impl<R, I: Iterator<Item: Serialize>> CallMany<R, I> {
    /// Sends calls while there is room; waits for room only where none is under way.
    fn send(&mut self) {
        while self.failed.is_none()
            && self.under_way.len() < MOST_UNDER_WAY
            && let Some(params) = self.next.take().or_else(|| self.params.next())
        {
            let room = if self.under_way.is_empty() { Room::Wait } else { Room::Try };
            let time = Time::now(&self.options);
            match self.connection.begin(&self.method, &params, &self.options, time, room) {
                Ok(Some(call)) => self.under_way.push_back(call),
                Ok(None) => {
                    self.next = Some(params);
                    break;
                }
                Err(fault) => self.failed = Some(fault),
            }
        }
        self.connection.write_out();
    }

    /// Whether it is time to send more: the first has no answer yet, so that a wait is at hand, or few are left.
    fn is_time_to_send(&self) -> bool {
        let most = self.connection.remote().map_or(1, |remote| remote.limits.max_in_flight) as usize;
        let most = most.min(MOST_UNDER_WAY);
        match self.under_way.front() {
            Some(first) => 2 * self.under_way.len() <= most || !first.slot.has_news(),
            None => true,
        }
    }
}

impl<R: DeserializeOwned, I: Iterator<Item: Serialize>> Iterator for CallMany<R, I> {
    type Item = Result<R, CallError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_time_to_send() {
            self.send();
        }
        match self.under_way.pop_front() {
            Some(call) => Some(call.wait_as()),
            None => self.failed.take().map(Err),
        }
    }
}

impl<R, I: Iterator> fmt::Debug for CallMany<R, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallMany")
            .field("method", &self.method)
            .field("under_way", &self.under_way.len())
            .finish_non_exhaustive()
    }
}
