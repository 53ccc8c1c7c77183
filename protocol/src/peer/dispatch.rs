//! Lines in, and what each side makes of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::value::RawValue;

use super::answer::Flush;
use super::connection::{Connection, Direction, Remote, Side};
use super::error::{CallError, CloseReason, Violation};
use super::inflight::Incoming;
use super::lane::Length;
use super::service::{Checking, Handler, Report, Route};
use super::stream::{self, Flow, NotTaken};
use super::timer::later;
use super::work::{Given, Pace, Work};
use crate::lifecycle::messages::{Cancel, Log, Progress};
use crate::lifecycle::{InitializeResult, Limits, methods};
use crate::wire::{
    Error, Frame, Glimpse, Malformed, Message, Notification, Outcome, Params, Request, RequestId, Response,
    decode, encode, error, glance, quote, result_line,
};

/// Takes in what was read. What a handler is to answer is given back, to be run by whom it suits.
pub(super) fn take(connection: &Connection, frame: Frame<'_>) -> Result<Option<Work>, CloseReason> {
    let side = connection.inner.side;
    match frame {
        Frame::TooLong { limit } => match side {
            Side::Host => Err(CloseReason::Violation(Violation::TooLong { limit })),
            Side::Plugin => Ok(None), // answered when its end has come
        },
        Frame::Skipped { limit, size } => {
            refuse(connection, None, &error::too_large(limit, Some(size)));
            Ok(None)
        }
        Frame::Line { text: line, size } => {
            connection.record(Direction::Received, line);
            let taken = match glance(line) {
                Some(Glimpse::Request { line, id, method, params }) => {
                    take_seen_request(connection, line, id, method, params)
                }
                Some(Glimpse::Result { id, result }) if take_seen_result(connection, id, result) => {
                    return Ok(None);
                }
                _ => None,
            };
            if taken.is_some() { Ok(taken) } else { take_line(connection, line, size) }
        }
    }
}

/// Takes in a line of whatever form.
fn take_line(connection: &Connection, line: &[u8], size: usize) -> Result<Option<Work>, CloseReason> {
    match decode(line) {
        Ok(Message::Request(request)) => take_request(connection, line, request),
        Ok(Message::Notification(notification)) => {
            take_notification(connection, size, &notification).map(|()| None)
        }
        Ok(Message::Response(response)) => {
            take_response(connection, &response);
            Ok(None)
        }
        Err(Malformed::BrokenNotification { method, reason }) => {
            ignored(connection, &method, &reason);
            Ok(None)
        }
        Err(malformed) => match connection.inner.side {
            Side::Plugin => {
                answer_malformed(connection, malformed);
                Ok(None)
            }
            Side::Host => judge_malformed(connection, line, &malformed).map(|()| None),
        },
    }
}

/// Takes in a request of the usual form; nothing, where it is not to be run or it is not sure that it can be.
fn take_seen_request(
    connection: &Connection,
    line: &str,
    id: u64,
    method: &str,
    params: &str,
) -> Option<Work> {
    if method.starts_with(methods::PREFIX) {
        return None;
    }
    let seen = Params::unchecked(params);
    let Ok(Route::Run(handler)) = connection.inner.service.route(connection, method, seen) else {
        return None;
    };
    if handler.parts.checking != Checking::ByHandler || lacks_streams(connection, &handler) {
        return None;
    }
    let incoming = incoming(connection, RequestId::Number(id), method, seen, &handler, Counted::Yes);
    if incoming.depth > connection.inner.limits.max_depth || !enter(connection, &incoming) {
        return None;
    }
    let given = Given::Line { line: line.into(), params: params.len() };
    Some(Work::new(connection.clone(), incoming, handler, given))
}

/// A request that seemed to be of the usual form is not: takes its line in as what it is.
pub(super) fn take_anew(connection: &Connection, id: &RequestId, line: &str) -> Option<Work> {
    connection.inner.in_flight.answer(id, || true); // Not by that one.
    take_line(connection, line.as_bytes(), line.len() + 1).unwrap_or_else(|reason| {
        connection.close(reason);
        None
    })
}

/// Takes in a result of the usual form; says whether there is somebody who finds out if it is one.
fn take_seen_result(connection: &Connection, id: u64, result: &str) -> bool {
    // What the answer to the handshake says is needed for the very next line.
    connection.remote().is_some() && connection.inner.pending.answer_as_seen(id, result)
}

/// A result that seemed to be of the usual form is no JSON value: takes its line as what it is, which may be a result
/// with other members behind it.
pub(super) fn take_result_anew(
    connection: &Connection,
    id: u64,
    result: &str,
) -> Result<Box<RawValue>, CallError> {
    let line = result_line(id, result);
    let malformed = match decode(line.as_bytes()) {
        Ok(Message::Response(Response { outcome: Outcome::Result(raw), .. })) => return Ok(raw.to_owned()),
        Ok(_) => unreachable!("it has an id and a result"),
        Err(malformed) => malformed,
    };
    let broken = CallError::Undecodable(format!("the answer is no message: {malformed}"));
    match connection.inner.side {
        Side::Plugin => answer_malformed(connection, malformed),
        Side::Host => {
            if let Err(reason) = judge_malformed(connection, line.as_bytes(), &malformed) {
                connection.close(reason);
            }
        }
    }
    Err(connection.closed().map_or(broken, |reason| CallError::Closed(Arc::clone(reason))))
}

/// What a plugin answers to a line that is no message.
fn answer_malformed(connection: &Connection, malformed: Malformed) {
    let reason = malformed.to_string();
    match malformed {
        Malformed::Parse(_) => refuse(connection, None, &error::parse_error(reason)),
        Malformed::Invalid { id, .. } => {
            // To echo an id that is in flight would answer the other request.
            let id = id.filter(|id| !connection.inner.in_flight.contains(id));
            refuse(connection, id.as_ref(), &error::invalid_request(reason));
        }
        _ => refuse(connection, None, &error::invalid_request(reason)),
    }
}

/// What a host makes of a line that is no message: stray output, or a violation.
fn judge_malformed(connection: &Connection, line: &[u8], malformed: &Malformed) -> Result<(), CloseReason> {
    let is_object = line.trim_ascii_start().first() == Some(&b'{');
    match malformed {
        Malformed::Parse(_) | Malformed::Invalid { .. } | Malformed::Unaddressed { .. } if is_object => {
            Err(violation(line, malformed.to_string()))
        }
        _ if connection.inner.strict || memchr::memmem::find(line, b"\"jsonrpc\"").is_some() => {
            Err(CloseReason::Violation(Violation::Stray { quote: quote(line) }))
        }
        _ => {
            connection.inner.service.report(Report::Stray(line));
            Ok(())
        }
    }
}

fn violation(line: &[u8], reason: impl Into<String>) -> CloseReason {
    CloseReason::Violation(Violation::Message { reason: reason.into(), quote: quote(line) })
}

fn take_response(connection: &Connection, response: &Response<'_>) {
    let Response { id, outcome } = response;
    let pending = &connection.inner.pending;
    if let Outcome::Result(result) = outcome
        && connection.remote().is_none()
        && pending.is_handshake(id)
        // What is wrong with it is said to the caller.
        && let Ok(result) = InitializeResult::read(result.get())
    {
        // Here, since the very next line may be a callback, or longer than the handshake's lines.
        connection.agree(Remote::from(&result));
    }
    if !pending.answer(id, outcome) {
        connection.inner.service.report(Report::Ignored(format!("a response with the unknown id {id}")));
    }
}

fn take_notification(
    connection: &Connection,
    size: usize,
    notification: &Notification<'_>,
) -> Result<(), CloseReason> {
    let inner = &connection.inner;
    let method = notification.method.as_ref();
    match method {
        methods::CANCEL => match notification.params.decode_open::<Cancel>() {
            Ok(cancel) => inner.in_flight.cancel(&cancel.id, cancel.reason),
            Err(fault) => ignored(connection, method, &fault.message),
        },
        methods::PROGRESS => match notification.params.decode_open::<Progress>() {
            Ok(progress) => inner.pending.progress(progress),
            Err(fault) => ignored(connection, method, &fault.message),
        },
        methods::LOG if inner.side == Side::Host => match notification.params.decode_open::<Log>() {
            Ok(log) => inner.service.report(Report::Log(log)),
            Err(fault) => ignored(connection, method, &fault.message),
        },
        methods::OUTPUT
        | methods::OUTPUT_CREDIT
        | methods::INPUT
        | methods::INPUT_END
        | methods::INPUT_CREDIT => match stream::take(connection, size, method, notification.params) {
            Ok(()) => {}
            Err(NotTaken::Ignored(reason)) => ignored(connection, method, &reason),
            Err(NotTaken::Broken(reason)) => return Err(reason),
        },
        _ => match inner.service.listener(method) {
            None => ignored(connection, method, "nobody listens to it"),
            Some(listener) => {
                // Which call's handler tells this is not said.
                inner.pending.call_back_all();
                let params = notification.params.to_owned();
                let (notified, method) = (Notified::new(connection), method.to_owned());
                let job = Box::new(move || {
                    let Notified(connection) = &notified;
                    let heard = catch_unwind(AssertUnwindSafe(|| (listener.listen)(params.as_params())));
                    match heard {
                        Ok(Ok(())) => {}
                        Ok(Err(fault)) => ignored(connection, &method, &fault.message),
                        Err(_) => ignored(connection, &method, "its listener panicked"),
                    }
                });
                inner.lane.notification(size, job).map_err(|_| {
                    CloseReason::Overloaded("notifications come faster than they are handled")
                })?;
            }
        },
    }
    Ok(())
}

/// A notification that is not handled yet.
struct Notified(Connection);

impl Notified {
    fn new(connection: &Connection) -> Self {
        connection.inner.in_flight.notified();
        Self(connection.clone())
    }
}

impl Drop for Notified {
    fn drop(&mut self) {
        self.0.inner.in_flight.heard();
    }
}

fn ignored(connection: &Connection, method: &str, reason: &str) {
    // Both may be as long as a line may be; who is told may write it to a pipe that nobody reads.
    let (method, reason) = (error::shorten(method), error::shorten(reason));
    let what = format!("notification {method:?} ignored: {reason}");
    connection.inner.service.report(Report::Ignored(what));
}

fn take_request(
    connection: &Connection,
    line: &[u8],
    request: Request<'_>,
) -> Result<Option<Work>, CloseReason> {
    let inner = &connection.inner;
    let Request { id, method, params } = request;
    if inner.in_flight.contains(&id) {
        let reason = format!("the id {id} is in flight already");
        return match inner.side {
            Side::Host => Err(violation(line, reason)),
            Side::Plugin => {
                refuse(connection, None, &error::invalid_request(reason));
                Ok(None)
            }
        };
    }
    let refused = match admit(connection, &method, params) {
        Ok(Admitted::Answer(result)) => Ok(result),
        Ok(Admitted::Run { handler, counted }) => {
            let incoming = incoming(connection, id.clone(), &method, params, &handler, counted);
            match check_load(connection, &incoming, &handler, params) {
                Ok(()) => {
                    let given = Given::Params(params.to_owned());
                    return Ok(Some(Work::new(connection.clone(), incoming, handler, given)));
                }
                Err(fault) => Err(fault),
            }
        }
        Err(fault) => Err(fault),
    };
    let answer = connection.encode_answer(&id, &refused);
    connection.send_urgent(&answer);
    Ok(None)
}

/// What is to be known of a request while it is handled.
fn incoming(
    connection: &Connection,
    id: RequestId,
    method: &str,
    params: Params<'_>,
    handler: &Handler,
    counted: Counted,
) -> Arc<Incoming> {
    let inner = &connection.inner;
    let meta = params.meta();
    let parent = meta.parent.and_then(|id| Some((inner.pending.parent(&id)?, id)));
    let (depth, parent, until) = match parent {
        Some(((depth, until), id)) => (depth + 1, Some(id), until),
        None => (0, None, None),
    };
    let asked = meta.deadline_ms.map(|ms| later(Duration::from_millis(ms)));
    let deadline = [asked, until].into_iter().flatten().min();
    let window = |limits: &Limits| limits.stream_window_bytes;
    let theirs = connection.remote().map_or(0, |remote| window(&remote.limits));
    let flow = Flow::new(handler.streams, window(&inner.limits), theirs);
    let counted = counted == Counted::Yes;
    Arc::new(Incoming::new(id, method.to_owned(), depth, parent, deadline, counted, flow))
}

/// Takes a request in; says whether there was a place for it.
fn enter(connection: &Connection, incoming: &Arc<Incoming>) -> bool {
    connection.inner.in_flight.enter(incoming, connection.inner.limits.max_in_flight)
}

/// Whether a handler has streams, which the caller does not (`LIFE-32`).
fn lacks_streams(connection: &Connection, handler: &Handler) -> bool {
    handler.streams.any() && !connection.remote().is_some_and(|remote| remote.streams)
}

enum Admitted {
    Answer(Box<RawValue>),
    Run { handler: Handler, counted: Counted },
}

/// Whether a request holds one of the places that `maxInFlight` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    Yes,
    No,
}

/// Lifecycle, then method, then the form of the params.
fn admit(connection: &Connection, method: &str, params: Params<'_>) -> Result<Admitted, Error> {
    let route = if method == methods::PING {
        Route::Answer(RawValue::from_string("{}".to_owned()).expect("an empty object is JSON"))
    } else {
        connection.inner.service.route(connection, method, params)?
    };
    if let Route::Run(handler) | Route::RunUncounted(handler) = &route
        && lacks_streams(connection, handler)
    {
        return Err(error::method_not_found(method));
    }
    if !params.is_object() {
        // Says what is wrong in the one place that knows how.
        params.decode::<serde_json::Value>()?;
    }
    Ok(match route {
        Route::Answer(result) => Admitted::Answer(result),
        Route::Run(handler) => Admitted::Run { handler, counted: Counted::Yes },
        Route::RunUncounted(handler) => Admitted::Run { handler, counted: Counted::No },
    })
}

/// Takes a request in, if there is a place for it; one whose params are wrong is told so first.
fn check_load(
    connection: &Connection,
    incoming: &Arc<Incoming>,
    handler: &Handler,
    params: Params<'_>,
) -> Result<(), Error> {
    let limits = &connection.inner.limits;
    let refusal = if incoming.counted && incoming.depth > limits.max_depth {
        error::overloaded("levels of nesting", u64::from(limits.max_depth))
    } else if enter(connection, incoming) {
        return Ok(());
    } else {
        error::overloaded("requests at once", u64::from(limits.max_in_flight))
    };
    match catch_unwind(AssertUnwindSafe(|| (handler.parts.check)(params))) {
        Ok(checked) => checked?,
        Err(_) => return Err(error::internal("reading the params panicked")),
    }
    Err(refusal)
}

/// Hands a request to a worker.
pub(super) fn hand_over(connection: &Connection, work: Work) {
    let length = match work.pace() {
        Pace::Fast | Pace::Slow => Length::Short,
        Pace::Unknown | Pace::VerySlow => Length::Any,
    };
    // Kept aside, so that it can be answered where no thread can be had.
    let work = Arc::new(Mutex::new(Some(work)));
    let take = |work: &Mutex<Option<Work>>| work.lock().unwrap_or_else(PoisonError::into_inner).take();
    let job = {
        let work = Arc::clone(&work);
        Box::new(move || {
            if let Some(work) = take(&work) {
                work.run(Flush::Now);
            }
        })
    };
    if connection.inner.lane.request(job, length).is_err()
        && let Some(work) = take(&work)
    {
        work.refuse();
    }
}

/// Answers with an error that no request in flight waits for.
fn refuse(connection: &Connection, id: Option<&RequestId>, fault: &Error) {
    let mut line = Vec::with_capacity(128);
    let limit = connection.remote().map_or(usize::MAX, |remote| remote.limits.max_line_bytes);
    // The reasons quote at most a little of the line, so the error always fits.
    encode::error(&mut line, limit, id, fault).expect("a short error can be encoded");
    connection.send_urgent(&line);
}
