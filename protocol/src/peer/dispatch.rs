//! Lines in, and what each side makes of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::value::RawValue;

use super::answer::Flush;
use super::connection::{Connection, Direction, Remote, Side};
use super::error::{CloseReason, Violation};
use super::inflight::Incoming;
use super::service::{Handler, Report, Route};
use super::stream::{self, Flow, NotTaken};
use super::timer::later;
use super::work::Work;
use crate::lifecycle::messages::{Cancel, Log, Progress};
use crate::lifecycle::{InitializeResult, Limits, methods};
use crate::wire::{
    Error, Frame, Malformed, Message, Notification, Outcome, Params, Request, RequestId, Response, decode,
    encode, error, quote,
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
                Err(malformed) => match side {
                    Side::Plugin => {
                        answer_malformed(connection, malformed);
                        Ok(None)
                    }
                    Side::Host => judge_malformed(connection, line, &malformed).map(|()| None),
                },
            }
        }
    }
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
                let params = notification.params.to_owned();
                let (connection, method) = (connection.clone(), method.to_owned());
                let job = Box::new(move || {
                    let heard = catch_unwind(AssertUnwindSafe(|| (listener.listen)(params.as_params())));
                    match heard {
                        Ok(Ok(())) => {}
                        Ok(Err(fault)) => ignored(&connection, &method, &fault.message),
                        Err(_) => ignored(&connection, &method, "its listener panicked"),
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
            let meta = params.meta();
            let parent = meta.parent.and_then(|id| Some((inner.pending.parent(&id)?, id)));
            let (depth, parent, until) = match parent {
                Some(((depth, until), id)) => (depth + 1, Some(id), until),
                None => (0, None, None),
            };
            match if counted { check_load(connection, depth, &handler, params) } else { Ok(()) } {
                Ok(()) => {
                    let asked = meta.deadline_ms.map(|ms| later(Duration::from_millis(ms)));
                    let deadline = [asked, until].into_iter().flatten().min();
                    let window = |limits: &Limits| limits.stream_window_bytes;
                    let theirs = connection.remote().map_or(0, |remote| window(&remote.limits));
                    let flow = Flow::new(handler.streams, window(&inner.limits), theirs);
                    let incoming =
                        Incoming::new(id, method.into_owned(), depth, parent, deadline, counted, flow);
                    let incoming = Arc::new(incoming);
                    inner.in_flight.insert(Arc::clone(&incoming));
                    return Ok(Some(Work::new(connection.clone(), incoming, handler, params.to_owned())));
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

enum Admitted {
    Answer(Box<RawValue>),
    Run { handler: Handler, counted: bool },
}

/// Lifecycle, then method, then the form of the params.
fn admit(connection: &Connection, method: &str, params: Params<'_>) -> Result<Admitted, Error> {
    let route = if method == methods::PING {
        Route::Answer(RawValue::from_string("{}".to_owned()).expect("an empty object is JSON"))
    } else {
        connection.inner.service.route(connection, method, params)?
    };
    if let Route::Run(handler) | Route::RunUncounted(handler) = &route
        && handler.streams.any()
        && !connection.remote().is_some_and(|remote| remote.streams)
    {
        return Err(error::method_not_found(method)); // `LIFE-32`
    }
    if !params.is_object() {
        // Says what is wrong in the one place that knows how.
        params.decode::<serde_json::Value>()?;
    }
    Ok(match route {
        Route::Answer(result) => Admitted::Answer(result),
        Route::Run(handler) => Admitted::Run { handler, counted: true },
        Route::RunUncounted(handler) => Admitted::Run { handler, counted: false },
    })
}

/// Whether there is a place for it; a request whose params are wrong is told so first.
fn check_load(
    connection: &Connection,
    depth: u32,
    handler: &Handler,
    params: Params<'_>,
) -> Result<(), Error> {
    let limits = &connection.inner.limits;
    let refusal = if depth > limits.max_depth {
        error::overloaded("levels of nesting", u64::from(limits.max_depth))
    } else if connection.inner.in_flight.at_depth(depth) >= limits.max_in_flight {
        error::overloaded("requests at once", u64::from(limits.max_in_flight))
    } else {
        return Ok(());
    };
    match catch_unwind(AssertUnwindSafe(|| (handler.check)(params))) {
        Ok(checked) => checked?,
        Err(_) => return Err(error::internal("reading the params panicked")),
    }
    Err(refusal)
}

/// Hands a request to a worker.
pub(super) fn hand_over(connection: &Connection, work: Work) {
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
    if connection.inner.lane.request(job).is_err()
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
